// The whole window: the list on the left, a conversation on the right; on a phone one or the other.

import { h, Fragment, type VNode } from "./preact/preact.js";
import { useSignalEffect } from "./preact/signals.js";
import { conversations, unreadTotal } from "./conversations.js";
import { ConversationList } from "./conversationlist.js";
import { ConversationView } from "./conversationview.js";
import { route } from "./route.js";
import { Saying } from "./say.js";
import { signedIn } from "./session.js";
import { Sheets } from "./sheet.js";
import { Brand, SignIn } from "./signin.js";
import { connection } from "./sync.js";

export function App(): VNode {
  useSignalEffect(() => {
    const n = signedIn.value ? unreadTotal.value : 0;
    document.title = n > 0 ? `(${n}) Despatch` : "Despatch";
    const badge = n > 0 ? navigator.setAppBadge?.(n) : navigator.clearAppBadge?.();
    badge?.catch(() => {});
  });
  return (
    <Fragment>
      {signedIn.value ? <Window /> : <SignIn />}
      <Sheets />
      <Saying />
    </Fragment>
  );
}

function Window(): VNode {
  const id = route.value;
  const c = conversations.value.get(id);
  return (
    <main class={id ? "window reading" : "window"}>
      <ConversationList />
      <div class="main">
        {c ? <ConversationView key={id} c={c} /> : <Nothing id={id} />}
      </div>
    </main>
  );
}

function Nothing({ id }: { id: string }): VNode {
  const lost = id !== "" && connection.value === "online";
  return (
    <div class="nothing-open">
      <Brand />
      <p>{lost ? "You are not in this conversation, or it is no longer here." : id ? "Opening…" : "Choose a conversation, or begin one."}</p>
      {lost && <p><a class="quiet" href="#/">Back to the list</a></p>}
    </div>
  );
}
