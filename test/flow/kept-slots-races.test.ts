import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { queueUp } from "../../lib/job/moves.ts";
import { backlogKey } from "../../lib/store/job-keys.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, appId, limit, run, slotFor, stored, submit, world } from "./flow-world.ts";
import { allow, container, holding, letEnd, long, startShareWorld } from "./share-world.ts";

// Slots that are kept for jobs, beside what goes wrong and what others do at the same moment.

beforeEach(startShareWorld);
afterEach(async () => world.end());

const key = (destination = ORIGIN) => ({ pk: `FLOW#${appId}#${destination}`, sk: "SLOTS" });
const taken = async (destination = ORIGIN) => [
  ...(((await world.table.get(key(destination)))?.["slots"] as Set<string> | undefined) ?? []),
];
const sweepIn = async (ms: number, engine = world.engine) => {
  world.pass(ms);
  return engine.sweep(PLENTY);
};
async function waitFor(count: number, make: () => Promise<Job> = async () => submit()): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let n = 0; n < count; n += 1) {
    const job = await make();
    expect(await runAny(job)).toBe("skipped");
    jobs.push(await stored(job));
    world.pass(10);
  }
  return jobs;
}
/** A job that waits for the only slot of its destination, which is free by now. */
async function waitsForFreeSlot(): Promise<Job> {
  await limit({ maxConcurrency: 1 });
  const held = slotFor(HOUR);
  await world.capacity.takeSlot(held, 1, true);
  const [job] = (await waitFor(1)) as [Job];
  expect(job.backlog).toBe(`to ${ORIGIN}`);
  await world.capacity.leaveSlot(held);
  return job;
}
/** Also long ones. */
const runAny = async (job: Job) => container().run(job);

test("a job that is stopped after it was let go, and retried, takes a slot like any other", async () => {
  const job = await waitsForFreeSlot();
  await sweepIn(MINUTE);
  const called = await stored(job);
  expect(called.backlog).toBeUndefined();
  await world.engine.stopJob(job.id, "DEAD");
  // The message comes: nothing starts, and the slot is given back.
  expect(await run(called)).toBe("skipped");
  expect(await taken()).toEqual([]);
  // Another one takes the only slot.
  await world.capacity.markSlots({ appId, destination: ORIGIN }, false);
  const running = await holding([await submit()], container());
  expect(await taken()).toHaveLength(1);
  await world.engine.retryJob(job.id);
  expect(await run(await stored(job))).toBe("skipped");
  await letEnd(running);
});

test("jobs for which there was no room after all are not forgotten by the look", async () => {
  await limit({ maxConcurrency: 2 });
  const held = [slotFor(3 * HOUR), { ...slotFor(3 * HOUR), holder: "other" }];
  for (const slot of held) await world.capacity.takeSlot(slot, 2, true);
  const jobs = await waitFor(2);
  for (let n = 0; n < 40; n += 1) await sweepIn(MINUTE);
  for (const slot of held) await world.capacity.leaveSlot(slot);
  // Between the gate and the look's own writes, others take the slots: such as jobs that a share has let go.
  const others = [0, 1].map((n) => ({ ...slotFor(HOUR), holder: `late ${n}` }));
  let before: Promise<unknown> | undefined;
  const takeSlot: typeof world.capacity.takeSlot = async (...asked) => {
    before ??= Promise.all(others.map(async (slot) => world.capacity.takeSlot(slot, 2, true)));
    await before;
    return world.capacity.takeSlot(...asked);
  };
  const engine = createEngine({ ...world.parts, capacity: { ...world.capacity, takeSlot } });
  await sweepIn(MINUTE, engine);
  expect(await Promise.all(jobs.map(stored))).toMatchObject(jobs.map(() => ({ backlog: `to ${ORIGIN}` })));
  const item = await world.table.get({ pk: backlogKey({ appId, backlog: `to ${ORIGIN}` }), sk: "B" });
  const inMinutes = (Number(item?.["dueAt"]) - world.clock.now()) / MINUTE;
  const isMarked = (await world.table.get(key()))?.["hasBacklog"];
  expect({ isMarked, isLookedAtSoon: inMinutes <= 1.5 }, `next look in ${inMinutes} minutes`).toEqual({
    isMarked: true,
    isLookedAtSoon: true,
  });
});

