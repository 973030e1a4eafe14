import * as z from "../../zod.ts";
import { SECOND, iso, type EpochMs } from "../../clock.ts";
import { missedTimes } from "../../executors/due-runs.ts";
import { MISSED, OVERLAP, type ScheduleExecution } from "../../executors/schedule-schema.ts";
import { runAfter } from "../../executors/schedule-times.ts";
import { isFinished, isPaused, type Job } from "../../job/job.ts";
import { localTime } from "../../job/local-time.ts";
import type { Message } from "../../job/message.ts";
import { versionOf } from "../../job/schedule.ts";
import { STATUSES } from "../../job/status.ts";
import { time } from "../http/answers.ts";
import { flatView } from "./flat-view.ts";

// How schedules are shown.

export const STATES = ["ACTIVE", "PAUSED", "ENDED"] as const;
const NEXT_RUNS = 5;

const skips = z.strictObject({
  at: time.check(z.describe("The time of the first one.")),
  reason: z.enum(["overlap", "missed", "paused"]),
  times: z.int(),
});

export const scheduleShown = z
  .strictObject({
    key: z.string().check(z.describe("Its idempotency key; the id of a schedule that was made without one.")),
    id: z.guid().check(z.describe("It is the job of this id, too.")),
    expression: z.string(),
    timezone: z.string(),
    startsAt: z.optional(z.string()),
    endsAt: z.optional(z.string()),
    maxRuns: z.optional(z.int()),
    overlap: z.enum(OVERLAP),
    missed: z.enum(MISSED),
    missedWithinSeconds: z.optional(z.int()),
    windowSeconds: z.optional(z.int()),
    state: z.enum(STATES),
    paused: z.boolean(),
    pausedAt: z.optional(time),
    pauseReason: z.optional(z.string()),
    nextRuns: z.array(time).check(z.describe("The next five times; none while it is paused.")),
    nextRunsIfResumed: z.optional(
      z.array(time).check(z.describe("While it is paused: the next five times, were it resumed now.")),
    ),
    lastRun: z.nullable(
      z.strictObject({
        at: time,
        jobId: z.guid(),
        status: z.nullable(z.enum(STATUSES)).check(z.describe("Null if the job is gone.")),
      }),
    ),
    runCount: z.int().check(z.describe("Without the runs that people have asked for.")),
    skipped: z
      .strictObject({ overlap: z.int(), missed: z.int(), paused: z.int() })
      .check(z.describe("Runs that were not made.")),
    lastSkipped: z.array(skips).check(z.describe("The last of them, up to ten entries.")),
    version: z.int().check(z.describe("It grows with every edit, pause and resumption.")),
    job: z
      .record(z.string(), z.unknown())
      .check(z.describe("A FlatJob; credentials are masked by ***. Lists show what it calls alone.")),
    createdBy: z.nullable(z.string()),
    createdAt: time,
    updatedAt: time,
    omitted: z.optional(
      z.array(z.string()).check(z.describe("Parts that are left out because the answer would be too large.")),
    ),
  })
  .register(z.globalRegistry, { id: "Schedule", description: "A schedule as it stands." });

/** The fields that a request may set, as they are now. */
export function writableOf(job: Job, message: Message): Record<string, unknown> {
  const execution = message.execution as ScheduleExecution;
  const {
    startsAt,
    endsAt,
    maxRuns,
    overlap = "allow",
    missed = "once",
    missedWithinSeconds,
    windowSeconds,
  } = execution;
  const { pauseReason } = job;
  const paused = isPaused(job);
  const some = { startsAt, endsAt, maxRuns, overlap, missed, missedWithinSeconds, windowSeconds };
  return {
    expression: expressionShown(execution),
    timezone: execution.scheduleExpressionTimezone,
    ...given(some),
    paused,
    ...(paused && pauseReason !== undefined && { pauseReason }),
    job: flatView(execution.targetJob),
  };
}

function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** `last`: the job of the last run, if it is there. */
export function scheduleView(job: Job, message: Message, last: Job | undefined, now: EpochMs): Record<string, unknown> {
  const execution = message.execution as ScheduleExecution;
  const { runs = 0, lastRunAt, targetJobId, skipped, pausedAt } = job;
  const { overlap = 0, missed = 0, paused = 0 } = skipped ?? {};
  return {
    key: job.idempotencyKey ?? job.id,
    id: job.id,
    ...writableOf(job, message),
    state: stateOf(job),
    ...(isPaused(job) && pausedAt !== undefined && { pausedAt: iso(pausedAt) }),
    nextRuns: nextRunsOf(job, execution).map(iso),
    ...(isPaused(job) && { nextRunsIfResumed: runsIfResumed(job, execution, now).map(iso) }),
    lastRun:
      lastRunAt === undefined || targetJobId === undefined
        ? null
        : { at: iso(lastRunAt), jobId: targetJobId, status: last?.status ?? null },
    runCount: runs,
    skipped: { overlap, missed, paused },
    lastSkipped: (skipped?.last ?? []).map(({ at, reason, times }) => ({ at: iso(at), reason, times })).toReversed(),
    version: versionOf(job),
    createdBy: job.createdBy ?? null,
    createdAt: iso(job.createdAt),
    updatedAt: iso(job.updatedAt),
  };
}

const TARGETS = ["url", "function", "functionUrl", "task", "method", "key"];

/** A schedule in a list: of its job, what it calls. */
export function rowOf(view: Record<string, unknown>): Record<string, unknown> {
  const job = Object.entries(view["job"] as object).filter(([name]) => TARGETS.includes(name));
  return { ...view, job: Object.fromEntries(job) };
}

/** For an answer that would be too large. */
export function shortView(view: Record<string, unknown>): Record<string, unknown> {
  return { ...rowOf(view), omitted: ["job"] };
}

export function stateOf(job: Job): (typeof STATES)[number] {
  if (isFinished(job)) return "ENDED";
  return isPaused(job) ? "PAUSED" : "ACTIVE";
}

function nextRunsOf(job: Job, execution: ScheduleExecution): EpochMs[] {
  if (stateOf(job) !== "ACTIVE") return [];
  return timesFrom(execution, job.startAt, job.runs ?? 0, NEXT_RUNS);
}

/** As a resumption has it that says nothing of the runs that the pause has missed: they are skipped. */
function runsIfResumed(job: Job, execution: ScheduleExecution, now: EpochMs): EpochMs[] {
  const first = job.startAt > now ? job.startAt : missedTimes(execution, job.startAt, now).next;
  return first === undefined ? [] : timesFrom(execution, first, job.runs ?? 0, NEXT_RUNS);
}

/** The times of the runs from `first`, which is one; `runs`: those before it. */
export function timesFrom(execution: ScheduleExecution, first: EpochMs, runs: number, most: number): EpochMs[] {
  const times = [first];
  for (let n = 1; n < most; n += 1) {
    const last = times.at(-1) ?? first;
    const next = runAfter(execution, { after: last, anchor: last, runs: runs + n });
    if (next === undefined) break;
    times.push(next);
  }
  return times;
}

/** A schedule with a time instead of an expression has it as one, to the second. */
export function expressionShown(execution: ScheduleExecution): string {
  const { scheduleExpression, scheduledAt = "", scheduleExpressionTimezone: zone } = execution;
  if (scheduleExpression !== undefined) return scheduleExpression;
  const local = localTime(Math.ceil(Date.parse(scheduledAt) / SECOND) * SECOND, zone);
  return `at(${iso(local).slice(0, 19)})`;
}
