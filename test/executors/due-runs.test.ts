import { expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, iso } from "../../lib/clock.ts";
import { delayInWindow, dueRun, missedTimes } from "../../lib/executors/due-runs.ts";
import type { ScheduleExecution } from "../../lib/executors/schedule-schema.ts";

const START = Date.parse("2026-11-29T10:00:00Z");

function execution(more: Partial<ScheduleExecution> = {}): ScheduleExecution {
  return {
    type: "schedule",
    scheduleExpression: "rate(5 minutes)",
    scheduleExpressionTimezone: "UTC",
    ...more,
  } as ScheduleExecution;
}

const at = (minutes: number) => START + minutes * MINUTE;

test("a run that is on time is made, and nothing is skipped", () => {
  for (const missed of ["once", "skip", "all"] as const) {
    const due = dueRun(execution({ missed }), { startAt: START }, START + 2 * SECOND);
    expect(due).toEqual({ time: START, next: at(5), skips: [] });
  }
});

test("one run makes up for all that were missed, unless the schedule says otherwise", () => {
  const late = at(23);
  expect(dueRun(execution(), { startAt: START }, late)).toEqual({
    time: START,
    next: at(25),
    skips: [{ at: at(5), reason: "missed", times: 4 }],
  });
  expect(dueRun(execution({ missed: "all" }), { startAt: START }, late)).toEqual({
    time: START,
    next: at(5),
    skips: [],
  });
  // Runs up to ten minutes late are on time: those of 15 and 20 are one run.
  expect(dueRun(execution({ missed: "skip" }), { startAt: START }, late)).toEqual({
    time: at(15),
    next: at(25),
    skips: [{ at: START, reason: "missed", times: 4 }],
  });
});

test("runs that are later than missedWithinSeconds are left out, whatever the policy", () => {
  for (const missed of ["once", "all"] as const) {
    const due = dueRun(
      execution({ missed, missedWithinSeconds: 60, scheduleExpression: "rate(1 day)" }),
      { startAt: START },
      START + HOUR,
    );
    expect(due).toEqual({ time: undefined, next: START + DAY, skips: [{ at: START, reason: "missed", times: 1 }] });
  }
  const once = { scheduledAt: iso(START), missed: "skip" } as const;
  const { scheduleExpression: _, ...single } = execution(once);
  expect(dueRun(single, { startAt: START }, START + HOUR)).toMatchObject({ time: undefined, next: undefined });
});

test("at most a hundred runs are made up for, the last ones", () => {
  const minutely = execution({ missed: "all", scheduleExpression: "cron(* * * * ? *)" });
  const due = dueRun(minutely, { startAt: START }, at(250));
  expect(due).toEqual({ time: at(151), next: at(152), skips: [{ at: START, reason: "missed", times: 151 }] });
  // Of very many, the number is estimated, and exact where they come at even times.
  const many = dueRun(minutely, { startAt: START }, START + 20 * DAY);
  expect(many.time).toBe(START + 20 * DAY - 99 * MINUTE);
  expect(many.skips[0]?.times).toBe(20 * 1_440 + 1 - 100);
});

test("limits end what is made up for", () => {
  const twice = execution({ missed: "all", maxRuns: 2 });
  expect(dueRun(twice, { startAt: START, runs: 1 }, at(23)).next).toBeUndefined();
  const until = execution({ endsAt: iso(at(12)) });
  expect(dueRun(until, { startAt: START }, at(23))).toEqual({
    time: START,
    next: undefined,
    skips: [{ at: at(5), reason: "missed", times: 2 }],
  });
});

test("a run that has waited for the last one is made however late, and stands for those that came up meanwhile", () => {
  const queued = execution({ overlap: "queue", missed: "skip" });
  expect(dueRun(queued, { startAt: START, owedUntil: START }, at(23))).toEqual({
    time: START,
    next: at(25),
    skips: [{ at: at(5), reason: "overlap", times: 4 }],
  });
  // Those that a person makes up for come one after another.
  expect(dueRun(execution(), { startAt: START, owedUntil: at(10) }, at(23))).toMatchObject({
    time: START,
    next: at(5),
  });
});

test("the times that a pause has missed are told, and what comes after them", () => {
  expect(missedTimes(execution(), START, at(12))).toMatchObject({
    times: [START, at(5), at(10)],
    count: 3,
    next: at(15),
  });
});

test("startsAt is the first time of a rate, and its anchor", () => {
  const later = execution({ startsAt: iso(at(7)) });
  expect(missedTimes(later, at(7), at(20))).toMatchObject({ times: [at(7), at(12), at(17)], next: at(22) });
});

test("the delay within a window is the same for the same run, and spreads the runs", () => {
  const wide = execution({ windowSeconds: 600 });
  const delays = Array.from({ length: 200 }, (_, n) => delayInWindow(wide, "schedule", START + n * DAY));
  expect(delays).toEqual(Array.from({ length: 200 }, (_, n) => delayInWindow(wide, "schedule", START + n * DAY)));
  expect(delays.every((delay) => delay >= 0 && delay < 600 * SECOND)).toBe(true);
  expect(new Set(delays).size).toBeGreaterThan(100);
  expect(delayInWindow(execution(), "schedule", START)).toBe(0);
});
