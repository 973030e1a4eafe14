import type { EventLoopUtilization } from "node:perf_hooks";
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

/** An event loop, as a thread sees its own. */
export interface Loop {
  readonly sleep: (ms: number) => Promise<unknown>;
  /** As `performance.eventLoopUtilization`. */
  readonly utilization: (since?: EventLoopUtilization) => EventLoopUtilization;
}

const ownLoop: Loop = { sleep, utilization: (since) => performance.eventLoopUtilization(since) };

/** `wasFull`: of the last batch. */
export type Pace = (inHand: ReadonlySet<Promise<void>>, wasFull: boolean) => Promise<void>;

/**
 * Waits until this thread's event loop has time for another batch. While jobs wait for slow targets the loop is idle
 * and takes more; while it is busy, batches in hand end sooner if no more are taken.
 */
export function createPace(loop = ownLoop): Pace {
  let taken = loop.utilization();
  return async (inHand, wasFull) => {
    while (inHand.size >= (wasFull ? LEAST.afterFull : LEAST.otherwise)) {
      const before = inHand.size;
      await Promise.race([loop.sleep(MOMENT_MS), ...inHand]);
      const { utilization } = loop.utilization(taken);
      taken = loop.utilization();
      if (utilization < BUSY || (wasFull && inHand.size < before)) return;
    }
  };
}

export interface Batches<T> {
  readonly room: Pace;
  readonly batchSize: number;
  readonly mostAtOnce: number;
  readonly stopped: AbortSignal;
  /** Undefined while the queue can't be asked. */
  readonly receive: () => Promise<readonly T[] | undefined>;
  /** Throws nothing. */
  readonly handle: (messages: readonly T[]) => Promise<void>;
}

/** Takes batches of a queue until it is stopped, and waits for those in hand. */
export async function takeBatches<T>(batches: Batches<T>): Promise<void> {
  const { room, batchSize, mostAtOnce, stopped, receive, handle } = batches;
  const inHand = new Set<Promise<void>>();
  let wasFull = false;
  while (!stopped.aborted) {
    if (inHand.size >= mostAtOnce) await Promise.race(inHand);
    await room(inHand, wasFull);
    const messages = await receive();
    // A batch of one says nothing of those behind it.
    wasFull = batchSize > 1 && messages?.length === batchSize;
    // The queue is down or stopping, so the next poll waits a moment.
    if (!messages) await sleep(200, undefined, { signal: stopped }).catch(() => {});
    if (!messages?.length) continue;
    const batch = handle(messages).finally(() => inHand.delete(batch));
    inHand.add(batch);
  }
  await Promise.all(inHand);
}
