// The list: all conversations, and above it the one field with which anything is found.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { useSignalEffect } from "./preact/signals.js";
import { call, enc, explain } from "./api.js";
import { learnOwed, owed } from "./captured.js";
import { fold, PersonRow, usePeople } from "./choosepeople.js";
import { type Conversation, isMessage, me, nameOf, sorted } from "./conversations.js";
import { type Line, summary } from "./history.js";
import { NewConversation, talkTo } from "./newconversation.js";
import { outgoingIn } from "./outbox.js";
import { openConversation, route } from "./route.js";
import { myName } from "./resume.js";
import { HitRow, outcome, useMessages } from "./search.js";
import { type Shared, shared } from "./shared.js";
import { showSheet } from "./sheet.js";
import { say } from "./say.js";
import { connection } from "./sync.js";
import { Account } from "./account.js";
import { Avatar } from "./avatar.js";
import { names, plural, when } from "./words.js";
import { Clock, Close, Pencil, Seal, Search, Ticks, Tray } from "./icons.js";
import { goTo } from "./conversationview.js";

/** Opens "Put on the record", with what was dropped or shared if there is any. */
export async function openCapture(dropped?: File[], problem = ""): Promise<void> {
  const { Capture } = await import("./capture.js");
  showSheet(<Capture dropped={dropped} problem={problem} />);
}

async function openNote(text = ""): Promise<void> {
  const { Note } = await import("./note.js");
  showSheet(<Note text={text} />);
}

async function openMine(): Promise<void> {
  const { MyRecord } = await import("./myrecord.js");
  showSheet(<MyRecord />);
}

// lookAtShared opens what the phone's share sheet handed over.
function lookAtShared(s: Shared): void {
  if (s.files.length > 0) void openCapture(s.files);
  else if (s.text) void openNote(s.text);
  else void openCapture(undefined, "What you shared did not arrive. Choose it here.");
}

// openAsked opens what the address asks for: the app's shortcuts, and links in reminders.
function openAsked(): void {
  const open = { "#/capture": openCapture, "#/note": openNote, "#/mine": openMine }[location.hash];
  if (!open) return;
  history.replaceState(null, "", "#/");
  void open();
}

// everyNow asks what is owed: at first, now and then, and when one comes back.
function everyNow(): () => void {
  const ask = () => {
    if (document.visibilityState === "visible") void learnOwed();
  };
  ask();
  const timer = setInterval(ask, 120_000);
  document.addEventListener("visibilitychange", ask);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", ask);
  };
}

export function ConversationList(): VNode {
  const [term, setTerm] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(openAsked, []);
  useEffect(everyNow, []);
  useSignalEffect(() => {
    const s = shared.value;
    if (!s) return;
    shared.value = null;
    lookAtShared(s);
  });

  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        field.current?.focus();
        field.current?.select();
      } else if (e.altKey && (e.key === "ArrowUp" || e.key === "ArrowDown") && !document.querySelector("dialog[open]")) {
        const all = sorted.value.filter((c) => c.membership === "join");
        const i = all.findIndex((c) => c.id === route.value);
        const next = all[i + (e.key === "ArrowUp" ? -1 : 1)];
        if (next) {
          e.preventDefault();
          openConversation(next.id);
        }
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  const clear = () => {
    setTerm("");
    field.current?.focus();
  };
  return (
    <nav class="list" aria-label="Conversations">
      <header class="list-head">
        <button type="button" class="account" aria-label={`You: ${myName.value}`} onClick={() => showSheet(<Account />)}>
          <Avatar id={me.value} name={myName.value || "?"} />
        </button>
        <h1>Despatch</h1>
        <button type="button" class="round accent" aria-label="New conversation" onClick={() => showSheet(<NewConversation />)}><Pencil /></button>
      </header>
      <div class="search-field">
        <Search />
        <input
          ref={field}
          type="search"
          dir="auto"
          autocomplete="off"
          placeholder="Find anything"
          aria-label="Find people, conversations, messages"
          value={term}
          onInput={(e) => setTerm(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === "Escape") clear();
            if (e.key === "Enter" || e.key === "ArrowDown") {
              const first = document.querySelector<HTMLElement>(".list-body a, .list-body button");
              e.preventDefault();
              if (e.key === "Enter" && term) first?.click();
              else first?.focus();
            }
          }}
        />
        {term && <button type="button" class="round" aria-label="Clear" onClick={clear}><Close /></button>}
      </div>
      {connection.value === "offline" && <p class="offline" role="status">No connection. Messages send themselves when it is back.</p>}
      <div class="list-body" onKeyDown={arrows}>
        {term.trim() ? <FoundAll term={term} /> : <All />}
      </div>
      <footer class="list-foot">
        <button type="button" class="row-button" onClick={() => void openCapture()}>
          <span class="row-icon"><Tray /></span> Put on the record
        </button>
        <MineButton />
      </footer>
    </nav>
  );
}

