import { TASK_LEASE_MS, type Job } from "../../../lib/job/job.ts";
import { SKEW, type Judge } from "./rule.ts";

// The writes of a running task: its lease is extended before it is over, and later attempts see its checkpoints.

interface Saved {
  readonly attempt: number;
  readonly value: string;
  /** Whether the attempt knows that it is saved. */
  isDone: boolean;
}

export function createLeaseRules({ now, holds }: Judge) {
  /** The checkpoints of a job, in their order. */
  const saved = new Map<string, Saved[]>();

  /** A task was written that was running and still is. */
  function extended(old: Job, job: Job, told: () => string): void {
    const [was, is] = [old.leaseUntil ?? 0, job.leaseUntil ?? 0];
    if (was === is) return;
    // `updatedAt` is when its process asked for it; a call may come late, and then does not last long.
    const asked = () => `${told()}: asked ${job.updatedAt - was} ms after its end`;
    holds("a lease that is over is not extended", job.updatedAt <= was, asked);
    holds("a lease is not made shorter", is >= was, told);
    const most = Math.min(now() + SKEW, job.updatedAt) + TASK_LEASE_MS;
    holds("a lease lasts a minute from when it was asked for", is <= most, told);
  }

  function saves(jobId: string, attempt: number, value: string, stage: "asked" | "done"): void {
    const known = saved.get(jobId) ?? [];
    saved.set(jobId, known);
    const same = known.findLast((one) => one.attempt === attempt && one.value === value);
    if (stage === "done" && same) same.isDone = true;
    else known.push({ attempt, value, isDone: stage === "done" });
  }

  /** An attempt starts with the checkpoint of an earlier one. */
  function started({ id, attempts, saved: seen }: Job, told: () => string): void {
    const before = (saved.get(id) ?? []).filter(({ attempt }) => attempt < attempts);
    const least = before.findLastIndex(({ isDone }) => isDone);
    const at = before.findLastIndex(({ value }) => value === seen);
    const isKnown = seen === undefined || at >= 0;
    const what = () => `${told()} sees ${seen}; ${before.map(({ value }) => value).join(" ")} were saved`;
    holds("an attempt sees what an earlier one has saved", isKnown && at >= least, what);
  }

  function removed(jobId: string): void {
    saved.delete(jobId);
  }

  return { extended, saves, started, removed };
}
