import { signal } from "@preact/signals";
import { isPaused } from "./api/live.ts";
import { toast } from "./parts/toasts.tsx";
import { pathOf } from "./root.ts";
import { zone } from "./time.ts";

// The keys. They do nothing in fields and dialogs, and can be switched off.

export const isHelpOpen = signal(false);
export const areKeysOn = signal(localStorage.getItem("keys") !== "off");

export function switchKeys(on: boolean): void {
  localStorage.setItem("keys", on ? "on" : "off");
  areKeysOn.value = on;
}

export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ["/", "Search jobs"],
  ["⌘K or Ctrl K", "Search from anywhere, also within a field"],
  ["j k", "Next, previous row"],
  ["x", "Select the row; with shift: all up to it"],
  ["Enter", "Open the row"],
  ["r", "Retry: the job, or the selection"],
  ["c", "Cancel: the job, or the selection"],
  ["[ ]", "Previous, next attempt"],
  ["g o, g j, g s, g d", "Overview, jobs, schedules, destinations; g b, g g: bulk actions, groups"],
  ["t", "Times: relative, local, UTC"],
  ["p", "Pause or go on refreshing"],
  ["?", "This list"],
];

const PLACES: Readonly<Record<string, string>> = {
  o: "/",
  j: "/jobs",
  s: "/schedules",
  d: "/destinations",
  b: "/bulk",
  g: "/groups",
};

/** What a page does at a key of its own. */
const own = new Map<string, (event: KeyboardEvent) => void>();

/** A page's own keys. Returns what takes them back. */
export function pageKeys(keys: Readonly<Record<string, (event: KeyboardEvent) => void>>): () => void {
  for (const [key, act] of Object.entries(keys)) own.set(key, act);
  return () => {
    for (const [key, act] of Object.entries(keys)) if (own.get(key) === act) own.delete(key);
  };
}

export function startKeys(route: (path: string) => void): () => void {
  let went = 0;
  const onKey = (event: KeyboardEvent) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      focusSearch();
      return;
    }
    if (!areKeysOn.value || event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
    const { key } = event;
    if (went > Date.now() - 1_000 && PLACES[key] !== undefined) {
      went = 0;
      route(pathOf(PLACES[key]));
      return;
    }
    const act = common(key) ?? own.get(key);
    if (key === "g") went = Date.now();
    if (!act) return;
    event.preventDefault();
    act(event);
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}

function common(key: string): (() => void) | undefined {
  switch (key) {
    case "/":
      return focusSearch;
    case "p":
      return () => void (isPaused.value = !isPaused.value);
    case "t":
      return switchTimes;
    case "?":
      return () => void (isHelpOpen.value = true);
    default:
      return undefined;
  }
}

const NEXT_ZONE = { relative: "local", local: "utc", utc: "relative" } as const;
const ZONE_WORDS = { relative: "relative", local: "local", utc: "UTC" } as const;

function switchTimes(): void {
  zone.value = NEXT_ZONE[zone.value];
  toast(`Times are ${ZONE_WORDS[zone.value]}`);
}

export function focusSearch(): void {
  const search = document.getElementById("search");
  search?.focus();
  // As by a pointer: a new word begins behind what is there.
  search?.click();
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const isField =
    target instanceof HTMLInputElement
      ? !/^(?:checkbox|radio|button)$/.test(target.type)
      : target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
  return isField || target.isContentEditable || target.closest("dialog") !== null;
}
