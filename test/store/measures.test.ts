import { expect, test } from "vitest";
import { prometheusText } from "../../lib/api/admin/metrics.ts";
import { MINUTE, createClock } from "../../lib/clock.ts";
import { newJob } from "../support/new-job.ts";
import { SCHEDULE, nextAttempt, type Job } from "../../lib/job/job.ts";
import { after } from "../../lib/job/move.ts";
import { claim, end, queueUp } from "../../lib/job/moves.ts";
import { createMetrics } from "../../lib/metrics.ts";
import type { Change } from "../../lib/store/counters.ts";
import { emitMeasured, measuresOf } from "../../lib/store/measures.ts";
import { createTable } from "../../lib/store/table.ts";
import { createTotals } from "../../lib/store/totals.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { ROOT } from "../support/root.ts";
import { request } from "../support/world.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const ID = "01234567-89ab-7cde-8f01-23456789abcd";

function acceptedJob(change: Partial<Job> = {}): Job {
  return { ...newJob(request("both", { idempotencyKey: "secret-key" }), NOW, ID), ...change } as Job;
}

/** The changes of a job that succeeds at its second attempt, `ms` after its acceptance. */
function changesOf(ms: number, change: Partial<Job> = {}): Change[] {
  const accepted = acceptedJob(change);
  const run = (job: Job, now: number) => after(job, claim({ ...nextAttempt(job) }, now, now + MINUTE));
  const ending = { now: NOW + 1, durationMs: 1, chance: 0, retention: 0 };
  const first = run(accepted, NOW);
  const waits = after(first, end(first, { ...ending, outcome: { kind: "retry", error: "HTTP 500" } }));
  const put = after(waits, queueUp(waits, "app"));
  const second = run(put, NOW + 2);
  const done = after(second, end(second, { ...ending, now: NOW + ms, outcome: { kind: "succeeded" } }));
  const states = [undefined, accepted, first, waits, put, second, done, undefined];
  return states.slice(1).map((state, at) => ({ before: states[at], after: state }));
}

test("a job counts once when it is accepted, for each attempt that another follows, and when it ends", () => {
  const { counts, latenciesMs } = measuresOf(changesOf(70));
  expect([...counts]).toEqual([["rest-api", { Accepted: 1, Retried: 1, Succeeded: 1 }]]);
  expect(latenciesMs).toEqual([70]);
});

test("a job that takes the place of an expired one with its key counts as accepted", () => {
  const job = acceptedJob();
  const again = { ...job, createdAt: job.createdAt + 1 };
  expect([...measuresOf([{ before: { ...job, status: "DEAD" } as Job, after: again }]).counts]).toEqual([
    ["rest-api", { Accepted: 1 }],
  ]);
});

test("the latency counts from the start that was asked for, and not for schedules", () => {
  expect(measuresOf(changesOf(70, { scheduledAt: NOW + 50 })).latenciesMs).toEqual([20]);
  const schedule = acceptedJob({ executionType: SCHEDULE });
  const ended = { ...schedule, status: "SUCCEEDED", targetJobId: "x" } as Job;
  expect(measuresOf([{ before: schedule, after: ended }])).toEqual({
    counts: new Map([[SCHEDULE, { Succeeded: 1 }]]),
    latenciesMs: [],
  });
});

function linesOf(changes: readonly Change[]): string[] {
  const lines: string[] = [];
  emitMeasured(
    measuresOf(changes),
    createMetrics(
      "stack",
      () => NOW,
      (line) => void lines.push(line),
    ),
  );
  return lines;
}

test("a batch is a line for each execution type and one for latencies, in the embedded metric format", () => {
  const [counts, latency, ...others] = linesOf(changesOf(70)).map((line) => JSON.parse(line) as object);
  const unit = (Name: string) => ({ Name, Unit: "Count" });
  const directive = (Dimensions: string[][], Metrics: object[]) => ({
    _aws: { Timestamp: NOW, CloudWatchMetrics: [{ Namespace: "stack", Dimensions, Metrics }] },
  });
  expect(counts).toEqual({
    ...directive([[], ["ExecutionType"]], ["Accepted", "Retried", "Succeeded"].map(unit)),
    ExecutionType: "rest-api",
    Accepted: 1,
    Retried: 1,
    Succeeded: 1,
  });
  expect(latency).toEqual({ ...directive([[]], [{ Name: "LatencyMs", Unit: "Milliseconds" }]), LatencyMs: [70] });
  expect(others).toEqual([]);
});

test("a line has at most a hundred latencies, from all over the batch, and nothing of any job", () => {
  const { before, after: ended } = changesOf(0)[5] as Change;
  const changes = Array.from({ length: 1_000 }, (_, at) => ({
    before,
    after: { ...ended, updatedAt: NOW + at } as Job,
  }));
  const lines = linesOf(changes);
  const { LatencyMs } = JSON.parse(lines.at(-1) ?? "") as { LatencyMs: number[] };
  expect([LatencyMs.length, LatencyMs[0], LatencyMs.at(-1)]).toEqual([100, 0, 990]);
  const job = acceptedJob();
  for (const secret of [ID, job.appId, job.destination ?? "", "secret-key"]) expect(lines.join()).not.toContain(secret);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(1_000);
});

const { Properties: properties = {} } = readTemplate(ROOT).resources["JobsTable"] ?? {};

test("GET /metrics shows what batches and sweeps have said so far", async () => {
  const clock = { ...createClock(), now: () => NOW };
  const client = clientOf(createDynamoDb({ now: clock.now, table: "JobsTable", properties }).send);
  const totals = createTotals({ table: createTable({ name: "JobsTable", clock, client }), clock });
  expect(prometheusText(await totals.read())).not.toContain("jobs_sweep_left");
  await totals.add(measuresOf([]));
  for (const ms of [40, 70, 5_000_000]) await totals.add(measuresOf(changesOf(ms)));
  const found = { left: 3, lostAttempts: 1, destinationsShut: 1, pausedApps: 2, scheduleLateMs: 0 };
  await totals.noteSweep({ ...found, oldestDueMs: 61_000 });
  // Two parts of the next sweep.
  await totals.noteSweep({
    ...found,
    oldestDueMs: 45_900,
    left: 0,
    destinationsShut: 0,
    pausedApps: 0,
    lostAttempts: 0,
  });
  await totals.noteSweep(found);
  await totals.noteSweep({ ...found, scheduleLateMs: 300_000 });
  const lines = prometheusText(await totals.read()).split("\n");
  for (const line of [
    "# TYPE jobs_accepted_total counter",
    'jobs_accepted_total{execution_type="rest-api"} 3',
    'jobs_dead_total{execution_type="rest-api"} 0',
    'jobs_latency_seconds_bucket{le="0.05"} 1',
    'jobs_latency_seconds_bucket{le="0.1"} 2',
    'jobs_latency_seconds_bucket{le="3600"} 2',
    'jobs_latency_seconds_bucket{le="+Inf"} 3',
    "jobs_latency_seconds_sum 5000.11",
    "jobs_latency_seconds_count 3",
    `jobs_last_sweep_timestamp_seconds ${NOW / 1_000}`,
    "jobs_oldest_due_seconds 45",
    "jobs_sweep_left 6",
    "jobs_destinations_shut 2",
    "jobs_paused_apps 4",
    "jobs_schedule_late_seconds 300",
    "jobs_lost_attempts_total 3",
  ])
    expect(lines).toContain(line);
});
