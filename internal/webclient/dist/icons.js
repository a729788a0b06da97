import { h } from "./preact/preact.js";
function icon(...paths) {
  return () => /* @__PURE__ */ h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, paths.map((d) => /* @__PURE__ */ h("path", { d })));
}
const Back = icon("M15 5l-7 7 7 7");
const Plus = icon("M12 5v14M5 12h14");
const Pencil = icon("M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19z", "M14.5 6.5l3 3");
const Search = icon("M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14z", "M16.2 16.2L20.5 20.5");
const Clock = icon("M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z", "M12 7.5V12l3 2");
const Close = icon("M6 6l12 12M18 6L6 18");
const Send = icon("M4.5 12L4 4.5 21 12 4 19.5z", "M4.5 12H12");
const Clip = icon("M20 11.5l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.4 3.4 0 0 1 4.8 4.8L10 17a1.7 1.7 0 0 1-2.4-2.4l7.4-7.4");
const Smile = icon("M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z", "M8.3 14a4.4 4.4 0 0 0 7.4 0", "M9 9.5v.5M15 9.5v.5");
const Reply = icon("M10 6L4 12l6 6", "M4.5 12H13a7 7 0 0 1 7 7");
const Forward = icon("M14 6l6 6-6 6", "M19.5 12H11a7 7 0 0 0-7 7");
const Copy = icon("M9 9h10v11H9z", "M15 5.5V4H5v11h1.5");
const Bin = icon("M4.5 6.5h15M9.5 6V4h5v2M6.5 6.5l1 13.5h9l1-13.5", "M10.5 10.5v6M13.5 10.5v6");
const More = icon("M5.5 12h.01M12 12h.01M18.5 12h.01");
const Down = icon("M6 10l6 6 6-6");
const File = icon("M6 3.5h8l4.5 4.5v12.5H6z", "M14 3.5V8h4.5");
const Person = icon("M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8z", "M4.5 20.5a7.5 7.5 0 0 1 15 0");
const People = icon("M9 5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z", "M2.5 19.5a6.5 6.5 0 0 1 13 0", "M15.5 5.2a3.5 3.5 0 0 1 0 6.6M18 14.3a6.5 6.5 0 0 1 3.5 5.2");
const Phone = icon("M7.5 3h9v18h-9z", "M11 18h2");
const Door = icon("M13 4H5.5v16H13", "M10 12h10M16.5 8.5L20 12l-3.5 3.5");
const Seal = icon("M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6z", "M8.5 11.8l2.5 2.5 4.5-4.8");
const Tray = icon("M4 13.5v6h16v-6", "M12 4v10.5M8 10.5l4 4 4-4");
const Warning = icon("M12 4L2.8 19.5h18.4z", "M12 10v4M12 16.8v.2");
const Check = icon("M5 12.5l4.5 4.5L19 7.5");
function Ticks({ state }) {
  if (state === "waiting") {
    return /* @__PURE__ */ h(Mark, { label: "Waiting to be sent" }, /* @__PURE__ */ h("path", { d: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3l2 1.5" }));
  }
  const label = state === "recorded" ? "On the record" : state === "delivered" ? "Delivered" : "Read";
  return /* @__PURE__ */ h(Mark, { label, read: state === "read" }, state === "recorded" ? /* @__PURE__ */ h("path", { d: "M3.5 8.5l3 3 6-7" }) : /* @__PURE__ */ h("path", { d: "M.8 8.5l3 3 6-7M7 10.6l.9.9 6-7" }));
}
function Mark({ label, read, children }) {
  return /* @__PURE__ */ h("svg", { class: read ? "ticks read" : "ticks", viewBox: "0 0 16 16", role: "img", "aria-label": label }, children);
}
export {
  Back,
  Bin,
  Check,
  Clip,
  Clock,
  Close,
  Copy,
  Door,
  Down,
  File,
  Forward,
  More,
  Pencil,
  People,
  Person,
  Phone,
  Plus,
  Reply,
  Seal,
  Search,
  Send,
  Smile,
  Ticks,
  Tray,
  Warning
};
