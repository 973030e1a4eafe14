import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { GivenParts } from "../../lib/engine/engine-parts.ts";
import type { Executor } from "../../lib/executors/executor.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { request } from "../support/world.ts";
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

// The order in which an app's tasks start, step by step. test/flow/task-slots.test.ts tests it under load, and
// test/flow/task-calls.test.ts when they are called again.

beforeEach(async () => startTaskWorld());
afterEach(async () => world.end());

/** What a look finds before the others have come. */
const NOBODY = { taken: 0, holders: new Set<string>(), first: [], since: new Map<string, number>(), calls: new Map() };

test("a task that finds its app's slots taken waits, and is called when one is given back", async () => {
  const [first, second] = [await submit(), await submit()];
  await called();
  const end = await start(first);
  world.pass(3 * MINUTE);
  expect(await run(second)).toBe("skipped");
  const waiting = await now(second);
  expect(waiting.status).toBe("PENDING");
  expect(waiting.backlog).toBe("slot");
  expect(await called()).toEqual([]);
  await end();
  expect(await called()).toEqual([second.id]);
  expect(await run(second)).toBe("succeeded");
  expect((await world.slots.look(appId, 5)).first).toEqual([]);
});

test("a slot that was given back before a task stood in the line calls it all the same", async () => {
  const [first, second] = [await submit(), await submit()];
  await called();
  const end = await start(first);
  const { slots } = world.parts;
  const enter: typeof slots.enter = async (...args) => {
    await end();
    return slots.enter(...args);
  };
  const engine = createEngine({ ...world.parts, slots: { ...slots, enter } });
  await engine.run({ kind: "stored", ref: nextAttempt(second) }, AMPLE);
  expect(await called()).toEqual([second.id]);
});

test("a task that comes into line does not call those before it again", async () => {
  const [first, second, third] = [await submit(), await submit(), await submit()];
  await called();
  const end = await start(first);
  await run(second);
  await end();
  expect(await called()).toEqual([second.id]);
  expect(await run(third)).toBe("skipped");
  expect(await called()).toEqual([]);
  expect(await run(second)).toBe("succeeded");
  expect(await called()).toEqual([third.id]);
});

test("tasks that end at the same moment call each of those that wait once", async () => {
  await setSlots(3);
  const jobs: Job[] = [];
  for (let n = 0; n < 6; n += 1) jobs.push(await submit());
  await called();
  const ends = [await start(jobs[0]!), await start(jobs[1]!), await start(jobs[2]!)];
  const waiting = jobs.slice(3);
  for (const job of waiting) expect(await run(job)).toBe("skipped");
  await Promise.all(ends.map(async (end) => end()));
  expect((await called()).toSorted()).toEqual(waiting.map(({ id }) => id).toSorted());
  for (const job of waiting) expect(await run(job)).toBe("succeeded");
});

test("a task that comes just before its time by another clock, and finds no slot, waits in line and is not sent again", async () => {
  const [first, second] = [await submit(), await submit()];
  await called();
  const end = await start(first);
  const behind = { ...world.clock, now: () => world.clock.now() - 500 };
  const engine = createEngine({ ...world.parts, clock: behind, slots: { ...world.slots, look: async () => NOBODY } });
  await engine.run({ kind: "stored", ref: nextAttempt(second) }, AMPLE);
  expect(await called()).toEqual([]);
  await end();
});

test("who comes later with the same priority waits behind who waits, though a slot is free", async () => {
  const [first, second, third] = [await submit(), await submit(), await submit()];
  await called();
  const end = await start(first);
  await run(second);
  await end();
  expect(await run(third)).toBe("skipped");
  expect((await now(third)).status).toBe("PENDING");
  expect(await run(second)).toBe("succeeded");
});

test("a slot for which a task was called is kept for it, and who comes meanwhile is called next", async () => {
  const [first, second] = [await submit(), await submit()];
  const end = await start(first);
  await run(second);
  await called();
  await end();
  expect(await called()).toEqual([second.id]);
  world.pass(2 * SECOND);
  const higher = await submit(7);
  expect(await run(higher)).toBe("skipped");
  await called();
  expect(await run(second)).toBe("succeeded");
  expect(await called()).toEqual([higher.id]);
  expect(await run(higher)).toBe("succeeded");
});

test("a task that is called again goes before one of a worse rank that is called for the first time", async () => {
  const [first, second, third] = [await submit(), await submit(), await submit()];
  const end = await start(first);
  for (const job of [second, third]) await run(job);
  await called();
  await end();
  // Its message is lost, and another task takes the slot.
  expect(await called()).toEqual([second.id]);
  await minutes(1);
  const higher = await submit(7);
  await start(higher);
  await minutes(5, [higher]);
  await called();
  await setSlots(3);
  world.pass(15 * SECOND);
  await live(higher);
  await world.backlogs.wake({ appId, backlog: "slot" });
  await world.engine.sweep(AMPLE);
  expect((await called()).toSorted()).toEqual([second.id, third.id].toSorted());
  await setSlots(2);
  world.pass(15 * SECOND);
  expect(await run(third)).toBe("skipped");
  expect(await run(second)).toBe("succeeded");
});

test("a task with a higher priority starts before one that was called a minute ago and has not come", async () => {
  const [first, second] = [await submit(), await submit()];
  const end = await start(first);
  await run(second);
  await end();
  world.pass(MINUTE);
  expect(await run(await submit(7))).toBe("succeeded");
});

