import { h } from "./preact/preact.js";
import { useEffect, useId, useLayoutEffect, useRef } from "./preact/hooks.js";
import { signal } from "./preact/signals.js";
import { Close } from "./icons.js";
const open = signal([]);
function showSheet(sheet) {
  open.value = [...open.value, sheet];
}
function closeSheet() {
  open.value = open.value.slice(0, -1);
}
function closeSheets() {
  open.value = [];
}
function Sheets() {
  return /* @__PURE__ */ h("div", null, open.value.map((s, i) => /* @__PURE__ */ h("div", { key: i }, s)));
}
function Sheet({ title, children, kind = "side", class: extra, at, hideTitle }) {
  const ref = useRef(null);
  const pressed = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const d = ref.current;
    d.showModal();
    if (at && matchMedia("(min-width: 700px)").matches) place(d, at);
    return () => d.close();
  }, []);
  useEffect(() => ref.current?.querySelector("[data-focus]")?.focus(), []);
  return /* @__PURE__ */ h(
    "dialog",
    {
      ref,
      class: `sheet ${kind} ${extra ?? ""}`,
      "aria-labelledby": id,
      onCancel: (e) => {
        if (e.target !== ref.current) return;
        e.preventDefault();
        closeSheet();
      },
      onKeyDown: (e) => {
        if (e.key !== "Escape" || e.defaultPrevented) return;
        e.preventDefault();
        e.stopPropagation();
        closeSheet();
      },
      onPointerDown: (e) => pressed.current = e.target,
      onClickCapture: (e) => {
        if (e.detail > 0 && pressed.current === null) e.stopPropagation();
      },
      onClick: (e) => {
        if (e.target === ref.current && pressed.current === ref.current) closeSheet();
      }
    },
    /* @__PURE__ */ h("div", { class: "sheet-inside" }, /* @__PURE__ */ h("header", { class: hideTitle ? "hidden" : "" }, /* @__PURE__ */ h("h2", { id, dir: "auto" }, title), !hideTitle && /* @__PURE__ */ h("button", { type: "button", class: "round", "aria-label": "Close", onClick: closeSheet }, /* @__PURE__ */ h(Close, null))), children)
  );
}
function place(d, at) {
  const { width, height } = d.getBoundingClientRect();
  d.style.left = `${Math.max(8, Math.min(at.x, innerWidth - width - 8))}px`;
  d.style.top = `${Math.max(8, Math.min(at.y, innerHeight - height - 8))}px`;
  d.style.margin = "0";
}
export {
  Sheet,
  Sheets,
  closeSheet,
  closeSheets,
  showSheet
};
