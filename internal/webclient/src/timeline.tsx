// The history of a conversation. The newest message is at the bottom and stays there while one reads
// at the bottom; whatever is added elsewhere, what one is reading does not move.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./preact/hooks.js";
import { Actions, copy, Delete, mayDelete, mayEdit, react, Reactions } from "./actions.js";
import { explain } from "./api.js";
import { type Conversation, isMessage, nameOf } from "./conversations.js";
import { type Line, type Message, removed, summary } from "./history.js";
import { text } from "./matrix.js";
import { type Doings, MessageLine, type Tick } from "./message.js";
import { outbox } from "./outbox.js";
import { say } from "./say.js";
import { showSheet } from "./sheet.js";
import { day, names } from "./words.js";
import { Down } from "./icons.js";

interface Props {
  c: Conversation;
  goingTo: string;
  onGoTo: (id: string) => void;
  onReply: (m: Message) => void;
  onEdit: (m: Message) => void;
}

export function Timeline({ c, goingTo, onGoTo, onReply, onEdit }: Props): VNode {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const anchor = useRef<{ key: string; top: number } | null>(null);
  const [atBottom, setAtBottom] = useState(true);
  const [focused, setFocused] = useState("");
  const outgoing = outbox.value.filter((o) => o.room === c.id);
  const lines = c.lines(outgoing);
  const fresh = useFresh(c, lines);
  const ticks = c.ticks();
  const others = c.size - 1;
  const group = c.partner === "" || c.size > 2;

  const read = () => {
    const s = scroller.current;
    if (s && s.scrollTop > -80 && c.atNewest && document.visibilityState === "visible" && document.hasFocus()) void c.read();
  };

  const remember = () => {
    const s = scroller.current;
    if (!s) return;
    const box = s.getBoundingClientRect();
    const y = box.top + Math.min(160, box.height / 2);
    const below = document.elementsFromPoint(box.left + box.width / 2, y).map((e) => e.closest<HTMLElement>("[data-key]"));
    // Under an open sheet nothing can be pointed at: then each is asked.
    const el = below.find(Boolean) ?? [...list.current!.querySelectorAll<HTMLElement>("[data-key]")].find((e) => e.getBoundingClientRect().bottom > y);
    anchor.current = el ? { key: el.dataset["key"]!, top: el.getBoundingClientRect().top } : null;
  };

  // Keep what one reads where it is, and the newest in view when one is at the bottom: where it is, is
  // measured now, before anything in the page is changed, and set right once it has been.
  remember();
  useLayoutEffect(() => {
    const s = scroller.current!;
    const a = anchor.current;
    if (s.scrollTop > -40 && c.atNewest) {
      s.scrollTop = 0;
    } else if (a) {
      const el = list.current!.querySelector(`[data-key="${CSS.escape(a.key)}"]`);
      if (el) s.scrollTop += el.getBoundingClientRect().top - a.top;
    }
    read();
  });

  const fill = () => {
    const s = scroller.current;
    if (!s || c.loading.value) return;
    const above = s.scrollHeight - s.clientHeight + s.scrollTop;
    if (above < 900 && !c.atOldest) c.older().catch((e) => say(explain(e)));
    else if (s.scrollTop > -600 && !c.atNewest) c.newer().catch((e) => say(explain(e)));
  };

  useEffect(() => {
    const s = scroller.current!;
    let asked = 0;
    const onScroll = () => {
      if (asked) return;
      asked = requestAnimationFrame(() => {
        asked = 0;
        setAtBottom(s.scrollTop > -80 && c.atNewest);
        read();
        fill();
      });
    };
    s.addEventListener("scroll", onScroll, { passive: true });
    const seen = () => read();
    document.addEventListener("visibilitychange", seen);
    addEventListener("focus", seen);
    return () => {
      cancelAnimationFrame(asked);
      s.removeEventListener("scroll", onScroll);
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("focus", seen);
    };
  }, []);
  useEffect(fill, [lines.length]);

  // An own message is never sent out of sight.
  const sent = useRef(outgoing.length);
  useLayoutEffect(() => {
    if (outgoing.length > sent.current) {
      c.toNewest();
      scroller.current!.scrollTop = 0;
    }
    sent.current = outgoing.length;
  }, [outgoing.length]);

  useLayoutEffect(() => {
    if (!goingTo) return;
    const el = list.current!.querySelector<HTMLElement>(`[data-event="${CSS.escape(goingTo)}"]`);
    if (!el) return;
    el.scrollIntoView({ block: "center" });
    el.classList.add("found");
    el.focus({ preventScroll: true });
    const t = setTimeout(() => el.classList.remove("found"), 2000);
    return () => clearTimeout(t);
  }, [goingTo, c.atNewest]);

  const toNewest = () => {
    c.toNewest();
    scroller.current!.scrollTo({ top: 0 });
    setAtBottom(true);
  };

  const receipt = async (m: Message) => {
    const { Receipt } = await import("./receipt.js");
    showSheet(<Receipt c={c} m={m} />);
  };
  const forward = async (m: Message) => {
    const { ForwardTo } = await import("./forward.js");
    showSheet(<ForwardTo m={m} />);
  };
  const doings = useRef<Doings>(null as unknown as Doings);
  doings.current ??= {
    menu: (m, at) => {
      showSheet(
        <Actions c={c} m={m} at={at} onReply={() => onReply(m)} onEdit={() => onEdit(m)} onForward={() => void forward(m)} onReceipt={() => void receipt(m)} />,
      );
    },
    reactions: (m, at) => showSheet(<Reactions c={c} m={m} at={at} />),
    reply: onReply,
    react: (m, key) => react(c, m, key),
    receipt: (m) => void receipt(m),
    goTo: onGoTo,
  };

  const messageAt = (target: EventTarget | null): Message | undefined => {
    const id = (target as HTMLElement | null)?.closest<HTMLElement>("[data-event]")?.dataset["event"];
    return lines.filter(isMessage).find((m) => m.id === id);
  };
  const touch = useTouch(messageAt, doings.current);

  const onKey = (e: KeyboardEvent) => {
    const li = (e.target as HTMLElement).closest<HTMLElement>("[data-event]");
    if (!li || e.target !== li || e.ctrlKey || e.metaKey || e.altKey) return;
    const m = messageAt(li);
    const step = (n: Element | null) => {
      let el = n as HTMLElement | null;
      const back = e.key === "ArrowUp";
      while (el && !el.dataset["event"]) el = (back ? el.previousElementSibling : el.nextElementSibling) as HTMLElement | null;
      if (el) {
        setFocused(el.dataset["event"]!);
        el.focus();
      } else if (!back) document.querySelector<HTMLElement>(".composer textarea")?.focus();
    };
    const at = () => {
      const r = li.querySelector(".bubble")!.getBoundingClientRect();
      return { x: r.left, y: r.bottom + 4 };
    };
    const keys: Record<string, () => void> = {
      ArrowUp: () => step(li.previousElementSibling),
      ArrowDown: () => step(li.nextElementSibling),
      Home: () => step(list.current!.querySelector("[data-event]")),
      End: () => document.querySelector<HTMLElement>(".composer textarea")?.focus(),
      Escape: () => document.querySelector<HTMLElement>(".composer textarea")?.focus(),
    };
    if (m) {
      keys["Enter"] = keys[" "] = () => doings.current.menu(m, at());
      if (!m.gone && !m.local) {
        keys["r"] = () => onReply(m);
        keys["+"] = () => doings.current.reactions(m, at());
        keys["c"] = () => void copy(m);
        keys["f"] = () => void forward(m);
      }
      if (mayEdit(m)) keys["e"] = () => onEdit(m);
      if (mayDelete(c, m)) keys["Delete"] = keys["Backspace"] = () => showSheet(<Delete c={c} m={m} />);
    }
    const f = keys[e.key];
    if (f) {
      e.preventDefault();
      f();
    }
  };

  const last = lines.findLast(isMessage)?.id ?? "";
  const entry = lines.some((l) => l.id === focused) ? focused : last;
  return (
    <div class="timeline-room">
      <div class="timeline" ref={scroller} tabIndex={-1}>
        <div class="timeline-inside">
          {c.loading.value && !c.atOldest && <p class="loading-older" aria-hidden="true">Loading…</p>}
          <ol
            ref={list}
            aria-label="Messages"
            onKeyDown={onKey}
            onFocusIn={(e) => {
              const m = messageAt(e.target);
              if (m && e.target === (e.target as HTMLElement).closest("[data-event]")) setFocused(m.id);
            }}
            onContextMenu={(e) => {
              const m = messageAt(e.target);
              if (!m || m.local || (getSelection()?.toString() ?? "") !== "" || (e.target as HTMLElement).closest("a")) return;
              e.preventDefault();
              if (!touch.busy()) doings.current.menu(m, { x: e.clientX, y: e.clientY });
            }}
            {...touch.handlers}
          >
            {lines.flatMap((line) => {
              const out: VNode[] = [];
              if (line.newDay) {
                out.push(<li key={"day" + new Date(line.ts).toDateString()} class="day" data-key={"day" + line.key}><span>{day(line.ts)}</span></li>);
              }
              if (line.key === fresh) out.push(<li key="fresh" class="fresh"><span>New</span></li>);
              if (line.kind === "note") {
                out.push(<li key={line.key} class="note" data-key={line.key}><span dir="auto">{line.text}</span></li>);
                return out;
              }
              out.push(
                <li key={line.key} data-key={line.key} data-event={line.id} tabIndex={line.id === entry ? 0 : -1} class="message">
                  <MessageLine
                    m={line}
                    name={nameOf(line.sender)}
                    mentioned={mentions(line)}
                    group={group}
                    tick={line.mine && !line.gone ? tickOf(line, ticks.get(line.id), others) : ""}
                    quoted={line.replyTo ? quoted(c, line.replyTo, lines) : null}
                    doings={doings.current}
                  />
                </li>,
              );
              return out;
            })}
          </ol>
          <Typing c={c} />
        </div>
      </div>
      {!(atBottom && c.atNewest) && (
        <button type="button" class="to-newest round" aria-label="Go to the newest message" onClick={toNewest}>
          <Down />
        </button>
      )}
    </div>
  );
}

