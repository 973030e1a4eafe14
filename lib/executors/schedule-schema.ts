import * as z from "../zod.ts";
import { SCHEDULE } from "../job/job.ts";
import type { Execution, Message } from "../job/message.ts";
import type { JobFields } from "./message-schema.ts";
import { isTimeZone } from "../job/local-time.ts";
import { tidyExpression } from "../job/tidy-expression.ts";
import { dateTime } from "../job/date-time.ts";

// What a schedule is asked for. Without the library that finds its times, which few requests need.

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

/** The schema of the execution; the parameter gives the fields of its target jobs. */
export function scheduleSchemaOf({ message, followUps }: JobFields): z.ZodMiniObject {
  return z
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
}
