import { h } from "./preact/preact.js";
import { initials, tone } from "./words.js";
import { People } from "./icons.js";
function Avatar({ id, name, group, size }) {
  return /* @__PURE__ */ h("span", { class: `avatar tone-${tone(id)} ${size ?? ""}`, "aria-hidden": "true" }, group ? /* @__PURE__ */ h(People, null) : initials(name));
}
export {
  Avatar
};
