// The text of a message: links, mentions and emoji, and otherwise exactly what was written.

import { h, type ComponentChild, type VNode } from "./preact/preact.js";

// Either a web address or an e-mail address. Closing punctuation is a sentence's, not the address's.
const LINK = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}»”’]|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b/gu;
const EMOJI = /^(?:\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\ufe0f|\u200d\p{Extended_Pictographic})*|\p{Regional_Indicator}{2}|\s){1,8}$/u;

/** Whether a message is nothing but one to three emoji, which are shown large. */
export function onlyEmoji(s: string): boolean {
  return s.length <= 24 && s.trim() !== "" && EMOJI.test(s) && [...new Intl.Segmenter().segment(s.replace(/\s/g, ""))].length <= 3;
}

/** A text with the words of a search marked, for places that are links themselves. */
export function Marked({ body, highlight }: { body: string; highlight: string }): VNode {
  const out: ComponentChild[] = [];
  plain(out, body, [], highlight);
  return <span dir="auto">{out}</span>;
}

export function Text({ body, mentions }: { body: string; mentions: string[] }): VNode {
  const out: ComponentChild[] = [];
  let at = 0;
  for (const m of body.matchAll(LINK)) {
    plain(out, body.slice(at, m.index), mentions);
    const href = m[0].startsWith("http") ? m[0] : "mailto:" + m[0];
    out.push(<a href={href} target="_blank" rel="noopener noreferrer">{m[0]}</a>);
    at = m.index + m[0].length;
  }
  plain(out, body.slice(at), mentions);
  return <span class={onlyEmoji(body) ? "text emoji" : "text"} dir="auto">{out}</span>;
}

function plain(out: ComponentChild[], s: string, mentions: string[], highlight?: string): void {
  const words = [...mentions.map((n) => "@" + n), ...(highlight ? [highlight] : [])].filter((w) => w.length > 1);
  if (words.length === 0 || s === "") {
    if (s) out.push(s);
    return;
  }
  const any = new RegExp(words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "giu");
  let at = 0;
  for (const m of s.matchAll(any)) {
    if (m.index > at) out.push(s.slice(at, m.index));
    out.push(m[0].startsWith("@") ? <b class="mention">{m[0]}</b> : <mark>{m[0]}</mark>);
    at = m.index + m[0].length;
  }
  if (at < s.length) out.push(s.slice(at));
}
