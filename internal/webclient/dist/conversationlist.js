import { h } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { useSignalEffect } from "./preact/signals.js";
import { call, enc, explain } from "./api.js";
import { learnOwed, owed } from "./captured.js";
import { fold, PersonRow, usePeople } from "./choosepeople.js";
import { isMessage, me, nameOf, sorted } from "./conversations.js";
import { summary } from "./history.js";
import { NewConversation, talkTo } from "./newconversation.js";
import { outgoingIn } from "./outbox.js";
import { openConversation, route } from "./route.js";
import { myName } from "./resume.js";
import { HitRow, outcome, useMessages } from "./search.js";
import { shared } from "./shared.js";
import { showSheet } from "./sheet.js";
import { say } from "./say.js";
import { connection } from "./sync.js";
import { Account } from "./account.js";
import { Avatar } from "./avatar.js";
import { names, plural, when } from "./words.js";
import { Clock, Close, Pencil, Seal, Search, Ticks, Tray } from "./icons.js";
import { goTo } from "./conversationview.js";
async function openCapture(dropped, problem = "") {
  const { Capture } = await import("./capture.js");
  showSheet(/* @__PURE__ */ h(Capture, { dropped, problem }));
}
async function openNote(text = "") {
  const { Note } = await import("./note.js");
  showSheet(/* @__PURE__ */ h(Note, { text }));
}
async function openMine() {
  const { MyRecord } = await import("./myrecord.js");
  showSheet(/* @__PURE__ */ h(MyRecord, null));
}
function lookAtShared(s) {
  if (s.files.length > 0) void openCapture(s.files);
  else if (s.text) void openNote(s.text);
  else void openCapture(void 0, "What you shared did not arrive. Choose it here.");
}
function openAsked() {
  const open = { "#/capture": openCapture, "#/note": openNote, "#/mine": openMine }[location.hash];
  if (!open) return;
  history.replaceState(null, "", "#/");
  void open();
}
function everyNow() {
  const ask = () => {
    if (document.visibilityState === "visible") void learnOwed();
  };
  ask();
  const timer = setInterval(ask, 12e4);
  document.addEventListener("visibilitychange", ask);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", ask);
  };
}
function ConversationList() {
  const [term, setTerm] = useState("");
  const field = useRef(null);
  useEffect(openAsked, []);
  useEffect(everyNow, []);
  useSignalEffect(() => {
    const s = shared.value;
    if (!s) return;
    shared.value = null;
    lookAtShared(s);
  });
  useEffect(() => {
    const onKey = (e) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        field.current?.focus();
        field.current?.select();
      } else if (e.altKey && (e.key === "ArrowUp" || e.key === "ArrowDown") && !document.querySelector("dialog[open]")) {
        const all = sorted.value.filter((c) => c.membership === "join");
        const i = all.findIndex((c) => c.id === route.value);
        const next = all[i + (e.key === "ArrowUp" ? -1 : 1)];
        if (next) {
          e.preventDefault();
          openConversation(next.id);
        }
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const clear = () => {
    setTerm("");
    field.current?.focus();
  };
  return /* @__PURE__ */ h("nav", { class: "list", "aria-label": "Conversations" }, /* @__PURE__ */ h("header", { class: "list-head" }, /* @__PURE__ */ h("button", { type: "button", class: "account", "aria-label": `You: ${myName.value}`, onClick: () => showSheet(/* @__PURE__ */ h(Account, null)) }, /* @__PURE__ */ h(Avatar, { id: me.value, name: myName.value || "?" })), /* @__PURE__ */ h("h1", null, "Despatch"), /* @__PURE__ */ h("button", { type: "button", class: "round accent", "aria-label": "New conversation", onClick: () => showSheet(/* @__PURE__ */ h(NewConversation, null)) }, /* @__PURE__ */ h(Pencil, null))), /* @__PURE__ */ h("div", { class: "search-field" }, /* @__PURE__ */ h(Search, null), /* @__PURE__ */ h(
    "input",
    {
      ref: field,
      type: "search",
      dir: "auto",
      autocomplete: "off",
      placeholder: "Find anything",
      "aria-label": "Find people, conversations, messages",
      value: term,
      onInput: (e) => setTerm(e.currentTarget.value),
      onKeyDown: (e) => {
        if (e.key === "Escape") clear();
        if (e.key === "Enter" || e.key === "ArrowDown") {
          const first = document.querySelector(".list-body a, .list-body button");
          e.preventDefault();
          if (e.key === "Enter" && term) first?.click();
          else first?.focus();
        }
      }
    }
  ), term && /* @__PURE__ */ h("button", { type: "button", class: "round", "aria-label": "Clear", onClick: clear }, /* @__PURE__ */ h(Close, null))), connection.value === "offline" && /* @__PURE__ */ h("p", { class: "offline", role: "status" }, "No connection. Messages send themselves when it is back."), /* @__PURE__ */ h("div", { class: "list-body", onKeyDown: arrows }, term.trim() ? /* @__PURE__ */ h(FoundAll, { term }) : /* @__PURE__ */ h(All, null)), /* @__PURE__ */ h("footer", { class: "list-foot" }, /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => void openCapture() }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(Tray, null)), " Put on the record"), /* @__PURE__ */ h(MineButton, null)));
}
function MineButton() {
  const { requests, overdue, answers } = owed.value;
  const n = requests + answers;
  const label = [requests > 0 && plural(requests, "request"), overdue > 0 && `${overdue} overdue`, answers > 0 && plural(answers, "answer") + " wanted"].filter(Boolean).join(", ");
  return /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => void openMine() }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(Seal, null)), " ", /* @__PURE__ */ h("span", { class: "grow" }, "My record"), n > 0 && /* @__PURE__ */ h("span", { class: overdue > 0 ? "badge late" : "badge" }, /* @__PURE__ */ h("span", { "aria-hidden": "true" }, n > 99 ? "99+" : n), /* @__PURE__ */ h("span", { class: "hidden" }, label)));
}
function arrows(e) {
  if (e.key !== "ArrowDown" && e.key !== "ArrowUp" || e.altKey) return;
  const all = [...document.querySelectorAll(".list-body a, .list-body button")];
  const i = all.indexOf(document.activeElement);
  if (i < 0) return;
  e.preventDefault();
  const next = all[i + (e.key === "ArrowDown" ? 1 : -1)];
  if (next) next.focus();
  else if (e.key === "ArrowUp") document.querySelector(".list input")?.focus();
}
function All() {
  const list = sorted.value;
  if (list.length === 0 && connection.value === "starting") {
    return /* @__PURE__ */ h("ul", { class: "rows skeleton", "aria-hidden": "true" }, Array.from({ length: 7 }, (_, i) => /* @__PURE__ */ h("li", { key: i }, /* @__PURE__ */ h("span", null), /* @__PURE__ */ h("span", null))));
  }
  if (list.length === 0) {
    return /* @__PURE__ */ h("div", { class: "nothing" }, /* @__PURE__ */ h("p", null, "No conversations yet."), /* @__PURE__ */ h("button", { type: "button", class: "button", onClick: () => showSheet(/* @__PURE__ */ h(NewConversation, null)) }, "Write to a colleague"));
  }
  return /* @__PURE__ */ h("ul", { class: "rows" }, list.map((c) => /* @__PURE__ */ h("li", { key: c.id }, c.membership === "invite" ? /* @__PURE__ */ h(Invitation, { c }) : /* @__PURE__ */ h(Row, { c }))));
}
function Row({ c }) {
  const newest = c.newest(outgoingIn(c.id));
  const unread = c.unread;
  const here = route.value === c.id;
  const typing = c.typing.value;
  const label = unread > 0 ? `${plural(unread, "unread message")}` : "";
  return /* @__PURE__ */ h(
    "a",
    {
      class: `row ${here ? "here" : ""} ${unread > 0 ? "unread" : ""}`,
      href: "#/c/" + encodeURIComponent(c.id),
      "aria-current": here ? "page" : void 0,
      onClick: (e) => {
        if (e.ctrlKey || e.metaKey || e.shiftKey) return;
        e.preventDefault();
        openConversation(c.id);
      }
    },
    /* @__PURE__ */ h(Avatar, { id: c.partner || c.id, name: c.title, group: !c.partner }),
    /* @__PURE__ */ h("span", { class: "row-words" }, /* @__PURE__ */ h("span", { class: "row-top" }, /* @__PURE__ */ h("span", { class: "row-title", dir: "auto" }, c.title), c.lifetime > 0 && /* @__PURE__ */ h("span", { class: "row-clock", title: "Disappearing messages" }, /* @__PURE__ */ h(Clock, null)), newest && /* @__PURE__ */ h("time", { class: "row-when" }, when(newest.ts))), /* @__PURE__ */ h("span", { class: "row-bottom" }, typing.length > 0 ? /* @__PURE__ */ h("span", { class: "row-last now" }, c.partner ? "typing…" : `${names(typing.map(nameOf), 2)} typing…`) : /* @__PURE__ */ h("span", { class: "row-last", dir: "auto" }, newest && /* @__PURE__ */ h(Last, { c, line: newest })), unread > 0 && /* @__PURE__ */ h("span", { class: "badge" }, /* @__PURE__ */ h("span", { "aria-hidden": "true" }, unread > 99 ? "99+" : unread), /* @__PURE__ */ h("span", { class: "hidden" }, label))))
  );
}
function Last({ c, line }) {
  if (!isMessage(line)) return /* @__PURE__ */ h("span", null, line.text);
  if (line.local?.state === "failed") return /* @__PURE__ */ h("span", { class: "row-failed" }, "Not sent");
  const who = line.mine ? "" : c.partner ? "" : nameOf(line.sender) + ": ";
  return /* @__PURE__ */ h("span", { class: line.gone ? "row-gone" : "" }, line.mine && !line.gone && /* @__PURE__ */ h(Ticks, { state: tick(c, line) }), who, summary(line));
}
function tick(c, line) {
  if (line.local) return "waiting";
  const reached = c.reached(line.id);
  const others = c.size - 1;
  if (others < 1) return "recorded";
  return reached.read.length >= others ? "read" : reached.delivered.length >= others ? "delivered" : "recorded";
}
function Invitation({ c }) {
  const [busy, setBusy] = useState(false);
  const join = async () => {
    setBusy(true);
    try {
      await call("POST", `/_matrix/client/v3/rooms/${enc(c.id)}/join`, { body: {} });
      openConversation(c.id);
    } catch (e) {
      setBusy(false);
      say(explain(e));
    }
  };
  return /* @__PURE__ */ h("button", { type: "button", class: "row unread invitation", disabled: busy, onClick: () => void join() }, /* @__PURE__ */ h(Avatar, { id: c.partner || c.id, name: c.title, group: !c.partner }), /* @__PURE__ */ h("span", { class: "row-words" }, /* @__PURE__ */ h("span", { class: "row-top" }, /* @__PURE__ */ h("span", { class: "row-title", dir: "auto" }, c.title)), /* @__PURE__ */ h("span", { class: "row-bottom" }, /* @__PURE__ */ h("span", { class: "row-last", dir: "auto" }, nameOf(c.invitedBy), " invites you"), /* @__PURE__ */ h("span", { class: "join" }, busy ? "Joining…" : "Join"))));
}
function FoundAll({ term }) {
  const t = fold(term.trim());
  const conversations = sorted.value.filter((c) => fold(c.title).includes(t));
  const people = usePeople(term, new Set(conversations.map((c) => c.partner))).slice(0, 6);
  const found = useMessages(term);
  return /* @__PURE__ */ h("div", { class: "found-all" }, conversations.length > 0 && /* @__PURE__ */ h("section", null, /* @__PURE__ */ h("h2", null, "Conversations"), /* @__PURE__ */ h("ul", { class: "rows" }, conversations.slice(0, 8).map((c) => /* @__PURE__ */ h("li", { key: c.id }, c.membership === "invite" ? /* @__PURE__ */ h(Invitation, { c }) : /* @__PURE__ */ h(Row, { c }))))), found.hits.length > 0 && /* @__PURE__ */ h("section", null, /* @__PURE__ */ h("h2", null, "Messages"), /* @__PURE__ */ h("ul", { class: "hits" }, found.hits.map((hit) => /* @__PURE__ */ h("li", { key: hit.id }, /* @__PURE__ */ h(HitRow, { hit, term, inRoom: false, onOpen: () => goTo(hit.room, hit.id) }))))), people.length > 0 && /* @__PURE__ */ h("section", null, /* @__PURE__ */ h("h2", null, "People"), /* @__PURE__ */ h("ul", { class: "people-list" }, people.map((p) => /* @__PURE__ */ h("li", { key: p.user }, /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => talkTo(p).catch((e) => say(explain(e))) }, /* @__PURE__ */ h(PersonRow, { person: p })))))), /* @__PURE__ */ h("p", { class: "count", role: "status" }, outcome(term, found)));
}
export {
  ConversationList,
  openCapture
};
