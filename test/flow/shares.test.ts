import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND, type Clock } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { DEFAULT_SHARES } from "../../lib/flow/shares.ts";
import { SLOW_AFTER_MS } from "../../lib/flow/slowness.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";
import { ORIGIN, appId, fails, startFlowWorld, stored, submit, succeeds, world } from "./flow-world.ts";

// An app's shares of the queues: its attempts that take long leave most of the executions to others.

const SLOW = "https://slow.example";
const slow = async () => submit(appId, "both", {}, { baseUrl: SLOW });
const long = async (baseUrl = ORIGIN) => submit(appId, "both", {}, { baseUrl, timeoutSeconds: 600 });

/** A container on the world's table. */
interface Container {
  readonly run: (job: Job) => Promise<unknown>;
}

/** Whether attempts that begin now have run for five seconds at once. */
let isSlow = false;
let ends: (() => void)[] = [];

beforeEach(async () => {
  await startFlowWorld();
  isSlow = false;
  ends = [];
});
afterEach(async () => world.end());

function container({ capacity = world.capacity } = {}): Container {
  const { clock } = world;
  const sleep: Clock["sleep"] = async (ms, signal) => {
    if (ms !== SLOW_AFTER_MS) return clock.sleep(ms, signal);
    if (!isSlow) await new Promise((_, reject) => signal?.addEventListener("abort", reject));
  };
  const engine = createEngine({ ...world.parts, capacity, clock: { ...clock, sleep } });
  return { run: async (job) => engine.run({ kind: "stored", ref: nextAttempt(job) }, () => 900_000) };
}

/** Begins attempts that last until `ends` are called. */
async function holding(jobs: readonly Job[], { run }: Container): Promise<Promise<unknown>[]> {
  world.execute(async () => {
    await new Promise<void>((end) => ends.push(end));
    return succeeds();
  });
  const before = ends.length;
  const running = jobs.map(run);
  await expect.poll(() => ends.length).toBe(before + jobs.length);
  return running;
}

async function letEnd(running: readonly Promise<unknown>[]): Promise<void> {
  for (const end of ends.splice(0)) end();
  await Promise.all(running);
  world.execute(succeeds);
}

async function allow(concurrencyPerApp: number): Promise<void> {
  await world.apps.limit(appId, { concurrencyPerApp }, "operator");
}

async function allowOneAt(destination: string): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  const limits = { destination, rateLimitPerSecond: null, maxConcurrency: 1 };
  await world.apps.change(before, appId, { ...settings, destinations: [limits] }, "tester");
}

/** Opens the circuit of the slow destination. */
async function shut(probeAt: number): Promise<void> {
  const circuit = { state: "open", since: world.clock.now(), failures: [], probeAt, lastError: "HTTP 503" } as const;
  await world.destinations.change({ appId, destination: SLOW }, () => circuit);
}

test("attempts over a minute take slots of their app, whatever they call; those that wait go by age, uncounted", async () => {
  await allow(2);
  const { run } = container();
  const jobs = await Promise.all([0, 1, 2, 3].map(async (n) => long(`https://h${n}.example`)));
  const running = await holding(jobs.slice(0, 2), { run });
  for (const job of jobs.slice(2)) expect(await run(job)).toBe("skipped");
  const waiting = await Promise.all(jobs.slice(2).map(stored));
  expect(waiting).toMatchObject(waiting.map(() => ({ attempts: 0, retryCount: 0, backlog: "to (long)" })));
  // Short attempts of the app, and long ones of other apps, start.
  world.execute(succeeds);
  expect(await run(await submit())).toBe("succeeded");
  expect(await run(await submit(undefined, "both", {}, { timeoutSeconds: 600 }))).toBe("skipped");
  const other = await submit("11111111-1111-4111-8111-111111111111", "both", {}, { timeoutSeconds: 600 });
  expect(await run(other)).toBe("succeeded");
  await letEnd(running);
  const called = (await Promise.all(jobs.slice(2).map(stored))).filter(({ backlog }) => backlog === undefined);
  expect(called).toHaveLength(2);
  for (const job of called) expect(await run(job)).toBe("succeeded");
});

test("a destination whose attempts run over 5 s is slow from then on, in every container; others are not", async () => {
  await allow(2);
  const [one, other] = [container(), container()];
  isSlow = true;
  const running = await holding(await Promise.all([slow(), slow(), slow()]), one);
  await expect.poll(async () => world.destinations.slowUntil({ appId, destination: SLOW })).toBeGreaterThan(0);
  await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 3)).toBe(0);
  isSlow = false;
  const waits = await slow();
  expect(await other.run(waits)).toBe("skipped");
  expect(await stored(waits)).toMatchObject({ attempts: 0, backlog: "to (slow)" });
  world.execute(succeeds);
  expect(await other.run(await submit())).toBe("succeeded");
  await letEnd(running);
  expect((await stored(waits)).backlog).toBeUndefined();
  expect(await other.run(await stored(waits))).toBe("succeeded");
  // Ten minutes after its last slow attempt it is like any other.
  world.pass(10 * MINUTE + SECOND);
  expect(await world.destinations.slowUntil({ appId, destination: SLOW })).toBeLessThan(world.clock.now());
});

