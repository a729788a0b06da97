import { h } from "./preact/preact.js";
import { useState } from "./preact/hooks.js";
import { call, enc, explain } from "./api.js";
import { RETENTION } from "./matrix.js";
import { closeSheet, Sheet } from "./sheet.js";
import { say } from "./say.js";
import { lifetime } from "./words.js";
import { Seal } from "./icons.js";
const HOUR = 36e5;
const CHOICES = [24 * HOUR, 7 * 24 * HOUR, 90 * 24 * HOUR];
const TRIAL = 3e4;
function TimerSheet({ c }) {
  const now = c.lifetime;
  const [busy, setBusy] = useState(-1);
  const allowed = c.may(RETENTION);
  const choose = async (ms) => {
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
  return /* @__PURE__ */ h(Sheet, { title: "Disappearing messages", kind: "small" }, /* @__PURE__ */ h("p", { class: "on-record" }, /* @__PURE__ */ h(Seal, null), " ", /* @__PURE__ */ h("span", null, "New messages go from everybody’s devices after this time. The official record keeps them.")), !allowed && /* @__PURE__ */ h("p", { class: "notice" }, "Only some people here can change this. It is set to ", now > 0 ? lifetime(now) : "off", "."), /* @__PURE__ */ h("div", { class: "options", role: "group", "aria-label": "Messages disappear after" }, choices.map((ms) => /* @__PURE__ */ h("button", { key: ms, type: "button", class: "option", "aria-pressed": ms === now, disabled: !allowed || busy >= 0, onClick: () => void choose(ms) }, /* @__PURE__ */ h("span", { class: ms === now ? "dot on" : "dot" }), /* @__PURE__ */ h("span", null, ms === 0 ? "Off" : lifetime(ms)), ms === TRIAL && /* @__PURE__ */ h("span", { class: "tag" }, "for trying it out")))));
}
export {
  TimerSheet
};
