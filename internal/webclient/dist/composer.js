import { h } from "./preact/preact.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./preact/hooks.js";
import { call, enc } from "./api.js";
import { me, nameOf } from "./conversations.js";
import { bodyOf, summary } from "./history.js";
import { send } from "./outbox.js";
import { redraw } from "./photo.js";
import { announce, say } from "./say.js";
import { bytes, lifetime, people } from "./words.js";
import { Clip, Close, File as FileIcon, Send, Warning } from "./icons.js";
import { Avatar } from "./avatar.js";
const draftKey = (id) => "despatch.draft." + id;
const MANY = 20;
let serial = 0;
const TOO_HIGH = /(?:^|[\s([{])(?:UK\s+)?(TOP SECRET|SECRET)(?=$|[\s)\]}:.,\-–—/])/;
const agreed = /* @__PURE__ */ new Set();
function Composer({ c, about, onAbout, files, onFiles }) {
  const [draft, setDraft] = useState(() => sessionStorage.getItem(draftKey(c.id)) ?? "");
  const [attached, setAttached] = useState([]);
  const [asking, setAsking] = useState("");
  const [refusal, setRefusal] = useState("");
  const area = useRef(null);
  const chooser = useRef(null);
  const before = useRef("");
  const typing = useTyping(c);
  const write = (s) => {
    setDraft(s);
    setAsking("");
    setRefusal("");
    if (about?.kind !== "edit") {
      if (s) sessionStorage.setItem(draftKey(c.id), s);
      else sessionStorage.removeItem(draftKey(c.id));
    }
  };
  useEffect(() => {
    if (!byTouch()) area.current?.focus({ preventScroll: true });
  }, []);
  useLayoutEffect(() => {
    if (!about) return;
    if (about.kind === "edit") {
      before.current = draft;
      setDraft(bodyOf(about.m.content, about.m.replyTo !== ""));
    }
    area.current?.focus();
  }, [about?.kind, about?.m.id]);
  const settle = () => {
    if (about?.kind === "edit") setDraft(before.current);
    onAbout(null);
  };
  useLayoutEffect(() => {
    const a = area.current;
    a.style.height = "auto";
    a.style.height = `${Math.min(a.scrollHeight, Math.max(120, innerHeight / 3))}px`;
  }, [draft]);
  useEffect(() => {
    if (files.length === 0) return;
    onFiles([]);
    void attach(files);
  }, [files]);
  const attach = async (chosen) => {
    for (const f of chosen.slice(0, 10)) {
      const one = await prepare(f);
      if (one) setAttached((list) => [...list, one]);
    }
    area.current?.focus();
  };
  const remove = (a) => {
    if (a.shown) URL.revokeObjectURL(a.shown);
    setAttached((list) => list.filter((x) => x !== a));
  };
  const submit = (sure = "") => {
    const words = draft.trim();
    if (!words && attached.length === 0) return;
    const marking = TOO_HIGH.exec(words)?.[1];
    if (marking && sure !== "marking") {
      setRefusal(marking);
      announce(`This looks like ${marking}. It has not been sent.`);
      return;
    }
    if (!sure && mustAsk(c)) {
      setAsking(audience(c));
      return;
    }
    agreed.add(c.id);
    if (about?.kind === "edit") {
      const content = textContent(c, words);
      send(c.id, "m.room.message", { ...content, body: "* " + words, "m.new_content": content, "m.relates_to": { rel_type: "m.replace", event_id: about.m.id } });
      setDraft(before.current);
    } else {
      dispatch(c, words, attached, about?.m ?? null);
      setAttached([]);
      write("");
    }
    onAbout(null);
    setAsking("");
    setRefusal("");
    typing.stop();
    area.current?.focus();
  };
  const mention = useMention(c, draft, area, write);
  const onKeyDown = (e) => {
    if (e.isComposing) return;
    if (mention.onKeyDown(e)) return;
    if (e.key === "Enter" && !e.shiftKey && !byTouch()) {
      e.preventDefault();
      submit(asking ? "audience" : "");
    } else if (e.key === "Escape" && (about || asking || refusal)) {
      e.preventDefault();
      setAsking("");
      setRefusal("");
      settle();
    } else if (e.key === "ArrowUp" && draft === "" && !about) {
      const all = document.querySelectorAll(".timeline [data-event]");
      all[all.length - 1]?.focus();
      e.preventDefault();
    }
  };
  const marked = TOO_HIGH.exec(draft)?.[1];
  const hint = c.lifetime > 0 ? `Disappears from devices after ${lifetime(c.lifetime)}. The record keeps it.` : "";
  return /* @__PURE__ */ h("form", { class: "composer", onSubmit: (e) => {
    e.preventDefault();
    submit(asking ? "audience" : "");
  } }, /* @__PURE__ */ h("div", { class: "composer-inside" }, about && /* @__PURE__ */ h("div", { class: "about" }, /* @__PURE__ */ h("div", { class: "quote" }, /* @__PURE__ */ h("b", { dir: "auto" }, about.kind === "edit" ? "Editing" : `Replying to ${about.m.mine ? "yourself" : nameOf(about.m.sender)}`), /* @__PURE__ */ h("span", { dir: "auto" }, summary(about.m))), /* @__PURE__ */ h("button", { type: "button", class: "round", "aria-label": about.kind === "edit" ? "Stop editing" : "Do not reply", onClick: settle }, /* @__PURE__ */ h(Close, null))), (refusal || marked) && /* @__PURE__ */ h("div", { class: "caution", role: refusal ? "alert" : void 0 }, /* @__PURE__ */ h(Warning, null), /* @__PURE__ */ h("p", null, "This looks like ", refusal || marked, ". Despatch is not built for ", refusal || marked, ": use your department’s system for it.", refusal && " It has not been sent."), refusal && /* @__PURE__ */ h("button", { type: "button", class: "link", onClick: () => submit("marking") }, "It is not ", refusal, ": send it")), asking && /* @__PURE__ */ h("div", { class: "caution", role: "alert" }, /* @__PURE__ */ h(Warning, null), /* @__PURE__ */ h("p", null, asking), /* @__PURE__ */ h("button", { type: "submit", class: "link" }, "Send"), /* @__PURE__ */ h("button", { type: "button", class: "link", onClick: () => setAsking("") }, "Not now")), attached.length > 0 && /* @__PURE__ */ h("ul", { class: "attached", "aria-label": "To be sent" }, attached.map((a) => /* @__PURE__ */ h("li", { key: a.id }, a.shown ? /* @__PURE__ */ h("img", { src: a.shown, alt: a.name }) : /* @__PURE__ */ h("span", { class: "file-icon" }, /* @__PURE__ */ h(FileIcon, null)), !a.photo && /* @__PURE__ */ h("span", { class: "file-words" }, /* @__PURE__ */ h("span", { class: "file-name", dir: "auto" }, a.name), /* @__PURE__ */ h("span", { class: "file-size" }, bytes(a.blob.size))), /* @__PURE__ */ h("button", { type: "button", class: "round", "aria-label": `Remove ${a.name}`, onClick: () => remove(a) }, /* @__PURE__ */ h(Close, null))))), mention.list, /* @__PURE__ */ h("div", { class: "composer-row" }, /* @__PURE__ */ h("input", { ref: chooser, type: "file", multiple: true, hidden: true, "aria-label": "Photos and files", onChange: (e) => {
    const chosen = [...e.currentTarget.files ?? []];
    e.currentTarget.value = "";
    void attach(chosen);
  } }), /* @__PURE__ */ h("button", { type: "button", class: "round attach", "aria-label": "Attach a photo or file", onClick: () => chooser.current.click(), disabled: about?.kind === "edit" }, /* @__PURE__ */ h(Clip, null)), /* @__PURE__ */ h(
    "textarea",
    {
      ref: area,
      rows: 1,
      dir: "auto",
      enterkeyhint: "send",
      "aria-label": `Message ${c.title}`,
      placeholder: attached.length > 0 ? "Add a caption" : "Message",
      value: draft,
      ...mention.aria,
      onInput: (e) => {
        write(e.currentTarget.value);
        typing.go(e.currentTarget.value !== "");
      },
      onKeyDown,
      onPaste: (e) => {
        const pasted = [...e.clipboardData?.files ?? []];
        if (pasted.length === 0) return;
        e.preventDefault();
        void attach(pasted);
      }
    }
  ), /* @__PURE__ */ h("button", { type: "submit", class: "round send", "aria-label": about?.kind === "edit" ? "Save the change" : "Send", disabled: !draft.trim() && attached.length === 0 }, /* @__PURE__ */ h(Send, null))), hint && /* @__PURE__ */ h("p", { class: "hint" }, hint)));
}
function byTouch() {
  return matchMedia("(pointer: coarse)").matches;
}
function mustAsk(c) {
  if (agreed.has(c.id) || !/SENSITIVE/i.test(c.marking)) return false;
  return c.outsiders > 0 || c.size > MANY;
}
function audience(c) {
  const from = c.outsiders > 0 ? `, ${c.outsiders} from outside` : "";
  return `${people(c.size)} can read this${from}.`;
}
async function prepare(f) {
  if (/^image\/(jpeg|png|webp|heic|heif|avif|bmp)/.test(f.type)) {
    try {
      const p = await redraw(f);
      const name = f.name.replace(/\.\w+$/, "") + (p.blob.type === "image/png" ? ".png" : ".jpg");
      return { id: ++serial, name, blob: p.blob, photo: true, width: p.width, height: p.height, shown: URL.createObjectURL(p.blob) };
    } catch {
      say("This picture cannot be opened here, so what is hidden in it cannot be taken out. It goes as a file, just as it is.");
    }
  }
  if (f.size === 0) {
    say(`${f.name} is empty.`);
    return null;
  }
  return { id: ++serial, name: f.name, blob: f, photo: false };
}
function textContent(c, body) {
  const mentioned = c.present().filter((m) => m.user !== me.value && body.includes("@" + m.name)).map((m) => m.user);
  return { msgtype: "m.text", body, "m.mentions": mentioned.length > 0 ? { user_ids: mentioned } : {} };
}
function dispatch(c, words, attached, reply) {
  const relation = reply ? { "m.relates_to": { "m.in_reply_to": { event_id: reply.id } } } : {};
  const captioned = attached.length === 1 && attached[0].photo && words !== "";
  attached.forEach((a, i) => {
    const info = { mimetype: a.blob.type || "application/octet-stream", size: a.blob.size };
    if (a.width && a.height) Object.assign(info, { w: a.width, h: a.height });
    const content = { msgtype: a.photo ? "m.image" : "m.file", filename: a.name, body: captioned ? words : a.name, info, ...i === 0 && (captioned || !words) ? relation : {} };
    send(c.id, "m.room.message", content, { blob: a.blob, ...a.shown ? { shown: a.shown } : {} });
  });
  if (words && !captioned) send(c.id, "m.room.message", { ...textContent(c, words), ...relation });
}
function useTyping(c) {
  const until = useRef(0);
  const tell = (on) => {
    until.current = on ? Date.now() + 4e3 : 0;
    call("PUT", `/_matrix/client/v3/rooms/${enc(c.id)}/typing/${enc(me.value)}`, { body: on ? { typing: true, timeout: 8e3 } : { typing: false } }).catch(() => {
    });
  };
  const go = (writing) => {
    if (writing && Date.now() > until.current) tell(true);
    else if (!writing && until.current > 0) tell(false);
  };
  const stop = () => {
    if (until.current > 0) tell(false);
  };
  useEffect(() => stop, []);
  return { go, stop };
}
function useMention(c, draft, area, write) {
  const [chosen, setChosen] = useState(0);
  const [closed, setClosed] = useState("");
  const at = area.current?.selectionStart ?? draft.length;
  const m = /(?:^|\s)@([\p{L}\p{N}'’.-]{0,20})$/u.exec(draft.slice(0, at));
  const typed = m?.[1] ?? "";
  const found = m && closed !== draft && c.size > 2 ? c.present().filter((p) => p.user !== me.value && p.name.toLocaleLowerCase().split(/\s+/).concat(p.name.toLocaleLowerCase()).some((w) => w.startsWith(typed.toLocaleLowerCase()))).slice(0, 5) : [];
  const pick = (name) => {
    const start = at - typed.length;
    write(`${draft.slice(0, start)}${name} ${draft.slice(at)}`);
    setChosen(0);
    const caret = start + name.length + 1;
    setTimeout(() => {
      area.current?.focus();
      area.current?.setSelectionRange(caret, caret);
    });
  };
  const current = Math.min(chosen, found.length - 1);
  return {
    aria: found.length > 0 ? { "aria-controls": "mentions", "aria-autocomplete": "list", "aria-activedescendant": `mention-${current}` } : {},
    onKeyDown: (e) => {
      if (found.length === 0) return false;
      if (e.key === "ArrowDown" || e.key === "ArrowUp") setChosen((current + (e.key === "ArrowDown" ? 1 : found.length - 1)) % found.length);
      else if (e.key === "Enter" || e.key === "Tab") pick(found[current].name);
      else if (e.key === "Escape") setClosed(draft);
      else return false;
      e.preventDefault();
      return true;
    },
    list: found.length > 0 && /* @__PURE__ */ h("ul", { id: "mentions", class: "mentions", role: "listbox", "aria-label": "People" }, found.map((p, i) => /* @__PURE__ */ h("li", { key: p.user, id: `mention-${i}`, role: "option", "aria-selected": i === current, onPointerDown: (e) => {
      e.preventDefault();
      pick(p.name);
    } }, /* @__PURE__ */ h(Avatar, { id: p.user, name: p.name, size: "small" }), " ", /* @__PURE__ */ h("span", { dir: "auto" }, p.name))))
  };
}
export {
  Composer
};
