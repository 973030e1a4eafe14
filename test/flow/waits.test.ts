import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { randomUUID } from "node:crypto";
import { HOUR, MINUTE, SECOND, iso } from "../../lib/clock.ts";
import type { Circuit } from "../../lib/flow/circuit.ts";
import { createWaits } from "../../lib/flow/waits.ts";
import { newJob } from "../support/new-job.ts";
import { SCHEDULE, TASK, rankOf, type Job } from "../../lib/job/job.ts";
import { queueUp } from "../../lib/job/moves.ts";
import { WAIT_REASONS, type Waiting } from "../../lib/job/waiting.ts";
import type { BacklogName, LimitLetter } from "../../lib/job/backlog.ts";
import type { AppSettings } from "../../lib/store/app-settings.ts";
import { createCounting } from "../../lib/store/counting.ts";
import { toItem } from "../../lib/store/job-item.ts";
import { request } from "../support/world.ts";
import { ORIGIN, fails, run, startFlowWorld, stored, submit, world } from "./flow-world.ts";

// Why a job waits, as people are told.

const TO: BacklogName = `to ${ORIGIN}`;

let appId: string;
const told = new Set<string>();
const counting = async () => createCounting({ ...world, log: () => {} });
const waits = () => createWaits({ ...world, counting });

beforeAll(async () => startFlowWorld());
afterAll(async () => {
  await world.end();
  expect(told).toEqual(new Set(WAIT_REASONS));
});
beforeEach(() => {
  appId = randomUUID();
  world.execute(async () => ({ kind: "succeeded", httpStatus: 200 }));
});

async function waitOf(job: Job): Promise<Waiting | undefined> {
  const waiting = (await waits().of([job])).get(job.id);
  if (waiting) told.add(waiting.reason);
  return waiting;
}

async function set(settings: Partial<AppSettings>): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...now } = before;
  await world.apps.change(before, appId, { ...now, ...settings }, "tester");
}

const limited = async (rateLimitPerSecond: number | null, maxConcurrency: number | null, destination = ORIGIN) =>
  set({ destinations: [{ destination, rateLimitPerSecond, maxConcurrency }] });

/** A job as it might stand in the table, and does. */
async function standing(change: Partial<Job> = {}): Promise<Job> {
  const now = world.clock.now();
  const job = { ...newJob(request("both", {}, { appId }), now, world.clock.uuid()), destination: ORIGIN, ...change };
  await world.table.put(toItem(job as Job));
  return job as Job;
}

/** Jobs in a backlog, the oldest first. */
async function inBacklog(backlog: BacklogName, count = 1, letter?: LimitLetter): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let n = 0; n < count; n += 1) {
    const job = await standing({ startAt: world.clock.now() - HOUR + n });
    await world.store.apply(job, queueUp(job, backlog, { waitsFor: letter }));
    jobs.push(await stored(job));
  }
  return jobs;
}

async function shut(state: Circuit["state"]): Promise<Circuit> {
  const now = world.clock.now();
  const circuit: Circuit = {
    state,
    since: now - MINUTE,
    failures: [now],
    probeAt: now + 20_000,
    lastError: "HTTP 503",
  };
  await world.destinations.change({ appId, destination: ORIGIN }, () => circuit);
  return circuit;
}

test("a job that was sent is in its queue, and one that was only stored is sent by the sweep", async () => {
  const job = await submit(appId);
  expect(await waitOf(job)).toEqual({
    reason: "queued",
    since: job.createdAt,
    detail: "It is in its queue, and starts once a worker takes it",
  });
  expect(await waitOf(await submit(appId, "db"))).toMatchObject({
    reason: "queued",
    detail: "It is due: the sweep sends it to its queue within a minute",
  });
});

test("what runs or has ended waits for nothing", async () => {
  const job = await submit(appId);
  world.execute(async () => {
    expect(await waitOf(await stored(job))).toBeUndefined();
    return { kind: "succeeded" };
  });
  await run(job);
  expect(await waitOf(await stored(job))).toBeUndefined();
});

