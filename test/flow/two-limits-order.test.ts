import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Slot } from "../../lib/flow/slots.ts";
import type { Job } from "../../lib/job/job.ts";
import { queueUp } from "../../lib/job/moves.ts";
import { ORIGIN, appId, limit, run, stored, submit, succeeds, world } from "./flow-world.ts";
import { allow, container, holding as running, letEnd, long } from "./share-world.ts";
import { SHARE, fill, free, holding, replaced, startTwoLimitsWorld, sweepAfter, sweepAt } from "./two-limits-world.ts";

// Who waits for whom where jobs need a slot of their destination and one of their app's share, and what that costs.

beforeEach(startTwoLimitsWorld);
afterEach(async () => world.end());

const isWaiting = ({ status, backlog }: Job) => status === "PENDING" && backlog !== undefined;
const hasEnded = ({ status }: Job) => status === "SUCCEEDED";
const all = async (jobs: readonly Job[]) => Promise.all(jobs.map(stored));

/** Runs those that have been let go, and those that are let go by that. */
async function runCalled(jobs: readonly Job[]): Promise<void> {
  const called = (await all(jobs)).filter((job) => !isWaiting(job) && !hasEnded(job));
  for (const job of called) await container().run(job);
  if (called.length > 0) await runCalled(jobs);
}

/** Sweeps every minute until these jobs have ended, at most `most` times. Returns how often it has. */
async function sweepsUntilEnd(jobs: readonly Job[], most: number): Promise<number> {
  world.execute(succeeds);
  for (let minutes = 0; minutes < most; minutes += 1) {
    await runCalled(jobs);
    if ((await all(jobs)).every(hasEnded)) return minutes;
    world.pass(MINUTE);
    await world.engine.sweep(() => 600_000);
  }
  return most;
}

/** Puts a job in its destination's backlog. */
async function waits(job: Job): Promise<Job> {
  await world.store.apply(job, queueUp(job, `to ${ORIGIN}`, { waitsFor: "c" }));
  world.pass(1);
  return stored(job);
}

/** How often each job comes to a backlog, from now on. */
function countMoves(): ReadonlyMap<string, number> {
  const moves = new Map<string, number>();
  const { apply } = world.store;
  world.parts.store.apply = async (of, move, ...more) => {
    const applied = await apply(of, move, ...more);
    if (applied.won && move.set.backlog !== undefined) moves.set(of.id, (moves.get(of.id) ?? 0) + 1);
    return applied;
  };
  return moves;
}

test("a lane asks again as if an attempt took its time, not that for which its slot was held before", async () => {
  const { job, share } = await holding();
  // Its own slot is kept as long as that of any other; meanwhile it does not run.
  world.pass(9 * MINUTE);
  await sweepAfter(share);
  world.execute(succeeds);
  expect(await container().run(await stored(job))).toBe("succeeded");
  await world.capacity.markSlots({ appId, destination: ORIGIN }, false);
  const short = await running([await submit()], container());
  const lane = await submit(appId, "both", { messageGroupId: "lane" });
  await run(lane);
  expect((await stored(lane)).startAt - world.clock.now()).toBeLessThan(2 * MINUTE);
  await letEnd(short);
});

test("short jobs go past twenty that have no room in their share, at a destination with one slot", async () => {
  const here = await fill(ORIGIN);
  await fill(SHARE);
  for (const destination of [SHARE, ORIGIN]) await world.capacity.markSlots({ appId, destination }, true);
  for (let n = 0; n < 20; n += 1) await waits(await long());
  const shorts: Job[] = [];
  for (let n = 0; n < 5; n += 1) shorts.push(await waits(await submit()));
  await world.backlogs.announce({ appId, backlog: `to ${ORIGIN}` });
  await world.capacity.leaveSlot(here);
  expect(await sweepsUntilEnd(shorts, 10)).toBeLessThan(2);
});

test("a short job waits for those that hold its destination's only slot, but not for their share", async () => {
  const here = await fill(ORIGIN);
  let share = await fill(SHARE);
  const longs: Job[] = [];
  for (let n = 0; n < 3; n += 1) {
    longs.push(await long());
    expect(await container().run(longs[n] as Job)).toBe("skipped");
    world.pass(10);
  }
  for (let n = 0; n < 5; n += 1) share = await replaced(share);
  expect((await all(longs)).map(({ backlog }) => backlog)).toEqual(longs.map(() => `to ${ORIGIN}`));
  const short = await submit();
  expect(await container().run(short)).toBe("skipped");
  await world.capacity.leaveSlot(here);
  // Each holds it once, for its two minutes and the longest time of its attempt, while others keep the share.
  expect(await sweepsUntilEnd([short], 60)).toBeLessThan(45);
});

test("an end that meets another one at the same job reads few jobs", async () => {
  await limit({ maxConcurrency: 50 });
  world.pass(15 * SECOND);
  const first = await running([await submit()], container());
  for (let n = 0; n < 120; n += 1) await waits(await submit());
  await world.capacity.markSlots({ appId, destination: ORIGIN }, true);
  let isFirst = true;
  let read = 0;
  const { apply, getMany } = world.store;
  world.parts.store.apply = async (of, move, ...more) => {
    if (isFirst && move.set.releasedAt !== undefined) {
      isFirst = false;
      await apply(of, move, ...more);
    }
    return apply(of, move, ...more);
  };
  world.parts.store.getMany = async (ids, how) => {
    read += ids.length;
    return getMany(ids, how);
  };
  await letEnd(first);
  expect(isFirst).toBe(false);
  expect(read).toBeLessThan(15);
});

test.each([1, 3, 5])(
  "a job comes to a backlog three or four times at most, while others keep both limits full (%i)",
  async (seed) => {
    let state = seed;
    const random = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
    const most = { [ORIGIN]: 4, [SHARE]: 5 };
    await allow(most[SHARE]);
    await limit({ maxConcurrency: most[ORIGIN] });
    world.pass(15 * SECOND);
    const taken: Record<string, Slot[]> = { [ORIGIN]: [], [SHARE]: [] };
    const fillAll = async () => {
      for (const [destination, slots] of Object.entries(taken)) {
        const limitOf = most[destination as keyof typeof most];
        while ((await free(destination, limitOf)) > 0) slots.push(await fill(destination, limitOf));
      }
    };
    await fillAll();
    const jobs: Job[] = [];
    for (let n = 0; n < 12; n += 1) {
      jobs.push(await long());
      expect(await container().run(jobs[n] as Job)).toBe("skipped");
      world.pass(10);
    }
    const moves = countMoves();
    let inFlight: Promise<unknown>[] = [];
    for (let round = 0; round < 60 && !(await all(jobs)).every(hasEnded); round += 1) {
      const slots = taken[random() < 0.5 ? ORIGIN : SHARE] ?? [];
      const [slot] = slots.splice(Math.floor(random() * slots.length), 1);
      if (slot) await sweepAfter(slot);
      else await letEnd(inFlight.splice(0));
      const called = (await all(jobs)).filter((job) => job.status === "PENDING" && job.backlog === undefined);
      if (called.length > 0) inFlight = [...inFlight, ...(await running(called, container()))];
      if (inFlight.length > 0 && random() < 0.3) {
        await letEnd(inFlight.splice(0));
        for (const destination of [ORIGIN, SHARE]) await sweepAt(destination);
      }
      await fillAll();
    }
    await letEnd(inFlight);
    expect(moves.size).toBeGreaterThan(0);
    // A fourth time where its share has had no room for longer than a slot is held.
    expect(Math.max(...moves.values())).toBeLessThanOrEqual(4);
  },
);
