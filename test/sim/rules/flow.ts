import { unmarshall } from "@aws-sdk/util-dynamodb";
import { MINUTE, SECOND, type EpochMs } from "../../../lib/clock.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Process } from "../process.ts";
import type { Judge } from "./rule.ts";

// Flow control: an attempt starts if its app is not paused, and its destination is up and below its limit.

/** An attempt that runs. */
export interface Live {
  readonly process: Process;
  readonly place: string;
  until: EpochMs;
  isFrozen: boolean;
}

interface Settings {
  readonly destinations?: readonly { readonly destination: string; readonly maxConcurrency: number | null }[];
  readonly paused?: boolean;
}

/** Until all processes know a change of settings, and earlier attempts are over. */
const SETTLED_AFTER = 2 * MINUTE;
/** Until all processes know that a destination is down, and what had been let through has started. */
const KNOWN_AFTER = 25 * SECOND;

export function createFlowRules({ now, holds, trace }: Judge & { trace: (line: string) => void }) {
  const circuits = new Map<
    string,
    { readonly state: string; readonly since: EpochMs; probedAt: EpochMs | undefined }
  >();
  const paused = new Map<string, EpochMs>();
  const limits = new Map<string, { readonly most: number; readonly since: EpochMs }>();

  function circuitWritten(place: string, item: Item): void {
    const { state } = unmarshall(item);
    trace(`circuit of ${place} is ${state}`);
    if (circuits.get(place)?.state !== state)
      circuits.set(place, { state: String(state), since: now(), probedAt: undefined });
  }

  function limited(appId: string, settings: object): void {
    const { destinations = [], paused: isPaused } = settings as Settings;
    if (isPaused === true) paused.set(appId, now());
    else if (isPaused === false) paused.delete(appId);
    for (const { destination, maxConcurrency } of destinations) {
      if (maxConcurrency !== null) limits.set(`${appId} ${destination}`, { most: maxConcurrency, since: now() });
    }
  }

  /** Judges a start by the pause of the app and the circuit of the destination, once all processes know them. */
  function mayStart(appId: string | undefined, place: string, told: () => string): void {
    const pausedSince = paused.get(appId ?? "");
    const isPaused = pausedSince !== undefined && pausedSince + SETTLED_AFTER < now();
    holds("nothing starts while its app is paused", !isPaused, told);
    const circuit = circuits.get(place);
    if (!circuit || circuit.state === "closed" || circuit.since + KNOWN_AFTER > now()) return;
    holds("nothing starts at a destination that is held", circuit.state !== "held", told);
    const isProbe = circuit.probedAt === undefined || now() - circuit.probedAt > MINUTE - KNOWN_AFTER;
    holds("one attempt a minute probes a destination that is down", isProbe, told);
    circuit.probedAt = now();
  }

  /** Judges the attempts that run at a destination by its limit. */
  function hasRoom(place: string, live: Iterable<Live>, told: () => string): void {
    const limit = limits.get(place);
    if (!limit || limit.since + SETTLED_AFTER > now()) return;
    const running = [...live].filter((one) => one.place === place && one.until > now()).length;
    holds("no more attempts run at once than a destination takes", running <= limit.most, told);
  }

  return { circuitWritten, limited, mayStart, hasRoom };
}
