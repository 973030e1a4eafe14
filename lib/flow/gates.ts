import type { Clock } from "../clock.ts";
import type { Turn } from "../job/attempt.ts";
import { destinationOf, type BacklogRef } from "../job/backlog.ts";
import type { AppStore } from "../store/app-store.ts";
import type { CapacityStore } from "./capacity-store.ts";
import type { createCircuitWaits } from "./circuits.ts";
import type { DestinationRef } from "./destination-store.ts";
import { markWaiting, roomWithin, turnsWithin } from "./limits.ts";
import { isShare, limitsOf } from "./shares.ts";

// The gates of backlogs: how many of the jobs that wait there may go.

/**
 * `free`: how many jobs may leave a backlog now. `turns`: their turns at the destination, if it has limits; `atOnce`:
 * its slots, if they are limited.
 */
export interface Gate {
  readonly free: number;
  readonly turns?: readonly Turn[];
  readonly atOnce?: number;
  /** Those that leave keep their slots until their messages come. */
  readonly keepsSlots?: true;
  /** The destination has failed too often, and is only probed. */
  readonly isOpen?: true;
}

interface Parts {
  readonly clock: Clock;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly capacity: CapacityStore;
  readonly circuits: Pick<ReturnType<typeof createCircuitWaits>, "circuitOf">;
}

export function createGates(parts: Parts) {
  const { clock, apps, circuits } = parts;

  /** Why the jobs of a backlog wait for a person; undefined if they don't. */
  async function shutBy(ref: BacklogRef): Promise<"paused" | "held" | undefined> {
    if ((await apps.settingsOf(ref.appId)).paused) return "paused";
    const to = target(ref);
    if (to === undefined || isShare(to.destination)) return undefined;
    return (await circuits.circuitOf(to))?.state === "held" ? "held" : undefined;
  }

  /** How many of `most` jobs could leave a backlog that is not shut, after `gone` others. Takes no turns. */
  async function roomOf(ref: BacklogRef, most: number, gone: number): Promise<Pick<Gate, "free" | "isOpen">> {
    const to = target(ref);
    if (!to) return { free: most };
    const probing = await probesOf(to, gone);
    if (probing) return probing;
    const limits = limitsOf(to.destination, await apps.settingsOf(to.appId));
    return { free: limits ? await roomWithin(parts, to, limits, { most, gone }) : most };
  }

  /** One job may probe a destination that has failed too often, when its time has come. Undefined if it has not. */
  async function probesOf(to: DestinationRef, gone: number): Promise<Pick<Gate, "free" | "isOpen"> | undefined> {
    const circuit = isShare(to.destination) ? undefined : await circuits.circuitOf(to);
    if (!circuit || circuit.state === "closed") return undefined;
    return { free: gone === 0 && (circuit.probeAt ?? Infinity) <= clock.now() ? 1 : 0, isOpen: true };
  }

  /**
   * How many of `most` jobs may leave a backlog that is not shut, after `gone` others: all, one that probes, or those
   * with a turn.
   */
  async function gateOf(ref: BacklogRef, most: number, gone = 0): Promise<Gate> {
    const to = target(ref);
    if (!to) return { free: most };
    const probing = await probesOf(to, gone);
    if (probing) return probing;
    const limits = limitsOf(to.destination, await apps.settingsOf(to.appId));
    const turns = limits && (await turnsWithin(parts, to, limits, { most, gone }));
    if (!limits || !turns) return { free: most };
    const { maxConcurrency: atOnce } = limits;
    const keepsSlots = limits.rateLimitPerSecond === null && { keepsSlots: true as const };
    return { free: turns.length, turns, ...(atOnce !== null && { atOnce }), ...keepsSlots };
  }

  /** Says whether jobs are left in a backlog: new ones must not pass them. Returns whether that is new for slots. */
  async function markBacklog(ref: BacklogRef, isWaiting: boolean): Promise<boolean> {
    const to = target(ref);
    const limits = to && limitsOf(to.destination, await apps.settingsOf(to.appId));
    return to !== undefined && limits !== undefined && (await markWaiting(parts.capacity, to, limits, isWaiting));
  }

  return { shutBy, roomOf, gateOf, markBacklog };
}

function target({ appId, backlog }: BacklogRef): DestinationRef | undefined {
  const destination = destinationOf(backlog);
  return destination === undefined ? undefined : { appId, destination };
}
