import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import type { AppSettings } from "../../lib/store/app-settings.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

// Waiting in backlogs: what it costs, and that nothing stays there.

const ORIGIN = "https://a.example";
let world: World;
let appId: string;
/** The number of writes of jobs. */
let writes: number;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
  appId = randomUUID();
  writes = 0;
  const { apply } = world.store;
  world.store.apply = async (...args) => {
    writes += 1;
    return apply(...args);
  };
});
afterEach(async () => world.end());

async function set(settings: Partial<AppSettings>): Promise<void> {
  const before = await world.apps.read(appId);
  await world.apps.change(before, appId, { ...before, ...settings }, "tester");
  // Settings are cached for ten seconds.
  world.pass(11 * SECOND);
}

async function submit(): Promise<Job> {
  const submitted = await world.engine.submit(request("both", {}, { appId }));
  if (submitted.kind === "sent") throw new Error("Nothing is stored");
  return submitted.job;
}

const now = async ({ id }: Job) => (await world.store.get(id)) as Job;
const deliver = async (job: Job) => world.engine.run({ kind: "stored", ref: nextAttempt(await now(job)) }, PLENTY);

async function sweepFor(minutes: number): Promise<void> {
  for (let n = 0; n < minutes; n += 1) {
    world.pass(MINUTE);
    await world.engine.sweep(PLENTY);
  }
}

test("a pause costs a job two writes, however long it lasts, and then its jobs go by age", async () => {
  await set({ paused: true });
  const jobs: Job[] = [];
  for (let n = 0; n < 12; n += 1) {
    jobs.push(await submit());
    world.pass(SECOND);
  }
  // Some are found by their message, and those whose message is lost by the sweep.
  for (const job of jobs.slice(0, 6)) expect(await deliver(job)).toBe("skipped");
  while ((await world.receive("fair")).length > 0);
  await sweepFor(8);
  expect(await Promise.all(jobs.map(now))).toMatchObject(jobs.map(() => ({ status: "PENDING", backlog: "app" })));
  expect(writes).toBe(jobs.length);
  for (let days = 0; days < 7; days += 1) {
    world.pass(DAY);
    await sweepFor(2);
  }
  expect(writes).toBe(jobs.length);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 0 });

  await set({ paused: false });
  await world.backlogs.wake({ appId, backlog: "app" });
  await sweepFor(1);
  expect(writes).toBe(2 * jobs.length);
  const sent: string[] = [];
  for (let records = await world.receive("fair"); records.length > 0; records = await world.receive("fair")) {
    sent.push(...records.map(({ body }) => (JSON.parse(body) as { attempt: { id: string } }).attempt.id));
    await world.engine.runBatch(records, PLENTY);
  }
  expect(sent.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
  expect(await Promise.all(jobs.map(now))).toMatchObject(jobs.map(() => ({ status: "SUCCEEDED", attempts: 1 })));
});

test("nobody has to say that a pause is over", async () => {
  await set({ paused: true });
  const job = await submit();
  await deliver(job);
  await set({ paused: false });
  await sweepFor(2);
  const waiting = await now(job);
  expect(waiting.backlog).toBeUndefined();
  expect(await deliver(job)).toBe("succeeded");
});

test("a process that dies before it has written a job to its backlog leaves the job due", async () => {
  await set({ paused: true });
  const job = await submit();
  const dying = { ...world.store, apply: async () => Promise.reject(new Error("killed")) };
  const engine = createEngine({ ...world.parts, store: dying });
  await expect(engine.run({ kind: "stored", ref: nextAttempt(job) }, PLENTY)).rejects.toThrow("killed");
  await sweepFor(6);
  expect(await now(job)).toMatchObject({ backlog: "app" });
});

test("jobs beyond a rate's row go out in the order of their age, and new ones do not pass them", async () => {
  await set({ destinations: [{ destination: ORIGIN, rateLimitPerSecond: 0.1, maxConcurrency: null }] });
  const jobs: Job[] = [];
  const ran: string[] = [];
  world.execute(async ({ jobId }) => {
    ran.push(jobId);
    return { kind: "succeeded", httpStatus: 200 };
  });
  // A row of three minutes holds 18 turns of 10 s.
  for (let n = 0; n < 30; n += 1) {
    jobs.push(await submit());
    await deliver(jobs[n] as Job);
    world.pass(10);
  }
  const waiting = (await Promise.all(jobs.map(now))).filter(({ backlog }) => backlog !== undefined);
  expect(waiting.length).toBeGreaterThanOrEqual(10);
  const late = await submit();
  await deliver(late);
  expect(await now(late)).toMatchObject({ backlog: `to ${ORIGIN}` });
  jobs.push(late);
  for (let ticks = 0; ticks < 60 && ran.length < jobs.length; ticks += 1) {
    world.pass(10 * SECOND);
    if (ticks % 6 === 5) await world.engine.sweep(PLENTY);
    for (const job of await Promise.all(jobs.map(now))) {
      if (job.status === "PENDING" && job.backlog === undefined && job.startAt <= world.clock.now()) await deliver(job);
    }
  }
  const at = new Map(jobs.map(({ id }, index) => [id, index]));
  const order = ran.map((id) => at.get(id) ?? -1);
  expect(order).toHaveLength(jobs.length);
  // Within a minute: six turns.
  for (const [index, place] of order.entries()) expect(Math.abs(place - index)).toBeLessThanOrEqual(6);
  // To the row and from it: at most three writes of waiting, and those of the attempt.
  expect(writes).toBeLessThanOrEqual(jobs.length * 5);
});

test("a message that still lies in its queue is repeated ever less often", async () => {
  const job = await submit();
  let messages = 1;
  const { sendAttempts } = world.queue;
  world.queue.sendAttempts = async (departures) => {
    messages += departures.length;
    return sendAttempts(departures);
  };
  await sweepFor(60);
  expect((await now(job)).status).toBe("PENDING");
  expect(messages).toBeLessThanOrEqual(2 + Math.log2(60));
  expect(messages).toBeGreaterThanOrEqual(4);
});

test("a job that the queue refuses is sent again at once, and else by the next sweep", async () => {
  const { sendAttempts } = world.queue;
  let refusals = 1;
  world.queue.sendAttempts = async (departures) => {
    refusals -= 1;
    return refusals >= 0 ? [...departures] : sendAttempts(departures);
  };
  await submit();
  expect(await world.depth("fair")).toEqual({ ready: 1, delayed: 0 });
  await world.receive("fair");

  refusals = Infinity;
  const refused = await submit();
  expect(await world.depth("fair")).toMatchObject({ ready: 0 });
  expect(world.logged.at(-1)).toMatchObject({ event: "job.not-sent", fields: { jobId: refused.id } });
  refusals = 0;
  await sweepFor(1);
  expect(await world.depth("fair")).toMatchObject({ ready: 1 });
});
