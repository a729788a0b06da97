// The service worker: keeps the app's own files, so that it opens without a network. It never touches
// what is said: requests to the server's interfaces pass it by. What is shared with the app from a
// phone's share sheet goes through its memory, and is stored nowhere.

// The server writes these before this script: a name for this build, and its files.
declare const BUILD: string;
declare const SHELL: string[];

interface Extendable extends Event {
  waitUntil(p: Promise<unknown>): void;
}

interface Fetching extends Extendable {
  request: Request;
  respondWith(r: Promise<Response>): void;
}

(() => {
  const worker = self as EventTarget;
  let shared = { files: [] as File[], text: "" };
  const name = "despatch-" + BUILD;
  const lasting = new Set(SHELL);

  // A tab that is open keeps the worker, and so the files, that it was opened with.
  worker.addEventListener("install", (e) => {
    const keep = async () => {
      const cache = await caches.open(name);
      await cache.addAll(["/", ...SHELL]);
    };
    (e as Extendable).waitUntil(keep());
  });

  worker.addEventListener("activate", (e) => {
    const tidy = async () => {
      for (const other of await caches.keys()) if (other !== name) await caches.delete(other);
    };
    (e as Extendable).waitUntil(tidy());
  });

  // The app asks for what was shared; it is given once.
  worker.addEventListener("message", (e) => {
    const { data, source } = e as MessageEvent;
    if (data !== "what was shared") return;
    source?.postMessage({ shared });
    shared = { files: [], text: "" };
  });

  worker.addEventListener("fetch", (e) => {
    const { request } = e as Fetching;
    const url = new URL(request.url);
    if (request.method === "POST" && url.origin === location.origin && url.pathname === "/share") {
      const take = async () => {
        const form = await request.formData();
        const words = ["title", "text", "url"].map((name) => form.get(name)).filter((v) => typeof v === "string" && v.trim() !== "");
        shared = { files: form.getAll("file").filter((f) => f instanceof File && f.size > 0) as File[], text: [...new Set(words)].join("\n") };
        return Response.redirect("/#/shared", 303);
      };
      (e as Fetching).respondWith(take());
      return;
    }
    if (request.method !== "GET" || url.origin !== location.origin) return;
    if (lasting.has(url.pathname)) {
      (e as Fetching).respondWith(caches.match(url.pathname).then((kept) => kept ?? fetch(request)));
    } else if (url.pathname === "/" && request.mode === "navigate") {
      (e as Fetching).respondWith(fetch(request).catch(async () => (await caches.match("/")) ?? Response.error()));
    }
  });
})();
