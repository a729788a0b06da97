// The whole window of somebody who is signed in: the list on the left, a conversation on the right; on
// a phone one or the other.

import { h, Fragment, type VNode } from "./preact/preact.js";
import { useEffect } from "./preact/hooks.js";
import { useSignalEffect } from "./preact/signals.js";
import { conversations, nameOf, unreadTotal } from "./conversations.js";
import { ConversationList } from "./conversationlist.js";
import { ConversationView } from "./conversationview.js";
import { bodyOf, summary } from "./history.js";
import { type MatrixEvent, relation } from "./matrix.js";
import { whenRefused } from "./outbox.js";
import { resume } from "./resume.js";
import { route } from "./route.js";
import { announce, say } from "./say.js";
import { closeSheets, Sheets } from "./sheet.js";
import { Brand } from "./signin.js";
import { connection } from "./sync.js";

whenRefused(say);

export function Window(): VNode {
  useEffect(() => {
    void resume(readOut);
    return closeSheets;
  }, []);
  useSignalEffect(() => {
    const n = unreadTotal.value;
    document.title = n > 0 ? `(${n}) Despatch` : "Despatch";
    const badge = n > 0 ? navigator.setAppBadge?.(n) : navigator.clearAppBadge?.();
    badge?.catch(() => {});
  });
  const id = route.value;
  const c = conversations.value.get(id);
  return (
    <Fragment>
      <main class={id ? "window reading" : "window"}>
        <ConversationList />
        <div class="main">{c ? <ConversationView key={id} c={c} /> : <Nothing id={id} />}</div>
      </main>
      <Sheets />
    </Fragment>
  );
}

function readOut(room: string, ev: MatrixEvent): void {
  if (relation(ev).rel_type === "m.replace") return;
  const who = nameOf(ev.sender);
  if (room === route.value) {
    const content = { ...ev.content, body: bodyOf(ev.content, !!relation(ev)["m.in_reply_to"]) };
    announce(`${who}: ${summary({ ev, content, gone: "" })}`);
  } else announce(`A message from ${who} in ${conversations.value.get(room)?.title ?? "another conversation"}`);
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
