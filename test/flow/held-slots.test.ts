import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import type { Move } from "../../lib/job/move.ts";
import { claim } from "../../lib/job/moves.ts";
import { ORIGIN, appId, limit, stored, submit, succeeds, world } from "./flow-world.ts";
import { allow, container, holding as running, letEnd } from "./share-world.ts";
import {
  SHARE,
  atDestination,
  fill,
  free,
  holding,
  replaced,
  startTwoLimitsWorld,
  storeWith,
  sweepAfter,
  sweepAt,
} from "./two-limits-world.ts";

// A slot of its destination that a job holds while it waits for its share: it is the job's as long as its item names it,
// and is given back once it does not.

beforeEach(startTwoLimitsWorld);
afterEach(async () => world.end());

/** Longer than a slot is kept for a message and for the attempt that it brings. */
const LONGER_THAN_KEPT = 13 * MINUTE;

const holds = ({ set }: Move) => set.slots !== undefined && set.backlog === `to ${SHARE}`;

const names = async (destination = ORIGIN) => {
  const item = await world.table.get({ pk: `FLOW#${appId}#${destination}`, sk: "SLOTS" });
  return [...((item?.["slots"] as Set<string> | undefined) ?? [])];
};

/** A job as its first message named it. */
function asFirstSent(job: Job): Job {
  const { slots: _, ...first } = job;
  return first;
}

/** Runs a job, and another one of the same destination beside it. Returns how many attempts there were at once. */
async function atOnceBeside(job: Job): Promise<number> {
  const one = await running([job], container());
  await world.capacity.markSlots({ appId, destination: ORIGIN }, false);
  const before = world.ran.length;
  const other = await container().run(await submit());
  const count = 1 + world.ran.length - before;
  expect(other).toBe("skipped");
  await letEnd(one);
  return count;
}

test("a job whose first message comes again keeps its wait and its slot", async () => {
  await allow(3);
  await fill(SHARE, 3);
  await fill(SHARE, 3);
  world.pass(15 * SECOND);
  // Its destination has fewer slots than its share, and is asked first.
  const here = await fill(ORIGIN);
  const share = await fill(SHARE, 3);
  const job = await submit(appId, "both", {}, { timeoutSeconds: 600 });
  expect(await container().run(job)).toBe("skipped");
  await sweepAfter(here);
  const again = await fill(ORIGIN);
  const full = await replaced(share, 3);
  await sweepAfter(again);
  const held = await stored(job);
  expect([held.backlog, held.slots?.split(",").length]).toEqual([`to ${SHARE}`, 1]);

  expect(await container().run(job)).toBe("skipped");
  expect(await stored(job)).toEqual(held);
  expect(await names()).toHaveLength(1);
  await sweepAfter(full);
  world.execute(succeeds);
  expect(await container().run(await stored(job))).toBe("succeeded");
});

test("and while its app is paused", async () => {
  const { job } = await holding();
  const { version: _, ...settings } = await world.apps.read(appId);
  await world.apps.change(await world.apps.read(appId), appId, { ...settings, paused: true }, "tester");
  world.pass(15 * SECOND);
  expect(await container().run(asFirstSent(job))).toBe("skipped");
  expect(await stored(job)).toEqual(job);
});

test("a job that is let go as it begins to wait keeps its slot", async () => {
  const { job, share, here } = await atDestination();
  await world.capacity.leaveSlot(here);
  world.pass(MINUTE);
  const takeSlot: typeof world.capacity.takeSlot = async (slot, ...asked) => {
    const answer = await world.capacity.takeSlot(slot, ...asked);
    // The attempt that has the share's slot ends before anybody is marked as waiting for it: no job is called then.
    if (slot.destination === SHARE && answer !== "taken") await world.capacity.leaveSlot(share);
    return answer;
  };
  await world.capacity.markSlots({ appId, destination: SHARE }, false);
  await sweepAt(ORIGIN, { capacity: { ...world.capacity, takeSlot } });
  const called = await stored(job);
  expect([called.backlog, called.slots?.split(",").length]).toEqual([undefined, 2]);
  expect(await atOnceBeside(called)).toBe(1);
});

