import * as z from "zod";
import { SECOND, iso, type EpochMs } from "../clock.ts";
import type { ErrorDetail } from "../errors.ts";
import { DEFAULT_TIMEOUT_MS, SCHEDULE } from "../job/job.ts";
import type { JobFields } from "./message-schema.ts";
import { isTimeZone } from "../job/local-time.ts";
import { nextRun, parseExpression, tidyExpression, type ScheduleExpression } from "../job/schedule-expression.ts";
import { dateTime } from "../job/date-time.ts";
import type { Asked, ExecutionType } from "./executor.ts";
import type { Execution, Message } from "../job/message.ts";

// A schedule submits another job at its time, once or repeatedly. It is fired (lib/engine/schedules.ts), not run.

export interface ScheduleExecution extends Execution {
  readonly type: typeof SCHEDULE;
  readonly scheduledAt?: string;
  readonly scheduleExpression?: string;
  readonly scheduleExpressionTimezone: string;
  /** Limits of a recurring schedule: no run before `startsAt` or after `endsAt`, and at most `maxRuns`. */
  readonly startsAt?: string;
  readonly endsAt?: string;
  readonly maxRuns?: number;
  /** A run that is due while the job of the last one is unfinished. Default: `allow`. */
  readonly overlap?: (typeof OVERLAP)[number];
  /** Runs that were missed. Default: `once`. */
  readonly missed?: (typeof MISSED)[number];
  /** Runs that are later are not made up for. */
  readonly missedWithinSeconds?: number;
  /** The job of a run starts within so many seconds of its time. */
  readonly windowSeconds?: number;
  readonly targetJob: Message;
}

export const OVERLAP = ["allow", "skip", "queue", "replace"] as const;
export const MISSED = ["once", "skip", "all"] as const;

/** The fields that say which runs are made and when, beside the expression and its zone. */
export const runFields = {
  startsAt: dateTime.describe("No run before; a rate counts from then. With rate(...) and cron(...) only.").optional(),
  endsAt: dateTime.describe("No run after. With rate(...) and cron(...) only.").optional(),
  maxRuns: z.int().min(1).max(1_000_000_000).describe("With rate(...) and cron(...) only.").optional(),
  overlap: z
    .enum(OVERLAP)
    .describe(
      "A run that is due while the job of the last one is unfinished: `allow` (default) makes it, `skip` leaves it out, `queue` makes one of them when that job has ended, `replace` cancels that job first.",
    )
    .optional(),
  missed: z
    .enum(MISSED)
    .describe("Runs that were missed: `once` (default) makes one for all of them, `skip` none, `all` up to 100.")
    .optional(),
  missedWithinSeconds: z
    .int()
    .min(60)
    .max(31_536_000)
    .describe("Runs that are later are not made up for. Default: 600 with `missed: skip`, else no limit.")
    .optional(),
  windowSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .describe("The job of a run starts within so many seconds of its time, each run with a delay of its own.")
    .optional(),
};

/** The execution type; the parameter gives the fields of its target jobs. */
export function scheduleOf({
  message,
  followUps,
}: JobFields): ExecutionType<ScheduleExecution> & { schema: z.ZodObject } {
  const schema = z
    .strictObject({
      type: z.literal(SCHEDULE),
      scheduledAt: dateTime.optional(),
      scheduleExpression: z.string().min(1).max(256).overwrite(tidyExpression).optional(),
      scheduleExpressionTimezone: z
        .string()
        .max(50)
        .refine(isTimeZone, "is not a time zone of the IANA database; expected one such as UTC or Asia/Seoul")
        .default("UTC"),
      ...runFields,
      targetJob: z.strictObject({ ...message, ...followUps }).meta({ id: "TargetJob" }),
    })
    .refine(({ scheduledAt, scheduleExpression }) => scheduledAt ?? scheduleExpression, {
      path: ["scheduledAt"],
      error: "expected scheduledAt or scheduleExpression, got neither",
    })
    .meta({ id: "ScheduleExecution", description: "Submits another job: once, or at every time of an expression." });
  return {
    type: SCHEDULE,
    schema,
    proxyMessage: "optional",
    terms: (execution, now) => ({ timeoutMs: DEFAULT_TIMEOUT_MS, ...firstRun(execution, now) }),
    refuse: ({ execution }, asked) => refusals(execution, asked).map(([field, message]) => detail(field, message)),
  };
}

function detail(field: keyof ScheduleExecution & string, message: string): ErrorDetail {
  return { field: `execution.${field}`, message };
}

type Refusal = [field: keyof ScheduleExecution & string, message: string];

