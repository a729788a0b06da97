// Signing in and out, and who one is.

import { signal } from "./preact/signals.js";
import { APIError, call, enc, hasToken, keepToken, whenSignedOut } from "./api.js";
import { forgetEverything, learnName, me, nameOf } from "./conversations.js";
import { forgetMedia } from "./media.js";
import type { MatrixEvent } from "./matrix.js";
import { emptyOutbox, restore } from "./outbox.js";
import { resetRoute } from "./route.js";
import { start, stop } from "./sync.js";

export const signedIn = signal(hasToken());
/** Why one has to sign in again, if one was signed out by somebody else. */
export const signedOutBecause = signal("");
export const device = signal("");
export const myName = signal("");

interface Login {
  access_token: string;
  user_id: string;
  device_id: string;
}

let announce: (room: string, ev: MatrixEvent) => void = () => {};

export function begin(onMessage: (room: string, ev: MatrixEvent) => void): void {
  announce = onMessage;
  whenSignedOut(ended);
  if (signedIn.value) void resume();
}

export async function signIn(user: string, password: string): Promise<void> {
  await enter({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: user.trim() },
    password,
  });
}

/** Comes back from the organisation's single sign-on with the token it gave. */
export async function signInWithToken(token: string): Promise<void> {
  await enter({ type: "m.login.token", token });
}

async function enter(body: Record<string, unknown>): Promise<void> {
  const answer = await call<Login>("POST", "/_matrix/client/v3/login", {
    anonymous: true,
    body: { ...body, initial_device_display_name: deviceName() },
  });
  keepToken(answer.access_token);
  signedOutBecause.value = "";
  await resume();
  signedIn.value = true;
}

async function resume(): Promise<void> {
  for (let wait = 500; ; wait = Math.min(wait * 2, 20_000)) {
    try {
      const who = await call<{ user_id: string; device_id?: string }>("GET", "/_matrix/client/v3/account/whoami");
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
    const p = await call<{ displayname?: string }>("GET", `/_matrix/client/v3/profile/${enc(me.value)}`);
    learnName(me.value, p.displayname);
  } catch {
    // The name is a nicety.
  }
  myName.value = nameOf(me.value);
}

export async function signOut(everywhere: boolean): Promise<void> {
  await call("POST", everywhere ? "/_matrix/client/v3/logout/all" : "/_matrix/client/v3/logout", { body: {} });
  keepToken(null);
  ended(everywhere ? "Every phone and computer has been signed out, this one too. Sign in again to carry on." : "");
}

// Whoever is signed out leaves nothing behind in the tab.
function ended(message: string): void {
  if (hasToken()) { // another tab signed in, perhaps as somebody else
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

function deviceName(): string {
  const agent = navigator.userAgent;
  const os = /Android|iPhone|iPad|Windows|Mac OS|CrOS|Linux/.exec(agent)?.[0] ?? "a device";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(agent)?.[0]?.replace("Edg", "Edge") ?? "a browser";
  return `${browser} on ${os.replace("Mac OS", "Mac").replace("CrOS", "Chromebook")}`;
}
