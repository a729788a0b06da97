import { h, Fragment } from "./preact/preact.js";
import {} from "./captured.js";
import { bytes, number, plural } from "./words.js";
import { Check, Warning } from "./icons.js";
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });
function Slip({ receipts, onDone, again = false }) {
  return /* @__PURE__ */ h("div", { class: "done" }, !again && /* @__PURE__ */ h("p", { class: "verified", role: "status" }, /* @__PURE__ */ h(Check, null), " ", /* @__PURE__ */ h("span", null, receipts.length === 1 ? `${title(receipts[0])} is on the record.` : `${receipts.length} submissions are on the record.`)), receipts.map((r) => /* @__PURE__ */ h(One, { key: r.submission, r, again })), /* @__PURE__ */ h("div", { class: "choices no-print" }, onDone && /* @__PURE__ */ h("button", { type: "button", class: "button", "data-focus": true, onClick: onDone }, "Done"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: () => print() }, "Print"), /* @__PURE__ */ h("a", { class: "quiet", download: `receipt-${receipts[0].position}.txt`, href: "data:text/plain;charset=utf-8," + encodeURIComponent(receipts.map(asText).join("\n\n")) }, "Save")));
}
function title(r) {
  return (r.filed.length === 1 ? r.filed[0].title : "") || r.name;
}
function One({ r, again }) {
  const wanted = [!r.about.subject && "what it is about", !r.about.weight && "how much it matters", !r.about.reason && "why it was not in Despatch"].filter(Boolean);
  return /* @__PURE__ */ h("section", { class: "slip" }, /* @__PURE__ */ h("h3", { dir: "auto" }, title(r)), /* @__PURE__ */ h("dl", { class: "facts" }, /* @__PURE__ */ h("dt", null, "Record no."), /* @__PURE__ */ h("dd", null, /* @__PURE__ */ h("b", null, number(r.position))), /* @__PURE__ */ h("dt", null, "Received"), /* @__PURE__ */ h("dd", null, moment.format(r.time)), r.system && /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("dt", null, "From"), /* @__PURE__ */ h("dd", null, r.system_name)), r.messages > 0 && /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("dt", null, "Messages"), /* @__PURE__ */ h("dd", null, number(r.messages))), r.filed.map((c, i) => /* @__PURE__ */ h(Fragment, { key: i }, /* @__PURE__ */ h("dt", null, i === 0 ? "Entries" : ""), /* @__PURE__ */ h("dd", null, "no. ", number(c.first), c.last > c.first ? ` to no. ${number(c.last)}` : "", r.filed.length > 1 && /* @__PURE__ */ h("span", { class: "person-id", dir: "auto" }, c.title)))), /* @__PURE__ */ h("dt", null, "File"), /* @__PURE__ */ h("dd", { dir: "auto" }, r.name, ", ", bytes(r.bytes))), r.repeated && /* @__PURE__ */ h("p", { class: "hint" }, "You handed this in before. Nothing is counted twice."), r.status === "needs_answer" && /* @__PURE__ */ h("p", { class: "notice" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, /* @__PURE__ */ h("b", null, "A question is open."), " The file is kept. Its messages are filed once you have answered, in My record.")), (r.status === "unreadable" || r.status === "unknown") && /* @__PURE__ */ h("p", { class: "notice" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, /* @__PURE__ */ h("b", null, "Kept whole, not read."), " ", r.fault || "Despatch does not know this kind of file.")), r.doubts.length > 0 && /* @__PURE__ */ h("p", { class: "hint" }, plural(r.doubts.length, "doubt"), " noted: ", /* @__PURE__ */ h("span", { dir: "auto" }, r.doubts.slice(0, 3).map((d) => d.text).join(" "))), wanted.length > 0 && !again && r.system !== "note" && /* @__PURE__ */ h("p", { class: "hint no-print" }, "Still wanted, in My record: ", wanted.join(", "), "."), /* @__PURE__ */ h("details", { class: "fine" }, /* @__PURE__ */ h("summary", null, "For checking"), /* @__PURE__ */ h("p", null, /* @__PURE__ */ h("span", { class: "person-id" }, "Reference"), /* @__PURE__ */ h("code", { class: "reference" }, r.submission)), /* @__PURE__ */ h("p", null, /* @__PURE__ */ h("span", { class: "person-id" }, "SHA-256 of the file"), /* @__PURE__ */ h("code", { class: "reference" }, r.sha256))));
}
function asText(r) {
  const lines = [
    "Despatch: receipt",
    title(r),
    "",
    `Record no.:  ${r.position}`,
    `Received:    ${new Date(r.time).toISOString()}`,
    `From:        ${r.system_name}`,
    `File:        ${r.name} (${r.bytes} bytes)`,
    `SHA-256:     ${r.sha256}`,
    `Reference:   ${r.submission}`,
    `Messages:    ${r.messages}`,
    ...r.filed.map((c) => `Entries:     no. ${c.first} to no. ${c.last} (${c.items}) ${c.title}`)
  ];
  if (r.in_file > 0) lines.push(`Accounted:   ${r.balanced ? "all" : "NOT all"} of ${r.in_file} ${r.unit}`);
  if (r.fault) lines.push(`Not read:    ${r.fault}`);
  for (const d of r.doubts) lines.push(`In doubt:    ${d.text}`);
  return lines.join("\n") + "\n";
}
export {
  Slip
};
