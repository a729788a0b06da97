import { h, Fragment } from "./preact/preact.js";
import { useEffect, useId, useRef, useState } from "./preact/hooks.js";
import { call, explain } from "./api.js";
import { days, fetchMine, isPlain, learnOwed, local, messages, who } from "./captured.js";
import { Note } from "./note.js";
import { closeSheet, Sheet, showSheet } from "./sheet.js";
import { Slip } from "./slip.js";
import { drop, send } from "./upload.js";
import { bytes, number, plural } from "./words.js";
import { Bin, Check, File as FileIcon, Pencil, Tray, Warning } from "./icons.js";
function Capture({ dropped, request, problem = "" }) {
  const [step, setStep] = useState({ at: "choose", problem });
  const [mine, setMine] = useState(null);
  const [answers, setAnswers] = useState({});
  const [about, setAbout] = useState({});
  const stop = useRef(null);
  const sent = useRef([]);
  useEffect(() => {
    fetchMine().then(setMine, () => {
    });
    if (dropped?.length) void take(dropped);
    return () => stop.current?.abort();
  }, []);
  const take = async (files) => {
    if (files.length === 0) return;
    stop.current?.abort();
    const mine2 = stop.current = new AbortController();
    setAnswers({});
    setStep({ at: "sending", files, progress: { sent: 0, total: 1, waiting: false } });
    try {
      const ids = await send(files, mine2.signal, (progress) => {
        if (!mine2.signal.aborted) setStep({ at: "sending", files, progress });
      });
      sent.current = ids;
      setStep({ at: "reading", ids });
      await look(ids, {});
    } catch (e) {
      if (!mine2.signal.aborted) setStep({ at: "choose", problem: explain(e) });
    }
  };
  const look = async (ids, given) => {
    const { found } = await call("POST", "/_despatch/v1/capture/preview", { body: { uploads: ids, answers: given }, timeout: 6e5 });
    setStep({ at: "preview", ids, found, problem: "", busy: "" });
  };
  const answer = async (s, given) => {
    const all = { ...answers, ...given };
    setAnswers(all);
    setStep({ ...s, problem: "", busy: "looking" });
    try {
      await look(s.ids, all);
    } catch (e) {
      setStep({ ...s, problem: explain(e), busy: "" });
    }
  };
  const keep = async (s) => {
    setStep({ ...s, problem: "", busy: "keeping" });
    const receipts = [];
    let left = s.found;
    try {
      for (const f of s.found) {
        const given = f.no_zone && !answers["zone"] ? { ...answers, zone: here() } : answers;
        receipts.push(await call("POST", "/_despatch/v1/capture", { body: { uploads: f.uploads, answers: given, about, request: request?.id ?? "" }, timeout: 36e5 }));
        left = left.slice(1);
      }
      sent.current = [];
      setAnswers({});
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
  return /* @__PURE__ */ h(Sheet, { title: step.at === "done" ? "Receipt" : "Put on the record", class: "capture" }, request && step.at !== "done" && /* @__PURE__ */ h("p", { class: "notice for-request" }, /* @__PURE__ */ h(Tray, null), " ", /* @__PURE__ */ h("span", null, "For the records office: ", /* @__PURE__ */ h("b", { dir: "auto" }, request.what))), step.at === "choose" && /* @__PURE__ */ h(Choose, { problem: step.problem, mine, onFiles: (f) => void take(f), request }), step.at === "sending" && /* @__PURE__ */ h(Sending, { step, onCancel: cancel }), step.at === "reading" && /* @__PURE__ */ h("p", { class: "working", role: "status" }, /* @__PURE__ */ h("span", { class: "spinner" }), " Reading…"), step.at === "preview" && /* @__PURE__ */ h(
    Preview,
    {
      step,
      answers,
      about,
      mine,
      onAbout: setAbout,
      onAnswer: (given) => void answer(step, given),
      onZone: (zone) => setAnswers({ ...answers, zone }),
      onKeep: () => void keep(step),
      onCancel: cancel
    }
  ), step.at === "done" && /* @__PURE__ */ h(Slip, { receipts: step.receipts, onDone: closeSheet }));
}
function here() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "Europe/London";
}
function Choose({ problem, mine, request, onFiles }) {
  const [over, setOver] = useState(false);
  const [gone, setGone] = useState([]);
  const chooser = useRef(null);
  const unfinished = (mine?.uploads ?? []).filter((u) => !gone.includes(u.id));
  return /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("input", { ref: chooser, type: "file", multiple: true, hidden: true, "aria-label": "Files to put on the record", onChange: (e) => {
    const files = [...e.currentTarget.files ?? []];
    e.currentTarget.value = "";
    onFiles(files);
  } }), /* @__PURE__ */ h(
    "div",
    {
      class: over ? "drop over" : "drop",
      onDragOver: (e) => {
        e.preventDefault();
        setOver(true);
      },
      onDragLeave: () => setOver(false),
      onDrop: (e) => {
        e.preventDefault();
        setOver(false);
        onFiles([...e.dataTransfer?.files ?? []]);
      }
    },
    problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, problem)),
    /* @__PURE__ */ h("button", { type: "button", class: "button wide", "data-focus": true, onClick: () => chooser.current.click() }, /* @__PURE__ */ h(Tray, null), " Choose files"),
    /* @__PURE__ */ h("p", { class: "hint" }, "Or drop them here: an exported chat, e-mails, a screenshot, any document. You see what was understood before it is kept.")
  ), unfinished.length > 0 && /* @__PURE__ */ h("section", null, /* @__PURE__ */ h("h3", null, "Not finished"), /* @__PURE__ */ h("ul", { class: "unfinished" }, unfinished.map((u) => /* @__PURE__ */ h("li", { key: u.id }, /* @__PURE__ */ h("span", null, /* @__PURE__ */ h("b", { dir: "auto" }, u.name), /* @__PURE__ */ h("span", { class: "person-id" }, u.offset >= u.size ? "Sent, but not put on the record." : `${Math.floor(100 * u.offset / u.size)} % was sent.`, " Choose the same file again to carry on.")), /* @__PURE__ */ h("button", { type: "button", class: "round", "aria-label": `Remove ${u.name}`, onClick: () => {
    drop([u.id]);
    setGone([...gone, u.id]);
  } }, /* @__PURE__ */ h(Bin, null)))))), /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => {
    closeSheet();
    showSheet(/* @__PURE__ */ h(Note, { request }));
  } }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(Pencil, null)), /* @__PURE__ */ h("span", null, "Write a note of a call or talk", /* @__PURE__ */ h("span", { class: "person-id" }, "When there is nothing to export. Half a minute."))), /* @__PURE__ */ h(Exports, null));
}
function Exports() {
  return /* @__PURE__ */ h("details", { class: "howto" }, /* @__PURE__ */ h("summary", null, "How do I export a chat?"), /* @__PURE__ */ h("dl", null, /* @__PURE__ */ h("dt", null, "WhatsApp"), /* @__PURE__ */ h("dd", null, "Android: open the chat, ⋮, More, Export chat. iPhone: open the chat, tap its name, Export Chat. Choose “Include media”, then Despatch if it is in the list."), /* @__PURE__ */ h("dt", null, "Signal"), /* @__PURE__ */ h("dd", null, "Android: Settings, Chats, Chat backups. Desktop: ask your IT desk. You will be asked for the passphrase."), /* @__PURE__ */ h("dt", null, "Text messages"), /* @__PURE__ */ h("dd", null, "Android: the app “SMS Backup & Restore”. iPhone: take screenshots, or ask your IT desk."), /* @__PURE__ */ h("dt", null, "Private e-mail"), /* @__PURE__ */ h("dd", null, "Save or forward the message as a file (.eml or .msg)."), /* @__PURE__ */ h("dt", null, "Teams, Slack, Telegram, Messenger"), /* @__PURE__ */ h("dd", null, "Use “Export” or “Download your information”, as JSON where you can choose."), /* @__PURE__ */ h("dt", null, "Anything else, such as Siilo"), /* @__PURE__ */ h("dd", null, "Take screenshots or save a PDF, and choose them all at once.")));
}
function Sending({ step, onCancel }) {
  const { sent, total, waiting } = step.progress;
  const percent = Math.floor(100 * sent / Math.max(1, total));
  const label = useId();
  return /* @__PURE__ */ h("div", { class: "sending" }, /* @__PURE__ */ h("p", { class: "what-file" }, /* @__PURE__ */ h(FileIcon, null), " ", /* @__PURE__ */ h("span", { dir: "auto", id: label }, step.files.length === 1 ? step.files[0].name : plural(step.files.length, "file"))), /* @__PURE__ */ h("progress", { max: 100, value: percent, "aria-labelledby": label }), /* @__PURE__ */ h("p", { class: "hint", role: "status" }, waiting ? "No connection. It carries on by itself." : `Sending, ${percent} % of ${bytes(total)}`), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: onCancel }, "Cancel")));
}
function Preview({ step, answers, about, mine, onAbout, onAnswer, onZone, onKeep, onCancel }) {
  const busy = step.busy !== "";
  const open = step.found.reduce((n, f) => n + f.questions.length, 0);
  return /* @__PURE__ */ h("form", { class: "preview", "aria-busy": busy, onSubmit: (e) => {
    e.preventDefault();
    onKeep();
  } }, step.found.map((f) => /* @__PURE__ */ h("section", { key: f.uploads?.[0], class: "found" }, /* @__PURE__ */ h(Understood, { found: f }), f.questions.map((q) => /* @__PURE__ */ h(FileQuestion, { key: q.about, question: q, given: answers[q.about], busy, onAnswer: (v) => onAnswer(q.about === "secret" ? another(answers, v) : { [q.about]: v }) })), f.status === "unreadable" && /* @__PURE__ */ h(TrySecret, { answers, busy, onAnswer }), isPlain(f) && /* @__PURE__ */ h(Guided, { onAnswer, busy }), f.no_zone && /* @__PURE__ */ h(Zone, { value: String(answers["zone"] ?? here()), onChange: onZone }))), /* @__PURE__ */ h(Matters, { about, reasons: mine?.reasons ?? [], subjects: [...new Set((mine?.submissions ?? []).map((s) => s.subject).filter(Boolean))], onChange: onAbout }), /* @__PURE__ */ h("div", { class: "sheet-foot" }, step.problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, step.problem)), /* @__PURE__ */ h("button", { type: "submit", class: open > 0 ? "button wide second" : "button wide", "data-focus": true, disabled: busy }, step.busy === "keeping" ? "Putting it on the record…" : step.busy === "looking" ? "Reading again…" : open > 0 ? "Keep it, and answer later" : step.found.length > 1 ? `Put all ${step.found.length} on the record` : "Put it on the record"), /* @__PURE__ */ h("div", { class: "foot-row" }, /* @__PURE__ */ h("p", { class: "hint" }, "What you do not answer now, you can answer later."), /* @__PURE__ */ h("button", { type: "button", class: "quiet", disabled: busy, onClick: onCancel }, "Cancel"))));
}
function Understood({ found: f }) {
  const one = f.conversations.length === 1 ? f.conversations[0] : null;
  const when = days(f);
  return /* @__PURE__ */ h("div", { class: "understood" }, /* @__PURE__ */ h("p", { class: "found-head" }, /* @__PURE__ */ h("span", { class: "row-icon" }, f.status === "unreadable" || f.status === "unknown" ? /* @__PURE__ */ h(Warning, null) : /* @__PURE__ */ h(FileIcon, null)), /* @__PURE__ */ h("span", null, /* @__PURE__ */ h("b", { class: "found-title", dir: "auto" }, one?.title || f.name), /* @__PURE__ */ h("span", { class: "person-id" }, /* @__PURE__ */ h("span", { dir: "auto" }, f.system && !isPlain(f) ? f.system_name + ", " : "", f.files > 1 ? plural(f.files, "file") + ", " : "", bytes(f.bytes))))), f.fault && /* @__PURE__ */ h("p", { class: "notice" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, /* @__PURE__ */ h("b", null, "It can be kept, but not read."), " ", f.fault)), f.status === "unknown" && /* @__PURE__ */ h("p", { class: "hint" }, "Despatch cannot read this kind of file. It is kept whole, and people can."), f.messages > 0 && /* @__PURE__ */ h("dl", { class: "facts" }, /* @__PURE__ */ h("dt", null, "Messages"), /* @__PURE__ */ h("dd", null, number(f.messages)), when && /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("dt", null, "When"), /* @__PURE__ */ h("dd", null, when)), one && one.people.length > 0 && /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("dt", null, "Who"), /* @__PURE__ */ h("dd", { dir: "auto" }, who(one))), f.conversations.length > 1 && /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("dt", null, "Chats"), /* @__PURE__ */ h("dd", null, number(f.conversations.length + f.more_conversations)))), f.conversations.length > 1 && /* @__PURE__ */ h("details", { open: f.conversations.length <= 4 }, /* @__PURE__ */ h("summary", null, "All ", number(f.conversations.length + f.more_conversations), " chats go on the record. Is every one of them for work?"), /* @__PURE__ */ h("ul", { class: "chats" }, f.conversations.map((c, i) => /* @__PURE__ */ h("li", { key: i }, /* @__PURE__ */ h("b", { dir: "auto" }, c.title || "Without a name"), " ", /* @__PURE__ */ h("span", { class: "person-id" }, /* @__PURE__ */ h("span", { dir: "auto" }, who(c)), c.messages > 0 ? `, ${messages(c.messages)}` : "")))), f.more_conversations > 0 && /* @__PURE__ */ h("p", { class: "hint" }, "and ", number(f.more_conversations), " more"), /* @__PURE__ */ h("p", { class: "hint" }, "If some are private, cancel, and export only the ones for work.")), f.doubts.length > 0 && /* @__PURE__ */ h("div", { class: "doubts" }, /* @__PURE__ */ h("p", null, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("b", null, "In doubt")), /* @__PURE__ */ h("ul", null, f.doubts.slice(0, 3).map((d, i) => /* @__PURE__ */ h("li", { key: i, dir: "auto" }, doubt(d)))), f.doubts.length > 3 && /* @__PURE__ */ h("details", null, /* @__PURE__ */ h("summary", null, plural(f.doubts.length - 3, "more doubt")), /* @__PURE__ */ h("ul", null, f.doubts.slice(3).map((d, i) => /* @__PURE__ */ h("li", { key: i, dir: "auto" }, doubt(d)))))), (f.sample ?? []).length > 0 && /* @__PURE__ */ h("details", null, /* @__PURE__ */ h("summary", null, "How it begins"), /* @__PURE__ */ h("ol", { class: "sample" }, f.sample.map((o, i) => /* @__PURE__ */ h("li", { key: i }, /* @__PURE__ */ h("span", { class: "person-id" }, o.sender && /* @__PURE__ */ h("b", { dir: "auto" }, o.sender), o.sender ? " · " : "", local(o.sent)), /* @__PURE__ */ h("span", { dir: "auto" }, o.text || o.body || ""))))), f.in_file > 0 && f.status === "read" && (f.balanced ? /* @__PURE__ */ h("p", { class: "whole" }, /* @__PURE__ */ h(Check, null), " ", /* @__PURE__ */ h("span", null, "Nothing was lost: all ", number(f.in_file), " ", unit(f.unit, f.in_file), " of the file are accounted for.")) : /* @__PURE__ */ h("p", { class: "notice" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, "Not every part of the file is accounted for. It is kept whole. Tell the records office."))));
}
function unit(u, n) {
  const many = u || "records";
  return n === 1 ? many.replace(/s$/, "") : many;
}
function doubt(d) {
  const words = d.text.replace(/^./, (c) => c.toUpperCase());
  return d.count && d.count > 1 ? `${words} (${number(d.count)} times)` : words;
}
function FileQuestion({ question: q, given, busy, onAnswer }) {
  const [text, setText] = useState("");
  const id = useId();
  const list = q.answers ?? [];
  const zone = q.about === "zone" && list.length === 0;
  if (list.length > 0) {
    return /* @__PURE__ */ h("fieldset", { class: "question asked" }, /* @__PURE__ */ h("legend", null, q.text), q.example && /* @__PURE__ */ h("p", { class: "example" }, /* @__PURE__ */ h("code", { dir: "auto" }, q.example)), list.map((a) => /* @__PURE__ */ h("label", { key: a.value, class: "radio" }, /* @__PURE__ */ h("input", { type: "radio", name: q.about, value: a.value, disabled: busy, checked: given === a.value, onChange: () => onAnswer(a.value) }), /* @__PURE__ */ h("span", null, a.meaning || a.value))));
  }
  if (zone) return /* @__PURE__ */ h(Zone, { value: String(given ?? here()), onChange: onAnswer });
  const secret = q.about === "secret";
  const enter = () => {
    if (text === "") return;
    onAnswer(text);
    if (secret) setText("");
  };
  return /* @__PURE__ */ h("div", { class: "question asked" }, /* @__PURE__ */ h("label", { for: id }, q.text), q.example && !secret && /* @__PURE__ */ h("p", { class: "example" }, /* @__PURE__ */ h("code", { dir: "auto" }, q.example)), /* @__PURE__ */ h("div", { class: "inline-form" }, /* @__PURE__ */ h(
    "input",
    {
      id,
      type: secret ? "password" : "text",
      dir: "auto",
      autocomplete: "off",
      spellcheck: false,
      value: text,
      disabled: busy,
      "aria-describedby": secret ? id + "-hint" : void 0,
      onInput: (e) => setText(e.currentTarget.value),
      onKeyDown: (e) => {
        if (e.key !== "Enter") return;
        e.preventDefault();
        enter();
      }
    }
  ), /* @__PURE__ */ h("button", { type: "button", class: "button", disabled: busy || text === "", onClick: enter }, secret ? "Open" : "Answer")), secret && /* @__PURE__ */ h("p", { class: "hint", id: id + "-hint" }, "It is used to open this file and then forgotten. It is never kept.", given !== void 0 && !busy ? " The one you gave did not open it." : ""));
}
function another(answers, secret) {
  return { secret: [answers["secret"], secret].filter(Boolean).join("\n") };
}
function TrySecret({ answers, busy, onAnswer }) {
  const tried = answers["secret"] !== void 0;
  return /* @__PURE__ */ h("details", { open: tried }, /* @__PURE__ */ h("summary", null, "It has a password or a key"), /* @__PURE__ */ h(FileQuestion, { question: { about: "secret", text: tried ? "Try another, or add a second one" : "What is the password or key?", answers: [] }, given: answers["secret"], busy, onAnswer: (v) => onAnswer(another(answers, v)) }));
}
function Zone({ value, onChange }) {
  const id = useId();
  const all = [.../* @__PURE__ */ new Set([value, here(), "Europe/London", ...Intl.supportedValuesOf?.("timeZone") ?? []])];
  return /* @__PURE__ */ h("div", { class: "question" }, /* @__PURE__ */ h("label", { for: id }, "Where was the phone’s clock set?"), /* @__PURE__ */ h("select", { id, value, onChange: (e) => onChange(e.currentTarget.value) }, all.map((z) => /* @__PURE__ */ h("option", { key: z, value: z, selected: z === value }, z === here() ? `${z.replaceAll("_", " ")} (like this device)` : z.replaceAll("_", " ")))), /* @__PURE__ */ h("p", { class: "hint" }, "The file gives times without a time zone."));
}
const APPS = ["Siilo", "WhatsApp", "Signal", "Text messages", "Telegram", "Facebook Messenger", "Microsoft Teams", "E-mail", "Another app"];
function Guided({ onAnswer, busy }) {
  const [system, setSystem] = useState("");
  const [title, setTitle] = useState("");
  const [day, setDay] = useState("");
  const id = useId();
  const tell = () => {
    const given = {};
    if (system) given["system"] = system.toLowerCase();
    if (title.trim()) given["conversation"] = title.trim();
    const at = day ? (/* @__PURE__ */ new Date(day + "T00:00")).getTime() : NaN;
    if (!Number.isNaN(at)) {
      given["happened_from"] = at;
      given["happened_to"] = Math.min(at + 86399999, Date.now());
      given["zone"] = here();
    }
    if (Object.keys(given).length > 0) onAnswer(given);
  };
  return /* @__PURE__ */ h("fieldset", { class: "question asked guided", disabled: busy }, /* @__PURE__ */ h("legend", null, "What does it show?"), /* @__PURE__ */ h("label", { for: id + "-app" }, "App"), /* @__PURE__ */ h("select", { id: id + "-app", value: system, onChange: (e) => setSystem(e.currentTarget.value) }, /* @__PURE__ */ h("option", { value: "" }, "Not from an app"), APPS.map((a) => /* @__PURE__ */ h("option", { key: a, value: a, selected: a === system }, a))), /* @__PURE__ */ h("label", { for: id + "-title" }, "Conversation with"), /* @__PURE__ */ h("input", { id: id + "-title", type: "text", dir: "auto", maxLength: 200, autocomplete: "off", value: title, onInput: (e) => setTitle(e.currentTarget.value) }), /* @__PURE__ */ h("label", { for: id + "-day" }, "Day"), /* @__PURE__ */ h("input", { id: id + "-day", type: "date", max: (/* @__PURE__ */ new Date()).toISOString().slice(0, 10), value: day, onInput: (e) => setDay(e.currentTarget.value) }), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: tell }, "Use this"));
}
function Matters({ about, reasons, subjects, onChange }) {
  const id = useId();
  return /* @__PURE__ */ h("div", { class: "matters" }, /* @__PURE__ */ h("label", { for: id }, "1. What is it about?"), /* @__PURE__ */ h("input", { id, type: "text", dir: "auto", list: id + "-list", maxLength: 200, autocomplete: "off", value: about.subject ?? "", onInput: (e) => onChange({ ...about, subject: e.currentTarget.value }) }), /* @__PURE__ */ h("datalist", { id: id + "-list" }, subjects.map((s) => /* @__PURE__ */ h("option", { key: s, value: s }))), /* @__PURE__ */ h(
    Pills,
    {
      legend: "2. How much does it matter?",
      name: id + "-weight",
      chosen: about.weight,
      onChoose: (weight) => onChange({ ...about, weight }),
      list: [{ code: "significant", text: "Significant" }, { code: "routine", text: "Routine" }],
      hint: "Significant: decisions, advice, reasons, promises."
    }
  ), /* @__PURE__ */ h(
    Pills,
    {
      legend: "3. Why was it not in Despatch?",
      name: id + "-reason",
      chosen: about.reason,
      onChoose: (reason) => onChange({ ...about, reason }),
      list: reasons,
      hint: "Nobody is blamed. It shows what to put right."
    }
  ), (about.reason === "other" || about.reason === "missing") && /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("label", { for: id + "-note" }, about.reason === "missing" ? "What is missing?" : "Which reason?"), /* @__PURE__ */ h("input", { id: id + "-note", type: "text", dir: "auto", maxLength: 1e3, autocomplete: "off", value: about.note ?? "", onInput: (e) => onChange({ ...about, note: e.currentTarget.value }) })));
}
function Pills({ legend, name, list, chosen, hint, onChoose }) {
  return /* @__PURE__ */ h("fieldset", { class: "pills" }, /* @__PURE__ */ h("legend", null, legend), hint && /* @__PURE__ */ h("p", { class: "hint" }, hint), /* @__PURE__ */ h("div", null, list.map((c) => /* @__PURE__ */ h("label", { key: c.code, class: chosen === c.code ? "pill on" : "pill" }, /* @__PURE__ */ h("input", { type: "radio", name, value: c.code, checked: chosen === c.code, onChange: () => onChoose(c.code) }), /* @__PURE__ */ h("span", null, c.text)))));
}
export {
  Capture,
  FileQuestion,
  Matters,
  Pills,
  TrySecret,
  Understood,
  Zone,
  another,
  here
};
