import type { Plant } from "../plant.ts";

// Bugs that the volume scenarios must find: each names the scenario that finds it, and a word of the rule.

export interface VolumePlant extends Plant {
  readonly scenario: string;
  /** The beginning of the rule that it breaks. */
  readonly breaks: string;
}

export const VOLUME_PLANTS: readonly VolumePlant[] = [];
