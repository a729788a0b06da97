// My record: what one has put on the record, what the records office asks for and by when, and what only
// one oneself can answer.

import { h, Fragment, type VNode } from "./preact/preact.js";
import { useEffect, useId, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { another, Capture, FileQuestion, here, Matters, Pills, TrySecret, Understood, Zone } from "./capture.js";
import { type About, type Answers, type Asked, dueWords, fetchMine, type HandedIn, heading, learnOwed, type Mine, type Submitted } from "./captured.js";
import { closeSheet, Sheet, showSheet } from "./sheet.js";
import { Slip } from "./slip.js";
import { say } from "./say.js";
import { bytes, dateTime, plural } from "./words.js";
import { File as FileIcon, Pencil, Warning } from "./icons.js";

export function MyRecord(): VNode {
  const [mine, setMine] = useState<Mine | null>(null);
  const [problem, setProblem] = useState("");
  const refresh = () => {
    fetchMine().then((m) => {
      setMine(m);
      setProblem("");
    }, (e) => setProblem(explain(e)));
    void learnOwed();
  };
  useEffect(() => {
    refresh();
    // What is done in a sheet above this one shows when that closes.
    addEventListener("despatch-record-changed", refresh);
    return () => removeEventListener("despatch-record-changed", refresh);
  }, []);
  const asked = mine?.requests.filter((r) => r.state === "asked") ?? [];
  const answered = mine?.requests.filter((r) => r.state !== "asked") ?? [];
  const open = mine?.submissions.filter((s) => s.status === "needs_answer") ?? [];
  const done = mine?.submissions.filter((s) => s.status !== "needs_answer") ?? [];
  return (
    <Sheet title="My record" class="capture mine">
      {problem && <p class="problem" role="alert"><Warning /> <span>{problem}</span></p>}
      {!mine && !problem && <p class="working" role="status"><span class="spinner" /> One moment…</p>}
      {mine && (
        <Fragment>
          <section aria-labelledby="mine-asked">
            <h3 id="mine-asked">Asked of you</h3>
            {asked.length === 0 && <p class="hint">The records office asks nothing of you.</p>}
            <ul class="cards">{asked.map((r) => <Request key={r.id} r={r} mine={mine} />)}</ul>
          </section>
          {open.length > 0 && (
            <section aria-labelledby="mine-open">
              <h3 id="mine-open">Answers wanted</h3>
              <p class="hint">These files are kept. Their messages are filed once you have answered.</p>
              <ul class="rows">{open.map((s) => <Row key={s.submission} s={s} mine={mine} />)}</ul>
            </section>
          )}
          {mine.uploads.length > 0 && (
            <section aria-labelledby="mine-unfinished">
              <h3 id="mine-unfinished">Not finished</h3>
              <ul class="unfinished">{mine.uploads.map((u) => <li key={u.id}><span><b dir="auto">{u.name}</b><span class="person-id">{bytes(u.offset)} of {bytes(u.size)} sent. Choose the same file again to carry on.</span></span></li>)}</ul>
            </section>
          )}
          <section aria-labelledby="mine-done">
            <h3 id="mine-done">What you have put on the record</h3>
            {done.length === 0 && <p class="hint">{open.length > 0 ? "Nothing else yet." : "Nothing yet."} What you write in Despatch is on the record by itself.</p>}
            <ul class="rows">{done.map((s) => <Row key={s.submission} s={s} mine={mine} />)}</ul>
          </section>
          {(answered.length > 0 || mine.losses.length > 0) && (
            <details>
              <summary>Answered and declared</summary>
              <ul class="past">
                {answered.map((r) => <li key={r.id}><b>{r.id}</b> <span dir="auto">{r.what}</span><span class="person-id">{ended(r)} {dateTime(r.state_at)}</span></li>)}
                {mine.losses.map((l) => <li key={l.id}><b>{l.id}</b> <span dir="auto">{l.device}</span><span class="person-id">{l.reason}. Declared {dateTime(l.time)}, record no. {l.position}</span></li>)}
              </ul>
            </details>
          )}
          <div class="sheet-foot mine-foot">
            <button type="button" class="button" onClick={() => showSheet(<Capture />)}>Put on the record</button>
            <button type="button" class="quiet" onClick={() => showSheet(<Lost mine={mine} />)}>Declare a loss</button>
          </div>
        </Fragment>
      )}
    </Sheet>
  );
}

function changed(): void {
  dispatchEvent(new Event("despatch-record-changed"));
}

function ended(r: Asked): string {
  return { asked: "", handed_in: "Handed in", nothing: "Declared to have nothing", lost: "Declared lost", withdrawn: "Withdrawn by the records office" }[r.state];
}

function Request({ r, mine }: { r: Asked; mine: Mine }): VNode {
  return (
    <li class={r.overdue ? "card late" : "card"}>
      <p class="card-due">{r.overdue ? <b>Overdue: it was due {dueWords(r.due)}</b> : <b>By {dueWords(r.due)}</b>}<span class="tag">{r.id}</span></p>
      <p dir="auto" class="card-what">{r.what}</p>
      <p class="hint">{r.why}{r.reference ? `, ${r.reference}` : ""}.{r.reminded_at > 0 ? ` You were reminded ${dateTime(r.reminded_at)}.` : ""}</p>
      <div class="choices">
        <button type="button" class="button" onClick={() => showSheet(<Capture request={r} />)}>Hand in</button>
        <button type="button" class="quiet" onClick={() => showSheet(<Nothing r={r} />)}>I have nothing</button>
        <button type="button" class="quiet" onClick={() => showSheet(<Lost mine={mine} request={r} />)}>It is lost</button>
      </div>
      {mine.submissions.length > 0 && <Already r={r} mine={mine} />}
    </li>
  );
}

// Already answers a request with what is on the record anyway.
function Already({ r, mine }: { r: Asked; mine: Mine }): VNode {
  const id = useId();
  const [chosen, setChosen] = useState(mine.submissions[0]!.submission);
  const use = async () => {
    try {
      await call("POST", `/_despatch/v1/requests/${enc(r.id)}/submissions`, { body: { submission: chosen } });
      say("Handed in. Thank you.");
      changed();
    } catch (e) {
      say(explain(e));
    }
  };
  return (
    <details class="already">
      <summary>It is on the record already</summary>
      <label for={id}>Which is it?</label>
      <div class="inline-form">
        <select id={id} value={chosen} onChange={(e) => setChosen(e.currentTarget.value)}>
          {mine.submissions.map((s) => <option key={s.submission} value={s.submission}>{s.subject || s.name}, {dateTime(s.time)}</option>)}
        </select>
        <button type="button" class="button" onClick={() => void use()}>This one</button>
      </div>
    </details>
  );
}

function Row({ s, mine }: { s: HandedIn; mine: Mine }): VNode {
  const wanted = s.system !== "note" && s.status !== "needs_answer" && (!s.weight || !s.reason || !s.subject);
  return (
    <li>
      <button type="button" class="row-button" onClick={() => showSheet(<Submission id={s.submission} mine={mine} />)}>
        <span class="row-icon">{s.system === "note" ? <Pencil /> : <FileIcon />}</span>
        <span class="grow">
          <span class="row-name" dir="auto">{s.subject || (s.system === "note" ? "A note" : heading(s))}</span>
          <span class="person-id">{dateTime(s.time)}{s.system && s.system !== "note" ? `, ${s.system_name}` : ""}{s.messages > 1 ? `, ${plural(s.messages, "message")}` : ""}</span>
        </span>
        {s.status === "needs_answer" && <span class="tag caution">Answer</span>}
        {(s.status === "unreadable" || s.status === "unknown") && <span class="tag caution">Kept, not read</span>}
        {s.status === "" && <span class="tag">Being read</span>}
        {wanted && s.status === "read" && <span class="tag">3 questions</span>}
      </button>
    </li>
  );
}

// Submission is one of one's own: its receipt, and what is still wanted of it.
function Submission({ id, mine }: { id: string; mine: Mine }): VNode {
  const [r, setR] = useState<Submitted | null>(null);
  const [answers, setAnswers] = useState<Answers>({});
  const [about, setAbout] = useState<About | null>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const path = "/_despatch/v1/capture/" + enc(id);
  const busily = async (f: () => Promise<void>) => {
    setBusy(true);
    setProblem("");
    try {
      await f();
    } catch (e) {
      setProblem(explain(e));
    }
    setBusy(false);
  };
  const got = (s: Submitted) => {
    setR(s);
    setAbout(s.about);
  };
  useEffect(() => void busily(async () => got(await call<Submitted>("GET", path))), []);
  const answer = (given: Answers) => {
    const all = { ...answers, ...given };
    setAnswers(all);
    const left = r!.questions.filter((q) => all[q.about] === undefined);
    if (left.length > 0) return;
    if (r!.no_zone && !all["zone"]) all["zone"] = here();
    void busily(async () => {
      got(await call<Submitted>("POST", path + "/answers", { body: all, timeout: 3_600_000 }));
      changed();
    });
  };
  const state = () => void busily(async () => {
    got(await call<Submitted>("POST", path + "/about", { body: about }));
    say("Saved. Thank you.");
    changed();
  });
  const wanting = r && r.system !== "note" && (!r.about.subject || !r.about.weight || !r.about.reason);
  return (
    <Sheet title="On the record" class="capture">
      {problem && <p class="problem" role="alert"><Warning /> <span>{problem}</span></p>}
      {!r && !problem && <p class="working" role="status"><span class="spinner" /> One moment…</p>}
      {r && r.status === "needs_answer" && (
        <section class="found">
          <Understood found={r} />
          {r.no_zone && <Zone value={String(answers["zone"] ?? here())} onChange={(zone) => setAnswers({ ...answers, zone })} />}
          {r.questions.map((q) => <FileQuestion key={q.about} question={q} given={answers[q.about]} busy={busy} onAnswer={(v) => answer(q.about === "secret" ? another(answers, v) : { [q.about]: v })} />)}
          {busy && <p class="working" role="status"><span class="spinner" /> Reading it again…</p>}
        </section>
      )}
      {r && r.status !== "needs_answer" && <Slip receipts={[r]} again />}
      {r && r.status === "unreadable" && <TrySecret answers={answers} busy={busy} onAnswer={answer} />}
      {r && wanting && about && r.status !== "needs_answer" && (
        <form onSubmit={(e) => {
          e.preventDefault();
          state();
        }}>
          <h3>Three short questions</h3>
          <Matters about={about} reasons={mine.reasons} subjects={[...new Set(mine.submissions.map((s) => s.subject).filter(Boolean))]} onChange={setAbout} />
          <div class="choices"><button type="submit" class="button" disabled={busy}>{busy ? "Saving…" : "Save"}</button></div>
        </form>
      )}
    </Sheet>
  );
}

function Password({ value, onInput }: { value: string; onInput: (v: string) => void }): VNode {
  const id = useId();
  return (
    <Fragment>
      <label for={id}>Your password, as your signature</label>
      <input id={id} type="password" autocomplete="current-password" value={value} onInput={(e) => onInput(e.currentTarget.value)} />
    </Fragment>
  );
}

function Nothing({ r }: { r: Asked }): VNode {
  const [statement, setStatement] = useState("I have looked on every device and account of mine, and have nothing of this.");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const id = useId();
  const sign = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await call("POST", `/_despatch/v1/requests/${enc(r.id)}/nothing`, { body: { statement, password } });
      say("Declared. It is on the record.");
      closeSheet();
      changed();
    } catch (e) {
      setProblem(explain(e));
      setBusy(false);
    }
  };
  return (
    <Sheet title="I have nothing" kind="small">
      <p class="what" dir="auto">{r.what}</p>
      <form class="note-form" onSubmit={(e) => void sign(e)}>
        <label for={id}>What you declare</label>
        <textarea id={id} dir="auto" rows={3} data-focus value={statement} onInput={(e) => setStatement(e.currentTarget.value)} />
        <Password value={password} onInput={setPassword} />
        {problem && <p class="problem" role="alert"><Warning /> <span>{problem}</span></p>}
        <div class="choices">
          <button type="submit" class="button" disabled={busy}>{busy ? "Signing…" : "Sign and declare"}</button>
          <button type="button" class="quiet" onClick={closeSheet}>Cancel</button>
        </div>
      </form>
    </Sheet>
  );
}

