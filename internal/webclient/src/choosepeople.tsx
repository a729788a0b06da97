// Colleagues to choose from: those one knows at once, the whole directory as one types.

import { h, type ComponentChildren, type VNode } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { call } from "./api.js";
import { knownPeople, learnName, me, nameOf } from "./conversations.js";
import { localpart, serverOf, text } from "./matrix.js";
import { Avatar } from "./avatar.js";

export interface Person {
  user: string;
  name: string;
}

interface Directory {
  results?: { user_id: string; display_name?: string }[];
}

/** The people whose names match, the directory's among them; it answers a moment after the typing. */
export function usePeople(term: string, except: ReadonlySet<string> = new Set()): Person[] {
  const [found, setFound] = useState<Person[]>([]);
  useEffect(() => {
    if (!term.trim()) return setFound([]); // the directory tells nobody everything
    const stop = new AbortController();
    const t = setTimeout(() => {
      call<Directory>("POST", "/_matrix/client/v3/user_directory/search", { body: { search_term: term, limit: 50 }, signal: stop.signal })
        .then((d) => {
          for (const r of d.results ?? []) learnName(r.user_id, r.display_name);
          setFound((d.results ?? []).map((r) => ({ user: r.user_id, name: text(r.display_name) || localpart(r.user_id) })));
        })
        .catch(() => {});
    }, 120);
    return () => {
      clearTimeout(t);
      stop.abort();
    };
  }, [term]);
  const all = new Map<string, Person>();
  for (const p of [...knownPeople(), ...found]) if (matches(p, term)) all.set(p.user, { user: p.user, name: nameOf(p.user) });
  all.delete(me.value);
  for (const user of except) all.delete(user);
  return [...all.values()].sort((a, b) => rank(a, term) - rank(b, term) || a.name.localeCompare(b.name)).slice(0, 60);
}

export function fold(s: string): string {
  return s.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}

function matches(p: Person, term: string): boolean {
  const t = fold(term.trim());
  return fold(p.name).includes(t) || fold(p.user).includes(t);
}

// Names whose words begin with what was typed come before those that merely contain it.
function rank(p: Person, term: string): number {
  const t = fold(term.trim());
  return fold(p.name).split(/\s+/).some((w) => w.startsWith(t)) ? 0 : 1;
}

export function PersonRow({ person, children }: { person: Person; children?: ComponentChildren }): VNode {
  const outside = serverOf(person.user) !== serverOf(me.value);
  return (
    <span class="person">
      <Avatar id={person.user} name={person.name} />
      <span class="person-words">
        <span class="person-name" dir="auto">{person.name}</span>
        <span class="person-id">{localpart(person.user)}{outside && ` · outside, ${serverOf(person.user)}`}</span>
      </span>
      {children}
    </span>
  );
}
