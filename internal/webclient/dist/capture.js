import { h } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { Sheet, closeSheet } from "./sheet.js";
import { dateTime, names, number, plural } from "./words.js";
import { Check, File as FileIcon, Seal, Tray, Warning } from "./icons.js";
function Capture({ dropped }) {
  const [step, setStep] = useState({ at: "choose", problem: "" });
  const [file, setFile] = useState(null);
  const [over, setOver] = useState(false);
  const answers = useRef({});
  const chooser = useRef(null);
  const ask = async (f, preview) => {
    const form = new FormData();
    form.append("file", f, f.name);
    form.append("zone", answers.current["zone"] ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
    for (const [about, value] of Object.entries(answers.current)) if (about !== "zone") form.append(about, value);
    return call("POST", "/_despatch/v1/capture", { form, ...preview ? { query: { preview: "1" } } : {}, timeout: 6e5 });
  };
  const failed = (e) => {
    if (e instanceof APIError && e.errcode === "ORG_DESPATCH_NEEDS_ANSWER" && Array.isArray(e.body["questions"])) {
      setStep({ at: "asked", questions: e.body["questions"] });
    } else setStep({ at: "choose", problem: explain(e) });
  };
  const read = async (f) => {
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
  const choose = (f) => {
    if (!f) return;
    answers.current = {};
    void read(f);
  };
  useEffect(() => choose(dropped), []);
  const keep = async (preview) => {
    setStep({ at: "keeping", answer: preview });
    try {
      const answer = await ask(file, false);
      setStep({ at: "done", answer: { ...preview, ...answer } });
    } catch (e) {
      failed(e);
    }
  };
  return /* @__PURE__ */ h(Sheet, { title: "Put a WhatsApp chat on the record", class: "capture" }, /* @__PURE__ */ h("input", { ref: chooser, type: "file", hidden: true, accept: ".txt,.zip,text/plain,application/zip", "aria-label": "Exported chat", onChange: (e) => {
    const f = e.currentTarget.files?.[0];
    e.currentTarget.value = "";
    choose(f);
  } }), step.at === "choose" && /* @__PURE__ */ h(
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
        choose(e.dataTransfer?.files[0]);
      }
    },
    step.problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, step.problem)),
    /* @__PURE__ */ h("button", { type: "button", class: "button wide", "data-focus": true, onClick: () => chooser.current.click() }, /* @__PURE__ */ h(Tray, null), " Choose the exported file"),
    /* @__PURE__ */ h("p", { class: "hint" }, "Or drop it here. Nothing is kept until you have seen what was understood."),
    /* @__PURE__ */ h("details", null, /* @__PURE__ */ h("summary", null, "How to export a chat from WhatsApp"), /* @__PURE__ */ h("ol", null, /* @__PURE__ */ h("li", null, /* @__PURE__ */ h("b", null, "Android:"), " open the chat, ⋮, More, Export chat."), /* @__PURE__ */ h("li", null, /* @__PURE__ */ h("b", null, "iPhone:"), " open the chat, tap its name, Export Chat."), /* @__PURE__ */ h("li", null, "Choose “Include media”, and save the file where you find it again.")), /* @__PURE__ */ h("p", null, "WhatsApp leaves out reactions, what was deleted, and the oldest messages of a long chat. We say so when we see it."))
  ), step.at === "reading" && /* @__PURE__ */ h("p", { class: "working", role: "status" }, /* @__PURE__ */ h("span", { class: "spinner" }), " Reading ", file?.name, "…"), step.at === "asked" && /* @__PURE__ */ h(Questions, { list: step.questions, onAnswer: (given) => {
    Object.assign(answers.current, given);
    void read(file);
  } }), (step.at === "preview" || step.at === "keeping") && /* @__PURE__ */ h("div", null, /* @__PURE__ */ h(Understood, { answer: step.answer, file }), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button", "data-focus": true, disabled: step.at === "keeping", onClick: () => void keep(step.answer) }, step.at === "keeping" ? "Putting it on the record…" : "Put it on the record"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", disabled: step.at === "keeping", onClick: () => setStep({ at: "choose", problem: "" }) }, "Choose another file"))), step.at === "done" && /* @__PURE__ */ h(Done, { answer: step.answer, file }));
}
function Questions({ list, onAnswer }) {
  const [given, setGiven] = useState({});
  const all = list.every((q) => given[q.about]);
  return /* @__PURE__ */ h("form", { onSubmit: (e) => {
    e.preventDefault();
    if (all) onAnswer(given);
  } }, /* @__PURE__ */ h("p", { role: "status" }, "The file does not say for certain. Nothing is guessed, so please tell us:"), list.map((q, i) => /* @__PURE__ */ h("fieldset", { key: q.about, class: "question" }, /* @__PURE__ */ h("legend", null, q.text), q.example && /* @__PURE__ */ h("p", { class: "example" }, /* @__PURE__ */ h("code", { dir: "auto" }, q.example)), q.answers.map((a, j) => /* @__PURE__ */ h("label", { key: a.value, class: "radio" }, /* @__PURE__ */ h("input", { type: "radio", name: q.about, value: a.value, "data-focus": i === 0 && j === 0 ? "" : void 0, checked: given[q.about] === a.value, onChange: () => setGiven({ ...given, [q.about]: a.value }) }), /* @__PURE__ */ h("span", null, a.meaning || a.value))))), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "submit", class: "button", disabled: !all }, "Carry on")));
}
function Understood({ answer, file }) {
  const run = answer.run ?? answer;
  const doubts = (run.warnings ?? []).map((w) => doubt(w));
  if (run.coverage?.likely_truncated) doubts.unshift("The oldest messages are probably missing: WhatsApp cuts long exports.");
  return /* @__PURE__ */ h("div", { class: "understood" }, /* @__PURE__ */ h("p", { class: "what-file" }, /* @__PURE__ */ h(FileIcon, null), " ", /* @__PURE__ */ h("span", { dir: "auto" }, file.name)), /* @__PURE__ */ h("h3", null, "What was understood"), /* @__PURE__ */ h("ul", null, sentences(answer).map((s) => /* @__PURE__ */ h("li", { key: s, dir: "auto" }, s))), doubts.length > 0 && /* @__PURE__ */ h("div", null, /* @__PURE__ */ h("h3", null, "What is in doubt"), /* @__PURE__ */ h("ul", null, doubts.map((s) => /* @__PURE__ */ h("li", { key: s, dir: "auto" }, s)))));
}
function doubt(w) {
  const words = w.detail || w.code.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase());
  return w.count && w.count > 1 ? `${words} (${number(w.count)} times)` : words;
}
function sentences(answer) {
  if (answer.summary) return answer.summary;
  const run = answer.run ?? answer;
  const out = [];
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
function span(first, last) {
  if (!first || !last) return "";
  const a = date(first);
  const b = date(last);
  return a === b ? ` on ${a}` : `, from ${a} to ${b}`;
}
const long = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
function date(i) {
  const t = i.local ? Date.parse(i.local.slice(0, 10) + "T00:00:00Z") : i.min_ms ?? NaN;
  return Number.isNaN(t) ? "an unknown day" : long.format(t);
}
function Done({ answer, file }) {
  const r = answer.receipt;
  return /* @__PURE__ */ h("div", { class: "done", role: "status" }, /* @__PURE__ */ h("p", { class: "verified" }, /* @__PURE__ */ h(Check, null), " ", /* @__PURE__ */ h("span", null, file.name, " is on the record.")), r && /* @__PURE__ */ h("p", { class: "on-record" }, /* @__PURE__ */ h(Seal, null), /* @__PURE__ */ h("span", null, r.position !== void 0 && /* @__PURE__ */ h("span", null, "Receipt: ", /* @__PURE__ */ h("b", null, "no. ", number(r.position)), r.time ? ` at ${dateTime(r.time)}` : "", ". "), r.reference && /* @__PURE__ */ h("span", null, "Reference ", /* @__PURE__ */ h("b", null, r.reference), ". "), "The file itself is kept whole beside what was read from it.")), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button", "data-focus": true, onClick: closeSheet }, "Done")));
}
export {
  Capture
};
