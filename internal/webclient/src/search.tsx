// Finding old messages: the server looks through everything that this person may read; if it cannot
// be asked, what this tab has loaded is looked through.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { APIError, call } from "./api.js";
import { fold } from "./choosepeople.js";
import { type Conversation, conversations, isMessage, nameOf } from "./conversations.js";
import { bodyOf, removed, summary } from "./history.js";
import { type MatrixEvent, relation, text } from "./matrix.js";
import { closeSheet, Sheet } from "./sheet.js";
import { Search } from "./icons.js";
import { Marked } from "./text.js";
import { when } from "./words.js";

export interface Hit {
  room: string;
  id: string;
  sender: string;
  ts: number;
  body: string;
}

interface Results {
  search_categories?: { room_events?: { results?: { result?: MatrixEvent }[]; next_batch?: string } };
}

export interface Found {
  hits: Hit[];
  busy: boolean;
  /** Whether the server looked: if not, older messages may be missing. */
  complete: boolean;
}

/** Looks for a text in one conversation or in all. */
export function useMessages(term: string, room?: string): Found {
  const [found, setFound] = useState<Found>({ hits: [], busy: false, complete: true });
  useEffect(() => {
    const t = term.trim();
    if (t.length < 2) {
      setFound({ hits: [], busy: false, complete: true });
      return;
    }
    const near = loaded(t, room);
    setFound({ hits: near, busy: true, complete: true });
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const filter = { limit: 30, ...(room ? { rooms: [room] } : {}) };
      const body = { search_categories: { room_events: { search_term: t, order_by: "recent", keys: ["content.body"], filter } } };
      call<Results>("POST", "/_matrix/client/v3/search", { body, signal: stop.signal }).then(
        (r) => setFound({ hits: merge(near, (r.search_categories?.room_events?.results ?? []).flatMap((x) => hit(x.result))), busy: false, complete: true }),
        (e) => {
          if (stop.signal.aborted) return;
          setFound({ hits: near, busy: false, complete: false });
          if (!(e instanceof APIError)) return;
        },
      );
    }, 180);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [term, room]);
  return found;
}

function loaded(term: string, room?: string): Hit[] {
  const t = fold(term);
  const out: Hit[] = [];
  for (const c of conversations.value.values()) {
    if (room && c.id !== room) continue;
    for (const l of c.lines([])) {
      if (!isMessage(l) || l.gone) continue;
      const body = summary(l);
      if (fold(body).includes(t)) out.push({ room: c.id, id: l.id, sender: l.sender, ts: l.ts, body });
    }
  }
  return out.sort((a, b) => b.ts - a.ts).slice(0, 50);
}

function hit(ev: MatrixEvent | undefined): Hit[] {
  if (!ev || ev.type !== "m.room.message" || removed(ev)) return [];
  const edit = relation(ev).rel_type === "m.replace";
  const id = edit ? text(relation(ev).event_id) : ev.event_id;
  const content = (edit && ev.content["m.new_content"]) || ev.content;
  const body = bodyOf(content, true) || text(content.filename);
  return [{ room: text(ev.room_id), id, sender: ev.sender, ts: ev.origin_server_ts, body }];
}

function merge(a: Hit[], b: Hit[]): Hit[] {
  const all = new Map<string, Hit>();
  for (const h of [...b, ...a]) all.set(h.id, h);
  return [...all.values()].sort((x, y) => y.ts - x.ts).slice(0, 60);
}

export function HitRow({ hit, term, inRoom, onOpen }: { hit: Hit; term: string; inRoom: boolean; onOpen: () => void }): VNode {
  const title = conversations.value.get(hit.room)?.title ?? "";
  const at = fold(hit.body).indexOf(fold(term.trim()));
  const body = at > 60 ? "…" + hit.body.slice(at - 40) : hit.body;
  return (
    <button type="button" class="hit" onClick={onOpen}>
      <span class="hit-head">
        <b dir="auto">{inRoom ? nameOf(hit.sender) : title}</b>
        <time>{when(hit.ts)}</time>
      </span>
      <span class="hit-body" dir="auto">{!inRoom && `${nameOf(hit.sender)}: `}<Marked body={body.slice(0, 160)} highlight={term.trim()} /></span>
    </button>
  );
}

export function SearchSheet({ c, onGoTo }: { c: Conversation; onGoTo: (id: string) => void }): VNode {
  const [term, setTerm] = useState("");
  const found = useMessages(term, c.id);
  return (
    <Sheet title="Find in this conversation">
      <div class="search-field">
        <Search />
        <input type="search" dir="auto" autocomplete="off" placeholder="Words" aria-label="Words to find" data-focus value={term} onInput={(e) => setTerm(e.currentTarget.value)} />
      </div>
      <p class="count" role="status">{outcome(term, found)}</p>
      <ul class="hits" aria-label="Messages found">
        {found.hits.map((hit) => (
          <li key={hit.id}>
            <HitRow hit={hit} term={term} inRoom onOpen={() => {
              closeSheet();
              onGoTo(hit.id);
            }} />
          </li>
        ))}
      </ul>
    </Sheet>
  );
}

export function outcome(term: string, f: Found): string {
  if (term.trim().length < 2) return "";
  if (!f.complete) return "Older messages could not be searched just now.";
  if (f.hits.length === 0) return f.busy ? "Looking…" : `No message has “${term.trim()}” in it.`;
  return "";
}
