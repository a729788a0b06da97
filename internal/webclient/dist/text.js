import { h } from "./preact/preact.js";
const LINK = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}»”’]|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b/gu;
const EMOJI = /^(?:\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\ufe0f|\u200d\p{Extended_Pictographic})*|\p{Regional_Indicator}{2}|\s){1,8}$/u;
function onlyEmoji(s) {
  return s.length <= 24 && s.trim() !== "" && EMOJI.test(s) && [...new Intl.Segmenter().segment(s.replace(/\s/g, ""))].length <= 3;
}
function Marked({ body, highlight }) {
  const out = [];
  plain(out, body, [], highlight);
  return /* @__PURE__ */ h("span", { dir: "auto" }, out);
}
function Text({ body, mentions }) {
  const out = [];
  let at = 0;
  for (const m of body.matchAll(LINK)) {
    plain(out, body.slice(at, m.index), mentions);
    const href = m[0].startsWith("http") ? m[0] : "mailto:" + m[0];
    out.push(/* @__PURE__ */ h("a", { href, target: "_blank", rel: "noopener noreferrer" }, m[0]));
    at = m.index + m[0].length;
  }
  plain(out, body.slice(at), mentions);
  return /* @__PURE__ */ h("span", { class: onlyEmoji(body) ? "text emoji" : "text", dir: "auto" }, out);
}
function plain(out, s, mentions, highlight) {
  const words = [...mentions.map((n) => "@" + n), ...highlight ? [highlight] : []].filter((w) => w.length > 1);
  if (words.length === 0 || s === "") {
    if (s) out.push(s);
    return;
  }
  const any = new RegExp(words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "giu");
  let at = 0;
  for (const m of s.matchAll(any)) {
    if (m.index > at) out.push(s.slice(at, m.index));
    out.push(m[0].startsWith("@") ? /* @__PURE__ */ h("b", { class: "mention" }, m[0]) : /* @__PURE__ */ h("mark", null, m[0]));
    at = m.index + m[0].length;
  }
  if (at < s.length) out.push(s.slice(at));
}
export {
  Marked,
  Text,
  onlyEmoji
};
