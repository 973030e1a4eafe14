import * as fc from "fast-check";
import { expect, test } from "vitest";
import { MINUTE, SECOND, iso, type EpochMs } from "../../lib/clock.ts";
import type { ScheduleExecution } from "../../lib/executors/schedule-schema.ts";
import { firstRun, runAfter } from "../../lib/executors/schedule-times.ts";
import { CLOCK_SKEW, type Job } from "../../lib/job/job.ts";
import type { Process } from "./process.ts";
import { createScheduleRules } from "./rules/schedules.ts";

// The rules of schedules against runs that the service's own calculation puts at their times, and against others.

const START = Date.parse("2026-01-01T00:10:04.531Z");

type Timing = Pick<ScheduleExecution, "scheduleExpression" | "endsAt" | "maxRuns">;

/** The time of a run, and the time of its write. */
interface Run {
  readonly time: EpochMs;
  readonly at: EpochMs;
  /** How long the process was frozen before the write. */
  readonly frozenMs?: number;
}

/** The rules that runs of a schedule break. */
function broken(timing: Timing, runs: readonly Run[]): string[] {
  const rules: string[] = [];
  let now = START;
  const jobs = new Map<string, Job>();
  const judge = createScheduleRules({ now: () => now, jobs, holds: (rule, does) => void (does || rules.push(rule)) });
  const schedule = { id: "schedule", createdAt: START, status: "PENDING", startAt: START } as Job;
  judge.accepted(schedule, timing);
  for (const [n, { time, at, frozenMs = 0 }] of runs.entries()) {
    const writer = {} as Process;
    now = at - frozenMs;
    if (frozenMs > 0) judge.frozen(writer, frozenMs);
    now = at;
    const targetJobId = `target ${n}`;
    jobs.set(targetJobId, schedule);
    judge.written({ ...schedule, startAt: time, runs: n }, { ...schedule, runs: n + 1, targetJobId }, writer, () => "");
  }
  judge.atTheEnd(() => 0);
  return rules;
}

const at = (minutes: number, ms = 0): EpochMs => START + minutes * MINUTE + ms;
const onTime = (minutes: number): Run => ({ time: at(minutes), at: at(minutes, 20) });
const EVERY_TIME = "a schedule runs at every time that was asked for";
const AS_OFTEN = "a schedule runs as often as was asked for";

test("a late run may come just before the time of the last one, which comes too", () => {
  const timing = { scheduleExpression: "rate(2 minutes)", endsAt: iso(at(10, 25 * SECOND)) };
  const late = { time: at(4), at: at(10, -181) };
  expect(broken(timing, [onTime(2), late, { time: at(10), at: at(11) }])).toEqual([]);
  // By a clock that is ahead, the time of the last one has passed.
  expect(broken(timing, [onTime(2), late])).toEqual([]);
});

test("a process that is frozen between its look at the clock and its write counts from that look", () => {
  const timing = { scheduleExpression: "rate(2 minutes)", maxRuns: 4 };
  const frozenMs = 3 * MINUTE;
  const others = [{ time: at(4), at: at(5, 10) }, { time: at(6), at: at(6) }, onTime(8)];
  expect(broken(timing, [{ time: at(2), at: at(5), frozenMs }, ...others])).toEqual([]);
  expect(broken(timing, [{ time: at(2), at: at(5, 5) }, ...others])).toEqual([EVERY_TIME]);
});

/** A schedule, and for each of its runs the delay, the difference of its process's clock, and the time that it takes. */
const drawn = fc.record({
  every: fc.integer({ min: 1, max: 4 }),
  limit: fc.oneof(
    fc.record({ maxRuns: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ lasts: fc.integer({ min: 4 * MINUTE, max: 20 * MINUTE }) }),
  ),
  lateness: fc.array(
    fc.record({
      intervals: fc.constantFrom(0, 0, 0, 1, 2),
      // Often around the time of another run.
      ms: fc.oneof(fc.integer({ min: 0, max: MINUTE }), fc.integer({ min: -2 * SECOND, max: 2 * SECOND })),
      ahead: fc.integer({ min: -300, max: 300 }),
      // From the look at the clock to the write.
      takes: fc.oneof(fc.integer({ min: 0, max: SECOND }), fc.integer({ min: 0, max: 55 * SECOND })),
    }),
    { minLength: 25, maxLength: 25 },
  ),
});

type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function timingOf({ every, limit }: Drawn): Timing {
  const limits = "maxRuns" in limit ? limit : { endsAt: iso(START + limit.lasts) };
  return { scheduleExpression: `rate(${every} minutes)`, ...limits };
}

/** The runs as `lib/engine/firing.ts` has them. */
function runsOf(one: Drawn): Run[] {
  const execution = { ...timingOf(one), type: "schedule", scheduleExpressionTimezone: "UTC" } as ScheduleExecution;
  const runs: Run[] = [];
  let next: EpochMs | undefined = firstRun(execution, START).startAt;
  let from = START;
  for (const { intervals, ms, ahead, takes } of one.lateness) {
    if (next === undefined) break;
    const time: EpochMs = next;
    const begun = Math.max(from, time + intervals * one.every * MINUTE + ms, time - ahead - CLOCK_SKEW);
    from = begun + takes;
    runs.push({ time, at: from });
    next = runAfter(execution, { after: Math.max(begun + ahead, time), anchor: time, runs: runs.length });
  }
  return runs;
}

test("runs that are late by any time, by clocks that differ, break no rule", () => {
  fc.assert(
    fc.property(drawn, (one) => {
      expect(broken(timingOf(one), runsOf(one))).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});

test("a run that comes twice, is left out, or follows the last one breaks a rule", () => {
  const timing = { scheduleExpression: "rate(2 minutes)", endsAt: iso(at(9)) };
  const all = [2, 4, 6, 8].map(onTime);
  expect(broken(timing, all)).toEqual([]);
  expect(broken(timing, all.toSpliced(1, 0, onTime(2)))).toContain(EVERY_TIME);
  expect(broken(timing, all.toSpliced(1, 1))).toContain(EVERY_TIME);
  expect(broken(timing, [...all, onTime(10)])).toContain(EVERY_TIME);
  expect(broken(timing, all.slice(0, 3))).toContain(AS_OFTEN);
});
