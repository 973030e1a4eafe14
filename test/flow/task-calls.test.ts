import { afterEach, beforeEach, expect, test } from "vitest";
import { SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { Job } from "../../lib/job/job.ts";
import { createBacklogs } from "../../lib/store/backlogs.ts";
import {
  AMPLE,
  appId,
  called,
  live,
  minutes,
  now,
  run,
  setSlots,
  start,
  startTaskWorld,
  submit,
  world,
} from "./task-world.ts";

// How the sweep calls the tasks in line: those that were never called soon, and the others ever less often.

beforeEach(async () => startTaskWorld());
afterEach(async () => world.end());

/** The minutes until a sweep sends a task, while others run. */
async function minutesUntil({ id }: Job, running: readonly Job[] = [], engine = world.engine): Promise<number> {
  for (let minute = 1; minute <= 60; minute += 1) {
    await minutes(1, running, engine);
    if ((await called()).includes(id)) return minute;
  }
  return Infinity;
}

/** An engine whose process dies when it has given back a slot: before it calls the next task, or before it sends its message. */
function dying(before: "call" | "send") {
  const never = async () => new Promise<never>(() => {});
  return createEngine({
    ...world.parts,
    slots: before === "call" ? { ...world.slots, call: never } : world.slots,
    queue: before === "send" ? { ...world.queue, sendAttempts: never } : world.queue,
  });
}

const isCalled = async () => (await world.slots.look(appId, 5)).calls.size > 0;
const isSlotFree = async () => (await world.slots.look(appId, 5)).taken === 0;

test("a task is called within two minutes though nobody called it as a slot was given back", async () => {
  const [first, second] = [await submit(), await submit()];
  const end = await start(first, dying("call"));
  await run(second);
  await called();
  await minutes(22, [first]);
  expect(await called()).toEqual([]);
  void end();
  await expect.poll(isSlotFree).toBe(true);
  expect(await isCalled()).toBe(false);
  expect(await minutesUntil(second)).toBeLessThanOrEqual(2);
});

test("a task whose message was lost, or never sent, is called again after five minutes", async () => {
  for (const before of ["send", undefined] as const) {
    const [first, second] = [await submit(), await submit()];
    const end = await start(first, before && dying(before));
    await run(second);
    await minutes(22, [first]);
    await called();
    void end();
    await expect.poll(isCalled).toBe(true);
    if (before === undefined) await expect.poll(called).toEqual([second.id]);
    const after = await minutesUntil(second);
    expect(after).toBeGreaterThanOrEqual(4);
    expect(after).toBeLessThanOrEqual(6);
    await run(second);
  }
});

test("a task whose message lies in its queue is called again after 5, 10, 20 … minutes, though others come all the time", async () => {
  const [first, second] = [await submit(), await submit()];
  const end = await start(first);
  await run(second);
  await end();
  await called();
  const at: number[] = [];
  for (let minute = 1; minute <= 45; minute += 1) {
    expect(await run(await submit())).toBe("skipped");
    await called();
    await minutes(1);
    if ((await called()).includes(second.id)) at.push(minute);
  }
  expect(at).toEqual([5, 10, 20, 40]);
});

test("a task is called though the one before it has lain in its queue for hours", async () => {
  await setSlots(2);
  const [other, runs, first, second] = [await submit(), await submit(), await submit(), await submit()];
  const endOther = await start(other);
  const end = await start(runs, dying("call"));
  await run(first);
  await run(second);
  await endOther();
  await minutes(170, [runs]);
  await called();
  void end();
  await expect.poll(isSlotFree).toBe(true);
  expect(await minutesUntil(second)).toBeLessThanOrEqual(2);
});

test("slots that an app gets are used within two minutes, also if a sweep does not know of them yet", async () => {
  const [first, second] = [await submit(), await submit()];
  await start(first);
  await run(second);
  await called();
  const before = await world.apps.settingsOf(appId);
  let isKnown = false;
  const known = async (id: string) => (isKnown ? world.apps.settingsOf(id) : before);
  const settingsOf = Object.assign(known, world.apps.settingsOf);
  const sweeper = createEngine({ ...world.parts, apps: { ...world.apps, settingsOf } });
  await setSlots(2);
  await world.backlogs.wake({ appId, backlog: "slot" });
  await minutes(1, [first], sweeper);
  expect(await called()).toEqual([]);
  isKnown = true;
  expect(await minutesUntil(second, [first], sweeper)).toBe(1);
});

test("a line costs a write a minute, and three in five once all in it were called", async () => {
  let writes = 0;
  const update: typeof world.table.update = async (...asked) => {
    writes += 1;
    return world.table.update(...asked);
  };
  const backlogs = createBacklogs({ table: { ...world.table, update }, clock: world.clock });
  const sweeper = createEngine({ ...world.parts, backlogs });
  const writesIn = async (count: number, running: readonly Job[] = []) => {
    writes = 0;
    await minutes(count, running, sweeper);
    return writes;
  };
  const [first, second] = [await submit(), await submit()];
  const end = await start(first);
  await run(second);
  expect(await writesIn(60, [first])).toBe(60);
  await end();
  // The sweep of the minute before finds it, too.
  expect(await writesIn(60)).toBeLessThanOrEqual(3 * 13);
});

test("a task that comes while another one lies in its queue is called within two minutes", async () => {
  await setSlots(2);
  const [first, second] = [await submit(), await submit()];
  const end = await start(first);
  await start(second);
  const third = await submit();
  await run(third);
  await end();
  expect(await called()).toContain(third.id);
  // All in line have been called. A process may rely on having announced the line, so it is looked at in a minute again.
  world.pass(SECOND);
  await live(second);
  await world.engine.sweep(AMPLE);
  await called();
  const higher = await submit(7);
  expect(await run(higher)).toBe("skipped");
  expect(await minutesUntil(higher, [second])).toBeLessThanOrEqual(2);
});

test.each([0, 45])(
  "a task whose message comes while its app is paused is called once it is resumed: after %i minutes in the queue",
  async (inQueue) => {
    const [first, second, third] = [await submit(), await submit(), await submit()];
    const end = await start(first);
    for (const job of [second, third]) expect(await run(job)).toBe("skipped");
    await called();
    await end();
    await minutes(inQueue);
    const messages = (await called()).filter((id) => id === second.id);
    expect(messages).not.toEqual([]);
    await setSlots(1, true);
    world.pass(15 * SECOND);
    for (const _ of messages) expect(await run(await now(second))).toBe("skipped");
    await setSlots(1, false);
    world.pass(15 * SECOND);
    for (const backlog of ["app", "slot"] as const) await world.backlogs.wake({ appId, backlog });
    await world.engine.sweep(AMPLE);
    expect(await called()).toContain(second.id);
  },
);
