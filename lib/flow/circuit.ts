import { MINUTE, type EpochMs } from "../clock.ts";

// What an app's jobs have met with at a destination, and what follows from it. Pure.

/** A destination that has failed lately. One that is as it should be has none. */
export interface Circuit {
  /** `open`: its jobs wait, but for one probe a minute. `held`: it said it is gone, and a person must resume it. */
  readonly state: "closed" | "open" | "held";
  readonly since: EpochMs;
  /** When attempts failed since the last success: the latest 20. */
  readonly failures: readonly EpochMs[];
  /** Of an open one: from when on the next job may try. */
  readonly probeAt?: EpochMs;
  readonly lastError: string;
}

export interface FailedAttempt {
  readonly httpStatus?: number;
  readonly error: string;
}

const FAILURES_TO_OPEN = 20;
/** As many failures in a longer time are not an outage. */
export const FAILURE_WINDOW = 10 * MINUTE;
export const PROBE_EVERY = MINUTE;
/** So many of those that wait look again at the next probe, as many at the one after it, and so on. */
const LOOKS_A_PROBE = 10;
/** Or, of an outage that lasts, a tenth of it, up to an hour: then somebody has to see to it anyway. */
const FEWEST_SKIPPED = 4;
const MOST_SKIPPED = 59;
const GONE = 410;

/** A failure that comes after a success which this process knows of is the first one again. */
export function afterFailure(
  circuit: Circuit | undefined,
  { httpStatus, error: lastError }: FailedAttempt,
  now: EpochMs,
  lastSuccessAt = -Infinity,
): Circuit {
  if (circuit?.state === "held" || (circuit?.state === "open" && httpStatus !== GONE)) return circuit;
  const before = circuit?.failures.filter((at) => at > lastSuccessAt) ?? [];
  const failures = [...before, now].slice(-FAILURES_TO_OPEN);
  if (httpStatus === GONE) return { state: "held", since: now, failures, lastError };
  const isOutage = failures.length === FAILURES_TO_OPEN && now - (failures[0] ?? now) <= FAILURE_WINDOW;
  if (isOutage) return { state: "open", since: now, failures, lastError, probeAt: now + PROBE_EVERY };
  return { state: "closed", since: circuit?.since ?? now, failures, lastError };
}

/**
 * When a job that an open circuit keeps waiting looks again. Each look is a write, so that of many jobs only
 * the first few, by their place among those that look now, come to every probe, and the rest within minutes.
 */
export function nextLook({ since, probeAt = 0 }: Circuit, now: EpochMs, place: number, chance: number): EpochMs {
  const next = Math.max(probeAt, now + PROBE_EVERY / 2);
  const most = Math.min(Math.max((now - since) / (10 * PROBE_EVERY), FEWEST_SKIPPED), MOST_SKIPPED);
  const skipped = Math.min(Math.floor(place / LOOKS_A_PROBE), most);
  return skipped === 0 ? next : Math.round(next + (skipped - 1 + chance) * PROBE_EVERY);
}
