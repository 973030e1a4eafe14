import type { Plant } from "../plant.ts";

/** A bug that a volume scenario must find: it names the scenario that finds it. */
export interface VolumePlant extends Plant {
  readonly scenario: string;
  /** The beginning of the rule that it breaks. */
  readonly breaks: string;
}
