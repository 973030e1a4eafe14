import * as z from "../zod.ts";
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
  startsAt: z.optional(
    dateTime.check(z.describe("No run before; a rate counts from then. With rate(...) and cron(...) only.")),
  ),
  endsAt: z.optional(dateTime.check(z.describe("No run after. With rate(...) and cron(...) only."))),
  maxRuns: z.optional(
    z.int().check(z.minimum(1), z.maximum(1_000_000_000), z.describe("With rate(...) and cron(...) only.")),
  ),
  overlap: z.optional(
    z
      .enum(OVERLAP)
      .check(
        z.describe(
          "A run that is due while the job of the last one is unfinished: `allow` (default) makes it, `skip` leaves it out, `queue` makes one of them when that job has ended, `replace` cancels that job first.",
        ),
      ),
  ),
  missed: z.optional(
    z
      .enum(MISSED)
      .check(
        z.describe("Runs that were missed: `once` (default) makes one for all of them, `skip` none, `all` up to 100."),
      ),
  ),
  missedWithinSeconds: z.optional(
    z
      .int()
      .check(
        z.minimum(60),
        z.maximum(31_536_000),
        z.describe("Runs that are later are not made up for. Default: 600 with `missed: skip`, else no limit."),
      ),
  ),
  windowSeconds: z.optional(
    z
      .int()
      .check(
        z.minimum(1),
        z.maximum(86_400),
        z.describe("The job of a run starts within so many seconds of its time, each run with a delay of its own."),
      ),
  ),
};

/** The execution type; the parameter gives the fields of its target jobs. */
export function scheduleOf({
  message,
  followUps,
}: JobFields): ExecutionType<ScheduleExecution> & { schema: z.ZodMiniObject } {
  const schema = z
    .strictObject({
      type: z.literal(SCHEDULE),
      scheduledAt: z.optional(dateTime),
      scheduleExpression: z.optional(z.string().check(z.minLength(1), z.maxLength(256), z.overwrite(tidyExpression))),
      scheduleExpressionTimezone: z._default(
        z
          .string()
          .check(
            z.maxLength(50),
            z.refine(isTimeZone, "is not a time zone of the IANA database; expected one such as UTC or Asia/Seoul"),
          ),
        "UTC",
      ),
      ...runFields,
      targetJob: z.strictObject({ ...message, ...followUps }).register(z.globalRegistry, { id: "TargetJob" }),
    })
    .check(
      z.refine(({ scheduledAt, scheduleExpression }) => scheduledAt ?? scheduleExpression, {
        path: ["scheduledAt"],
        error: "expected scheduledAt or scheduleExpression, got neither",
      }),
    )
    .register(z.globalRegistry, {
      id: "ScheduleExecution",
      description: "Submits another job: once, or at every time of an expression.",
    });
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
