import { APIError, call, enc, Unreachable } from "./api.js";
const LEAST = 256 << 10;
const MOST = 8 << 20;
async function send(files, stop, tell) {
  const total = files.reduce((sum, f) => sum + f.size, 0);
  let before = 0;
  const ids = [];
  for (const f of files) {
    const at = before;
    ids.push(await sendOne(f, stop, (sent, waiting) => tell({ sent: at + sent, total, waiting })));
    before += f.size;
  }
  return ids;
}
async function sendOne(f, stop, tell) {
  const begin = () => call("POST", "/_despatch/v1/uploads", { body: { name: f.name || "file", size: f.size, modified: f.lastModified || 0 }, signal: stop });
  let at = await patiently(begin, stop, () => tell(0, true));
  let size = LEAST;
  tell(at.offset, false);
  while (at.offset < f.size) {
    const from = at.offset;
    const part = f.slice(from, from + size);
    const started = performance.now();
    at = await patiently(async (again) => {
      if (again) {
        const now = await begin();
        if (now.offset !== from) return now;
      }
      return call("PUT", `/_despatch/v1/uploads/${enc(at.id)}`, { query: { offset: String(from) }, raw: { blob: part, type: "application/octet-stream" }, signal: stop, timeout: 12e4 });
    }, stop, () => tell(from, true));
    const took = performance.now() - started;
    if (took < 600) size = Math.min(size * 2, MOST);
    else if (took > 4e3) size = Math.max(size / 2, LEAST);
    tell(at.offset, false);
  }
  return at.id;
}
async function patiently(what, stop, waiting) {
  for (let wait = 500, again = false; ; wait = Math.min(wait * 2, 15e3), again = true) {
    try {
      return await what(again);
    } catch (e) {
      if (stop.aborted || !(e instanceof Unreachable) && !(e instanceof APIError && e.status === 429)) throw e;
      waiting();
      await new Promise((done) => setTimeout(done, wait));
      if (stop.aborted) throw e;
    }
  }
}
function drop(ids) {
  for (const id of ids) call("DELETE", `/_despatch/v1/uploads/${enc(id)}`).catch(() => {
  });
}
export {
  drop,
  send
};
