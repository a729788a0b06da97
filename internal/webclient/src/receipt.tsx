// A message's receipt: that it is on the record, as what, and the means to check it oneself.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { type Conversation, nameOf } from "./conversations.js";
import { type Message, summary } from "./history.js";
import { check, type Checked, type Receipt as Proof } from "./proof.js";
import { Sheet } from "./sheet.js";
import { dateTime, names, number } from "./words.js";
import { Check, Seal, Warning } from "./icons.js";

export function Receipt({ c, m }: { c: Conversation; m: Message }): VNode {
  const [proof, setProof] = useState<Proof | null>(null);
  const [checked, setChecked] = useState<Checked | null>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const position = proof?.position ?? m.ev.unsigned?.["org.despatch.position"];

  const fetchProof = () => call<Proof>("GET", `/_despatch/v1/receipt/${enc(c.id)}/${enc(m.id)}`);
  useEffect(() => {
    fetchProof().then(setProof, (e) => setProblem(explain(e)));
  }, []);

  const verify = async () => {
    setBusy(true);
    setProblem("");
    try {
      const p = proof ?? (await fetchProof());
      setProof(p);
      // An edit is an event of its own: the receipt is for what was first sent.
      setChecked(await check(p, m.gone ? undefined : m.ev.content.body));
    } catch (e) {
      setChecked(null);
      setProblem(e instanceof Error && e.constructor === Error ? e.message : explain(e));
    }
    setBusy(false);
  };

  const reached = c.reached(m.id);
  const others = c.present().length - 1;
  return (
    <Sheet title="Receipt" kind="small">
      <blockquote class="what" dir="auto">{m.gone ? `${summary(m)}. It stays on the official record.` : summary(m)}</blockquote>
      <p class="on-record">
        <Seal />
        <span>
          {position !== undefined
            ? <span>On the record as <b>no. {number(position)}</b> {m.mine ? "" : `from ${nameOf(m.sender)} `}at {dateTime(proof?.time ?? m.ts)}.</span>
            : "On the record."}
        </span>
      </p>
      {m.mine && others > 0 && (
        <p class="reach">
          {reached.read.length > 0 ? `Read by ${names(reached.read.map(nameOf), 6)}.` : "Nobody has read it yet."}
          {reached.delivered.length > reached.read.length && ` Delivered to ${names(reached.delivered.filter((u) => !reached.read.includes(u)).map(nameOf), 6)}.`}
        </p>
      )}
      <div role="status">
        {checked && (
          <p class="verified">
            <Check />
            <span>
              Checked in this browser: {checked.message ? "this message" : "its entry"} is no. {number(proof!.position)} of {number(checked.size)} on the record{checked.signature ? `, signed by ${checked.origin}.` : ". This browser cannot check the signature itself."}
              {m.edited && " What was first sent and each change are entries of their own."}
            </span>
          </p>
        )}
        {problem && <p class="problem"><Warning /> <span>{problem}</span></p>}
      </div>
      <div class="choices">
        <button type="button" class="button" disabled={busy} onClick={verify} data-focus>{busy ? "Checking…" : "Check it yourself"}</button>
        {proof && <a class="quiet" download={`receipt-${proof.position}.tlog-proof`} href={"data:text/plain;charset=utf-8," + encodeURIComponent(proof.proof)}>Save the proof</a>}
      </div>
    </Sheet>
  );
}
