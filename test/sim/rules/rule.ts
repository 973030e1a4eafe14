import type { EpochMs } from "../../../lib/clock.ts";

/** What rules are judged with. */
export interface Judge {
  readonly now: () => EpochMs;
  /** Notes that a rule is broken, unless it holds. */
  readonly holds: (rule: string, does: boolean, what: () => string) => void;
}

/** By how much the clocks of processes may differ, on top of the second that the service allows. */
export const SKEW = 600;
