import { MINUTE, SECOND, type EpochMs } from "../clock.ts";

// The circuit breaker of a destination: how the failures of an app's jobs there open or hold it. Pure.

/** The circuit of a destination that has failed lately or that a person holds; any other destination has none. */
export interface Circuit {
  /** `open`: its jobs wait, except one probe a minute. `held`: it answered 410 or a person said so; a person resumes it. */
  readonly state: "closed" | "open" | "held";
  readonly since: EpochMs;
  /** The times of the failed attempts since the last success, at most the latest 20. */
  readonly failures: readonly EpochMs[];
  /** Set for open circuits: the time from which the next job may probe. */
  readonly probeAt?: EpochMs;
  /** Of the latest failure that counts; none where a person holds what has not failed. */
  readonly lastError?: string;
}

export interface FailedAttempt {
  readonly httpStatus?: number;
  readonly error: string;
}

const FAILURES_TO_OPEN = 20;
/** 20 failures in a longer time are no outage. */
export const FAILURE_WINDOW = 10 * MINUTE;
/** Somewhat less than the time between two sweeps, which send the probes: each of them finds that it is time. */
export const PROBE_EVERY = 50 * SECOND;
const GONE = 410;

/** Failures before `lastSuccessAt`, the last success that this process has seen, no longer count. */
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

/** A person's hold. What is held already stays as it is. */
export function holding(circuit: Circuit | undefined, now: EpochMs): Circuit {
  if (circuit?.state === "held") return circuit;
  const { probeAt: _, ...known } = circuit ?? { failures: [] };
  return { ...known, state: "held", since: now };
}
