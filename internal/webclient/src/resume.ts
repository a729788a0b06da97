// Taking up a session: finding out who one is, and following the server from then on.

import { signal } from "./preact/signals.js";
import { APIError, call, enc, hasToken } from "./api.js";
import { forgetEverything, learnName, me, nameOf } from "./conversations.js";
import { forgetMedia } from "./media.js";
import type { MatrixEvent } from "./matrix.js";
import { emptyOutbox, restore } from "./outbox.js";
import { whenOver } from "./session.js";
import { start, stop } from "./sync.js";

/** The id of this device, and what one is called. */
export const device = signal("");
export const myName = signal("");

whenOver(() => {
  stop();
  emptyOutbox();
  forgetEverything();
  forgetMedia();
  me.value = "";
  myName.value = "";
});

/** Takes the session up; announce is given each message that arrives. */
export async function resume(announce: (room: string, ev: MatrixEvent) => void): Promise<void> {
  for (let wait = 500; ; wait = Math.min(wait * 2, 20_000)) {
    try {
      const who = await call<{ user_id: string; device_id?: string }>("GET", "/_matrix/client/v3/account/whoami");
      me.value = who.user_id;
      device.value = who.device_id ?? "";
      break;
    } catch (e) {
      if (!hasToken() || (e instanceof APIError && !e.passing)) return;
      await new Promise((done) => setTimeout(done, wait));
    }
  }
  start(announce);
  restore();
  try {
    const p = await call<{ displayname?: string }>("GET", `/_matrix/client/v3/profile/${enc(me.value)}`);
    learnName(me.value, p.displayname);
  } catch {
    // The name is a nicety.
  }
  myName.value = nameOf(me.value);
}
