import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { backlogTo } from "../../lib/job/backlog.ts";
import type { Circuit } from "../../lib/flow/circuit.ts";
import type { Job } from "../../lib/job/job.ts";
import { queueUp } from "../../lib/job/moves.ts";
import { createBacklogs } from "../../lib/store/backlogs.ts";
import { DUE_SHARDS, backlogKey } from "../../lib/store/job-keys.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, appId, limit, run, slotFor, startFlowWorld, stored, submit, world } from "./flow-world.ts";

// The sweep's looks at backlogs, beside what other processes do.

beforeEach(async () => startFlowWorld());
afterEach(async () => world.end());

async function waiting(count: number): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let n = 0; n < count; n += 1) {
    world.pass(1);
    const job = await submit();
    await run(job);
    jobs.push(job);
  }
  return jobs;
}

const inBacklog = async (jobs: readonly Job[]) =>
  (await Promise.all(jobs.map(stored))).filter(({ backlog }) => backlog !== undefined).length;

const ref = () => ({ appId, backlog: backlogTo(ORIGIN) }) as const;
/** Another process announces the backlog, which makes it due. */
const otherAnnounces = async () => createBacklogs({ table: world.table, clock: world.clock }).announce(ref());

/** Jobs in the backlog, as if there had been no room for them. */
async function queued(count: number, metadata: (n: number) => object = () => ({})): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let n = 0; n < count; n += 1) {
    world.pass(1);
    const job = await submit(appId, "db", metadata(n));
    await world.store.apply(job, queueUp(job, ref().backlog));
    jobs.push(job);
  }
  await world.backlogs.announce(ref());
  return jobs;
}

/** Counts the turns that are taken for jobs of backlogs. */
function countTurns(): () => number {
  let count = 0;
  const { takeTurns } = world.capacity;
  world.capacity.takeTurns = async (...asked) => {
    const turns = await takeTurns(...asked);
    count += turns.length;
    return turns;
  };
  return () => count;
}

/** Parts with a store of their own, in which `meet` runs after a look has read its `nth` page of the backlog, once. */
function meeting(nth: number, meet: () => Promise<void>) {
  let pages = 0;
  const due: typeof world.store.due = async (...asked) => {
    const page = await world.store.due(...asked);
    if (asked[0] === backlogKey(ref()) && (pages += 1) === nth) await meet();
    return page;
  };
  return { ...world.parts, store: { ...world.store, due } };
}

const PART = { shards: DUE_SHARDS };

test.each([1, 2])(
  "a job that comes while page %i of a look is read lets no other sweep look beside it",
  async (page) => {
    await limit({ rateLimitPerSecond: 10 });
    await world.capacity.markRow({ appId, destination: ORIGIN }, true);
    const taken = countTurns();
    const jobs = await queued(250);
    const parts = meeting(page, async () => {
      await otherAnnounces();
      await world.engine.sweep(PLENTY, PART);
    });
    await createEngine(parts).sweep(PLENTY, PART);
    expect([taken(), await inBacklog(jobs)]).toEqual([250, 0]);
  },
);

test("a look whose time is over is another sweep's, and ends with its page", async () => {
  await limit({ rateLimitPerSecond: 10 });
  await world.capacity.markRow({ appId, destination: ORIGIN }, true);
  const jobs = await queued(250);
  const pages: string[] = [];
  const store = (name: string): typeof world.store => ({
    ...world.store,
    due: async (...asked) => {
      if (asked[0] === backlogKey(ref())) pages.push(name);
      return world.store.due(...asked);
    },
  });
  const goOnLooking: typeof world.backlogs.goOnLooking = async (...asked) => {
    if (!pages.includes("second")) {
      // The shares of other apps have had their turn for so long.
      world.pass(31 * SECOND);
      await createEngine({ ...world.parts, store: store("second") }).sweep(PLENTY, PART);
    }
    return world.backlogs.goOnLooking(...asked);
  };
  const first = { ...world.parts, store: store("first"), backlogs: { ...world.backlogs, goOnLooking } };
  await createEngine(first).sweep(PLENTY, PART);
  expect(pages).toEqual(["first", "second", "second"]);
  expect(await inBacklog(jobs)).toBe(0);
});

test("a sweep whose time is over leaves a look to the next one, and none that is another's by now", async () => {
  await limit({ rateLimitPerSecond: 10 });
  const jobs = await queued(250);
  let isOver = false;
  const parts = meeting(1, async () => {
    world.pass(SECOND);
    isOver = true;
  });
  await createEngine(parts).sweep(() => (isOver ? 0 : PLENTY()), PART);
  expect(await inBacklog(jobs)).toBe(150);
  const look = await world.backlogs.beginLook(ref(), world.clock.now(), world.clock.now() + MINUTE);
  expect(look).toBeDefined();
  await world.backlogs.giveUpLook(ref(), (look ?? 0) - 1);
  expect(await world.backlogs.beginLook(ref(), world.clock.now() + MINUTE, world.clock.now())).toBeUndefined();
  await world.backlogs.giveUpLook(ref(), look ?? 0);
  await world.engine.sweep(PLENTY, PART);
  expect(await inBacklog(jobs)).toBe(0);
});

