// Starts the messenger.

import { h, render } from "./preact/preact.js";
import { App } from "./app.js";
import { conversations, nameOf } from "./conversations.js";
import { bodyOf, summary } from "./history.js";
import { relation } from "./matrix.js";
import { whenRefused } from "./outbox.js";
import { route } from "./route.js";
import { announce, say } from "./say.js";
import { begin } from "./session.js";

whenRefused(say);
begin((room, ev) => {
  if (relation(ev).rel_type === "m.replace") return;
  const who = nameOf(ev.sender);
  if (room === route.value) {
    const content = { ...ev.content, body: bodyOf(ev.content, !!relation(ev)["m.in_reply_to"]) };
    announce(`${who}: ${summary({ ev, content, gone: "" })}`);
  } else announce(`A message from ${who} in ${conversations.value.get(room)?.title ?? "another conversation"}`);
});
render(<App />, document.getElementById("app")!);

// The worker keeps the app itself for when there is no network; it never sees a message.
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/worker.js").catch(() => {});
