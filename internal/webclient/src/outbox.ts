// What is on its way to the server. Nothing is lost: each message keeps one transaction number
// through all tries, so that a try whose answer was lost does not send it twice; what waits for the
// network sends itself; and text survives a reload of the tab (in the tab's own storage, which goes
// with the tab).

import { signal } from "./preact/signals.js";
import { APIError, call, enc, explain, Unreachable } from "./api.js";
import type { Outgoing } from "./history.js";
import type { Content } from "./matrix.js";
import { adopt, upload } from "./media.js";

const STORED = "despatch.outbox";

export const outbox = signal<readonly Outgoing[]>([]);

/** Hears of things that could not be done and leave no line behind, such as a refused reaction. */
let onRefused: (message: string) => void = () => {};

export function whenRefused(f: (message: string) => void): void {
  onRefused = f;
}

export function outgoingIn(room: string): Outgoing[] {
  return outbox.value.filter((o) => o.room === room);
}

const sending = new Set<string>(); // conversations with a request under way
let pause: ReturnType<typeof setTimeout> | undefined;
let tries = 0;

export function transaction(): string {
  return "d" + crypto.randomUUID().replaceAll("-", "");
}

export function send(room: string, type: string, content: Content, more: Partial<Outgoing> = {}): void {
  const o: Outgoing = { txn: transaction(), room, type, content, ts: Date.now(), state: "waiting", ...more };
  replace([...outbox.value, o]);
  void pump(room);
}

export function redact(room: string, event: string): void {
  send(room, "m.room.redaction", {}, { redacts: event });
}

/** Tries a refused message again. */
export function again(txn: string): void {
  const o = outbox.value.find((o) => o.txn === txn);
  if (!o) return;
  change(o, { state: "waiting" });
  void pump(o.room);
}

export function discard(txn: string): void {
  const o = outbox.value.find((o) => o.txn === txn);
  if (o?.shown && !o.content.url) URL.revokeObjectURL(o.shown);
  replace(outbox.value.filter((o) => o.txn !== txn));
}

/** The server has told of an event: if it came from here, it is no longer on its way. */
export function arrived(id: string, txn: string | undefined): void {
  const o = outbox.value.find((o) => o.txn === txn || o.sent === id);
  if (o) discard(o.txn);
}

/** Tries everything that waits, now. */
export function flush(): void {
  clearTimeout(pause);
  pause = undefined;
  tries = 0;
  for (const room of new Set(outbox.value.map((o) => o.room))) void pump(room);
}

export function emptyOutbox(): void {
  for (const o of outbox.value) if (o.shown) URL.revokeObjectURL(o.shown);
  replace([]);
}

/** Takes up what was waiting when the tab was reloaded. */
export function restore(): void {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
    if (Array.isArray(stored)) {
      replace(stored.map((o: Outgoing) => ({ ...o, state: o.state === "failed" ? "failed" : "waiting" })));
    }
  } catch {
    sessionStorage.removeItem(STORED);
  }
  flush();
}

function replace(list: readonly Outgoing[]): void {
  outbox.value = list;
  const keep = list.filter((o) => !o.blob && !o.sent);
  if (keep.length === 0) sessionStorage.removeItem(STORED);
  else sessionStorage.setItem(STORED, JSON.stringify(keep));
}

function change(o: Outgoing, by: Partial<Outgoing>): Outgoing {
  const changed = { ...o, ...by };
  replace(outbox.value.map((x) => (x.txn === o.txn ? changed : x)));
  return changed;
}

// One message at a time and in order, conversation by conversation.
async function pump(room: string): Promise<void> {
  if (sending.has(room)) return;
  sending.add(room);
  try {
    for (;;) {
      const o = outbox.value.find((o) => o.room === room && !o.sent && o.state !== "failed");
      if (!o) return;
      if (!(await attempt(o))) return;
    }
  } finally {
    sending.delete(room);
  }
}

// attempt sends one message and reports whether to go on with the next.
async function attempt(first: Outgoing): Promise<boolean> {
  let o = change(first, { state: "sending" });
  try {
    if (o.blob) {
      const url = await upload(o.blob, o.content.filename ?? o.content.body ?? "file");
      o = change(o, { content: { ...o.content, url } });
      if (o.shown) adopt(url, o.shown);
      delete (o as { blob?: Blob }).blob;
      replace(outbox.value.map((x) => (x.txn === o.txn ? o : x)));
    }
    const path = o.redacts !== undefined
      ? `/_matrix/client/v3/rooms/${enc(o.room)}/redact/${enc(o.redacts)}/${o.txn}`
      : `/_matrix/client/v3/rooms/${enc(o.room)}/send/${enc(o.type)}/${o.txn}`;
    const { event_id } = await call<{ event_id: string }>("PUT", path, { body: o.content });
    tries = 0;
    // The line stays until the event itself arrives, so that nothing flickers.
    if (outbox.value.some((x) => x.txn === o.txn)) change(o, { sent: event_id });
    return true;
  } catch (e) {
    return refused(o, e);
  }
}

function refused(o: Outgoing, e: unknown): boolean {
  if (e instanceof Unreachable || (e instanceof APIError && (e.passing || e.status === 401))) {
    change(o, { state: "waiting" });
    const wait = e instanceof APIError ? e.retryAfter : 0;
    tries++;
    pause ??= setTimeout(() => {
      pause = undefined;
      for (const room of new Set(outbox.value.map((o) => o.room))) void pump(room);
    }, Math.max(wait, Math.min(30_000, 500 * 2 ** Math.min(tries, 6))));
    return false;
  }
  const why = explain(e);
  if (o.type === "m.room.message" && o.content["m.new_content"] === undefined) {
    change(o, { state: "failed", error: why });
  } else {
    discard(o.txn);
    onRefused(why);
  }
  return true;
}

addEventListener("online", flush);
