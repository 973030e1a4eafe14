import type { Clock, EpochMs } from "../clock.ts";
import type { Turn } from "../job/attempt.ts";
import type { Job } from "../job/job.ts";
import { LIMIT_LETTERS, backlogTo, type BacklogName } from "../job/backlog.ts";
import type { Move } from "../job/move.ts";
import { defer, queueUp, take } from "../job/moves.ts";
import { isShare } from "./shares.ts";

// The reasons why a due attempt has to wait, and the move that follows from each. Pure.

/**
 * - `paused`, `held`: a person has to resume the app, or the destination, which answered 410.
 * - `slot`: another task of the app has to end first.
 * - `outage`: the destination's circuit is open.
 * - `rate`, `concurrency`: the destination's limits, or the app's share of a queue.
 *
 * A wait until `turn` or `startAt` is spent in the queue: the turn is kept for the job; at `startAt` it asks again. Any
 * other wait is spent in a backlog, and costs one write however long it lasts. `at`: the destination, or the app's share
 * of a queue, that has no slot. `isFirst`: no other job is known to wait there for one. `mark`: where it has waited before; `held`: the
 * slots that it has meanwhile.
 */
export type Wait =
  | { readonly reason: "paused" | "held" | "slot" | "outage" | "rate" }
  | {
      readonly reason: "concurrency";
      readonly at: string;
      readonly isFirst?: true;
      readonly mark?: Turn;
      readonly held?: string;
    }
  | { readonly reason: "rate"; readonly turn: Turn }
  | { readonly reason: "rate" | "concurrency"; readonly startAt: EpochMs };

/** The time by which a message arrives before its turn by a rate. It is less than the clock skew. */
const EARLY_MS = 900;

/** Whether a wait is spent in the queue, if the queue can delay the message as long. */
export function isShort(wait: Wait): boolean {
  return "turn" in wait || "startAt" in wait;
}

/** The earliest arrival of the message of a job that waits in the queue. */
export function arrival(job: Job, clock: Clock): EpochMs {
  const isByRate = job.turn !== undefined && job.turn.step > 0;
  return isByRate ? job.startAt - clock.during(EARLY_MS) : job.startAt;
}

/** The move that makes a job wait. It counts as no attempt. */
export function waiting(job: Job, wait: Wait, now: EpochMs): Move {
  if ("turn" in wait) return take(job, wait.turn, now);
  if ("startAt" in wait) return defer(job, wait.startAt, now, LIMIT_LETTERS[wait.reason]);
  const isByLimit = wait.reason === "rate" || wait.reason === "concurrency";
  const isForShare = "at" in wait && isShare(wait.at);
  const kept = isForShare && job.turn?.share === undefined ? job.turn : undefined;
  const turn = ("mark" in wait && wait.mark) || kept;
  const slots = "held" in wait ? wait.held : undefined;
  return queueUp(job, backlogOf(job, wait), {
    waitsFor: isByLimit ? LIMIT_LETTERS[wait.reason] : undefined,
    turn,
    slots,
  });
}

/** The backlog for a wait that is spent in one. */
function backlogOf({ destination = "" }: Job, wait: Wait): BacklogName {
  if (wait.reason === "paused") return "app";
  if (wait.reason === "slot") return "slot";
  return backlogTo("at" in wait ? wait.at : destination);
}
