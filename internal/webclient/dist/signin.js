import { h } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { signedOutBecause, signIn, signInWithToken } from "./session.js";
import { Seal, Warning } from "./icons.js";
function SignIn() {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [sso, setSSO] = useState(false);
  const name = useRef(null);
  const password = useRef(null);
  const enter = async (how) => {
    setBusy(true);
    setProblem("");
    try {
      await how();
    } catch (e) {
      const wrong = e instanceof APIError && e.status === 403;
      setProblem(wrong ? "That name and password do not go together. Check both and try again." : explain(e));
      setBusy(false);
      password.current?.select();
    }
  };
  useEffect(() => {
    name.current?.focus();
    const token = new URLSearchParams(location.search).get("loginToken");
    if (token) {
      history.replaceState(null, "", location.pathname + "#/");
      void enter(() => signInWithToken(token));
    }
    call("GET", "/_matrix/client/v3/login", { anonymous: true }).then((answer) => setSSO(answer.flows?.some((f) => f.type === "m.login.sso") ?? false)).catch(() => {
    });
  }, []);
  const submit = (e) => {
    e.preventDefault();
    const user = name.current.value;
    const secret = password.current.value;
    if (!user.trim() || !secret) {
      setProblem(user.trim() ? "Enter your password." : "Enter your name.");
      (user.trim() ? password : name).current.focus();
      return;
    }
    void enter(() => signIn(user, secret));
  };
  const redirect = "/_matrix/client/v3/login/sso/redirect?redirectUrl=" + encodeURIComponent(location.origin + "/");
  return /* @__PURE__ */ h("main", { class: "signin" }, /* @__PURE__ */ h("form", { onSubmit: submit, noValidate: true }, /* @__PURE__ */ h("p", { class: "brand" }, /* @__PURE__ */ h(Brand, null), " Despatch"), /* @__PURE__ */ h("h1", null, "Sign in"), signedOutBecause.value && /* @__PURE__ */ h("p", { class: "notice", role: "status" }, signedOutBecause.value), problem && /* @__PURE__ */ h("p", { class: "problem", role: "alert", id: "problem" }, /* @__PURE__ */ h(Warning, null), " ", problem), sso && /* @__PURE__ */ h("a", { class: "button wide", href: redirect }, "Use your organisation’s sign-in"), /* @__PURE__ */ h("label", null, "Name", /* @__PURE__ */ h("input", { ref: name, type: "text", name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: false, "aria-describedby": problem ? "problem" : void 0 })), /* @__PURE__ */ h("label", null, "Password", /* @__PURE__ */ h("input", { ref: password, type: "password", name: "password", autocomplete: "current-password", "aria-describedby": problem ? "problem" : void 0 })), /* @__PURE__ */ h("button", { type: "submit", class: "button wide", disabled: busy }, busy ? "Signing in…" : "Sign in"), /* @__PURE__ */ h("p", { class: "promise" }, /* @__PURE__ */ h(Seal, null), " What you send here is on the official record. Nothing stays on this device when you sign out.")));
}
function Brand() {
  return /* @__PURE__ */ h("svg", { class: "brand-mark", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" }, /* @__PURE__ */ h("rect", { x: "2", y: "8", width: "28", height: "20", rx: "5" }), /* @__PURE__ */ h("path", { d: "M11 8V6.5A2.5 2.5 0 0 1 13.5 4h5A2.5 2.5 0 0 1 21 6.5V8" }), /* @__PURE__ */ h("path", { d: "M2.5 16.5h9.5M20 16.5h9.5" }), /* @__PURE__ */ h("path", { d: "M12 15.5l3.2 3.2 5.3-6" }));
}
export {
  Brand,
  SignIn
};
