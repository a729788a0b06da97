// The app: signing in, and after that the window, which is fetched while one is still typing.

import { h, Fragment, type ComponentType, type VNode } from "./preact/preact.js";
import { useEffect } from "./preact/hooks.js";
import { signal } from "./preact/signals.js";
import { Saying } from "./say.js";
import { signedIn } from "./session.js";
import { SignIn } from "./signin.js";

const window = signal<ComponentType | null>(null);

async function fetchWindow(): Promise<void> {
  for (let wait = 500; window.value === null; wait = Math.min(wait * 2, 10_000)) {
    try {
      window.value = (await import("./window.js")).Window;
    } catch {
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

export function App(): VNode {
  useEffect(() => void fetchWindow(), []);
  const Window = window.value;
  return (
    <Fragment>
      {!signedIn.value ? <SignIn /> : Window ? <Window /> : <main class="opening" aria-busy="true"><h1 class="hidden">Despatch</h1></main>}
      <Saying />
    </Fragment>
  );
}
