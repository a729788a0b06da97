import { h, Fragment } from "./preact/preact.js";
import { useEffect } from "./preact/hooks.js";
import { signal } from "./preact/signals.js";
import { Saying } from "./say.js";
import { signedIn } from "./session.js";
import { SignIn } from "./signin.js";
const window = signal(null);
async function fetchWindow() {
  for (let wait = 500; window.value === null; wait = Math.min(wait * 2, 1e4)) {
    try {
      window.value = (await import("./window.js")).Window;
    } catch {
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}
function App() {
  useEffect(() => void fetchWindow(), []);
  const Window = window.value;
  return /* @__PURE__ */ h(Fragment, null, !signedIn.value ? /* @__PURE__ */ h(SignIn, null) : Window ? /* @__PURE__ */ h(Window, null) : /* @__PURE__ */ h("main", { class: "opening", "aria-busy": "true" }, /* @__PURE__ */ h("h1", { class: "hidden" }, "Despatch")), /* @__PURE__ */ h(Saying, null));
}
export {
  App
};
