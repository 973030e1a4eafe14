import type { EpochMs } from "../../lib/clock.ts";
import { createHeap } from "./models/heap.ts";
import type { Random } from "./random.ts";

// Virtual time: it jumps to the next event. The order of events at the same time is drawn.

export interface Time {
  readonly now: () => EpochMs;
  /** Calls back after so long. Returns a function that cancels it. */
  readonly after: (ms: number, happens: () => void) => () => void;
  readonly pass: (ms: number) => Promise<void>;
  /** Lets so long pass at once: what was to happen meanwhile happens afterwards. */
  readonly skip: (ms: number) => void;
  /** Lets events happen until none is left, or it is over. */
  readonly run: (isOver: () => boolean) => Promise<void>;
}

interface Happening {
  readonly at: EpochMs;
  readonly order: number;
  happens: (() => void) | undefined;
}

/** `atOnce`: what happens at the same time doesn't wait for what follows from one another. Faster. Default: no. */
export function createTime(start: EpochMs, random: Pick<Random, "next">, atOnce = false): Time {
  let now = start;
  const heap = createHeap<Happening>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));

  function after(ms: number, happens: () => void): () => void {
    const one: Happening = { at: now + Math.max(0, ms), order: random.next(), happens };
    heap.add(one);
    return () => void (one.happens = undefined);
  }

  function take(): Happening | undefined {
    for (;;) {
      const next = heap.take();
      if (!next || next.happens) return next;
    }
  }

  return {
    now: () => now,
    after,
    pass: (ms) =>
      new Promise((resolve) => {
        after(ms, resolve);
      }),
    skip: (ms) => void (now += ms),
    run: async (isOver) => {
      for (;;) {
        await quiet();
        if (isOver()) return;
        const next = take();
        if (!next) return;
        now = Math.max(now, next.at);
        next.happens?.();
        if (!atOnce) continue;
        while (heap.first()?.at === now) heap.take()?.happens?.();
      }
    },
  };
}

/** Resolves when all promises that can settle have: the simulated world waits for its time alone. */
async function quiet(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}
