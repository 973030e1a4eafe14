import type { EpochMs } from "../clock.ts";
import { limitOf, type BacklogName, type Limit } from "./backlog.ts";
import { GROUP } from "./group.ts";
import { SCHEDULE, isWaiting, type Job } from "./job.ts";

// Why a job waits, in one word each, for people who look at it.

/**
 * - `delayed`: for the start that was asked for; of a schedule, for its next run.
 * - `backoff`: for the time of its next try.
 * - `queued`: for a worker.
 * - `order`: for the jobs before it in its lane.
 * - `rate`, `concurrency`: for its turn at a destination with limits, or for room in the app's share of a queue.
 * - `outage`, `held`: for a destination that fails, or that answered 410.
 * - `paused`: for a person to resume the app, or the schedule.
 * - `slot`: for another task of the app to end.
 */
export const WAIT_REASONS = [
  "delayed",
  "backoff",
  "queued",
  "order",
  "rate",
  "concurrency",
  "outage",
  "held",
  "paused",
  "slot",
] as const;

export type WaitReason = (typeof WAIT_REASONS)[number];

export interface Waiting {
  readonly reason: WaitReason;
  readonly since: EpochMs;
  /** The end of the wait, or of the next chance that it ends; undefined where nothing tells it. */
  readonly until?: EpochMs;
  /** A sentence for people. */
  readonly detail: string;
}

/** Schedules are fired, and groups end with their members. */
const WITHOUT_ATTEMPTS: ReadonlySet<string> = new Set([SCHEDULE, GROUP]);

export function hasAttempts({ executionType }: Pick<Job, "executionType">): boolean {
  return !WITHOUT_ATTEMPTS.has(executionType);
}

/**
 * Why a job waits, as far as its item tells and without the time: undefined in a backlog, whose state tells it, and for
 * what waits for no attempt of its own. What was delayed counts so until its attempt starts.
 */
export function reasonInItem(job: Job): WaitReason | undefined {
  if (!isWaiting(job) || !hasAttempts(job) || job.backlog !== undefined) return undefined;
  const put = putOffBy(job);
  if (put !== undefined) return put;
  if (job.status === "RETRYING") return (job.releasedAt ?? 0) > job.updatedAt ? "queued" : "backoff";
  if (job.waitsSince === undefined && job.startAt > job.updatedAt) return "delayed";
  return job.lane === undefined ? "queued" : "order";
}

/** Whether a job waits for one of these reasons. `backlogs`: those whose jobs wait for one of them. */
export function waitsForAny(job: Job, reasons: readonly WaitReason[], backlogs: readonly BacklogName[]): boolean {
  if (job.backlog !== undefined) return isWaiting(job) && hasAttempts(job) && backlogs.includes(job.backlog);
  const reason = reasonInItem(job);
  return reason !== undefined && reasons.includes(reason);
}

/** Of these, all jobs are in the index of their status, however young: RETRYING ones, and those in a backlog. */
const LISTED: ReadonlySet<WaitReason> = new Set(["backoff", "outage", "held", "paused", "slot"]);

export function areListed(reasons: readonly WaitReason[]): boolean {
  return reasons.every((reason) => LISTED.has(reason));
}

/** The limit for which a job was put off to its `startAt`; undefined if it was not. */
export function putOffBy({ turn, waitsSince, waitsFor }: Job): Limit | undefined {
  // A turn without a step is a slot that is kept for the job.
  if (turn) return turn.step > 0 ? "rate" : undefined;
  if (waitsSince === undefined) return undefined;
  return waitsFor === undefined ? "concurrency" : limitOf(waitsFor);
}
