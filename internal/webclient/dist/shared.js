import { signal } from "./preact/signals.js";
import { whenOver } from "./session.js";
const shared = signal(null);
whenOver(() => shared.value = null);
function takeShared() {
  if (location.hash !== "#/shared") return;
  history.replaceState(null, "", "#/");
  const container = navigator.serviceWorker;
  const done = (s) => {
    clearTimeout(late);
    container?.removeEventListener("message", take);
    shared.value = s;
  };
  const take = (e) => {
    const files = e.data?.shared?.files;
    if (Array.isArray(files)) done({ files: files.filter((f) => f instanceof File), text: String(e.data.shared.text ?? "") });
  };
  const late = setTimeout(() => done({ files: [], text: "" }), 3e3);
  container?.addEventListener("message", take);
  container?.startMessages();
  container?.controller?.postMessage("what was shared");
}
export {
  shared,
  takeShared
};