test("an app whose jobs call another slow host each is slow as a whole, but not where it is known to be quick", async () => {
  await allow(5);
  const { run } = container();
  expect(await run(await submit())).toBe("succeeded");
  isSlow = true;
  const host = async (n: number) => submit(appId, "both", {}, { baseUrl: `https://h${n}.example` });
  const running = await holding(await Promise.all([1, 2, 3, 4, 5, 6].map(host)), { run });
  await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 5)).toBe(0);
  isSlow = false;
  const next = await host(7);
  expect(await run(next)).toBe("skipped");
  expect(await stored(next)).toMatchObject({ backlog: "to (slow)" });
  world.execute(succeeds);
  expect(await run(await submit())).toBe("succeeded");
  await letEnd(running);
});

test("a slow attempt among quick ones makes no destination slow, and quick ones write nothing more", async () => {
  const { run } = container();
  const slots = async () => world.table.get({ pk: `FLOW#${appId}#(slow)`, sk: "SLOTS" });
  for (let n = 0; n < 3; n += 1) await run(await submit());
  expect(await slots()).toBeUndefined();
  isSlow = true;
  await run(await submit());
  isSlow = false;
  expect(await world.destinations.slowUntil({ appId, destination: ORIGIN })).toBe(0);
  expect(await world.table.get({ pk: `APP#${appId}`, sk: `DEST#${ORIGIN}` })).toBeUndefined();
  expect((await slots())?.["slots"]).toBeUndefined();
});

test("slow attempts beyond the app's share make their destination slow, however many quick ones it has", async () => {
  await allow(2);
  const { run } = container();
  const ref = { appId, destination: ORIGIN };
  const running: Promise<unknown>[] = [];
  for (let n = 0; n < 3; n += 1) {
    expect(await world.destinations.slowUntil(ref)).toBe(0);
    for (let quick = 0; quick < 3; quick += 1) expect(await run(await submit())).toBe("succeeded");
    isSlow = true;
    running.push(...(await holding([await submit()], { run })));
    await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 3)).toBe(2 - n);
    isSlow = false;
    world.execute(succeeds);
  }
  await expect.poll(async () => world.destinations.slowUntil(ref)).toBeGreaterThan(0);
  expect(await run(await submit())).toBe("skipped");
  await letEnd(running);
});

test("a destination stays slow, and its circuit as it is, when either changes", async () => {
  const ref = { appId, destination: SLOW };
  const until = world.clock.now() + HOUR;
  await world.destinations.markSlow(ref, until);
  const { run } = container();
  world.execute(fails(503));
  for (let n = 0; n < 20; n += 1) await run(await slow());
  expect(await world.destinations.read(ref)).toMatchObject({ state: "open" });
  await world.destinations.markSlow(ref, until + HOUR);
  expect(await world.destinations.read(ref)).toMatchObject({ state: "open" });
  expect(await world.destinations.slowUntil(ref)).toBe(until + HOUR);
});

test("a slot of a share that a job could not use at its destination goes to the next that waits for it", async () => {
  await allow(1);
  const full = "https://full.example";
  await allowOneAt(full);
  const now = world.clock.now();
  const elsewhere = { appId, destination: full, holder: "somebody", since: now, until: now + HOUR };
  await world.capacity.takeSlot(elsewhere, 1, true);
  const { run } = container();
  const first = await long();
  const blocked = await long(full);
  const last = await long();
  const running = await holding([first], { run });
  for (const job of [blocked, last]) expect(await run(job)).toBe("skipped");
  await letEnd(running);
  const next = async () => (await stored(blocked)).backlog === undefined;
  if (await next()) await run(await stored(blocked));
  await expect.poll(async () => (await stored(last)).backlog).toBeUndefined();
  expect(await run(await stored(last))).toBe("succeeded");
});

test("slow attempts at ever new hosts beyond the share, quick ones at others between, make the app slow as a whole", async () => {
  await allow(2);
  const { run } = container();
  const other = container();
  const at = async (host: string) => submit(appId, "both", {}, { baseUrl: `https://${host}.example` });
  const running: Promise<unknown>[] = [];
  for (let n = 0; n < 5; n += 1) {
    for (let quick = 0; quick < 9; quick += 1) expect(await run(await at(`quick${quick}`))).toBe("succeeded");
    isSlow = true;
    running.push(...(await holding([await at(`new${n}`)], { run })));
    await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 5)).toBe(4 - n);
    isSlow = false;
    world.execute(succeeds);
  }
  await expect.poll(async () => world.destinations.slowUntil({ appId, destination: "(app)" })).toBeGreaterThan(0);
  for (const one of [{ run }, other]) expect(await one.run(await at("newest"))).toBe("skipped");
  expect(await run(await at("quick1"))).toBe("succeeded");
  await letEnd(running);
});

