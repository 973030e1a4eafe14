import { HOUR, type Clock, type EpochMs } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { STATUSES, type Status } from "../job/status.ts";
import { hasAttempts } from "../job/waiting.ts";
import type { Log } from "../log.ts";
import type { BacklogCounts } from "./backlog-counts.ts";
import type { Increments } from "./counters.ts";
import type { Base, Counts } from "./counts.ts";
import { reasonOfGauge, statusGauge, statusOfGauge, waitGauge, type Hour, type Hours } from "./hours.ts";
import { isListed } from "./job-item.ts";
import type { createJobIndex } from "./job-index.ts";
import { bucketOf, type Stats } from "./stats.ts";

// The corrections of gauges: the stream may lose changes and tell them twice, while indexes have every job.

interface Parts {
  readonly clock: Clock;
  readonly index: Pick<ReturnType<typeof createJobIndex>, "countOf" | "countIn">;
  readonly counts: Counts;
  readonly backlogs: BacklogCounts;
  readonly hours: Pick<Hours, "running">;
  readonly stats: Pick<Stats, "pendingSince">;
  readonly log: Log;
}

/** Jobs that succeeded are in no index of their own: they are counted, as what is left, where an app has few jobs. */
const MOST_COUNTED_ALL = 10_000;

export function createCorrections(parts: Parts) {
  /** Corrects the apps whose turn it is in this minute, as far as there is time: each about once an hour. */
  async function correctDue(hasTime: () => boolean): Promise<void> {
    for (const base of await parts.counts.dueNow().catch(noted())) {
      if (!hasTime()) return;
      // It is the longest uncorrected then, and comes first within the hour.
      await correct(base, parts).catch(noted(base.appId));
    }
  }

  function noted(appId?: string) {
    return (error: unknown): [] => {
      parts.log("warn", "counts.not-corrected", { ...(appId !== undefined && { appId }), error: reasonOf(error) });
      return [];
    };
  }

  return { correctDue };
}

async function correct(base: Base, parts: Parts): Promise<void> {
  const { clock, counts, log } = parts;
  const { appId } = base;
  const at = clock.now();
  const { gauges: counted, hours } = await counts.since(base);
  const found = new Map(counted);
  const types = typesIn(counted);
  const boundary = bucketOf(at - HOUR);
  const young = await parts.stats.pendingSince(appId, boundary);
  await Promise.all(
    types.map(async (executionType) => {
      const byStatus = await statusesOf({ appId, executionType, counted, hours, boundary, young }, parts);
      for (const [status, count] of byStatus) found.set(statusGauge(executionType, status), count);
    }),
  );
  const inBacklogs = await correctBacklogs(appId, parts);
  for (const [name, count] of fitted(found, types, inBacklogs)) found.set(name, count);
  await counts.restart(appId, found, hours, at);
  const by = [...found].reduce((sum, [name, count]) => sum + Math.abs(count - (counted.get(name) ?? 0)), 0);
  if (by > 0) log("info", "counts.corrected", { appId, count: by });
}

/** The jobs of one execution type. `young`: the PENDING ones that were created from `boundary` on, by their type. */
interface Counted {
  readonly appId: string;
  readonly executionType: string;
  readonly counted: Increments;
  readonly hours: readonly Hour[];
  readonly boundary: EpochMs;
  readonly young: ReadonlyMap<string, number>;
}

async function statusesOf(of: Counted, { index, hours }: Parts): Promise<ReadonlyMap<Status, number>> {
  const { appId, executionType, counted, boundary } = of;
  const known = (status: Status) => Math.max(counted.get(statusGauge(executionType, status)) ?? 0, 0);
  const found = new Map(STATUSES.map((status) => [status, known(status)]));
  const listed = async (status: Status, to?: EpochMs) =>
    atLeast(known(status), await index.countOf({ appId, executionType, status }, { to }));
  await Promise.all(
    STATUSES.map(async (status) => {
      if (isListed(executionType, status)) found.set(status, await listed(status));
      // Of PENDING jobs, the index has the old ones.
      else if (status === "PENDING")
        found.set(status, (await listed(status, boundary - 1)) + Math.max(of.young.get(executionType) ?? 0, 0));
      else if (status === "RUNNING") found.set(status, Math.max(hours.running(of.hours, executionType), 0));
    }),
  );
  if (isListed(executionType, "SUCCEEDED")) return found;
  const others = [...found].reduce((sum, [status, count]) => sum + (status === "SUCCEEDED" ? 0 : count), 0);
  if (others + known("SUCCEEDED") > MOST_COUNTED_ALL) return found;
  const all = await index.countOf({ appId, executionType }, {});
  if (all.isAll) found.set("SUCCEEDED", Math.max(all.count - others, 0));
  return found;
}

/** The count of an index, which may have more entries than were counted. */
function atLeast(known: number, { count, isAll }: { readonly count: number; readonly isAll: boolean }): number {
  return isAll ? count : Math.max(count, known);
}

/** Corrects the gauges of backlogs. Returns how many jobs are in all of them. */
async function correctBacklogs(appId: string, { index, backlogs }: Parts): Promise<number> {
  let sum = 0;
  for (const read of await backlogs.read(appId)) {
    const is = atLeast(read.count, await index.countIn({ appId, backlog: read.backlog }));
    await backlogs.set(appId, read, is);
    sum += is;
  }
  return sum;
}

function typesIn(gauges: Increments): string[] {
  return [...new Set([...gauges.keys()].flatMap((name) => statusOfGauge(name)?.executionType ?? []))];
}

/**
 * The gauges of the waits outside of backlogs, made to fit the number of jobs that wait there, which is known better than
 * why each of them does.
 */
function fitted(found: Increments, types: readonly string[], inBacklogs: number): Increments {
  const runnable = types.filter((executionType) => hasAttempts({ executionType }));
  const of = (status: Status) =>
    runnable.reduce((sum, executionType) => sum + (found.get(statusGauge(executionType, status)) ?? 0), 0);
  const total = Math.max(of("PENDING") + of("RETRYING") - inBacklogs, 0);
  const waits = [...found]
    .filter(([name]) => reasonOfGauge(name) !== undefined)
    .map(([name, n]) => [name, Math.max(n, 0)] as const);
  const sum = waits.reduce((all, [, count]) => all + count, 0);
  if (sum === 0) {
    const retried = Math.min(of("RETRYING"), total);
    return new Map([...waits, [waitGauge("backoff"), retried], [waitGauge("delayed"), total - retried]]);
  }
  const shares = new Map(waits.map(([name, count]) => [name, Math.floor((count * total) / sum)]));
  const [largest = ""] = waits.toSorted(([, a], [, b]) => b - a)[0] ?? [];
  const rest = total - [...shares.values()].reduce((all, count) => all + count, 0);
  return shares.set(largest, (shares.get(largest) ?? 0) + rest);
}
