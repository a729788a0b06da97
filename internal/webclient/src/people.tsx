// Who is in a conversation, and what can be changed about it.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { type Conversation, forget, me } from "./conversations.js";
import { type Person, PersonRow, usePeople } from "./choosepeople.js";
import { openList } from "./route.js";
import { closeSheet, closeSheets, Sheet, showSheet } from "./sheet.js";
import { say } from "./say.js";
import { people } from "./words.js";
import { Door, Plus, Search } from "./icons.js";

export function PeopleSheet({ c }: { c: Conversation }): VNode {
  void c.changed.value;
  useEffect(() => {
    c.loadMembers().catch((e) => say(explain(e)));
  }, []);
  const here = c.present();
  return (
    <Sheet title={c.title}>
      <p class="count">{audience(c)}</p>
      {c.partner === "" && c.may("m.room.name") && <Rename c={c} />}
      {c.may("invite") && (
        <button type="button" class="row-button" onClick={() => showSheet(<AddPeople c={c} />)}>
          <span class="row-icon"><Plus /></span> Add people
        </button>
      )}
      <ul class="people-list" aria-label="People here">
        {here.map((m) => (
          <li key={m.user}>
            <PersonRow person={m}>
              {m.membership === "invite" && <span class="tag">invited</span>}
              {m.user === me.value && <span class="tag">you</span>}
            </PersonRow>
          </li>
        ))}
      </ul>
      <button type="button" class="row-button danger" onClick={() => showSheet(<Leave c={c} />)}>
        <span class="row-icon"><Door /></span> Leave
      </button>
    </Sheet>
  );
}

/** "6 people, 1 from outside". */
export function audience(c: Conversation): string {
  return people(c.size) + (c.outsiders > 0 ? `, ${c.outsiders} from outside` : "");
}

function Rename({ c }: { c: Conversation }): VNode {
  const [name, setName] = useState(c.title);
  const [busy, setBusy] = useState(false);
  const save = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    try {
      await call("PUT", `/_matrix/client/v3/rooms/${enc(c.id)}/state/m.room.name/`, { body: { name: name.trim() } });
      say("Renamed.");
    } catch (e) {
      say(explain(e));
    }
    setBusy(false);
  };
  return (
    <form class="inline-form" onSubmit={save}>
      <label>
        Name
        <input type="text" dir="auto" maxLength={200} value={name} onInput={(e) => setName(e.currentTarget.value)} />
      </label>
      {name.trim() !== c.title && name.trim() !== "" && <button type="submit" class="button" disabled={busy}>Rename</button>}
    </form>
  );
}

function AddPeople({ c }: { c: Conversation }): VNode {
  const [term, setTerm] = useState("");
  const found = usePeople(term, new Set(c.present().map((m) => m.user)));
  const add = async (p: Person) => {
    try {
      await call("POST", `/_matrix/client/v3/rooms/${enc(c.id)}/invite`, { body: { user_id: p.user } });
      closeSheet();
      say(`${p.name} has been invited.`);
    } catch (e) {
      say(explain(e));
    }
  };
  return (
    <Sheet title="Add people">
      <div class="search-field">
        <Search />
        <input type="search" dir="auto" autocomplete="off" placeholder="Name" aria-label="Name of a colleague" data-focus value={term} onInput={(e) => setTerm(e.currentTarget.value)} />
      </div>
      <ul class="people-list" aria-label="Colleagues">
        {found.map((p) => (
          <li key={p.user}>
            <button type="button" class="row-button" onClick={() => void add(p)}><PersonRow person={p} /></button>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="nothing">{term ? `Nobody else here is called “${term}”.` : "Type a colleague’s name."}</p>}
    </Sheet>
  );
}

function Leave({ c }: { c: Conversation }): VNode {
  const leave = async () => {
    try {
      await call("POST", `/_matrix/client/v3/rooms/${enc(c.id)}/leave`, { body: {} });
      closeSheets();
      openList();
      forget(c.id);
    } catch (e) {
      say(explain(e));
    }
  };
  return (
    <Sheet title="Leave this conversation?" kind="small">
      <p>You will not see what is said in it from now on. What you said stays, for those who are here and on the official record.</p>
      <div class="choices">
        <button type="button" class="button danger" onClick={() => void leave()} data-focus>Leave</button>
        <button type="button" class="quiet" onClick={closeSheet}>Stay</button>
      </div>
    </Sheet>
  );
}
