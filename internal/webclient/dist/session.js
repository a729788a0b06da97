import { signal } from "./preact/signals.js";
import { APIError, call, enc, hasToken, keepToken, whenSignedOut } from "./api.js";
import { forgetEverything, learnName, me, nameOf } from "./conversations.js";
import { forgetMedia } from "./media.js";
import { emptyOutbox, restore } from "./outbox.js";
import { resetRoute } from "./route.js";
import { start, stop } from "./sync.js";
const signedIn = signal(hasToken());
const signedOutBecause = signal("");
const device = signal("");
const myName = signal("");
let announce = () => {
};
function begin(onMessage) {
  announce = onMessage;
  whenSignedOut(ended);
  if (signedIn.value) void resume();
}
async function signIn(user, password) {
  await enter({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: user.trim() },
    password
  });
}
async function signInWithToken(token) {
  await enter({ type: "m.login.token", token });
}
async function enter(body) {
  const answer = await call("POST", "/_matrix/client/v3/login", {
    anonymous: true,
    body: { ...body, initial_device_display_name: deviceName() }
  });
  keepToken(answer.access_token);
  signedOutBecause.value = "";
  await resume();
  signedIn.value = true;
}
async function resume() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 2e4)) {
    try {
      const who = await call("GET", "/_matrix/client/v3/account/whoami");
      me.value = who.user_id;
      device.value = who.device_id ?? "";
      break;
    } catch (e) {
      if (!hasToken()) return;
      if (e instanceof APIError && !e.passing) {
        if (e.status === 401) return;
        throw e;
      }
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
async function signOut(everywhere) {
  await call("POST", everywhere ? "/_matrix/client/v3/logout/all" : "/_matrix/client/v3/logout", { body: {} });
  keepToken(null);
  ended(everywhere ? "Every phone and computer has been signed out, this one too. Sign in again to carry on." : "");
}
function ended(message) {
  if (hasToken()) {
    sessionStorage.clear();
    location.reload();
    return;
  }
  stop();
  emptyOutbox();
  forgetEverything();
  forgetMedia();
  sessionStorage.clear();
  signedOutBecause.value = message;
  me.value = "";
  myName.value = "";
  signedIn.value = false;
  resetRoute();
}
function deviceName() {
  const agent = navigator.userAgent;
  const os = /Android|iPhone|iPad|Windows|Mac OS|CrOS|Linux/.exec(agent)?.[0] ?? "a device";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(agent)?.[0]?.replace("Edg", "Edge") ?? "a browser";
  return `${browser} on ${os.replace("Mac OS", "Mac").replace("CrOS", "Chromebook")}`;
}
export {
  begin,
  device,
  myName,
  signIn,
  signInWithToken,
  signOut,
  signedIn,
  signedOutBecause
};
