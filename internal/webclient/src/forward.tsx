// Forwarding a message: a choice of where to, and it is sent.

import { h, type VNode } from "./preact/preact.js";
import { useState } from "./preact/hooks.js";
import { fold } from "./choosepeople.js";
import { sorted } from "./conversations.js";
import { type Message, bodyOf, summary } from "./history.js";
import type { Content } from "./matrix.js";
import { Avatar } from "./avatar.js";
import { audience } from "./people.js";
import { send } from "./outbox.js";
import { closeSheets, Sheet } from "./sheet.js";
import { say } from "./say.js";
import { Search } from "./icons.js";

export function ForwardTo({ m }: { m: Message }): VNode {
  const [term, setTerm] = useState("");
  const found = sorted.value.filter((c) => c.membership === "join" && fold(c.title).includes(fold(term.trim())));
  const forward = (id: string, title: string) => {
    const content: Content = { ...m.content };
    delete content["m.relates_to"];
    delete content["m.mentions"];
    delete content["m.new_content"];
    if (content.msgtype === "m.text") {
      content.body = bodyOf(m.content, m.replyTo !== "");
      delete content["formatted_body"];
      delete content["format"];
    }
    send(id, "m.room.message", content);
    closeSheets();
    say(`Forwarded to ${title}.`);
  };
  return (
    <Sheet title="Forward to">
      <blockquote class="what" dir="auto">{summary(m)}</blockquote>
      <div class="search-field">
        <Search />
        <input type="search" dir="auto" autocomplete="off" placeholder="Conversation" aria-label="Find a conversation" data-focus value={term} onInput={(e) => setTerm(e.currentTarget.value)} />
      </div>
      <ul class="people-list" aria-label="Conversations">
        {found.map((c) => (
          <li key={c.id}>
            <button type="button" class="row-button" onClick={() => forward(c.id, c.title)}>
              <span class="person">
                <Avatar id={c.partner || c.id} name={c.title} group={!c.partner} />
                <span class="person-words"><span class="person-name" dir="auto">{c.title}</span><span class="person-id">{audience(c)}</span></span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Sheet>
  );
}