test("a job with a later start is delayed until then, and a schedule until its next run", async () => {
  const startAt = world.clock.now() + HOUR;
  const job = await standing({ startAt });
  const { createdAt: since } = job;
  const detail = `It starts at ${iso(startAt)}, as asked for`;
  expect(await waitOf(job)).toEqual({ reason: "delayed", since, until: startAt, detail });
  const schedule = await standing({ startAt, executionType: SCHEDULE });
  expect(await waitOf(schedule)).toMatchObject({ reason: "delayed", until: startAt });
  const pausedAt = world.clock.now();
  expect(await waitOf({ ...schedule, pausedAt, pauseReason: "moving" })).toEqual({
    reason: "paused",
    since: pausedAt,
    detail: "The schedule is paused (moving), until a person resumes it",
  });
  expect(await waitOf(await standing({ executionType: "group", startAt }))).toBeUndefined();
});

test("a job that failed waits for its next try, and is told if its destination fails altogether", async () => {
  const job = await submit(appId);
  world.execute(fails(503));
  await run(job);
  const failed = await stored(job);
  const next = iso(failed.startAt);
  expect(await waitOf(failed)).toEqual({
    reason: "backoff",
    since: failed.updatedAt,
    until: failed.startAt,
    detail: `Attempt 1 ended with: HTTP 503. The next one is at ${next}`,
  });
  const { since } = await shut("open");
  expect((await waitOf(failed))?.detail).toBe(
    `Attempt 1 ended with: HTTP 503. The next one is at ${next}; the destination ${ORIGIN} fails since ${iso(since)} (HTTP 503), and one job a minute tries it`,
  );
});

test("a job of a message group waits for those before it", async () => {
  expect(await waitOf(await submit(appId, "both", { messageGroupId: "orders" }))).toMatchObject({
    reason: "order",
    detail: 'Jobs of messageGroupId "orders" run one after another: it starts when those before it have ended',
  });
});

test("a job with a turn waits until then, and one in the backlog as long as those before it take", async () => {
  await limited(0.1, null);
  const [first, second] = [await submit(appId), await submit(appId)];
  await run(first);
  await run(second);
  const put = await stored(second);
  expect(put.turn).toBeDefined();
  expect(await waitOf(put)).toEqual({
    reason: "rate",
    since: second.startAt,
    until: put.startAt,
    detail: `The destination ${ORIGIN} takes 0.1 a second`,
  });
  await limited(5, null);
  const jobs = await inBacklog(TO, 12, "r");
  const last = (await waitOf(jobs[11] as Job)) as Waiting;
  expect(last).toMatchObject({
    reason: "rate",
    since: jobs[11]?.startAt,
    detail: `The destination ${ORIGIN} takes 5 a second; 11 wait before it`,
  });
  expect(Math.abs((last.until ?? 0) - world.clock.now() - 2_200)).toBeLessThan(SECOND);
  expect((await waitOf(jobs[0] as Job))?.detail).toMatch(/; it is the next one$/);
});

test("a job waits for room at a destination, or in its app's share of a queue", async () => {
  await limited(null, 3);
  const [, second] = await inBacklog(TO, 2, "c");
  const detail = `The destination ${ORIGIN} takes 3 at once; 1 waits before it`;
  expect(await waitOf(second as Job)).toEqual({ reason: "concurrency", since: second?.startAt, detail });
  const [slow] = await inBacklog("to (slow)", 1, "c");
  expect(await waitOf(slow as Job)).toMatchObject({
    reason: "concurrency",
    detail: "The app may have 40 attempts at slow destinations at once; it is the next one",
  });
});

test("where a destination has two limits, a job says for which of them it was put off", async () => {
  await limited(5, 3);
  const [byRate] = await inBacklog(TO, 1, "r");
  const [byRoom] = await inBacklog(TO, 1, "c");
  expect(await waitOf(byRate as Job)).toMatchObject({ reason: "rate" });
  expect(await waitOf(byRoom as Job)).toMatchObject({ reason: "concurrency" });
  await limited(null, 1);
  const lane = [
    await submit(appId, "both", { messageGroupId: "a" }),
    await submit(appId, "both", { messageGroupId: "b" }),
  ];
  world.execute(async () => {
    await run(lane[1] as Job);
    return { kind: "succeeded" };
  });
  await run(lane[0] as Job);
  const put = await stored(lane[1] as Job);
  expect(put).toMatchObject({ waitsFor: "c", status: "PENDING" });
  expect(await waitOf({ ...put, startAt: world.clock.now() + MINUTE })).toMatchObject({ reason: "concurrency" });
  world.execute(async () => ({ kind: "succeeded" }));
  world.pass(MINUTE);
  await run(put);
  expect(await stored(put)).not.toHaveProperty("waitsFor");
});

