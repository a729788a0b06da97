// What one can do with a message, on right click, on a long press, or by the keyboard.

import { h, type ComponentChildren, type VNode } from "./preact/preact.js";
import { useState } from "./preact/hooks.js";
import type { Conversation } from "./conversations.js";
import { type Message, bodyOf, caption, summary } from "./history.js";
import { redact, send } from "./outbox.js";
import { say } from "./say.js";
import { closeSheet, closeSheets, Sheet, showSheet } from "./sheet.js";
import { Bin, Copy, Forward, Pencil, Reply, Seal, Smile } from "./icons.js";

export const QUICK = ["👍", "❤️", "😂", "😮", "🙏", "✅"];
const MORE = [..."👏🎉🔥💯🤝👀🙂😀😅😉😊😍🤔😐😕😢😭😡😱🥳💪✍️👎👌✌️🙌🤞🙏💚💙🟢🟡🔴⚠️❌❓❗⏳📌📎📷📞🗳️🏥🚑☕".match(/\p{Extended_Pictographic}\ufe0f?/gu) ?? []];

export function react(c: Conversation, m: Message, key: string): void {
  const own = m.reactions.find((r) => r.key === key)?.mine;
  if (own?.startsWith("~")) return;
  if (own) redact(c.id, own);
  else send(c.id, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: m.id, key } });
}

export function mayEdit(m: Message): boolean {
  return m.mine && !m.gone && !m.local && (m.content.msgtype === "m.text" || m.content.msgtype === "m.emote");
}

export function mayDelete(c: Conversation, m: Message): boolean {
  return !m.gone && !m.local && (m.mine || c.may("redact"));
}

export async function copy(m: Message): Promise<void> {
  try {
    await navigator.clipboard.writeText(caption(m.content) || bodyOf(m.content, m.replyTo !== ""));
    say("Copied.");
  } catch {
    say("The text could not be copied.");
  }
}

interface Props {
  c: Conversation;
  m: Message;
  at?: { x: number; y: number } | undefined;
  onReply: () => void;
  onEdit: () => void;
  onForward: () => void;
  onReceipt: () => void;
}

export function Actions({ c, m, at, onReply, onEdit, onForward, onReceipt }: Props): VNode {
  const hasText = m.content.msgtype !== "m.file" && (m.content.msgtype !== "m.image" || caption(m.content) !== "");
  return (
    <Sheet title="Message" kind="menu" hideTitle at={at}>
      {!m.gone && <Quick c={c} m={m} />}
      <div class="menu-items">
        {!m.gone && <Item do={onReply} icon={<Reply />}>Reply</Item>}
        {!m.gone && <Item do={onForward} icon={<Forward />}>Forward</Item>}
        {!m.gone && hasText && <Item do={() => void copy(m)} icon={<Copy />}>Copy</Item>}
        {mayEdit(m) && <Item do={onEdit} icon={<Pencil />}>Edit</Item>}
        <Item do={onReceipt} icon={<Seal />}>Receipt</Item>
        {mayDelete(c, m) && <Item do={() => showSheet(<Delete c={c} m={m} />)} icon={<Bin />} danger>Delete</Item>}
      </div>
    </Sheet>
  );
}

function Item({ do: f, icon, danger, children }: { do: () => void; icon: VNode; danger?: boolean; children: ComponentChildren }): VNode {
  return (
    <button type="button" class={danger ? "item danger" : "item"} onClick={() => {
      closeSheet();
      f();
    }}>
      {icon} {children}
    </button>
  );
}

/** The reactions, on their own when asked for by the smile beside a message. */
export function Reactions({ c, m, at }: { c: Conversation; m: Message; at?: { x: number; y: number } | undefined }): VNode {
  return (
    <Sheet title="React" kind="menu" hideTitle at={at}>
      <Quick c={c} m={m} />
    </Sheet>
  );
}

function Quick({ c, m }: { c: Conversation; m: Message }): VNode {
  const [all, setAll] = useState(false);
  const own = (key: string) => m.reactions.some((r) => r.key === key && r.mine !== null);
  return (
    <div class={all ? "emoji-grid" : "emoji-row"} role="group" aria-label="React">
      {(all ? [...QUICK, ...MORE] : QUICK).map((key) => (
        <button key={key} type="button" class="emoji-button" aria-pressed={own(key)} aria-label={`React ${key}`} onClick={() => {
          closeSheet();
          react(c, m, key);
        }}>{key}</button>
      ))}
      {!all && <button type="button" class="emoji-button" aria-label="More reactions" onClick={() => setAll(true)}><Smile /></button>}
    </div>
  );
}

export function Delete({ c, m }: { c: Conversation; m: Message }): VNode {
  return (
    <Sheet title="Delete this message?" kind="small">
      <blockquote class="what" dir="auto">{summary(m)}</blockquote>
      <p>It goes from everyone’s devices. It stays on the official record.</p>
      <div class="choices">
        <button type="button" class="button danger" data-focus onClick={() => {
          closeSheets();
          redact(c.id, m.id);
        }}>Delete for everyone</button>
        <button type="button" class="quiet" onClick={closeSheet}>Keep</button>
      </div>
    </Sheet>
  );
}
