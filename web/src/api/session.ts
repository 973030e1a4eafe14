import { computed, signal } from "@preact/signals";

// The token of whoever looks. It lives as long as the tab, and goes out in one header only.

const KEY = "token";

export interface Claims {
  readonly sub?: string;
  readonly exp?: number;
  readonly [claim: string]: unknown;
}

const stored = signal<string | undefined>(sessionStorage.getItem(KEY) ?? undefined);

const refused = signal<string | undefined>(undefined);

export const token = computed(() => stored.value);
/** The service takes the token no more: the page stays, and asks for nothing until there is another one. */
export const isRefused = computed(() => stored.value !== undefined && refused.value === stored.value);
/** Whether the page asks for another token, over what it shows. */
export const isAskingAgain = signal(false);
export const claims = computed(() => (stored.value === undefined ? undefined : claimsOf(stored.value)));

/** What a token says beside its times: two of one person at one app say the same. */
export const identity = computed(() => {
  if (claims.value === undefined) return undefined;
  const said = Object.entries(claims.value).filter(([name]) => !OF_ONE_TOKEN.has(name));
  return JSON.stringify(said.toSorted(([a], [b]) => (a < b ? -1 : 1)));
});

const OF_ONE_TOKEN: ReadonlySet<string> = new Set(
  "exp iat nbf jti auth_time nonce sid session_state at_hash c_hash origin_jti event_id".split(" "),
);

export function signIn(text: string): void {
  sessionStorage.setItem(KEY, text);
  stored.value = text;
  isAskingAgain.value = false;
}

export function signOut(): void {
  sessionStorage.clear();
  stored.value = undefined;
  isAskingAgain.value = false;
}

/** Notes that the service refused a token, unless another one has taken its place. */
export function refuse(text: string | undefined): void {
  if (text === undefined || text !== stored.peek()) return;
  refused.value = text;
  isAskingAgain.value = true;
}

/** What a token says, for people: only the service checks it. */
export function claimsOf(text: string): Claims | undefined {
  const [, payload = ""] = text.split(".");
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof parsed === "object" && parsed !== null ? (parsed as Claims) : undefined;
  } catch {
    return undefined;
  }
}

/** Takes a token from `#token=…`, and takes it out of the address and of the history at once. */
export function takeHandedOver(): void {
  const handed = new URLSearchParams(location.hash.slice(1)).get("token");
  if (handed === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  if (claimsOf(handed)) signIn(handed);
}
