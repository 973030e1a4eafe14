import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { GivenParts } from "../../lib/engine/engine-parts.ts";
import type { Executor } from "../../lib/executors/executor.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { DEFAULT_SETTINGS } from "../../lib/store/app-settings.ts";
import { createWorld, request, type World } from "../support/world.ts";

// The order in which an app's tasks start, step by step. test/flow/task-slots.test.ts tests it under load.

let world: World;
let appId: string;
const AMPLE = () => 15 * MINUTE;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
  appId = randomUUID();
  await setSlots(1);
});
afterEach(async () => world.end());

async function setSlots(maxConcurrentTasks: number, paused = false): Promise<void> {
  const before = await world.apps.read(appId);
  await world.apps.change(before, appId, { ...DEFAULT_SETTINGS, maxConcurrentTasks, paused }, "me");
}

async function submit(priority = 0, jobType = "example"): Promise<Job> {
  const payload = jobType === "example" ? { words: ["one"] } : { action: "cancel", filter: { status: "PENDING" } };
  const message = { execution: { type: "task", jobType, payload, priority }, metadata: {} };
  const submitted = await world.engine.submit({ appId, userId: "ann", mode: "both", message });
  if (submitted.kind === "sent") throw new Error("A task is always stored");
  // Of two tasks of one millisecond, neither is the older one.
  world.pass(1);
  return submitted.job;
}

/** What a look finds before the others have come. */
const NOBODY = { taken: 0, first: [], called: new Set<string>() };
const LIVES = { from: ["RUNNING"], to: "RUNNING", when: [], remove: [] } as const;
const run = async (job: Job) => world.engine.run({ kind: "stored", ref: nextAttempt(job) }, AMPLE);
const now = async ({ id }: Job) => (await world.store.get(id)) as Job;

/** Receives from the tasks queue, and returns the ids of its jobs. */
async function called(): Promise<string[]> {
  const records = await world.receive("tasks");
  return records.map(({ body }) => (JSON.parse(body) as { attempt: { id: string } }).attempt.id);
}

/** Runs a job until `end` is called. */
async function start(job: Job): Promise<() => Promise<void>> {
  const started = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  world.execute(async () => {
    started.resolve();
    await end.promise;
    return { kind: "succeeded" };
  });
  const ran = run(job);
  await started.promise;
  world.execute(async () => ({ kind: "succeeded" }));
  return async () => {
    end.resolve();
    await ran;
  };
}

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

test("a task is called within minutes though its call was lost, however long it has waited", async () => {
  const [first, second] = [await submit(), await submit()];
  await called();
  const end = await start(first);
  await run(second);
  const minutes = async (count: number) => {
    for (let minute = 0; minute < count; minute += 1) {
      world.pass(MINUTE);
      // The first task's worker lives.
      const lease = { leaseUntil: world.clock.now() + HOUR, dueAt: world.clock.now() + HOUR };
      await world.store.apply(nextAttempt(first), { ...LIVES, set: lease });
      await world.engine.sweep(AMPLE);
    }
  };
  await minutes(22);
  expect(await called()).toEqual([]);
  await end();
  expect(await called()).toEqual([second.id]);
  await minutes(5);
  expect(await called()).toContain(second.id);
});

test("a task whose message lies in its queue is called again after 5, 10, 20 … minutes", async () => {
  const [first, second] = [await submit(), await submit()];
  const end = await start(first);
  await run(second);
  await end();
  await called();
  const at: number[] = [];
  for (let minute = 0; minute < 45; minute += 1) {
    await world.engine.sweep(AMPLE);
    if ((await called()).length > 0) at.push(minute);
    world.pass(MINUTE);
  }
  // A sweep looks up to a minute ahead.
  const gaps = at.slice(1).map((minute, n) => minute - (at[n] ?? 0));
  expect(gaps.length).toBeGreaterThanOrEqual(3);
  expect(gaps[0]).toBeLessThanOrEqual(5);
  for (const [n, gap] of gaps.slice(2).entries()) expect(gap).toBeGreaterThan(1.5 * (gaps[n + 1] ?? 0));
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

test("a task with a higher priority starts before those that wait", async () => {
  const [first, second] = [await submit(), await submit()];
  await called();
  const end = await start(first);
  await run(second);
  await end();
  expect(await run(await submit(7))).toBe("succeeded");
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