function refusals(execution: ScheduleExecution, { mode, now }: Asked): Refusal[] {
  const { scheduledAt, scheduleExpression = "", scheduleExpressionTimezone: zone, endsAt } = execution;
  const expression = expressionOf(execution);
  if (expression.kind === "malformed") return [["scheduleExpression", expression.problem]];
  if (expression.kind === "at") {
    const refused: Refusal[] = [];
    if (scheduledAt !== undefined && toSeconds(Date.parse(scheduledAt)) !== toSeconds(expression.time)) {
      const both = `${scheduleExpression} in ${zone} is ${iso(expression.time)}, scheduledAt is ${iso(Date.parse(scheduledAt))}`;
      refused.push(["scheduleExpression", `must be the same time as scheduledAt, to the second: ${both}`]);
    }
    if (firstRun(execution, now).startAt <= now)
      refused.push([
        scheduledAt === undefined ? "scheduleExpression" : "scheduledAt",
        `must be in the future: it is now ${iso(now)}`,
      ]);
    if (mode === "sqs")
      refused.push(...UNSTORED.flatMap((field) => (execution[field] === undefined ? [] : [unstored(field)])));
    for (const field of ["startsAt", "endsAt", "maxRuns"] as const) {
      if (execution[field] !== undefined) refused.push([field, "goes with rate(...) and cron(...) only"]);
    }
    return refused;
  }
  if (mode === "sqs")
    return [["scheduleExpression", "recurs, which mode sqs can't, since it stores nothing; use mode both or db"]];
  if (scheduledAt !== undefined)
    return [["scheduledAt", "goes with at(...) only; leave it out, or take at(...) for a single run"]];
  if (runAfter(execution, { after: now, anchor: now, runs: 0 }) === undefined) {
    const until = endsAt === undefined ? "" : ` until ${iso(Date.parse(endsAt))}`;
    return [[endsAt === undefined ? "scheduleExpression" : "endsAt", `leaves no run: none is to come${until}`]];
  }
  return [];
}

const UNSTORED = ["overlap", "missed", "missedWithinSeconds", "windowSeconds"] as const;

function unstored(field: (typeof UNSTORED)[number]): Refusal {
  return [field, "needs a schedule that is stored: use mode both or db"];
}

/** The first run of a new schedule, and whether further runs may follow. */
export function firstRun(execution: ScheduleExecution, now: EpochMs): { startAt: EpochMs; recurring: boolean } {
  const expression = expressionOf(execution);
  switch (expression.kind) {
    case "malformed":
      throw new Error(`A malformed schedule was accepted: ${expression.problem}`);
    case "at":
      return { startAt: execution.scheduledAt ? Date.parse(execution.scheduledAt) : expression.time, recurring: false };
    case "rate":
    case "cron":
      return { startAt: timeAfter(execution, now, now) ?? now, recurring: true };
    default:
      return expression satisfies never;
  }
}

/** The next run of a recurring schedule after a time; `undefined` after its last run. */
export function runAfter(
  execution: ScheduleExecution,
  { after, anchor, runs }: { after: EpochMs; anchor: EpochMs; runs: number },
): EpochMs | undefined {
  return execution.maxRuns !== undefined && runs >= execution.maxRuns ? undefined : timeAfter(execution, after, anchor);
}

/** The next time of a recurring schedule, however often it may run. A rate counts from `anchor`, or from `startsAt`. */
export function timeAfter(execution: ScheduleExecution, after: EpochMs, anchor: EpochMs): EpochMs | undefined {
  const expression = expressionOf(execution);
  if (expression.kind === "malformed" || expression.kind === "at") return undefined;
  const startsAt = execution.startsAt === undefined ? undefined : Date.parse(execution.startsAt);
  const from = startsAt === undefined ? after : Math.max(after, startsAt - 1);
  const isFirst = expression.kind === "rate" && startsAt !== undefined && after < startsAt;
  const next = isFirst
    ? startsAt
    : nextRun(expression, from, expression.kind === "rate" ? (startsAt ?? anchor) : anchor);
  const isLate = next !== undefined && execution.endsAt !== undefined && next > Date.parse(execution.endsAt);
  return isLate ? undefined : next;
}

/** `scheduledAt` alone is an expression too. */
function expressionOf(execution: ScheduleExecution): ReturnType<typeof parseExpression> {
  const { scheduledAt = "", scheduleExpression, scheduleExpressionTimezone } = execution;
  if (scheduleExpression !== undefined) return parseExpression(scheduleExpression, scheduleExpressionTimezone);
  return { kind: "at", time: Date.parse(scheduledAt) } satisfies ScheduleExpression;
}

function toSeconds(time: EpochMs): number {
  return Math.floor(time / SECOND);
}
