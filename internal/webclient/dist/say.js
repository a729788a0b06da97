import { h } from "./preact/preact.js";
import { signal } from "./preact/signals.js";
const toast = signal("");
const spoken = signal("");
let timer;
let silence;
function say(message) {
  toast.value = message;
  clearTimeout(timer);
  timer = setTimeout(() => toast.value = "", Math.max(4e3, message.length * 70));
}
function announce(message) {
  spoken.value = spoken.value === message ? message + " " : message;
  clearTimeout(silence);
  silence = setTimeout(() => spoken.value = "", 5e3);
}
function Saying() {
  return /* @__PURE__ */ h("div", { class: "saying" }, /* @__PURE__ */ h("div", { class: "toast", role: "status" }, toast.value && /* @__PURE__ */ h("p", null, toast.value)), /* @__PURE__ */ h("div", { class: "hidden", role: "log", "aria-live": "polite", "aria-label": "Arriving messages" }, spoken.value));
}
export {
  Saying,
  announce,
  say
};
