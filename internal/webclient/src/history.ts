// A conversation's history as it is told to the person: events in, lines out. Pure: the same events
// tell the same lines, whatever order edits, reactions and deletions arrived in.

import { type Content, type MatrixEvent, CLASSIFICATION, RETENTION, relation, text } from "./matrix.js";
import { lifetime, names, sameDay } from "./words.js";

/** A message on its way to the server, or one that was refused. */
export interface Outgoing {
  txn: string;
  room: string;
  type: string;
  content: Content;
  ts: number;
  state: "waiting" | "sending" | "failed";
  error?: string;
  /** The event that a deletion is about. */
  redacts?: string;
  /** A picture or file still to be uploaded, and what to show of it meanwhile. */
  blob?: Blob;
  shown?: string;
  /** The event's id, once the server has it on the record. */
  sent?: string;
}

export interface Reaction {
  key: string;
  count: number;
  names: string[];
  /** The reader's own reaction event, to take it back. */
  mine: string | null;
}

export interface Message {
  kind: "message";
  key: string;
  id: string;
  ev: MatrixEvent;
  ts: number;
  sender: string;
  content: Content;
  mine: boolean;
  edited: boolean;
  gone: "" | "deleted" | "expired";
  reactions: Reaction[];
  replyTo: string;
  /** Set until the server has it. */
  local: Outgoing | null;
  shown: string | undefined;
  /** Whether it begins and ends a run of one sender's messages, and a day. */
  first: boolean;
  last: boolean;
  newDay: boolean;
}

export interface Note {
  kind: "note";
  key: string;
  id: string;
  ts: number;
  text: string;
  group: Group | null;
  newDay: boolean;
}

export type Line = Message | Note;

export interface Teller {
  me: string;
  name: (user: string) => string;
}

const RUN = 5 * 60_000;

