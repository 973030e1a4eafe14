import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "../lib/zod.ts";
import { MINUTE, SECOND, type EpochMs } from "../lib/clock.ts";
import { isTimeZone } from "../lib/job/local-time.ts";
import { nextRun, parseExpression } from "../lib/job/schedule-expression.ts";

// One schedule of the local EventBridge Scheduler: its definition, its next run, its retries, its file.

export interface Schedule {
  /** GROUP/NAME */
  readonly id: string;
  readonly definition: Definition;
  /** Of the request that wrote the definition. */
  readonly clientToken?: string | undefined;
  readonly createdAt: EpochMs;
  readonly modifiedAt: EpochMs;
  /** Undefined if the schedule is disabled or has no run left. */
  readonly nextRunAt?: EpochMs | undefined;
  readonly firings: readonly Firing[];
}

/** A run that is due and whose target has not succeeded yet. */
export interface Firing {
  /** When it was taken up: late, if the stack was down when it was due. */
  readonly since: EpochMs;
  readonly failures: number;
  readonly dueAt: EpochMs;
}

// A group is a folder and a name is a file, so neither may be . or ..
const groupOrName = z
  .string()
  .check(z.regex(/^(?!\.{1,2}$)[\w.-]{1,64}$/, "expected 1 to 64 of 0-9, a-z, A-Z, - _ and ."));
const state = z.enum(["ENABLED", "DISABLED"]);
const LONGEST_INPUT = 256 * 1_024;

const target = z.looseObject({
  Arn: z.string().check(z.minLength(1)),
  RoleArn: z.string().check(z.minLength(1)),
  Input: z.optional(
    z.string().check(
      z.minLength(1),
      z.refine((text) => Buffer.byteLength(text) <= LONGEST_INPUT, `expected at most ${LONGEST_INPUT} bytes`),
    ),
  ),
  RetryPolicy: z.prefault(
    z.object({
      MaximumEventAgeInSeconds: z._default(z.int().check(z.minimum(60), z.maximum(86_400)), 86_400),
      MaximumRetryAttempts: z._default(z.int().check(z.minimum(0), z.maximum(185)), 185),
    }),
    {},
  ),
  DeadLetterConfig: z.optional(z.object({ Arn: z.optional(z.string().check(z.minLength(1))) })),
});

export const scheduleRequest = z.object({
  Name: groupOrName,
  GroupName: z._default(groupOrName, "default"),
  ScheduleExpression: z.string().check(z.minLength(1), z.maxLength(256)),
  ScheduleExpressionTimezone: z._default(
    z.string().check(z.refine(isTimeZone, "expected a time zone such as Asia/Seoul")),
    "UTC",
  ),
  /** Seconds since 1970, as all times of this API. */
  StartDate: z.optional(z.number()),
  EndDate: z.optional(z.number()),
  State: z._default(state, "ENABLED"),
  ActionAfterCompletion: z._default(z.enum(["DELETE", "NONE"]), "NONE"),
  FlexibleTimeWindow: z.looseObject({ Mode: z.enum(["OFF", "FLEXIBLE"]) }),
  Target: target,
  Description: z.optional(z.string().check(z.maxLength(512))),
  KmsKeyArn: z.optional(z.string()),
  ClientToken: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
});

export type Definition = Omit<z.infer<typeof scheduleRequest>, "ClientToken">;

export const listRequest = z.object({
  ScheduleGroup: z.optional(groupOrName),
  NamePrefix: z._default(z.string(), ""),
  State: z.optional(state),
  MaxResults: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 100),
  /** The last schedule of the page before, as GROUP/NAME. */
  NextToken: z._default(z.string(), ""),
});

export function expressionProblem(definition: Definition, now: EpochMs): string | undefined {
  const { ScheduleExpression, ScheduleExpressionTimezone } = definition;
  const expression = parseExpression(ScheduleExpression, ScheduleExpressionTimezone);
  const invalid = `Invalid Schedule Expression ${ScheduleExpression}`;
  if (expression.kind === "malformed") return `${invalid}: ${expression.problem}`;
  return expression.kind === "at" && expression.time < now ? `${invalid}: the time is in the past` : undefined;
}

// ---- When it runs ----

/** The first run after a time, if it is enabled. A one-off ignores StartDate and EndDate, as on AWS. */
export function runAfter(definition: Definition, time: EpochMs, createdAt: EpochMs): EpochMs | undefined {
  const { ScheduleExpression, ScheduleExpressionTimezone, StartDate, EndDate = Infinity, State } = definition;
  const expression = parseExpression(ScheduleExpression, ScheduleExpressionTimezone);
  if (State === "DISABLED" || expression.kind === "malformed") return undefined;
  if (expression.kind === "at") return nextRun(expression, time, time);
  const start = StartDate === undefined ? createdAt : StartDate * SECOND;
  // On AWS a rate runs at its start for the first time, and nextRun's first run is one interval after its anchor.
  const anchor = expression.kind === "rate" ? start - expression.everyMs : start;
  const next = nextRun(expression, Math.max(time, start - 1), anchor) ?? Infinity;
  return next < Infinity && next <= EndDate * SECOND ? next : undefined;
}

/** Turns the run that is due into a firing. It stands for all runs that were missed. */
export function takeUp(schedule: Schedule, now: EpochMs): Schedule {
  const nextRunAt = runAfter(schedule.definition, now, schedule.createdAt);
  return { ...schedule, nextRunAt, firings: [...schedule.firings, { since: now, failures: 0, dueAt: now }] };
}

/**
 * The backoff is 1 s, 2 s, 4 s and so on, at most 8 min: the 185 retries of AWS's default take the 24 h of
 * its other default. Undefined if the policy allows no more.
 */
export function retryOf(firing: Firing, policy: Definition["Target"]["RetryPolicy"], now: EpochMs): Firing | undefined {
  const failures = firing.failures + 1;
  const dueAt = now + Math.min(SECOND * 2 ** firing.failures, 8 * MINUTE);
  const isTooLate = dueAt - firing.since > policy.MaximumEventAgeInSeconds * SECOND;
  return failures > policy.MaximumRetryAttempts || isTooLate ? undefined : { ...firing, failures, dueAt };
}

// ---- Where schedules are kept ----

/** All schedules by id, each also in a file of its own. */
export interface Schedules {
  readonly byId: ReadonlyMap<string, Schedule>;
  keep(schedule: Schedule): Schedule;
  remove(schedule: Schedule): void;
  /** Forgets them and leaves the files. */
  forget(): void;
}

/** `dir`: a folder for each group, a file for each name. */
export function openSchedules(dir: string): Schedules {
  const byId = new Map(load(dir).map((schedule) => [schedule.id, schedule]));
  return {
    byId,
    keep: (schedule) => {
      save(dir, schedule);
      byId.set(schedule.id, schedule);
      return schedule;
    },
    remove: (schedule) => {
      rmSync(fileOf(dir, schedule), { force: true });
      byId.delete(schedule.id);
    },
    forget: () => byId.clear(),
  };
}

function fileOf(dir: string, schedule: Schedule): string {
  return join(dir, `${schedule.id}.json`);
}

function save(dir: string, schedule: Schedule): void {
  const file = fileOf(dir, schedule);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(schedule));
  renameSync(`${file}.new`, file);
}

function load(dir: string): Schedule[] {
  mkdirSync(dir, { recursive: true });
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
    .map(({ parentPath, name }) => JSON.parse(readFileSync(join(parentPath, name), "utf8")) as Schedule);
}
