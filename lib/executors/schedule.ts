import * as z from "zod";
import { SECOND, iso, type EpochMs } from "../clock.ts";
import type { ErrorDetail } from "../errors.ts";
import { DEFAULT_TIMEOUT_MS, SCHEDULE } from "../job/job.ts";
import type { JobFields } from "./message-schema.ts";
import { isTimeZone } from "../job/local-time.ts";
import { tidyExpression } from "../job/schedule-expression.ts";
import { dateTime } from "../job/date-time.ts";
import type { Asked, ExecutionType } from "./executor.ts";
import { MISSED, OVERLAP, expressionOf, firstRun, runAfter, type ScheduleExecution } from "./schedule-times.ts";

// A schedule submits another job at its time, once or repeatedly. It is fired (lib/engine/schedules.ts), not run.

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

function toSeconds(time: EpochMs): number {
  return Math.floor(time / SECOND);
}
