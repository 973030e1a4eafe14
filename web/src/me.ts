import { computed, effect, signal } from "@preact/signals";
import { api } from "./api/http.ts";
import { token } from "./api/session.ts";
import type { Me } from "./api/shapes.ts";
import { rate } from "./time.ts";

// Who is asking: what the pages show and offer. The service decides again at each request.

export const me = signal<Me | undefined>(undefined);
export const meProblem = signal<unknown>(undefined);
/** The app that a platform administrator looks at, if not that of the token. */
export const chosenApp = signal<string | undefined>(sessionStorage.getItem("app") ?? undefined);

export const appId = computed(() => chosenApp.value ?? me.value?.appId ?? undefined);
export const mayChange = computed(() => me.value?.may.change === true);
export const mayOperate = computed(() => me.value?.may.operate === true);

effect(() => {
  if (token.value === undefined) me.value = undefined;
  else void loadMe();
});

export async function loadMe(): Promise<void> {
  try {
    const loaded = await api<Me>("v1/me");
    rate.value = loaded.local?.speed ?? 1;
    me.value = loaded;
    meProblem.value = undefined;
  } catch (error) {
    meProblem.value = error;
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
