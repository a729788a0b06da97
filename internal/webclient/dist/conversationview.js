import { h } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { signal } from "./preact/signals.js";
import { explain } from "./api.js";
import { Composer } from "./composer.js";
import { audience, PeopleSheet } from "./people.js";
import { openConversation, openList } from "./route.js";
import { say } from "./say.js";
import { SearchSheet } from "./search.js";
import { showSheet } from "./sheet.js";
import { Timeline } from "./timeline.js";
import { TimerSheet } from "./timer.js";
import { Avatar } from "./avatar.js";
import { lifetime, shortLifetime } from "./words.js";
import { Back, Clock, Search } from "./icons.js";
const target = signal(null);
function goTo(room, id) {
  target.value = { room, id };
  openConversation(room);
}
function ConversationView({ c }) {
  void c.changed.value;
  const [about, setAbout] = useState(null);
  const [going, setGoing] = useState("");
  const [files, setFiles] = useState([]);
  const [over, setOver] = useState(false);
  useEffect(() => {
    c.open = true;
    c.loadMembers().catch(() => {
    });
    return () => c.close();
  }, [c.membership]);
  const go = async (id) => {
    try {
      if (!await c.goTo(id)) say("That message is no longer here.");
      setGoing("");
      setTimeout(() => setGoing(id));
    } catch (e) {
      say(explain(e));
    }
  };
  const wanted = target.value;
  useEffect(() => {
    if (wanted?.room !== c.id) return;
    target.value = null;
    void go(wanted.id);
  }, [wanted]);
  const begin = (kind) => (m) => setAbout({ kind, m });
  return /* @__PURE__ */ h(
    "section",
    {
      class: over ? "conversation over" : "conversation",
      "aria-label": `Conversation: ${c.title}`,
      onDragOver: (e) => {
        if (!e.dataTransfer?.types.includes("Files")) return;
        e.preventDefault();
        setOver(true);
      },
      onDragLeave: (e) => {
        if (e.target === e.currentTarget) setOver(false);
      },
      onDrop: (e) => {
        e.preventDefault();
        setOver(false);
        setFiles([...e.dataTransfer?.files ?? []]);
      }
    },
    /* @__PURE__ */ h("header", { class: "head" }, /* @__PURE__ */ h("button", { type: "button", class: "round back", "aria-label": "Back to the list", onClick: openList }, /* @__PURE__ */ h(Back, null)), /* @__PURE__ */ h("h1", { class: "head-heading" }, /* @__PURE__ */ h("button", { type: "button", class: "head-title", onClick: () => showSheet(/* @__PURE__ */ h(PeopleSheet, { c })) }, /* @__PURE__ */ h(Avatar, { id: c.partner || c.id, name: c.title, group: !c.partner }), /* @__PURE__ */ h("span", { class: "head-words" }, /* @__PURE__ */ h("span", { class: "head-name", dir: "auto" }, c.title), /* @__PURE__ */ h("span", { class: "head-people" }, audience(c))))), /* @__PURE__ */ h(
      "button",
      {
        type: "button",
        class: c.lifetime > 0 ? "round timed" : "round",
        "aria-label": c.lifetime > 0 ? `Disappearing messages: ${lifetime(c.lifetime)}` : "Disappearing messages: off",
        onClick: () => showSheet(/* @__PURE__ */ h(TimerSheet, { c }))
      },
      /* @__PURE__ */ h(Clock, null),
      c.lifetime > 0 && /* @__PURE__ */ h("span", { "aria-hidden": "true" }, shortLifetime(c.lifetime))
    ), /* @__PURE__ */ h("button", { type: "button", class: "round", "aria-label": "Find in this conversation", onClick: () => showSheet(/* @__PURE__ */ h(SearchSheet, { c, onGoTo: go })) }, /* @__PURE__ */ h(Search, null))),
    c.marking && /* @__PURE__ */ h("p", { class: /SENSITIVE/i.test(c.marking) ? "marking sensitive" : "marking" }, c.marking),
    /* @__PURE__ */ h(Timeline, { c, goingTo: going, onGoTo: go, onReply: begin("reply"), onEdit: begin("edit") }),
    /* @__PURE__ */ h(Composer, { c, about, onAbout: setAbout, files, onFiles: setFiles })
  );
}
export {
  ConversationView,
  goTo
};
