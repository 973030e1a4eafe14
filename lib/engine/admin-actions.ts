import { iso, type EpochMs } from "../clock.ts";
import { ClientError } from "../errors.ts";
import {
  isFinished,
  isLate,
  isSchedule,
  isSentNow,
  isUnsettled,
  takesSlot,
  type FailedJob,
  type Job,
} from "../job/job.ts";
import { retry, retryOnce, stop, type Move } from "../job/moves.ts";
import type { StopStatus } from "../job/status.ts";
import { logged } from "../log.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import { settleUp } from "./follow-ups.ts";
import { goOn } from "./follow-through.ts";
import type { EngineParts } from "./engine-parts.ts";
import { drop, tooManySchedules } from "./schedules.ts";

// The actions of people. Each function returns the changed job; undefined if there is none.

const MOST_TRIES = 5;

/** Stops a job: at once while it waits, else when its running attempt ends. Throws CONFLICT when it has ended. */
export async function stopJob(id: string, as: StopStatus, parts: EngineParts): Promise<Job | undefined> {
  const stopped = await moveJob(id, parts, (job) => {
    if (isFinished(job))
      throw conflict(`Only an unfinished job can be stopped; this one is ${job.status}`, "job_ended");
    return stop(job, as, parts.clock.now(), parts.retention);
  });
  if (!stopped || !isFinished(stopped)) return stopped;
  if (takesSlot(stopped)) await parts.line.leave(stopped);
  await Promise.all([drop(stopped, parts), goOn({ won: true, job: stopped }, parts)]);
  return stopped;
}

/** Tries a failed job again, with fresh retries. Throws CONFLICT when it has not failed. */
export async function retryJob(id: string, parts: EngineParts): Promise<Job | undefined> {
  return restartJob(id, parts, retry);
}

/** Tries a failed job once more, as one of its retries. Throws CONFLICT when none is left, or it has not failed. */
export async function retryJobOnce(id: string, parts: EngineParts): Promise<Job | undefined> {
  return restartJob(id, parts, (job, now) => {
    if (job.retryCount >= job.maxRetries)
      throw conflict(`All ${job.maxRetries} retries of the job are used up`, "retries_used_up");
    return retryOnce(job, now);
  });
}

async function restartJob(
  id: string,
  parts: EngineParts,
  restart: (job: FailedJob, now: EpochMs) => Move,
): Promise<Job | undefined> {
  const { clock, store } = parts;
  const retried = await moveJob(id, parts, async (job) => {
    if (job.status !== "FAILED" && job.status !== "DEAD") {
      throw conflict(`Only a job that is FAILED or DEAD can be retried; this one is ${job.status}`, "job_not_failed");
    }
    if (job.quick) throw conflict("What a quick job was about is not kept: post it again", "job_not_kept");
    if (isLate(job, clock.now())) {
      throw conflict(`Its notAfter, ${iso(job.notAfter ?? 0)}, has passed: post it again with a later one`, "expired");
    }
    if (isUnsettled(job)) return settleUp(job, parts);
    const restarted = restart(job, clock.now());
    await store.keepAttachments(job);
    return restarted;
  });
  const isSent = retried && !isSchedule(retried) && isSentNow(retried, retried.startAt - retried.updatedAt);
  if (isSent) await handOver([departure(retried)], parts);
  return retried;
}

/** Deletes a finished job with its attempts; its idempotency key is free again. Throws CONFLICT when unfinished. */
export async function deleteJob(id: string, parts: EngineParts): Promise<Job | undefined> {
  const { store } = parts;
  let wanted: Job | undefined;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const job = await store.get(id);
    // It was deleted by a try whose answer was lost, or by somebody else; a job with its key now is another one.
    if (!job || (wanted && wanted.createdAt !== job.createdAt)) return wanted;
    wanted = job;
    if (!isFinished(job))
      throw conflict(`Only a finished job can be deleted; this one is ${job.status}. Cancel it first`, "job_not_ended");
    if (isUnsettled(job)) await settleUp(job, parts);
    else if (await store.remove(job)) return job;
  }
  throw tooFast();
}

/** Makes a move on a job as it stands; reads it again when somebody else was faster, or when `make` gave no move. */
async function moveJob(
  id: string,
  parts: EngineParts,
  make: (job: Job) => Move | Promise<Move | void>,
): Promise<Job | undefined> {
  const { store, log } = parts;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const job = await store.get(id);
    if (!job) return undefined;
    const made = await make(job);
    const moved = made && (await store.apply(job, made));
    if (moved && !moved.won && moved.isFull) throw await tooManySchedules(job.appId, parts);
    if (!moved?.won) continue;
    log("info", "job.moved", { ...logged(moved.job), status: moved.job.status });
    return moved.job;
  }
  throw tooFast();
}

function conflict(message: string, reason: string): ClientError {
  return new ClientError("CONFLICT", message, [], { reason });
}

function tooFast(): ClientError {
  return conflict("The job is changing too fast; try again", "changing_too_fast");
}
