import { computed, signal } from "@preact/signals";

// The token of whoever looks. It lives as long as the tab, and goes out in one header only.

const KEY = "token";

export interface Claims {
  readonly sub?: string;
  readonly exp?: number;
  readonly [claim: string]: unknown;
}

const stored = signal<string | undefined>(sessionStorage.getItem(KEY) ?? undefined);

export const token = computed(() => stored.value);
/** Set when the service refused the token: the page stays, and asks for another one. */
export const isRefused = signal(false);
export const claims = computed(() => (stored.value === undefined ? undefined : claimsOf(stored.value)));

export function signIn(text: string): void {
  sessionStorage.setItem(KEY, text);
  stored.value = text;
  isRefused.value = false;
}

export function signOut(): void {
  sessionStorage.clear();
  stored.value = undefined;
  isRefused.value = false;
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
