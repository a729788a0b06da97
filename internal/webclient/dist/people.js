import { h } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { forget, me } from "./conversations.js";
import { PersonRow, usePeople } from "./choosepeople.js";
import { openList } from "./route.js";
import { closeSheet, closeSheets, Sheet, showSheet } from "./sheet.js";
import { say } from "./say.js";
import { people } from "./words.js";
import { Door, Plus, Search } from "./icons.js";
function PeopleSheet({ c }) {
  void c.changed.value;
  useEffect(() => {
    c.loadMembers().catch((e) => say(explain(e)));
  }, []);
  const here = c.present();
  return /* @__PURE__ */ h(Sheet, { title: c.title }, /* @__PURE__ */ h("p", { class: "count" }, audience(c)), c.partner === "" && c.may("m.room.name") && /* @__PURE__ */ h(Rename, { c }), c.may("invite") && /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => showSheet(/* @__PURE__ */ h(AddPeople, { c })) }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(Plus, null)), " Add people"), /* @__PURE__ */ h("ul", { class: "people-list", "aria-label": "People here" }, here.map((m) => /* @__PURE__ */ h("li", { key: m.user }, /* @__PURE__ */ h(PersonRow, { person: m }, m.membership === "invite" && /* @__PURE__ */ h("span", { class: "tag" }, "invited"), m.user === me.value && /* @__PURE__ */ h("span", { class: "tag" }, "you"))))), /* @__PURE__ */ h("button", { type: "button", class: "row-button danger", onClick: () => showSheet(/* @__PURE__ */ h(Leave, { c })) }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(Door, null)), " Leave"));
}
function audience(c) {
  return people(c.size) + (c.outsiders > 0 ? `, ${c.outsiders} from outside` : "");
}
function Rename({ c }) {
  const [name, setName] = useState(c.title);
  const [busy, setBusy] = useState(false);
  const save = async (e) => {
    e.preventDefault();
    setBusy(true);
    try {
      await call("PUT", `/_matrix/client/v3/rooms/${enc(c.id)}/state/m.room.name/`, { body: { name: name.trim() } });
      say("Renamed.");
    } catch (e2) {
      say(explain(e2));
    }
    setBusy(false);
  };
  return /* @__PURE__ */ h("form", { class: "inline-form", onSubmit: save }, /* @__PURE__ */ h("label", null, "Name", /* @__PURE__ */ h("input", { type: "text", dir: "auto", maxLength: 200, value: name, onInput: (e) => setName(e.currentTarget.value) })), name.trim() !== c.title && name.trim() !== "" && /* @__PURE__ */ h("button", { type: "submit", class: "button", disabled: busy }, "Rename"));
}
function AddPeople({ c }) {
  const [term, setTerm] = useState("");
  const found = usePeople(term, new Set(c.present().map((m) => m.user)));
  const add = async (p) => {
    try {
      await call("POST", `/_matrix/client/v3/rooms/${enc(c.id)}/invite`, { body: { user_id: p.user } });
      closeSheet();
      say(`${p.name} has been invited.`);
    } catch (e) {
      say(explain(e));
    }
  };
  return /* @__PURE__ */ h(Sheet, { title: "Add people" }, /* @__PURE__ */ h("div", { class: "search-field" }, /* @__PURE__ */ h(Search, null), /* @__PURE__ */ h("input", { type: "search", dir: "auto", autocomplete: "off", placeholder: "Name", "aria-label": "Name of a colleague", "data-focus": true, value: term, onInput: (e) => setTerm(e.currentTarget.value) })), /* @__PURE__ */ h("ul", { class: "people-list", "aria-label": "Colleagues" }, found.map((p) => /* @__PURE__ */ h("li", { key: p.user }, /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => void add(p) }, /* @__PURE__ */ h(PersonRow, { person: p }))))), found.length === 0 && /* @__PURE__ */ h("p", { class: "nothing" }, term ? `Nobody else here is called “${term}”.` : "Type a colleague’s name."));
}
function Leave({ c }) {
  const leave = async () => {
    try {
      await call("POST", `/_matrix/client/v3/rooms/${enc(c.id)}/leave`, { body: {} });
      closeSheets();
      openList();
      forget(c.id);
    } catch (e) {
      say(explain(e));
    }
  };
  return /* @__PURE__ */ h(Sheet, { title: "Leave this conversation?", kind: "small" }, /* @__PURE__ */ h("p", null, "You will not see what is said in it from now on. What you said stays, for those who are here and on the official record."), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button danger", onClick: () => void leave(), "data-focus": true }, "Leave"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: closeSheet }, "Stay")));
}
export {
  PeopleSheet,
  audience
};
