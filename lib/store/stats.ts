import { DAY, HOUR, MINUTE, iso, type Clock, type EpochMs } from "../clock.ts";
import { grow, percentile, stepOf, type Change, type Counters, type Increments } from "./counters.ts";
import type { Item } from "./table.ts";
import { isSchedule, type Job } from "../job/job.ts";
import { STATUSES, type Status } from "../job/status.ts";

// Counts of an app's jobs of the last hour and day. A job counts at its time of creation, by its present state.

/** Jobs created within a window, by their present state. */
export interface WindowStats {
  readonly jobs: number;
  readonly byStatus: Record<Status, number>;
  readonly byExecutionType: Record<string, number>;
  /** Share of the ended jobs, without cancelled ones; null if none has ended. */
  readonly successRate: number | null;
  readonly averageRetryCount: number | null;
  /** From acceptance to success, without schedules; exact to 19 %. */
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null };
}

/** With the retries of these jobs. */
export type Counted = WindowStats & { readonly retries: number };

/** The windows are longer than an hour and a day by up to this. */
const BUCKET = 5 * MINUTE;
const KEPT = 2 * DAY;

export type Stats = ReturnType<typeof createStats>;

/** Counters have names like `status:rest-api:DEAD`, `retries`, `latency:44`. */
export function createStats({ counters, clock }: { counters: Counters; clock: Clock }) {
  /** One write for each app and each five minutes in which some of the changed jobs were created. */
  async function count(changes: readonly Change[]): Promise<void> {
    const buckets = incrementsOf(changes, clock.now() - DAY - BUCKET);
    const adding = [...buckets].map(async ([key, increments]) => {
      const [appId = "", start = ""] = key.split("/");
      await counters.add(pkOf(appId), iso(Number(start)), increments, Number(start) + KEPT);
    });
    await Promise.all(adding);
  }

  /** Reads one small item for every five minutes of the last day. */
  async function of(appId: string): Promise<{ lastHour: WindowStats; lastDay: WindowStats }> {
    const now = clock.now();
    const buckets = await bucketsOf(appId, now - DAY - BUCKET + 1, now);
    const lastHour = buckets.filter(({ start }) => start > now - HOUR - BUCKET);
    return { lastHour: summed(lastHour), lastDay: summed(buckets) };
  }

  /** The jobs that were created in each five minutes from one time to another, and in all of them. Kept for two days. */
  async function between(appId: string, from: EpochMs, to: EpochMs) {
    const buckets = await bucketsOf(appId, from, to);
    return { byStart: new Map(buckets.map((each) => [each.start, counted([each])])), total: counted(buckets) };
  }

  async function bucketsOf(appId: string, from: EpochMs, to: EpochMs) {
    const found = await counters.between(pkOf(appId), iso(from), iso(to));
    return found.map(({ at, counters: item }) => ({ start: Date.parse(at), counters: item }));
  }

  /** The PENDING jobs by execution type that were created from a time on, the start of five minutes. */
  async function pendingSince(appId: string, since: EpochMs): Promise<ReadonlyMap<string, number>> {
    const found = await counters.between(pkOf(appId), iso(since), iso(clock.now()));
    const pending = new Map<string, number>();
    for (const [name, count] of found.flatMap(({ counters: item }) => Object.entries(item))) {
      const [, executionType] = /^status:(.+):PENDING$/.exec(name) ?? [];
      if (executionType === undefined) continue;
      pending.set(executionType, (pending.get(executionType) ?? 0) + Number(count));
    }
    return pending;
  }

  return { count, of, between, pendingSince };
}

/** The start of the five minutes in which a time is. */
export function bucketOf(time: EpochMs): EpochMs {
  return Math.floor(time / BUCKET) * BUCKET;
}

/** Increments by `app/start of the five minutes`. Jobs created before `since` are ignored. */
export function incrementsOf(changes: readonly Change[], since: EpochMs): Map<string, Increments> {
  const buckets = new Map<string, Increments>();
  const add = (job: Job, sign: 1 | -1) => {
    if (job.createdAt < since) return;
    const counted = countersOf(job).map(([name, by]) => [name, sign * by] as const);
    grow(buckets, `${job.appId}/${bucketOf(job.createdAt)}`, counted);
  };
  for (const { before, after } of changes) {
    if (before) add(before, -1);
    if (after) add(after, 1);
  }
  return buckets;
}

function pkOf(appId: string): string {
  return `STATS#${appId}`;
}

function countersOf(job: Job): [name: string, by: number][] {
  const latency = job.status === "SUCCEEDED" && !isSchedule(job);
  return [
    [`status:${job.executionType}:${job.status}`, 1],
    ["retries", job.retryCount],
    ...(latency ? [[`latency:${stepOf(job.updatedAt - job.createdAt)}`, 1] as [string, number]] : []),
  ];
}

function totalOf(buckets: readonly { counters: Item }[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>();
  for (const { counters } of buckets) {
    for (const [name, count] of Object.entries(counters)) total.set(name, (total.get(name) ?? 0) + Number(count));
  }
  return total;
}

function counted(buckets: readonly { counters: Item }[]): Counted {
  return { ...summed(buckets), retries: Math.max(totalOf(buckets).get("retries") ?? 0, 0) };
}

function summed(buckets: readonly { counters: Item }[]): WindowStats {
  const total = totalOf(buckets);
  const byStatus = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  const byExecutionType: Record<string, number> = {};
  const steps: [step: number, count: number][] = [];
  for (const [name, counted] of total) {
    // A change that was counted twice, or not at all, can make a counter negative.
    const count = Math.max(counted, 0);
    const [kind, first = "", status = ""] = name.split(":");
    if (kind === "latency") steps.push([Number(first), count]);
    if (kind !== "status") continue;
    byStatus[status as Status] += count;
    byExecutionType[first] = (byExecutionType[first] ?? 0) + count;
  }
  const jobs = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
  const ended = byStatus.SUCCEEDED + byStatus.FAILED + byStatus.DEAD;
  return {
    jobs,
    byStatus,
    byExecutionType,
    successRate: ended > 0 ? rounded(byStatus.SUCCEEDED / ended) : null,
    averageRetryCount: jobs > 0 ? rounded(Math.max(total.get("retries") ?? 0, 0) / jobs) : null,
    latencyMs: { p50: percentile(steps, 0.5), p95: percentile(steps, 0.95) },
  };
}

function rounded(ratio: number): number {
  return Math.round(ratio * 10_000) / 10_000;
}
