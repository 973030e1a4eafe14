import type { EpochMs } from "../../../lib/clock.ts";

/** The parts of every rule. */
export interface Judge {
  readonly now: () => EpochMs;
  /** Records a violation of the rule unless it holds. */
  readonly holds: (rule: string, does: boolean, what: () => string) => void;
}

/** By how much the clocks of processes may differ, on top of the second that the service allows. */
export const SKEW = 600;
