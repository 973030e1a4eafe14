import { HOUR, MINUTE, type Clock, type EpochMs } from "../clock.ts";
import { HEAD_START, type Job } from "../job/job.ts";
import { becomeDue, defer, type Move } from "../job/moves.ts";

// The reasons why a due attempt has to wait, and the move that follows from each. Pure.

/**
 * - `paused`, `held`: a person has to resume the app, or the destination, which answered 410.
 * - `slot`: another task of the app has to end first.
 * - `outage`: the destination's circuit is open.
 * - `rate`, `concurrency`: the destination's limits.
 *
 * A wait until `turnAt` or `startAt` is spent in the queue: at `turnAt` the job has a turn that is kept for it; at
 * `startAt` it asks again. A wait until `lookAt` is spent in the table, and ends with the sweep at that time.
 */
export type Wait =
  | { readonly reason: "paused" | "held" | "slot" }
  | { readonly reason: "outage"; readonly lookAt: EpochMs }
  | { readonly reason: "rate"; readonly turnAt: EpochMs }
  | { readonly reason: "rate" | "concurrency"; readonly startAt: EpochMs }
  | { readonly reason: "rate" | "concurrency"; readonly lookAt: EpochMs };

const LONGEST_LOOK = HOUR;

/** The time by which a message arrives before its turn. It is less than the clock skew. */
const EARLY_MS = 900;

/** Whether a wait is spent in the queue, if the queue can delay the message as long; else in the table. */
export function isShort(wait: Wait): boolean {
  return "turnAt" in wait || "startAt" in wait;
}

/** The earliest arrival of the message of a job that waits in the queue. */
export function arrival(job: Job, clock: Clock): EpochMs {
  return job.turnAt === undefined ? job.startAt : job.turnAt - clock.during(EARLY_MS);
}

/** The move that makes a job wait. It counts as no attempt. */
export function waiting(job: Job, wait: Wait, now: EpochMs): Move {
  switch (wait.reason) {
    case "paused":
    case "held":
      return becomeDue(job, nextGlance(job, now, MINUTE));
    case "slot":
      // The end that gives a slot back notifies the next task in line; this is for a notification that is lost.
      return becomeDue(job, nextGlance(job, now, HEAD_START));
    case "outage":
      return becomeDue(job, wait.lookAt);
    case "rate":
    case "concurrency":
      if ("turnAt" in wait) return defer(job, wait.turnAt, now, true);
      return "startAt" in wait ? defer(job, wait.startAt, now, false) : becomeDue(job, wait.lookAt);
    default:
      return wait satisfies never;
  }
}

/** Each look is a write: less often the longer a job has waited. */
function nextGlance({ startAt }: Job, now: EpochMs, least: number): EpochMs {
  return Math.round(now + Math.min(Math.max((now - startAt) / 10, least), LONGEST_LOOK));
}