test("also where another process lets it go", async () => {
  const { job, share, here } = await atDestination();
  await world.capacity.leaveSlot(here);
  world.pass(MINUTE);
  const store = storeWith(holds, "after", async () => {
    await world.capacity.leaveSlot(share);
    await sweepAt(SHARE);
  });
  await sweepAt(ORIGIN, { store });
  const called = await stored(job);
  expect(called.slots?.split(",")).toHaveLength(2);
  expect(await atOnceBeside(called)).toBe(1);
});

test("and where it is too late for it by the clock of one process, and not by that of another", async () => {
  const notAfter = new Date(world.clock.now() + 10 * MINUTE).toISOString();
  const { job, share } = await holding({ notAfter });
  world.pass(Date.parse(notAfter) - world.clock.now() - 3 * SECOND);
  await world.capacity.leaveSlot(share);
  let going: Promise<unknown>[] = [];
  const store = storeWith(
    ({ to }) => to === "FAILED",
    "before",
    async () => {
      await sweepAt(SHARE);
      going = await running([await stored(job)], container());
    },
  );
  await sweepAt(SHARE, { store, clock: { ...world.clock, now: () => world.clock.now() + 4 * SECOND } });
  expect((await stored(job)).status).toBe("RUNNING");
  expect(await names()).toHaveLength(1);
  await letEnd(going);
});

test("of two processes that make a job wait, one has its slot", async () => {
  await limit({ maxConcurrency: 2 });
  world.pass(15 * SECOND);
  const more = await fill(ORIGIN, 2);
  const { job, here } = await atDestination({}, 2);
  await world.capacity.leaveSlot(here);
  await world.capacity.leaveSlot(more);
  world.pass(MINUTE);
  await sweepAt(ORIGIN, { store: storeWith(holds, "before", async () => sweepAt(ORIGIN)) });
  const now = await stored(job);
  expect([now.backlog, now.slots?.split(",").length]).toEqual([`to ${SHARE}`, 1]);
  expect(await names()).toHaveLength(1);
});

test("and so where one of them lets it go", async () => {
  await limit({ maxConcurrency: 2 });
  world.pass(15 * SECOND);
  const more = await fill(ORIGIN, 2);
  const { job, share, here } = await atDestination({}, 2);
  await world.capacity.leaveSlot(here);
  await world.capacity.leaveSlot(more);
  world.pass(MINUTE);
  let isBefore = true;
  const getMany: typeof world.store.getMany = async (...asked) => {
    const jobs = await world.store.getMany(...asked);
    if (isBefore && jobs.some(({ id }) => id === job.id)) {
      isBefore = false;
      // The other one finds the share full. It has room by the time this one asks.
      await sweepAt(ORIGIN);
      await world.capacity.leaveSlot(share);
    }
    return jobs;
  };
  await sweepAt(ORIGIN, { store: { ...world.store, getMany } });
  const { backlog, slots = "" } = await stored(job);
  expect(backlog === undefined ? 2 : 1).toBe(slots.split(",").length);
  expect(await names()).toHaveLength(1);
});

test("a job that is stopped while it begins to hold a slot gives it back", async () => {
  const { job, here } = await atDestination();
  await world.capacity.leaveSlot(here);
  world.pass(MINUTE);
  const store = storeWith(
    ({ to }) => to === "CANCELLED",
    "before",
    async () => sweepAt(ORIGIN),
  );
  await createEngine({ ...world.parts, store }).stopJob(job.id, "CANCELLED");
  expect([(await stored(job)).status, await free(ORIGIN)]).toEqual(["CANCELLED", 1]);
});

test("and one that an old message ends, which comes too late", async () => {
  const notAfter = new Date(world.clock.now() + 10 * MINUTE).toISOString();
  const { job } = await holding({ notAfter });
  world.pass(10 * MINUTE);
  await container().run(asFirstSent(job));
  expect([(await stored(job)).status, await free(ORIGIN)]).toEqual(["FAILED", 1]);
});