test("a person's wake is looked at though a look is under way", async () => {
  await queued(1);
  expect(await world.backlogs.beginLook(ref(), world.clock.now(), world.clock.now() + MINUTE)).toBeDefined();
  await world.backlogs.wake(ref());
  expect(await world.backlogs.beginLook(ref(), world.clock.now(), world.clock.now() + MINUTE)).toBeDefined();
});

test("one look at a backlog of a destination that is open lets one job probe, though many are too late", async () => {
  const now = world.clock.now();
  const circuit: Circuit = {
    state: "open",
    since: now,
    failures: [now],
    probeAt: now + 30 * SECOND,
    lastError: "HTTP 503",
  };
  await world.destinations.change({ appId, destination: ORIGIN }, () => circuit);
  const notAfter = new Date(now + 30 * SECOND).toISOString();
  const jobs = await queued(60, (n) => (n % 6 === 0 ? {} : { notAfter }));
  world.pass(MINUTE);
  await world.engine.sweep(PLENTY);
  const gone = (await Promise.all(jobs.map(stored))).filter(
    ({ status, backlog }) => status === "PENDING" && backlog === undefined,
  );
  expect(gone).toHaveLength(1);
});

test("due work that a request runs lets a whole backlog go", async () => {
  const jobs = await queued(250);
  world.pass(MINUTE);
  await world.engine.runDue(10);
  expect(await inBacklog(jobs)).toBe(0);
});

test("a backlog is looked at though jobs come to it all the time", async () => {
  await limit({ rateLimitPerSecond: 0.01 });
  const jobs = await waiting(5);
  expect(await inBacklog(jobs)).toBe(3);
  await limit({ rateLimitPerSecond: 10 });
  // Between the sweep's read of what is due and its look, another process announces the backlog.
  const due: typeof world.store.due = async (...asked) => {
    const page = await world.store.due(...asked);
    if (page.entries.some(({ backlog }) => backlog !== undefined)) {
      world.pass(1);
      await otherAnnounces();
    }
    return page;
  };
  const engine = createEngine({ ...world.parts, store: { ...world.store, due } });
  for (let minute = 0; minute < 5; minute += 1) {
    world.pass(MINUTE);
    await engine.sweep(PLENTY);
  }
  expect(await inBacklog(jobs)).toBe(0);
});

test("who takes over a sweep whose time is over goes on with its backlogs", async () => {
  const pause = async (paused: boolean) => {
    const before = await world.apps.read(appId);
    const { version: _, ...settings } = before;
    await world.apps.change(before, appId, { ...settings, paused }, "tester");
  };
  await pause(true);
  const jobs = await waiting(250);
  await pause(false);
  world.pass(MINUTE);
  let pages = 0;
  const due: typeof world.store.due = async (...asked) => {
    pages += asked[0].includes(appId) ? 1 : 0;
    return world.store.due(...asked);
  };
  const store = { ...world.store, due };
  const sweepMore: typeof world.parts.sweepMore = async (part) => void (await world.engine.sweep(PLENTY, part));
  const engine = createEngine({ ...world.parts, store, sweepMore });
  expect(await engine.sweep(() => (pages > 0 ? 0 : PLENTY()))).toMatchObject({ left: 1 });
  expect(await inBacklog(jobs)).toBe(0);
});

test.each([
  ["a job comes to the backlog", async () => otherAnnounces()],
  ["a sweep hands over what it has no time for", undefined],
])("two sweeps let no more jobs go than slots are free, though %s", async (_, meet) => {
  await limit({ maxConcurrency: 110 });
  const jobs = await queued(350);
  let isOver = false;
  const parts = meeting(1, async () => {
    await meet?.();
    if (meet) await world.engine.sweep(PLENTY);
    else isOver = true;
  });
  const sweepMore: typeof world.parts.sweepMore = async (part) => void (await world.engine.sweep(PLENTY, part));
  await createEngine({ ...parts, sweepMore }).sweep(() => (isOver ? 0 : PLENTY()));
  expect(await inBacklog(jobs)).toBe(240);
});

test("a backlog that was announced since a look has ended is looked at by the next sweep, however soon", async () => {
  await limit({ maxConcurrency: 1 });
  const held = slotFor(10 * HOUR);
  await world.capacity.takeSlot(held, 1, true);
  const jobs = await waiting(1);
  world.pass(MINUTE);
  await world.engine.sweep(PLENTY);
  await world.capacity.leaveSlot(held);
  world.pass(5 * SECOND);
  await otherAnnounces();
  await world.engine.sweep(PLENTY);
  expect(await inBacklog(jobs)).toBe(0);
});

test("a look lets no more jobs of lanes go than there are slots, over its pages", async () => {
  await limit({ maxConcurrency: 150 });
  const jobs = await queued(400, (n) => ({ messageGroupId: `lane ${n}` }));
  world.pass(MINUTE);
  await world.engine.sweep(PLENTY);
  expect(await inBacklog(jobs)).toBe(250);
});
