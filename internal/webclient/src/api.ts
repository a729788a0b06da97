// Requests to the server. Every failure is an [APIError] (the server said no) or an [Unreachable]
// (it said nothing), because the first is told to the person and the second is tried again.

const TOKEN = "despatch.token";

export class APIError extends Error {
  constructor(
    readonly status: number,
    readonly errcode: string,
    message: string,
    readonly body: Record<string, unknown>,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later without anybody changing anything. */
  get passing(): boolean {
    return this.status === 429 || this.status >= 500;
  }

  /** How long the server asks to be left alone, in milliseconds. */
  get retryAfter(): number {
    const ms = this.body["retry_after_ms"];
    return typeof ms === "number" ? ms : 0;
  }
}

export class Unreachable extends Error {}

let token: string | null = localStorage.getItem(TOKEN);
let clockOffset = 0;
let onSignedOut: (message: string) => void = () => {};

export function hasToken(): boolean {
  return token !== null;
}

/** Keeps the session's token, the only thing that the messenger leaves on a device. */
export function keepToken(t: string | null): void {
  token = t;
  if (t === null) localStorage.removeItem(TOKEN);
  else localStorage.setItem(TOKEN, t);
}

/** Calls f when the session is over: signed out here, in another tab, or by the server. */
export function whenSignedOut(f: (message: string) => void): void {
  onSignedOut = f;
}

addEventListener("storage", (e) => {
  if (e.key !== TOKEN && e.key !== null) return;
  const now = localStorage.getItem(TOKEN);
  if (now === token) return;
  token = now;
  onSignedOut("");
});

/** The time by the server's clock, which messages are stamped with. */
export function serverNow(): number {
  return Date.now() + clockOffset;
}

export interface Options {
  body?: unknown;
  raw?: { blob: Blob; type: string };
  form?: FormData;
  query?: Record<string, string>;
  signal?: AbortSignal;
  timeout?: number;
  anonymous?: boolean;
}

export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const res = await request(method, path, options);
  try {
    return (await res.json()) as T;
  } catch {
    throw new Unreachable("The answer broke off.");
  }
}

/** Fetches bytes, such as a picture. */
export async function blob(path: string, signal?: AbortSignal): Promise<Blob> {
  const res = await request("GET", path, signal ? { signal } : {});
  try {
    return await res.blob();
  } catch {
    throw new Unreachable("The answer broke off.");
  }
}

async function request(method: string, path: string, o: Options): Promise<Response> {
  const headers: Record<string, string> = {};
  const sent = o.anonymous ? null : token;
  if (sent !== null) headers["Authorization"] = `Bearer ${sent}`;
  let body: BodyInit | undefined;
  if (o.raw) {
    headers["Content-Type"] = o.raw.type;
    body = o.raw.blob;
  } else if (o.form) {
    body = o.form;
  } else if (o.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(o.body);
  }
  const query = o.query ? "?" + new URLSearchParams(o.query).toString() : "";
  const signals = [AbortSignal.timeout(o.timeout ?? 30_000)];
  if (o.signal) signals.push(o.signal);

  let res: Response;
  try {
    const init: RequestInit = { method, headers, cache: "no-store", signal: AbortSignal.any(signals) };
    if (body !== undefined) init.body = body;
    res = await fetch(path + query, init);
  } catch (e) {
    if (o.signal?.aborted) throw e;
    throw new Unreachable("The server cannot be reached.");
  }
  const date = Date.parse(res.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) {
    // The header has whole seconds: only a clock that is truly wrong is corrected.
    const offset = date - Date.now();
    clockOffset = Math.abs(offset) > 3000 ? offset : 0;
  }
  if (res.ok) return res;
  throw await refusal(res, sent);
}

async function refusal(res: Response, sent: string | null): Promise<Error> {
  let body: Record<string, unknown> = {};
  try {
    body = (await res.json()) as Record<string, unknown>;
  } catch {
    // A proxy in between answers in HTML: the status says enough.
  }
  const errcode = typeof body["errcode"] === "string" ? body["errcode"] : "";
  const message = typeof body["error"] === "string" ? body["error"] : `The server answered ${res.status}.`;
  if (res.status === 401 && errcode === "M_UNKNOWN_TOKEN" && sent !== null && sent === token) {
    keepToken(null);
    onSignedOut("You have been signed out. Sign in again to carry on.");
  }
  return new APIError(res.status, errcode, message, body);
}

/** What to tell the person about a request that failed. */
export function explain(e: unknown): string {
  if (e instanceof APIError) {
    if (e.status === 429) return "That was too quick for the server. Wait a moment and try again.";
    if (e.errcode === "M_UNRECOGNIZED") return "This cannot be done here yet.";
    if (e.status >= 500) return "The server had a fault. Try again in a moment.";
    return e.message;
  }
  if (e instanceof Unreachable) return "No connection to the server. Check the network and try again.";
  return "Something went wrong. Try again.";
}

export function enc(s: string): string {
  return encodeURIComponent(s);
}
