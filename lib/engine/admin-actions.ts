import { MINUTE, iso, type EpochMs } from "../clock.ts";
import { ClientError } from "../errors.ts";
import { isGroup } from "../job/group.ts";
import { asGroup, close, reopen, type Group } from "../job/group-moves.ts";
import {
  isFinished,
  isLate,
  isSchedule,
  isSentNow,
  isUnsettled,
  isWaiting,
  takesSlot,
  type FailedJob,
  type Job,
  type WaitingJob,
} from "../job/job.ts";
import type { Move } from "../job/move.ts";
import { hasten, retry, retryOnce, stop } from "../job/moves.ts";
import type { Status, StopStatus } from "../job/status.ts";
import { logged } from "../log.ts";
import { departure, handOver, lookSoon } from "../queue/hand-over.ts";
import { giveBackAfter } from "./backlog.ts";
import { settle } from "./follow-ups.ts";
import { goOn } from "./follow-through.ts";
import type { EngineParts } from "./engine-parts.ts";
import { drop, tooManySchedules } from "./schedules.ts";

// The actions of people. Each function returns the changed job; undefined if there is none.

const MOST_TRIES = 5;

/**
 * Stops a job: at once while it waits, else when its running attempt ends; a group when all its members have ended, which
 * are cancelled. Throws CONFLICT when it has ended.
 */
export async function stopJob(id: string, as: StopStatus, parts: EngineParts): Promise<Job | undefined> {
  let before: Job | undefined;
  const stopped = await moveJob(id, parts, (job) => {
    before = job;
    if (isFinished(job))
      throw conflict(`Only an unfinished job can be stopped; this one is ${job.status}`, "job_ended");
    const group = asGroup(job);
    return group ? closing(group, as, parts) : stop(job, as, parts.clock.now(), parts.retention);
  }).catch(async (error: unknown) => {
    // It may have been stopped all the same.
    if (before?.slots !== undefined) await giveBackAfter(before, await parts.store.get(id), parts);
    throw error;
  });
  if (stopped?.fanIn) await lookSoon(stopped, 0, parts);
  if (!stopped || !isFinished(stopped)) return stopped;
  if (takesSlot(stopped)) await parts.line.leave(stopped);
  if (before?.slots !== undefined) await giveBackAfter(before, stopped, parts);
  await Promise.all([drop(stopped, parts), goOn({ won: true, job: stopped }, parts)]);
  return stopped;
}

function closing(group: Group, as: StopStatus, { clock }: EngineParts): Move {
  if (as !== "CANCELLED") throw conflict("A group has no dead letters: cancel it", "group_without_dead_letters");
  return close(group, clock.now(), "person");
}

export interface HowToRetry {
  /** Its group does not end meanwhile. */
  readonly isHeld?: boolean;
  /** The status in which the job has to be. */
  readonly seen?: Status;
}

/**
 * Tries a failed job again, with fresh retries; of a group, only the count of its members; one that waits for its time,
 * at once. Throws CONFLICT for any other.
 */
export async function retryJob(id: string, parts: EngineParts, how: HowToRetry = {}): Promise<Job | undefined> {
  const { isHeld = false, seen } = how;
  return restartJob(id, parts, (job, now) => {
    if (seen !== undefined && job.status !== seen)
      throw conflict(`The job was ${seen} and is ${job.status} by now`, "job_changed");
    if (isWaiting(job)) return hastening(job, now);
    const { rejoins, ...restarted } = retry(job, now);
    return rejoins && !isHeld ? { ...restarted, rejoins } : restarted;
  });
}

function hastening(job: WaitingJob, now: EpochMs): Move {
  const problem = waitProblem(job, now);
  if (problem !== undefined) throw conflict(problem, "job_not_delayed");
  return hasten(job, now);
}

/** Why a waiting job can't be made due at once. */
function waitProblem(job: WaitingJob, now: EpochMs): string | undefined {
  if (isGroup(job)) return "A group ends once its members have; expected a job that is FAILED, DEAD or RETRYING";
  if (isSchedule(job)) return "A schedule runs at its time; expected a job that is FAILED, DEAD or RETRYING";
  if (job.backlog !== undefined || job.turn !== undefined || job.waitsSince !== undefined)
    return "The job is due already, and waits until its app, its destination or a slot has room for it";
  if (job.status === "PENDING" && job.startAt <= now)
    return "The job is PENDING and due already: its first attempt starts as soon as it is its turn";
  return undefined;
}

/** Tries a failed job once more, as one of its retries. Throws CONFLICT when none is left, or it has not failed. */
export async function retryJobOnce(id: string, parts: EngineParts): Promise<Job | undefined> {
  return restartJob(id, parts, (job, now) => {
    if (isWaiting(job)) throw cannotRetry(job);
    if (job.retryCount >= job.maxRetries)
      throw conflict(`All ${job.maxRetries} retries of the job are used up`, "retries_used_up");
    return retryOnce(job, now);
  });
}

/** The longest time until the members of a reopened group are kept again. */
const KEPT_WITHIN = 5 * MINUTE;

/** Reopens a failed group. Throws CONFLICT for one that is about to expire, and its members with it. */
export function reopening(group: Group<FailedJob>, { clock }: EngineParts, heldBy?: string): Move {
  const now = clock.now();
  if ((group.expiresAt ?? Infinity) - KEPT_WITHIN <= now)
    throw conflict("The group is about to expire", "group_expires");
  return reopen(group, now, heldBy);
}

async function restartJob(
  id: string,
  parts: EngineParts,
  restart: (job: FailedJob | WaitingJob, now: EpochMs) => Move,
): Promise<Job | undefined> {
  const { clock, store } = parts;
  const retried = await moveJob(id, parts, async (job) => {
    if (!isWaiting(job) && job.status !== "FAILED" && job.status !== "DEAD") throw cannotRetry(job);
    if (job.quick) throw conflict("What a quick job was about is not kept: post it again", "job_not_kept");
    if (isLate(job, clock.now())) {
      throw conflict(`Its notAfter, ${iso(job.notAfter ?? 0)}, has passed: post it again with a later one`, "expired");
    }
    if (isWaiting(job)) return restart(job, clock.now());
    if (isUnsettled(job)) return settle(job, parts);
    const group = asGroup(job);
    const restarted = group ? reopening(group, parts) : restart(job, clock.now());
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
    if (job.memberOf && (await store.isGroupOpen(job.memberOf))) {
      const message = `The job is a member of the group ${job.memberOf.id}, which has not ended: delete it afterwards`;
      throw conflict(message, "group_open");
    }
    if (isUnsettled(job)) await settle(job, parts);
    else if (await store.remove(job)) return job;
  }
  throw tooFast();
}

/** Makes a move on a job as it stands; reads it again when somebody else was faster, or when `make` gave no move. */
export async function moveJob(
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

function cannotRetry({ status }: Job): ClientError {
  return conflict(
    `Only a job that is FAILED or DEAD, or waits for its next attempt, can be retried; this one is ${status}`,
    "job_not_failed",
  );
}

export function conflict(message: string, reason: string): ClientError {
  return new ClientError("CONFLICT", message, [], { reason });
}

function tooFast(): ClientError {
  return conflict("The job is changing too fast; try again", "changing_too_fast");
}
