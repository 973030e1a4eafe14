import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE } from "../../lib/clock.ts";
import { DEFAULT_SHARES } from "../../lib/flow/shares.ts";
import { PLENTY } from "../support/world.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";
import { ORIGIN, allGo, appId, limit, slotFor, stored, submit, succeeds, world } from "./flow-world.ts";
import {
  SLOW,
  allow,
  container,
  goesSlowly,
  holding,
  letEnd,
  letLastEnd,
  long,
  shut,
  slow,
  startShareWorld,
} from "./share-world.ts";

// An app's shares of the queues: its attempts that take long leave most of the executions to others.

beforeEach(startShareWorld);
afterEach(async () => world.end());

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

test("a slot of a share that a job could not use at its destination goes to the next that waits for it", async () => {
  await allow(1);
  const full = "https://full.example";
  await limit({ destination: full, maxConcurrency: 1 });
  const elsewhere = slotFor(HOUR, full);
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

test("a job that waited for a share goes behind those that wait for its destination already", async () => {
  await allow(1);
  const narrow = "https://narrow.example";
  await limit({ destination: narrow, maxConcurrency: 1 });
  const held = slotFor(HOUR, narrow);
  await world.capacity.takeSlot(held, 1, true);
  const { run } = container();
  const running = await holding([await long()], { run });
  const [older, waiting] = [await submit(undefined, "both", {}, { baseUrl: narrow }), await long(narrow)];
  for (const job of [waiting, older]) expect(await run(job)).toBe("skipped");
  expect([await stored(older), await stored(waiting)]).toMatchObject([
    { backlog: `to ${narrow}` },
    { backlog: "to (long)" },
  ]);
  await world.capacity.leaveSlot(held);
  await letEnd(running);
  await expect.poll(async () => (await stored(waiting)).backlog).toBe(`to ${narrow}`);
});

test("short jobs go on at a destination though a long one before them finds no room in its share", async () => {
  await allow(2);
  const mixed = "https://mixed.example";
  await limit({ destination: mixed, maxConcurrency: 1 });
  const { run } = container();
  const short = async () => submit(appId, "both", {}, { baseUrl: mixed });
  const elsewhere = await holding([await long("https://x.example"), await long("https://y.example")], { run });
  const [running] = await holding([await short()], { run });
  const jobs = [await long(mixed), await short(), await short()];
  for (const job of jobs) expect(await run(job)).toBe("skipped");
  letLastEnd();
  await running;
  world.execute(succeeds);
  const gone = async () => (await Promise.all(jobs.map(stored))).find(({ backlog }) => backlog === undefined);
  for (let called = await gone(); called?.status === "PENDING"; called = await gone()) await run(called);
  expect((await Promise.all(jobs.map(stored))).map(({ status }) => status)).toContain("SUCCEEDED");
  await letEnd(elsewhere);
});

test("a job that has waited for its share, and is tried again after its end, passes nobody at its destination", async () => {
  await allow(1);
  const narrow = "https://narrow.example";
  await limit({ destination: narrow, maxConcurrency: 1 });
  const held = slotFor(HOUR, narrow);
  await world.capacity.takeSlot(held, 1, true);
  const { run } = container();
  const job = await long(narrow);
  expect(await run(job)).toBe("skipped");
  const elsewhere = await holding([await long()], { run });
  await world.capacity.leaveSlot(held);
  world.pass(MINUTE);
  await world.engine.sweep(PLENTY);
  expect(await run(await stored(job))).toBe("skipped");
  expect(await stored(job)).toMatchObject({ backlog: "to (long)", turn: { step: 0 } });
  await world.engine.stopJob(job.id, "DEAD");
  await world.engine.retryJob(job.id);
  const again = await stored(job);
  expect([again.status, again.turn, again.waitsSince]).toEqual(["PENDING", undefined, undefined]);
  await letEnd(elsewhere);
});

test("attempts over a minute leave the short ones of their destination as they are", async () => {
  const { run } = container();
  goesSlowly(true);
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
  await allGo(waiting, "succeeded", run);
});

test("a job that waited for a share and finds its destination in an outage calls the next one", async () => {
  await allow(1);
  const { run } = container();
  const running = await holding([await long(ORIGIN)], { run });
  const waiting = [await long(SLOW), await long(SLOW), await long(SLOW)];
  for (const job of waiting) expect(await run(job)).toBe("skipped");
  await shut(world.clock.now() + HOUR);
  await letEnd(running);
  await allGo(waiting, "skipped", run);
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

test("a job that finds its destination full has held no slot of its app's share, and one that finds the share full none of its destination", async () => {
  const narrow = "https://narrow.example";
  const asked: string[] = [];
  const { capacity } = world;
  const takeSlot: typeof capacity.takeSlot = async (slot, ...rest) => {
    asked.push(slot.destination);
    return capacity.takeSlot(slot, ...rest);
  };
  const { run } = container({ capacity: { ...capacity, takeSlot } });
  await limit({ destination: narrow, maxConcurrency: 2 });
  await allow(3);
  const running = await holding([await long(narrow), await long(narrow)], { run });
  expect(asked.splice(0).toSorted()).toEqual(["(long)", "(long)", narrow, narrow].toSorted());
  expect(await run(await long(narrow))).toBe("skipped");
  expect(asked.splice(0)).toEqual([narrow]);
  await allow(1);
  expect(await run(await long(narrow))).toBe("skipped");
  expect(asked).toEqual(["(long)"]);
  await letEnd(running);
});

test("a slot of a share is given back when the destination's can't be taken", async () => {
  await limit({ destination: ORIGIN, maxConcurrency: 1 });
  const { capacity } = world;
  const takeSlot: typeof capacity.takeSlot = async (slot, ...rest) => {
    if (slot.destination === ORIGIN) throw world.table.unavailable("throttled");
    return capacity.takeSlot(slot, ...rest);
  };
  const { run } = container({ capacity: { ...capacity, takeSlot } });
  await expect(run(await long())).rejects.toThrow();
  expect(await capacity.freeSlots({ appId, destination: "(long)" }, 1)).toBe(1);
});

test("the shares are a fifth of what serverless.yml gives the functions of the queues", () => {
  const queues = readTemplate(ROOT).functions.flatMap((each) => each.queues);
  const most = (queue: string) => queues.find(({ resource }) => resource === queue)?.maximumConcurrency;
  expect(most("JobsFairQueue")).toBe(5 * DEFAULT_SHARES["(slow)"]);
  expect(most("JobsTasksQueue")).toBe(5 * DEFAULT_SHARES["(long)"]);
});
