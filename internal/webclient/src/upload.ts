// Sending files in parts. What broke off goes on where it was left, also after the page was closed: the
// same file chosen again is told how much of it is there. Nothing of it is kept on the device.

import { APIError, call, enc, Unreachable } from "./api.js";

interface Sent {
  id: string;
  offset: number;
}

const LEAST = 256 << 10;
const MOST = 8 << 20;

/** How far the sending is: bytes of all files, and whether it waits for the network. */
export interface Progress {
  sent: number;
  total: number;
  waiting: boolean;
}

/** Sends files and returns their ids, in their order. */
export async function send(files: File[], stop: AbortSignal, tell: (p: Progress) => void): Promise<string[]> {
  const total = files.reduce((sum, f) => sum + f.size, 0);
  let before = 0;
  const ids: string[] = [];
  for (const f of files) {
    const at = before;
    ids.push(await sendOne(f, stop, (sent, waiting) => tell({ sent: at + sent, total, waiting })));
    before += f.size;
  }
  return ids;
}

async function sendOne(f: File, stop: AbortSignal, tell: (sent: number, waiting: boolean) => void): Promise<string> {
  const begin = () => call<Sent>("POST", "/_despatch/v1/uploads", { body: { name: f.name || "file", size: f.size, modified: f.lastModified || 0 }, signal: stop });
  let at = await patiently(begin, stop, () => tell(0, true));
  let size = LEAST;
  tell(at.offset, false);
  while (at.offset < f.size) {
    const from = at.offset;
    const part = f.slice(from, from + size);
    const started = performance.now();
    at = await patiently(async (again) => {
      // After a break, the server says how much of the part came through.
      if (again) {
        const now = await begin();
        if (now.offset !== from) return now;
      }
      return call<Sent>("PUT", `/_despatch/v1/uploads/${enc(at.id)}`, { query: { offset: String(from) }, raw: { blob: part, type: "application/octet-stream" }, signal: stop, timeout: 120_000 });
    }, stop, () => tell(from, true));
    const took = performance.now() - started;
    if (took < 600) size = Math.min(size * 2, MOST);
    else if (took > 4000) size = Math.max(size / 2, LEAST);
    tell(at.offset, false);
  }
  return at.id;
}

// patiently tries again while the network is away or the server is busy.
async function patiently<T>(what: (again: boolean) => Promise<T>, stop: AbortSignal, waiting: () => void): Promise<T> {
  for (let wait = 500, again = false; ; wait = Math.min(wait * 2, 15_000), again = true) {
    try {
      return await what(again);
    } catch (e) {
      if (stop.aborted || (!(e instanceof Unreachable) && !(e instanceof APIError && e.status === 429))) throw e;
      waiting();
      await new Promise((done) => setTimeout(done, wait));
      if (stop.aborted) throw e;
    }
  }
}

/** Removes files that are not to be put on the record after all. */
export function drop(ids: string[]): void {
  for (const id of ids) call("DELETE", `/_despatch/v1/uploads/${enc(id)}`).catch(() => {});
}
