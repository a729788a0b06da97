// What a phone's share sheet handed over. It is asked for at once, before anything else is fetched: the
// worker that took it has it in its memory only, and is stopped when it has nothing to do.

import { signal } from "./preact/signals.js";
import { whenOver } from "./session.js";

export interface Shared {
  files: File[];
  text: string;
}

/** What was shared and nobody has looked at yet. No files and no text: it did not arrive. */
export const shared = signal<Shared | null>(null);

whenOver(() => (shared.value = null));

/** Fetches what was shared, if the page was opened for that. */
export function takeShared(): void {
  if (location.hash !== "#/shared") return;
  history.replaceState(null, "", "#/");
  const container = navigator.serviceWorker;
  const done = (s: Shared) => {
    clearTimeout(late);
    container?.removeEventListener("message", take);
    shared.value = s;
  };
  const take = (e: MessageEvent) => {
    const files = e.data?.shared?.files;
    if (Array.isArray(files)) done({ files: files.filter((f) => f instanceof File), text: String(e.data.shared.text ?? "") });
  };
  const late = setTimeout(() => done({ files: [], text: "" }), 3000);
  container?.addEventListener("message", take);
  container?.startMessages();
  container?.controller?.postMessage("what was shared");
}
