// One message: what one needs, and the rest on demand.

import { h, type VNode } from "./preact/preact.js";
import { type Message, bodyOf, caption, summary } from "./history.js";
import { text } from "./matrix.js";
import { Avatar } from "./avatar.js";
import { again, discard } from "./outbox.js";
import { bytes, time } from "./words.js";
import { memo } from "./memo.js";
import { Picture } from "./picture.js";
import { save } from "./media.js";
import { say } from "./say.js";
import { Text } from "./text.js";
import { File, More, Reply, Smile, Ticks, Warning } from "./icons.js";

export type Tick = "waiting" | "recorded" | "delivered" | "read";

export interface Doings {
  menu: (m: Message, at?: { x: number; y: number }) => void;
  reactions: (m: Message, at?: { x: number; y: number }) => void;
  reply: (m: Message) => void;
  react: (m: Message, key: string) => void;
  receipt: (m: Message) => void;
  goTo: (id: string) => void;
}

interface Props {
  m: Message;
  name: string;
  mentioned: string[];
  group: boolean;
  tick: Tick | "";
  quoted: { name: string; text: string } | null;
  doings: Doings;
}

export const MessageLine = memo<Props>(Line, (a, b) =>
  a.m.key === b.m.key && a.m.id === b.m.id && a.m.content === b.m.content && a.m.gone === b.m.gone &&
  a.m.edited === b.m.edited && a.m.first === b.m.first && a.m.last === b.m.last && a.m.local === b.m.local && a.m.shown === b.m.shown &&
  a.tick === b.tick && a.name === b.name && a.group === b.group && a.quoted?.text === b.quoted?.text &&
  a.quoted?.name === b.quoted?.name && JSON.stringify(a.m.reactions) === JSON.stringify(b.m.reactions) &&
  a.mentioned.join() === b.mentioned.join());

function Line({ m, name, mentioned, group, tick, quoted, doings }: Props): VNode {
  const from = m.mine ? "You" : name;
  const failed = m.local?.state === "failed";
  const bare = m.content.msgtype === "m.image" && !m.gone && !caption(m.content) && !quoted;
  return (
    <div class={`line ${m.mine ? "mine" : "theirs"} ${m.first ? "first" : ""} ${m.last ? "last" : ""} ${group ? "group" : ""} ${m.reactions.length > 0 ? "reacted" : ""}`}>
      {group && !m.mine && (m.last ? <Avatar id={m.sender} name={name} size="small" /> : <span class="avatar-room" />)}
      <div class={`bubble ${m.gone ? "gone" : ""} ${bare ? "bare" : ""} ${failed ? "failed" : ""}`}>
        {m.first && group && !m.mine ? <p class="from" dir="auto">{name}</p> : <span class="hidden">{from}:</span>}
        {quoted && !m.gone && (
          <button type="button" class="quote" tabIndex={-1} onClick={() => doings.goTo(m.replyTo)} title="Go there">
            <span class="hidden">In reply to </span>
            <b dir="auto">{quoted.name}</b>
            <span dir="auto">{quoted.text}</span>
          </button>
        )}
        <Body m={m} from={from} mentioned={mentioned} />
        <Meta m={m} tick={tick} doings={doings} />
      </div>
      {!m.gone && !m.local && (
        <div class="quick">
          <button type="button" class="round" tabIndex={-1} aria-label="React" onClick={(e) => doings.reactions(m, beside(e))}><Smile /></button>
          <button type="button" class="round" tabIndex={-1} aria-label="Reply" onClick={() => doings.reply(m)}><Reply /></button>
          <button type="button" class="round" tabIndex={-1} aria-label="More" onClick={(e) => doings.menu(m, beside(e))}><More /></button>
        </div>
      )}
      {m.reactions.length > 0 && (
        <div class="reactions">
          {m.reactions.map((r) => (
            <button
              key={r.key}
              type="button"
              class={r.mine ? "reaction own" : "reaction"}
              tabIndex={-1}
              aria-pressed={r.mine !== null}
              aria-label={`${r.key} from ${r.names.join(", ")}`}
              title={r.names.join(", ")}
              onClick={() => doings.react(m, r.key)}
            >
              <span>{r.key}</span>
              {r.count > 1 && <span class="count">{r.count}</span>}
            </button>
          ))}
        </div>
      )}
      {failed && (
        <p class="unsent" role="alert">
          <Warning /> <span>Not sent. {m.local!.error}</span>
          <button type="button" class="link" onClick={() => again(m.local!.txn)}>Try again</button>
          <button type="button" class="link" onClick={() => discard(m.local!.txn)}>Remove</button>
        </p>
      )}
    </div>
  );
}

function beside(e: MouseEvent): { x: number; y: number } {
  const r = (e.currentTarget as HTMLElement).getBoundingClientRect();
  return { x: r.left, y: r.bottom + 4 };
}

function Body({ m, from, mentioned }: { m: Message; from: string; mentioned: string[] }): VNode {
  if (m.gone === "expired") return <span class="text">Disappeared. It stays on the official record.</span>;
  if (m.gone) return <span class="text">Deleted. It stays on the official record.</span>;
  if (m.ev.type === "m.room.encrypted") return <span class="text">A message that cannot be read here.</span>;
  switch (m.content.msgtype) {
    case "m.image":
      return (
        <div class="with-picture">
          <Picture content={m.content} shown={m.shown} from={from} />
          {caption(m.content) && <Text body={caption(m.content)} mentions={mentioned} />}
        </div>
      );
    case "m.file":
    case "m.video":
    case "m.audio":
      return <Attachment m={m} />;
    case "m.emote":
      return <Text body={`${from} ${text(m.content.body)}`} mentions={mentioned} />;
    default:
      return <Text body={bodyOf(m.content, m.replyTo !== "")} mentions={mentioned} />;
  }
}

function Attachment({ m }: { m: Message }): VNode {
  const name = summary(m);
  const size = m.content.info?.size;
  return (
    <button
      type="button"
      class="file"
      tabIndex={-1}
      disabled={!m.content.url}
      aria-label={`Save the file ${name}`}
      onClick={() => save(text(m.content.url), name).catch(() => say("The file could not be fetched. Try again."))}
    >
      <span class="file-icon"><File /></span>
      <span class="file-words">
        <span class="file-name" dir="auto">{name}</span>
        <span class="file-size">{typeof size === "number" ? bytes(size) : "File"}</span>
      </span>
    </button>
  );
}

function Meta({ m, tick, doings }: { m: Message; tick: Tick | ""; doings: Doings }): VNode {
  const when = time(m.ts);
  if (!m.mine || m.local?.state === "failed") {
    return (
      <span class="meta">
        {m.edited && !m.gone && <span>edited </span>}
        <time dateTime={new Date(m.ts).toISOString()}>{when}</time>
      </span>
    );
  }
  return (
    <button type="button" class="meta" tabIndex={-1} disabled={!!m.local} onClick={() => doings.receipt(m)} title="Receipt">
      {m.edited && !m.gone && <span>edited </span>}
      <time dateTime={new Date(m.ts).toISOString()}>{when}</time>
      {tick && <Ticks state={tick} />}
    </button>
  );
}