test("of two that let the same job go, the slower one gives its slot back though the attempt runs already", async () => {
  await limit({ maxConcurrency: 2 });
  const held = [slotFor(HOUR), { ...slotFor(HOUR), holder: "other" }];
  for (const slot of held) await world.capacity.takeSlot(slot, 2, true);
  const [job] = (await waitFor(1)) as [Job];
  for (const slot of held) await world.capacity.leaveSlot(slot);
  let running: Promise<unknown>[] = [];
  let isBefore = true;
  const apply: typeof world.store.apply = async (of, move, ...more) => {
    if (isBefore && move.set.releasedAt !== undefined) {
      isBefore = false;
      // Meanwhile the other one lets it go, and its message is delivered.
      await world.backlogs.wake({ appId, backlog: `to ${ORIGIN}` });
      await world.engine.sweep(PLENTY);
      running = await holding([await stored(job)], container());
    }
    return world.store.apply(of, move, ...more);
  };
  const slow = createEngine({ ...world.parts, store: { ...world.store, apply } });
  await sweepIn(MINUTE, slow);
  expect(running).toHaveLength(1);
  await letEnd(running);
  expect((await stored(job)).status).toBe("SUCCEEDED");
  expect(await taken()).toEqual([]);
});

test("a slot that was kept is given back if the next one can't be taken, for a fault of the table", async () => {
  await allow(5);
  await limit({ maxConcurrency: 1 });
  const held = slotFor(HOUR);
  await world.capacity.takeSlot(held, 1, true);
  const [job] = (await waitFor(1, async () => long())) as [Job];
  expect(job.backlog).toBe(`to ${ORIGIN}`);
  await world.capacity.leaveSlot(held);
  const takeSlot: typeof world.capacity.takeSlot = async (slot, ...asked) => {
    if (slot.destination === ORIGIN) throw world.table.unavailable("down");
    return world.capacity.takeSlot(slot, ...asked);
  };
  const engine = createEngine({ ...world.parts, capacity: { ...world.capacity, takeSlot } });
  await sweepIn(MINUTE, engine);
  expect(await taken("(long)")).toEqual([]);
});

test("jobs that were let go beside one whose slot can't be taken are sent", async () => {
  await limit({ maxConcurrency: 5 });
  const held = [0, 1, 2, 3, 4].map((n) => ({ ...slotFor(HOUR), holder: `h${n}` }));
  for (const slot of held) await world.capacity.takeSlot(slot, 5, true);
  const jobs = await waitFor(5);
  for (const slot of held) await world.capacity.leaveSlot(slot);
  let asked = 0;
  const takeSlot: typeof world.capacity.takeSlot = async (...of) => {
    asked += 1;
    if (asked === 3) throw world.table.unavailable("throttled");
    return world.capacity.takeSlot(...of);
  };
  const sent: string[] = [];
  const sendAttempts: typeof world.queue.sendAttempts = async (departures) => {
    sent.push(...departures.map((it) => it.job.id));
    return world.queue.sendAttempts(departures);
  };
  const engine = createEngine({
    ...world.parts,
    capacity: { ...world.capacity, takeSlot },
    queue: { ...world.queue, sendAttempts },
  });
  await sweepIn(MINUTE, engine);
  await sweepIn(MINUTE, engine);
  const left = (await Promise.all(jobs.map(stored))).filter(({ backlog }) => backlog === undefined);
  const unsent = left.filter(({ id }) => !sent.includes(id));
  expect(unsent, `${(await taken()).length} slots taken`).toEqual([]);
});

test("a lane's job starts though its message comes minutes after it was let go", async () => {
  await limit({ maxConcurrency: 1 });
  const job = await submit(appId, "both", { messageGroupId: "lane" });
  await world.backlogs.announce({ appId, backlog: `to ${ORIGIN}` });
  await world.store.apply(job, queueUp(job, `to ${ORIGIN}`));
  await sweepIn(MINUTE);
  const ref = nextAttempt(await stored(job));
  world.pass(6.5 * MINUTE);
  let result = await world.engine.run({ kind: "stored", ref }, PLENTY);
  for (let tries = 0; typeof result === "object" && tries < 5; tries += 1) {
    world.pass(result.inSeconds * SECOND);
    result = await world.engine.run({ kind: "stored", ref }, PLENTY);
  }
  expect(result).toBe("succeeded");
});

