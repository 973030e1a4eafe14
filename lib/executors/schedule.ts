import * as z from "zod";
import { SECOND, iso, type EpochMs } from "../clock.ts";
import type { ErrorDetail } from "../errors.ts";
import { DEFAULT_TIMEOUT_MS, SCHEDULE } from "../job/job.ts";
import type { JobFields } from "./message-schema.ts";
import { isTimeZone } from "../job/local-time.ts";
import { nextRun, parseExpression, type ScheduleExpression } from "../job/schedule-expression.ts";
import { dateTime } from "../job/date-time.ts";
import type { Asked, ExecutionType } from "./executor.ts";
import type { Execution, Message } from "../job/message.ts";

// A schedule submits another job at its time, once or repeatedly. It is fired (lib/engine/schedules.ts), not run.

export interface ScheduleExecution extends Execution {
  readonly type: typeof SCHEDULE;
  readonly scheduledAt?: string;
  readonly scheduleExpression?: string;
  readonly scheduleExpressionTimezone: string;
  /** Limits of a recurring schedule: no run after `endsAt`, and at most `maxRuns`. */
  readonly endsAt?: string;
  readonly maxRuns?: number;
  readonly targetJob: Message;
}

/** The execution type; the parameter gives the fields of its target jobs. */
export function scheduleOf({
  message,
  followUps,
}: JobFields): ExecutionType<ScheduleExecution> & { schema: z.ZodObject } {
  const schema = z
    .strictObject({
      type: z.literal(SCHEDULE),
      scheduledAt: dateTime.optional(),
      scheduleExpression: z.string().min(1).max(256).optional(),
      scheduleExpressionTimezone: z
        .string()
        .max(50)
        .refine(isTimeZone, "is not a time zone of the IANA database; expected one such as UTC or Asia/Seoul")
        .default("UTC"),
      endsAt: dateTime.optional(),
      maxRuns: z.int().min(1).max(1_000_000_000).optional(),
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
    for (const field of ["endsAt", "maxRuns"] as const) {
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
      return { startAt: nextRun(expression, now, now) ?? now, recurring: true };
    default:
      return expression satisfies never;
  }
}

/** The next run of a recurring schedule after a time; `undefined` after its last run. */
export function runAfter(
  execution: ScheduleExecution,
  { after, anchor, runs }: { after: EpochMs; anchor: EpochMs; runs: number },
): EpochMs | undefined {
  const expression = expressionOf(execution);
  if (expression.kind === "malformed" || expression.kind === "at") return undefined;
  if (execution.maxRuns !== undefined && runs >= execution.maxRuns) return undefined;
  const next = nextRun(expression, after, anchor);
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
