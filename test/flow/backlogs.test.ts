import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { createFlowControl } from "../../lib/flow/flow-control.ts";
import type { Circuit } from "../../lib/flow/circuit.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { queueUp } from "../../lib/job/moves.ts";
import { createBacklogs } from "../../lib/store/backlogs.ts";
import { backlogKey } from "../../lib/store/job-keys.ts";
import type { AppSettings } from "../../lib/store/app-settings.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, appId, fails, run, slotFor, startFlowWorld, stored, submit, world } from "./flow-world.ts";

// What waits in a backlog: for how long, in which order, and how it gets out of it.

beforeEach(async () => startFlowWorld());
afterEach(async () => world.end());

async function change(changed: Partial<AppSettings>): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  await world.apps.change(before, appId, { ...settings, ...changed }, "tester");
}

async function limit(rateLimitPerSecond: number | null, maxConcurrency: number | null = null): Promise<void> {
  await change({ destinations: [{ destination: ORIGIN, rateLimitPerSecond, maxConcurrency }] });
}

/** Jobs that wait in a backlog, one after another. */
async function waiting(count: number): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let n = 0; n < count; n += 1) {
    const job = await submit();
    await run(job);
    jobs.push(await stored(job));
    world.pass(SECOND);
  }
  return jobs;
}

test("jobs that come to a backlog together announce it in one write, and again if that fails", async () => {
  let writes = 0;
  let isDown = false;
  const update: typeof world.table.update = async (...asked) => {
    writes += 1;
    if (isDown) throw new Error("The table is down");
    return world.table.update(...asked);
  };
  const backlogs = createBacklogs({ table: { ...world.table, update }, clock: world.clock });
  const ref = { appId, backlog: "app" } as const;
  const together = async () =>
    (await Promise.allSettled(Array.from({ length: 10 }, async () => backlogs.announce(ref)))).map(
      ({ status }) => status,
    );
  expect(new Set(await together())).toEqual(new Set(["fulfilled"]));
  expect(writes).toBe(1);
  world.pass(MINUTE);
  isDown = true;
  expect(new Set(await together())).toEqual(new Set(["rejected"]));
  expect(writes).toBe(2);
  isDown = false;
  await together();
  await together();
  expect(writes).toBe(3);
});

test("a backlog is known as long as jobs wait in it, also when no other job comes for weeks", async () => {
  await change({ paused: true });
  const [job] = await waiting(1);
  expect(job).toMatchObject({ backlog: "app" });
  const key = { pk: backlogKey({ appId, backlog: "app" }), sk: "B" };
  for (let days = 0; days < 20; days += 1) {
    world.pass(DAY);
    await world.engine.sweep(PLENTY);
  }
  expect(Number((await world.table.get(key))?.["expiresAt"]) * SECOND).toBeGreaterThan(world.clock.now() + 6 * DAY);
  await change({ paused: false });
  await world.backlogs.wake({ appId, backlog: "app" });
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 1 });

  // One that is empty is forgotten.
  for (let days = 0; days < 8; days += 1) {
    world.pass(DAY);
    await world.engine.sweep(PLENTY);
  }
  expect(Number((await world.table.get(key))?.["expiresAt"]) * SECOND).toBeLessThan(world.clock.now());
});

test("of two sweeps at a time, one looks at a backlog: each of its jobs has one turn", async () => {
  await limit(10);
  await world.capacity.markRow({ appId, destination: ORIGIN }, true);
  const jobs = await waiting(250);
  world.pass(MINUTE);
  await Promise.all([world.engine.sweep(PLENTY), world.engine.sweep(PLENTY)]);
  const turns = (await Promise.all(jobs.map(stored))).map(({ turn }) => turn?.place ?? NaN);
  expect(turns).toEqual(jobs.map((_, n) => (turns[0] ?? 0) + n));
});

test("jobs are not read as long as they may not go, and then those that may", async () => {
  await limit(null, 1);
  const held = slotFor(DAY);
  await world.capacity.takeSlot(held, 1, true);
  const jobs = await waiting(30);
  const read: string[] = [];
  const getMany: typeof world.store.getMany = async (ids, ...asked) => {
    read.push(...ids);
    return world.store.getMany(ids, ...asked);
  };
  const engine = createEngine({ ...world.parts, store: { ...world.store, getMany } });
  const sweepInAMinute = async () => {
    world.pass(MINUTE);
    return engine.sweep(PLENTY);
  };
  for (let minute = 0; minute < 30; minute += 1) await sweepInAMinute();
  expect(read).toEqual([]);
  await world.capacity.leaveSlot(held);
  expect(await sweepInAMinute()).toMatchObject({ sent: 1 });
  expect(read.length).toBeLessThanOrEqual(6);
  expect((await stored(jobs[0]!)).backlog).toBeUndefined();
});

test("where the clock is fast, a backlog is looked at each minute as long as jobs may come unannounced", async () => {
  const start = world.clock.now();
  let now = start;
  const clock = { ...world.clock, now: () => now, during: (ms: number) => 60 * ms };
  const backlogs = createBacklogs({ table: world.table, clock });
  const ref = { appId, backlog: "app" } as const;
  const dueAt = async () => Number((await world.table.get({ pk: backlogKey(ref), sk: "B" }))?.["dueAt"]);
  await backlogs.announce(ref);
  for (; now < start + 29 * MINUTE; now += MINUTE) {
    if ((await dueAt()) <= now + MINUTE) await backlogs.rest(ref, await dueAt());
    await backlogs.announce(ref);
    expect(await dueAt()).toBeLessThanOrEqual(now + 2 * MINUTE);
  }
});