test("a job whose message was lost, and that the sweep has wait for an outage, gives its slots back", async () => {
  const job = await waitsForFreeSlot();
  await sweepIn(MINUTE);
  expect((await stored(job)).backlog).toBeUndefined();
  // Its message is lost. The sweep finds it due when its destination is in an outage.
  const circuit = {
    state: "open",
    since: world.clock.now(),
    failures: [],
    probeAt: world.clock.now() + HOUR,
    lastError: "x",
  };
  await world.destinations.change({ appId, destination: ORIGIN }, () => circuit as never);
  await sweepIn(5 * MINUTE);
  expect((await stored(job)).backlog).toBe(`to ${ORIGIN}`);
  expect(await taken()).toEqual([]);
});

async function longJobsAt(destination: string, count: number, most: number) {
  await allow(20);
  await limit({ destination, maxConcurrency: most });
  const narrow = Array.from({ length: most }, (_, n) => ({ ...slotFor(5 * HOUR, destination), holder: `n${n}` }));
  for (const slot of narrow) await world.capacity.takeSlot(slot, most, true);
  const jobs = await waitFor(count, async () => long(destination));
  expect(new Set(jobs.map(({ backlog }) => backlog))).toEqual(new Set([`to ${destination}`]));
  // The app's share is full elsewhere, for hours.
  for (let n = 0; n < 20; n += 1)
    await world.capacity.takeSlot({ ...slotFor(5 * HOUR, "(long)"), holder: `l${n}` }, 20, true);
  return { jobs, open: async () => Promise.all(narrow.map(async (slot) => world.capacity.leaveSlot(slot))) };
}

test("short jobs behind a hundred long ones that find no room in their share go on", async () => {
  const to = "https://mixed.example";
  const { jobs, open } = await longJobsAt(to, 130, 5);
  const short = await waitFor(3, async () => submit(appId, "both", {}, { baseUrl: to }));
  await open();
  let minutes = 0;
  for (; minutes < 40; minutes += 1) {
    await sweepIn(MINUTE);
    // Messages come.
    for (const job of [...(await Promise.all(jobs.map(stored))), ...(await Promise.all(short.map(stored)))])
      if (job.backlog === undefined && job.status === "PENDING") await runAny(job);
    if ((await Promise.all(short.map(stored))).some(({ status }) => status === "SUCCEEDED")) break;
  }
  expect(minutes).toBeLessThan(3);
});

test("long jobs that wait at their destination come to wait for their share by their age, before younger ones", async () => {
  const to = "https://mixed.example";
  const { jobs, open } = await longJobsAt(to, 12, 5);
  const younger = await waitFor(5, async () => long("https://other.example"));
  expect(new Set(younger.map(({ backlog }) => backlog))).toEqual(new Set(["to (long)"]));
  await open();
  let minutes = 0;
  for (; minutes < 15; minutes += 1) {
    const all = await Promise.all(jobs.map(stored));
    if (all.every(({ backlog }) => backlog === "to (long)")) break;
    await sweepIn(MINUTE);
    for (const job of await Promise.all(jobs.map(stored))) if (job.backlog === undefined) await runAny(job);
  }
  expect(minutes).toBeLessThanOrEqual(4);
});

test("jobs of a lane that wait behind each other hold no slots meanwhile", async () => {
  await limit({ maxConcurrency: 4 });
  const lane: Job[] = [];
  for (let n = 0; n < 4; n += 1) {
    const job = await submit(appId, "both", { messageGroupId: "lane" });
    await world.store.apply(job, queueUp(job, `to ${ORIGIN}`));
    lane.push(await stored(job));
    world.pass(10);
  }
  await world.backlogs.announce({ appId, backlog: `to ${ORIGIN}` });
  await sweepIn(MINUTE);
  for (const job of lane) expect(await stored(job)).not.toHaveProperty("slots");
  expect(await taken()).toEqual([]);
});

test("a slot is given back when its job could not be written", async () => {
  const job = await waitsForFreeSlot();
  const apply: typeof world.store.apply = async (of, move, ...more) => {
    if (move.set.releasedAt !== undefined) throw world.table.unavailable("down");
    return world.store.apply(of, move, ...more);
  };
  await sweepIn(MINUTE, createEngine({ ...world.parts, store: { ...world.store, apply } }));
  expect((await stored(job)).backlog).toBe(`to ${ORIGIN}`);
  expect(await taken()).toEqual([]);
});
