import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, createClock } from "../../lib/clock.ts";
import { newJob } from "../support/new-job.ts";
import { SCHEDULE, type Job } from "../../lib/job/job.ts";
import type { Change } from "../../lib/store/counters.ts";
import { createCounting } from "../../lib/store/counting.ts";
import { jobKey } from "../../lib/store/job-keys.ts";
import { toItem } from "../../lib/store/job-item.ts";
import { createTable } from "../../lib/store/table.ts";
import { OTHERS, createTroubles, errorClass } from "../../lib/store/troubles.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { ROOT } from "../support/root.ts";
import { request } from "../support/world.ts";

// How many jobs an app has now, and what they did by hour, from a stream that may lose changes and tell them twice.

const { Properties: properties = {} } = readTemplate(ROOT).resources["JobsTable"] ?? {};
const START = Date.parse("2026-11-22T12:10:00Z");
const DESTINATION = "https://a.example";

let world: ReturnType<typeof stand>;
beforeEach(() => {
  world = stand();
});

function stand() {
  let now = START;
  const clock = { ...createClock(), now: () => now };
  const model = createDynamoDb({ now: clock.now, table: "JobsTable", properties });
  const client = clientOf(model.send) as DynamoDBClient;
  const table = createTable({ name: "JobsTable", clock, client });
  const logged: { event: string; count?: number | undefined }[] = [];
  const log = (_: string, event: string, { count }: { count?: number }) => void logged.push({ event, count });
  const counting = createCounting({ table, clock, log });
  const appId = randomUUID();
  return {
    appId,
    logged,
    table,
    series: counting.series,
    correctDue: counting.correctDue,
    now: () => now,
    pass: (ms: number) => {
      now += ms;
    },
    /** A job as it is created. */
    job: (change: Partial<Job> = {}): Job => {
      const made = newJob(request("both", {}, { appId }), now, clock.uuid());
      return { ...made, destination: DESTINATION, ...change } as Job;
    },
    /** Writes a job as it is now, or deletes it. */
    put: async (before: Job | undefined, after: Job | undefined): Promise<Change> => {
      if (after) await table.put(toItem(after));
      else if (before) await table.remove(jobKey(before.id));
      return { before, after };
    },
    tell: async (changes: readonly Change[]) => {
      await counting.count(changes);
    },
    /** The gauges that are not 0, and the backlogs. */
    counted: async () => {
      const { gauges, running, backlogs } = await counting.counts.read(appId);
      const shown = [...gauges].filter(([name, count]) => count !== 0 && !name.endsWith(":RUNNING"));
      const inBacklogs = backlogs.map(({ backlog, count }) => [backlog, count]);
      return { ...Object.fromEntries([...shown, ...inBacklogs]), running: running("rest-api") };
    },
    /** What sweeps do for counts within an hour. */
    hour: async () => {
      for (let minute = 0; minute < 60; minute += 1) {
        now += MINUTE;
        await counting.correctDue(() => true);
      }
    },
  };
}

/** Makes and tells jobs of a status. */
async function some(number: number, status: Job["status"], change: Partial<Job> = {}): Promise<Job[]> {
  const changes: Change[] = [];
  for (let n = 0; n < number; n += 1) {
    const job = world.job({ status, ...change } as Partial<Job>);
    changes.push(await world.put(undefined, job));
  }
  await world.tell(changes);
  return changes.flatMap(({ after }) => after ?? []);
}

async function become(jobs: readonly Job[], change: Partial<Job>): Promise<Change[]> {
  const changed = jobs.map((job) => ({ ...job, updatedAt: world.now(), ...change }) as Job);
  return Promise.all(changed.map(async (after, at) => world.put(jobs[at], after)));
}

