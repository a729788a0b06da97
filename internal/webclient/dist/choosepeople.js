import { h } from "./preact/preact.js";
import { useEffect, useState } from "./preact/hooks.js";
import { call } from "./api.js";
import { knownPeople, learnName, me, nameOf } from "./conversations.js";
import { localpart, serverOf, text } from "./matrix.js";
import { Avatar } from "./avatar.js";
function usePeople(term, except = /* @__PURE__ */ new Set()) {
  const [found, setFound] = useState([]);
  useEffect(() => {
    if (!term.trim()) return setFound([]);
    const stop = new AbortController();
    const t = setTimeout(() => {
      call("POST", "/_matrix/client/v3/user_directory/search", { body: { search_term: term, limit: 50 }, signal: stop.signal }).then((d) => {
        for (const r of d.results ?? []) learnName(r.user_id, r.display_name);
        setFound((d.results ?? []).map((r) => ({ user: r.user_id, name: text(r.display_name) || localpart(r.user_id) })));
      }).catch(() => {
      });
    }, 120);
    return () => {
      clearTimeout(t);
      stop.abort();
    };
  }, [term]);
  const all = /* @__PURE__ */ new Map();
  for (const p of [...knownPeople(), ...found]) if (matches(p, term)) all.set(p.user, { user: p.user, name: nameOf(p.user) });
  all.delete(me.value);
  for (const user of except) all.delete(user);
  return [...all.values()].sort((a, b) => rank(a, term) - rank(b, term) || a.name.localeCompare(b.name)).slice(0, 60);
}
function fold(s) {
  return s.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}
function matches(p, term) {
  const t = fold(term.trim());
  return fold(p.name).includes(t) || fold(p.user).includes(t);
}
function rank(p, term) {
  const t = fold(term.trim());
  return fold(p.name).split(/\s+/).some((w) => w.startsWith(t)) ? 0 : 1;
}
function PersonRow({ person, children }) {
  const outside = serverOf(person.user) !== serverOf(me.value);
  return /* @__PURE__ */ h("span", { class: "person" }, /* @__PURE__ */ h(Avatar, { id: person.user, name: person.name }), /* @__PURE__ */ h("span", { class: "person-words" }, /* @__PURE__ */ h("span", { class: "person-name", dir: "auto" }, person.name), /* @__PURE__ */ h("span", { class: "person-id" }, localpart(person.user), outside && ` · outside, ${serverOf(person.user)}`)), children);
}
export {
  PersonRow,
  fold,
  usePeople
};
