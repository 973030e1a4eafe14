import type { Clock, EpochMs } from "../clock.ts";
import { destinationOf, type BacklogRef } from "../job/backlog.ts";
import type { AppStore, DestinationLimits } from "../store/app-store.ts";
import type { CapacityStore } from "./capacity-store.ts";
import type { createCircuitWaits } from "./circuits.ts";
import type { DestinationRef } from "./destination-store.ts";
import { markTurns, startsWithin } from "./limits.ts";

// The gates of backlogs: how many of the jobs that wait there may go.

/** `free`: how many jobs may leave a backlog now. `starts`: the turns of these at the destination, if it has limits. */
export interface Gate {
  readonly free: number;
  readonly starts?: readonly EpochMs[];
}

interface Parts {
  readonly clock: Clock;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly capacity: CapacityStore;
  readonly circuits: Pick<ReturnType<typeof createCircuitWaits>, "circuitOf">;
}

export function createGates(parts: Parts) {
  const { clock, apps, circuits } = parts;

  /** Whether the jobs of a backlog wait for a person. */
  async function isShut(ref: BacklogRef): Promise<boolean> {
    if ((await apps.settingsOf(ref.appId)).paused) return true;
    const to = target(ref);
    return to !== undefined && (await circuits.circuitOf(to))?.state === "held";
  }

  /** How many of `most` jobs may leave a backlog that is not shut: all, one that probes, or those with a turn. */
  async function gateOf(ref: BacklogRef, most: number): Promise<Gate> {
    const to = target(ref);
    if (!to) return { free: most };
    const circuit = await circuits.circuitOf(to);
    if (circuit && circuit.state !== "closed") return { free: (circuit.probeAt ?? Infinity) <= clock.now() ? 1 : 0 };
    const limits = await limitsOf(to);
    const starts = limits && (await startsWithin(parts, to, limits, most));
    return starts ? { free: starts.length, starts } : { free: most };
  }

  /** Says whether jobs are left in a backlog: new ones must not pass them. */
  async function markBacklog(ref: BacklogRef, isWaiting: boolean): Promise<void> {
    const to = target(ref);
    const limits = to && (await limitsOf(to));
    if (limits) await markTurns(parts, to, limits, isWaiting);
  }

  async function limitsOf({ appId, destination }: DestinationRef): Promise<DestinationLimits | undefined> {
    const { destinations } = await apps.settingsOf(appId);
    return destinations.find((limits) => limits.destination === destination);
  }

  return { isShut, gateOf, markBacklog };
}

function target({ appId, backlog }: BacklogRef): DestinationRef | undefined {
  const destination = destinationOf(backlog);
  return destination === undefined ? undefined : { appId, destination };
}
