// A receipt for what was put on the record, to be kept or printed.

import { h, Fragment, type VNode } from "./preact/preact.js";
import { type Submitted } from "./captured.js";
import { bytes, number, plural } from "./words.js";
import { Check, Warning } from "./icons.js";

const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });

export function Slip({ receipts, onDone, again = false }: { receipts: Submitted[]; onDone?: () => void; again?: boolean }): VNode {
  return (
    <div class="done">
      {!again && <p class="verified" role="status"><Check /> <span>{receipts.length === 1 ? `${title(receipts[0]!)} is on the record.` : `${receipts.length} submissions are on the record.`}</span></p>}
      {receipts.map((r) => <One key={r.submission} r={r} again={again} />)}
      <div class="choices no-print">
        {onDone && <button type="button" class="button" data-focus onClick={onDone}>Done</button>}
        <button type="button" class="quiet" onClick={() => print()}>Print</button>
        <a class="quiet" download={`receipt-${receipts[0]!.position}.txt`} href={"data:text/plain;charset=utf-8," + encodeURIComponent(receipts.map(asText).join("\n\n"))}>Save</a>
      </div>
    </div>
  );
}

function title(r: Submitted): string {
  return (r.filed.length === 1 ? r.filed[0]!.title : "") || r.name;
}

function One({ r, again }: { r: Submitted; again: boolean }): VNode {
  const wanted = [!r.about.subject && "what it is about", !r.about.weight && "how much it matters", !r.about.reason && "why it was not in Despatch"].filter(Boolean) as string[];
  return (
    <section class="slip">
      <h3 dir="auto">{title(r)}</h3>
      <dl class="facts">
        <dt>Record no.</dt><dd><b>{number(r.position)}</b></dd>
        <dt>Received</dt><dd>{moment.format(r.time)}</dd>
        {r.system && <Fragment><dt>From</dt><dd>{r.system_name}</dd></Fragment>}
        {r.messages > 0 && <Fragment><dt>Messages</dt><dd>{number(r.messages)}</dd></Fragment>}
        {r.filed.map((c, i) => <Fragment key={i}><dt>{i === 0 ? "Entries" : ""}</dt><dd>no. {number(c.first)}{c.last > c.first ? ` to no. ${number(c.last)}` : ""}{r.filed.length > 1 && <span class="person-id" dir="auto">{c.title}</span>}</dd></Fragment>)}
        <dt>File</dt><dd dir="auto">{r.name}, {bytes(r.bytes)}</dd>
      </dl>
      {r.repeated && <p class="hint">You handed this in before. Nothing is counted twice.</p>}
      {r.status === "needs_answer" && <p class="notice"><Warning /> <span><b>A question is open.</b> The file is kept. Its messages are filed once you have answered, in My record.</span></p>}
      {(r.status === "unreadable" || r.status === "unknown") && <p class="notice"><Warning /> <span><b>Kept whole, not read.</b> {r.fault || "Despatch does not know this kind of file."}</span></p>}
      {r.doubts.length > 0 && <p class="hint">{plural(r.doubts.length, "doubt")} noted: <span dir="auto">{r.doubts.slice(0, 3).map((d) => d.text).join(" ")}</span></p>}
      {wanted.length > 0 && !again && r.system !== "note" && <p class="hint no-print">Still wanted, in My record: {wanted.join(", ")}.</p>}
      <details class="fine">
        <summary>For checking</summary>
        <p><span class="person-id">Reference</span><code class="reference">{r.submission}</code></p>
        <p><span class="person-id">SHA-256 of the file</span><code class="reference">{r.sha256}</code></p>
      </details>
    </section>
  );
}

function asText(r: Submitted): string {
  const lines = [
    "Despatch: receipt", title(r), "",
    `Record no.:  ${r.position}`,
    `Received:    ${new Date(r.time).toISOString()}`,
    `From:        ${r.system_name}`,
    `File:        ${r.name} (${r.bytes} bytes)`,
    `SHA-256:     ${r.sha256}`,
    `Reference:   ${r.submission}`,
    `Messages:    ${r.messages}`,
    ...r.filed.map((c) => `Entries:     no. ${c.first} to no. ${c.last} (${c.items}) ${c.title}`),
  ];
  if (r.in_file > 0) lines.push(`Accounted:   ${r.balanced ? "all" : "NOT all"} of ${r.in_file} ${r.unit}`);
  if (r.fault) lines.push(`Not read:    ${r.fault}`);
  for (const d of r.doubts) lines.push(`In doubt:    ${d.text}`);
  return lines.join("\n") + "\n";
}
