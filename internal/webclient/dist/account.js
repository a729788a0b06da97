import { h } from "./preact/preact.js";
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
function Account() {
  const [devices, setDevices] = useState([]);
  useEffect(() => {
    call("GET", "/_matrix/client/v3/devices").then((d) => setDevices(d.devices), () => {
    });
  }, []);
  return /* @__PURE__ */ h(Sheet, { title: "You" }, /* @__PURE__ */ h("div", { class: "self" }, /* @__PURE__ */ h(Avatar, { id: me.value, name: myName.value, size: "large" }), /* @__PURE__ */ h("p", null, /* @__PURE__ */ h("b", { dir: "auto" }, myName.value), /* @__PURE__ */ h("span", { class: "person-id" }, localpart(me.value)))), /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => showSheet(/* @__PURE__ */ h(LostPhone, null)) }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(Phone, null)), " I have lost a phone"), /* @__PURE__ */ h("button", { type: "button", class: "row-button", onClick: () => void leave(false) }, /* @__PURE__ */ h("span", { class: "row-icon" }, /* @__PURE__ */ h(Door, null)), " Sign out here"), devices.length > 0 && /* @__PURE__ */ h("section", { class: "devices" }, /* @__PURE__ */ h("h3", null, "Where you are signed in"), /* @__PURE__ */ h("ul", null, devices.map((d) => /* @__PURE__ */ h("li", { key: d.device_id }, /* @__PURE__ */ h("span", null, d.display_name || "A device", d.device_id === device.value && /* @__PURE__ */ h("span", { class: "tag" }, "this one")), typeof d.last_seen_ts === "number" && d.last_seen_ts > 0 && /* @__PURE__ */ h("span", { class: "person-id" }, "Last used ", dateTime(d.last_seen_ts)))))), /* @__PURE__ */ h("section", { class: "plain" }, /* @__PURE__ */ h("h3", null, "What is kept where"), /* @__PURE__ */ h("p", null, /* @__PURE__ */ h(Seal, null), " ", /* @__PURE__ */ h("span", null, "Every message is on the official record from the moment it is sent, encrypted on its way and where it is kept. The records office may read it for a lawful reason, and each look is recorded.")), /* @__PURE__ */ h("p", null, "On this device there is nothing but the proof that you are signed in.")), /* @__PURE__ */ h("section", { class: "plain" }, /* @__PURE__ */ h("h3", null, "Keys"), /* @__PURE__ */ h("dl", { class: "keys" }, /* @__PURE__ */ h("dt", null, /* @__PURE__ */ h("kbd", null, "Ctrl"), " ", /* @__PURE__ */ h("kbd", null, "K")), /* @__PURE__ */ h("dd", null, "Find a conversation, a person or a message"), /* @__PURE__ */ h("dt", null, /* @__PURE__ */ h("kbd", null, "Alt"), " ", /* @__PURE__ */ h("kbd", null, "↑"), " ", /* @__PURE__ */ h("kbd", null, "↓")), /* @__PURE__ */ h("dd", null, "Previous and next conversation"), /* @__PURE__ */ h("dt", null, /* @__PURE__ */ h("kbd", null, "↑")), /* @__PURE__ */ h("dd", null, "Go to the messages; then ", /* @__PURE__ */ h("kbd", null, "R"), " reply, ", /* @__PURE__ */ h("kbd", null, "E"), " edit, ", /* @__PURE__ */ h("kbd", null, "+"), " react, ", /* @__PURE__ */ h("kbd", null, "Enter"), " everything else"))));
}
async function leave(everywhere) {
  try {
    await signOut(everywhere);
    closeSheets();
  } catch (e) {
    say(explain(e));
  }
}
function LostPhone() {
  const [busy, setBusy] = useState(false);
  return /* @__PURE__ */ h(Sheet, { title: "Lock out the lost phone?", kind: "small" }, /* @__PURE__ */ h("p", null, "Every device is signed out at once, this one too, and can read nothing more. Nothing is lost: sign in again and all is there."), /* @__PURE__ */ h("p", { class: "hint" }, "If the phone may be in the wrong hands, change your password and tell your IT desk as well."), /* @__PURE__ */ h("div", { class: "choices" }, /* @__PURE__ */ h("button", { type: "button", class: "button danger", disabled: busy, "data-focus": true, onClick: () => {
    setBusy(true);
    void leave(true).finally(() => setBusy(false));
  } }, "Sign out everywhere"), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: closeSheet }, "Cancel")));
}
export {
  Account
};
