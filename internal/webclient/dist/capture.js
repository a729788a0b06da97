import { h } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { Sheet, closeSheet } from "./sheet.js";
import { dateTime, number } from "./words.js";
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
      const questions = answer.questions ?? [];
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
  const doubts = (answer.warnings ?? []).map((w) => doubt(w));
  if (answer.coverage?.likely_truncated) doubts.unshift("The oldest messages are probably missing: WhatsApp cuts long exports.");
  return /* @__PURE__ */ h("div", { class: "understood" }, /* @__PURE__ */ h("p", { class: "what-file" }, /* @__PURE__ */ h(FileIcon, null), " ", /* @__PURE__ */ h("span", { dir: "auto" }, file.name)), /* @__PURE__ */ h("h3", null, "What was understood"), /* @__PURE__ */ h("ul", null, (answer.summary ?? []).map((s) => /* @__PURE__ */ h("li", { key: s, dir: "auto" }, s))), (answer.sample ?? []).length > 0 && /* @__PURE__ */ h("div", null, /* @__PURE__ */ h("h3", null, "How it begins"), /* @__PURE__ */ h("ol", { class: "sample" }, answer.sample.map((o, i) => /* @__PURE__ */ h("li", { key: i }, /* @__PURE__ */ h("span", { class: "person-id" }, o.sender ? /* @__PURE__ */ h("b", { dir: "auto" }, o.sender) : "WhatsApp", " · ", local(o.sent)), /* @__PURE__ */ h("span", { dir: "auto" }, (o.text || o.body || "").slice(0, 160)))))), doubts.length > 0 && /* @__PURE__ */ h("div", null, /* @__PURE__ */ h("h3", null, "What is in doubt"), /* @__PURE__ */ h("ul", null, doubts.map((s) => /* @__PURE__ */ h("li", { key: s, dir: "auto" }, s)))));
}
function doubt(w) {
  const words = w.detail || w.code.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase());
  return w.count && w.count > 1 ? `${words} (${number(w.count)} times)` : words;
}
function local(t) {
  const m = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}:\d{2})/.exec(t?.local ?? "");
  return m ? `${long.format(Date.UTC(+m[1], +m[2] - 1, +m[3]))}, ${m[4]}` : t?.raw ?? "";
}
const long = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
function Done({ answer, file }) {
  const r = answer.receipt;
  return /* @__PURE__ */ h("div", { class: "done", role: "status" }, /* @__PURE__ */ h("p", { class: "verified" }, /* @__PURE__ */ h(Check, null), " ", /* @__PURE__ */ h("span", null, file.name, " is on the record.")), r && /* @__PURE__ */ h("p", { class: "on-record" }, /* @__PURE__ */ h(Seal, null), /* @__PURE__ */ h("span", null, "On the record as ", /* @__PURE__ */ h("b", null, "no. ", number(r.position)), " at ", dateTime(r.time), ". Your reference is ", /* @__PURE__ */ h("b", { class: "reference" }, r.reference), ".", r.repeated ? " This very file was there already, and is not counted twice." : " The file is kept whole beside what was read from it.")), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button", "data-focus": true, onClick: closeSheet }, "Done")));
}
export {
  Capture
};