function MineButton(): VNode {
  const { requests, overdue, answers } = owed.value;
  const n = requests + answers;
  const label = [requests > 0 && plural(requests, "request"), overdue > 0 && `${overdue} overdue`, answers > 0 && plural(answers, "answer") + " wanted"].filter(Boolean).join(", ");
  return (
    <button type="button" class="row-button" onClick={() => void openMine()}>
      <span class="row-icon"><Seal /></span> <span class="grow">My record</span>
      {n > 0 && <span class={overdue > 0 ? "badge late" : "badge"}><span aria-hidden="true">{n > 99 ? "99+" : n}</span><span class="hidden">{label}</span></span>}
    </button>
  );
}

// arrows walks up and down through what can be opened.
function arrows(e: KeyboardEvent): void {
  if ((e.key !== "ArrowDown" && e.key !== "ArrowUp") || e.altKey) return;
  const all = [...document.querySelectorAll<HTMLElement>(".list-body a, .list-body button")];
  const i = all.indexOf(document.activeElement as HTMLElement);
  if (i < 0) return;
  e.preventDefault();
  const next = all[i + (e.key === "ArrowDown" ? 1 : -1)];
  if (next) next.focus();
  else if (e.key === "ArrowUp") document.querySelector<HTMLElement>(".list input")?.focus();
}

function All(): VNode {
  const list = sorted.value;
  if (list.length === 0 && connection.value === "starting") {
    return <ul class="rows skeleton" aria-hidden="true">{Array.from({ length: 7 }, (_, i) => <li key={i}><span /><span /></li>)}</ul>;
  }
  if (list.length === 0) {
    return (
      <div class="nothing">
        <p>No conversations yet.</p>
        <button type="button" class="button" onClick={() => showSheet(<NewConversation />)}>Write to a colleague</button>
      </div>
    );
  }
  return <ul class="rows">{list.map((c) => <li key={c.id}>{c.membership === "invite" ? <Invitation c={c} /> : <Row c={c} />}</li>)}</ul>;
}

function Row({ c }: { c: Conversation }): VNode {
  const newest = c.newest(outgoingIn(c.id));
  const unread = c.unread;
  const here = route.value === c.id;
  const typing = c.typing.value;
  const label = unread > 0 ? `${plural(unread, "unread message")}` : "";
  return (
    <a
      class={`row ${here ? "here" : ""} ${unread > 0 ? "unread" : ""}`}
      href={"#/c/" + encodeURIComponent(c.id)}
      aria-current={here ? "page" : undefined}
      onClick={(e) => {
        if (e.ctrlKey || e.metaKey || e.shiftKey) return;
        e.preventDefault();
        openConversation(c.id);
      }}
    >
      <Avatar id={c.partner || c.id} name={c.title} group={!c.partner} />
      <span class="row-words">
        <span class="row-top">
          <span class="row-title" dir="auto">{c.title}</span>
          {c.lifetime > 0 && <span class="row-clock" title="Disappearing messages"><Clock /></span>}
          {newest && <time class="row-when">{when(newest.ts)}</time>}
        </span>
        <span class="row-bottom">
          {typing.length > 0
            ? <span class="row-last now">{c.partner ? "typing…" : `${names(typing.map(nameOf), 2)} typing…`}</span>
            : <span class="row-last" dir="auto">{newest && <Last c={c} line={newest} />}</span>}
          {unread > 0 && <span class="badge"><span aria-hidden="true">{unread > 99 ? "99+" : unread}</span><span class="hidden">{label}</span></span>}
        </span>
      </span>
    </a>
  );
}

