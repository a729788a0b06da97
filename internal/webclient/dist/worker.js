(() => {
  const worker = self;
  let shared = { files: [], text: "" };
  const name = "despatch-" + BUILD;
  const lasting = new Set(SHELL);
  worker.addEventListener("install", (e) => {
    const keep = async () => {
      const cache = await caches.open(name);
      await cache.addAll(["/", ...SHELL]);
    };
    e.waitUntil(keep());
  });
  worker.addEventListener("activate", (e) => {
    const tidy = async () => {
      for (const other of await caches.keys()) if (other !== name) await caches.delete(other);
    };
    e.waitUntil(tidy());
  });
  worker.addEventListener("message", (e) => {
    const { data, source } = e;
    if (data !== "what was shared") return;
    source?.postMessage({ shared });
    shared = { files: [], text: "" };
  });
  worker.addEventListener("fetch", (e) => {
    const { request } = e;
    const url = new URL(request.url);
    if (request.method === "POST" && url.origin === location.origin && url.pathname === "/share") {
      const take = async () => {
        const form = await request.formData();
        const words = ["title", "text", "url"].map((name2) => form.get(name2)).filter((v) => typeof v === "string" && v.trim() !== "");
        shared = { files: form.getAll("file").filter((f) => f instanceof File && f.size > 0), text: [...new Set(words)].join("\n") };
        return Response.redirect("/#/shared", 303);
      };
      e.respondWith(take());
      return;
    }
    if (request.method !== "GET" || url.origin !== location.origin) return;
    if (lasting.has(url.pathname)) {
      e.respondWith(caches.match(url.pathname).then((kept) => kept ?? fetch(request)));
    } else if (url.pathname === "/" && request.mode === "navigate") {
      e.respondWith(fetch(request).catch(async () => await caches.match("/") ?? Response.error()));
    }
  });
})();
