// Putting a WhatsApp chat on the record: the file is read, what was understood is said in plain words,
// what only a person can know is asked, and then it is kept whole with a receipt.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { Sheet, closeSheet } from "./sheet.js";
import { dateTime, names, number, plural } from "./words.js";
import { Check, File as FileIcon, Seal, Tray, Warning } from "./icons.js";

interface Instant {
  local?: string;
  min_ms?: number;
}

/** What a parser understood of a file. */
interface Run {
  system?: string;
  variant?: string;
  conversations?: { title?: string; kind?: string; participants?: { name: string; messages?: number }[] }[];
  warnings?: { code: string; detail?: string; count?: number; line?: number }[];
  questions?: Question[];
  coverage?: { messages?: number; first?: Instant | null; last?: Instant | null; likely_truncated?: boolean; members?: { total: number; named: number; unnamed: number } | null };
  reconciliation?: { unit: string; in_file: number; balanced: boolean };
}

interface Question {
  about: string;
  text: string;
  example?: string;
  answers: { value: string; meaning: string }[];
}

interface Answer extends Run {
  run?: Run;
  summary?: string[];
  receipt?: { position?: number; reference?: string; time?: number; sha256?: string };
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
      const questions = answer.questions ?? answer.run?.questions ?? [];
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
  const run = answer.run ?? answer;
  const doubts = (run.warnings ?? []).map((w) => doubt(w));
  if (run.coverage?.likely_truncated) doubts.unshift("The oldest messages are probably missing: WhatsApp cuts long exports.");
  return (
    <div class="understood">
      <p class="what-file"><FileIcon /> <span dir="auto">{file.name}</span></p>
      <h3>What was understood</h3>
      <ul>{sentences(answer).map((s) => <li key={s} dir="auto">{s}</li>)}</ul>
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

function sentences(answer: Answer): string[] {
  if (answer.summary) return answer.summary;
  const run = answer.run ?? answer;
  const out: string[] = [];
  const phone = run.variant === "ios" ? " from an iPhone" : run.variant === "android" ? " from an Android phone" : "";
  for (const c of run.conversations ?? []) {
    const kind = c.kind === "group" ? "group" : "chat";
    out.push(`A WhatsApp ${kind}${phone}${c.title ? `: “${c.title}”` : ""}.`);
    const who = c.participants ?? [];
    if (who.length > 0) out.push(`${plural(who.length, "person", "people")} wrote in it: ${names(who.map((p) => p.name), 8)}.`);
  }
  const cov = run.coverage;
  if (typeof cov?.messages === "number") out.push(`${plural(cov.messages, "message")}${span(cov.first, cov.last)}.`);
  if (cov?.members) out.push(`${plural(cov.members.total, "file")} in it, ${number(cov.members.named)} named by a message.`);
  const r = run.reconciliation;
  if (r?.balanced) out.push(`All ${number(r.in_file)} ${r.unit} of the file are accounted for.`);
  return out;
}

function span(first?: Instant | null, last?: Instant | null): string {
  if (!first || !last) return "";
  const a = date(first);
  const b = date(last);
  return a === b ? ` on ${a}` : `, from ${a} to ${b}`;
}

const long = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

function date(i: Instant): string {
  const t = i.local ? Date.parse(i.local.slice(0, 10) + "T00:00:00Z") : (i.min_ms ?? NaN);
  return Number.isNaN(t) ? "an unknown day" : long.format(t);
}

function Done({ answer, file }: { answer: Answer; file: File }): VNode {
  const r = answer.receipt;
  return (
    <div class="done" role="status">
      <p class="verified"><Check /> <span>{file.name} is on the record.</span></p>
      {r && (
        <p class="on-record">
          <Seal />
          <span>
            {r.position !== undefined && <span>Receipt: <b>no. {number(r.position)}</b>{r.time ? ` at ${dateTime(r.time)}` : ""}. </span>}
            {r.reference && <span>Reference <b>{r.reference}</b>. </span>}
            The file itself is kept whole beside what was read from it.
          </span>
        </p>
      )}
      <div class="choices"><button type="button" class="button" data-focus onClick={closeSheet}>Done</button></div>
    </div>
  );
}
