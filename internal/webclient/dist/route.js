import { signal } from "./preact/signals.js";
function read() {
  const m = /^#\/c\/(.+)$/.exec(location.hash);
  try {
    return m ? decodeURIComponent(m[1]) : "";
  } catch {
    return "";
  }
}
const route = signal(read());
addEventListener("popstate", () => route.value = read());
function openConversation(id) {
  if (route.value === id) return;
  const hash = "#/c/" + encodeURIComponent(id);
  if (route.value) history.replaceState(history.state, "", hash);
  else history.pushState("from list", "", hash);
  route.value = id;
}
function openList() {
  if (route.value === "") return;
  if (history.state === "from list") {
    history.back();
    return;
  }
  history.replaceState(null, "", "#/");
  route.value = "";
}
function resetRoute() {
  history.replaceState(null, "", "#/");
  route.value = "";
}
export {
  openConversation,
  openList,
  resetRoute,
  route
};
