import { signal } from "./preact/signals.js";
import { APIError, call, enc, explain, Unreachable } from "./api.js";
import { adopt, upload } from "./media.js";
const STORED = "despatch.outbox";
const outbox = signal([]);
let onRefused = () => {
};
function whenRefused(f) {
  onRefused = f;
}
function outgoingIn(room) {
  return outbox.value.filter((o) => o.room === room);
}
const sending = /* @__PURE__ */ new Set();
let pause;
let tries = 0;
function transaction() {
  return "d" + crypto.randomUUID().replaceAll("-", "");
}
function send(room, type, content, more = {}) {
  const o = { txn: transaction(), room, type, content, ts: Date.now(), state: "waiting", ...more };
  replace([...outbox.value, o]);
  void pump(room);
}
function redact(room, event) {
  send(room, "m.room.redaction", {}, { redacts: event });
}
function again(txn) {
  const o = outbox.value.find((o2) => o2.txn === txn);
  if (!o) return;
  change(o, { state: "waiting" });
  void pump(o.room);
}
function discard(txn) {
  const o = outbox.value.find((o2) => o2.txn === txn);
  if (o?.shown && !o.content.url) URL.revokeObjectURL(o.shown);
  replace(outbox.value.filter((o2) => o2.txn !== txn));
}
function arrived(id, txn) {
  const o = outbox.value.find((o2) => o2.txn === txn || o2.sent === id);
  if (o) discard(o.txn);
}
function flush() {
  clearTimeout(pause);
  pause = void 0;
  tries = 0;
  for (const room of new Set(outbox.value.map((o) => o.room))) void pump(room);
}
function emptyOutbox() {
  for (const o of outbox.value) if (o.shown) URL.revokeObjectURL(o.shown);
  replace([]);
}
function restore() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
    if (Array.isArray(stored)) {
      replace(stored.map((o) => ({ ...o, state: o.state === "failed" ? "failed" : "waiting" })));
    }
  } catch {
    sessionStorage.removeItem(STORED);
  }
  flush();
}
function replace(list) {
  outbox.value = list;
  const keep = list.filter((o) => !o.blob && !o.sent);
  if (keep.length === 0) sessionStorage.removeItem(STORED);
  else sessionStorage.setItem(STORED, JSON.stringify(keep));
}
function change(o, by) {
  const changed = { ...o, ...by };
  replace(outbox.value.map((x) => x.txn === o.txn ? changed : x));
  return changed;
}
async function pump(room) {
  if (sending.has(room)) return;
  sending.add(room);
  try {
    for (; ; ) {
      const o = outbox.value.find((o2) => o2.room === room && !o2.sent && o2.state !== "failed");
      if (!o) return;
      if (!await attempt(o)) return;
    }
  } finally {
    sending.delete(room);
  }
}
async function attempt(first) {
  let o = change(first, { state: "sending" });
  try {
    if (o.blob) {
      const url = await upload(o.blob, o.content.filename ?? o.content.body ?? "file");
      o = change(o, { content: { ...o.content, url } });
      if (o.shown) adopt(url, o.shown);
      delete o.blob;
      replace(outbox.value.map((x) => x.txn === o.txn ? o : x));
    }
    const path = o.redacts !== void 0 ? `/_matrix/client/v3/rooms/${enc(o.room)}/redact/${enc(o.redacts)}/${o.txn}` : `/_matrix/client/v3/rooms/${enc(o.room)}/send/${enc(o.type)}/${o.txn}`;
    const { event_id } = await call("PUT", path, { body: o.content });
    tries = 0;
    if (outbox.value.some((x) => x.txn === o.txn)) change(o, { sent: event_id });
    return true;
  } catch (e) {
    return refused(o, e);
  }
}
function refused(o, e) {
  if (e instanceof Unreachable || e instanceof APIError && (e.passing || e.status === 401)) {
    change(o, { state: "waiting" });
    const wait = e instanceof APIError ? e.retryAfter : 0;
    tries++;
    pause ??= setTimeout(() => {
      pause = void 0;
      for (const room of new Set(outbox.value.map((o2) => o2.room))) void pump(room);
    }, Math.max(wait, Math.min(3e4, 500 * 2 ** Math.min(tries, 6))));
    return false;
  }
  const why = explain(e);
  if (o.type === "m.room.message" && o.content["m.new_content"] === void 0) {
    change(o, { state: "failed", error: why });
  } else {
    discard(o.txn);
    onRefused(why);
  }
  return true;
}
addEventListener("online", flush);
export {
  again,
  arrived,
  discard,
  emptyOutbox,
  flush,
  outbox,
  outgoingIn,
  redact,
  restore,
  send,
  transaction,
  whenRefused
};
