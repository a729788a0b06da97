import { CLASSIFICATION, RETENTION, relation, text } from "./matrix.js";
import { lifetime, names, sameDay } from "./words.js";
const RUN = 5 * 6e4;
function tell(events, outgoing, by) {
  const told = new Set(outgoing.length > 0 ? events.map((e) => e.event_id) : []);
  const coming = outgoing.filter((o) => !o.sent || !told.has(o.sent));
  const all = [...events, ...coming.map((o) => pending(o, by.me))];
  const gone = /* @__PURE__ */ new Set();
  for (const o of outgoing) if (o.redacts && o.state !== "failed") gone.add(o.redacts);
  const lines = [];
  const messages = /* @__PURE__ */ new Map();
  const later = [];
  const local = new Map(outgoing.map((o) => [o.sent ?? "~" + o.txn, o]));
  for (const ev of all) {
    if (ev.state_key !== void 0) {
      note(lines, ev, by);
    } else if (ev.type === "m.room.message" || ev.type === "m.sticker" || ev.type === "m.room.encrypted") {
      if (relation(ev).rel_type === "m.replace") {
        later.push(ev);
        continue;
      }
      const m = message(ev, local.get(ev.event_id) ?? null, by.me, gone.has(ev.event_id));
      messages.set(m.id, m);
      lines.push(m);
    } else if (ev.type === "m.reaction") {
      later.push(ev);
    }
  }
  for (const ev of later) {
    if (removed(ev) || gone.has(ev.event_id)) continue;
    const m = messages.get(text(relation(ev).event_id));
    if (!m || m.gone) continue;
    if (ev.type === "m.reaction") react(m, ev, by);
    else edit(m, ev);
  }
  arrange(lines);
  return lines;
}
function pending(o, me) {
  return {
    event_id: o.sent ?? "~" + o.txn,
    type: o.type,
    sender: me,
    origin_server_ts: o.ts,
    content: o.content,
    unsigned: { transaction_id: o.txn }
  };
}
function removed(ev) {
  const because = ev.unsigned?.redacted_because;
  if (because) return because.content?.["org.despatch.reason"] === "expired" ? "expired" : "deleted";
  if (ev.type === "m.room.message" && ev.content.body === void 0 && ev.content.msgtype === void 0) return "deleted";
  return "";
}
function message(ev, local, me, deleting) {
  const bundled = ev.unsigned?.["m.relations"]?.["m.replace"];
  const m = {
    kind: "message",
    key: ev.unsigned?.transaction_id ?? ev.event_id,
    id: ev.event_id,
    ev,
    ts: ev.origin_server_ts,
    sender: ev.sender,
    content: ev.content,
    mine: ev.sender === me,
    edited: false,
    gone: deleting ? "deleted" : removed(ev),
    reactions: [],
    replyTo: text(relation(ev)["m.in_reply_to"]?.event_id),
    local: local?.sent ? null : local,
    shown: local?.shown,
    first: true,
    last: true,
    newDay: false
  };
  if (bundled && !m.gone) edit(m, bundled);
  return m;
}
function edit(m, ev) {
  const content = ev.content?.["m.new_content"];
  if (ev.sender !== m.sender || !content || typeof content !== "object") return;
  m.content = { ...content, info: content.info ?? m.content.info, url: content.url ?? m.content.url };
  m.edited = true;
}
function react(m, ev, by) {
  const key = text(relation(ev).key);
  if (key === "" || [...key].length > 12) return;
  let r = m.reactions.find((r2) => r2.key === key);
  if (!r) m.reactions.push(r = { key, count: 0, names: [], mine: null });
  const name = ev.sender === by.me ? "You" : by.name(ev.sender);
  if (r.names.includes(name)) return;
  r.count++;
  r.names.push(name);
  if (ev.sender === by.me) r.mine = ev.event_id;
}
function arrange(lines) {
  let before;
  for (const line of lines) {
    line.newDay = !before || !sameDay(before.ts, line.ts);
    if (line.kind === "message" && before?.kind === "message" && !line.newDay) {
      const run = before.sender === line.sender && line.ts - before.ts < RUN;
      line.first = !run;
      before.last = !run;
    }
    before = line;
  }
}
function note(lines, ev, by) {
  const who = ev.sender === by.me ? "You" : by.name(ev.sender);
  const add = (text2) => lines.push(newNote(ev, text2, null));
  switch (ev.type) {
    case "m.room.create":
      lines.push(newNote(ev, `${who} started the conversation`, { kind: "started", by: ev.sender, names: [] }));
      break;
    case "m.room.name": {
      const name = text(ev.content.name);
      const started = lines.find((l) => l.kind === "note" && l.group?.kind === "started");
      if (!name) break;
      if (started && !lines.some((l) => l.kind === "message")) started.text = `${started.text.replace(/ “.*”$/, "")} “${name}”`;
      else add(`${who} named the conversation “${name}”`);
      break;
    }
    case RETENTION: {
      const ms = ev.content.max_lifetime;
      if (typeof ms === "number" && ms > 0) {
        add(`${who} set messages to disappear from devices after ${lifetime(ms)}. The record keeps them.`);
      } else add(`${who} switched disappearing messages off`);
      break;
    }
    case CLASSIFICATION: {
      const marking = markingOf(ev.content);
      if (marking) add(`${who} marked the conversation ${marking}`);
      break;
    }
    case "m.room.member":
      member(lines, ev, by, who);
  }
}
function newNote(ev, text2, group) {
  return { kind: "note", key: ev.event_id, id: ev.event_id, ts: ev.origin_server_ts, text: text2, group, newDay: false };
}
function member(lines, ev, by, who) {
  const user = ev.state_key ?? "";
  const name = user === by.me ? "You" : text(ev.content.displayname) || by.name(user);
  const before = ev.unsigned?.prev_content;
  switch (ev.content.membership) {
    case "join": {
      if (before?.membership === "join") return;
      const last = lines.at(-1);
      if (last?.kind === "note" && last.group?.kind === "started" && last.group.by === user) return;
      uninvite(lines, name, by);
      together(lines, ev, "joined", "", name, by);
      break;
    }
    case "invite":
      together(lines, ev, "invited", ev.sender, name, by);
      break;
    case "leave":
      if (ev.sender !== user) lines.push(newNote(ev, `${who} removed ${name}`, null));
      else if (before?.membership === "invite") lines.push(newNote(ev, `${name} did not accept the invitation`, null));
      else together(lines, ev, "left", "", name, by);
  }
}
function together(lines, ev, kind, sender, name, by) {
  let n = lines.at(-1);
  if (n?.kind !== "note" || n.group?.kind !== kind || n.group.by !== sender || !sameDay(n.ts, ev.origin_server_ts)) {
    n = newNote(ev, "", { kind, by: sender, names: [] });
    lines.push(n);
  }
  const all = n.group.names;
  if (!all.includes(name)) {
    if (name === "You") all.unshift(name);
    else all.push(name);
  }
  n.text = grouped(n.group, by);
}
function uninvite(lines, name, by) {
  for (let i = lines.length - 1; i >= 0; i--) {
    const n = lines[i];
    if (n.kind !== "note" || !n.group) return;
    const at = n.group.kind === "invited" ? n.group.names.indexOf(name) : -1;
    if (at < 0) continue;
    n.group.names.splice(at, 1);
    if (n.group.names.length === 0) lines.splice(i, 1);
    else n.text = grouped(n.group, by);
    return;
  }
}
function grouped(g, by) {
  const all = names(g.names);
  switch (g.kind) {
    case "joined":
      return `${all} joined`;
    case "left":
      return `${all} left`;
    default:
      return g.by === by.me ? `You invited ${all}` : `${by.name(g.by)} invited ${all === "You" ? "you" : all}`;
  }
}
function markingOf(content) {
  if (!content) return "";
  return text(content["marking"]) || text(content["classification"]) || text(content["level"]);
}
function bodyOf(content, reply) {
  const body = text(content.body).trimEnd();
  if (!reply || !body.startsWith("> ")) return body;
  const lines = body.split("\n");
  let i = 0;
  while (i < lines.length && lines[i].startsWith(">")) i++;
  while (i < lines.length && lines[i] === "") i++;
  return i < lines.length ? lines.slice(i).join("\n") : body;
}
function summary(m) {
  if (m.gone === "expired") return "Disappeared";
  if (m.gone) return "Deleted";
  if (m.ev.type === "m.room.encrypted") return "A message that cannot be read here";
  switch (m.content.msgtype) {
    case "m.image":
      return caption(m.content) || "Photo";
    case "m.video":
      return caption(m.content) || "Video";
    case "m.audio":
      return "Recording";
    case "m.file":
      return text(m.content.filename) || text(m.content.body) || "File";
    default:
      return bodyOf(m.content, !!m.replyTo).replace(/\s+/g, " ").slice(0, 200);
  }
}
function caption(content) {
  const name = text(content.filename);
  const body = text(content.body);
  return name && body && body !== name ? body : "";
}
export {
  bodyOf,
  caption,
  markingOf,
  removed,
  summary,
  tell
};
