import { batch, signal } from "./preact/signals.js";
import { APIError, call } from "./api.js";
import { conversation, conversations, direct, forget, me } from "./conversations.js";
import { arrived } from "./outbox.js";
const connection = signal("starting");
const FILTER = JSON.stringify({
  presence: { not_types: ["*"] },
  room: {
    state: { lazy_load_members: true },
    timeline: { limit: 30, lazy_load_members: true }
  }
});
const POLL = 3e4;
let running = null;
let wake = () => {
};
function start(announce) {
  stop();
  running = new AbortController();
  void follow(running.signal, announce);
}
function stop() {
  running?.abort();
  running = null;
  connection.value = "starting";
}
async function follow(signal2, announce) {
  let since = "";
  let failures = 0;
  while (!signal2.aborted) {
    const query = { filter: FILTER, timeout: since && failures === 0 ? String(POLL) : "0" };
    if (since) query["since"] = since;
    try {
      const answer = await call("GET", "/_matrix/client/v3/sync", { query, signal: signal2, timeout: POLL + 15e3 });
      if (signal2.aborted) return;
      const first = since === "";
      const came = batch(() => absorb(answer, first));
      since = answer.next_batch;
      failures = 0;
      connection.value = "online";
      for (const [room, ev] of came) announce(room, ev);
    } catch (e) {
      if (signal2.aborted) return;
      if (e instanceof APIError && e.status === 401) return;
      if (e instanceof APIError && e.status === 400 && since) since = "";
      failures++;
      if (failures > 1) connection.value = "offline";
      await rest(backoff(failures, e), signal2);
    }
  }
}
function backoff(failures, e) {
  const asked = e instanceof APIError ? e.retryAfter : 0;
  const most = Math.min(3e4, 400 * 2 ** Math.min(failures, 7));
  return Math.max(asked, most / 2 + Math.random() * most / 2);
}
function rest(ms, signal2) {
  return new Promise((done) => {
    const t = setTimeout(done, ms);
    wake = () => {
      clearTimeout(t);
      done();
    };
    signal2.addEventListener("abort", wake, { once: true });
  });
}
addEventListener("online", () => wake());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) wake();
});
function absorb(answer, first) {
  const came = [];
  if (first) dropUnlisted(answer);
  for (const ev of answer.account_data?.events ?? []) if (ev.type === "m.direct") learnDirect(ev);
  for (const [id, data] of Object.entries(answer.rooms?.join ?? {})) {
    const isNew = first || !conversations.value.has(id) || conversations.value.get(id)?.membership === "invite";
    const fresh = conversation(id).absorb(data, answer.next_batch, isNew);
    for (const ev of data.timeline?.events ?? []) arrived(ev.event_id, ev.unsigned?.transaction_id);
    for (const ev of fresh) if (ev.type === "m.room.message" && ev.sender !== me.value) came.push([id, ev]);
  }
  for (const [id, data] of Object.entries(answer.rooms?.invite ?? {})) {
    conversation(id).invite(data.invite_state?.events ?? []);
  }
  for (const id of Object.keys(answer.rooms?.leave ?? {})) forget(id);
  return came;
}
function dropUnlisted(answer) {
  const listed = { ...answer.rooms?.join, ...answer.rooms?.invite };
  for (const id of conversations.value.keys()) if (!(id in listed)) forget(id);
}
function learnDirect(ev) {
  const found = /* @__PURE__ */ new Map();
  for (const [user, ids] of Object.entries(ev.content)) {
    if (Array.isArray(ids)) {
      for (const id of ids) if (typeof id === "string") found.set(id, user);
    }
  }
  direct.value = found;
}
export {
  connection,
  start,
  stop
};
