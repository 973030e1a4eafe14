import type { Command } from "../models/client.ts";
import type { Parts, Plant } from "../plant.ts";

/** A bug that a volume scenario must find: it names the scenario that finds it. */
export interface VolumePlant extends Plant {
  readonly scenario: string;
  /** The beginning of the rule that it breaks. */
  readonly breaks: string;
  /** Changes a call of a service, as it is about to be made. */
  readonly call?: (command: Command) => Command;
}

/** Whoever asks has a slot of what an app shares. */
export function unlimited(share: string): (parts: Parts) => Partial<Parts> {
  return ({ capacity }) => ({
    capacity: {
      ...capacity,
      takeSlot: async (slot, ...asked) => (slot.destination === share ? "taken" : capacity.takeSlot(slot, ...asked)),
    },
  });
}
