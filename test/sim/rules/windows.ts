import { SECOND, type EpochMs } from "../../../lib/clock.ts";
import type { Job } from "../../../lib/job/job.ts";
import { SKEW, type Judge } from "./rule.ts";

// Delays and time limits: computed here from the request, not read from the stored job.

interface Window {
  readonly from: EpochMs;
  readonly until: EpochMs;
}

interface Metadata {
  readonly delaySeconds?: number;
  readonly notBefore?: string;
  readonly notAfter?: string;
}

export function createWindowRules({ now, holds }: Judge) {
  const windows = new Map<string, Window>();

  /** A client is about to post a job to a target. What it posts again has the same window, or a later one. */
  function posting(target: string, { delaySeconds = 0, notBefore, notAfter }: Metadata): void {
    if (windows.has(target)) return;
    const from = notBefore === undefined ? now() + delaySeconds * SECOND : Date.parse(notBefore);
    windows.set(target, { from, until: notAfter === undefined ? Infinity : Date.parse(notAfter) });
  }

  /** An attempt at a target starts. `isHastened`: a person has asked that it does not wait. */
  function started(target: string, { job, isHastened }: { job: Job; isHastened: boolean }, told: () => string): void {
    const { from, until } = windows.get(target) ?? { from: 0, until: Infinity };
    holds("nothing starts before its notBefore", isHastened || from <= now() + SECOND + SKEW, told);
    holds("nothing starts after its notAfter", (job.startedAt ?? 0) <= until, told);
  }

  /** A job that waited has ended. */
  function ended({ reason, notAfter = Infinity, updatedAt }: Job, told: () => string): void {
    holds("a job that waits expires by its notAfter alone", reason !== "expired" || updatedAt > notAfter, told);
  }

  return { posting, started, ended };
}
