// Putting a WhatsApp chat on the record: the file is read, what was understood is said in plain words,
// what only a person can know is asked, and then it is kept whole with a receipt.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { Sheet, closeSheet } from "./sheet.js";
import { dateTime, number } from "./words.js";
import { Check, File as FileIcon, Seal, Tray, Warning } from "./icons.js";

/** What a parser understood of a file. */
interface Run {
  warnings?: { code: string; detail?: string; count?: number; line?: number }[];
  questions?: Question[];
  coverage?: { likely_truncated?: boolean };
}

interface Question {
  about: string;
  text: string;
  example?: string;
  answers: { value: string; meaning: string }[];
}

interface Answer extends Run {
  summary?: string[];
  sample?: { sender?: string; text?: string; body?: string; sent?: { raw?: string; local?: string } }[];
  receipt?: { position: number; reference: string; time: number; sha256?: string; repeated?: boolean };
}

type Step =
  | { at: "choose"; problem: string }
  | { at: "reading" }
  | { at: "asked"; questions: Question[] }
  | { at: "preview"; answer: Answer }
  | { at: "keeping"; answer: Answer }
  | { at: "done"; answer: Answer };

export function Capture({ dropped }: { dropped?: File }): VNode {
  const [step, setStep] = useState<Step>({ at: "choose", problem: "" });
  const [file, setFile] = useState<File | null>(null);
  const [over, setOver] = useState(false);
  const answers = useRef<Record<string, string>>({});
  const chooser = useRef<HTMLInputElement>(null);

  const ask = async (f: File, preview: boolean): Promise<Answer> => {
    const form = new FormData();
    form.append("file", f, f.name);
    form.append("zone", answers.current["zone"] ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
    for (const [about, value] of Object.entries(answers.current)) if (about !== "zone") form.append(about, value);
    return call<Answer>("POST", "/_despatch/v1/capture", { form, ...(preview ? { query: { preview: "1" } } : {}), timeout: 600_000 });
  };

  const failed = (e: unknown) => {
    if (e instanceof APIError && e.errcode === "ORG_DESPATCH_NEEDS_ANSWER" && Array.isArray(e.body["questions"])) {
      setStep({ at: "asked", questions: e.body["questions"] as Question[] });
    } else setStep({ at: "choose", problem: explain(e) });
  };

  const read = async (f: File) => {
    setFile(f);
    setStep({ at: "reading" });
    try {
      const answer = await ask(f, true);
      const questions = answer.questions ?? [];
      if (questions.length > 0) setStep({ at: "asked", questions });
      else setStep({ at: "preview", answer });
    } catch (e) {
      failed(e);
    }
  };

  const choose = (f: File | undefined) => {
    if (!f) return;
    answers.current = {};
    void read(f);
  };
  useEffect(() => choose(dropped), []);

  const keep = async (preview: Answer) => {
    setStep({ at: "keeping", answer: preview });
    try {
      const answer = await ask(file!, false);
      setStep({ at: "done", answer: { ...preview, ...answer } });
    } catch (e) {
      failed(e);
    }
  };

  return (
    <Sheet title="Put a WhatsApp chat on the record" class="capture">
      <input ref={chooser} type="file" hidden accept=".txt,.zip,text/plain,application/zip" aria-label="Exported chat" onChange={(e) => {
        const f = e.currentTarget.files?.[0];
        e.currentTarget.value = "";
        choose(f);
      }} />
      {step.at === "choose" && (
        <div
          class={over ? "drop over" : "drop"}
          onDragOver={(e) => {
            e.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={(e) => {
            e.preventDefault();
            setOver(false);
            choose(e.dataTransfer?.files[0]);
          }}
        >
          {step.problem && <p class="problem" role="alert"><Warning /> <span>{step.problem}</span></p>}
          <button type="button" class="button wide" data-focus onClick={() => chooser.current!.click()}><Tray /> Choose the exported file</button>
          <p class="hint">Or drop it here. Nothing is kept until you have seen what was understood.</p>
          <details>
            <summary>How to export a chat from WhatsApp</summary>
            <ol>
              <li><b>Android:</b> open the chat, ⋮, More, Export chat.</li>
              <li><b>iPhone:</b> open the chat, tap its name, Export Chat.</li>
              <li>Choose “Include media”, and save the file where you find it again.</li>
            </ol>
            <p>WhatsApp leaves out reactions, what was deleted, and the oldest messages of a long chat. We say so when we see it.</p>
          </details>
        </div>
      )}
      {step.at === "reading" && <p class="working" role="status"><span class="spinner" /> Reading {file?.name}…</p>}
      {step.at === "asked" && <Questions list={step.questions} onAnswer={(given) => {
        Object.assign(answers.current, given);
        void read(file!);
      }} />}
      {(step.at === "preview" || step.at === "keeping") && (
        <div>
          <Understood answer={step.answer} file={file!} />
          <div class="choices">
            <button type="button" class="button" data-focus disabled={step.at === "keeping"} onClick={() => void keep(step.answer)}>
              {step.at === "keeping" ? "Putting it on the record…" : "Put it on the record"}
            </button>
            <button type="button" class="quiet" disabled={step.at === "keeping"} onClick={() => setStep({ at: "choose", problem: "" })}>Choose another file</button>
          </div>
        </div>
      )}
      {step.at === "done" && <Done answer={step.answer} file={file!} />}
    </Sheet>
  );
}

function Questions({ list, onAnswer }: { list: Question[]; onAnswer: (given: Record<string, string>) => void }): VNode {
  const [given, setGiven] = useState<Record<string, string>>({});
  const all = list.every((q) => given[q.about]);
  return (
    <form onSubmit={(e) => {
      e.preventDefault();
      if (all) onAnswer(given);
    }}>
      <p role="status">The file does not say for certain. Nothing is guessed, so please tell us:</p>
      {list.map((q, i) => (
        <fieldset key={q.about} class="question">
          <legend>{q.text}</legend>
          {q.example && <p class="example"><code dir="auto">{q.example}</code></p>}
          {q.answers.map((a, j) => (
            <label key={a.value} class="radio">
              <input type="radio" name={q.about} value={a.value} data-focus={i === 0 && j === 0 ? "" : undefined} checked={given[q.about] === a.value} onChange={() => setGiven({ ...given, [q.about]: a.value })} />
              <span>{a.meaning || a.value}</span>
            </label>
          ))}
        </fieldset>
      ))}
      <div class="choices"><button type="submit" class="button" disabled={!all}>Carry on</button></div>
    </form>
  );
}

function Understood({ answer, file }: { answer: Answer; file: File }): VNode {
  const doubts = (answer.warnings ?? []).map((w) => doubt(w));
  if (answer.coverage?.likely_truncated) doubts.unshift("The oldest messages are probably missing: WhatsApp cuts long exports.");
  return (
    <div class="understood">
      <p class="what-file"><FileIcon /> <span dir="auto">{file.name}</span></p>
      <h3>What was understood</h3>
      <ul>{(answer.summary ?? []).map((s) => <li key={s} dir="auto">{s}</li>)}</ul>
      {(answer.sample ?? []).length > 0 && (
        <div>
          <h3>How it begins</h3>
          <ol class="sample">
            {answer.sample!.map((o, i) => (
              <li key={i}>
                <span class="person-id">{o.sender ? <b dir="auto">{o.sender}</b> : "WhatsApp"} · {local(o.sent)}</span>
                <span dir="auto">{(o.text || o.body || "").slice(0, 160)}</span>
              </li>
            ))}
          </ol>
        </div>
      )}
      {doubts.length > 0 && (
        <div>
          <h3>What is in doubt</h3>
          <ul>{doubts.map((s) => <li key={s} dir="auto">{s}</li>)}</ul>
        </div>
      )}
    </div>
  );
}

function doubt(w: { code: string; detail?: string; count?: number }): string {
  const words = w.detail || w.code.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase());
  return w.count && w.count > 1 ? `${words} (${number(w.count)} times)` : words;
}

// local shows a time as the writer's clock had it: "3 April 2021, 10:15".
function local(t: { raw?: string; local?: string } | undefined): string {
  const m = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}:\d{2})/.exec(t?.local ?? "");
  return m ? `${long.format(Date.UTC(+m[1]!, +m[2]! - 1, +m[3]!))}, ${m[4]}` : (t?.raw ?? "");
}

const long = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

function Done({ answer, file }: { answer: Answer; file: File }): VNode {
  const r = answer.receipt;
  return (
    <div class="done" role="status">
      <p class="verified"><Check /> <span>{file.name} is on the record.</span></p>
      {r && (
        <p class="on-record">
          <Seal />
          <span>
            On the record as <b>no. {number(r.position)}</b> at {dateTime(r.time)}. Your reference is <b class="reference">{r.reference}</b>.
            {r.repeated ? " This very file was there already, and is not counted twice." : " The file is kept whole beside what was read from it."}
          </span>
        </p>
      )}
      <div class="choices"><button type="button" class="button" data-focus onClick={closeSheet}>Done</button></div>
    </div>
  );
}
