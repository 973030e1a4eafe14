import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { ORIGIN, appId, fails, stored, submit, succeeds, world } from "./flow-world.ts";
import { SLOW, allow, container, goesSlowly, holding, letEnd, slow, startShareWorld } from "./share-world.ts";

// Which destinations are slow: their attempts take slots of their app's share.

beforeEach(startShareWorld);
afterEach(async () => world.end());

test("a destination whose attempts run over 5 s is slow from then on, in every container; others are not", async () => {
  await allow(2);
  const [one, other] = [container(), container()];
  goesSlowly(true);
  const running = await holding(await Promise.all([slow(), slow(), slow()]), one);
  await expect.poll(async () => world.destinations.slowUntil({ appId, destination: SLOW })).toBeGreaterThan(0);
  await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 3)).toBe(0);
  goesSlowly(false);
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
  goesSlowly(true);
  const host = async (n: number) => submit(appId, "both", {}, { baseUrl: `https://h${n}.example` });
  const running = await holding(await Promise.all([1, 2, 3, 4, 5, 6].map(host)), { run });
  await expect.poll(async () => world.destinations.slowUntil({ appId, destination: "(app)" })).toBeGreaterThan(0);
  await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 5)).toBe(0);
  goesSlowly(false);
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
  goesSlowly(true);
  await run(await submit());
  goesSlowly(false);
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
    goesSlowly(true);
    running.push(...(await holding([await submit()], { run })));
    await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 3)).toBe(2 - n);
    goesSlowly(false);
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

test("slow attempts at ever new hosts beyond the share, quick ones at others between, make the app slow as a whole", async () => {
  await allow(2);
  const { run } = container();
  const other = container();
  const at = async (host: string) => submit(appId, "both", {}, { baseUrl: `https://${host}.example` });
  const running: Promise<unknown>[] = [];
  for (let n = 0; n < 5; n += 1) {
    for (let quick = 0; quick < 9; quick += 1) expect(await run(await at(`quick${quick}`))).toBe("succeeded");
    goesSlowly(true);
    running.push(...(await holding([await at(`new${n}`)], { run })));
    await expect.poll(async () => world.capacity.freeSlots({ appId, destination: "(slow)" }, 5)).toBe(4 - n);
    goesSlowly(false);
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
  goesSlowly(true);
  const running = await holding([await submit()], { run });
  await expect.poll(async () => world.destinations.slowUntil(ref)).toBeGreaterThan(until);
  await letEnd(running);
});

test("slow attempts make their destination slow where their slots can't be taken", async () => {
  const { capacity } = world;
  const addSlot = async () => {
    throw world.table.unavailable("throttled");
  };
  const { run } = container({ capacity: { ...capacity, addSlot } });
  goesSlowly(true);
  expect(await run(await slow())).toBe("succeeded");
  expect(await world.destinations.slowUntil({ appId, destination: SLOW })).toBeGreaterThan(0);
});
