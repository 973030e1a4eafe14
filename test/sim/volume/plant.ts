import type { Command } from "../models/client.ts";
import type { Plant } from "../plant.ts";

/** A planted bug that a volume scenario must find. */
export interface VolumePlant extends Plant {
  /** The name of the scenario. */
  readonly scenario: string;
  /** The beginning of the rule that it breaks. */
  readonly breaks: string;
  /** Changes a call of a service, as it is about to be made. */
  readonly call?: (command: Command) => Command;
}