function Lost({ mine, request }: { mine: Mine; request?: Asked }): VNode {
  const [device, setDevice] = useState("");
  const [held, setHeld] = useState("");
  const [lostOn, setLostOn] = useState("");
  const [reason, setReason] = useState("");
  const [note, setNote] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const id = useId();
  const sign = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      const l = await call<{ id: string; position: number }>("POST", "/_despatch/v1/losses", { body: { device, held, lost_on: lostOn, reason, note, request: request?.id ?? "", password } });
      say(`Declared as ${l.id}. It is on the record.`);
      closeSheet();
      changed();
    } catch (e) {
      setProblem(explain(e));
      setBusy(false);
    }
  };
  return (
    <Sheet title="Declare a loss" class="capture">
      {request ? <p class="what" dir="auto">{request.what}</p> : <p class="hint">For messages or files about work that are gone. If a phone may be in the wrong hands, lock it out first, under your own picture.</p>}
      <form class="note-form" onSubmit={(e) => void sign(e)}>
        <label for={id + "-device"}>Which device or account?</label>
        <input id={id + "-device"} type="text" dir="auto" data-focus autocomplete="off" placeholder="My own phone, an iPhone 12" value={device} onInput={(e) => setDevice(e.currentTarget.value)} />
        <label for={id + "-held"}>What about work was on it?</label>
        <textarea id={id + "-held"} dir="auto" rows={3} value={held} onInput={(e) => setHeld(e.currentTarget.value)} />
        <label for={id + "-when"}>When was it lost?</label>
        <input id={id + "-when"} type="text" dir="auto" autocomplete="off" placeholder="3 June 2026, or as well as you know" value={lostOn} onInput={(e) => setLostOn(e.currentTarget.value)} />
        <Pills legend="What happened?" name={id + "-reason"} list={mine.loss_reasons} chosen={reason} onChoose={setReason} />
        <label for={id + "-note"}>What else should be known?{reason === "other" ? "" : " (if anything)"}</label>
        <textarea id={id + "-note"} dir="auto" rows={2} value={note} onInput={(e) => setNote(e.currentTarget.value)} />
        <Password value={password} onInput={setPassword} />
        {problem && <p class="problem" role="alert"><Warning /> <span>{problem}</span></p>}
        <div class="choices">
          <button type="submit" class="button" disabled={busy}>{busy ? "Signing…" : "Sign and declare"}</button>
          <button type="button" class="quiet" onClick={closeSheet}>Cancel</button>
        </div>
      </form>
    </Sheet>
  );
}
