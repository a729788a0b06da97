// One's own matters: who one is, signing out, a lost phone.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { call, explain } from "./api.js";
import { me } from "./conversations.js";
import { device, myName } from "./resume.js";
import { signOut } from "./session.js";
import { Avatar } from "./avatar.js";
import { closeSheet, closeSheets, Sheet, showSheet } from "./sheet.js";
import { say } from "./say.js";
import { localpart } from "./matrix.js";
import { dateTime } from "./words.js";
import { Door, Phone, Seal } from "./icons.js";

interface Device {
  device_id: string;
  display_name?: string;
  last_seen_ts?: number;
}

export function Account(): VNode {
  const [devices, setDevices] = useState<Device[]>([]);
  useEffect(() => {
    call<{ devices: Device[] }>("GET", "/_matrix/client/v3/devices").then((d) => setDevices(d.devices), () => {});
  }, []);
  return (
    <Sheet title="You">
      <div class="self">
        <Avatar id={me.value} name={myName.value} size="large" />
        <p><b dir="auto">{myName.value}</b><span class="person-id">{localpart(me.value)}</span></p>
      </div>
      <button type="button" class="row-button" onClick={() => showSheet(<LostPhone />)}>
        <span class="row-icon"><Phone /></span> I have lost a phone
      </button>
      <button type="button" class="row-button" onClick={() => void leave(false)}>
        <span class="row-icon"><Door /></span> Sign out here
      </button>
      {devices.length > 0 && (
        <section class="devices">
          <h3>Where you are signed in</h3>
          <ul>
            {devices.map((d) => (
              <li key={d.device_id}>
                <span>{d.display_name || "A device"}{d.device_id === device.value && <span class="tag">this one</span>}</span>
                {typeof d.last_seen_ts === "number" && d.last_seen_ts > 0 && <span class="person-id">Last used {dateTime(d.last_seen_ts)}</span>}
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="plain">
        <h3>What is kept where</h3>
        <p><Seal /> <span>Every message is on the official record from the moment it is sent, encrypted on its way and where it is kept. The records office may read it for a lawful reason, and each look is recorded.</span></p>
        <p>On this device there is nothing but the proof that you are signed in.</p>
      </section>
      <section class="plain">
        <h3>Keys</h3>
        <dl class="keys">
          <dt><kbd>Ctrl</kbd> <kbd>K</kbd></dt><dd>Find a conversation, a person or a message</dd>
          <dt><kbd>Alt</kbd> <kbd>↑</kbd> <kbd>↓</kbd></dt><dd>Previous and next conversation</dd>
          <dt><kbd>↑</kbd></dt><dd>Go to the messages; then <kbd>R</kbd> reply, <kbd>E</kbd> edit, <kbd>+</kbd> react, <kbd>Enter</kbd> everything else</dd>
        </dl>
      </section>
    </Sheet>
  );
}

async function leave(everywhere: boolean): Promise<void> {
  try {
    await signOut(everywhere);
    closeSheets();
  } catch (e) {
    say(explain(e));
  }
}

function LostPhone(): VNode {
  const [busy, setBusy] = useState(false);
  return (
    <Sheet title="Lock out the lost phone?" kind="small">
      <p>Every device is signed out at once, this one too, and can read nothing more. Nothing is lost: sign in again and all is there.</p>
      <p class="hint">If the phone may be in the wrong hands, change your password and tell your IT desk as well.</p>
      <div class="choices">
        <button type="button" class="button danger" disabled={busy} data-focus onClick={() => {
          setBusy(true);
          void leave(true).finally(() => setBusy(false));
        }}>Sign out everywhere</button>
        <button type="button" class="quiet" onClick={closeSheet}>Cancel</button>
      </div>
    </Sheet>
  );
}

