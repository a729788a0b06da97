import { batch, computed, signal } from "./preact/signals.js";
import { call, enc, serverNow } from "./api.js";
import { markingOf, removed, tell } from "./history.js";
import {
  CLASSIFICATION,
  DELIVERED,
  RETENTION,
  localpart,
  relation,
  serverOf,
  text
} from "./matrix.js";
import { forgetMedia } from "./media.js";
import { names } from "./words.js";
const KEPT_CLOSED = 40;
const KEPT_OPEN = 400;
const STRETCH = 50;
const me = signal("");
const nameOfUser = /* @__PURE__ */ new Map();
const direct = signal(/* @__PURE__ */ new Map());
const conversations = signal(/* @__PURE__ */ new Map());
function nameOf(user) {
  return nameOfUser.get(user) ?? localpart(user);
}
function learnName(user, name) {
  if (text(name)) nameOfUser.set(user, text(name));
}
function knownPeople() {
  const found = /* @__PURE__ */ new Map();
  for (const c of conversations.value.values()) {
    for (const m of c.members.values()) {
      if (m.user !== me.value) found.set(m.user, { ...m, name: nameOf(m.user) });
    }
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}
class Conversation {
  constructor(id) {
    this.id = id;
  }
  id;
  /** Counts every change; whoever shows the conversation reads it. */
  changed = signal(0);
  typing = signal([]);
  state = /* @__PURE__ */ new Map();
  members = /* @__PURE__ */ new Map();
  membership = "join";
  invitedBy = "";
  fullyRead = "";
  loading = signal(false);
  open = false;
  live = [];
  detached = null;
  reads = /* @__PURE__ */ new Map();
  deliveries = /* @__PURE__ */ new Map();
  heroes = [];
  joined = 0;
  invited = 0;
  notified = null;
  seen = "";
  membersLoaded = false;
  expiryDue = Infinity;
  told = null;
  touch() {
    this.told = null;
    this.changed.value++;
  }
  // ---- what it is
  // Every getter below depends on the count of changes, so that whoever shows it is drawn again.
  stateOf(type, key = "") {
    void this.changed.value;
    return this.state.get(type + "\0" + key)?.content;
  }
  get title() {
    const name = text(this.stateOf("m.room.name")?.name);
    if (name) return name;
    const others = this.others();
    if (others.length > 0) return names(others.map(nameOf));
    return this.membership === "invite" ? nameOf(this.invitedBy) : "Only you";
  }
  others() {
    const partner = direct.value.get(this.id);
    if (this.heroes.length > 0) return this.heroes.filter((u) => u !== me.value);
    const here = [...this.members.values()].filter((m) => m.user !== me.value && present(m)).map((m) => m.user);
    return here.length > 0 ? here : partner ? [partner] : [];
  }
  /** The other person of a one-to-one conversation. */
  get partner() {
    if (text(this.stateOf("m.room.name")?.name)) return "";
    const others = this.others();
    return this.size <= 2 && others.length === 1 ? others[0] : "";
  }
  get size() {
    void this.changed.value;
    if (this.membersLoaded) return [...this.members.values()].filter(present).length;
    return Math.max(this.joined + this.invited, 1);
  }
  get outsiders() {
    void this.changed.value;
    const home = serverOf(me.value);
    return [...this.members.values()].filter((m) => present(m) && serverOf(m.user) !== home).length;
  }
  get marking() {
    return markingOf(this.stateOf(CLASSIFICATION));
  }
  /** How long messages stay on devices, in milliseconds; 0 if they stay. */
  get lifetime() {
    const ms = this.stateOf(RETENTION)?.max_lifetime;
    return typeof ms === "number" && ms > 0 ? ms : 0;
  }
  /** Whether this person may change the kind of state. */
  may(type) {
    const levels = this.stateOf("m.room.power_levels");
    if (!levels) return true;
    const mine = levels.users?.[me.value] ?? levels.users_default ?? 0;
    if (type === "redact") return mine >= (levels.redact ?? 50);
    if (type === "invite") return mine >= (levels.invite ?? 0);
    return mine >= (levels.events?.[type] ?? levels.state_default ?? 50) || this.isCreator();
  }
  isCreator() {
    const create = this.state.get("m.room.create\0");
    return create?.sender === me.value && create.content["room_version"] === "12";
  }
  // ---- what is told
  get stretches() {
    return this.detached ?? this.live;
  }
  /** Whether what is shown reaches the newest message. */
  get atNewest() {
    return this.detached === null;
  }
  get atOldest() {
    const first = this.stretches[0];
    return first !== void 0 && first.start === null;
  }
  lines(outgoing) {
    const at = this.changed.value;
    if (this.told && this.told.at === at && same(this.told.outgoing, outgoing)) return this.told.lines;
    const events = this.stretches.flatMap((s) => s.events);
    const lines = tell(events, this.atNewest ? outgoing : [], { me: me.value, name: nameOf });
    this.told = { at, outgoing, lines };
    return lines;
  }
  /** The newest message, for the list. */
  newest(outgoing) {
    void this.changed.value;
    const recent = this.live.flatMap((s) => s.events).slice(-KEPT_CLOSED);
    const lines = tell(recent, outgoing, { me: me.value, name: nameOf });
    return lines.findLast((l) => l.kind === "message") ?? lines.at(-1);
  }
  get newestTime() {
    const events = this.live.at(-1)?.events;
    const last = events?.findLast((e) => e.type === "m.room.message" || e.state_key !== void 0) ?? events?.at(-1);
    return last?.origin_server_ts ?? 0;
  }
  find(id) {
    for (const s of [...this.detached ?? [], ...this.live]) {
      const ev = s.events.find((e) => e.event_id === id);
      if (ev) return ev;
    }
    return void 0;
  }
  get unread() {
    void this.changed.value;
    if (this.membership === "invite") return 1;
    const events = this.live.flatMap((s) => s.events);
    const last = events.findLast((e) => e.type === "m.room.message");
    if (last && (last.event_id === this.seen || last.sender === me.value)) return 0;
    if (this.notified !== null) return this.notified;
    let n = 0;
    for (const e of events.toReversed()) {
      if (e.event_id === this.reads.get(me.value) || e.sender === me.value) break;
      if (e.type === "m.room.message") n++;
    }
    return n;
  }
  /** Tells the server that everything up to the newest message has been read. */
  async read() {
    const last = this.live.at(-1)?.events.at(-1);
    if (!last || this.seen === last.event_id) return;
    this.seen = last.event_id;
    this.notified = 0;
    this.touch();
    try {
      await call("POST", `/_matrix/client/v3/rooms/${enc(this.id)}/read_markers`, {
        body: { "m.fully_read": last.event_id, "m.read": last.event_id }
      });
    } catch {
      this.seen = "";
    }
  }
  /** The last event that this person had read when the conversation was opened. */
  get readBefore() {
    return this.reads.get(me.value) ?? this.fullyRead;
  }
  /** Who has read an own message, and to whom it was delivered. */
  reached(id) {
    const events = this.stretches.flatMap((s) => s.events);
    const at = events.findIndex((e) => e.event_id === id);
    const after = (event) => {
      const i = events.findIndex((e) => e.event_id === event);
      return i >= 0 ? i >= at : !this.atNewest;
    };
    const read = /* @__PURE__ */ new Set();
    const delivered = /* @__PURE__ */ new Set();
    for (const [user, event] of this.reads) if (after(event)) read.add(user);
    for (const [user, event] of this.deliveries) if (after(event)) delivered.add(user);
    for (const e of events.slice(at + 1)) read.add(e.sender);
    read.delete(me.value);
    delivered.delete(me.value);
    for (const user of read) delivered.add(user);
    return { read: [...read], delivered: [...delivered] };
  }
  /** For each event shown, how many others have read and received it: computed once for all ticks. */
  ticks() {
    const events = this.stretches.flatMap((s) => s.events);
    const index = new Map(events.map((e, i) => [e.event_id, i]));
    const upTo = (marks, into) => {
      for (const [user, id] of marks) {
        const i = index.get(id) ?? (this.atNewest ? -1 : events.length);
        into.set(user, Math.max(i, into.get(user) ?? -1));
      }
    };
    const read = /* @__PURE__ */ new Map();
    upTo(this.reads, read);
    events.forEach((e, i) => read.set(e.sender, Math.max(i, read.get(e.sender) ?? -1)));
    const delivered = new Map(read);
    upTo(this.deliveries, delivered);
    read.delete(me.value);
    delivered.delete(me.value);
    const byRead = reaching(read, events.length);
    const byDelivered = reaching(delivered, events.length);
    const out = /* @__PURE__ */ new Map();
    events.forEach((e, i) => {
      if (e.sender === me.value) out.set(e.event_id, { read: byRead[i], delivered: byDelivered[i] });
    });
    return out;
  }
  // ---- what the server tells
  /** Takes in one answer to /sync. Returns the messages that are new, to be announced. */
  absorb(data, nextBatch, first) {
    this.membership = "join";
    const s = data.summary;
    if (s?.["m.heroes"]) this.heroes = s["m.heroes"];
    if (typeof s?.["m.joined_member_count"] === "number") this.joined = s["m.joined_member_count"];
    if (typeof s?.["m.invited_member_count"] === "number") this.invited = s["m.invited_member_count"];
    for (const ev of data.state?.events ?? []) this.setState(ev);
    const fresh = this.extend(data.timeline ?? {}, nextBatch, first);
    for (const ev of data.ephemeral?.events ?? []) this.ephemeral(ev);
    for (const ev of data.account_data?.events ?? []) {
      if (ev.type === "m.fully_read") this.fullyRead = text(ev.content.event_id);
    }
    const count2 = data.unread_notifications?.notification_count;
    if (typeof count2 === "number") this.notified = count2;
    this.touch();
    return first ? [] : fresh;
  }
  extend(timeline, nextBatch, first) {
    const known = new Set(this.live.flatMap((s) => s.events.map((e) => e.event_id)));
    const events = (timeline.events ?? []).filter((e) => !known.has(e.event_id));
    if (timeline.limited || first) {
      this.live = [{ events: [], start: timeline.prev_batch ?? null, end: nextBatch }];
      events.splice(0, events.length, ...timeline.events ?? []);
    }
    let last = this.live.at(-1);
    if (!last || last.events.length >= STRETCH && timeline.prev_batch) {
      last = { events: [], start: timeline.prev_batch ?? null, end: nextBatch };
      this.live.push(last);
    }
    for (const ev of events) {
      if (ev.state_key !== void 0) this.setState(ev);
      last.events.push(ev);
      this.redact(ev);
      const typing = this.typing.value;
      if (ev.type === "m.room.message" && typing.includes(ev.sender)) {
        this.typing.value = typing.filter((u) => u !== ev.sender);
      }
    }
    last.end = nextBatch;
    this.trim();
    this.scheduleExpiry();
    return events;
  }
  setState(ev) {
    if (ev.state_key === void 0) return;
    this.state.set(ev.type + "\0" + ev.state_key, ev);
    if (ev.type !== "m.room.member") return;
    const user = ev.state_key;
    learnName(user, ev.content.displayname);
    this.members.set(user, { user, name: nameOf(user), membership: text(ev.content.membership) });
  }
  // A redaction takes the content out of this tab's memory as well, pictures included.
  redact(ev) {
    if (ev.type !== "m.room.redaction") return;
    this.wipe(text(ev.content.redacts) || text(ev.redacts), ev);
  }
  wipe(id, because) {
    for (const s of [...this.detached ?? [], ...this.live]) {
      for (const e of s.events) {
        const about = e.event_id === id || relation(e).rel_type === "m.replace" && relation(e).event_id === id;
        if (!about || e.state_key !== void 0) continue;
        if (text(e.content.url)) forgetMedia(text(e.content.url));
        e.content = e.event_id === id ? {} : { "m.relates_to": relation(e) };
        e.unsigned = { ...e.unsigned, redacted_because: because };
        delete e.unsigned["m.relations"];
      }
    }
  }
  ephemeral(ev) {
    if (ev.type === "m.typing") {
      const users = ev.content["user_ids"];
      this.typing.value = Array.isArray(users) ? users.filter((u) => u !== me.value) : [];
      return;
    }
    if (ev.type !== "m.receipt") return;
    for (const [event, kinds] of Object.entries(ev.content)) {
      for (const kind of ["m.read", "m.read.private"]) {
        for (const user of Object.keys(kinds[kind] ?? {})) this.reads.set(user, event);
      }
      for (const user of Object.keys(kinds[DELIVERED] ?? {})) this.deliveries.set(user, event);
    }
  }
  invite(events) {
    this.membership = "invite";
    for (const ev of events) {
      this.setState(ev);
      if (ev.type === "m.room.member" && ev.state_key === me.value) this.invitedBy = ev.sender;
    }
    this.touch();
  }
  // ---- going through history
  /** Loads what came before. */
  async older() {
    const first = this.stretches[0];
    if (!first || first.start === null || this.loading.value) return;
    await this.load(async () => {
      const page = await this.messages("b", first.start);
      const known = new Set(this.stretches.flatMap((s) => s.events.map((e) => e.event_id)));
      const events = page.chunk.filter((e) => !known.has(e.event_id)).reverse();
      const start = page.end && page.end !== first.start ? page.end : null;
      if (events.length === 0) first.start = start;
      else this.stretches.unshift({ events, start, end: first.start });
      this.dropNewest();
    });
  }
  /** Loads what comes after, when an old part is shown. */
  async newer() {
    const last = this.detached?.at(-1);
    if (!last || this.loading.value) return;
    await this.load(async () => {
      const page = await this.messages("f", last.end ?? "");
      const now = new Set(this.live.flatMap((s) => s.events.map((e) => e.event_id)));
      const known = new Set(this.detached.flatMap((s) => s.events.map((e) => e.event_id)));
      const meets = page.chunk.findIndex((e) => now.has(e.event_id));
      const events = (meets >= 0 ? page.chunk.slice(0, meets) : page.chunk).filter((e) => !known.has(e.event_id));
      if (events.length > 0) this.detached.push({ events, start: last.end, end: page.end ?? null });
      else last.end = page.end ?? null;
      if (meets >= 0) {
        this.live = [...this.detached, ...this.live];
        this.detached = null;
      } else if (!page.end || page.chunk.length === 0) {
        this.detached = null;
      }
      this.dropOldest();
    });
  }
  /** Shows the part of history around an event. */
  async goTo(id) {
    if (this.stretches.some((s) => s.events.some((e) => e.event_id === id))) return true;
    if (this.live.some((s) => s.events.some((e) => e.event_id === id))) {
      this.toNewest();
      return true;
    }
    let found = false;
    await this.load(async () => {
      const path = `/_matrix/client/v3/rooms/${enc(this.id)}/context/${enc(id)}`;
      const c = await call("GET", path, { query: { limit: "60" } });
      for (const ev of c.state ?? []) if (ev.type === "m.room.member" && !this.members.has(ev.state_key ?? "")) this.setState(ev);
      const events = [...(c.events_before ?? []).toReversed(), c.event, ...c.events_after ?? []];
      this.detached = [{ events, start: c.start ?? null, end: c.end ?? null }];
      found = true;
    });
    return found;
  }
  toNewest() {
    if (this.detached === null) return;
    this.detached = null;
    this.touch();
  }
  async messages(dir, from) {
    const page = await call("GET", `/_matrix/client/v3/rooms/${enc(this.id)}/messages`, {
      query: { dir, from, limit: "60", filter: JSON.stringify({ lazy_load_members: true }) }
    });
    for (const ev of page.state ?? []) {
      if (ev.type === "m.room.member" && !this.members.has(ev.state_key ?? "")) this.setState(ev);
    }
    return page;
  }
  async load(f) {
    this.loading.value = true;
    try {
      await f();
    } finally {
      batch(() => {
        this.loading.value = false;
        this.touch();
      });
    }
    this.scheduleExpiry();
  }
  // Reading far back lets go of the newest part on the screen, though never of the live end itself.
  dropNewest() {
    if (count(this.stretches) <= KEPT_OPEN) return;
    const all = this.stretches;
    const kept = [...all];
    while (count(kept) > KEPT_OPEN && kept.length > 1) kept.pop();
    if (this.detached === null) this.live = all.slice(-1);
    this.detached = kept;
  }
  dropOldest() {
    const shown = this.stretches;
    while (count(shown) > KEPT_OPEN && shown.length > 1) shown.shift();
  }
  trim() {
    const most = this.open ? KEPT_OPEN : KEPT_CLOSED;
    while (this.live.length > 1 && count(this.live) - this.live[0].events.length >= most) this.live.shift();
  }
  close() {
    this.open = false;
    this.detached = null;
    this.trim();
    this.touch();
  }
  /** Loads everybody who is here, once. */
  async loadMembers() {
    if (this.membersLoaded || this.membership !== "join") return;
    const path = `/_matrix/client/v3/rooms/${enc(this.id)}/members`;
    const all = await call("GET", path, { query: { not_membership: "leave" } });
    for (const ev of all.chunk) this.setState(ev);
    this.membersLoaded = true;
    this.touch();
  }
  present() {
    void this.changed.value;
    return [...this.members.values()].filter(present).map((m) => ({ ...m, name: nameOf(m.user) })).sort((a, b) => a.name.localeCompare(b.name));
  }
  // ---- disappearing
  // The server takes away what is due. A device that is offline then must forget by itself.
  scheduleExpiry() {
    const set = this.state.get(RETENTION + "\0");
    this.expiryDue = Infinity;
    if (this.lifetime === 0 || !set) return;
    for (const s of [...this.detached ?? [], ...this.live]) {
      for (const e of s.events) {
        if (this.expires(e, set)) this.expiryDue = Math.min(this.expiryDue, e.origin_server_ts + this.lifetime);
      }
    }
  }
  expires(e, set) {
    return e.type === "m.room.message" && e.origin_server_ts >= set.origin_server_ts && !removed(e);
  }
  /** Forgets what is due by now. */
  expire(now = serverNow()) {
    if (now < this.expiryDue) return;
    const set = this.state.get(RETENTION + "\0");
    if (!set) return;
    const because = { event_id: "", type: "m.room.redaction", sender: "", origin_server_ts: now, content: { "org.despatch.reason": "expired" } };
    for (const s of [...this.detached ?? [], ...this.live]) {
      for (const e of s.events) {
        if (this.expires(e, set) && e.origin_server_ts + this.lifetime <= now) this.wipe(e.event_id, because);
      }
    }
    this.scheduleExpiry();
    this.touch();
  }
}
function present(m) {
  return m.membership === "join" || m.membership === "invite";
}
function reaching(marks, n) {
  const out = new Array(n + 1).fill(0);
  for (const at of marks.values()) if (at >= 0) out[Math.min(at, n)]++;
  for (let i = n - 1; i >= 0; i--) out[i] += out[i + 1];
  return out;
}
function count(stretches) {
  return stretches.reduce((n, s) => n + s.events.length, 0);
}
function same(a, b) {
  return a.length === b.length && a.every((o, i) => o === b[i]);
}
setInterval(() => {
  for (const c of conversations.value.values()) c.expire();
}, 1e3);
const sorted = computed(() => {
  const all = [...conversations.value.values()];
  for (const c of all) void c.changed.value;
  return all.sort((a, b) => {
    if (a.membership !== b.membership) return a.membership === "invite" ? -1 : 1;
    return b.newestTime - a.newestTime;
  });
});
const unreadTotal = computed(() => sorted.value.reduce((n, c) => n + (c.unread > 0 ? 1 : 0), 0));
function conversation(id) {
  let c = conversations.value.get(id);
  if (!c) {
    c = new Conversation(id);
    conversations.value = new Map(conversations.value).set(id, c);
  }
  return c;
}
function forget(id) {
  if (!conversations.value.has(id)) return;
  const left = new Map(conversations.value);
  left.delete(id);
  conversations.value = left;
}
function forgetEverything() {
  nameOfUser.clear();
  direct.value = /* @__PURE__ */ new Map();
  conversations.value = /* @__PURE__ */ new Map();
}
function directWith(user) {
  return sorted.value.find((c) => c.membership === "join" && c.partner === user) ?? sorted.value.find((c) => c.membership === "join" && direct.value.get(c.id) === user && c.size <= 2);
}
function isMessage(line) {
  return line?.kind === "message";
}
export {
  Conversation,
  conversation,
  conversations,
  direct,
  directWith,
  forget,
  forgetEverything,
  isMessage,
  knownPeople,
  learnName,
  me,
  nameOf,
  sorted,
  unreadTotal
};
