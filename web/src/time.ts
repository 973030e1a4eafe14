import { effect, signal } from "@preact/signals";

// The service's time, estimated from its answers: the clock of a local stack may run fast, and that of a browser wrong.

interface Seen {
  readonly service: number;
  readonly here: number;
}

let last: Seen | undefined;
/** How fast the service's clock runs; told by `GET /v1/me` where it is not 1. */
export const rate = signal(1);

/** Notes the time of an answer that has just come. */
export function noteServiceTime(service: number): void {
  if (!Number.isFinite(service)) return;
  last = { service, here: performance.now() };
}

export function now(): number {
  if (!last) return Date.now();
  return last.service + (performance.now() - last.here) * rate.value;
}

/** Ticks each second while the page is seen, and oftener where seconds are short: what shows an age reads it. */
export const tick = signal(0);
effect(() => {
  const ticking = setInterval(
    () => {
      if (!document.hidden) tick.value += 1;
    },
    rate.value > 1 ? 250 : 1_000,
  );
  return () => clearInterval(ticking);
});

export type Zone = "relative" | "local" | "utc";
const ZONE = "zone";
export const zone = signal<Zone>((localStorage.getItem(ZONE) as Zone | null) ?? "relative");
effect(() => localStorage.setItem(ZONE, zone.value));

const UNITS: readonly (readonly [ms: number, short: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
];

/** `3 m`, `2 h 5 m`, `now`: the two largest units. */
export function durationText(ms: number): string {
  let rest = Math.max(0, Math.round(ms / 1_000)) * 1_000;
  if (ms < 1_000) return ms < 1 ? "0 ms" : `${Math.round(ms)} ms`;
  const parts: string[] = [];
  for (const [unit, short] of UNITS) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) parts.push(`${count} ${short}`);
    if (parts.length === 2 || (parts.length === 1 && unit >= 86_400_000 * 1 && count > 9)) break;
  }
  return parts.join(" ");
}

/** `3:12`, `1:02:05`: for countdowns. */
export function countdownText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  if (h >= 24) return durationText(ms);
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** `14:02:05`. */
export function clockText(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** Made once: to make one takes longer than all else of a row. */
const IN_WORDS = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function absoluteText(at: number, in_: Zone): string {
  const date = new Date(at);
  if (in_ === "utc") return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  return IN_WORDS.format(date);
}
