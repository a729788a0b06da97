import { h } from "./preact/preact.js";
import { useState } from "./preact/hooks.js";
import { fold } from "./choosepeople.js";
import { sorted } from "./conversations.js";
import { bodyOf, summary } from "./history.js";
import { Avatar } from "./avatar.js";
import { audience } from "./people.js";
import { send } from "./outbox.js";
import { closeSheets, Sheet } from "./sheet.js";
import { say } from "./say.js";
import { Search } from "./icons.js";
function ForwardTo({ m }) {
  const [term, setTerm] = useState("");
  const found = sorted.value.filter((c) => c.membership === "join" && fold(c.title).includes(fold(term.trim())));
  const forward = (id, title) => {
    const content = { ...m.content };
    delete content["m.relates_to"];
    delete content["m.mentions"];
    delete content["m.new_content"];
    if (content.msgtype === "m.text") {
      content.body = bodyOf(m.content, m.replyTo !== "");
      delete content["formatted_body"];
      delete content["format"];
    }
    send(id, "m.room.message", content);
    closeSheets();
    say(`Forwarded to ${title}.`);
  };
  return /* @__PURE__ */ h(Sheet, { title: "Forward to" }, /* @__PURE__ */ h("blockquote", { class: "what", dir: "auto" }, summary(m)), /* @__PURE__ */ h("div", { class: "search-field" }, /* @__PURE__ */ h(Search, null), /* @__PURE__ */ h("input", { type: "search", dir: "auto", autocomplete: "off", placeholder: "Conversation", "aria-label": "Find a conversation", "data-focus": true, value: term, onInput: (e) => setTerm(e.currentTarget.value) })), /* @__PURE__ */ h("ul", { class: "people-list", "aria-label": "Conversations" }, found.map((c) => /* @__PURE__ */ h("li", { key: c.id }, /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => forward(c.id, c.title) }, /* @__PURE__ */ h("span", { class: "person" }, /* @__PURE__ */ h(Avatar, { id: c.partner || c.id, name: c.title, group: !c.partner }), /* @__PURE__ */ h("span", { class: "person-words" }, /* @__PURE__ */ h("span", { class: "person-name", dir: "auto" }, c.title), /* @__PURE__ */ h("span", { class: "person-id" }, audience(c)))))))));
}
export {
  ForwardTo
};
