import { h, render } from "./preact/preact.js";
import { App } from "./app.js";
render(/* @__PURE__ */ h(App, null), document.getElementById("app"));
if ("serviceWorker" in navigator) addEventListener("load", () => navigator.serviceWorker.register("/worker.js").catch(() => {
}));