test.each([
  ["open", "outage", "fails since"],
  ["held", "held", "is held since"],
] as const)(
  "a destination that is %s makes jobs wait, in the queue and in the backlog",
  async (state, reason, text) => {
    const { probeAt } = await shut(state);
    const [waiting] = await inBacklog(TO);
    for (const job of [waiting as Job, await submit(appId)]) {
      const wait = await waitOf(job);
      expect(wait).toMatchObject({ reason, since: job.startAt, detail: expect.stringContaining(`${ORIGIN} ${text}`) });
      expect(wait?.until).toBe(state === "open" ? probeAt : undefined);
    }
  },
);

test("a paused app makes all of its jobs wait but urgent ones, and what it let go leaves with the next sweep", async () => {
  const [waiting] = await inBacklog("app");
  expect(await waitOf(waiting as Job)).toMatchObject({ reason: "queued", detail: expect.stringContaining("is over") });
  await set({ paused: true });
  for (const job of [waiting as Job, await submit(appId)]) {
    const detail = "The app is paused: its jobs are kept, and none starts until it is resumed";
    expect(await waitOf(job)).toEqual({ reason: "paused", since: job.startAt, detail });
  }
  const urgent = await standing({ executionType: TASK, jobType: "bulk_action", isUrgent: true });
  expect(await waitOf(urgent)).toMatchObject({ reason: "queued" });
});

test("a task waits for a slot, and is told how many are before it by priority", async () => {
  await set({ maxConcurrentTasks: 1 });
  const task = { executionType: TASK, jobType: "example", destination: undefined } as unknown as Partial<Job>;
  const [low, high] = [await standing(task), await standing({ ...task, priority: 9 })];
  for (const job of [low, high]) {
    await world.slots.enter(appId, rankOf(job));
    await world.store.apply(job, queueUp(job, "slot"));
  }
  const wait = await waitOf(await stored(low));
  expect(wait).toMatchObject({ reason: "slot", detail: "The app runs 1 task at once; 1 waits before it" });
  expect((await waitOf(await stored(high)))?.detail).toMatch(/it is the next one/);
});

test("the backlogs of a reason are those whose jobs wait for it now", async () => {
  const [held, open, limit] = ["https://held.example", "https://open.example", ORIGIN] as const;
  await limited(5, null);
  for (const [at, state] of [
    [held, "held"],
    [open, "open"],
  ] as const) {
    const since = world.clock.now();
    const circuit: Circuit = { state, since, failures: [], lastError: "HTTP 503" };
    await world.destinations.change({ appId, destination: at }, () => circuit);
  }
  for (const at of [held, open, limit]) {
    const [job] = await inBacklog(`to ${at}`);
    await (await counting()).count([{ before: undefined, after: job }]);
  }
  const { backlogsFor } = waits();
  expect(await backlogsFor(appId, ["held"])).toEqual([`to ${held}`]);
  expect(await backlogsFor(appId, ["outage", "rate"])).toEqual([TO, `to ${open}`].toSorted());
  expect(await backlogsFor(appId, ["delayed", "slot"])).toEqual([]);
  await set({ paused: true });
  expect(await backlogsFor(appId, ["paused"])).toHaveLength(3);
});

test("a page of a hundred jobs to as many destinations costs seven reads at most", async () => {
  const jobs = [
    ...(await inBacklog(TO, 2, "r")),
    ...(await inBacklog("to (slow)", 1)),
    ...(await inBacklog("to (long)", 1)),
  ];
  for (let n = 0; n < 96; n += 1) jobs.push(await standing({ destination: `https://${n}.example` }));
  await limited(5, null);
  const { dynamodb } = world;
  const send = dynamodb.send.bind(dynamodb);
  let calls = 0;
  dynamodb.send = (async (command: Parameters<typeof send>[0]) => {
    calls += 1;
    return send(command);
  }) as typeof dynamodb.send;
  const found = await waits().of(jobs);
  dynamodb.send = send;
  expect(found.size).toBe(100);
  expect(calls).toBeLessThanOrEqual(7);
  expect(calls).toBeGreaterThan(0);
});
