import type { EpochMs } from "../../lib/clock.ts";
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

export function createTime(start: EpochMs, random: Pick<Random, "next">): Time {
  let now = start;
  const heap: Happening[] = [];

  const isBefore = (a: Happening, b: Happening) => a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(one: Happening): void {
    let at = heap.push(one) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Happening;
      if (!isBefore(one, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = one;
  }

  function pop(): Happening | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Happening, heap[below] as Happening)) below += 1;
      const child = heap[below] as Happening;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }

  function after(ms: number, happens: () => void): () => void {
    const one: Happening = { at: now + Math.max(0, ms), order: random.next(), happens };
    push(one);
    return () => void (one.happens = undefined);
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
        let next = pop();
        while (next && !next.happens) next = pop();
        if (!next) return;
        now = Math.max(now, next.at);
        next.happens?.();
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
