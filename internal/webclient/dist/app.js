import { h, Fragment } from "./preact/preact.js";
import { useSignalEffect } from "./preact/signals.js";
import { conversations, unreadTotal } from "./conversations.js";
import { ConversationList } from "./conversationlist.js";
import { ConversationView } from "./conversationview.js";
import { route } from "./route.js";
import { Saying } from "./say.js";
import { signedIn } from "./session.js";
import { Sheets } from "./sheet.js";
import { Brand, SignIn } from "./signin.js";
import { connection } from "./sync.js";
function App() {
  useSignalEffect(() => {
    const n = signedIn.value ? unreadTotal.value : 0;
    document.title = n > 0 ? `(${n}) Despatch` : "Despatch";
    const badge = n > 0 ? navigator.setAppBadge?.(n) : navigator.clearAppBadge?.();
    badge?.catch(() => {
    });
  });
  return /* @__PURE__ */ h(Fragment, null, signedIn.value ? /* @__PURE__ */ h(Window, null) : /* @__PURE__ */ h(SignIn, null), /* @__PURE__ */ h(Sheets, null), /* @__PURE__ */ h(Saying, null));
}
function Window() {
  const id = route.value;
  const c = conversations.value.get(id);
  return /* @__PURE__ */ h("main", { class: id ? "window reading" : "window" }, /* @__PURE__ */ h(ConversationList, null), /* @__PURE__ */ h("div", { class: "main" }, c ? /* @__PURE__ */ h(ConversationView, { key: id, c }) : /* @__PURE__ */ h(Nothing, { id })));
}
function Nothing({ id }) {
  const lost = id !== "" && connection.value === "online";
  return /* @__PURE__ */ h("div", { class: "nothing-open" }, /* @__PURE__ */ h(Brand, null), /* @__PURE__ */ h("p", null, lost ? "You are not in this conversation, or it is no longer here." : id ? "Opening…" : "Choose a conversation, or begin one."), lost && /* @__PURE__ */ h("p", null, /* @__PURE__ */ h("a", { class: "quiet", href: "#/" }, "Back to the list")));
}
export {
  App
};
