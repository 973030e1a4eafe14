import type { QueueRecord } from "./delivery.ts";

/** The result for a message: done, or delivered again later. */
export type Handled = "done" | ComeAgain;

export interface ComeAgain {
  readonly inSeconds: number;
}

/** For a message that was not attempted, for want of time. */
export const AT_ONCE: ComeAgain = { inSeconds: 0 };

/** The longest wait of a message that a fault of the service kept from being handled. */
const LONGEST_AFTER_A_FAULT = 60;

/** Most faults are over at once, so the first wait is 2 s; it doubles with each receive. */
function afterAFault({ attributes }: QueueRecord): ComeAgain {
  return { inSeconds: Math.min(2 ** Number(attributes.ApproximateReceiveCount), LONGEST_AFTER_A_FAULT) };
}

/**
 * Handles a batch of messages at the same time, those of one lane one after another. Names the
 * messages to be delivered again: on a FIFO queue, a failed one and all that follow in its lane.
 */
export async function handleBatch(
  records: readonly QueueRecord[],
  handle: (record: QueueRecord) => Promise<Handled>,
): Promise<Map<QueueRecord, ComeAgain>> {
  const lanes = Map.groupBy(records, (record) => laneOf(record) ?? record.messageId);
  const again = new Map<QueueRecord, ComeAgain>();
  await Promise.all(
    [...lanes.values()].map(async (lane) => {
      for (const [at, record] of lane.entries()) {
        const handled = await handle(record).catch(() => afterAFault(record));
        if (handled === "done") continue;
        again.set(record, handled);
        // SQS delivers them after the failed one.
        for (const behind of lane.slice(at + 1)) again.set(behind, AT_ONCE);
        return;
      }
    }),
  );
  return again;
}

/** Lets so many run at once, and the others after them in the order in which they came. */
export function atMost(most: number) {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running < most) running += 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

/** Whether a batch has messages of several lanes, each of which waits for its own. */
export function hasLanes(records: readonly QueueRecord[]): boolean {
  return new Set(records.map(laneOf).filter((lane) => lane !== undefined)).size > 1;
}

function laneOf(record: QueueRecord): string | undefined {
  return record.eventSourceARN.endsWith(".fifo") ? record.attributes.MessageGroupId : undefined;
}
