import { API, BASE } from "../root.ts";
import { signIn } from "./session.ts";

// Signing in at the issuer of the service's tokens, by OIDC's authorization code with PKCE.

export interface Oidc {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
}

export interface SignInOptions {
  readonly local: boolean;
  readonly oidc: Oidc | null;
}

const KEPT = "oidc";

/** How one can sign in here. */
export async function oidcOf(): Promise<SignInOptions> {
  const response = await fetch(new URL("dashboard/sign-in.json", API));
  if (!response.ok) return { local: false, oidc: null };
  return (await response.json()) as SignInOptions;
}

export async function beginOidc({ authorizationEndpoint, clientId, scope }: Oidc): Promise<void> {
  const [verifier, state] = [random(), random()];
  sessionStorage.setItem(KEPT, JSON.stringify({ verifier, state, back: location.pathname + location.search }));
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

/** Takes the code that the issuer has sent back to this page, if there is one. */
export async function finishOidc({ tokenEndpoint, clientId }: Oidc): Promise<void> {
  const query = new URLSearchParams(location.search);
  const [code, state, refused] = [query.get("code"), query.get("state"), query.get("error")];
  const kept = sessionStorage.getItem(KEPT);
  if (kept === null || (code === null && refused === null)) return;
  sessionStorage.removeItem(KEPT);
  const { verifier, state: expected, back } = JSON.parse(kept) as { verifier: string; state: string; back: string };
  history.replaceState(null, "", back);
  if (refused !== null) throw new Error(`The issuer refused: ${query.get("error_description") ?? refused}`);
  if (state !== expected || code === null) throw new Error("The issuer's answer belongs to another sign-in; try again");
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code,
    client_id: clientId,
    redirect_uri: redirectUri(),
    code_verifier: verifier,
  });
  const response = await fetch(tokenEndpoint, { method: "POST", body });
  const answer = (await response.json()) as { access_token?: string; error_description?: string; error?: string };
  if (!response.ok || answer.access_token === undefined)
    throw new Error(`The issuer gave no token: ${answer.error_description ?? answer.error ?? response.status}`);
  signIn(answer.access_token);
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
