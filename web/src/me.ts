import { computed, effect, signal } from "@preact/signals";
import { api } from "./api/http.ts";
import { waitAfter } from "./api/live.ts";
import { isPassing } from "./api/query.ts";
import { identity, token } from "./api/session.ts";
import type { Me } from "./api/shapes.ts";
import { rate } from "./time.ts";

// Who is asking: what the pages show and offer. The service decides again at each request.

export const me = signal<Me | undefined>(undefined);
/** The app that a platform administrator looks at, if not that of the token. */
export const chosenApp = signal<string | undefined>(sessionStorage.getItem("app") ?? undefined);

export const appId = computed(() => chosenApp.value ?? me.value?.appId ?? undefined);
export const mayChange = computed(() => me.value?.may.change === true);
export const mayOperate = computed(() => me.value?.may.operate === true);

let of = identity.peek();
effect(() => {
  const asked = token.value;
  if (identity.value !== of) {
    of = identity.value;
    me.value = undefined;
    chooseApp(undefined);
  }
  if (asked !== undefined) void loadMe(asked);
});

/** Asks until it is known, since without it the page offers nothing. */
async function loadMe(asked: string, failures = 0): Promise<void> {
  try {
    const loaded = await api<Me>("v1/me");
    if (token.peek() !== asked) return;
    rate.value = loaded.local?.speed ?? 1;
    me.value = loaded;
  } catch (error) {
    if (isPassing(error) && token.peek() === asked)
      setTimeout(() => void loadMe(asked, failures + 1), waitAfter(error, failures));
  }
}

export function chooseApp(id: string | undefined): void {
  if (id === undefined) sessionStorage.removeItem("app");
  else sessionStorage.setItem("app", id);
  chosenApp.value = id;
}

/** The app of a request, where it is not that of the token. */
export function ofApp(): { readonly appId?: string } {
  return chosenApp.value === undefined ? {} : { appId: chosenApp.value };
}
