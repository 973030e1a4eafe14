import { SECOND, iso, type EpochMs } from "../clock.ts";
import type { ErrorDetail } from "../errors.ts";
import { DEFAULT_TIMEOUT_MS, SCHEDULE } from "../job/job.ts";
import type { Asked, ExecutionType } from "./executor.ts";
import type { ScheduleExecution } from "./schedule-schema.ts";
import { expressionOf, firstRun, runAfter } from "./schedule-times.ts";

// A schedule submits another job at its time, once or repeatedly. It is fired (lib/engine/schedules.ts), not run.

export const schedule: ExecutionType<ScheduleExecution> = {
  type: SCHEDULE,
  proxyMessage: "optional",
  terms: (execution, now) => ({ timeoutMs: DEFAULT_TIMEOUT_MS, ...firstRun(execution, now) }),
  refuse: ({ execution }, asked) => refusals(execution, asked).map(([field, message]) => detail(field, message)),
};

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
