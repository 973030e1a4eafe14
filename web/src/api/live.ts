import { effect, signal } from "@preact/signals";
import { ApiError } from "./http.ts";
import { isRefused } from "./session.ts";

// How often the page asks: every 2 s for what is unfinished and seen, else every 15 s, every minute for what changes by
// the hour, and not at all while it is hidden, paused, offline or signed out. Each error in a row doubles the wait, up to
// a minute; a longer one that the service asks for is kept to.

export const isPaused = signal(false);
export const isHidden = signal(document.hidden);
export const isOnline = signal(navigator.onLine);

document.addEventListener("visibilitychange", () => (isHidden.value = document.hidden));
addEventListener("online", () => (isOnline.value = true));
addEventListener("offline", () => (isOnline.value = false));

export type Pace = "often" | "seldom" | "rarely" | "never";
const EVERY_MS = { often: 2_000, seldom: 15_000, rarely: 60_000 } as const;
const LONGEST = 60_000;

const MINUTE = 60_000;
/** What a page that is looked at may ask in a minute. */
const MOST_A_MINUTE = 40;

interface Failures {
  readonly error: unknown;
  /** How many there were since the last answer. */
  readonly count: number;
}

/** Whether the page asks for anything by itself. */
function isLive(): boolean {
  return !isPaused.value && !isHidden.value && isOnline.value && !isRefused.value;
}

/** The wait until the next request, in ms; false for none. `beside`: what else is asked for at this time. */
export function pace(wanted: Pace, { error, count }: Failures, beside: readonly Pace[] = []): number | false {
  if (wanted === "never" || !isLive()) return false;
  const base = wanted === "often" ? oftenBeside(beside) : EVERY_MS[wanted];
  return error ? waitAfter(error, count, base) : base;
}

/** What the budget of the page leaves, shared by all that is asked for often. */
function oftenBeside(beside: readonly Pace[]): number {
  const others = beside.reduce(
    (sum, each) => sum + (each === "seldom" || each === "rarely" ? MINUTE / EVERY_MS[each] : 0),
    0,
  );
  const sharing = 1 + beside.filter((each) => each === "often").length;
  return Math.max(EVERY_MS.often, Math.ceil((sharing * MINUTE) / Math.max(10, MOST_A_MINUTE - others)));
}

export function waitAfter(error: unknown, failures: number, base: number = EVERY_MS.often): number {
  const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, Math.min(LONGEST, base * 2 ** Math.min(failures, 5)));
}

/** Calls back when the page becomes live again. */
export function onLive(act: () => void): () => void {
  let wasLive = true;
  return effect(() => {
    const live = isLive();
    if (live && !wasLive) act();
    wasLive = live;
  });
}
