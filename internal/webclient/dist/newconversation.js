import { h } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { conversation, direct, directWith, learnName, me } from "./conversations.js";
import { PersonRow, usePeople } from "./choosepeople.js";
import { openConversation } from "./route.js";
import { closeSheets, Sheet } from "./sheet.js";
import { say } from "./say.js";
import { plural } from "./words.js";
import { Check, People, Search } from "./icons.js";
async function talkTo(p) {
  const there = directWith(p.user);
  if (there) {
    closeSheets();
    openConversation(there.id);
    return;
  }
  const { room_id } = await call("POST", "/_matrix/client/v3/createRoom", {
    body: { is_direct: true, preset: "trusted_private_chat", invite: [p.user] }
  });
  learnName(p.user, p.name);
  direct.value = new Map(direct.value).set(room_id, p.user);
  conversation(room_id);
  closeSheets();
  openConversation(room_id);
  const content = {};
  for (const [room, user] of direct.value) (content[user] ??= []).push(room);
  await call("PUT", `/_matrix/client/v3/user/${enc(me.value)}/account_data/m.direct`, { body: content });
}
async function makeGroup(name, people) {
  const { room_id } = await call("POST", "/_matrix/client/v3/createRoom", {
    body: { preset: "private_chat", name, invite: people.map((p) => p.user) }
  });
  conversation(room_id);
  closeSheets();
  openConversation(room_id);
}
function NewConversation() {
  const [term, setTerm] = useState("");
  const [group, setGroup] = useState(false);
  const [chosen, setChosen] = useState([]);
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const people = usePeople(term);
  const field = useRef(null);
  useEffect(() => field.current?.focus(), []);
  const busily = (f) => {
    if (busy) return;
    setBusy(true);
    f().catch((e) => say(explain(e))).finally(() => setBusy(false));
  };
  const toggle = (p) => {
    setChosen(chosen.some((c) => c.user === p.user) ? chosen.filter((c) => c.user !== p.user) : [...chosen, p]);
    if (term) {
      setTerm("");
      field.current?.focus();
    }
  };
  const submit = (e) => {
    e.preventDefault();
    if (group) {
      if (name.trim() && chosen.length > 0) busily(() => makeGroup(name.trim(), chosen));
    } else if (term && people[0]) busily(() => talkTo(people[0]));
  };
  const isChosen = (p) => chosen.some((c) => c.user === p.user);
  return /* @__PURE__ */ h(Sheet, { title: group ? "New group" : "New conversation" }, /* @__PURE__ */ h("form", { class: "sheet-form", onSubmit: submit }, group && /* @__PURE__ */ h("label", null, "Name of the group", /* @__PURE__ */ h("input", { type: "text", dir: "auto", value: name, maxLength: 200, autocomplete: "off", onInput: (e) => setName(e.currentTarget.value) })), /* @__PURE__ */ h("div", { class: "search-field" }, /* @__PURE__ */ h(Search, null), /* @__PURE__ */ h("input", { ref: field, type: "search", dir: "auto", autocomplete: "off", placeholder: "Name", "aria-label": "Name of a colleague", value: term, onInput: (e) => setTerm(e.currentTarget.value) })), !group && /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => {
    setGroup(true);
    setTerm("");
  } }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(People, null)), " New group"), chosen.length > 0 && /* @__PURE__ */ h("ul", { class: "chips", "aria-label": "In the group" }, chosen.map((p) => /* @__PURE__ */ h("li", { key: p.user }, /* @__PURE__ */ h("button", { type: "button", onClick: () => toggle(p), "aria-label": `Take ${p.name} out` }, /* @__PURE__ */ h("span", { dir: "auto" }, p.name), " ×")))), /* @__PURE__ */ h("ul", { class: "people-list", "aria-label": "Colleagues" }, people.map((p) => /* @__PURE__ */ h("li", { key: p.user }, /* @__PURE__ */ h("button", { type: "button", class: "row-button", disabled: busy, "aria-pressed": group ? isChosen(p) : void 0, onClick: () => group ? toggle(p) : busily(() => talkTo(p)) }, /* @__PURE__ */ h(PersonRow, { person: p }, group && /* @__PURE__ */ h("span", { class: isChosen(p) ? "box ticked" : "box" }, isChosen(p) && /* @__PURE__ */ h(Check, null))))))), people.length === 0 && /* @__PURE__ */ h("p", { class: "nothing" }, term ? `Nobody here is called “${term}”.` : "Type a colleague’s name."), group && /* @__PURE__ */ h("div", { class: "sheet-foot" }, /* @__PURE__ */ h("button", { type: "submit", class: "button wide", disabled: busy || !name.trim() || chosen.length === 0 }, chosen.length === 0 ? "Make the group" : `Make the group of ${chosen.length + 1}`), /* @__PURE__ */ h("p", { class: "hint" }, !name.trim() ? "Give the group a name." : chosen.length === 0 ? "Choose who is in it." : `${plural(chosen.length, "colleague")} and you.`))));
}
export {
  NewConversation,
  talkTo
};