test("a job that misses its turn goes back to its place by age, before all that came after it", async () => {
  await limit(0.01);
  const [, second, ...others] = await waiting(5);
  expect(second).toMatchObject({ turn: { at: expect.any(Number), step: 100 * SECOND } });
  expect(others.every(({ backlog }) => backlog === `to ${ORIGIN}`)).toBe(true);
  // Its queue was away at its turn.
  world.pass(10 * MINUTE);
  await run(second as Job);
  expect(await stored(second as Job)).toMatchObject({ backlog: `to ${ORIGIN}`, dueAt: second?.createdAt });
  await world.engine.sweep(PLENTY);
  const turns = (await Promise.all([second as Job, ...others].map(stored))).map(({ turn }) => turn?.at ?? Infinity);
  expect(turns[0]).toBeLessThan(Infinity);
  expect(turns).toEqual(turns.toSorted((a, b) => a - b));

  // A retry is a wait of its own.
  world.execute(fails(503));
  const released = await stored(second as Job);
  world.pass((released.turn?.at ?? 0) - world.clock.now());
  expect(await run(released)).toBe("failed");
  expect((await stored(released)).waitsSince).toBeUndefined();
});

test("each sweep of an outage sends one probe", async () => {
  const now = world.clock.now();
  const open: Circuit = {
    state: "open",
    since: now,
    failures: [now],
    probeAt: now + 50 * SECOND,
    lastError: "HTTP 503",
  };
  await world.destinations.change({ appId, destination: ORIGIN }, () => open);
  const jobs = await waiting(6);
  world.execute(fails(503));
  world.pass(MINUTE);
  for (let minutes = 1; minutes <= 4; minutes += 1) {
    await world.engine.sweep(PLENTY);
    // The way of a probe through its queue.
    world.pass(3 * SECOND);
    const sent = (await Promise.all(jobs.map(stored))).filter(
      ({ status, releasedAt, backlog }) => status === "PENDING" && releasedAt !== undefined && backlog === undefined,
    );
    for (const job of sent) await run(job);
    expect(world.ran).toHaveLength(minutes);
    world.pass(MINUTE - 3 * SECOND);
  }
});

test("no more jobs leave a backlog than both limits of their destination let go", async () => {
  const flow = createFlowControl(world.parts);
  const limits = { destination: ORIGIN, rateLimitPerSecond: 100, maxConcurrency: 1 };
  const other = { destination: "https://b.example", rateLimitPerSecond: 0.1, maxConcurrency: 200 };
  await change({ destinations: [limits, other] });
  const startsAt = async (destination: string) => {
    const { turns = [] } = await flow.gateOf({ appId, backlog: `to ${destination}` }, 50);
    return { count: turns.length, lasts: (turns.at(-1)?.at ?? 0) - (turns[0]?.at ?? 0) };
  };
  expect(await startsAt(ORIGIN)).toEqual({ count: 1, lasts: 0 });
  const slot = slotFor(MINUTE);
  await world.capacity.takeSlot(slot, 1, true);
  expect(await startsAt(ORIGIN)).toMatchObject({ count: 0 });
  const rated = await startsAt(other.destination);
  // One every ten seconds, for two minutes.
  expect(rated).toEqual({ count: 13, lasts: 120 * SECOND });
});

test("a sweep lets no more jobs out of a backlog of several pages than slots are free", async () => {
  await limit(null, 110);
  const ref = { appId, backlog: `to ${ORIGIN}` } as const;
  for (let lot = 0; lot < 10; lot += 1) {
    const jobs = await Promise.all(Array.from({ length: 23 }, async () => submit(appId, "db")));
    await Promise.all(jobs.map(async (job) => world.store.apply(job, queueUp(job, ref.backlog))));
  }
  await world.backlogs.announce(ref);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 110 });
});

test("a message that comes again for a job in a backlog writes nothing", async () => {
  await change({ paused: true });
  const [job] = await waiting(1);
  let writes = 0;
  const apply: typeof world.store.apply = async (...args) => {
    writes += 1;
    return world.store.apply(...args);
  };
  const engine = createEngine({ ...world.parts, store: { ...world.store, apply } });
  expect(await engine.run({ kind: "stored", ref: nextAttempt(job as Job) }, PLENTY)).toBe("skipped");
  expect(writes).toBe(0);
});

test("a backlog that can't be looked at keeps no due job from being run", async () => {
  await change({ paused: true });
  await waiting(1);
  const due = await submit(randomUUID(), "db");
  const beginLook = async () => Promise.reject(new Error("The table is away"));
  const engine = createEngine({ ...world.parts, backlogs: { ...world.backlogs, beginLook } });
  await engine.runDue(10);
  expect(await stored(due)).toMatchObject({ status: "SUCCEEDED" });
  expect(world.logged).toContainEqual({ event: "sweep.backlog-failed", fields: expect.objectContaining({ appId }) });
});