test("jobs count by type and status, attempts as long as they run, and waits by what the job says", async () => {
  const jobs = await some(3, "PENDING");
  await some(1, "PENDING", { startAt: world.now() + HOUR });
  await some(1, "PENDING", { executionType: SCHEDULE, startAt: world.now() + HOUR });
  await some(1, "PENDING", { lane: "orders" });
  await some(2, "RETRYING", { startAt: world.now() + HOUR, attempts: 1, lastError: "HTTP 503" });
  await some(4, "PENDING", { backlog: `to ${DESTINATION}` });
  await some(1, "PENDING", { waitsSince: world.now(), waitsFor: "r" });
  const running = await become(jobs, { status: "RUNNING", startedAt: world.now() });
  await world.tell(running);
  expect(await world.counted()).toEqual({
    "s:rest-api:PENDING": 7,
    "s:rest-api:RETRYING": 2,
    "s:schedule:PENDING": 1,
    "w:delayed": 1,
    "w:order": 1,
    "w:backoff": 2,
    "w:rate": 1,
    [`to ${DESTINATION}`]: 4,
    running: 3,
  });
  const [first] = running.flatMap(({ after }) => after ?? []);
  await world.tell(await become([first as Job], { status: "SUCCEEDED" }));
  expect(await world.counted()).toMatchObject({ running: 2, "s:rest-api:SUCCEEDED": 1 });
});

