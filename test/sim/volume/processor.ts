import type { EpochMs } from "../../../lib/clock.ts";

// The one processor of a process: what needs it waits for what came before.

export type Processor = ReturnType<typeof createProcessor>;

export function createProcessor(now: () => EpochMs) {
  let [freeAt, givenMs, longestWaitMs] = [0, 0, 0];

  return {
    /** Gives it for so long. Returns the time until that is over. */
    take: (ms: number): number => {
      const begins = Math.max(freeAt, now());
      longestWaitMs = Math.max(longestWaitMs, begins - now());
      freeAt = begins + ms;
      givenMs += ms;
      return freeAt - now();
    },
    /** How long it has worked. */
    activeMs: (): number => givenMs - Math.max(freeAt - now(), 0),
    /** The longest time that something has waited for it. */
    longestWaitMs: (): number => longestWaitMs,
  };
}
