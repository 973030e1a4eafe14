import type { Outcome } from "../job/attempt.ts";

/** What came of a delivery: of an attempt, or of a schedule that fired. "skipped": there was nothing to do. */
export type Ran = "succeeded" | "failed" | "skipped";

export function ranAs(outcome: Outcome | undefined): Ran {
  if (!outcome) return "skipped";
  return outcome.kind === "succeeded" ? "succeeded" : "failed";
}

/** What came of jobs or messages: each was run, or there was nothing to run. */
export interface Tally {
  readonly processed: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts what came of them. */
export function tally(ran: readonly Ran[]): Tally {
  const count = (of: Ran) => ran.filter((it) => it === of).length;
  return { processed: ran.length, succeeded: count("succeeded"), failed: count("failed"), skipped: count("skipped") };
}
