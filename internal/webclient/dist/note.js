import { h } from "./preact/preact.js";
import { useEffect, useId, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { here, Pills } from "./capture.js";
import { learnOwed } from "./captured.js";
import { knownPeople } from "./conversations.js";
import { closeSheet, Sheet } from "./sheet.js";
import { Slip } from "./slip.js";
import { Warning } from "./icons.js";
const CHANNELS = [
  { code: "telephone", text: "Phone" },
  { code: "in person", text: "In person" },
  { code: "WhatsApp call", text: "WhatsApp" },
  { code: "video meeting", text: "Video" },
  { code: "other", text: "Other" }
];
function Note({ request, text: shared = "" }) {
  const [people, setPeople] = useState("");
  const [channel, setChannel] = useState("");
  const [other, setOther] = useState("");
  const [when, setWhen] = useState(local(Date.now()));
  const [text, setText] = useState(shared);
  const [dictated, setDictated] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState({ field: "", text: "" });
  const [receipt, setReceipt] = useState(null);
  const id = useId();
  useEffect(() => {
    if (problem.field) document.getElementById(id + "-" + problem.field)?.focus();
  }, [problem]);
  const save = async (e) => {
    e.preventDefault();
    const from = new Date(when).getTime();
    setBusy(true);
    setProblem({ field: "", text: "" });
    try {
      const body = {
        with: people.split(/[,;\n،、]/).map((s) => s.trim()).filter(Boolean),
        channel: channel === "other" ? other : channel,
        from: Number.isNaN(from) ? 0 : from,
        zone: here(),
        text,
        dictated,
        request: request?.id ?? ""
      };
      setReceipt(await call("POST", "/_despatch/v1/notes", { body }));
      void learnOwed();
      dispatchEvent(new Event("despatch-record-changed"));
    } catch (e2) {
      const field = e2 instanceof APIError && typeof e2.body["field"] === "string" ? e2.body["field"] : "";
      setProblem({ field, text: explain(e2) });
    }
    setBusy(false);
  };
  if (receipt) return /* @__PURE__ */ h(Sheet, { title: "Receipt", class: "capture", key: "receipt" }, /* @__PURE__ */ h(Slip, { receipts: [receipt], onDone: closeSheet }));
  return /* @__PURE__ */ h(Sheet, { title: "Note of a call or talk", class: "capture", key: "note" }, /* @__PURE__ */ h("form", { class: "note-form", onSubmit: (e) => void save(e), noValidate: true }, /* @__PURE__ */ h("label", { for: id + "-with" }, "With whom?"), /* @__PURE__ */ h("input", { id: id + "-with", type: "text", dir: "auto", "data-focus": true, autocomplete: "off", list: id + "-people", placeholder: "Dr Ash, Ben Carter", value: people, onInput: (e) => setPeople(e.currentTarget.value) }), /* @__PURE__ */ h("datalist", { id: id + "-people" }, knownPeople().slice(0, 100).map((p) => /* @__PURE__ */ h("option", { key: p.user, value: p.name }))), /* @__PURE__ */ h("div", { id: id + "-channel", tabIndex: -1 }, /* @__PURE__ */ h(Pills, { legend: "How?", name: id + "-how", list: CHANNELS, chosen: channel, onChoose: setChannel })), channel === "other" && /* @__PURE__ */ h("input", { type: "text", dir: "auto", "aria-label": "How you spoke", autocomplete: "off", value: other, onInput: (e) => setOther(e.currentTarget.value) }), /* @__PURE__ */ h("label", { for: id + "-from" }, "When did it begin?"), /* @__PURE__ */ h("input", { id: id + "-from", type: "datetime-local", value: when, max: local(Date.now()), onInput: (e) => setWhen(e.currentTarget.value) }), /* @__PURE__ */ h("label", { for: id + "-text" }, "What was said, and decided?"), /* @__PURE__ */ h("textarea", { id: id + "-text", dir: "auto", rows: 6, "aria-describedby": id + "-hint", value: text, onInput: (e) => setText(e.currentTarget.value) }), /* @__PURE__ */ h("p", { class: "hint", id: id + "-hint" }, "To dictate, tap the microphone on your phone’s keyboard."), /* @__PURE__ */ h("label", { class: "radio check" }, /* @__PURE__ */ h("input", { type: "checkbox", checked: dictated, onChange: (e) => setDictated(e.currentTarget.checked) }), " ", /* @__PURE__ */ h("span", null, "I dictated it")), /* @__PURE__ */ h("div", { class: "sheet-foot" }, problem.text && /* @__PURE__ */ h("p", { class: "problem", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, problem.text)), /* @__PURE__ */ h("button", { type: "submit", class: "button wide", disabled: busy }, busy ? "Putting it on the record…" : "Put it on the record"))));
}
function local(ms) {
  const d = new Date(ms);
  return new Date(ms - d.getTimezoneOffset() * 6e4).toISOString().slice(0, 16);
}
export {
  Note
};