test("two tasks that were called start at the same moment", async () => {
  await setSlots(2);
  const [first, second, third, fourth] = [await submit(), await submit(), await submit(), await submit()];
  const ends = [await start(first), await start(second)];
  for (const job of [third, fourth]) await run(job);
  for (const end of ends) await end();
  let isFirst = true;
  const look: typeof world.slots.look = async (...asked) => {
    const seen = await world.slots.look(...asked);
    if (isFirst) ends.push(await start(third));
    isFirst = false;
    return seen;
  };
  const engine = createEngine({ ...world.parts, slots: { ...world.slots, look } });
  expect(await run(fourth, engine)).toBe("succeeded");
  await ends.at(-1)?.();
});

test("an end that sees a task in line which starts at this moment calls no other for its slot", async () => {
  await setSlots(2);
  const jobs: Job[] = [];
  for (let n = 0; n < 5; n += 1) jobs.push(await submit());
  const [first, second, third, fourth, fifth] = jobs as [Job, Job, Job, Job, Job];
  let isEnding = false;
  const look: typeof world.slots.look = async (...asked) => {
    const seen = await world.slots.look(...asked);
    if (isEnding) ends.push(await start(third));
    isEnding = false;
    return seen;
  };
  const ends = [
    await start(first),
    await start(second, createEngine({ ...world.parts, slots: { ...world.slots, look } })),
  ];
  for (const job of [third, fourth, fifth]) await run(job);
  await ends[0]?.();
  await called();
  isEnding = true;
  await ends[1]?.();
  expect(await called()).toEqual([fourth.id]);
  await ends[2]?.();
});

test("tasks of a paused app wait, and a bulk action starts all the same, without a slot of theirs", async () => {
  const first = await submit();
  const end = await start(first);
  const bulk = await submit(0, "bulk_action");
  expect(await run(bulk)).toBe("succeeded");
  await end();
  await setSlots(1, true);
  const second = await submit();
  expect(await run(second)).toBe("skipped");
  expect((await now(second)).status).toBe("PENDING");
  expect(await run(await submit(0, "bulk_action"))).toBe("succeeded");
});

test("a job whose key stands for another one leaves that one's attempts alone when its message comes again", async () => {
  const stored = await world.submit("db", { idempotencyKey: "k" });
  const carried = { ...request("sqs", { idempotencyKey: "k" }), appId: stored.appId };
  await world.engine.submit(carried);
  const [record] = await world.receive("main");
  if (!record) throw new Error("The job was not sent");
  const again = { ...record, attributes: { ...record.attributes, ApproximateReceiveCount: "2" } };
  await world.engine.runBatch([again], AMPLE);
  expect((await world.store.history(stored.id))?.recorded.size).toBe(0);
});

test("what may start in a quarter of an hour travels in the queue, and what may start later does not", async () => {
  const at = world.clock.now();
  const engine = createEngine({ ...world.parts, clock: { ...world.clock, now: () => at } });
  await engine.submit({ ...request("both"), startAt: at + 15 * MINUTE });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });
  await engine.submit({ ...request("both"), startAt: at + 15 * MINUTE + 1 });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });
});

/** A quick job, on an engine whose executor is `execute`. */
function quick(execute: Executor["execute"], id = randomUUID(), parts: Partial<GivenParts> = {}) {
  const execution = { type: "task", jobType: "example", payload: {}, priority: 0 };
  const message = { execution: { ...execution, payload: { words: ["not stored"] } }, metadata: {} };
  const stored = { execution, metadata: {} };
  const executorOf = () => ({ ...world.parts.executorOf({ executionType: "task" }), execute });
  const engine = createEngine({ ...world.parts, executorOf, ...parts });
  const asked = { appId, userId: "ann", mode: "db", message: stored } as const;
  return engine.runAtOnce({ request: asked, id, timeoutMs: MINUTE, message });
}

test("a quick job runs at once, beside its app's slots, and once", async () => {
  const end = await start(await submit());
  const id = randomUUID();
  const seen: unknown[] = [];
  const succeed: Executor["execute"] = async ({ message }) => {
    seen.push(message.execution["payload"]);
    return { kind: "succeeded", result: "{}", file: Buffer.from("for the caller") };
  };
  const ran = await quick(succeed, id);
  expect(ran).toMatchObject({ isNew: true, outcome: { kind: "succeeded", file: Buffer.from("for the caller") } });
  expect(seen).toEqual([{ words: ["not stored"] }]);
  expect((await world.store.message(ran.job)).execution["payload"]).toEqual({});
  const stored = await now(ran.job);
  expect(stored).toMatchObject({ status: "SUCCEEDED", attempts: 1, maxRetries: 0, quick: true });
  expect(stored.success).not.toHaveProperty("file");
  const again = await quick(succeed, id);
  expect([again.isNew, again.job.id, seen.length]).toEqual([false, id, 1]);
  expect((await world.slots.look(appId, 5)).taken).toBe(1);
  await end();
  expect((await world.slots.look(appId, 5)).taken).toBe(0);
});

test("a quick job that fails, or whose process dies, ends with its one attempt and can't be run again", async () => {
  const failing = await quick(async () => {
    throw new Error("broken");
  });
  expect(await now(failing.job)).toMatchObject({ status: "DEAD", attempts: 1 });
  await expect(world.engine.retryJob(failing.job.id)).rejects.toThrow("post it again");

  const id = randomUUID();
  const started = Promise.withResolvers<void>();
  const { store } = world.parts;
  // A dead process writes no end, and does not extend its lease.
  const dead = { store: { ...store, apply: async () => new Promise<never>(() => {}) } };
  const hang: Executor["execute"] = () => {
    started.resolve();
    return new Promise(() => {});
  };
  void quick(hang, id, dead);
  await started.promise;
  world.pass(2 * MINUTE);
  await world.engine.sweep(AMPLE);
  expect(await world.store.get(id)).toMatchObject({ status: "DEAD", lastError: expect.stringContaining("lost") });
});
