const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long" });
const shortDate = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const fullDate = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const yearDate = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });
const count = new Intl.NumberFormat("en-GB");
const DAY = 864e5;
function time(ts) {
  return clock.format(ts);
}
function number(n) {
  return count.format(n).replaceAll(",", " ");
}
function midnight(ts) {
  return new Date(ts).setHours(0, 0, 0, 0);
}
function daysAgo(ts, now) {
  return Math.round((midnight(now) - midnight(ts)) / DAY);
}
function sameDay(a, b) {
  return midnight(a) === midnight(b);
}
function day(ts, now = Date.now()) {
  const n = daysAgo(ts, now);
  if (n === 0) return "Today";
  if (n === 1) return "Yesterday";
  if (n > 1 && n < 7) return weekday.format(ts);
  return new Date(ts).getFullYear() === new Date(now).getFullYear() ? fullDate.format(ts) : yearDate.format(ts);
}
function when(ts, now = Date.now()) {
  const n = daysAgo(ts, now);
  if (n <= 0) return time(ts);
  if (n === 1) return "Yesterday";
  if (n < 7) return weekday.format(ts);
  return n < 300 ? shortDate.format(ts) : new Date(ts).toLocaleDateString("en-GB");
}
function dateTime(ts, now = Date.now()) {
  const n = daysAgo(ts, now);
  return n === 0 ? time(ts) : `${n === 1 ? "yesterday" : yearDate.format(ts)}, ${time(ts)}`;
}
function lifetime(ms) {
  const s = Math.round(ms / 1e3);
  if (s < 120) return plural(s, "second");
  if (s < 7200) return plural(Math.round(s / 60), "minute");
  if (s <= 48 * 3600) return plural(Math.round(s / 3600), "hour");
  return plural(Math.round(s / 86400), "day");
}
function shortLifetime(ms) {
  return lifetime(ms).replace(/ (s|m|h|d)\w+$/, " $1").replace(" m", " min");
}
function plural(n, one, many = one + "s") {
  return `${number(n)} ${n === 1 ? one : many}`;
}
function people(n) {
  return plural(n, "person", "people");
}
function bytes(n) {
  if (n < 1e3) return `${n} bytes`;
  if (n < 1e6) return `${Math.round(n / 1e3)} KB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}
function names(list, most = 3) {
  if (list.length <= 1) return list[0] ?? "";
  if (list.length <= most) return `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`;
  return `${list.slice(0, most - 1).join(", ")} and ${list.length - most + 1} others`;
}
function initials(name) {
  const words = name.replace(/^(?:(?:Rt|Hon|Dr|Prof|Sir|Dame|Lord|Lady|Mrs?|Ms)\.?\s+)+(?=\S)/, "").replace(/[^\p{L}\p{N}\s]/gu, "").split(/\s+/).filter(Boolean);
  const first = [...words[0] ?? "?"][0] ?? "?";
  const last = words.length > 1 ? [...words[words.length - 1] ?? ""][0] ?? "" : "";
  return (first + last).toLocaleUpperCase();
}
function tone(id) {
  let hash = 7;
  for (const c of id) hash = hash * 31 + c.charCodeAt(0) >>> 0;
  return hash % 12;
}
export {
  bytes,
  dateTime,
  day,
  initials,
  lifetime,
  names,
  number,
  people,
  plural,
  sameDay,
  shortLifetime,
  time,
  tone,
  when
};
