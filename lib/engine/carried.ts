import { reasonOf } from "../errors.ts";
import { isShort, waiting } from "../flow/wait.ts";
import { nextAttempt, type Job, type RunningJob, type WaitingJob } from "../job/job.ts";
import { after } from "../job/move.ts";
import { claim, end, resume } from "../job/moves.ts";
import { logged } from "../log.ts";
import type { Applied } from "../store/job-store.ts";
import { PayloadGone } from "../store/payloads.ts";
import { attempt, failedAttempt } from "./attempt.ts";
import { announce, callFreed, callIfFirst, runAdmitted } from "./backlog.ts";
import { bringLater, goOn } from "./follow-through.ts";
import { leaseTime } from "./lease.ts";
import type { EngineParts } from "./engine-parts.ts";
import type { Ran } from "./tally.ts";
import { asCall, type AttemptRef, type Outcome } from "../job/attempt.ts";

// Jobs that only their message holds (mode `sqs`), until their first attempt fails or is lost.

type Handled = Ran | { readonly next: AttemptRef };

/** Runs the first attempt. `next`: that one was lost, the job is stored now, and its next attempt is to run at once. */
export async function runCarried(carried: WaitingJob, receiveCount: number, parts: EngineParts): Promise<Handled> {
  return (await withPayload(carried, async () => runMessage(carried, receiveCount, parts), parts)) ?? "skipped";
}

/** Stores a job whose message has become a dead letter: its first attempt, if there was one, was lost. */
export async function recoverCarried(carried: WaitingJob, parts: EngineParts): Promise<Job | undefined> {
  return (await withPayload(carried, async () => storeCarried(carried, parts), parts))?.job;
}

/**
 * Handles a message, and then gives its payload up: its job has succeeded, or is stored with a payload of its own.
 * Undefined if that has been done before, and the payload has gone since.
 */
async function withPayload<T>(
  carried: Job,
  handle: () => Promise<T>,
  { store, log }: EngineParts,
): Promise<T | undefined> {
  try {
    const handled = await handle();
    await store.giveUpPayload(carried).catch((error: unknown) => {
      // It then goes with the intent that was written when the message was sent.
      log("warn", "payload.not-given-up", { ...logged(carried), error: reasonOf(error) });
    });
    return handled;
  } catch (error) {
    if (!(error instanceof PayloadGone && error.jobId === carried.id)) throw error;
    log("warn", "message.payload-gone", logged(carried));
    return undefined;
  }
}

async function runMessage(carried: WaitingJob, receiveCount: number, parts: EngineParts): Promise<Handled> {
  if (receiveCount > 1) {
    const stored = await storeCarried(carried, parts);
    if (stored.job.status === "RETRYING") return { next: { ...nextAttempt(carried), attempt: 2 } };
    await goOn(stored, parts);
    return "skipped";
  }
  const { clock, flow, store } = parts;
  const entry = await flow.enterCarried(asCall(nextAttempt(carried)));
  if ("during" in entry) return runAdmitted(entry, parts, async () => runUnstored(carried, parts));
  const { wait, freed } = entry;
  await callFreed(freed, parts);
  const waits = after(carried, waiting(carried, wait, clock.now()));
  await announce(waits, parts);
  const stored = await store.create(waits);
  if (stored.won && isShort(wait)) await bringLater(stored.job, parts);
  if (stored.won) await callIfFirst(stored.job, wait, parts);
  return "skipped";
}

async function runUnstored(carried: WaitingJob, parts: EngineParts): Promise<Outcome> {
  const { clock, store, retention } = parts;
  const running = begun(carried, parts);
  const { outcome, durationMs } = await attempt(running, parts, { isStored: false });
  if (outcome.kind === "succeeded") return outcome;
  // A job that is stored already under the same key stands for this one: its attempts are its own.
  await store.recordAttempt(running.id, failedAttempt(running, outcome, durationMs), "if absent");
  const move = end(running, { outcome, durationMs, now: clock.now(), chance: clock.random(), retention });
  await goOn(await store.create(after(running, move)), parts);
  return outcome;
}

/** Stores a job whose message came again: its first attempt, if there was one, was lost. */
async function storeCarried(carried: WaitingJob, parts: EngineParts): Promise<Applied<Job>> {
  const { clock, store, log } = parts;
  const running = begun(carried, parts);
  const stored = await store.create(after(running, resume(running, clock.now())));
  if (stored.won) log("warn", "job.attempt-lost", logged(running));
  return stored;
}

/** A carried job as it is during its first attempt. */
function begun(carried: WaitingJob, parts: EngineParts): RunningJob {
  const now = parts.clock.now();
  const ref = nextAttempt(carried);
  return after(carried, claim(ref, now, now + leaseTime(ref, parts)));
}
