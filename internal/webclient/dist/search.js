import { h } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { APIError, call } from "./api.js";
import { fold } from "./choosepeople.js";
import { conversations, isMessage, nameOf } from "./conversations.js";
import { bodyOf, removed, summary } from "./history.js";
import { relation, text } from "./matrix.js";
import { closeSheet, Sheet } from "./sheet.js";
import { Search } from "./icons.js";
import { Marked } from "./text.js";
import { when } from "./words.js";
function useMessages(term, room) {
  const [found, setFound] = useState({ hits: [], busy: false, complete: true });
  useEffect(() => {
    const t = term.trim();
    if (t.length < 2) {
      setFound({ hits: [], busy: false, complete: true });
      return;
    }
    const near = loaded(t, room);
    setFound({ hits: near, busy: true, complete: true });
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const filter = { limit: 30, ...room ? { rooms: [room] } : {} };
      const body = { search_categories: { room_events: { search_term: t, order_by: "recent", keys: ["content.body"], filter } } };
      call("POST", "/_matrix/client/v3/search", { body, signal: stop.signal }).then(
        (r) => setFound({ hits: merge(near, (r.search_categories?.room_events?.results ?? []).flatMap((x) => hit(x.result))), busy: false, complete: true }),
        (e) => {
          if (stop.signal.aborted) return;
          setFound({ hits: near, busy: false, complete: false });
          if (!(e instanceof APIError)) return;
        }
      );
    }, 180);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [term, room]);
  return found;
}
function loaded(term, room) {
  const t = fold(term);
  const out = [];
  for (const c of conversations.value.values()) {
    if (room && c.id !== room) continue;
    for (const l of c.lines([])) {
      if (!isMessage(l) || l.gone) continue;
      const body = summary(l);
      if (fold(body).includes(t)) out.push({ room: c.id, id: l.id, sender: l.sender, ts: l.ts, body });
    }
  }
  return out.sort((a, b) => b.ts - a.ts).slice(0, 50);
}
function hit(ev) {
  if (!ev || ev.type !== "m.room.message" || removed(ev)) return [];
  const edit = relation(ev).rel_type === "m.replace";
  const id = edit ? text(relation(ev).event_id) : ev.event_id;
  const content = edit && ev.content["m.new_content"] || ev.content;
  const body = bodyOf(content, true) || text(content.filename);
  return [{ room: text(ev.room_id), id, sender: ev.sender, ts: ev.origin_server_ts, body }];
}
function merge(a, b) {
  const all = /* @__PURE__ */ new Map();
  for (const h2 of [...b, ...a]) all.set(h2.id, h2);
  return [...all.values()].sort((x, y) => y.ts - x.ts).slice(0, 60);
}
function HitRow({ hit: hit2, term, inRoom, onOpen }) {
  const title = conversations.value.get(hit2.room)?.title ?? "";
  const at = fold(hit2.body).indexOf(fold(term.trim()));
  const body = at > 60 ? "…" + hit2.body.slice(at - 40) : hit2.body;
  return /* @__PURE__ */ h("button", { type: "button", class: "hit", onClick: onOpen }, /* @__PURE__ */ h("span", { class: "hit-head" }, /* @__PURE__ */ h("b", { dir: "auto" }, inRoom ? nameOf(hit2.sender) : title), /* @__PURE__ */ h("time", null, when(hit2.ts))), /* @__PURE__ */ h("span", { class: "hit-body", dir: "auto" }, !inRoom && `${nameOf(hit2.sender)}: `, /* @__PURE__ */ h(Marked, { body: body.slice(0, 160), highlight: term.trim() })));
}
function SearchSheet({ c, onGoTo }) {
  const [term, setTerm] = useState("");
  const found = useMessages(term, c.id);
  return /* @__PURE__ */ h(Sheet, { title: "Find in this conversation" }, /* @__PURE__ */ h("div", { class: "search-field" }, /* @__PURE__ */ h(Search, null), /* @__PURE__ */ h("input", { type: "search", dir: "auto", autocomplete: "off", placeholder: "Words", "aria-label": "Words to find", "data-focus": true, value: term, onInput: (e) => setTerm(e.currentTarget.value) })), /* @__PURE__ */ h("p", { class: "count", role: "status" }, outcome(term, found)), /* @__PURE__ */ h("ul", { class: "hits", "aria-label": "Messages found" }, found.hits.map((hit2) => /* @__PURE__ */ h("li", { key: hit2.id }, /* @__PURE__ */ h(HitRow, { hit: hit2, term, inRoom: true, onOpen: () => {
    closeSheet();
    onGoTo(hit2.id);
  } })))));
}
function outcome(term, f) {
  if (term.trim().length < 2) return "";
  if (!f.complete) return "Older messages could not be searched just now.";
  if (f.hits.length === 0) return f.busy ? "Looking…" : `No message has “${term.trim()}” in it.`;
  return "";
}
export {
  HitRow,
  SearchSheet,
  outcome,
  useMessages
};
