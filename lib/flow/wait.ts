import { HOUR, MINUTE, type Clock, type EpochMs } from "../clock.ts";
import { HEAD_START, type Job } from "../job/job.ts";
import { becomeDue, defer, type Move } from "../job/moves.ts";

/**
 * `turn`: the job's turn comes at a time, and is kept for it. `place`: about then a place is free. `again`: when
 * to look again. `person`: somebody must act. `slot`: a task of the same app must end first.
 */
export type Wait =
  | { readonly kind: "turn" | "place" | "again"; readonly at: EpochMs }
  | { readonly kind: "person" | "slot" };

const LONGEST_LOOK = HOUR;

/** A message comes so much before its turn; less than what two clocks may differ by. */
const EARLY_MS = 900;

/** Whether a wait is spent in the queue, if it can be. */
export function isShort(wait: Wait): boolean {
  return wait.kind === "turn" || wait.kind === "place";
}

/** When the message of a job that waits in the queue may arrive. */
export function arrival(job: Job, clock: Clock): EpochMs {
  return job.turnAt === undefined ? job.startAt : job.turnAt - clock.during(EARLY_MS);
}

/** How a job waits, as a move; nothing is counted. */
export function waiting(job: Job, wait: Wait, now: EpochMs): Move {
  switch (wait.kind) {
    case "turn":
    case "place":
      return defer(job, wait.at, now, wait.kind === "turn");
    case "again":
      return becomeDue(job, wait.at);
    case "person":
      return becomeDue(job, nextGlance(job, now, MINUTE));
    case "slot":
      // Whoever gives back a slot calls it; this is for when that is lost.
      return becomeDue(job, nextGlance(job, now, HEAD_START));
    default:
      return wait satisfies never;
  }
}

/** Each look is a write: less often the longer a job has waited. */
function nextGlance({ startAt }: Job, now: EpochMs, least: number): EpochMs {
  return Math.round(now + Math.min(Math.max((now - startAt) / 10, least), LONGEST_LOOK));
}
