// Being signed in or not. This, signing in, and what these need is all that a first visit waits for;
// everything else is fetched behind it.

import { signal } from "./preact/signals.js";
import { call, hasToken, keepToken, whenSignedOut } from "./api.js";
import { resetRoute } from "./route.js";

export const signedIn = signal(hasToken());
/** Why one has to sign in again, if one was signed out by somebody else. */
export const signedOutBecause = signal("");

const forget: (() => void)[] = [];

/** Has f called when the session is over: whoever is signed out leaves nothing behind in the tab. */
export function whenOver(f: () => void): void {
  forget.push(f);
}

whenSignedOut(over);

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
  const answer = await call<{ access_token: string }>("POST", "/_matrix/client/v3/login", {
    anonymous: true,
    body: { ...body, initial_device_display_name: deviceName() },
  });
  keepToken(answer.access_token);
  signedOutBecause.value = "";
  signedIn.value = true;
}

export async function signOut(everywhere: boolean): Promise<void> {
  await call("POST", everywhere ? "/_matrix/client/v3/logout/all" : "/_matrix/client/v3/logout", { body: {} });
  keepToken(null);
  over(everywhere ? "Every phone and computer has been signed out, this one too. Sign in again to carry on." : "");
}

function over(message: string): void {
  sessionStorage.clear();
  if (hasToken()) { // another tab signed in, perhaps as somebody else
    location.reload();
    return;
  }
  for (const f of forget) f();
  sessionStorage.clear();
  signedOutBecause.value = message;
  signedIn.value = false;
  resetRoute();
}

function deviceName(): string {
  const agent = navigator.userAgent;
  const os = /Android|iPhone|iPad|Windows|Mac OS|CrOS|Linux/.exec(agent)?.[0] ?? "a device";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(agent)?.[0]?.replace("Edg", "Edge") ?? "a browser";
  return `${browser} on ${os.replace("Mac OS", "Mac").replace("CrOS", "Chromebook")}`;
}
