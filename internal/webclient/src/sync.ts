// The long poll that keeps this tab up to date. Where it has got to is kept in memory only: a tab
// that is opened anew asks for everything it needs again.

import { batch, signal } from "./preact/signals.js";
import { APIError, call } from "./api.js";
import { conversation, conversations, direct, forget, me } from "./conversations.js";
import type { MatrixEvent, SyncResponse } from "./matrix.js";
import { arrived } from "./outbox.js";

export type Connection = "starting" | "online" | "offline";

export const connection = signal<Connection>("starting");

const FILTER = JSON.stringify({
  presence: { not_types: ["*"] },
  room: {
    state: { lazy_load_members: true },
    timeline: { limit: 30, lazy_load_members: true },
  },
});

const POLL = 30_000;

let running: AbortController | null = null;
let wake: () => void = () => {};

/** Begins to follow the server; announce is given each message that arrives. */
export function start(announce: (room: string, ev: MatrixEvent) => void): void {
  stop();
  running = new AbortController();
  void follow(running.signal, announce);
}

export function stop(): void {
  running?.abort();
  running = null;
  connection.value = "starting";
}

async function follow(signal: AbortSignal, announce: (room: string, ev: MatrixEvent) => void): Promise<void> {
  let since = "";
  let failures = 0;
  while (!signal.aborted) {
    const query: Record<string, string> = { filter: FILTER, timeout: since && failures === 0 ? String(POLL) : "0" };
    if (since) query["since"] = since;
    try {
      const answer = await call<SyncResponse>("GET", "/_matrix/client/v3/sync", { query, signal, timeout: POLL + 15_000 });
      if (signal.aborted) return;
      const first = since === "";
      const came = batch(() => absorb(answer, first));
      since = answer.next_batch;
      failures = 0;
      connection.value = "online";
      for (const [room, ev] of came) announce(room, ev);
    } catch (e) {
      if (signal.aborted) return;
      if (e instanceof APIError && e.status === 401) return;
      if (e instanceof APIError && e.status === 400 && since) since = ""; // the server no longer knows the place
      failures++;
      if (failures > 1) connection.value = "offline";
      await rest(backoff(failures, e), signal);
    }
  }
}

// The waits grow to half a minute and differ between tabs, so that a server that comes back is not
// met by everybody at once.
function backoff(failures: number, e: unknown): number {
  const asked = e instanceof APIError ? e.retryAfter : 0;
  const most = Math.min(30_000, 400 * 2 ** Math.min(failures, 7));
  return Math.max(asked, most / 2 + (Math.random() * most) / 2);
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const t = setTimeout(done, ms);
    wake = () => {
      clearTimeout(t);
      done();
    };
    signal.addEventListener("abort", wake, { once: true });
  });
}

addEventListener("online", () => wake());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) wake();
});

function absorb(answer: SyncResponse, first: boolean): [string, MatrixEvent][] {
  const came: [string, MatrixEvent][] = [];
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

function dropUnlisted(answer: SyncResponse): void {
  const listed = { ...answer.rooms?.join, ...answer.rooms?.invite };
  for (const id of conversations.value.keys()) if (!(id in listed)) forget(id);
}

function learnDirect(ev: MatrixEvent): void {
  const found = new Map<string, string>();
  for (const [user, ids] of Object.entries(ev.content)) {
    if (Array.isArray(ids)) for (const id of ids) if (typeof id === "string") found.set(id, user);
  }
  direct.value = found;
}
