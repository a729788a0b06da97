// What the server says of files that were handed in, and of what one owes; and how it is put in words.

import { signal } from "./preact/signals.js";
import { call } from "./api.js";
import { say } from "./say.js";
import { whenOver } from "./session.js";
import { names, plural } from "./words.js";

export interface Instant {
  raw: string;
  local: string;
}

export interface Question {
  about: string;
  text: string;
  example?: string;
  answers: { value: string; meaning: string }[] | null;
}

/** What a file holds. */
export interface Found {
  uploads?: string[];
  name: string;
  files: number;
  bytes: number;
  status: "read" | "needs_answer" | "unreadable" | "unknown" | "";
  fault: string;
  system: string;
  system_name: string;
  conversations: { title: string; kind: string; people: string[]; more_people: number; messages: number }[];
  more_conversations: number;
  messages: number;
  first: Instant | null;
  last: Instant | null;
  no_zone: boolean;
  zone: string;
  doubts: { text: string; count?: number }[];
  questions: Question[];
  sample?: { sender?: string; text?: string; body?: string; sent?: Instant }[];
  unit: string;
  in_file: number;
  balanced: boolean;
}

export interface About {
  subject?: string;
  weight?: string;
  reason?: string;
  note?: string;
}

/** A receipt. */
export interface Submitted extends Found {
  submission: string;
  position: number;
  time: number;
  repeated: boolean;
  sha256: string;
  about: About;
  filed: { title: string; items: number; first: number; last: number }[];
}

export interface Asked {
  id: string;
  why: string;
  what: string;
  reference: string;
  due: number;
  state: "asked" | "handed_in" | "nothing" | "lost" | "withdrawn";
  state_at: number;
  overdue: boolean;
  reminded_at: number;
  words: string;
}

export interface HandedIn {
  submission: string;
  name: string;
  time: number;
  position: number;
  status: Found["status"];
  system: string;
  system_name: string;
  messages: number;
  subject: string;
  weight: string;
  reason: string;
}

export interface Loss {
  id: string;
  position: number;
  time: number;
  device: string;
  held: string;
  lost_on: string;
  reason: string;
}

export interface Choice {
  code: string;
  text: string;
}

export interface Mine {
  requests: Asked[];
  submissions: HandedIn[];
  losses: Loss[];
  uploads: { id: string; name: string; size: number; offset: number }[];
  reasons: Choice[];
  loss_reasons: Choice[];
}

/** The answers that the server takes about a file, by what a question is about. */
export type Answers = Record<string, string | number>;

export const fetchMine = () => call<Mine>("GET", "/_despatch/v1/mine");

interface Owed {
  requests: number;
  overdue: number;
  answers: number;
  reminded_at: number;
}

/** What one owes: the number beside "My record". */
export const owed = signal<Owed>({ requests: 0, overdue: 0, answers: 0, reminded_at: 0 });

whenOver(() => {
  owed.value = { requests: 0, overdue: 0, answers: 0, reminded_at: 0 };
  known = false;
});

let known = false;

/** Asks the server what one owes, and says so if it is more than before. */
export async function learnOwed(): Promise<void> {
  try {
    const now = await call<Owed>("GET", "/_despatch/v1/mine/owed");
    if (known && now.reminded_at > owed.value.reminded_at) say("A reminder: the records office waits for something. See My record.");
    else if (known && now.requests > owed.value.requests) say("The records office asks you for something. See My record.");
    owed.value = now;
    known = true;
  } catch {
    // It is asked again soon.
  }
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const dayMonth = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", timeZone: "UTC" });
const dueDay = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", timeZone: "Europe/London" });

/** The day by which something is due, as the records office means it. */
export function dueWords(ms: number): string {
  return dueDay.format(ms);
}

function date(t: Instant): number | null {
  const m = /^(\d{4})-(\d{2})-(\d{2})/.exec(t.local);
  return m ? Date.UTC(+m[1]!, +m[2]! - 1, +m[3]!) : null;
}

/** A time as the writer's clock had it: "3 April 2021, 10:15". */
export function local(t: Instant | undefined): string {
  const at = t && date(t);
  return at ? `${day.format(at)}, ${t.local.slice(11, 16)}` : (t?.raw ?? "");
}

/** The days that a file reaches over: "13 to 27 April 2021". */
export function days(f: Found): string {
  const a = f.first && date(f.first);
  const b = f.last && date(f.last);
  if (!a || !b) return "";
  if (a === b) return day.format(a);
  const [x, y] = [new Date(Math.min(a, b)), new Date(Math.max(a, b))];
  if (x.getUTCFullYear() !== y.getUTCFullYear()) return `${day.format(x)} to ${day.format(y)}`;
  if (x.getUTCMonth() !== y.getUTCMonth()) return `${dayMonth.format(x)} to ${day.format(y)}`;
  return `${x.getUTCDate()} to ${day.format(y)}`;
}

/** Who takes part, in a few words. */
export function who(c: Found["conversations"][number]): string {
  const all = [...c.people, ...Array.from({ length: c.more_people }, () => "")];
  return names(all, 4);
}

export function messages(n: number): string {
  return plural(n, "message");
}

/** What to call a file in a list. */
export function heading(f: { system: string; system_name: string; name: string; conversations?: Found["conversations"] }): string {
  const title = f.conversations?.length === 1 ? f.conversations[0]!.title : "";
  return title || f.name;
}

/** Whether nobody but its owner can say what a file is of. */
export function isPlain(f: { system: string; status: string }): boolean {
  return f.status === "unknown" || f.status === "read" && (f.system === "unstructured" || f.system === "");
}
