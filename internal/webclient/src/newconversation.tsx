// Beginning a conversation: with one colleague by a tap on the name, or as a group.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { conversation, direct, directWith, learnName, me } from "./conversations.js";
import { type Person, PersonRow, usePeople } from "./choosepeople.js";
import { openConversation } from "./route.js";
import { closeSheets, Sheet } from "./sheet.js";
import { say } from "./say.js";
import { plural } from "./words.js";
import { Check, People, Search } from "./icons.js";

/** Opens the conversation with a person, and makes it first if there is none. */
export async function talkTo(p: Person): Promise<void> {
  const there = directWith(p.user);
  if (there) {
    closeSheets();
    openConversation(there.id);
    return;
  }
  const { room_id } = await call<{ room_id: string }>("POST", "/_matrix/client/v3/createRoom", {
    body: { is_direct: true, preset: "trusted_private_chat", invite: [p.user] },
  });
  learnName(p.user, p.name);
  direct.value = new Map(direct.value).set(room_id, p.user);
  conversation(room_id);
  closeSheets();
  openConversation(room_id);
  const content: Record<string, string[]> = {};
  for (const [room, user] of direct.value) (content[user] ??= []).push(room);
  await call("PUT", `/_matrix/client/v3/user/${enc(me.value)}/account_data/m.direct`, { body: content });
}

async function makeGroup(name: string, people: Person[]): Promise<void> {
  const { room_id } = await call<{ room_id: string }>("POST", "/_matrix/client/v3/createRoom", {
    body: { preset: "private_chat", name, invite: people.map((p) => p.user) },
  });
  conversation(room_id);
  closeSheets();
  openConversation(room_id);
}

export function NewConversation(): VNode {
  const [term, setTerm] = useState("");
  const [group, setGroup] = useState(false);
  const [chosen, setChosen] = useState<Person[]>([]);
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const people = usePeople(term);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);

  const busily = (f: () => Promise<void>) => {
    if (busy) return;
    setBusy(true);
    f().catch((e) => say(explain(e))).finally(() => setBusy(false));
  };
  const toggle = (p: Person) => {
    setChosen(chosen.some((c) => c.user === p.user) ? chosen.filter((c) => c.user !== p.user) : [...chosen, p]);
    if (term) {
      setTerm("");
      field.current?.focus();
    }
  };
  const submit = (e: Event) => {
    e.preventDefault();
    if (group) {
      if (name.trim() && chosen.length > 0) busily(() => makeGroup(name.trim(), chosen));
    } else if (term && people[0]) busily(() => talkTo(people[0]!));
  };
  const isChosen = (p: Person) => chosen.some((c) => c.user === p.user);
  return (
    <Sheet title={group ? "New group" : "New conversation"}>
      <form class="sheet-form" onSubmit={submit}>
        {group && (
          <label>
            Name of the group
            <input type="text" dir="auto" value={name} maxLength={200} autocomplete="off" onInput={(e) => setName(e.currentTarget.value)} />
          </label>
        )}
        <div class="search-field">
          <Search />
          <input ref={field} type="search" dir="auto" autocomplete="off" placeholder="Name" aria-label="Name of a colleague" value={term} onInput={(e) => setTerm(e.currentTarget.value)} />
        </div>
        {!group && (
          <button type="button" class="row-button" onClick={() => {
            setGroup(true);
            setTerm("");
          }}>
            <span class="row-icon"><People /></span> New group
          </button>
        )}
        {chosen.length > 0 && (
          <ul class="chips" aria-label="In the group">
            {chosen.map((p) => (
              <li key={p.user}><button type="button" onClick={() => toggle(p)} aria-label={`Take ${p.name} out`}><span dir="auto">{p.name}</span> ×</button></li>
            ))}
          </ul>
        )}
        <ul class="people-list" aria-label="Colleagues">
          {people.map((p) => (
            <li key={p.user}>
              <button type="button" class="row-button" disabled={busy} aria-pressed={group ? isChosen(p) : undefined} onClick={() => (group ? toggle(p) : busily(() => talkTo(p)))}>
                <PersonRow person={p}>{group && <span class={isChosen(p) ? "box ticked" : "box"}>{isChosen(p) && <Check />}</span>}</PersonRow>
              </button>
            </li>
          ))}
        </ul>
        {people.length === 0 && <p class="nothing">{term ? `Nobody here is called “${term}”.` : "Type a colleague’s name."}</p>}
        {group && (
          <div class="sheet-foot">
            <button type="submit" class="button wide" disabled={busy || !name.trim() || chosen.length === 0}>
              {chosen.length === 0 ? "Make the group" : `Make the group of ${chosen.length + 1}`}
            </button>
            <p class="hint">{!name.trim() ? "Give the group a name." : chosen.length === 0 ? "Choose who is in it." : `${plural(chosen.length, "colleague")} and you.`}</p>
          </div>
        )}
      </form>
    </Sheet>
  );
}