function mentions(m: Message): string[] {
  const ids = m.content["m.mentions"]?.user_ids;
  return Array.isArray(ids) ? ids.filter((u) => typeof u === "string").map(nameOf) : [];
}

function tickOf(m: Message, reached: { read: number; delivered: number } | undefined, others: number): Tick {
  if (m.local) return "waiting";
  if (!reached || others < 1) return "recorded";
  if (reached.read >= others) return "read";
  return reached.delivered >= others ? "delivered" : "recorded";
}

function quoted(c: Conversation, id: string, lines: readonly Line[]): { name: string; text: string } {
  const shown = lines.find((l): l is Message => isMessage(l) && l.id === id);
  if (shown) return { name: nameOf(shown.sender), text: summary(shown) };
  const ev = c.find(id);
  if (!ev) return { name: "An earlier message", text: "Go there to read it" };
  return { name: nameOf(ev.sender), text: summary({ ev, content: ev.content, gone: removed(ev), replyTo: text(ev.content["m.relates_to"]?.["m.in_reply_to"]?.event_id) }) };
}

// useFresh finds the first message that was unread when the conversation was opened.
function useFresh(c: Conversation, lines: readonly Line[]): string {
  const unread = useRef(-1);
  const key = useRef("");
  if (unread.current === -1) unread.current = c.unread;
  if (key.current === "" && unread.current > 0 && lines.length > 0) {
    const others = lines.filter((l) => isMessage(l) && !l.mine);
    key.current = others.at(-Math.min(unread.current, others.length))?.key ?? "none";
  }
  return key.current;
}

