import { signal } from "./preact/signals.js";
import { call, hasToken, keepToken, whenSignedOut } from "./api.js";
import { resetRoute } from "./route.js";
const signedIn = signal(hasToken());
const signedOutBecause = signal("");
const forget = [];
function whenOver(f) {
  forget.push(f);
}
whenSignedOut(over);
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
  signedIn.value = true;
}
async function signOut(everywhere) {
  await call("POST", everywhere ? "/_matrix/client/v3/logout/all" : "/_matrix/client/v3/logout", { body: {} });
  keepToken(null);
  over(everywhere ? "Every phone and computer has been signed out, this one too. Sign in again to carry on." : "");
}
function over(message) {
  sessionStorage.clear();
  if (hasToken()) {
    location.reload();
    return;
  }
  for (const f of forget) f();
  sessionStorage.clear();
  signedOutBecause.value = message;
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
  signIn,
  signInWithToken,
  signOut,
  signedIn,
  signedOutBecause,
  whenOver
};