test("an hour after a batch of the stream was lost, the counts are right again", async () => {
  const dead = await some(5, "RETRYING", { attempts: 1 });
  const waiting = await some(6, "PENDING", { backlog: "app" });
  const right = await world.counted();
  // Lost: two jobs died, one is gone, three left their backlog and succeeded, and three new ones wait.
  await become(dead.slice(0, 2), { status: "DEAD" });
  await world.put(dead[2], undefined);
  await become(waiting.slice(0, 3), { status: "SUCCEEDED", backlog: undefined } as unknown as Partial<Job>);
  for (let n = 0; n < 3; n += 1)
    await world.put(undefined, world.job({ startAt: world.now() + DAY, dueAt: world.now() + DAY }));
  expect(await world.counted()).toEqual(right);
  await world.hour();
  await world.hour();
  const now = {
    "s:rest-api:PENDING": 6,
    "s:rest-api:RETRYING": 2,
    "s:rest-api:DEAD": 2,
    "s:rest-api:SUCCEEDED": 3,
    app: 3,
    running: 0,
  };
  expect(await world.counted()).toMatchObject(now);
  // Outside of the backlog five jobs wait, as the statuses say.
  const waits = Object.entries(await world.counted()).filter(([name]) => name.startsWith("w:"));
  expect(waits.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(5);
  expect(world.logged).toContainEqual({ event: "counts.corrected", count: expect.any(Number) });
  // What comes afterwards is counted on top.
  await some(2, "CANCELLED");
  expect(await world.counted()).toMatchObject({ ...now, "s:rest-api:CANCELLED": 2 });
});

test("what the stream tells twice is right after an hour, and running attempts after two", async () => {
  const jobs = await some(2, "PENDING");
  const started = await become(jobs, { status: "RUNNING", startedAt: world.now() });
  await world.tell(started);
  await world.tell(started);
  const [first] = started.flatMap(({ after }) => after ?? []);
  const ended = await become([first as Job], { status: "DEAD", lastError: "HTTP 500" });
  await world.tell(ended);
  await world.tell(ended);
  expect(await world.counted()).toMatchObject({ "s:rest-api:DEAD": 2, "s:rest-api:PENDING": -2 });
  await become(started.flatMap(({ after }) => after ?? []).slice(1), { status: "DEAD" });
  await world.hour();
  await world.hour();
  expect(await world.counted()).toEqual({ "s:rest-api:DEAD": 2, running: 0 });
});

test("an app is corrected once an hour, and once a day after a quiet one", async () => {
  await some(1, "DEAD");
  let times = 0;
  const hour = async () => {
    const { table } = world;
    const before = table.update;
    table.update = async (key, by, returns) => {
      if (key.pk.startsWith("COUNTS#")) times += 1;
      return before(key, by, returns);
    };
    await world.hour();
    table.update = before;
  };
  await hour();
  expect(times).toBe(1);
  await hour();
  expect(times).toBe(2);
  world.pass(2 * DAY);
  await hour();
  await hour();
  await hour();
  expect(times).toBe(3);
});

test("a sweep that has no time corrects nothing, and one that can't read says so", async () => {
  await some(1, "DEAD");
  const { correctDue, table } = world;
  for (let minute = 0; minute < 60; minute += 1) {
    world.pass(MINUTE);
    await correctDue(() => false);
  }
  expect(world.logged).toEqual([]);
  table.queryAll = async () => Promise.reject(new Error("gone"));
  await correctDue(() => true);
  expect(world.logged).toEqual([{ event: "counts.not-corrected", count: undefined }]);
});

test("the series counts what happened by the hour or day in which it did", async () => {
  const { appId, series } = world;
  const job = world.job();
  await world.tell([{ before: undefined, after: job }]);
  const running = { ...job, status: "RUNNING", attempts: 1, startedAt: START } as Job;
  world.pass(HOUR);
  const failed = { ...running, status: "RETRYING", lastError: "HTTP 503", updatedAt: world.now() } as Job;
  await world.tell([
    { before: job, after: running },
    { before: running, after: failed },
  ]);
  world.pass(DAY);
  const again = { ...failed, status: "RUNNING", attempts: 2, startedAt: world.now() } as Job;
  const done = { ...again, status: "SUCCEEDED", updatedAt: world.now() } as Job;
  await world.tell([
    { before: failed, after: again },
    { before: again, after: done },
  ]);
  // A deletion changes nothing of what happened.
  await world.tell([{ before: done, after: undefined }]);

  const noon = Date.parse("2026-11-22T12:00:00Z");
  const hours = await series.of(appId, noon, noon + 2 * HOUR, "1h");
  const none = {
    accepted: 0,
    succeeded: 0,
    failed: 0,
    dead: 0,
    cancelled: 0,
    retried: 0,
    latencyMs: { p50: null, p95: null },
  };
  expect(hours).toEqual({
    points: [
      { ...none, at: noon, accepted: 1 },
      { ...none, at: noon + HOUR, retried: 1 },
    ],
    total: { ...none, accepted: 1, retried: 1 },
    errors: [{ error: "HTTP 503", count: 1 }],
    destinations: [{ destination: DESTINATION, retried: 1, failed: 0, dead: 0 }],
  });
  const midnight = noon - 12 * HOUR;
  const days = await series.of(appId, midnight, midnight + 2 * DAY, "1d");
  expect(days.points).toMatchObject([
    { at: midnight, accepted: 1, retried: 1 },
    { at: midnight + DAY, succeeded: 1 },
  ]);
  const { p50, p95 } = days.total.latencyMs;
  expect(Math.abs((p50 ?? 0) / (DAY + HOUR) - 1)).toBeLessThan(0.2);
  expect(p95).toBe(p50);
});

test("an hour has at most twenty kinds of errors and destinations, and a name for all others", async () => {
  const { appId, series, table } = world;
  const attempt = (error: string, destination: string): Change => {
    const before = world.job({ status: "RUNNING", attempts: 1, startedAt: START, destination });
    return { before, after: { ...before, status: "DEAD", lastError: error } as Job };
  };
  const many = (from: number) =>
    Array.from({ length: 30 }, (_, n) =>
      attempt(`error ${String.fromCharCode(97 + n)}${from}`, `https://${from}-${n}.example`),
    );
  await world.tell([attempt("usual", DESTINATION), attempt("usual", DESTINATION)]);
  await world.tell(many(1));
  // Another process knows nothing of what is there.
  await createTroubles({ table }).count(many(2));
  await world.tell([attempt("usual", DESTINATION)]);
  const found = await series.of(appId, START - (START % HOUR), START - (START % HOUR) + HOUR, "1h");
  expect(found.errors).toHaveLength(20);
  expect(found.errors.slice(0, 2)).toEqual([
    { error: OTHERS, count: 41 },
    { error: "usual", count: 3 },
  ]);
  expect(found.destinations[0]).toEqual({ destination: OTHERS, retried: 0, failed: 41, dead: 41 });
  const [item = {}] = await table.queryAll({
    KeyConditionExpression: "pk = :pk",
    values: { ":pk": `TROUBLES#${appId}` },
  });
  expect(Object.keys(item).filter((name) => name.startsWith("e:"))).toHaveLength(21);
});

test.each([
  ["HTTP 503", "HTTP 503"],
  ["The function failed: cannot read property x of user 4711", "The function failed"],
  ["connect ECONNREFUSED 10.0.0.1:8443", "connect ECONNREFUSED 10.0.0.1:…"],
  ["no answer for 018f2c6e-1b7a-7c1e-9a55-0242ac120002 at all", "no answer for … at all"],
  ["redirected to https://me:secret@a.example/?token=abc", "redirected to https://***@a.example/?token=***"],
  ["", "no error told"],
  ["x".repeat(200), `${"x".repeat(79)}…`],
])("the kind of the error %j is %j", (error, kind) => {
  expect(errorClass(error)).toBe(kind);
});
