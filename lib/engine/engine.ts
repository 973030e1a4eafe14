import type { SQSBatchResponse } from "aws-lambda";
import { createAdminActions } from "./admin-actions.ts";
import type { AppStore } from "../store/app-store.ts";
import type { CapacityStore } from "../flow/capacity-store.ts";
import type { DestinationStore } from "../flow/destination-store.ts";
import { SECOND, type Clock, type EpochMs, type TimeLeft } from "../clock.ts";
import { Unavailable, reasonOf } from "../errors.ts";
import type { ExecutorOf } from "../executors/index.ts";
import { webhookSignature } from "../outbound/webhook-signature.ts";
import type { Link } from "../files/file-store.ts";
import { unreadableKey, type Files } from "../store/payloads.ts";
import { createFlowControl } from "../flow/flow-control.ts";
import { settleUp } from "./follow-ups.ts";
import type { Applied, JobStore } from "../store/job-store.ts";
import { keepLease } from "./lease.ts";
import {
  LEASE_MARGIN_MS,
  LONGEST_MESSAGE_DELAY,
  TASK_LEASE_MS,
  isSchedule,
  isTask,
  isUnsettled,
  nextAttempt,
  takesSlot,
  travels,
  type Attempt,
  type AttemptRef,
  type Job,
  type Outcome,
} from "../job/job.ts";
import { LOST, after, claim, end, becomeDue, resume } from "../job/moves.ts";
import { logged, type Log } from "../log.ts";
import { newJob } from "./new-job.ts";
import type { Departure, Queue } from "../queue/queue.ts";
import { createRunHere } from "./run-here.ts";
import type { Scheduler } from "../queue/scheduler.ts";
import { createSchedules } from "./schedules.ts";
import { createSweep } from "./sweep.ts";
import { createTaskLine } from "../flow/task-line.ts";
import type { TaskSlots } from "../flow/line-store.ts";
import type { Message } from "../job/message.ts";
import type { NewJob } from "../job/accept.ts";
import type { DeploymentRules } from "../outbound/rules.ts";
import type { Lease } from "../executors/executor.ts";
import { parseFiring, parseRecord, type Delivery, type QueueRecord } from "../queue/message.ts";
import { AT_ONCE, handleBatch, type ComeAgain } from "../queue/batch.ts";
import { arrival, isShort, waiting, type Wait } from "../flow/wait.ts";
import type { Work } from "./run-at-once.ts";
import { ranAs, type Ran } from "./tally.ts";

export interface Parts {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly queue: Queue;
  readonly scheduler: Scheduler;
  readonly files: Files;
  readonly executorOf: ExecutorOf;
  readonly apps: Pick<AppStore, "settingsOf" | "keysOf">;
  readonly destinations: Omit<DestinationStore, "list" | "read">;
  readonly capacity: CapacityStore;
  readonly slots: TaskSlots;
  readonly rules: DeploymentRules;
  readonly log: Log;
  readonly link: Link;
  /** How long finished jobs are kept, in ms; 0 keeps them for good. */
  readonly retention: number;
}

/** `replayed`: a job with this idempotency key is there already; `sent`: nothing is stored (mode `sqs`). */
export type Submitted = { readonly kind: "created" | "replayed"; readonly job: Job } | { readonly kind: "sent" };

