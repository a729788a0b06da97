// Putting on the record what was said elsewhere: files are chosen, dropped or shared, what was understood
// of them is said in plain words, what only a person can know is asked, and then they are kept whole with
// a receipt. What cannot be read is kept all the same, and what is not answered can be answered later.

import { h, Fragment, type VNode } from "./preact/preact.js";
import { useEffect, useId, useRef, useState } from "./preact/hooks.js";
import { call, explain } from "./api.js";
import { type About, type Answers, type Asked, type Choice, days, fetchMine, type Found, isPlain, learnOwed, local, type Mine, messages, type Question, type Submitted, who } from "./captured.js";
import { Note } from "./note.js";
import { closeSheet, Sheet, showSheet } from "./sheet.js";
import { Slip } from "./slip.js";
import { drop, type Progress, send } from "./upload.js";
import { bytes, number, plural } from "./words.js";
import { Bin, Check, File as FileIcon, Pencil, Tray, Warning } from "./icons.js";

type Step =
  | { at: "choose"; problem: string }
  | { at: "sending"; files: File[]; progress: Progress }
  | { at: "reading"; ids: string[] }
  | { at: "preview"; ids: string[]; found: Found[]; problem: string; busy: "" | "looking" | "keeping" }
  | { at: "done"; receipts: Submitted[] };

interface Props {
  dropped?: File[] | undefined;
  request?: Asked | undefined;
  problem?: string;
}

export function Capture({ dropped, request, problem = "" }: Props): VNode {
  const [step, setStep] = useState<Step>({ at: "choose", problem });
  const [mine, setMine] = useState<Mine | null>(null);
  const [answers, setAnswers] = useState<Answers>({});
  const [about, setAbout] = useState<About>({});
  const stop = useRef<AbortController | null>(null);
  const sent = useRef<string[]>([]);

  useEffect(() => {
    fetchMine().then(setMine, () => {});
    if (dropped?.length) void take(dropped);
    return () => stop.current?.abort();
  }, []);

  const take = async (files: File[]) => {
    if (files.length === 0) return;
    stop.current?.abort();
    const mine = (stop.current = new AbortController());
    setAnswers({});
    setStep({ at: "sending", files, progress: { sent: 0, total: 1, waiting: false } });
    try {
      const ids = await send(files, mine.signal, (progress) => {
        if (!mine.signal.aborted) setStep({ at: "sending", files, progress });
      });
      sent.current = ids;
      setStep({ at: "reading", ids });
      await look(ids, {});
    } catch (e) {
      if (!mine.signal.aborted) setStep({ at: "choose", problem: explain(e) });
    }
  };

  const look = async (ids: string[], given: Answers) => {
    const { found } = await call<{ found: Found[] }>("POST", "/_despatch/v1/capture/preview", { body: { uploads: ids, answers: given }, timeout: 600_000 });
    setStep({ at: "preview", ids, found, problem: "", busy: "" });
  };

  // answer takes an answer to a question of the file, and looks at the file again with it.
  const answer = async (s: Extract<Step, { at: "preview" }>, given: Answers) => {
    const all = { ...answers, ...given };
    setAnswers(all);
    setStep({ ...s, problem: "", busy: "looking" });
    try {
      await look(s.ids, all);
    } catch (e) {
      setStep({ ...s, problem: explain(e), busy: "" });
    }
  };

  const keep = async (s: Extract<Step, { at: "preview" }>) => {
    setStep({ ...s, problem: "", busy: "keeping" });
    const receipts: Submitted[] = [];
    let left = s.found;
    try {
      for (const f of s.found) {
        const given = f.no_zone && !answers["zone"] ? { ...answers, zone: here() } : answers;
        receipts.push(await call<Submitted>("POST", "/_despatch/v1/capture", { body: { uploads: f.uploads, answers: given, about, request: request?.id ?? "" }, timeout: 3_600_000 }));
        left = left.slice(1);
      }
      sent.current = [];
      setAnswers({}); // among them may be a password
      setStep({ at: "done", receipts });
      void learnOwed();
      dispatchEvent(new Event("despatch-record-changed"));
    } catch (e) {
      setStep({ ...s, found: left, problem: explain(e), busy: "" });
    }
  };

  const cancel = () => {
    stop.current?.abort();
    drop(sent.current);
    sent.current = [];
    setStep({ at: "choose", problem: "" });
  };

  return (
    <Sheet title={step.at === "done" ? "Receipt" : "Put on the record"} class="capture">
      {request && step.at !== "done" && <p class="notice for-request"><Tray /> <span>For the records office: <b dir="auto">{request.what}</b></span></p>}
      {step.at === "choose" && <Choose problem={step.problem} mine={mine} onFiles={(f) => void take(f)} request={request} />}
      {step.at === "sending" && <Sending step={step} onCancel={cancel} />}
      {step.at === "reading" && <p class="working" role="status"><span class="spinner" /> Reading…</p>}
      {step.at === "preview" && (
        <Preview step={step} answers={answers} about={about} mine={mine} onAbout={setAbout}
          onAnswer={(given) => void answer(step, given)} onZone={(zone) => setAnswers({ ...answers, zone })} onKeep={() => void keep(step)} onCancel={cancel} />
      )}
      {step.at === "done" && <Slip receipts={step.receipts} onDone={closeSheet} />}
    </Sheet>
  );
}

