import type { Outcome } from "../job/attempt.ts";

/** The result of a delivery. "skipped": there was nothing to do. */
export type Ran = "succeeded" | "failed" | "skipped";

export function ranAs(outcome: Outcome | undefined): Ran {
  if (!outcome) return "skipped";
  return outcome.kind === "succeeded" ? "succeeded" : "failed";
}

/** The results of jobs or messages. */
export interface Tally {
  readonly processed: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts results. */
export function tally(ran: readonly Ran[]): Tally {
  const count = (of: Ran) => ran.filter((it) => it === of).length;
  return { processed: ran.length, succeeded: count("succeeded"), failed: count("failed"), skipped: count("skipped") };
}
