import { signal } from "./preact/signals.js";
import { APIError, call, enc, hasToken } from "./api.js";
import { forgetEverything, learnName, me, nameOf } from "./conversations.js";
import { forgetMedia } from "./media.js";
import { emptyOutbox, restore } from "./outbox.js";
import { whenOver } from "./session.js";
import { start, stop } from "./sync.js";
const device = signal("");
const myName = signal("");
whenOver(() => {
  stop();
  emptyOutbox();
  forgetEverything();
  forgetMedia();
  me.value = "";
  myName.value = "";
});
async function resume(announce) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 2e4)) {
    try {
      const who = await call("GET", "/_matrix/client/v3/account/whoami");
      me.value = who.user_id;
      device.value = who.device_id ?? "";
      break;
    } catch (e) {
      if (!hasToken() || e instanceof APIError && !e.passing) return;
      await new Promise((done) => setTimeout(done, wait));
    }
  }
  start(announce);
  restore();
  try {
    const p = await call("GET", `/_matrix/client/v3/profile/${enc(me.value)}`);
    learnName(me.value, p.displayname);
  } catch {
  }
  myName.value = nameOf(me.value);
}
export {
  device,
  myName,
  resume
};