export function tell(events: readonly MatrixEvent[], outgoing: readonly Outgoing[], by: Teller): Line[] {
  const told = new Set(outgoing.length > 0 ? events.map((e) => e.event_id) : []);
  const coming = outgoing.filter((o) => !o.sent || !told.has(o.sent));
  const all = [...events, ...coming.map((o) => pending(o, by.me))];
  const gone = new Set<string>();
  for (const o of outgoing) if (o.redacts && o.state !== "failed") gone.add(o.redacts);

  const lines: Line[] = [];
  const messages = new Map<string, Message>();
  const later: MatrixEvent[] = [];
  const local = new Map(outgoing.map((o) => [o.sent ?? "~" + o.txn, o]));
  for (const ev of all) {
    if (ev.state_key !== undefined) {
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

function pending(o: Outgoing, me: string): MatrixEvent {
  return {
    event_id: o.sent ?? "~" + o.txn,
    type: o.type,
    sender: me,
    origin_server_ts: o.ts,
    content: o.content,
    unsigned: { transaction_id: o.txn },
  };
}

/** Whether an event was deleted or has disappeared, and which of the two. */
export function removed(ev: MatrixEvent): "" | "deleted" | "expired" {
  const because = ev.unsigned?.redacted_because;
  if (because) return because.content?.["org.despatch.reason"] === "expired" ? "expired" : "deleted";
  if (ev.type === "m.room.message" && ev.content.body === undefined && ev.content.msgtype === undefined) return "deleted";
  return "";
}

function message(ev: MatrixEvent, local: Outgoing | null, me: string, deleting: boolean): Message {
  const bundled = ev.unsigned?.["m.relations"]?.["m.replace"];
  const m: Message = {
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
    newDay: false,
  };
  if (bundled && !m.gone) edit(m, bundled);
  return m;
}

function edit(m: Message, ev: MatrixEvent): void {
  const content = ev.content?.["m.new_content"];
  if (ev.sender !== m.sender || !content || typeof content !== "object") return;
  m.content = { ...content, info: content.info ?? m.content.info, url: content.url ?? m.content.url };
  m.edited = true;
}

function react(m: Message, ev: MatrixEvent, by: Teller): void {
  const key = text(relation(ev).key);
  if (key === "" || [...key].length > 12) return;
  let r = m.reactions.find((r) => r.key === key);
  if (!r) m.reactions.push((r = { key, count: 0, names: [], mine: null }));
  const name = ev.sender === by.me ? "You" : by.name(ev.sender);
  if (r.names.includes(name)) return;
  r.count++;
  r.names.push(name);
  if (ev.sender === by.me) r.mine = ev.event_id;
}

function arrange(lines: Line[]): void {
  let before: Line | undefined;
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

// note tells a change of the conversation itself. What belongs together is told in one line: that it was
// started and named, arrivals and departures in a row; and who came need not have been invited as well.
function note(lines: Line[], ev: MatrixEvent, by: Teller): void {
  const who = ev.sender === by.me ? "You" : by.name(ev.sender);
  const add = (text: string) => lines.push(newNote(ev, text, null));
  switch (ev.type) {
    case "m.room.create":
      lines.push(newNote(ev, `${who} started the conversation`, { kind: "started", by: ev.sender, names: [] }));
      break;
    case "m.room.name": {
      const name = text(ev.content.name);
      const started = lines.find((l) => l.kind === "note" && l.group?.kind === "started") as Note | undefined;
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

interface Group {
  kind: "started" | "joined" | "left" | "invited";
  by: string;
  names: string[];
}

function newNote(ev: MatrixEvent, text: string, group: Group | null): Note {
  return { kind: "note", key: ev.event_id, id: ev.event_id, ts: ev.origin_server_ts, text, group, newDay: false };
}

function member(lines: Line[], ev: MatrixEvent, by: Teller, who: string): void {
  const user = ev.state_key ?? "";
  const name = user === by.me ? "You" : text(ev.content.displayname) || by.name(user);
  const before = (ev.unsigned as { prev_content?: Content } | undefined)?.prev_content;
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

// together adds a name to the note before, if that is of the same kind and day, or makes a new one.
function together(lines: Line[], ev: MatrixEvent, kind: Group["kind"], sender: string, name: string, by: Teller): void {
  let n = lines.at(-1);
  if (n?.kind !== "note" || n.group?.kind !== kind || n.group.by !== sender || !sameDay(n.ts, ev.origin_server_ts)) {
    n = newNote(ev, "", { kind, by: sender, names: [] });
    lines.push(n);
  }
  const all = n.group!.names;
  if (!all.includes(name)) {
    if (name === "You") all.unshift(name);
    else all.push(name);
  }
  n.text = grouped(n.group!, by);
}

// uninvite takes a name out of the invitations just before.
function uninvite(lines: Line[], name: string, by: Teller): void {
  for (let i = lines.length - 1; i >= 0; i--) {
    const n = lines[i]!;
    if (n.kind !== "note" || !n.group) return;
    const at = n.group.kind === "invited" ? n.group.names.indexOf(name) : -1;
    if (at < 0) continue;
    n.group.names.splice(at, 1);
    if (n.group.names.length === 0) lines.splice(i, 1);
    else n.text = grouped(n.group, by);
    return;
  }
}

function grouped(g: Group, by: Teller): string {
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

export function markingOf(content: Content | undefined): string {
  if (!content) return "";
  return text(content["marking"]) || text(content["classification"]) || text(content["level"]);
}

/** The text of a message, without the quotation that older clients put before a reply. */
export function bodyOf(content: Content, reply: boolean): string {
  const body = text(content.body).trimEnd();
  if (!reply || !body.startsWith("> ")) return body;
  const lines = body.split("\n");
  let i = 0;
  while (i < lines.length && lines[i]!.startsWith(">")) i++;
  while (i < lines.length && lines[i] === "") i++;
  return i < lines.length ? lines.slice(i).join("\n") : body;
}

/** One line that stands for a message: in the list, a quotation, an announcement. */
export function summary(m: { content: Content; gone: string; replyTo?: string; ev: MatrixEvent }): string {
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

/** What was written under a picture, as opposed to its file name. */
export function caption(content: Content): string {
  const name = text(content.filename);
  const body = text(content.body);
  return name && body && body !== name ? body : "";
}
