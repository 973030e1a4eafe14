import type { EpochMs } from "../clock.ts";
import { nextRun, parseExpression, type ScheduleExpression } from "../job/schedule-expression.ts";
import type { ScheduleExecution } from "./schedule-schema.ts";

// When a schedule runs.

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
export function expressionOf(execution: ScheduleExecution): ReturnType<typeof parseExpression> {
  const { scheduledAt = "", scheduleExpression, scheduleExpressionTimezone } = execution;
  if (scheduleExpression !== undefined) return parseExpression(scheduleExpression, scheduleExpressionTimezone);
  return { kind: "at", time: Date.parse(scheduledAt) } satisfies ScheduleExpression;
}
