import type { SQSBatchResponse } from "aws-lambda";
import { SECOND, type EpochMs, type TimeLeft } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { arrival, isShort, type Wait } from "../flow/wait.ts";
import { atFirstUse } from "../job/at-first-use.ts";
import {
  LONGEST_MESSAGE_DELAY,
  CLOCK_SKEW,
  LEASE_MARGIN_MS,
  asRunning,
  isLate,
  isWaiting,
  nextAttempt,
  travels,
  type Job,
  type RunningJob,
  type WaitingJob,
} from "../job/job.ts";
import { claim } from "../job/moves.ts";
import { AT_ONCE, atMost, handleBatch, hasLanes, type ComeAgain } from "../queue/batch.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import { parseRecord, type Delivery, type Firing, type QueueRecord } from "../queue/delivery.ts";
import type { Applied } from "../store/job-store.ts";
import { runAttempt } from "./attempt.ts";
import { callFreed, giveBack, giveUp, makeWait, runAdmitted } from "./backlog.ts";
import { bringLater } from "./follow-through.ts";
import { leaseTime } from "./lease.ts";
import type { EngineParts } from "./engine-parts.ts";
import { ranAs, type Ran } from "./tally.ts";
import type { AttemptRef, TaskRef } from "../job/attempt.ts";

// The deliveries of the queues: attempts that are to start, schedules that are to fire, groups that are to be looked at.

// Most are attempts of stored jobs.
const carriedJobs = atFirstUse(async () => import("./carried.ts"));
const firings = atFirstUse(async () => import("./firing.ts"));
const groups = atFirstUse(async () => import("./groups.ts"));

/** The time after which the finished messages of a batch wait no longer for the others. */
const SLOW_BATCH_MS = SECOND;

/** Of a batch: ten payloads of 4 MB at once would take 300 MB, and more with the garbage of the last ones. */
const LARGE_AT_ONCE = 2;

/** The time that a look at a group has. */
const LONGEST_LOOK_MS = 30 * SECOND;

/** How many urgent tasks of an app run at once: each may hold an execution of all apps for as long as any task. */
const URGENT_SLOTS = 5;
/** The real time after which an urgent task that found no slot asks again. It stands in no line: a paused app calls none. */
const URGENT_ASKS_AFTER = 30 * SECOND;

/** Handles a batch of messages and names those that must come again: for a fault of the service, never of a target. */
export async function runBatch(
  records: readonly QueueRecord[],
  timeLeft: TimeLeft,
  parts: EngineParts,
): Promise<SQSBatchResponse> {
  return retryOf((await runRecords(records, timeLeft, parts)).again);
}

