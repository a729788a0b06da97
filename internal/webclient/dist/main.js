import { h, render } from "./preact/preact.js";
import { App } from "./app.js";
import { takeShared } from "./shared.js";
takeShared();
render(/* @__PURE__ */ h(App, null), document.getElementById("app"));
if ("serviceWorker" in navigator) addEventListener("load", () => navigator.serviceWorker.register("/worker.js").catch(() => {
}));
