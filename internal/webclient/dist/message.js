import { h } from "./preact/preact.js";
import { bodyOf, caption, summary } from "./history.js";
import { text } from "./matrix.js";
import { Avatar } from "./avatar.js";
import { again, discard } from "./outbox.js";
import { bytes, time } from "./words.js";
import { memo } from "./memo.js";
import { Picture } from "./picture.js";
import { save } from "./media.js";
import { say } from "./say.js";
import { Text } from "./text.js";
import { File, More, Reply, Smile, Ticks, Warning } from "./icons.js";
const MessageLine = memo(Line, (a, b) => a.m.key === b.m.key && a.m.id === b.m.id && a.m.content === b.m.content && a.m.gone === b.m.gone && a.m.edited === b.m.edited && a.m.first === b.m.first && a.m.last === b.m.last && a.m.local === b.m.local && a.m.shown === b.m.shown && a.tick === b.tick && a.name === b.name && a.group === b.group && a.quoted?.text === b.quoted?.text && a.quoted?.name === b.quoted?.name && JSON.stringify(a.m.reactions) === JSON.stringify(b.m.reactions) && a.mentioned.join() === b.mentioned.join());
function Line({ m, name, mentioned, group, tick, quoted, doings }) {
  const from = m.mine ? "You" : name;
  const failed = m.local?.state === "failed";
  const bare = m.content.msgtype === "m.image" && !m.gone && !caption(m.content) && !quoted;
  return /* @__PURE__ */ h("div", { class: `line ${m.mine ? "mine" : "theirs"} ${m.first ? "first" : ""} ${m.last ? "last" : ""} ${group ? "group" : ""} ${m.reactions.length > 0 ? "reacted" : ""}` }, group && !m.mine && (m.last ? /* @__PURE__ */ h(Avatar, { id: m.sender, name, size: "small" }) : /* @__PURE__ */ h("span", { class: "avatar-room" })), /* @__PURE__ */ h("div", { class: `bubble ${m.gone ? "gone" : ""} ${bare ? "bare" : ""} ${failed ? "failed" : ""}` }, m.first && group && !m.mine ? /* @__PURE__ */ h("p", { class: "from", dir: "auto" }, name) : /* @__PURE__ */ h("span", { class: "hidden" }, from, ":"), quoted && !m.gone && /* @__PURE__ */ h("button", { type: "button", class: "quote", tabIndex: -1, onClick: () => doings.goTo(m.replyTo), title: "Go there" }, /* @__PURE__ */ h("span", { class: "hidden" }, "In reply to "), /* @__PURE__ */ h("b", { dir: "auto" }, quoted.name), /* @__PURE__ */ h("span", { dir: "auto" }, quoted.text)), /* @__PURE__ */ h(Body, { m, from, mentioned }), /* @__PURE__ */ h(Meta, { m, tick, doings })), !m.gone && !m.local && /* @__PURE__ */ h("div", { class: "quick" }, /* @__PURE__ */ h("button", { type: "button", class: "round", tabIndex: -1, "aria-label": "React", onClick: (e) => doings.reactions(m, beside(e)) }, /* @__PURE__ */ h(Smile, null)), /* @__PURE__ */ h("button", { type: "button", class: "round", tabIndex: -1, "aria-label": "Reply", onClick: () => doings.reply(m) }, /* @__PURE__ */ h(Reply, null)), /* @__PURE__ */ h("button", { type: "button", class: "round", tabIndex: -1, "aria-label": "More", onClick: (e) => doings.menu(m, beside(e)) }, /* @__PURE__ */ h(More, null))), m.reactions.length > 0 && /* @__PURE__ */ h("div", { class: "reactions" }, m.reactions.map((r) => /* @__PURE__ */ h(
    "button",
    {
      key: r.key,
      type: "button",
      class: r.mine ? "reaction own" : "reaction",
      tabIndex: -1,
      "aria-pressed": r.mine !== null,
      "aria-label": `${r.key} from ${r.names.join(", ")}`,
      title: r.names.join(", "),
      onClick: () => doings.react(m, r.key)
    },
    /* @__PURE__ */ h("span", null, r.key),
    r.count > 1 && /* @__PURE__ */ h("span", { class: "count" }, r.count)
  ))), failed && /* @__PURE__ */ h("p", { class: "unsent", role: "alert" }, /* @__PURE__ */ h(Warning, null), " ", /* @__PURE__ */ h("span", null, "Not sent. ", m.local.error), /* @__PURE__ */ h("button", { type: "button", class: "link", onClick: () => again(m.local.txn) }, "Try again"), /* @__PURE__ */ h("button", { type: "button", class: "link", onClick: () => discard(m.local.txn) }, "Remove")));
}
function beside(e) {
  const r = e.currentTarget.getBoundingClientRect();
  return { x: r.left, y: r.bottom + 4 };
}
function Body({ m, from, mentioned }) {
  if (m.gone === "expired") return /* @__PURE__ */ h("span", { class: "text" }, "Disappeared. It stays on the official record.");
  if (m.gone) return /* @__PURE__ */ h("span", { class: "text" }, "Deleted. It stays on the official record.");
  if (m.ev.type === "m.room.encrypted") return /* @__PURE__ */ h("span", { class: "text" }, "A message that cannot be read here.");
  switch (m.content.msgtype) {
    case "m.image":
      return /* @__PURE__ */ h("div", { class: "with-picture" }, /* @__PURE__ */ h(Picture, { content: m.content, shown: m.shown, from }), caption(m.content) && /* @__PURE__ */ h(Text, { body: caption(m.content), mentions: mentioned }));
    case "m.file":
    case "m.video":
    case "m.audio":
      return /* @__PURE__ */ h(Attachment, { m });
    case "m.emote":
      return /* @__PURE__ */ h(Text, { body: `${from} ${text(m.content.body)}`, mentions: mentioned });
    default:
      return /* @__PURE__ */ h(Text, { body: bodyOf(m.content, m.replyTo !== ""), mentions: mentioned });
  }
}
function Attachment({ m }) {
  const name = summary(m);
  const size = m.content.info?.size;
  return /* @__PURE__ */ h(
    "button",
    {
      type: "button",
      class: "file",
      tabIndex: -1,
      disabled: !m.content.url,
      "aria-label": `Save the file ${name}`,
      onClick: () => save(text(m.content.url), name).catch(() => say("The file could not be fetched. Try again."))
    },
    /* @__PURE__ */ h("span", { class: "file-icon" }, /* @__PURE__ */ h(File, null)),
    /* @__PURE__ */ h("span", { class: "file-words" }, /* @__PURE__ */ h("span", { class: "file-name", dir: "auto" }, name), /* @__PURE__ */ h("span", { class: "file-size" }, typeof size === "number" ? bytes(size) : "File"))
  );
}
function Meta({ m, tick, doings }) {
  const when = time(m.ts);
  if (!m.mine || m.local?.state === "failed") {
    return /* @__PURE__ */ h("span", { class: "meta" }, m.edited && !m.gone && /* @__PURE__ */ h("span", null, "edited "), /* @__PURE__ */ h("time", { dateTime: new Date(m.ts).toISOString() }, when));
  }
  return /* @__PURE__ */ h("button", { type: "button", class: "meta", tabIndex: -1, disabled: !!m.local, onClick: () => doings.receipt(m), title: "Receipt" }, m.edited && !m.gone && /* @__PURE__ */ h("span", null, "edited "), /* @__PURE__ */ h("time", { dateTime: new Date(m.ts).toISOString() }, when), tick && /* @__PURE__ */ h(Ticks, { state: tick }));
}
export {
  MessageLine
};
