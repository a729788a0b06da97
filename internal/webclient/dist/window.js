import { h, Fragment } from "./preact/preact.js";
import { useEffect } from "./preact/hooks.js";
import { useSignalEffect } from "./preact/signals.js";
import { conversations, nameOf, unreadTotal } from "./conversations.js";
import { ConversationList } from "./conversationlist.js";
import { ConversationView } from "./conversationview.js";
import { bodyOf, summary } from "./history.js";
import { relation } from "./matrix.js";
import { whenRefused } from "./outbox.js";
import { resume } from "./resume.js";
import { route } from "./route.js";
import { announce, say } from "./say.js";
import { closeSheets, Sheets } from "./sheet.js";
import { Brand } from "./signin.js";
import { connection } from "./sync.js";
whenRefused(say);
function Window() {
  useEffect(() => {
    void resume(readOut);
    return closeSheets;
  }, []);
  useSignalEffect(() => {
    const n = unreadTotal.value;
    document.title = n > 0 ? `(${n}) Despatch` : "Despatch";
    const badge = n > 0 ? navigator.setAppBadge?.(n) : navigator.clearAppBadge?.();
    badge?.catch(() => {
    });
  });
  const id = route.value;
  const c = conversations.value.get(id);
  return /* @__PURE__ */ h(Fragment, null, /* @__PURE__ */ h("main", { class: id ? "window reading" : "window" }, /* @__PURE__ */ h(ConversationList, null), /* @__PURE__ */ h("div", { class: "main" }, c ? /* @__PURE__ */ h(ConversationView, { key: id, c }) : /* @__PURE__ */ h(Nothing, { id }))), /* @__PURE__ */ h(Sheets, null));
}
function readOut(room, ev) {
  if (relation(ev).rel_type === "m.replace") return;
  const who = nameOf(ev.sender);
  if (room === route.value) {
    const content = { ...ev.content, body: bodyOf(ev.content, !!relation(ev)["m.in_reply_to"]) };
    announce(`${who}: ${summary({ ev, content, gone: "" })}`);
  } else announce(`A message from ${who} in ${conversations.value.get(room)?.title ?? "another conversation"}`);
}
function Nothing({ id }) {
  const lost = id !== "" && connection.value === "online";
  return /* @__PURE__ */ h("div", { class: "nothing-open" }, /* @__PURE__ */ h(Brand, null), /* @__PURE__ */ h("p", null, lost ? "You are not in this conversation, or it is no longer here." : id ? "Opening…" : "Choose a conversation, or begin one."), lost && /* @__PURE__ */ h("p", null, /* @__PURE__ */ h("a", { class: "quiet", href: "#/" }, "Back to the list")));
}
export {
  Window
};
