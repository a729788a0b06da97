// The first screen: who one is. Nothing else is asked.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { APIError, call, explain } from "./api.js";
import { signedOutBecause, signIn, signInWithToken } from "./session.js";
import { Seal, Warning } from "./icons.js";

export function SignIn(): VNode {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [sso, setSSO] = useState(false);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);

  const enter = async (how: () => Promise<void>) => {
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
    call<{ flows?: { type: string }[] }>("GET", "/_matrix/client/v3/login", { anonymous: true })
      .then((answer) => setSSO(answer.flows?.some((f) => f.type === "m.login.sso") ?? false))
      .catch(() => {});
  }, []);

  const submit = (e: Event) => {
    e.preventDefault();
    const user = name.current!.value;
    const secret = password.current!.value;
    if (!user.trim() || !secret) {
      setProblem(user.trim() ? "Enter your password." : "Enter your name.");
      (user.trim() ? password : name).current!.focus();
      return;
    }
    void enter(() => signIn(user, secret));
  };

  const redirect = "/_matrix/client/v3/login/sso/redirect?redirectUrl=" + encodeURIComponent(location.origin + "/");
  return (
    <main class="signin">
      <form onSubmit={submit} noValidate>
        <p class="brand"><Brand /> Despatch</p>
        <h1>Sign in</h1>
        {signedOutBecause.value && <p class="notice" role="status">{signedOutBecause.value}</p>}
        {problem && (
          <p class="problem" role="alert" id="problem"><Warning /> {problem}</p>
        )}
        {sso && <a class="button wide" href={redirect}>Use your organisation’s sign-in</a>}
        <label>
          Name
          <input ref={name} type="text" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} aria-describedby={problem ? "problem" : undefined} />
        </label>
        <label>
          Password
          <input ref={password} type="password" name="password" autocomplete="current-password" aria-describedby={problem ? "problem" : undefined} />
        </label>
        <button type="submit" class="button wide" disabled={busy}>{busy ? "Signing in…" : "Sign in"}</button>
        <p class="promise"><Seal /> What you send here is on the official record. Nothing stays on this device when you sign out.</p>
      </form>
    </main>
  );
}

/** The mark: a despatch box, closed. */
export function Brand(): VNode {
  return (
    <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect x="2" y="8" width="28" height="20" rx="5" />
      <path d="M11 8V6.5A2.5 2.5 0 0 1 13.5 4h5A2.5 2.5 0 0 1 21 6.5V8" />
      <path d="M2.5 16.5h9.5M20 16.5h9.5" />
      <path d="M12 15.5l3.2 3.2 5.3-6" />
    </svg>
  );
}