function Last({ c, line }: { c: Conversation; line: Line }): VNode {
  if (!isMessage(line)) return <span>{line.text}</span>;
  if (line.local?.state === "failed") return <span class="row-failed">Not sent</span>;
  const who = line.mine ? "" : c.partner ? "" : nameOf(line.sender) + ": ";
  return (
    <span class={line.gone ? "row-gone" : ""}>
      {line.mine && !line.gone && <Ticks state={tick(c, line)} />}
      {who}{summary(line)}
    </span>
  );
}

function tick(c: Conversation, line: Extract<Line, { kind: "message" }>): "waiting" | "recorded" | "delivered" | "read" {
  if (line.local) return "waiting";
  const reached = c.reached(line.id);
  const others = c.size - 1;
  if (others < 1) return "recorded";
  return reached.read.length >= others ? "read" : reached.delivered.length >= others ? "delivered" : "recorded";
}

function Invitation({ c }: { c: Conversation }): VNode {
  const [busy, setBusy] = useState(false);
  const join = async () => {
    setBusy(true);
    try {
      await call("POST", `/_matrix/client/v3/rooms/${enc(c.id)}/join`, { body: {} });
      openConversation(c.id);
    } catch (e) {
      setBusy(false);
      say(explain(e));
    }
  };
  return (
    <button type="button" class="row unread invitation" disabled={busy} onClick={() => void join()}>
      <Avatar id={c.partner || c.id} name={c.title} group={!c.partner} />
      <span class="row-words">
        <span class="row-top"><span class="row-title" dir="auto">{c.title}</span></span>
        <span class="row-bottom">
          <span class="row-last" dir="auto">{nameOf(c.invitedBy)} invites you</span>
          <span class="join">{busy ? "Joining…" : "Join"}</span>
        </span>
      </span>
    </button>
  );
}

function FoundAll({ term }: { term: string }): VNode {
  const t = fold(term.trim());
  const conversations = sorted.value.filter((c) => fold(c.title).includes(t));
  const people = usePeople(term, new Set(conversations.map((c) => c.partner))).slice(0, 6);
  const found = useMessages(term);
  return (
    <div class="found-all">
      {conversations.length > 0 && (
        <section>
          <h2>Conversations</h2>
          <ul class="rows">{conversations.slice(0, 8).map((c) => <li key={c.id}>{c.membership === "invite" ? <Invitation c={c} /> : <Row c={c} />}</li>)}</ul>
        </section>
      )}
      {found.hits.length > 0 && (
        <section>
          <h2>Messages</h2>
          <ul class="hits">
            {found.hits.map((hit) => (
              <li key={hit.id}><HitRow hit={hit} term={term} inRoom={false} onOpen={() => goTo(hit.room, hit.id)} /></li>
            ))}
          </ul>
        </section>
      )}
      {people.length > 0 && (
        <section>
          <h2>People</h2>
          <ul class="people-list">
            {people.map((p) => (
              <li key={p.user}>
                <button type="button" class="row-button" onClick={() => talkTo(p).catch((e) => say(explain(e)))}><PersonRow person={p} /></button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <p class="count" role="status">{outcome(term, found)}</p>
    </div>
  );
}