/** The time zone of this device. */
export function here(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "Europe/London";
}

function Choose({ problem, mine, request, onFiles }: { problem: string; mine: Mine | null; request?: Asked | undefined; onFiles: (f: File[]) => void }): VNode {
  const [over, setOver] = useState(false);
  const [gone, setGone] = useState<string[]>([]);
  const chooser = useRef<HTMLInputElement>(null);
  const unfinished = (mine?.uploads ?? []).filter((u) => !gone.includes(u.id));
  return (
    <Fragment>
      <input ref={chooser} type="file" multiple hidden aria-label="Files to put on the record" onChange={(e) => {
        const files = [...(e.currentTarget.files ?? [])];
        e.currentTarget.value = "";
        onFiles(files);
      }} />
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
          onFiles([...(e.dataTransfer?.files ?? [])]);
        }}
      >
        {problem && <p class="problem" role="alert"><Warning /> <span>{problem}</span></p>}
        <button type="button" class="button wide" data-focus onClick={() => chooser.current!.click()}><Tray /> Choose files</button>
        <p class="hint">Or drop them here: an exported chat, e-mails, a screenshot, any document. You see what was understood before it is kept.</p>
      </div>
      {unfinished.length > 0 && (
        <section>
          <h3>Not finished</h3>
          <ul class="unfinished">
            {unfinished.map((u) => (
              <li key={u.id}>
                <span><b dir="auto">{u.name}</b><span class="person-id">{u.offset >= u.size ? "Sent, but not put on the record." : `${Math.floor(100 * u.offset / u.size)} % was sent.`} Choose the same file again to carry on.</span></span>
                <button type="button" class="round" aria-label={`Remove ${u.name}`} onClick={() => {
                  drop([u.id]);
                  setGone([...gone, u.id]);
                }}><Bin /></button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <button type="button" class="row-button" onClick={() => {
        closeSheet();
        showSheet(<Note request={request} />);
      }}>
        <span class="row-icon"><Pencil /></span>
        <span>Write a note of a call or talk<span class="person-id">When there is nothing to export. Half a minute.</span></span>
      </button>
      <Exports />
    </Fragment>
  );
}

// Exports says how chats are exported, app by app.
function Exports(): VNode {
  return (
    <details class="howto">
      <summary>How do I export a chat?</summary>
      <dl>
        <dt>WhatsApp</dt>
        <dd>Android: open the chat, ⋮, More, Export chat. iPhone: open the chat, tap its name, Export Chat. Choose “Include media”, then Despatch if it is in the list.</dd>
        <dt>Signal</dt>
        <dd>Android: Settings, Chats, Chat backups. Desktop: ask your IT desk. You will be asked for the passphrase.</dd>
        <dt>Text messages</dt>
        <dd>Android: the app “SMS Backup & Restore”. iPhone: take screenshots, or ask your IT desk.</dd>
        <dt>Private e-mail</dt>
        <dd>Save or forward the message as a file (.eml or .msg).</dd>
        <dt>Teams, Slack, Telegram, Messenger</dt>
        <dd>Use “Export” or “Download your information”, as JSON where you can choose.</dd>
        <dt>Anything else, such as Siilo</dt>
        <dd>Take screenshots or save a PDF, and choose them all at once.</dd>
      </dl>
    </details>
  );
}

function Sending({ step, onCancel }: { step: Extract<Step, { at: "sending" }>; onCancel: () => void }): VNode {
  const { sent, total, waiting } = step.progress;
  const percent = Math.floor(100 * sent / Math.max(1, total));
  const label = useId();
  return (
    <div class="sending">
      <p class="what-file"><FileIcon /> <span dir="auto" id={label}>{step.files.length === 1 ? step.files[0]!.name : plural(step.files.length, "file")}</span></p>
      <progress max={100} value={percent} aria-labelledby={label} />
      <p class="hint" role="status">{waiting ? "No connection. It carries on by itself." : `Sending, ${percent} % of ${bytes(total)}`}</p>
      <div class="choices"><button type="button" class="quiet" onClick={onCancel}>Cancel</button></div>
    </div>
  );
}

interface PreviewProps {
  step: Extract<Step, { at: "preview" }>;
  answers: Answers;
  about: About;
  mine: Mine | null;
  onAbout: (a: About) => void;
  onAnswer: (given: Answers) => void;
  onZone: (zone: string) => void;
  onKeep: () => void;
  onCancel: () => void;
}

function Preview({ step, answers, about, mine, onAbout, onAnswer, onZone, onKeep, onCancel }: PreviewProps): VNode {
  const busy = step.busy !== "";
  const open = step.found.reduce((n, f) => n + f.questions.length, 0);
  return (
    <form class="preview" aria-busy={busy} onSubmit={(e) => {
      e.preventDefault();
      onKeep();
    }}>
      {step.found.map((f) => (
        <section key={f.uploads?.[0]} class="found">
          <Understood found={f} />
          {f.questions.map((q) => <FileQuestion key={q.about} question={q} given={answers[q.about]} busy={busy} onAnswer={(v) => onAnswer(q.about === "secret" ? another(answers, v) : { [q.about]: v })} />)}
          {f.status === "unreadable" && <TrySecret answers={answers} busy={busy} onAnswer={onAnswer} />}
          {isPlain(f) && <Guided onAnswer={onAnswer} busy={busy} />}
          {f.no_zone && <Zone value={String(answers["zone"] ?? here())} onChange={onZone} />}
        </section>
      ))}
      <Matters about={about} reasons={mine?.reasons ?? []} subjects={[...new Set((mine?.submissions ?? []).map((s) => s.subject).filter(Boolean))]} onChange={onAbout} />
      <div class="sheet-foot">
        {step.problem && <p class="problem" role="alert"><Warning /> <span>{step.problem}</span></p>}
        <button type="submit" class={open > 0 ? "button wide second" : "button wide"} data-focus disabled={busy}>
          {step.busy === "keeping" ? "Putting it on the record…" : step.busy === "looking" ? "Reading again…" : open > 0 ? "Keep it, and answer later" : step.found.length > 1 ? `Put all ${step.found.length} on the record` : "Put it on the record"}
        </button>
        <div class="foot-row">
          <p class="hint">What you do not answer now, you can answer later.</p>
          <button type="button" class="quiet" disabled={busy} onClick={onCancel}>Cancel</button>
        </div>
      </div>
    </form>
  );
}

/** What was understood of a file, in plain words. */
export function Understood({ found: f }: { found: Found }): VNode {
  const one = f.conversations.length === 1 ? f.conversations[0]! : null;
  const when = days(f);
  return (
    <div class="understood">
      <p class="found-head"><span class="row-icon">{f.status === "unreadable" || f.status === "unknown" ? <Warning /> : <FileIcon />}</span>
        <span>
          <b class="found-title" dir="auto">{one?.title || f.name}</b>
          <span class="person-id"><span dir="auto">{f.system && !isPlain(f) ? f.system_name + ", " : ""}{f.files > 1 ? plural(f.files, "file") + ", " : ""}{bytes(f.bytes)}</span></span>
        </span>
      </p>
      {f.fault && <p class="notice"><Warning /> <span><b>It can be kept, but not read.</b> {f.fault}</span></p>}
      {f.status === "unknown" && <p class="hint">Despatch cannot read this kind of file. It is kept whole, and people can.</p>}
      {f.messages > 0 && (
        <dl class="facts">
          <dt>Messages</dt><dd>{number(f.messages)}</dd>
          {when && <Fragment><dt>When</dt><dd>{when}</dd></Fragment>}
          {one && one.people.length > 0 && <Fragment><dt>Who</dt><dd dir="auto">{who(one)}</dd></Fragment>}
          {f.conversations.length > 1 && <Fragment><dt>Chats</dt><dd>{number(f.conversations.length + f.more_conversations)}</dd></Fragment>}
        </dl>
      )}
      {f.conversations.length > 1 && (
        <details open={f.conversations.length <= 4}>
          <summary>All {number(f.conversations.length + f.more_conversations)} chats go on the record. Is every one of them for work?</summary>
          <ul class="chats">{f.conversations.map((c, i) => <li key={i}><b dir="auto">{c.title || "Without a name"}</b> <span class="person-id"><span dir="auto">{who(c)}</span>{c.messages > 0 ? `, ${messages(c.messages)}` : ""}</span></li>)}</ul>
          {f.more_conversations > 0 && <p class="hint">and {number(f.more_conversations)} more</p>}
          <p class="hint">If some are private, cancel, and export only the ones for work.</p>
        </details>
      )}
      {f.doubts.length > 0 && (
        <div class="doubts">
          <p><Warning /> <b>In doubt</b></p>
          <ul>{f.doubts.slice(0, 3).map((d, i) => <li key={i} dir="auto">{doubt(d)}</li>)}</ul>
          {f.doubts.length > 3 && <details><summary>{plural(f.doubts.length - 3, "more doubt")}</summary><ul>{f.doubts.slice(3).map((d, i) => <li key={i} dir="auto">{doubt(d)}</li>)}</ul></details>}
        </div>
      )}
      {(f.sample ?? []).length > 0 && (
        <details>
          <summary>How it begins</summary>
          <ol class="sample">
            {f.sample!.map((o, i) => (
              <li key={i}>
                <span class="person-id">{o.sender && <b dir="auto">{o.sender}</b>}{o.sender ? " · " : ""}{local(o.sent)}</span>
                <span dir="auto">{o.text || o.body || ""}</span>
              </li>
            ))}
          </ol>
        </details>
      )}
      {f.in_file > 0 && f.status === "read" && (f.balanced
        ? <p class="whole"><Check /> <span>Nothing was lost: all {number(f.in_file)} {unit(f.unit, f.in_file)} of the file are accounted for.</span></p>
        : <p class="notice"><Warning /> <span>Not every part of the file is accounted for. It is kept whole. Tell the records office.</span></p>)}
    </div>
  );
}

function unit(u: string, n: number): string {
  const many = u || "records";
  return n === 1 ? many.replace(/s$/, "") : many;
}

function doubt(d: { text: string; count?: number }): string {
  const words = d.text.replace(/^./, (c) => c.toUpperCase());
  return d.count && d.count > 1 ? `${words} (${number(d.count)} times)` : words;
}

/** A question that the file leaves open. One of a few answers, a password, or any text. */
export function FileQuestion({ question: q, given, busy, onAnswer }: { question: Question; given: string | number | undefined; busy: boolean; onAnswer: (value: string) => void }): VNode {
  const [text, setText] = useState("");
  const id = useId();
  const list = q.answers ?? [];
  const zone = q.about === "zone" && list.length === 0;
  if (list.length > 0) {
    return (
      <fieldset class="question asked">
        <legend>{q.text}</legend>
        {q.example && <p class="example"><code dir="auto">{q.example}</code></p>}
        {list.map((a) => (
          <label key={a.value} class="radio">
            <input type="radio" name={q.about} value={a.value} disabled={busy} checked={given === a.value} onChange={() => onAnswer(a.value)} />
            <span>{a.meaning || a.value}</span>
          </label>
        ))}
      </fieldset>
    );
  }
  if (zone) return <Zone value={String(given ?? here())} onChange={onAnswer} />;
  const secret = q.about === "secret";
  const enter = () => {
    if (text === "") return;
    onAnswer(text);
    if (secret) setText("");
  };
  return (
    <div class="question asked">
      <label for={id}>{q.text}</label>
      {q.example && !secret && <p class="example"><code dir="auto">{q.example}</code></p>}
      <div class="inline-form">
        <input id={id} type={(secret ? "password" : "text") as "text"} dir="auto" autocomplete="off" spellcheck={false} value={text} disabled={busy} aria-describedby={secret ? id + "-hint" : undefined}
          onInput={(e) => setText(e.currentTarget.value)} onKeyDown={(e) => {
            if (e.key !== "Enter") return;
            e.preventDefault();
            enter();
          }} />
        <button type="button" class="button" disabled={busy || text === ""} onClick={enter}>{secret ? "Open" : "Answer"}</button>
      </div>
      {secret && <p class="hint" id={id + "-hint"}>It is used to open this file and then forgotten. It is never kept.{given !== undefined && !busy ? " The one you gave did not open it." : ""}</p>}
    </div>
  );
}

/** The answers with one more password or key to try: some files need two. */
export function another(answers: Answers, secret: string): Answers {
  return { secret: [answers["secret"], secret].filter(Boolean).join("\n") };
}

/** A way to give a password for a file that could not be read, perhaps because an earlier one was wrong. */
export function TrySecret({ answers, busy, onAnswer }: { answers: Answers; busy: boolean; onAnswer: (given: Answers) => void }): VNode {
  const tried = answers["secret"] !== undefined;
  return (
    <details open={tried}>
      <summary>It has a password or a key</summary>
      <FileQuestion question={{ about: "secret", text: tried ? "Try another, or add a second one" : "What is the password or key?", answers: [] }} given={answers["secret"]} busy={busy} onAnswer={(v) => onAnswer(another(answers, v))} />
    </details>
  );
}

/** In which zone the clock of a file was, with this device's offered. */
export function Zone({ value, onChange }: { value: string; onChange: (zone: string) => void }): VNode {
  const id = useId();
  const all = [...new Set([value, here(), "Europe/London", ...(Intl.supportedValuesOf?.("timeZone") ?? [])])];
  return (
    <div class="question">
      <label for={id}>Where was the phone’s clock set?</label>
      <select id={id} value={value} onChange={(e) => onChange(e.currentTarget.value)}>
        {all.map((z) => <option key={z} value={z} selected={z === value}>{z === here() ? `${z.replaceAll("_", " ")} (like this device)` : z.replaceAll("_", " ")}</option>)}
      </select>
      <p class="hint">The file gives times without a time zone.</p>
    </div>
  );
}

const APPS = ["Siilo", "WhatsApp", "Signal", "Text messages", "Telegram", "Facebook Messenger", "Microsoft Teams", "E-mail", "Another app"];

// Guided asks what a picture or a document cannot say itself.
function Guided({ onAnswer, busy }: { onAnswer: (given: Answers) => void; busy: boolean }): VNode {
  const [system, setSystem] = useState("");
  const [title, setTitle] = useState("");
  const [day, setDay] = useState("");
  const id = useId();
  const tell = () => {
    const given: Answers = {};
    if (system) given["system"] = system.toLowerCase();
    if (title.trim()) given["conversation"] = title.trim();
    const at = day ? new Date(day + "T00:00").getTime() : NaN;
    if (!Number.isNaN(at)) {
      given["happened_from"] = at;
      given["happened_to"] = Math.min(at + 86_399_999, Date.now());
      given["zone"] = here();
    }
    if (Object.keys(given).length > 0) onAnswer(given);
  };
  return (
    <fieldset class="question asked guided" disabled={busy}>
      <legend>What does it show?</legend>
      <label for={id + "-app"}>App</label>
      <select id={id + "-app"} value={system} onChange={(e) => setSystem(e.currentTarget.value)}>
        <option value="">Not from an app</option>
        {APPS.map((a) => <option key={a} value={a} selected={a === system}>{a}</option>)}
      </select>
      <label for={id + "-title"}>Conversation with</label>
      <input id={id + "-title"} type="text" dir="auto" maxLength={200} autocomplete="off" value={title} onInput={(e) => setTitle(e.currentTarget.value)} />
      <label for={id + "-day"}>Day</label>
      <input id={id + "-day"} type="date" max={new Date().toISOString().slice(0, 10)} value={day} onInput={(e) => setDay(e.currentTarget.value)} />
      <button type="button" class="quiet" onClick={tell}>Use this</button>
    </fieldset>
  );
}

interface MattersProps {
  about: About;
  reasons: Choice[];
  subjects: string[];
  onChange: (a: About) => void;
}

/** The three questions that only a person can answer: what about, how much it matters, why not here. */
export function Matters({ about, reasons, subjects, onChange }: MattersProps): VNode {
  const id = useId();
  return (
    <div class="matters">
      <label for={id}>1. What is it about?</label>
      <input id={id} type="text" dir="auto" list={id + "-list"} maxLength={200} autocomplete="off" value={about.subject ?? ""} onInput={(e) => onChange({ ...about, subject: e.currentTarget.value })} />
      <datalist id={id + "-list"}>{subjects.map((s) => <option key={s} value={s} />)}</datalist>
      <Pills legend="2. How much does it matter?" name={id + "-weight"} chosen={about.weight} onChoose={(weight) => onChange({ ...about, weight })}
        list={[{ code: "significant", text: "Significant" }, { code: "routine", text: "Routine" }]} hint="Significant: decisions, advice, reasons, promises." />
      <Pills legend="3. Why was it not in Despatch?" name={id + "-reason"} chosen={about.reason} onChoose={(reason) => onChange({ ...about, reason })} list={reasons}
        hint="Nobody is blamed. It shows what to put right." />
      {(about.reason === "other" || about.reason === "missing") && (
        <Fragment>
          <label for={id + "-note"}>{about.reason === "missing" ? "What is missing?" : "Which reason?"}</label>
          <input id={id + "-note"} type="text" dir="auto" maxLength={1000} autocomplete="off" value={about.note ?? ""} onInput={(e) => onChange({ ...about, note: e.currentTarget.value })} />
        </Fragment>
      )}
    </div>
  );
}

/** One of a few answers, each a thumb's breadth. */
export function Pills({ legend, name, list, chosen, hint, onChoose }: { legend: string; name: string; list: Choice[]; chosen: string | undefined; hint?: string; onChoose: (code: string) => void }): VNode {
  return (
    <fieldset class="pills">
      <legend>{legend}</legend>
      {hint && <p class="hint">{hint}</p>}
      <div>
        {list.map((c) => (
          <label key={c.code} class={chosen === c.code ? "pill on" : "pill"}>
            <input type="radio" name={name} value={c.code} checked={chosen === c.code} onChange={() => onChoose(c.code)} />
            <span>{c.text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