test("a destination stays slow while its slow attempts fill the app's share, however many quick ones it has", async () => {
  await allow(1);
  const { run } = container();
  const ref = { appId, destination: ORIGIN };
  for (let quick = 0; quick < 9; quick += 1) await run(await submit());
  const until = world.clock.now() + MINUTE;
  await world.destinations.markSlow(ref, until);
  isSlow = true;
  const running = await holding([await submit()], { run });
  await expect.poll(async () => world.destinations.slowUntil(ref)).toBeGreaterThan(until);
  await letEnd(running);
});

test("attempts over a minute leave the short ones of their destination as they are", async () => {
  const { run } = container();
  isSlow = true;
  for (let n = 0; n < 3; n += 1) await run(await long());
  expect(await world.destinations.slowUntil({ appId, destination: ORIGIN })).toBe(0);
});

test("jobs that wait for a share all go, one calling the next, when their destination is slow no more", async () => {
  await allow(1);
  const { run } = container();
  await world.destinations.markSlow({ appId, destination: SLOW }, world.clock.now() + 10 * MINUTE);
  const running = await holding([await slow()], { run });
  const waiting = await Promise.all([slow(), slow(), slow()]);
  for (const job of waiting) expect(await run(job)).toBe("skipped");
  world.pass(11 * MINUTE);
  await letEnd(running);
  await allGo(waiting, "succeeded", { run });
});

test("a job that waited for a share and finds its destination in an outage calls the next one", async () => {
  await allow(1);
  const { run } = container();
  const running = await holding([await long(ORIGIN)], { run });
  const waiting = [await long(SLOW), await long(SLOW), await long(SLOW)];
  for (const job of waiting) expect(await run(job)).toBe("skipped");
  await shut(world.clock.now() + HOUR);
  await letEnd(running);
  await allGo(waiting, "skipped", { run });
  for (const job of waiting) expect((await stored(job)).backlog).toBe(`to ${SLOW}`);
});

test("a probe that finds no room in its app's share leaves the probe to the next attempt", async () => {
  await allow(1);
  const { run } = container();
  const running = await holding([await long(ORIGIN)], { run });
  await shut(world.clock.now());
  const probe = await long(SLOW);
  expect(await run(probe)).toBe("skipped");
  await letEnd(running);
  expect(await run(await stored(probe))).toBe("succeeded");
  expect(await world.destinations.read({ appId, destination: SLOW })).toBeUndefined();
});

test("a slot of a share is given back when the destination's can't be taken", async () => {
  await allowOneAt(ORIGIN);
  const { capacity } = world;
  const takeSlot: typeof capacity.takeSlot = async (slot, ...rest) => {
    if (slot.destination === ORIGIN) throw world.table.unavailable("throttled");
    return capacity.takeSlot(slot, ...rest);
  };
  const { run } = container({ capacity: { ...capacity, takeSlot } });
  await expect(run(await long())).rejects.toThrow();
  expect(await capacity.freeSlots({ appId, destination: "(long)" }, 1)).toBe(1);
});

test("slow attempts make their destination slow where their slots can't be taken", async () => {
  const { capacity } = world;
  const addSlot = async () => {
    throw world.table.unavailable("throttled");
  };
  const { run } = container({ capacity: { ...capacity, addSlot } });
  isSlow = true;
  expect(await run(await slow())).toBe("succeeded");
  expect(await world.destinations.slowUntil({ appId, destination: SLOW })).toBeGreaterThan(0);
});

/** Runs each job once it has been let go, one after another. */
async function allGo(jobs: readonly Job[], result: string, { run }: Container): Promise<void> {
  let left = [...jobs];
  for (let n = jobs.length; n > 0; n -= 1) {
    const gone = async () => (await Promise.all(left.map(stored))).find(({ backlog }) => backlog === undefined);
    await expect.poll(gone).toBeDefined();
    const job = (await gone()) as Job;
    expect(await run(job)).toBe(result);
    left = left.filter(({ id }) => id !== job.id);
  }
}

test("the shares are a fifth of what serverless.yml gives the functions of the queues", () => {
  const queues = readTemplate(ROOT).functions.flatMap((each) => each.queues);
  const most = (queue: string) => queues.find(({ resource }) => resource === queue)?.maximumConcurrency;
  expect(most("JobsFairQueue")).toBe(5 * DEFAULT_SHARES["(slow)"]);
  expect(most("JobsTasksQueue")).toBe(5 * DEFAULT_SHARES["(long)"]);
});
