import { DAY, SECOND } from "../clock.ts";
import type { RetryPolicy } from "./message.ts";

export const LONGEST_BACKOFF = DAY;

/**
 * Milliseconds until retry `n` (1-based): 60 s · 2^(n−1), at most 24 h.
 * Jitter j shortens it by up to j of it. Source: spec/unified-job-api.md §6.
 */
export function backoffDelay(n: number, policy: RetryPolicy = NO_POLICY, chance = 0): number {
  const full = Math.min(policy.baseDelaySeconds * SECOND * 2 ** (n - 1), policy.maxDelaySeconds * SECOND);
  return Math.round(full * (1 - policy.jitter * chance));
}

/** For an attempt that found no room: 10 s, then twice as long each time, at most 5 minutes. */
export const NO_ROOM_POLICY: RetryPolicy = { baseDelaySeconds: 10, maxDelaySeconds: 300, jitter: 0.5 };

export const NO_POLICY: RetryPolicy = {
  baseDelaySeconds: 60,
  maxDelaySeconds: LONGEST_BACKOFF / SECOND,
  jitter: 0,
};
