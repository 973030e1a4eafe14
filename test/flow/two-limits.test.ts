import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { queueUp } from "../../lib/job/moves.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, appId, limit, run, stored, submit, succeeds, world } from "./flow-world.ts";
import { container, long } from "./share-world.ts";
import { SHARE, fill, free, holding, replaced, startTwoLimitsWorld } from "./two-limits-world.ts";

// Jobs that need a slot of their destination and one of their app's share.

beforeEach(startTwoLimitsWorld);
afterEach(async () => world.end());

test("a job does not change between two full limits for ever: it holds its destination's slot while it waits for its share", async () => {
  const { job, share } = await holding();
  const behind = await submit();
  expect(await run(behind)).toBe("skipped");
  await replaced(share);
  const called = await stored(job);
  expect(called.slots?.split(",")).toHaveLength(2);
  world.execute(succeeds);
  expect(await container().run(called)).toBe("succeeded");
  expect(await run(await stored(behind))).toBe("succeeded");
  expect([await free(ORIGIN), await free(SHARE)]).toEqual([1, 1]);
});

test("a slot that a job holds is given back when it is stopped", async () => {
  const { job } = await holding();
  expect(await free(ORIGIN)).toBe(0);
  await world.engine.stopJob(job.id, "CANCELLED");
  expect(await free(ORIGIN)).toBe(1);
});

test("and when it is too late for it", async () => {
  const notAfter = new Date(world.clock.now() + 10 * MINUTE).toISOString();
  const { job, share } = await holding({ notAfter });
  world.pass(10 * MINUTE);
  await replaced(share);
  expect([(await stored(job)).status, await free(ORIGIN)]).toEqual(["FAILED", 1]);
});

test("a slot is not held for a job that could not be written", async () => {
  const here = await fill(ORIGIN);
  const share = await fill(SHARE);
  const job = await long();
  expect(await container().run(job)).toBe("skipped");
  await replaced(share);
  expect((await stored(job)).backlog).toBe(`to ${ORIGIN}`);
  await world.capacity.leaveSlot(here);
  world.pass(MINUTE);
  const apply: typeof world.store.apply = async (of, move, ...more) => {
    if (move.set.backlog !== undefined) throw world.table.unavailable("down");
    return world.store.apply(of, move, ...more);
  };
  await createEngine({ ...world.parts, store: { ...world.store, apply } }).sweep(PLENTY);
  expect([(await stored(job)).backlog, await free(ORIGIN)]).toEqual([`to ${ORIGIN}`, 1]);
});

test("a message that comes late keeps the slot of a share that it has, though others wait for one", async () => {
  const here = await fill(ORIGIN);
  const job = await long();
  expect(await container().run(job)).toBe("skipped");
  await replaced(here);
  const called = await stored(job);
  expect(called.slots?.split(",")).toHaveLength(2);
  const other = await long("https://other.example");
  expect(await container().run(other)).toBe("skipped");
  world.pass(2 * MINUTE + SECOND);
  expect(await container().run(called)).toBe("succeeded");
});

/** Jobs that wait for their destination, which has `most` slots, and whose share is full. */
async function staying(count: number, most: number) {
  await limit({ maxConcurrency: most });
  await fill(SHARE);
  for (const destination of [SHARE, ORIGIN]) await world.capacity.markSlots({ appId, destination }, true);
  for (let n = 0; n < count; n += 1) {
    const job = await long();
    await world.store.apply(job, queueUp(job, `to ${ORIGIN}`, { waitsFor: "c" }));
    world.pass(1);
  }
  await world.backlogs.announce({ appId, backlog: `to ${ORIGIN}` });
  let reads = 0;
  const counted = <T extends readonly unknown[], R>(read: (...asked: T) => R) => {
    return (...asked: T): R => {
      reads += 1;
      return read(...asked);
    };
  };
  const store = { ...world.store, getMany: counted(world.store.getMany) };
  const capacity = { ...world.capacity, freeSlots: counted(world.capacity.freeSlots) };
  return { engine: createEngine({ ...world.parts, store, capacity }), reads: () => reads };
}

test("a look reads 200 jobs that stay by pages", async () => {
  const { engine, reads } = await staying(200, 1);
  world.pass(MINUTE);
  await engine.sweep(PLENTY);
  expect(reads()).toBeLessThan(20);
});

test("an end reads the jobs that stay together", async () => {
  const { engine, reads } = await staying(150, 50);
  const ref = { appId, backlog: `to ${ORIGIN}` } as const;
  await world.backlogs.wake(ref);
  await engine.runDue(10);
  expect(reads()).toBeLessThan(20);
});
