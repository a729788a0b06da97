import { h, Fragment } from "./preact/preact.js";
import { useEffect, useId, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { another, Capture, FileQuestion, here, Matters, Pills, TrySecret, Understood, Zone } from "./capture.js";
import { dueWords, fetchMine, heading, learnOwed } from "./captured.js";
import { closeSheet, Sheet, showSheet } from "./sheet.js";
import { Slip } from "./slip.js";
import { say } from "./say.js";
import { bytes, dateTime, plural } from "./words.js";
import { File as FileIcon, Pencil, Warning } from "./icons.js";
function MyRecord() {
  const [mine, setMine] = useState(null);
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
    addEventListener("despatch-record-changed", refresh);
    return () => removeEventListener("despatch-record-changed", refresh);
  }, []);
  const asked = mine?.requests.filter((r) => r.state === "asked") ?? [];
  const answered = mine?.requests.filter((r) => r.state !== "asked") ?? [];
  const open = mine?.submissions.filter((s) => s.status === "needs_answer") ?? [];
  const done = mine?.submissions.filter((s) => s.status !== "needs_answer") ?? [];
  return /* @__PURE__ */ h(Sheet, { title: "My record", class: "capture mine" }, problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, problem)), !mine && !problem && /* @__PURE__ */ h("p", { class: "working", role: "status" }, /* @__PURE__ */ h("span", { class: "spinner" }), " One moment…"), mine && /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("section", { "aria-labelledby": "mine-asked" }, /* @__PURE__ */ h("h3", { id: "mine-asked" }, "Asked of you"), asked.length === 0 && /* @__PURE__ */ h("p", { class: "hint" }, "The records office asks nothing of you."), /* @__PURE__ */ h("ul", { class: "cards" }, asked.map((r) => /* @__PURE__ */ h(Request, { key: r.id, r, mine })))), open.length > 0 && /* @__PURE__ */ h("section", { "aria-labelledby": "mine-open" }, /* @__PURE__ */ h("h3", { id: "mine-open" }, "Answers wanted"), /* @__PURE__ */ h("p", { class: "hint" }, "These files are kept. Their messages are filed once you have answered."), /* @__PURE__ */ h("ul", { class: "rows" }, open.map((s) => /* @__PURE__ */ h(Row, { key: s.submission, s, mine })))), mine.uploads.length > 0 && /* @__PURE__ */ h("section", { "aria-labelledby": "mine-unfinished" }, /* @__PURE__ */ h("h3", { id: "mine-unfinished" }, "Not finished"), /* @__PURE__ */ h("ul", { class: "unfinished" }, mine.uploads.map((u) => /* @__PURE__ */ h("li", { key: u.id }, /* @__PURE__ */ h("span", null, /* @__PURE__ */ h("b", { dir: "auto" }, u.name), /* @__PURE__ */ h("span", { class: "person-id" }, bytes(u.offset), " of ", bytes(u.size), " sent. Choose the same file again to carry on.")))))), /* @__PURE__ */ h("section", { "aria-labelledby": "mine-done" }, /* @__PURE__ */ h("h3", { id: "mine-done" }, "What you have put on the record"), done.length === 0 && /* @__PURE__ */ h("p", { class: "hint" }, open.length > 0 ? "Nothing else yet." : "Nothing yet.", " What you write in Despatch is on the record by itself."), /* @__PURE__ */ h("ul", { class: "rows" }, done.map((s) => /* @__PURE__ */ h(Row, { key: s.submission, s, mine })))), (answered.length > 0 || mine.losses.length > 0) && /* @__PURE__ */ h("details", null, /* @__PURE__ */ h("summary", null, "Answered and declared"), /* @__PURE__ */ h("ul", { class: "past" }, answered.map((r) => /* @__PURE__ */ h("li", { key: r.id }, /* @__PURE__ */ h("b", null, r.id), " ", /* @__PURE__ */ h("span", { dir: "auto" }, r.what), /* @__PURE__ */ h("span", { class: "person-id" }, ended(r), " ", dateTime(r.state_at)))), mine.losses.map((l) => /* @__PURE__ */ h("li", { key: l.id }, /* @__PURE__ */ h("b", null, l.id), " ", /* @__PURE__ */ h("span", { dir: "auto" }, l.device), /* @__PURE__ */ h("span", { class: "person-id" }, l.reason, ". Declared ", dateTime(l.time), ", record no. ", l.position))))), /* @__PURE__ */ h("div", { class: "sheet-foot mine-foot" }, /* @__PURE__ */ h("button", { type: "button", class: "button", onClick: () => showSheet(/* @__PURE__ */ h(Capture, null)) }, "Put on the record"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: () => showSheet(/* @__PURE__ */ h(Lost, { mine })) }, "Declare a loss"))));
}
function changed() {
  dispatchEvent(new Event("despatch-record-changed"));
}
function ended(r) {
  return { asked: "", handed_in: "Handed in", nothing: "Declared to have nothing", lost: "Declared lost", withdrawn: "Withdrawn by the records office" }[r.state];
}
function Request({ r, mine }) {
  return /* @__PURE__ */ h("li", { class: r.overdue ? "card late" : "card" }, /* @__PURE__ */ h("p", { class: "card-due" }, r.overdue ? /* @__PURE__ */ h("b", null, "Overdue: it was due ", dueWords(r.due)) : /* @__PURE__ */ h("b", null, "By ", dueWords(r.due)), /* @__PURE__ */ h("span", { class: "tag" }, r.id)), /* @__PURE__ */ h("p", { dir: "auto", class: "card-what" }, r.what), /* @__PURE__ */ h("p", { class: "hint" }, r.why, r.reference ? `, ${r.reference}` : "", ".", r.reminded_at > 0 ? ` You were reminded ${dateTime(r.reminded_at)}.` : ""), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button", onClick: () => showSheet(/* @__PURE__ */ h(Capture, { request: r })) }, "Hand in"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: () => showSheet(/* @__PURE__ */ h(Nothing, { r })) }, "I have nothing"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: () => showSheet(/* @__PURE__ */ h(Lost, { mine, request: r })) }, "It is lost")), mine.submissions.length > 0 && /* @__PURE__ */ h(Already, { r, mine }));
}
function Already({ r, mine }) {
  const id = useId();
  const [chosen, setChosen] = useState(mine.submissions[0].submission);
  const use = async () => {
    try {
      await call("POST", `/_despatch/v1/requests/${enc(r.id)}/submissions`, { body: { submission: chosen } });
      say("Handed in. Thank you.");
      changed();
    } catch (e) {
      say(explain(e));
    }
  };
  return /* @__PURE__ */ h("details", { class: "already" }, /* @__PURE__ */ h("summary", null, "It is on the record already"), /* @__PURE__ */ h("label", { for: id }, "Which is it?"), /* @__PURE__ */ h("div", { class: "inline-form" }, /* @__PURE__ */ h("select", { id, value: chosen, onChange: (e) => setChosen(e.currentTarget.value) }, mine.submissions.map((s) => /* @__PURE__ */ h("option", { key: s.submission, value: s.submission }, s.subject || s.name, ", ", dateTime(s.time)))), /* @__PURE__ */ h("button", { type: "button", class: "button", onClick: () => void use() }, "This one")));
}
function Row({ s, mine }) {
  const wanted = s.system !== "note" && s.status !== "needs_answer" && (!s.weight || !s.reason || !s.subject);
  return /* @__PURE__ */ h("li", null, /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => showSheet(/* @__PURE__ */ h(Submission, { id: s.submission, mine })) }, /* @__PURE__ */ h("span", { class: "row-icon" }, s.system === "note" ? /* @__PURE__ */ h(Pencil, null) : /* @__PURE__ */ h(FileIcon, null)), /* @__PURE__ */ h("span", { class: "grow" }, /* @__PURE__ */ h("span", { class: "row-name", dir: "auto" }, s.subject || (s.system === "note" ? "A note" : heading(s))), /* @__PURE__ */ h("span", { class: "person-id" }, dateTime(s.time), s.system && s.system !== "note" ? `, ${s.system_name}` : "", s.messages > 1 ? `, ${plural(s.messages, "message")}` : "")), s.status === "needs_answer" && /* @__PURE__ */ h("span", { class: "tag caution" }, "Answer"), (s.status === "unreadable" || s.status === "unknown") && /* @__PURE__ */ h("span", { class: "tag caution" }, "Kept, not read"), s.status === "" && /* @__PURE__ */ h("span", { class: "tag" }, "Being read"), wanted && s.status === "read" && /* @__PURE__ */ h("span", { class: "tag" }, "3 questions")));
}
function Submission({ id, mine }) {
  const [r, setR] = useState(null);
  const [answers, setAnswers] = useState({});
  const [about, setAbout] = useState(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const path = "/_despatch/v1/capture/" + enc(id);
  const busily = async (f) => {
    setBusy(true);
    setProblem("");
    try {
      await f();
    } catch (e) {
      setProblem(explain(e));
    }
    setBusy(false);
  };
  const got = (s) => {
    setR(s);
    setAbout(s.about);
  };
  useEffect(() => void busily(async () => got(await call("GET", path))), []);
  const answer = (given) => {
    const all = { ...answers, ...given };
    setAnswers(all);
    const left = r.questions.filter((q) => all[q.about] === void 0);
    if (left.length > 0) return;
    if (r.no_zone && !all["zone"]) all["zone"] = here();
    void busily(async () => {
      got(await call("POST", path + "/answers", { body: all, timeout: 36e5 }));
      changed();
    });
  };
  const state = () => void busily(async () => {
    got(await call("POST", path + "/about", { body: about }));
    say("Saved. Thank you.");
    changed();
  });
  const wanting = r && r.system !== "note" && (!r.about.subject || !r.about.weight || !r.about.reason);
  return /* @__PURE__ */ h(Sheet, { title: "On the record", class: "capture" }, problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, problem)), !r && !problem && /* @__PURE__ */ h("p", { class: "working", role: "status" }, /* @__PURE__ */ h("span", { class: "spinner" }), " One moment…"), r && r.status === "needs_answer" && /* @__PURE__ */ h("section", { class: "found" }, /* @__PURE__ */ h(Understood, { found: r }), r.no_zone && /* @__PURE__ */ h(Zone, { value: String(answers["zone"] ?? here()), onChange: (zone) => setAnswers({ ...answers, zone }) }), r.questions.map((q) => /* @__PURE__ */ h(FileQuestion, { key: q.about, question: q, given: answers[q.about], busy, onAnswer: (v) => answer(q.about === "secret" ? another(answers, v) : { [q.about]: v }) })), busy && /* @__PURE__ */ h("p", { class: "working", role: "status" }, /* @__PURE__ */ h("span", { class: "spinner" }), " Reading it again…")), r && r.status !== "needs_answer" && /* @__PURE__ */ h(Slip, { receipts: [r], again: true }), r && r.status === "unreadable" && /* @__PURE__ */ h(TrySecret, { answers, busy, onAnswer: answer }), r && wanting && about && r.status !== "needs_answer" && /* @__PURE__ */ h("form", { onSubmit: (e) => {
    e.preventDefault();
    state();
  } }, /* @__PURE__ */ h("h3", null, "Three short questions"), /* @__PURE__ */ h(Matters, { about, reasons: mine.reasons, subjects: [...new Set(mine.submissions.map((s) => s.subject).filter(Boolean))], onChange: setAbout }), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "submit", class: "button", disabled: busy }, busy ? "Saving…" : "Save"))));
}
function Password({ value, onInput }) {
  const id = useId();
  return /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("label", { for: id }, "Your password, as your signature"), /* @__PURE__ */ h("input", { id, type: "password", autocomplete: "current-password", value, onInput: (e) => onInput(e.currentTarget.value) }));
}
function Nothing({ r }) {
  const [statement, setStatement] = useState("I have looked on every device and account of mine, and have nothing of this.");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const id = useId();
  const sign = async (e) => {
    e.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await call("POST", `/_despatch/v1/requests/${enc(r.id)}/nothing`, { body: { statement, password } });
      say("Declared. It is on the record.");
      closeSheet();
      changed();
    } catch (e2) {
      setProblem(explain(e2));
      setBusy(false);
    }
  };
  return /* @__PURE__ */ h(Sheet, { title: "I have nothing", kind: "small" }, /* @__PURE__ */ h("p", { class: "what", dir: "auto" }, r.what), /* @__PURE__ */ h("form", { class: "note-form", onSubmit: (e) => void sign(e) }, /* @__PURE__ */ h("label", { for: id }, "What you declare"), /* @__PURE__ */ h("textarea", { id, dir: "auto", rows: 3, "data-focus": true, value: statement, onInput: (e) => setStatement(e.currentTarget.value) }), /* @__PURE__ */ h(Password, { value: password, onInput: setPassword }), problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, problem)), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "submit", class: "button", disabled: busy }, busy ? "Signing…" : "Sign and declare"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: closeSheet }, "Cancel"))));
}
function Lost({ mine, request }) {
  const [device, setDevice] = useState("");
  const [held, setHeld] = useState("");
  const [lostOn, setLostOn] = useState("");
  const [reason, setReason] = useState("");
  const [note, setNote] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const id = useId();
  const sign = async (e) => {
    e.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      const l = await call("POST", "/_despatch/v1/losses", { body: { device, held, lost_on: lostOn, reason, note, request: request?.id ?? "", password } });
      say(`Declared as ${l.id}. It is on the record.`);
      closeSheet();
      changed();
    } catch (e2) {
      setProblem(explain(e2));
      setBusy(false);
    }
  };
  return /* @__PURE__ */ h(Sheet, { title: "Declare a loss", class: "capture" }, request ? /* @__PURE__ */ h("p", { class: "what", dir: "auto" }, request.what) : /* @__PURE__ */ h("p", { class: "hint" }, "For messages or files about work that are gone. If a phone may be in the wrong hands, lock it out first, under your own picture."), /* @__PURE__ */ h("form", { class: "note-form", onSubmit: (e) => void sign(e) }, /* @__PURE__ */ h("label", { for: id + "-device" }, "Which device or account?"), /* @__PURE__ */ h("input", { id: id + "-device", type: "text", dir: "auto", "data-focus": true, autocomplete: "off", placeholder: "My own phone, an iPhone 12", value: device, onInput: (e) => setDevice(e.currentTarget.value) }), /* @__PURE__ */ h("label", { for: id + "-held" }, "What about work was on it?"), /* @__PURE__ */ h("textarea", { id: id + "-held", dir: "auto", rows: 3, value: held, onInput: (e) => setHeld(e.currentTarget.value) }), /* @__PURE__ */ h("label", { for: id + "-when" }, "When was it lost?"), /* @__PURE__ */ h("input", { id: id + "-when", type: "text", dir: "auto", autocomplete: "off", placeholder: "3 June 2026, or as well as you know", value: lostOn, onInput: (e) => setLostOn(e.currentTarget.value) }), /* @__PURE__ */ h(Pills, { legend: "What happened?", name: id + "-reason", list: mine.loss_reasons, chosen: reason, onChoose: setReason }), /* @__PURE__ */ h("label", { for: id + "-note" }, "What else should be known?", reason === "other" ? "" : " (if anything)"), /* @__PURE__ */ h("textarea", { id: id + "-note", dir: "auto", rows: 2, value: note, onInput: (e) => setNote(e.currentTarget.value) }), /* @__PURE__ */ h(Password, { value: password, onInput: setPassword }), problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, problem)), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "submit", class: "button", disabled: busy }, busy ? "Signing…" : "Sign and declare"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: closeSheet }, "Cancel"))));
}
export {
  MyRecord
};