/** The answer to Lambda that names the messages to be delivered again. */
export function retryOf(records: readonly QueueRecord[]): SQSBatchResponse {
  return { batchItemFailures: records.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}

/** Handles messages that a request received itself, and deletes those that need not come again. */
export async function runReceived(
  records: readonly QueueRecord[],
  timeLeft: TimeLeft,
  parts: EngineParts,
): Promise<readonly Ran[]> {
  const { ran, again } = await runRecords(records, timeLeft, parts);
  await parts.queue.remove(records.filter((record) => !again.includes(record)));
  return ran;
}

async function runRecords(records: readonly QueueRecord[], timeLeft: TimeLeft, parts: EngineParts) {
  const { log, queue } = parts;
  const ran: Ran[] = [];
  const done: QueueRecord[] = [];
  const ended = hasLanes(records) ? new AbortController() : undefined;
  if (ended) void removeMeanwhile(done, ended.signal, parts);
  const fewAtOnce = atMost(LARGE_AT_ONCE);
  const again = await handleBatch(records, async (record) => {
    try {
      const delivery = parseRecord(record);
      const runIt = async () => run(delivery, timeLeft, parts);
      const result = await (isLarge(delivery) ? fewAtOnce(runIt) : runIt());
      if (typeof result === "object") return result;
      ran.push(result);
      done.push(record);
      return "done";
    } catch (error) {
      log("error", "message.failed", { messageId: record.messageId, error: reasonOf(error) });
      throw error;
    }
  });
  ended?.abort();
  // If that fails, they come again when their visibility ends.
  await queue.makeVisible(again).catch((error: unknown) => {
    log("warn", "message.not-released", { count: again.size, error: reasonOf(error) });
  });
  return { ran, again: [...again.keys()] };
}

function isLarge(delivery: Delivery): boolean {
  if (delivery.kind === "carried") return nextAttempt(delivery.job).isLarge === true;
  return delivery.kind === "stored" && delivery.ref.isLarge === true;
}

/**
 * Deletes the messages that have been handled while others of their batch are slow. A FIFO queue delivers the next
 * message of a lane only then, and each lane may be another app's.
 */
async function removeMeanwhile(done: QueueRecord[], ended: AbortSignal, { clock, queue, log }: EngineParts) {
  for (;;) {
    await clock.sleep(SLOW_BATCH_MS, ended).catch(() => {});
    if (ended.aborted) return;
    const handled = done.splice(0);
    if (handled.length === 0) continue;
    // If that fails, they are deleted at the end of the batch.
    await queue.remove(handled).catch((error: unknown) => {
      log("warn", "message.not-removed", { count: handled.length, error: reasonOf(error) });
    });
  }
}

/** Handles one delivery. Throws when a part of the service failed, so that it is delivered again. */
export async function run(delivery: Delivery, timeLeft: TimeLeft, parts: EngineParts): Promise<Ran | ComeAgain> {
  switch (delivery.kind) {
    case "target":
      // A message that comes again may find its job stored by now, and even ended.
      if (await parts.store.get(delivery.target.id)) return "skipped";
      return fireIt(delivery, parts);
    case "firing":
      return fireIt(delivery, parts);
    case "group":
      return timeLeft() >= LONGEST_LOOK_MS ? (await groups()).lookAtGroup(delivery.look, parts) : AT_ONCE;
    case "stored":
      return hasTimeFor(delivery.ref, timeLeft) ? runStored(delivery.ref, parts) : AT_ONCE;
    case "carried": {
      if (!hasTimeFor(delivery.job, timeLeft)) return AT_ONCE;
      const { runCarried } = await carriedJobs();
      const handled = await runCarried(delivery.job, delivery.receiveCount, parts);
      return typeof handled === "object" ? runStored(handled.next, parts) : handled;
    }
    default:
      return delivery satisfies never;
  }
}

async function fireIt(firing: Firing, parts: EngineParts): Promise<Ran> {
  const { fire } = await firings();
  return (await fire(firing, parts)) === "fired" ? "succeeded" : "skipped";
}

/** An attempt starts only if its function has the time for it to end in. */
function hasTimeFor({ timeoutMs }: { readonly timeoutMs: number }, timeLeft: TimeLeft): boolean {
  return timeLeft() >= timeoutMs + LEASE_MARGIN_MS;
}

async function runStored(ref: AttemptRef, parts: EngineParts): Promise<Ran | ComeAgain> {
  if (isLate(ref, parts.clock.now())) return dropLate(ref, parts);
  if (ref.rank !== undefined) return runTask(ref, parts);
  const entry = await parts.flow.enter(ref);
  if ("wait" in entry) {
    await callFreed(entry.freed, parts);
    const deferred = await deferAttempt(ref, entry.wait, parts);
    await giveBack(ref, parts);
    return deferred;
  }
  return runAdmitted(entry, parts, async (started) => {
    const claimed = await claimAttempt(ref, parts);
    if (!claimed.won) {
      await giveBack(ref, parts, claimed.job);
      return undefined;
    }
    started();
    return runAttempt(claimed.job, parts);
  });
}

/** A task starts when it is its turn among those of its app, and takes one of its app's slots. */
async function runTask(ref: TaskRef, parts: EngineParts): Promise<Ran | ComeAgain> {
  if (ref.isUrgent) return runUrgent(ref, parts);
  const { paused, maxConcurrentTasks: slots } = await parts.apps.settingsOf(ref.appId);
  if (paused) return deferAttempt(ref, { reason: "paused" }, parts);
  const place = await parts.line.placeOf(ref, slots);
  if (!place.isNext) return deferAttempt(ref, { reason: "slot" }, parts);
  // Tasks claimed at the same moment must leave the slots of those that wait before this one.
  const claimed = await claimAttempt(ref, parts, place.left);
  if (!claimed.won) return claimed.isFull ? deferAttempt(ref, { reason: "slot" }, parts) : "skipped";
  if (place.isInLine) await parts.line.leave(claimed.job);
  return ranAs(await runAttempt(claimed.job, parts));
}

/** An urgent task takes a slot beside those that the app has for its other tasks. */
async function runUrgent(ref: TaskRef, parts: EngineParts): Promise<Ran | ComeAgain> {
  const { clock } = parts;
  const claimed = await claimAttempt(ref, parts, URGENT_SLOTS);
  if (claimed.won) return ranAs(await runAttempt(claimed.job, parts));
  if (!claimed.isFull) return "skipped";
  return deferAttempt(ref, { reason: "concurrency", startAt: clock.now() + clock.during(URGENT_ASKS_AFTER) }, parts);
}

type Claimed = Exclude<Applied, { won: true }> | { readonly won: true; readonly job: RunningJob };

/** Loses when the attempt is not to start: it has started, the job was stopped, or no slot was left. */
async function claimAttempt(ref: AttemptRef, parts: EngineParts, slots?: number): Promise<Claimed> {
  const { clock, store } = parts;
  // Read here: the time that earlier reads took must not come off the lease.
  const now = clock.now();
  const claimed = await store.apply(ref, claim(ref, now, now + leaseTime(ref, parts), slots));
  if (claimed.won) return { won: true, job: asRunning(claimed.job) };
  if (tooEarly(claimed.job, ref, now)) await handOver([departure(claimed.job)], parts);
  return claimed;
}

/** Whether a message came before its time, and is sent again for the rest of it. */
function tooEarly(job: Job | undefined, ref: AttemptRef, now: EpochMs): job is Job {
  return job !== undefined && awaits(job, ref) && job.startAt > now + CLOCK_SKEW && travels(job, job.startAt - now);
}

/** Whether the next attempt of a job is the one that a message names. */
function awaits(job: Job, ref: AttemptRef): job is WaitingJob {
  return isWaiting(job) && job.attempts === ref.attempt - 1;
}

/** Handles a message that comes too late for its job to start. */
async function dropLate(ref: AttemptRef, parts: EngineParts): Promise<Ran> {
  const job = await parts.store.get(ref.id);
  if (job && awaits(job, ref)) await giveUp(job, parts);
  await giveBack(ref, parts);
  return "skipped";
}

/** Makes a job wait: in the table, or for its turn in its queue. */
async function deferAttempt(ref: AttemptRef, wait: Wait, parts: EngineParts): Promise<Ran | ComeAgain> {
  const { clock, store } = parts;
  const job = await store.get(ref.id);
  if (!job || !awaits(job, ref)) return "skipped";
  // A message of an earlier plan for the job, which has a later start by now.
  if (job.startAt > clock.now() + CLOCK_SKEW) return comeAtStart(job, ref, parts);
  if (wait.reason === "slot") return waitInLine(job, wait, parts);
  // An earlier message of it: it keeps its slot and its place in its backlog. Another message comes when it is let go.
  if (job.backlog !== undefined && job.slots !== undefined) return "skipped";
  const { won, job: standing } = await makeWait(job, wait, parts);
  if (!standing || !isShort(wait)) return "skipped";
  // A lane's message that goes would let the next one pass its job, whoever changed that in the meantime.
  if (won || (ref.ordered && awaits(standing, ref) && standing.backlog === undefined)) {
    return comeAtStart(standing, ref, parts);
  }
  return "skipped";
}

/** Has a job's message come at its start: in a lane this one, before those behind it; elsewhere another one. */
async function comeAtStart(job: Job, ref: AttemptRef, parts: EngineParts): Promise<Ran | ComeAgain> {
  const { clock } = parts;
  const at = arrival(job, clock);
  // For a start that is far, the sweep sends it: no lane stands still for so long.
  if (ref.ordered && at - clock.now() <= LONGEST_MESSAGE_DELAY) return { inSeconds: secondsUntil(at, parts) };
  await bringLater(job, parts);
  return "skipped";
}

async function waitInLine(job: Job, wait: Wait, parts: EngineParts): Promise<Ran> {
  const { line } = parts;
  await line.wait(job);
  await makeWait(job, wait, parts);
  // A slot that was given back before the job stood in line notified no task.
  await line.callIfNext(job);
  return "skipped";
}

function secondsUntil(time: EpochMs, { clock }: EngineParts): number {
  return Math.ceil(Math.max(clock.waitFor(time - clock.now()), 0) / SECOND);
}