function Typing({ c }: { c: Conversation }): VNode {
  const who = c.typing.value.map(nameOf);
  return (
    <p class="typing" aria-live="off">
      {who.length > 0 && (
        <span>
          <span class="dots" aria-hidden="true"><i /><i /><i /></span>
          <span dir="auto">{names(who)} {who.length === 1 ? "is" : "are"} typing</span>
        </span>
      )}
    </p>
  );
}

// useTouch gives phones their two gestures: a long press for the menu, a pull to the side for a reply.
function useTouch(messageAt: (t: EventTarget | null) => Message | undefined, doings: Doings) {
  const state = useRef<{ x: number; y: number; el: HTMLElement; m: Message; timer: number; pulling: boolean; long: boolean } | null>(null);
  const recent = useRef(0);
  const end = (e: PointerEvent) => {
    const s = state.current;
    if (!s) return;
    clearTimeout(s.timer);
    state.current = null;
    s.el.style.transform = "";
    s.el.classList.remove("pulling");
    if (s.long) recent.current = Date.now();
    if (s.pulling && e.type === "pointerup" && Math.abs(e.clientX - s.x) > 56 && !s.m.gone) doings.reply(s.m);
  };
  return {
    busy: () => state.current !== null || Date.now() - recent.current < 600,
    handlers: {
      onPointerDown: (e: PointerEvent) => {
        if (e.pointerType === "mouse" || !e.isPrimary) return;
        const m = messageAt(e.target);
        const el = (e.target as HTMLElement).closest<HTMLElement>(".message");
        if (!m || m.local || !el) return;
        const timer = window.setTimeout(() => {
          if (!state.current) return;
          state.current.long = true;
          navigator.vibrate?.(10);
          doings.menu(m);
        }, 450);
        state.current = { x: e.clientX, y: e.clientY, el, m, timer, pulling: false, long: false };
      },
      onPointerMove: (e: PointerEvent) => {
        const s = state.current;
        if (!s) return;
        const dx = e.clientX - s.x;
        const dy = Math.abs(e.clientY - s.y);
        if (dy > 10 && !s.pulling) return end(e);
        if (Math.abs(dx) > 10) clearTimeout(s.timer);
        if (dx > 12 || s.pulling) {
          s.pulling = true;
          s.el.classList.add("pulling");
          s.el.style.transform = `translateX(${Math.max(0, Math.min(72, dx))}px)`;
        }
      },
      onPointerUp: end,
      onPointerCancel: end,
      // The click that ends a long press is not a click on what is under the finger.
      onClickCapture: (e: MouseEvent) => {
        if (Date.now() - recent.current < 400) {
          e.preventDefault();
          e.stopPropagation();
        }
      },
    },
  };
}
