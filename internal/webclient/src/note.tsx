// A note of a call or a talk, in half a minute: with whom, how, when, what was said.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useId, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { here, Pills } from "./capture.js";
import { type Asked, learnOwed, type Submitted } from "./captured.js";
import { knownPeople } from "./conversations.js";
import { closeSheet, Sheet } from "./sheet.js";
import { Slip } from "./slip.js";
import { Warning } from "./icons.js";

const CHANNELS = [
  { code: "telephone", text: "Phone" },
  { code: "in person", text: "In person" },
  { code: "WhatsApp call", text: "WhatsApp" },
  { code: "video meeting", text: "Video" },
  { code: "other", text: "Other" },
];

export function Note({ request, text: shared = "" }: { request?: Asked | undefined; text?: string }): VNode {
  const [people, setPeople] = useState("");
  const [channel, setChannel] = useState("");
  const [other, setOther] = useState("");
  const [when, setWhen] = useState(local(Date.now()));
  const [text, setText] = useState(shared);
  const [dictated, setDictated] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<{ field: string; text: string }>({ field: "", text: "" });
  const [receipt, setReceipt] = useState<Submitted | null>(null);
  const id = useId();
  useEffect(() => {
    if (problem.field) document.getElementById(id + "-" + problem.field)?.focus();
  }, [problem]);

  const save = async (e: Event) => {
    e.preventDefault();
    const from = new Date(when).getTime();
    setBusy(true);
    setProblem({ field: "", text: "" });
    try {
      const body = {
        with: people.split(/[,;\n،、]/).map((s) => s.trim()).filter(Boolean), channel: channel === "other" ? other : channel,
        from: Number.isNaN(from) ? 0 : from, zone: here(), text, dictated, request: request?.id ?? "",
      };
      setReceipt(await call<Submitted>("POST", "/_despatch/v1/notes", { body }));
      void learnOwed();
      dispatchEvent(new Event("despatch-record-changed"));
    } catch (e) {
      const field = e instanceof APIError && typeof e.body["field"] === "string" ? e.body["field"] : "";
      setProblem({ field, text: explain(e) });
    }
    setBusy(false);
  };
  if (receipt) return <Sheet title="Receipt" class="capture" key="receipt"><Slip receipts={[receipt]} onDone={closeSheet} /></Sheet>;
  return (
    <Sheet title="Note of a call or talk" class="capture" key="note">
      <form class="note-form" onSubmit={(e) => void save(e)} noValidate>
        <label for={id + "-with"}>With whom?</label>
        <input id={id + "-with"} type="text" dir="auto" data-focus autocomplete="off" list={id + "-people"} placeholder="Dr Ash, Ben Carter" value={people} onInput={(e) => setPeople(e.currentTarget.value)} />
        <datalist id={id + "-people"}>{knownPeople().slice(0, 100).map((p) => <option key={p.user} value={p.name} />)}</datalist>
        <div id={id + "-channel"} tabIndex={-1}>
          <Pills legend="How?" name={id + "-how"} list={CHANNELS} chosen={channel} onChoose={setChannel} />
        </div>
        {channel === "other" && <input type="text" dir="auto" aria-label="How you spoke" autocomplete="off" value={other} onInput={(e) => setOther(e.currentTarget.value)} />}
        <label for={id + "-from"}>When did it begin?</label>
        <input id={id + "-from"} type="datetime-local" value={when} max={local(Date.now())} onInput={(e) => setWhen(e.currentTarget.value)} />
        <label for={id + "-text"}>What was said, and decided?</label>
        <textarea id={id + "-text"} dir="auto" rows={6} aria-describedby={id + "-hint"} value={text} onInput={(e) => setText(e.currentTarget.value)} />
        <p class="hint" id={id + "-hint"}>To dictate, tap the microphone on your phone’s keyboard.</p>
        <label class="radio check"><input type="checkbox" checked={dictated} onChange={(e) => setDictated(e.currentTarget.checked)} /> <span>I dictated it</span></label>
        <div class="sheet-foot">
          {problem.text && <p class="problem" role="alert"><Warning /> <span>{problem.text}</span></p>}
          <button type="submit" class="button wide" disabled={busy}>{busy ? "Putting it on the record…" : "Put it on the record"}</button>
        </div>
      </form>
    </Sheet>
  );
}

// local writes a time as the field for it wants it: by this device's clock.
function local(ms: number): string {
  const d = new Date(ms);
  return new Date(ms - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
