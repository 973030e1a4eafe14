import { setTimeout as sleep } from "node:timers/promises";

// How many batches a process takes. On AWS each batch has a process of its own; here they share an event loop.

/**
 * Batches of a queue that are taken however busy the loop is. Behind a full one more messages wait, and a further batch
 * is full, too. After one that was not, the next would have few messages, and has more once another batch has ended.
 */
const LEAST = { afterFull: 8, otherwise: 4 };
/** The share of a moment that the loop may be busy for a further batch to be taken. */
const BUSY = 0.8;
/** A batch taken shows in the loop after this many milliseconds. */
const MOMENT_MS = 20;

/**
 * Waits until this thread's event loop has time for another batch. While jobs wait for slow targets the loop is idle
 * and takes more; while it is busy, batches in hand end sooner if no more are taken. `wasFull`: of the last one.
 */
export function createPace(): (inHand: ReadonlySet<Promise<void>>, wasFull: boolean) => Promise<void> {
  let taken = performance.eventLoopUtilization();
  return async (inHand, wasFull) => {
    while (inHand.size >= (wasFull ? LEAST.afterFull : LEAST.otherwise)) {
      const before = inHand.size;
      await Promise.race([sleep(MOMENT_MS), ...inHand]);
      const { utilization } = performance.eventLoopUtilization(taken);
      taken = performance.eventLoopUtilization();
      if (utilization < BUSY || (wasFull && inHand.size < before)) return;
    }
  };
}
