import { DAY, isoDay, type Clock } from "../clock.ts";
import { grow, percentile, stepOf, type Change, type Counters, type Increments } from "../store/counters.ts";
import type { Item } from "../store/table.ts";
import { GENERATE_PDF, isFinished, isTask, type Job } from "../job/job.ts";
import { pdfStatus, resultOf } from "./view.ts";

// The PDFs that an app has made, by the day of UTC on which each job was submitted.

/** The counts of one day. Durations are those of successful attempts, exact to 19 %. */
export interface DayUsage {
  readonly date: string;
  readonly jobs: number;
  readonly quickJobs: number;
  readonly longJobs: number;
  readonly completed: number;
  readonly failed: number;
  readonly pages: number;
  readonly bytes: number;
  readonly timeouts: number;
  readonly webhookFailures: number;
  readonly durationMs: { readonly p50: number | null; readonly p95: number | null };
}

const KEPT = 400 * DAY;

export function createUsage({ counters, clock }: { counters: Counters; clock: Clock }) {
  /** Counts changes of PDF jobs and of their webhooks, with one write for each app and day. */
  async function count(changes: readonly Change[]): Promise<void> {
    const adding = [...usageOf(changes)].map(async ([key, increments]) => {
      const [appId = "", date = ""] = key.split("/");
      await counters.add(pkOf(appId), date, increments, Date.parse(date) + KEPT);
    });
    await Promise.all(adding);
  }

  /** The days from one to another, both included, without those that have no counts. */
  async function of(appId: string, from: string, to: string): Promise<DayUsage[]> {
    const days = await counters.between(pkOf(appId), from, to);
    return days.map(({ at, counters: item }) => dayOf(at, item));
  }

  /** The median duration of a document in ms, today or else the day before. */
  async function usualMs(appId: string): Promise<number | undefined> {
    const now = clock.now();
    const days = await of(appId, isoDay(now - DAY), isoDay(now));
    return days.findLast(({ durationMs }) => durationMs.p50 !== null)?.durationMs.p50 ?? undefined;
  }

  return { count, of, usualMs };
}

function pkOf(appId: string): string {
  return `USAGE#${appId}`;
}

/** Increments by `app/day`. A deleted job still counts. */
export function usageOf(changes: readonly Change[]): Map<string, Increments> {
  const days = new Map<string, Increments>();
  for (const { before, after: job } of changes) {
    if (!job) continue;
    const key = `${job.appId}/${isoDay(job.createdAt)}`;
    grow(days, key, countersOf(job));
    // An expired job whose key was used again is another job.
    if (before?.createdAt !== job.createdAt) continue;
    const taken = countersOf(before).map(([name, by]) => [name, -by] as const);
    grow(days, key, taken);
  }
  return days;
}

function countersOf(job: Job): (readonly [name: string, by: number])[] {
  if (job.dialect === "pdf" && !isTask(job)) return hasFailed(job) ? [["webhookFailures", 1]] : [];
  if (job.jobType !== GENERATE_PDF) return [];
  const { pages, bytes } = resultOf(job) ?? { pages: 0, bytes: 0 };
  return [
    ["jobs", 1],
    ["quickJobs", job.quick ? 1 : 0],
    ["failed", hasFailed(job) ? 1 : 0],
    ["timeouts", pdfStatus(job) === "timeout" ? 1 : 0],
    ...(job.success ? [["completed", 1] as const, [`duration:${stepOf(job.success.durationMs)}`, 1] as const] : []),
    ["pages", pages],
    ["bytes", bytes],
  ];
}

function hasFailed(job: Job): boolean {
  return isFinished(job) && job.status !== "SUCCEEDED";
}

function dayOf(date: string, item: Item): DayUsage {
  // A change that was counted twice, or not at all, can make a counter negative.
  const counted = (name: string) => Math.max(Number(item[name] ?? 0), 0);
  const steps = Object.keys(item).flatMap((name) => {
    const [, step] = /^duration:(\d+)$/.exec(name) ?? [];
    return step === undefined ? [] : [[Number(step), counted(name)] as const];
  });
  const jobs = counted("jobs");
  return {
    date,
    jobs,
    quickJobs: counted("quickJobs"),
    longJobs: Math.max(jobs - counted("quickJobs"), 0),
    completed: counted("completed"),
    failed: counted("failed"),
    pages: counted("pages"),
    bytes: counted("bytes"),
    timeouts: counted("timeouts"),
    webhookFailures: counted("webhookFailures"),
    durationMs: { p50: percentile(steps, 0.5), p95: percentile(steps, 0.95) },
  };
}
