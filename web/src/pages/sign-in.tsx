import { useEffect, useState } from "preact/hooks";
import { API } from "../root.ts";
import { claimsOf, signIn } from "../api/session.ts";
import { sentenceOf } from "../parts/notices.tsx";
import { isAnswer, isAnswered, signInOptions, type SignInOptions } from "../api/sign-in.ts";

/** A pasted token, one click on a local stack, or the issuer's own page. */
export function SignIn({ isAgain = false }: { readonly isAgain?: boolean }) {
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [options, setOptions] = useState<SignInOptions | undefined>(undefined);
  const attempt = async (act: () => Promise<void>) => {
    try {
      setProblem(undefined);
      await act();
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  };
  useEffect(() => {
    void attempt(async () => {
      const offered = await signInOptions();
      setOptions(offered);
      if (!offered.oidc) isAnswered.value = false;
      else if (isAnswer(new URLSearchParams(location.search))) await (await oidcFlow()).finishOidc(offered.oidc);
    });
  }, []);
  const oidc = options?.oidc ?? undefined;
  const form = (
    <div class="stack">
      {options?.local && (
        <button type="button" class="button primary" onClick={() => void attempt(localToken)}>
          Sign in to this local stack
        </button>
      )}
      {oidc && (
        <button
          type="button"
          class="button primary"
          onClick={() => void attempt(async () => (await oidcFlow()).beginOidc(oidc))}
        >
          Sign in with {new URL(oidc.issuer).host}
        </button>
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <Paste options={options} onProblem={setProblem} />
    </div>
  );
  if (isAgain) {
    return (
      <div class="stack">
        <p>The token has ended, or is not taken any more. What you see stays as it is.</p>
        {form}
      </div>
    );
  }
  return (
    <main class="sign-in">
      <h1 tabIndex={-1}>Jobs</h1>
      <p class="muted">See what runs, what waits and why, and put it right.</p>
      {form}
    </main>
  );
}

/** Seldom used, so it comes when it is. */
const oidcFlow = async () => import("../api/oidc.ts");

interface PasteProps {
  readonly options: SignInOptions | undefined;
  readonly onProblem: (problem: string | undefined) => void;
}

function Paste({ options, onProblem }: PasteProps) {
  const [text, setText] = useState("");
  const paste = (event: Event) => {
    event.preventDefault();
    const token = text.trim().replace(/^Bearer\s+/i, "");
    if (claimsOf(token)) {
      signIn(token);
      isAnswered.value = false;
    } else onProblem("This is no token: expected three parts with dots between them, as `npm run token` prints it");
  };
  const hasOther = options?.local === true || Boolean(options?.oidc);
  return (
    <form class="stack" onSubmit={paste}>
      <div class="field">
        <label for="token">{hasOther ? "Or a token" : "Token"}</label>
        <textarea
          id="token"
          class="input"
          rows={4}
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <span class="hint">
          Kept in this tab only, until you sign out or close it. {options?.local && <code>npm run token</code>}
        </span>
      </div>
      <button type="submit" class={`button${hasOther ? "" : " primary"}`} disabled={text.trim() === ""}>
        Sign in with this token
      </button>
    </form>
  );
}

/** The local stack hands one out to its own page only. */
async function localToken(): Promise<void> {
  const response = await fetch(new URL("local/token", API), { method: "POST", headers: { "x-dashboard": "1" } });
  if (!response.ok) throw new Error(`The local stack gave no token (${response.status})`);
  const { token } = (await response.json()) as { token: string };
  signIn(token);
}
