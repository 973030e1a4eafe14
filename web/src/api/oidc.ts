import { BASE } from "../root.ts";
import { claimsOf, signIn } from "./session.ts";
import { isAnswer, isAnswered, type SignInOptions } from "./sign-in.ts";

// Signing in at the issuer of the service's tokens, by OIDC's authorization code with PKCE.

type Oidc = NonNullable<SignInOptions["oidc"]>;

const KEPT = "oidc";

/** What stays in this tab while one is at the issuer. */
interface Kept {
  readonly verifier: string;
  readonly state: string;
  readonly back: string;
}

/** Leaves for the issuer's page, which leads back to this one. */
export async function beginOidc({ authorizationEndpoint, clientId, scope }: Oidc): Promise<void> {
  // A browser has them on https and on this machine alone.
  if (!isSecureContext) throw new Error("Signing in at the issuer needs https: open this page by https");
  const [verifier, state] = [random(), random()];
  const kept: Kept = { verifier, state, back: location.pathname + location.search };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  const url = new URL(authorizationEndpoint);
  const asked = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri(),
    scope,
    state,
    code_challenge: await challengeOf(verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  location.assign(url);
}

/** Takes the code that the issuer has sent back to this page, if there is one. Throws what went wrong. */
export async function finishOidc({ issuer, tokenEndpoint, clientId }: Oidc): Promise<void> {
  const query = new URLSearchParams(location.search);
  if (!isAnswer(query)) return;
  const [code, state, refused] = [query.get("code"), query.get("state"), query.get("error")];
  const text = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  const kept = text === null ? undefined : (JSON.parse(text) as Kept);
  // A code is not left in the address, whatever becomes of it.
  history.replaceState(null, "", kept?.back ?? BASE);
  if (state !== kept?.state || (query.get("iss") ?? issuer) !== issuer)
    throw new Error("The issuer's answer belongs to another sign-in. Sign in again");
  if (code === null) throw new Error(`The issuer refused: ${query.get("error_description") ?? refused}`);
  signIn(await tokenFor(code, kept.verifier, { tokenEndpoint, clientId }));
  isAnswered.value = false;
}

async function tokenFor(
  code: string,
  verifier: string,
  { tokenEndpoint, clientId }: Pick<Oidc, "tokenEndpoint" | "clientId">,
): Promise<string> {
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code,
    client_id: clientId,
    redirect_uri: redirectUri(),
    code_verifier: verifier,
  });
  const response = await fetch(tokenEndpoint, { method: "POST", body, credentials: "omit" }).catch(() => undefined);
  if (!response) throw new Error("The issuer's token endpoint did not answer, or does not allow this page (CORS)");
  const answer = (await response.json().catch(() => ({}))) as Record<string, string | undefined>;
  const { access_token: token, error_description: description, error } = answer;
  if (!response.ok || token === undefined)
    throw new Error(`The issuer gave no token: ${description ?? error ?? response.status}`);
  if (!claimsOf(token))
    throw new Error("The issuer's access token is no JWT, which the service needs: set an audience for this client");
  return token;
}

function redirectUri(): string {
  return new URL(BASE, location.href).href;
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challengeOf(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
