const TOKEN = "despatch.token";
class APIError extends Error {
  constructor(status, errcode, message, body) {
    super(message);
    this.status = status;
    this.errcode = errcode;
    this.body = body;
  }
  status;
  errcode;
  body;
  /** Whether the same request may succeed later without anybody changing anything. */
  get passing() {
    return this.status === 429 || this.status >= 500;
  }
  /** How long the server asks to be left alone, in milliseconds. */
  get retryAfter() {
    const ms = this.body["retry_after_ms"];
    return typeof ms === "number" ? ms : 0;
  }
}
class Unreachable extends Error {
}
let token = localStorage.getItem(TOKEN);
let clockOffset = 0;
let onSignedOut = () => {
};
function hasToken() {
  return token !== null;
}
function keepToken(t) {
  token = t;
  if (t === null) localStorage.removeItem(TOKEN);
  else localStorage.setItem(TOKEN, t);
}
function whenSignedOut(f) {
  onSignedOut = f;
}
addEventListener("storage", (e) => {
  if (e.key !== TOKEN && e.key !== null) return;
  const now = localStorage.getItem(TOKEN);
  if (now === token) return;
  token = now;
  onSignedOut("");
});
function serverNow() {
  return Date.now() + clockOffset;
}
async function call(method, path, options = {}) {
  const res = await request(method, path, options);
  try {
    return await res.json();
  } catch {
    throw new Unreachable("The answer broke off.");
  }
}
async function blob(path, signal) {
  const res = await request("GET", path, signal ? { signal } : {});
  try {
    return await res.blob();
  } catch {
    throw new Unreachable("The answer broke off.");
  }
}
async function request(method, path, o) {
  const headers = {};
  const sent = o.anonymous ? null : token;
  if (sent !== null) headers["Authorization"] = `Bearer ${sent}`;
  let body;
  if (o.raw) {
    headers["Content-Type"] = o.raw.type;
    body = o.raw.blob;
  } else if (o.form) {
    body = o.form;
  } else if (o.body !== void 0) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(o.body);
  }
  const query = o.query ? "?" + new URLSearchParams(o.query).toString() : "";
  const signals = [AbortSignal.timeout(o.timeout ?? 3e4)];
  if (o.signal) signals.push(o.signal);
  let res;
  try {
    const init = { method, headers, cache: "no-store", signal: AbortSignal.any(signals) };
    if (body !== void 0) init.body = body;
    res = await fetch(path + query, init);
  } catch (e) {
    if (o.signal?.aborted) throw e;
    throw new Unreachable("The server cannot be reached.");
  }
  const date = Date.parse(res.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) {
    const offset = date - Date.now();
    clockOffset = Math.abs(offset) > 3e3 ? offset : 0;
  }
  if (res.ok) return res;
  throw await refusal(res, sent);
}
async function refusal(res, sent) {
  let body = {};
  try {
    body = await res.json();
  } catch {
  }
  const errcode = typeof body["errcode"] === "string" ? body["errcode"] : "";
  const message = typeof body["error"] === "string" ? body["error"] : `The server answered ${res.status}.`;
  if (res.status === 401 && errcode === "M_UNKNOWN_TOKEN" && sent !== null && sent === token) {
    keepToken(null);
    onSignedOut("You have been signed out. Sign in again to carry on.");
  }
  return new APIError(res.status, errcode, message, body);
}
function explain(e) {
  if (e instanceof APIError) {
    if (e.status === 429) return "That was too quick for the server. Wait a moment and try again.";
    if (e.errcode === "M_UNRECOGNIZED") return "This cannot be done here yet.";
    if (e.status >= 500) return "The server had a fault. Try again in a moment.";
    return e.message;
  }
  if (e instanceof Unreachable) return "No connection to the server. Check the network and try again.";
  return "Something went wrong. Try again.";
}
function enc(s) {
  return encodeURIComponent(s);
}
export {
  APIError,
  Unreachable,
  blob,
  call,
  enc,
  explain,
  hasToken,
  keepToken,
  serverNow,
  whenSignedOut
};
