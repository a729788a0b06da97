import { h } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { nameOf } from "./conversations.js";
import { summary } from "./history.js";
import { check } from "./proof.js";
import { Sheet } from "./sheet.js";
import { dateTime, names, number } from "./words.js";
import { Check, Seal, Warning } from "./icons.js";
function Receipt({ c, m }) {
  const [proof, setProof] = useState(null);
  const [checked, setChecked] = useState(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const position = proof?.position ?? m.ev.unsigned?.["org.despatch.position"];
  const fetchProof = () => call("GET", `/_despatch/v1/receipt/${enc(c.id)}/${enc(m.id)}`);
  useEffect(() => {
    fetchProof().then(setProof, (e) => setProblem(explain(e)));
  }, []);
  const verify = async () => {
    setBusy(true);
    setProblem("");
    try {
      const p = proof ?? await fetchProof();
      setProof(p);
      setChecked(await check(p, m.gone ? void 0 : m.ev.content.body));
    } catch (e) {
      setChecked(null);
      setProblem(e instanceof Error && e.constructor === Error ? e.message : explain(e));
    }
    setBusy(false);
  };
  const reached = c.reached(m.id);
  const others = c.present().length - 1;
  return /* @__PURE__ */ h(Sheet, { title: "Receipt", kind: "small" }, /* @__PURE__ */ h("blockquote", { class: "what", dir: "auto" }, m.gone ? `${summary(m)}. It stays on the official record.` : summary(m)), /* @__PURE__ */ h("p", { class: "on-record" }, /* @__PURE__ */ h(Seal, null), /* @__PURE__ */ h("span", null, position !== void 0 ? /* @__PURE__ */ h("span", null, "On the record as ", /* @__PURE__ */ h("b", null, "no. ", number(position)), " ", m.mine ? "" : `from ${nameOf(m.sender)} `, "at ", dateTime(proof?.time ?? m.ts), ".") : "On the record.")), m.mine && others > 0 && /* @__PURE__ */ h("p", { class: "reach" }, reached.read.length > 0 ? `Read by ${names(reached.read.map(nameOf), 6)}.` : "Nobody has read it yet.", reached.delivered.length > reached.read.length && ` Delivered to ${names(reached.delivered.filter((u) => !reached.read.includes(u)).map(nameOf), 6)}.`), /* @__PURE__ */ h("div", { role: "status" }, checked && /* @__PURE__ */ h("p", { class: "verified" }, /* @__PURE__ */ h(Check, null), /* @__PURE__ */ h("span", null, "Checked in this browser: ", checked.message ? "this message" : "its entry", " is no. ", number(proof.position), " of ", number(checked.size), " on the record", checked.signature ? `, signed by ${checked.origin}.` : ". This browser cannot check the signature itself.", m.edited && " What was first sent and each change are entries of their own.")), problem && /* @__PURE__ */ h("p", { class: "problem" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, problem))), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button", disabled: busy, onClick: verify, "data-focus": true }, busy ? "Checking…" : "Check it yourself"), proof && /* @__PURE__ */ h("a", { class: "quiet", download: `receipt-${proof.position}.tlog-proof`, href: "data:text/plain;charset=utf-8," + encodeURIComponent(proof.proof) }, "Save the proof")));
}
export {
  Receipt
};
