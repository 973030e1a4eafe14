import { signal } from "@preact/signals";

/** What a screen reader is told of a page's changes: one sentence at a time. */
export const announced = signal("");

const EVERY_MS = 10_000;
let last = -EVERY_MS;
let wanted = "";
let timer: ReturnType<typeof setTimeout> | undefined;

/** Tells it at once, or once ten seconds are over since the last sentence: of several, the latest. */
export function announce(sentence: string): void {
  wanted = sentence;
  timer ??= setTimeout(
    () => {
      timer = undefined;
      last = performance.now();
      announced.value = wanted;
    },
    Math.max(0, last + EVERY_MS - performance.now()),
  );
}
