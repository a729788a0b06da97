// Times, dates, counts and names, as people say them.

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long" });
const shortDate = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const fullDate = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const yearDate = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });
const count = new Intl.NumberFormat("en-GB");
const DAY = 86_400_000;

export function time(ts: number): string {
  return clock.format(ts);
}

/** A number with its thousands set apart by thin spaces, as on the record: "48 213". */
export function number(n: number): string {
  return count.format(n).replaceAll(",", "\u202f");
}

function midnight(ts: number): number {
  return new Date(ts).setHours(0, 0, 0, 0);
}

/** How many days ago ts was: 0 today, 1 yesterday. */
function daysAgo(ts: number, now: number): number {
  return Math.round((midnight(now) - midnight(ts)) / DAY);
}

export function sameDay(a: number, b: number): boolean {
  return midnight(a) === midnight(b);
}

/** The heading above a day's messages. */
export function day(ts: number, now = Date.now()): string {
  const n = daysAgo(ts, now);
  if (n === 0) return "Today";
  if (n === 1) return "Yesterday";
  if (n > 1 && n < 7) return weekday.format(ts);
  return new Date(ts).getFullYear() === new Date(now).getFullYear() ? fullDate.format(ts) : yearDate.format(ts);
}

/** The short time beside a conversation in the list. */
export function when(ts: number, now = Date.now()): string {
  const n = daysAgo(ts, now);
  if (n <= 0) return time(ts);
  if (n === 1) return "Yesterday";
  if (n < 7) return weekday.format(ts);
  return n < 300 ? shortDate.format(ts) : new Date(ts).toLocaleDateString("en-GB");
}

export function dateTime(ts: number, now = Date.now()): string {
  const n = daysAgo(ts, now);
  return n === 0 ? time(ts) : `${n === 1 ? "yesterday" : yearDate.format(ts)}, ${time(ts)}`;
}

/** A lifetime in words: "24 hours", "7 days", "30 seconds". */
export function lifetime(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 120) return plural(s, "second");
  if (s < 7200) return plural(Math.round(s / 60), "minute");
  if (s <= 48 * 3600) return plural(Math.round(s / 3600), "hour");
  return plural(Math.round(s / 86_400), "day");
}

/** The same, for the narrow place in a header: "24 h". */
export function shortLifetime(ms: number): string {
  return lifetime(ms).replace(/ (s|m|h|d)\w+$/, "\u202f$1").replace("\u202fm", "\u202fmin");
}

export function plural(n: number, one: string, many = one + "s"): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

export function people(n: number): string {
  return plural(n, "person", "people");
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} bytes`;
  if (n < 1e6) return `${Math.round(n / 1000)} KB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}

/** Names in a row: "Asha, Ben and 3 others". */
export function names(list: string[], most = 3): string {
  if (list.length <= 1) return list[0] ?? "";
  if (list.length <= most) return `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`;
  return `${list.slice(0, most - 1).join(", ")} and ${list.length - most + 1} others`;
}

/** One or two letters for an avatar, whatever the script. */
export function initials(name: string): string {
  const words = name.replace(/^(?:(?:Rt|Hon|Dr|Prof|Sir|Dame|Lord|Lady|Mrs?|Ms)\.?\s+)+(?=\S)/, "").replace(/[^\p{L}\p{N}\s]/gu, "").split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? ([...(words[words.length - 1] ?? "")][0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

/** A person's colour, from 0 to 11: always the same for the same id. */
export function tone(id: string): number {
  let hash = 7;
  for (const c of id) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return hash % 12;
}
