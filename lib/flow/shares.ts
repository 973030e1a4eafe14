import { LONG_ATTEMPT_MS } from "../job/job.ts";
import type { DestinationLimits, SettingsInForce } from "../store/app-settings.ts";

// An app's share of the executions that a queue's function has: how many of its attempts that take long run at once.

/**
 * `(long)`: attempts with a timeout over a minute, in `runTasks`. `(slow)`: attempts at destinations that are known to be
 * slow, in `processJobs`. In parentheses, since no origin and no function is named so: the slots and the backlog of a
 * share are kept like those of a destination.
 */
export type Share = "(long)" | "(slow)";

/** A fifth of the function's `maximumConcurrency` in serverless.yml. */
export const DEFAULT_SHARES: Readonly<Record<Share, number>> = { "(long)": 20, "(slow)": 40 };

export function isShare(destination: string): destination is Share {
  return Object.hasOwn(DEFAULT_SHARES, destination);
}

/** The share that every attempt with such a timeout takes a slot of. */
export function shareByTimeout(timeoutMs: number): Share | undefined {
  return timeoutMs > LONG_ATTEMPT_MS ? "(long)" : undefined;
}

/** The limits of a destination or a share; undefined if it has none. */
export function limitsOf(
  destination: string,
  { destinations, concurrencyPerApp }: Pick<SettingsInForce, "destinations" | "concurrencyPerApp">,
): DestinationLimits | undefined {
  if (!isShare(destination)) return destinations.find((limits) => limits.destination === destination);
  const maxConcurrency = concurrencyPerApp ?? DEFAULT_SHARES[destination];
  return { destination, rateLimitPerSecond: null, maxConcurrency };
}

/**
 * Limits in the order in which an attempt asks for room: where the first one has none, it has not held a slot of another
 * for a moment, for which others would have had to wait. A turn by a rate can't be given back, so it is asked for last.
 */
export function tightestFirst(limits: readonly DestinationLimits[]): DestinationLimits[] {
  const width = ({ rateLimitPerSecond: rate, maxConcurrency }: DestinationLimits) =>
    rate === null ? (maxConcurrency ?? Infinity) : Infinity;
  return limits.toSorted((a, b) => width(a) - width(b));
}
