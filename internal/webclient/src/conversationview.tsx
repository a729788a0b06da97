// One conversation: who is here, what was said, and where one writes.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { signal } from "./preact/signals.js";
import { explain } from "./api.js";
import type { Conversation } from "./conversations.js";
import type { Message } from "./history.js";
import { type About, Composer } from "./composer.js";
import { audience, PeopleSheet } from "./people.js";
import { openConversation, openList } from "./route.js";
import { say } from "./say.js";
import { SearchSheet } from "./search.js";
import { showSheet } from "./sheet.js";
import { Timeline } from "./timeline.js";
import { TimerSheet } from "./timer.js";
import { Avatar } from "./avatar.js";
import { lifetime, shortLifetime } from "./words.js";
import { Back, Clock, Search } from "./icons.js";

/** A message to be gone to, once its conversation is open. */
const target = signal<{ room: string; id: string } | null>(null);

export function goTo(room: string, id: string): void {
  target.value = { room, id };
  openConversation(room);
}

export function ConversationView({ c }: { c: Conversation }): VNode {
  void c.changed.value;
  const [about, setAbout] = useState<About | null>(null);
  const [going, setGoing] = useState("");
  const [files, setFiles] = useState<File[]>([]);
  const [over, setOver] = useState(false);

  useEffect(() => {
    c.open = true;
    c.loadMembers().catch(() => {});
    return () => c.close();
  }, [c.membership]);

  const go = async (id: string) => {
    try {
      if (!(await c.goTo(id))) say("That message is no longer here.");
      setGoing("");
      setTimeout(() => setGoing(id));
    } catch (e) {
      say(explain(e));
    }
  };

  const wanted = target.value;
  useEffect(() => {
    if (wanted?.room !== c.id) return;
    target.value = null;
    void go(wanted.id);
  }, [wanted]);

  const begin = (kind: About["kind"]) => (m: Message) => setAbout({ kind, m });
  return (
    <section
      class={over ? "conversation over" : "conversation"}
      aria-label={`Conversation: ${c.title}`}
      onDragOver={(e) => {
        if (!e.dataTransfer?.types.includes("Files")) return;
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={(e) => {
        if (e.target === e.currentTarget) setOver(false);
      }}
      onDrop={(e) => {
        e.preventDefault();
        setOver(false);
        setFiles([...(e.dataTransfer?.files ?? [])]);
      }}
    >
      <header class="head">
        <button type="button" class="round back" aria-label="Back to the list" onClick={openList}><Back /></button>
        <h1 class="head-heading">
          <button type="button" class="head-title" onClick={() => showSheet(<PeopleSheet c={c} />)}>
            <Avatar id={c.partner || c.id} name={c.title} group={!c.partner} />
            <span class="head-words">
              <span class="head-name" dir="auto">{c.title}</span>
              <span class="head-people">{audience(c)}</span>
            </span>
          </button>
        </h1>
        <button
          type="button"
          class={c.lifetime > 0 ? "round timed" : "round"}
          aria-label={c.lifetime > 0 ? `Disappearing messages: ${lifetime(c.lifetime)}` : "Disappearing messages: off"}
          onClick={() => showSheet(<TimerSheet c={c} />)}
        >
          <Clock />
          {c.lifetime > 0 && <span aria-hidden="true">{shortLifetime(c.lifetime)}</span>}
        </button>
        <button type="button" class="round" aria-label="Find in this conversation" onClick={() => showSheet(<SearchSheet c={c} onGoTo={go} />)}><Search /></button>
      </header>
      {c.marking && <p class={/SENSITIVE/i.test(c.marking) ? "marking sensitive" : "marking"}>{c.marking}</p>}
      <Timeline c={c} goingTo={going} onGoTo={go} onReply={begin("reply")} onEdit={begin("edit")} />
      <Composer c={c} about={about} onAbout={setAbout} files={files} onFiles={setFiles} />
    </section>
  );
}
