import { DAY, HOUR, iso, type Clock, type EpochMs } from "../clock.ts";
import { isSchedule, type Job } from "../job/job.ts";
import type { Status } from "../job/status.ts";
import { reasonInItem, type WaitReason } from "../job/waiting.ts";
import { grow, stepOf, type Change, type Counters, type Increments } from "./counters.ts";
import { latencyOf } from "./measures.ts";
import type { Item } from "./table.ts";

// One small item for each app and hour, which follows the table's stream: what its jobs did, by the time at which they
// did it, and how many more or fewer jobs there are in each status, by the time at which that was counted.

/** An hour's item has counters for what jobs did then, … */
export const FLOWS = ["accepted", "succeeded", "failed", "dead", "cancelled", "retried"] as const;
export type Flow = (typeof FLOWS)[number];

/** … for latencies, as `l44` (see `stepOf`), for attempts by the hour of their start, as `r:rest-api`, … */
export const LATENCY = /^l(\d+)$/;
const runningName = ({ executionType }: Pick<Job, "executionType">) => `r:${executionType}`;

/** … and changes of gauges: how many jobs there are, as `s:rest-api:DEAD`, and wait, as `w:backoff`. */
export const isGauge = (name: string) => name.startsWith("s:") || name.startsWith("w:");
export const statusGauge = (executionType: string, status: Status) => `s:${executionType}:${status}`;
export const waitGauge = (reason: WaitReason) => `w:${reason}`;

/** Of `s:rest-api:DEAD`; undefined for the name of another gauge. */
export function statusOfGauge(name: string): { executionType: string; status: Status } | undefined {
  const [, executionType = "", status] = /^s:(.+):([A-Z]+)$/.exec(name) ?? [];
  return status === undefined ? undefined : { executionType, status: status as Status };
}

/** Of `w:backoff`; undefined for the name of another gauge. */
export function reasonOfGauge(name: string): WaitReason | undefined {
  return name.startsWith("w:") ? (name.slice(2) as WaitReason) : undefined;
}

export const KEPT = 90 * DAY;

export type Hours = ReturnType<typeof createHours>;

export function createHours({ counters, clock }: { counters: Counters; clock: Clock }) {
  /** One write for each app and hour: nearly all that is counted together belongs to one hour. */
  async function count(changes: readonly Change[]): Promise<void> {
    const adding = [...hoursOf(changes, clock.now())].map(async ([key, increments]) => {
      const [appId = "", hour = ""] = key.split("/");
      await counters.add(pkOf(appId), iso(Number(hour)), increments, Number(hour) + KEPT);
    });
    await Promise.all(adding);
  }

  /** The hours from one to another, both included, as far as there are any, oldest first. */
  async function between(appId: string, from: EpochMs, to: EpochMs): Promise<readonly Hour[]> {
    const found = await counters.between(pkOf(appId), iso(hourOf(from)), iso(hourOf(to)));
    return found.map(({ at, counters: item }) => ({ at: Date.parse(at), counters: numbersIn(item) }));
  }

  /** How many attempts of each execution type run. What was counted wrong is forgotten within two hours. */
  function running(hours: readonly Hour[], executionType: string): number {
    const since = hourOf(clock.now()) - HOUR;
    const name = runningName({ executionType });
    return hours.reduce((sum, { at, counters: of }) => sum + (at >= since ? (of.get(name) ?? 0) : 0), 0);
  }

  return { count, between, running };
}

export interface Hour {
  /** Its start. */
  readonly at: EpochMs;
  readonly counters: Increments;
}

function pkOf(appId: string): string {
  return `HOURS#${appId}`;
}

export function hourOf(time: EpochMs): EpochMs {
  return Math.floor(time / HOUR) * HOUR;
}

function numbersIn(item: Item): Increments {
  return new Map(Object.entries(item).flatMap(([name, value]) => (typeof value === "number" ? [[name, value]] : [])));
}

/** Increments by `app/start of the hour`. */
export function hoursOf(changes: readonly Change[], now: EpochMs): Map<string, Increments> {
  const hours = new Map<string, Increments>();
  const add = (job: Job, time: EpochMs, by: Iterable<readonly [string, number]>) =>
    grow(hours, `${job.appId}/${hourOf(time)}`, by);
  for (const { before, after } of changes) {
    for (const [job, sign] of [[before, -1] as const, [after, 1] as const]) {
      if (!job) continue;
      add(job, now, gaugesOf(job, sign));
      if (job.status === "RUNNING") add(job, job.startedAt, [[runningName(job), sign]]);
    }
    if (!after) continue;
    // An expired job whose key was used again is another job.
    const was = before?.createdAt === after.createdAt ? before : undefined;
    if (!was) add(after, after.createdAt, [["accepted", 1]]);
    if (was?.status !== after.status) add(after, after.updatedAt, flowsOf(after));
  }
  return hours;
}

function gaugesOf(job: Job, sign: 1 | -1): [string, number][] {
  const reason = reasonInItem(job);
  return [
    [statusGauge(job.executionType, job.status), sign],
    ...(reason === undefined ? [] : [[waitGauge(reason), sign] as [string, number]]),
  ];
}

function flowsOf(job: Job): [string, number][] {
  switch (job.status) {
    case "SUCCEEDED":
      return [["succeeded", 1], ...(isSchedule(job) ? [] : [[`l${stepOf(latencyOf(job))}`, 1] as [string, number]])];
    case "FAILED":
      return [["failed", 1]];
    case "DEAD":
      return [["dead", 1]];
    case "CANCELLED":
      return [["cancelled", 1]];
    case "RETRYING":
      return [["retried", 1]];
    case "PENDING":
    case "RUNNING":
      return [];
    default:
      return job satisfies never;
  }
}
