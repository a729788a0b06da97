import { signal } from "./preact/signals.js";
import { call } from "./api.js";
import { say } from "./say.js";
import { whenOver } from "./session.js";
import { names, plural } from "./words.js";
const fetchMine = () => call("GET", "/_despatch/v1/mine");
const owed = signal({ requests: 0, overdue: 0, answers: 0, reminded_at: 0 });
whenOver(() => {
  owed.value = { requests: 0, overdue: 0, answers: 0, reminded_at: 0 };
  known = false;
});
let known = false;
async function learnOwed() {
  try {
    const now = await call("GET", "/_despatch/v1/mine/owed");
    if (known && now.reminded_at > owed.value.reminded_at) say("A reminder: the records office waits for something. See My record.");
    else if (known && now.requests > owed.value.requests) say("The records office asks you for something. See My record.");
    owed.value = now;
    known = true;
  } catch {
  }
}
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const dayMonth = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", timeZone: "UTC" });
const dueDay = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", timeZone: "Europe/London" });
function dueWords(ms) {
  return dueDay.format(ms);
}
function date(t) {
  const m = /^(\d{4})-(\d{2})-(\d{2})/.exec(t.local);
  return m ? Date.UTC(+m[1], +m[2] - 1, +m[3]) : null;
}
function local(t) {
  const at = t && date(t);
  return at ? `${day.format(at)}, ${t.local.slice(11, 16)}` : t?.raw ?? "";
}
function days(f) {
  const a = f.first && date(f.first);
  const b = f.last && date(f.last);
  if (!a || !b) return "";
  if (a === b) return day.format(a);
  const [x, y] = [new Date(Math.min(a, b)), new Date(Math.max(a, b))];
  if (x.getUTCFullYear() !== y.getUTCFullYear()) return `${day.format(x)} to ${day.format(y)}`;
  if (x.getUTCMonth() !== y.getUTCMonth()) return `${dayMonth.format(x)} to ${day.format(y)}`;
  return `${x.getUTCDate()} to ${day.format(y)}`;
}
function who(c) {
  const all = [...c.people, ...Array.from({ length: c.more_people }, () => "")];
  return names(all, 4);
}
function messages(n) {
  return plural(n, "message");
}
function heading(f) {
  const title = f.conversations?.length === 1 ? f.conversations[0].title : "";
  return title || f.name;
}
function isPlain(f) {
  return f.status === "unknown" || f.status === "read" && (f.system === "unstructured" || f.system === "");
}
export {
  days,
  dueWords,
  fetchMine,
  heading,
  isPlain,
  learnOwed,
  local,
  messages,
  owed,
  who
};