test("a job that was let go is stopped, and gives its slots back though its message is lost", async () => {
  const { job, share } = await holding();
  await sweepAfter(share);
  expect((await stored(job)).slots?.split(",")).toHaveLength(2);
  await world.engine.stopJob(job.id, "CANCELLED");
  expect([await free(SHARE), await free(ORIGIN)]).toEqual([1, 1]);
});

test("a slot is free once the attempt of a worker that was killed is certainly over", async () => {
  const { job, share } = await holding();
  await sweepAfter(share);
  const ref = nextAttempt(await stored(job));
  const now = world.clock.now();
  expect((await world.store.apply(ref, claim(ref, now, now + 615 * SECOND))).won).toBe(true);
  world.pass(LONGER_THAN_KEPT);
  await world.engine.sweep(() => 600_000);
  expect((await stored(job)).status).toBe("RETRYING");
  expect([await free(SHARE), await free(ORIGIN)]).toEqual([1, 1]);
});

test("and so where a process is killed before it writes who has it", async () => {
  const { here } = await atDestination();
  await world.capacity.leaveSlot(here);
  world.pass(MINUTE);
  let isDead = false;
  const store = storeWith(holds, "before", async () => {
    isDead = true;
    return new Promise(() => {});
  });
  void sweepAt(ORIGIN, { store });
  await expect.poll(() => isDead).toBe(true);
  expect(await free(ORIGIN)).toBe(0);
  world.pass(LONGER_THAN_KEPT);
  expect(await free(ORIGIN)).toBe(1);
});

test("a slot is given back where the answer of the table that it was taken is lost", async () => {
  const { job, here } = await atDestination();
  await world.capacity.leaveSlot(here);
  world.pass(MINUTE);
  const takeSlot: typeof world.capacity.takeSlot = async (slot, ...asked) => {
    const answer = await world.capacity.takeSlot(slot, ...asked);
    if (slot.destination === ORIGIN) throw world.table.unavailable("no answer");
    return answer;
  };
  await sweepAt(ORIGIN, { capacity: { ...world.capacity, takeSlot } });
  expect([(await stored(job)).slots, await free(ORIGIN)]).toEqual([undefined, 1]);
});

test("and where the backlog that the job was to go to could not be announced", async () => {
  const { job, here } = await atDestination();
  await world.capacity.leaveSlot(here);
  world.pass(MINUTE);
  const announce: typeof world.backlogs.announce = async (ref) => {
    if (ref.backlog === `to ${SHARE}`) throw world.table.unavailable("busy");
    return world.backlogs.announce(ref);
  };
  await sweepAt(ORIGIN, { backlogs: { ...world.backlogs, announce } });
  expect([(await stored(job)).backlog, await free(ORIGIN)]).toEqual([`to ${ORIGIN}`, 1]);
});

test("and where the answer that a job was stopped is lost", async () => {
  const { job } = await holding();
  const store = storeWith(
    ({ to }) => to === "CANCELLED",
    "after",
    async () => {
      throw world.table.unavailable("no answer");
    },
  );
  const stopping = createEngine({ ...world.parts, store }).stopJob(job.id, "CANCELLED");
  await expect(stopping).rejects.toThrow("no answer");
  expect([(await stored(job)).status, await free(ORIGIN)]).toEqual(["CANCELLED", 1]);
});

test("and where the answer that a late job was ended is lost", async () => {
  const notAfter = new Date(world.clock.now() + 10 * MINUTE).toISOString();
  const { share } = await holding({ notAfter });
  await world.capacity.leaveSlot(share);
  world.pass(10 * MINUTE);
  const store = storeWith(
    ({ to }) => to === "FAILED",
    "after",
    async () => {
      throw world.table.unavailable("no answer");
    },
  );
  await sweepAt(SHARE, { store });
  expect(await free(ORIGIN)).toBe(1);
});

test("a destination that gets a rate meanwhile has its slot back", async () => {
  const { job, share } = await holding();
  await limit({ maxConcurrency: 1, rateLimitPerSecond: 10 });
  world.pass(15 * SECOND);
  await sweepAfter(share);
  expect(await free(ORIGIN)).toBe(1);
  world.execute(succeeds);
  expect(await container().run(await stored(job))).toBe("succeeded");
});
