// Starts the messenger.

import { h, render } from "./preact/preact.js";
import { App } from "./app.js";
import { takeShared } from "./shared.js";

takeShared();

render(<App />, document.getElementById("app")!);

// The worker keeps the app itself for when there is no network; it never keeps a message.
if ("serviceWorker" in navigator) addEventListener("load", () => navigator.serviceWorker.register("/worker.js").catch(() => {}));