/** The life of a job: accepted, run, ended; found again by the sweep whenever something was lost. */
export function createEngine(parts: Parts) {
  const { clock, store, apps, queue, scheduler, files, executorOf, rules, log, link, retention } = parts;
  const handOverNew = (job: Job) => handOver([departure(job)]);
  const flow = createFlowControl(parts);
  const line = createTaskLine({ ...parts, handOver });
  const schedules = createSchedules({ ...parts, handOver: handOverNew, goOn });
  const { sweep, sweepJob } = createSweep({ ...parts, waitOf: flow.waitOf, handOver, goOn, settleEnd, recordLost });
  const here = createRunHere({ ...parts, sweepJob, handOver, run, runAttempt, runRecords: runTaken });
  const actions = createAdminActions({ ...parts, handOver: handOverNew, goOn, settleEnd, drop: schedules.drop });

  /** Accepts a job once. Throws `Unavailable` when it is unknown whether it was. */
  async function submit(request: NewJob, freshId = clock.uuid()): Promise<Submitted> {
    const job = newJob(request, clock.now(), freshId);
    if (request.mode === "sqs") {
      await (isSchedule(job) ? schedules.carry(job, request.message) : queue.sendCarried(job));
      return { kind: "sent" };
    }
    const scheduleArn = isSchedule(job) && !job.recurring && scheduler.arnOf(job.id);
    const created = await store.create(scheduleArn ? { ...job, scheduleArn } : job);
    if (!created.won) return { kind: "replayed", job: created.job };
    if (scheduleArn) await schedules.arrange(created.job);
    else if (request.mode === "both" && !isSchedule(job) && isSoon(created.job)) await handOver([departure(job)]);
    return { kind: "created", job: created.job };
  }

  /** Handles a batch of the queue's messages and names those that must come again: ours failed, not a target. */
  async function runBatch(records: readonly QueueRecord[], timeLeft: TimeLeft): Promise<SQSBatchResponse> {
    return retryOf((await runRecords(records, timeLeft)).again);
  }

  async function runRecords(records: readonly QueueRecord[], timeLeft: TimeLeft) {
    const ran: Ran[] = [];
    const again = await handleBatch(records, async (record) => {
      try {
        const result = await run(parseRecord(record), timeLeft);
        if (typeof result === "object") return result;
        ran.push(result);
        return "done";
      } catch (error) {
        log("error", "message.failed", { messageId: record.messageId, error: reasonOf(error) });
        throw error;
      }
    });
    // If that fails, they come again when their visibility ends.
    await queue.release(again).catch((error: unknown) => {
      log("warn", "message.not-released", { count: again.size, error: reasonOf(error) });
    });
    return { ran, again: [...again.keys()] };
  }

  /**
   * Takes in what a dead-letter queue holds: only attempts end a job, never the queue. A stored job becomes
   * due, a carried one a stored one that is due, a target that was not fired is sent, and what can't be read is
   * kept for a person.
   */
  async function recoverBatch(records: readonly QueueRecord[]): Promise<SQSBatchResponse> {
    const again = await handleBatch(records, async (record) => {
      await recover(record);
      return "done";
    });
    return retryOf([...again.keys()]);
  }

  async function recover(record: QueueRecord): Promise<void> {
    const delivery = readable(record);
    if (!delivery) {
      await files.put(unreadableKey(record.messageId), Buffer.from(record.body));
      log("error", "message.unreadable", { messageId: record.messageId });
      return;
    }
    const job = await storedFor(delivery);
    if (job?.status !== "PENDING" && job?.status !== "RETRYING") return;
    await store.apply(job, becomeDue(job, Math.max(clock.now(), job.startAt)));
    log("warn", "message.recovered", logged(job));
  }

  /** The job that a dead letter is about; one that it carried is stored now. */
  async function storedFor(delivery: Delivery): Promise<Job | undefined> {
    switch (delivery.kind) {
      case "stored":
      case "run":
        return store.get(delivery.ref.id);
      case "carried":
        return (await storeCarried(delivery.job)).job;
      case "target":
        // It may have been sent all the same: then SQS takes this for a repeat.
        await queue.sendCarried(schedules.begun(delivery.target));
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

  /** Handles one delivery. Throws when a part of ours failed, so that it is delivered again. */
  async function run(delivery: Delivery, timeLeft: TimeLeft): Promise<Ran | ComeAgain> {
    if (delivery.kind === "run" || delivery.kind === "target") {
      return (await schedules.fire(delivery)) === "fired" ? "succeeded" : "skipped";
    }
    const { timeoutMs } = delivery.kind === "stored" ? delivery.ref : delivery.job;
    if (timeLeft() < timeoutMs + LEASE_MARGIN_MS) return AT_ONCE;
    return delivery.kind === "stored" ? runStored(delivery.ref) : runCarried(delivery.job, delivery.receiveCount);
  }

  async function runStored(ref: AttemptRef): Promise<Ran | ComeAgain> {
    if (ref.rank !== undefined) return runTask(ref, ref.rank);
    const entry = await flow.enter(ref);
    if ("reason" in entry) return putOff(ref, entry);
    const runClaimed = async () => {
      const claimed = await claimAttempt(ref);
      return claimed.won ? runAttempt(claimed.job) : undefined;
    };
    return ranAs(await entry.during(runClaimed));
  }

  /** A task starts when it is its turn among those of its app, and takes one of its app's slots. */
  async function runTask(ref: AttemptRef, rank: string): Promise<Ran | ComeAgain> {
    if (ref.isUrgent) return runUrgent(ref);
    const { paused, maxConcurrentTasks: slots } = await apps.settingsOf(ref.appId);
    if (paused) return putOff(ref, { reason: "paused" });
    const place = await line.placeOf(ref, rank, slots);
    if (!place.isNext) return putOff(ref, { reason: "slot" });
    // Others may be claimed at the same moment: those that wait before it are to find their slots all the same.
    const claimed = await claimAttempt(ref, place.left);
    if (!claimed.won) return claimed.isFull ? putOff(ref, { reason: "slot" }) : "skipped";
    if (place.isInLine) await line.started(claimed.job);
    return ranAs(await runAttempt(claimed.job));
  }

  /** It takes a slot of its own, beside those that the app has. */
  async function runUrgent(ref: AttemptRef): Promise<Ran> {
    const claimed = await claimAttempt(ref, MOST_SLOTS);
    return claimed.won ? ranAs(await runAttempt(claimed.job)) : "skipped";
  }

  /** Lost when the attempt was not to start: it has, or the job has been stopped, or no slot was left. */
  async function claimAttempt(ref: AttemptRef, slots?: number): Promise<Applied> {
    // Not earlier: what the reads before took must not come off the lease.
    const now = clock.now();
    const claimed = await store.apply(ref, claim(ref, now, now + leaseTime(ref), slots));
    if (!claimed.won && tooEarly(claimed.job, ref, now)) await handOver([departure(claimed.job)]);
    return claimed;
  }

  async function runAttempt(claimed: Job, work?: Work): Promise<Outcome> {
    const { job, outcome, durationMs } = await attempt(claimed, work);
    await settle(job, outcome, durationMs);
    return outcome;
  }

  /** A message that came before its time goes back for the rest; any other lost race leaves nothing to do. */
  function tooEarly(job: Job | undefined, ref: AttemptRef, now: EpochMs): job is Job {
    if (job?.status !== "PENDING" && job?.status !== "RETRYING") return false;
    return job.attempts === ref.attempt - 1 && job.startAt > now && travels(job, job.startAt - now);
  }

  /** Makes a job wait: in the table, or for its turn in its queue. */
  async function putOff(ref: AttemptRef, wait: Wait): Promise<Ran | ComeAgain> {
    const job = await store.get(ref.id);
    const waits = (job?.status === "PENDING" || job?.status === "RETRYING") && job.attempts === ref.attempt - 1;
    if (!job || !waits) return "skipped";
    if (wait.reason === "slot") return waitInLine(job, wait);
    const deferred = await store.apply(job, waiting(job, wait, clock.now()));
    if (!deferred.won || !isShort(wait)) return "skipped";
    if (ref.ordered) return { inSeconds: secondsUntil(arrival(deferred.job, clock)) };
    return bringLater(deferred.job);
  }

  async function waitInLine(job: Job, wait: Wait): Promise<Ran> {
    await line.wait(job);
    await store.apply(job, waiting(job, wait, clock.now()));
    // One that was given back before the job stood in the line has called nobody.
    await line.callNext(job.appId);
    return "skipped";
  }

  async function bringLater(job: Job): Promise<Ran> {
    const notBefore = arrival(job, clock);
    if (travels(job, notBefore - clock.now())) await handOver([{ job, notBefore }]);
    return "skipped";
  }

  function secondsUntil(time: EpochMs): number {
    return Math.ceil(Math.max(clock.waitFor(time - clock.now()), 0) / SECOND);
  }

  /** Runs a job that only its message holds; it is stored when that first attempt fails or was lost. */
  async function runCarried(carried: Job, receiveCount: number): Promise<Ran | ComeAgain> {
    if (receiveCount > 1) {
      const stored = await storeCarried(carried);
      if (stored.job.status === "RETRYING") return runStored({ ...nextAttempt(carried), attempt: 2 });
      await goOn(stored);
      return "skipped";
    }
    const entry = await flow.enterCarried(nextAttempt(carried));
    if ("during" in entry) return ranAs(await entry.during(() => runUnstored(carried)));
    const stored = await store.create(after(carried, waiting(carried, entry, clock.now())));
    return stored.won && isShort(entry) ? bringLater(stored.job) : "skipped";
  }

  async function runUnstored(carried: Job): Promise<Outcome> {
    const running = begun(carried);
    const { outcome, durationMs } = await attempt(running);
    if (outcome.kind === "succeeded") return outcome;
    // Only where there is none: the key may be that of a job which is stored already, and stands for this one.
    await store.recordAttempt(running.id, failedAttempt(running, outcome, durationMs), "if absent");
    const ended = after(running, end(running, ending(outcome, durationMs)));
    await goOn(await store.create(ended));
    return outcome;
  }

  /** Stores a job whose message came again: its first attempt, if there was one, was lost. */
  async function storeCarried(carried: Job): Promise<Applied<Job>> {
    const running = begun(carried);
    const now = clock.now();
    const stored = await store.create(after(running, resume(running, { now, chance: clock.random(), retention })));
    // Else it is there already, and its attempts are its own.
    if (stored.won) await recordLost(running);
    return stored;
  }

  /** A carried job as it is during its first attempt, which no table knows of. */
  function begun(carried: Job): Job {
    const now = clock.now();
    const ref = nextAttempt(carried);
    return after(carried, claim(ref, now, now + leaseTime(ref)));
  }

  /**
   * One run, from its start to its outcome, whatever the executor does. It ends before its lease: late
   * answers of the table shorten it, and when nothing is left it does not start. A task's is extended as long
   * as it runs. Answers with the job as it was last seen. `work` runs it instead of its executor.
   */
  async function attempt(job: Job, work?: Work): Promise<{ job: Job; outcome: Outcome; durationMs: number }> {
    const message = await whileLeased(job, () => store.message(job));
    const leasedMs = clock.waitFor((job.leaseUntil ?? 0) - clock.now());
    if (leasedMs <= 0) throw new Error(`The lease of attempt ${job.attempts} of job ${job.id} ended before it started`);
    const began = clock.realNow();
    const lease = isTask(job) ? keepLease(job, parts) : undefined;
    const signal = lease ? lease.signal : clock.timeout(Math.min(job.timeoutMs, leasedMs));
    const run = async () => (work ? work(signal) : execute(job, message, signal, lease));
    const outcome = await run().catch((error: unknown): Outcome => {
      log("error", "job.attempt-threw", { ...logged(job), error: reasonOf(error) });
      return { kind: "retry", error: "The attempt failed inside the service", isOurs: true };
    });
    const seen = lease ? await lease.release() : job;
    const durationMs = clock.realNow() - began;
    const httpStatus = outcome.httpStatus;
    log("info", "job.attempted", { ...logged(job), outcome: outcome.kind, durationMs, httpStatus });
    return { job: seen, outcome, durationMs };
  }

  async function execute(job: Job, message: Message, signal: AbortSignal, lease?: Lease): Promise<Outcome> {
    const settings = await whileLeased(job, () => apps.settingsOf(job.appId));
    const timestamp = Math.floor(clock.realNow() / SECOND);
    const running = {
      job,
      ...(lease && { lease }),
      jobId: job.id,
      number: job.attempts,
      message,
      timeoutMs: job.timeoutMs,
      realTimeSeconds: timestamp,
      sign: async (body: Uint8Array) => {
        const keys = await whileLeased(job, () => apps.keysOf(job.appId));
        return webhookSignature(keys, { id: job.id, timestamp, body });
      },
      signal,
    };
    return executorOf(job.executionType).execute(running, { ...rules, ...settings });
  }

  /** Writes down how an attempt ended, as long as its lease lasts: an outage then costs no second run. */
  async function settle(job: Job, outcome: Outcome, durationMs: number): Promise<void> {
    if (outcome.kind !== "succeeded") {
      const failed = failedAttempt(job, outcome, durationMs);
      await whileLeased(job, () => store.recordAttempt(job.id, failed));
    }
    const ended = await endAttempt(job, outcome, durationMs);
    const stopped = ended.won ? undefined : ended.job;
    const isOurs = stopped?.status === "RUNNING" && stopped.attempts === job.attempts;
    // Somebody has asked to stop the job since it was claimed: what it ends as is decided anew.
    await goOn(isOurs ? await endAttempt(stopped, outcome, durationMs) : ended);
  }

  async function endAttempt(job: Job, outcome: Outcome, durationMs: number): Promise<Applied> {
    const move = end(job, ending(outcome, durationMs));
    const op = clock.operationId();
    return whileLeased(job, () => store.apply(job, move, op));
  }

  /** Repeats what a part of ours could not do for the moment, as long as the attempt's lease lasts. */
  async function whileLeased<T>(job: Job, write: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await write();
      } catch (error) {
        const isOver = clock.now() + clock.during(SECOND) >= (job.leaseUntil ?? 0);
        if (isOver || !(error instanceof Unavailable)) throw error;
        await clock.sleep(SECOND / 2);
      }
    }
  }

  /** What follows from a move: the next attempt, or what is left to do at an end. The sweep makes up for what fails. */
  async function goOn(moved: Applied): Promise<void> {
    const { won, job } = moved;
    if (!won) return;
    if (takesSlot(job)) await line.callNext(job.appId);
    if (job.status === "RETRYING" && travels(job, job.startAt - job.updatedAt)) await handOver([departure(job)]);
    else if (isUnsettled(job)) {
      await settleEnd(job).catch((error: unknown) => {
        log("warn", "job.not-settled", { ...logged(job), error: reasonOf(error) });
      });
    }
  }

  async function settleEnd(job: Job): Promise<void> {
    await settleUp(job, { store, clock, retention, link, submit: submitOwed });
  }

  async function submitOwed(request: NewJob, id: string): Promise<Job> {
    const submitted = await submit(request, id);
    if (submitted.kind === "sent") throw new Error("A follow-up is always stored");
    return submitted.job;
  }

  /** Sends next attempts. What the queue doesn't take, the sweep brings: each of these jobs is due. */
  async function handOver(departures: readonly Departure[]): Promise<void> {
    try {
      const refused = await queue.sendAttempts(departures);
      for (const { job } of refused) log("warn", "job.not-sent", { ...logged(job), error: "The queue refused it" });
    } catch (error) {
      for (const { job } of departures) log("warn", "job.not-sent", { ...logged(job), error: reasonOf(error) });
    }
  }

  async function recordLost(job: Job): Promise<void> {
    // A worker's own word on its attempt stands.
    await store.recordAttempt(job.id, failedAttempt(job, LOST), "if absent");
    log("warn", "job.attempt-lost", logged(job));
  }

  function ending(outcome: Outcome, durationMs: number) {
    return { outcome, durationMs, now: clock.now(), chance: clock.random(), retention };
  }

  function leaseTime({ rank, timeoutMs }: AttemptRef): number {
    return clock.during(rank === undefined ? timeoutMs + LEASE_MARGIN_MS : TASK_LEASE_MS);
  }

  /** Handles the event by which EventBridge fires a schedule. Throws BAD_REQUEST when it is not one. */
  async function fire(event: unknown): Promise<Ran> {
    return (await schedules.fire(parseFiring(event))) === "fired" ? "succeeded" : "skipped";
  }

  /** Handles messages that were received here, and deletes those that need not come again. */
  async function runTaken(records: readonly QueueRecord[], timeLeft: TimeLeft): Promise<readonly Ran[]> {
    const { ran, again } = await runRecords(records, timeLeft);
    await queue.remove(records.filter((record) => !again.includes(record)));
    return ran;
  }

  return { submit, run, runBatch, recoverBatch, fire, sweep, ...here, ...actions };
}

/** The answer to Lambda that names the messages to be delivered again. */
function retryOf(records: readonly QueueRecord[]): SQSBatchResponse {
  return { batchItemFailures: records.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}

/** More than any app has. */
const MOST_SLOTS = 1_000;

/** Whether a message can bring it in time; for later ones the sweep does. */
function isSoon({ startAt, createdAt }: Job): boolean {
  return startAt - createdAt <= LONGEST_MESSAGE_DELAY;
}

function departure(job: Job): Departure {
  return { job, notBefore: job.startAt };
}

function failedAttempt(job: Job, outcome: Exclude<Outcome, { kind: "succeeded" }>, durationMs?: number): Attempt {
  const { kind, error, httpStatus, responseExcerpt } = outcome;
  return {
    number: job.attempts,
    startedAt: job.startedAt ?? job.updatedAt,
    outcome: kind,
    error,
    ...(durationMs !== undefined && { durationMs }),
    ...(httpStatus !== undefined && { httpStatus }),
    ...(responseExcerpt !== undefined && { responseExcerpt }),
  };
}
