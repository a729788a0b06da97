import { h } from "./preact/preact.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./preact/hooks.js";
import { Actions, copy, Delete, mayDelete, mayEdit, react, Reactions } from "./actions.js";
import { explain } from "./api.js";
import { isMessage, nameOf } from "./conversations.js";
import { removed, summary } from "./history.js";
import { text } from "./matrix.js";
import { MessageLine } from "./message.js";
import { outbox } from "./outbox.js";
import { say } from "./say.js";
import { showSheet } from "./sheet.js";
import { day, names } from "./words.js";
import { Down } from "./icons.js";
function Timeline({ c, goingTo, onGoTo, onReply, onEdit }) {
  const scroller = useRef(null);
  const list = useRef(null);
  const anchor = useRef(null);
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
    const below = document.elementsFromPoint(box.left + box.width / 2, y).map((e) => e.closest("[data-key]"));
    const el = below.find(Boolean) ?? [...list.current.querySelectorAll("[data-key]")].find((e) => e.getBoundingClientRect().bottom > y);
    anchor.current = el ? { key: el.dataset["key"], top: el.getBoundingClientRect().top } : null;
  };
  remember();
  useLayoutEffect(() => {
    const s = scroller.current;
    const a = anchor.current;
    if (s.scrollTop > -40 && c.atNewest) {
      s.scrollTop = 0;
    } else if (a) {
      const el = list.current.querySelector(`[data-key="${CSS.escape(a.key)}"]`);
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
    const s = scroller.current;
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
  const sent = useRef(outgoing.length);
  useLayoutEffect(() => {
    if (outgoing.length > sent.current) {
      c.toNewest();
      scroller.current.scrollTop = 0;
    }
    sent.current = outgoing.length;
  }, [outgoing.length]);
  useLayoutEffect(() => {
    if (!goingTo) return;
    const el = list.current.querySelector(`[data-event="${CSS.escape(goingTo)}"]`);
    if (!el) return;
    el.scrollIntoView({ block: "center" });
    el.classList.add("found");
    el.focus({ preventScroll: true });
    const t = setTimeout(() => el.classList.remove("found"), 2e3);
    return () => clearTimeout(t);
  }, [goingTo, c.atNewest]);
  const toNewest = () => {
    c.toNewest();
    scroller.current.scrollTo({ top: 0 });
    setAtBottom(true);
  };
  const receipt = async (m) => {
    const { Receipt } = await import("./receipt.js");
    showSheet(/* @__PURE__ */ h(Receipt, { c, m }));
  };
  const forward = async (m) => {
    const { ForwardTo } = await import("./forward.js");
    showSheet(/* @__PURE__ */ h(ForwardTo, { m }));
  };
  const doings = useRef(null);
  doings.current ??= {
    menu: (m, at) => {
      showSheet(
        /* @__PURE__ */ h(Actions, { c, m, at, onReply: () => onReply(m), onEdit: () => onEdit(m), onForward: () => void forward(m), onReceipt: () => void receipt(m) })
      );
    },
    reactions: (m, at) => showSheet(/* @__PURE__ */ h(Reactions, { c, m, at })),
    reply: onReply,
    react: (m, key) => react(c, m, key),
    receipt: (m) => void receipt(m),
    goTo: onGoTo
  };
  const messageAt = (target) => {
    const id = target?.closest("[data-event]")?.dataset["event"];
    return lines.filter(isMessage).find((m) => m.id === id);
  };
  const touch = useTouch(messageAt, doings.current);
  const onKey = (e) => {
    const li = e.target.closest("[data-event]");
    if (!li || e.target !== li || e.ctrlKey || e.metaKey || e.altKey) return;
    const m = messageAt(li);
    const step = (n) => {
      let el = n;
      const back = e.key === "ArrowUp";
      while (el && !el.dataset["event"]) el = back ? el.previousElementSibling : el.nextElementSibling;
      if (el) {
        setFocused(el.dataset["event"]);
        el.focus();
      } else if (!back) document.querySelector(".composer textarea")?.focus();
    };
    const at = () => {
      const r = li.querySelector(".bubble").getBoundingClientRect();
      return { x: r.left, y: r.bottom + 4 };
    };
    const keys = {
      ArrowUp: () => step(li.previousElementSibling),
      ArrowDown: () => step(li.nextElementSibling),
      Home: () => step(list.current.querySelector("[data-event]")),
      End: () => document.querySelector(".composer textarea")?.focus(),
      Escape: () => document.querySelector(".composer textarea")?.focus()
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
      if (mayDelete(c, m)) keys["Delete"] = keys["Backspace"] = () => showSheet(/* @__PURE__ */ h(Delete, { c, m }));
    }
    const f = keys[e.key];
    if (f) {
      e.preventDefault();
      f();
    }
  };
  const last = lines.findLast(isMessage)?.id ?? "";
  const entry = lines.some((l) => l.id === focused) ? focused : last;
  return /* @__PURE__ */ h("div", { class: "timeline-room" }, /* @__PURE__ */ h("div", { class: "timeline", ref: scroller, tabIndex: -1 }, /* @__PURE__ */ h("div", { class: "timeline-inside" }, c.loading.value && !c.atOldest && /* @__PURE__ */ h("p", { class: "loading-older", "aria-hidden": "true" }, "Loading…"), /* @__PURE__ */ h(
    "ol",
    {
      ref: list,
      "aria-label": "Messages",
      onKeyDown: onKey,
      onFocusIn: (e) => {
        const m = messageAt(e.target);
        if (m && e.target === e.target.closest("[data-event]")) setFocused(m.id);
      },
      onContextMenu: (e) => {
        const m = messageAt(e.target);
        if (!m || m.local || (getSelection()?.toString() ?? "") !== "" || e.target.closest("a")) return;
        e.preventDefault();
        if (!touch.busy()) doings.current.menu(m, { x: e.clientX, y: e.clientY });
      },
      ...touch.handlers
    },
    lines.flatMap((line) => {
      const out = [];
      if (line.newDay) {
        out.push(/* @__PURE__ */ h("li", { key: "day" + new Date(line.ts).toDateString(), class: "day", "data-key": "day" + line.key }, /* @__PURE__ */ h("span", null, day(line.ts))));
      }
      if (line.key === fresh) out.push(/* @__PURE__ */ h("li", { key: "fresh", class: "fresh" }, /* @__PURE__ */ h("span", null, "New")));
      if (line.kind === "note") {
        out.push(/* @__PURE__ */ h("li", { key: line.key, class: "note", "data-key": line.key }, /* @__PURE__ */ h("span", { dir: "auto" }, line.text)));
        return out;
      }
      out.push(
        /* @__PURE__ */ h("li", { key: line.key, "data-key": line.key, "data-event": line.id, tabIndex: line.id === entry ? 0 : -1, class: "message" }, /* @__PURE__ */ h(
          MessageLine,
          {
            m: line,
            name: nameOf(line.sender),
            mentioned: mentions(line),
            group,
            tick: line.mine && !line.gone ? tickOf(line, ticks.get(line.id), others) : "",
            quoted: line.replyTo ? quoted(c, line.replyTo, lines) : null,
            doings: doings.current
          }
        ))
      );
      return out;
    })
  ), /* @__PURE__ */ h(Typing, { c }))), !(atBottom && c.atNewest) && /* @__PURE__ */ h("button", { type: "button", class: "to-newest round", "aria-label": "Go to the newest message", onClick: toNewest }, /* @__PURE__ */ h(Down, null)));
}
function mentions(m) {
  const ids = m.content["m.mentions"]?.user_ids;
  return Array.isArray(ids) ? ids.filter((u) => typeof u === "string").map(nameOf) : [];
}
function tickOf(m, reached, others) {
  if (m.local) return "waiting";
  if (!reached || others < 1) return "recorded";
  if (reached.read >= others) return "read";
  return reached.delivered >= others ? "delivered" : "recorded";
}
function quoted(c, id, lines) {
  const shown = lines.find((l) => isMessage(l) && l.id === id);
  if (shown) return { name: nameOf(shown.sender), text: summary(shown) };
  const ev = c.find(id);
  if (!ev) return { name: "An earlier message", text: "Go there to read it" };
  return { name: nameOf(ev.sender), text: summary({ ev, content: ev.content, gone: removed(ev), replyTo: text(ev.content["m.relates_to"]?.["m.in_reply_to"]?.event_id) }) };
}
function useFresh(c, lines) {
  const unread = useRef(-1);
  const key = useRef("");
  if (unread.current === -1) unread.current = c.unread;
  if (key.current === "" && unread.current > 0 && lines.length > 0) {
    const others = lines.filter((l) => isMessage(l) && !l.mine);
    key.current = others.at(-Math.min(unread.current, others.length))?.key ?? "none";
  }
  return key.current;
}
function Typing({ c }) {
  const who = c.typing.value.map(nameOf);
  return /* @__PURE__ */ h("p", { class: "typing", "aria-live": "off" }, who.length > 0 && /* @__PURE__ */ h("span", null, /* @__PURE__ */ h("span", { class: "dots", "aria-hidden": "true" }, /* @__PURE__ */ h("i", null), /* @__PURE__ */ h("i", null), /* @__PURE__ */ h("i", null)), /* @__PURE__ */ h("span", { dir: "auto" }, names(who), " ", who.length === 1 ? "is" : "are", " typing")));
}
function useTouch(messageAt, doings) {
  const state = useRef(null);
  const recent = useRef(0);
  const end = (e) => {
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
      onPointerDown: (e) => {
        if (e.pointerType === "mouse" || !e.isPrimary) return;
        const m = messageAt(e.target);
        const el = e.target.closest(".message");
        if (!m || m.local || !el) return;
        const timer = window.setTimeout(() => {
          if (!state.current) return;
          state.current.long = true;
          navigator.vibrate?.(10);
          doings.menu(m);
        }, 450);
        state.current = { x: e.clientX, y: e.clientY, el, m, timer, pulling: false, long: false };
      },
      onPointerMove: (e) => {
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
      onClickCapture: (e) => {
        if (Date.now() - recent.current < 400) {
          e.preventDefault();
          e.stopPropagation();
        }
      }
    }
  };
}
export {
  Timeline
};
