// How long messages stay on devices. A choice takes effect at once.

import { h, type VNode } from "./preact/preact.js";
import { useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import type { Conversation } from "./conversations.js";
import { RETENTION } from "./matrix.js";
import { closeSheet, Sheet } from "./sheet.js";
import { say } from "./say.js";
import { lifetime } from "./words.js";
import { Seal } from "./icons.js";

const HOUR = 3_600_000;
const CHOICES = [24 * HOUR, 7 * 24 * HOUR, 90 * 24 * HOUR];
const TRIAL = 30_000;

export function TimerSheet({ c }: { c: Conversation }): VNode {
  const now = c.lifetime;
  const [busy, setBusy] = useState(-1);
  const allowed = c.may(RETENTION);
  const choose = async (ms: number) => {
    setBusy(ms);
    try {
      const body = ms > 0 ? { max_lifetime: ms } : {};
      await call("PUT", `/_matrix/client/v3/rooms/${enc(c.id)}/state/${RETENTION}/`, { body });
      closeSheet();
      say(ms > 0 ? `New messages disappear from devices after ${lifetime(ms)}.` : "New messages stay on devices.");
    } catch (e) {
      setBusy(-1);
      say(explain(e));
    }
  };
  const choices = [0, ...CHOICES, TRIAL];
  if (now > 0 && !choices.includes(now)) choices.push(now);
  return (
    <Sheet title="Disappearing messages" kind="small">
      <p class="on-record"><Seal /> <span>New messages go from everybody’s devices after this time. The official record keeps them.</span></p>
      {!allowed && <p class="notice">Only some people here can change this. It is set to {now > 0 ? lifetime(now) : "off"}.</p>}
      <div class="options" role="group" aria-label="Messages disappear after">
        {choices.map((ms) => (
          <button key={ms} type="button" class="option" aria-pressed={ms === now} disabled={!allowed || busy >= 0} onClick={() => void choose(ms)}>
            <span class={ms === now ? "dot on" : "dot"} />
            <span>{ms === 0 ? "Off" : lifetime(ms)}</span>
            {ms === TRIAL && <span class="tag">for trying it out</span>}
          </button>
        ))}
      </div>
    </Sheet>
  );
}
