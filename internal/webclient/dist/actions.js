import { h } from "./preact/preact.js";
import { useState } from "./preact/hooks.js";
import { bodyOf, caption, summary } from "./history.js";
import { redact, send } from "./outbox.js";
import { say } from "./say.js";
import { closeSheet, closeSheets, Sheet, showSheet } from "./sheet.js";
import { Bin, Copy, Forward, Pencil, Reply, Seal, Smile } from "./icons.js";
const QUICK = ["👍", "❤️", "😂", "😮", "🙏", "✅"];
const MORE = [..."👏🎉🔥💯🤝👀🙂😀😅😉😊😍🤔😐😕😢😭😡😱🥳💪✍️👎👌✌️🙌🤞🙏💚💙🟢🟡🔴⚠️❌❓❗⏳📌📎📷📞🗳️🏥🚑☕".match(/\p{Extended_Pictographic}\ufe0f?/gu) ?? []];
function react(c, m, key) {
  const own = m.reactions.find((r) => r.key === key)?.mine;
  if (own?.startsWith("~")) return;
  if (own) redact(c.id, own);
  else send(c.id, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: m.id, key } });
}
function mayEdit(m) {
  return m.mine && !m.gone && !m.local && (m.content.msgtype === "m.text" || m.content.msgtype === "m.emote");
}
function mayDelete(c, m) {
  return !m.gone && !m.local && (m.mine || c.may("redact"));
}
async function copy(m) {
  try {
    await navigator.clipboard.writeText(caption(m.content) || bodyOf(m.content, m.replyTo !== ""));
    say("Copied.");
  } catch {
    say("The text could not be copied.");
  }
}
function Actions({ c, m, at, onReply, onEdit, onForward, onReceipt }) {
  const hasText = m.content.msgtype !== "m.file" && (m.content.msgtype !== "m.image" || caption(m.content) !== "");
  return /* @__PURE__ */ h(Sheet, { title: "Message", kind: "menu", hideTitle: true, at }, !m.gone && /* @__PURE__ */ h(Quick, { c, m }), /* @__PURE__ */ h("div", { class: "menu-items" }, !m.gone && /* @__PURE__ */ h(Item, { do: onReply, icon: /* @__PURE__ */ h(Reply, null) }, "Reply"), !m.gone && /* @__PURE__ */ h(Item, { do: onForward, icon: /* @__PURE__ */ h(Forward, null) }, "Forward"), !m.gone && hasText && /* @__PURE__ */ h(Item, { do: () => void copy(m), icon: /* @__PURE__ */ h(Copy, null) }, "Copy"), mayEdit(m) && /* @__PURE__ */ h(Item, { do: onEdit, icon: /* @__PURE__ */ h(Pencil, null) }, "Edit"), /* @__PURE__ */ h(Item, { do: onReceipt, icon: /* @__PURE__ */ h(Seal, null) }, "Receipt"), mayDelete(c, m) && /* @__PURE__ */ h(Item, { do: () => showSheet(/* @__PURE__ */ h(Delete, { c, m })), icon: /* @__PURE__ */ h(Bin, null), danger: true }, "Delete")));
}
function Item({ do: f, icon, danger, children }) {
  return /* @__PURE__ */ h("button", { type: "button", class: danger ? "item danger" : "item", onClick: () => {
    closeSheet();
    f();
  } }, icon, " ", children);
}
function Reactions({ c, m, at }) {
  return /* @__PURE__ */ h(Sheet, { title: "React", kind: "menu", hideTitle: true, at }, /* @__PURE__ */ h(Quick, { c, m }));
}
function Quick({ c, m }) {
  const [all, setAll] = useState(false);
  const own = (key) => m.reactions.some((r) => r.key === key && r.mine !== null);
  return /* @__PURE__ */ h("div", { class: all ? "emoji-grid" : "emoji-row", role: "group", "aria-label": "React" }, (all ? [...QUICK, ...MORE] : QUICK).map((key) => /* @__PURE__ */ h("button", { key, type: "button", class: "emoji-button", "aria-pressed": own(key), "aria-label": `React ${key}`, onClick: () => {
    closeSheet();
    react(c, m, key);
  } }, key)), !all && /* @__PURE__ */ h("button", { type: "button", class: "emoji-button", "aria-label": "More reactions", onClick: () => setAll(true) }, /* @__PURE__ */ h(Smile, null)));
}
function Delete({ c, m }) {
  return /* @__PURE__ */ h(Sheet, { title: "Delete this message?", kind: "small" }, /* @__PURE__ */ h("blockquote", { class: "what", dir: "auto" }, summary(m)), /* @__PURE__ */ h("p", null, "It goes from everyone’s devices. It stays on the official record."), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button danger", "data-focus": true, onClick: () => {
    closeSheets();
    redact(c.id, m.id);
  } }, "Delete for everyone"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: closeSheet }, "Keep")));
}
export {
  Actions,
  Delete,
  QUICK,
  Reactions,
  copy,
  mayDelete,
  mayEdit,
  react
};
