import { effect, signal } from "@preact/signals";
import { ApiError } from "./http.ts";

// How often the page asks: every 2 s for what is unfinished and seen, else every 15 s, every minute for what changes by
// the hour, and not at all while it is hidden, paused or offline. An error doubles the wait, up to a minute.

export const isPaused = signal(false);
export const isHidden = signal(document.hidden);
export const isOnline = signal(navigator.onLine);

document.addEventListener("visibilitychange", () => (isHidden.value = document.hidden));
addEventListener("online", () => (isOnline.value = true));
addEventListener("offline", () => (isOnline.value = false));

export type Pace = "often" | "seldom" | "rarely" | "never";
const EVERY_MS = { often: 2_000, seldom: 15_000, rarely: 60_000 } as const;
const LONGEST = 60_000;

interface State {
  readonly error: unknown;
  readonly fetchFailureCount: number;
  readonly errorUpdateCount: number;
  readonly dataUpdateCount: number;
}

/** The wait until the next request, in ms; false for none. */
export function pace(wanted: Pace, { error, errorUpdateCount }: State): number | false {
  if (wanted === "never" || isPaused.value || isHidden.value || !isOnline.value) return false;
  const base = EVERY_MS[wanted];
  if (!error) return base;
  const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  return Math.min(LONGEST, Math.max(asked, base * 2 ** Math.min(errorUpdateCount, 5)));
}

/** Calls back when the page becomes live again. */
export function onLive(act: () => void): () => void {
  let wasLive = true;
  return effect(() => {
    const isLive = !isPaused.value && !isHidden.value && isOnline.value;
    if (isLive && !wasLive) act();
    wasLive = isLive;
  });
}
