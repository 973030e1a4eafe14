import type { SQSBatchResponse } from "aws-lambda";
import { CLOCK_SKEW, isPaused, isWaiting, type Job } from "../job/job.ts";
import { becomeDue } from "../job/moves.ts";
import { logged } from "../log.ts";
import { handleBatch } from "../queue/batch.ts";
import { parseRecord, type Delivery, type QueueRecord } from "../queue/delivery.ts";
import { unreadableKey } from "../store/payloads.ts";
import { recoverCarried } from "./carried.ts";
import { retryOf } from "./deliveries.ts";
import type { EngineParts } from "./engine-parts.ts";
import { begunTarget } from "./schedules.ts";

/**
 * Recovers what a dead-letter queue holds: only attempts end a job, never the queue. A stored job becomes due, a
 * carried job is stored and due, the target of a schedule that did not fire is sent, and an unreadable message is
 * kept for a person.
 */
export async function recoverBatch(records: readonly QueueRecord[], parts: EngineParts): Promise<SQSBatchResponse> {
  const again = await handleBatch(records, async (record) => {
    await recover(record, parts);
    return "done";
  });
  return retryOf([...again.keys()]);
}

async function recover(record: QueueRecord, parts: EngineParts): Promise<void> {
  const { clock, store, files, log } = parts;
  const delivery = readable(record);
  if (!delivery) {
    await files.put(unreadableKey(record.messageId), Buffer.from(record.body));
    log("error", "message.unreadable", { messageId: record.messageId });
    return;
  }
  const job = await storedFor(delivery, parts);
  if (!job || !isWaiting(job) || isPaused(job)) return;
  await store.apply(job, becomeDue(job, Math.max(clock.now(), job.startAt)));
  log("warn", "message.recovered", logged(job));
}

/** The job that a dead letter names; a carried one is stored now. */
async function storedFor(delivery: Delivery, parts: EngineParts): Promise<Job | undefined> {
  const { store, queue, clock } = parts;
  switch (delivery.kind) {
    case "stored":
    case "firing":
      return store.get(delivery.ref.id);
    case "group":
      return store.get(delivery.look.id);
    case "carried":
      return recoverCarried(delivery.job, parts);
    case "target":
      // It may have been sent before. SQS drops a duplicate for five minutes; by then a job that failed is stored.
      if (await store.get(delivery.target.id)) return undefined;
      // A firing that was received before may have sent it, and its first attempt be lost. EventBridge may have fired early.
      if (delivery.target.startAt > clock.now() + CLOCK_SKEW) await queue.sendFiring(delivery.target);
      else await queue.sendCarried(begunTarget(delivery.target, clock.now()), delivery.receiveCount > 0);
      return undefined;
    default:
      return delivery satisfies never;
  }
}

function readable(record: QueueRecord): Delivery | undefined {
  try {
    return parseRecord(record);
  } catch {
    return undefined;
  }
}
