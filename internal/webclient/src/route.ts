// Where one is: the part of the address after "#". "#/" is the list, "#/c/ID" a conversation. The
// back gesture leads from a conversation to the list, however many were read in between.

import { signal } from "./preact/signals.js";

function read(): string {
  const m = /^#\/c\/(.+)$/.exec(location.hash);
  try {
    return m ? decodeURIComponent(m[1]!) : "";
  } catch {
    return "";
  }
}

/** The conversation that is open, or "". */
export const route = signal(read());

addEventListener("popstate", () => (route.value = read()));

export function openConversation(id: string): void {
  if (route.value === id) return;
  const hash = "#/c/" + encodeURIComponent(id);
  if (route.value) history.replaceState(history.state, "", hash);
  else history.pushState("from list", "", hash);
  route.value = id;
}

export function openList(): void {
  if (route.value === "") return;
  if (history.state === "from list") {
    history.back();
    return;
  }
  history.replaceState(null, "", "#/");
  route.value = "";
}

/** Goes to the list without a way back: after signing out. */
export function resetRoute(): void {
  history.replaceState(null, "", "#/");
  route.value = "";
}
