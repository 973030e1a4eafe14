import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { becomeDue, claim } from "../../lib/job/moves.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { PLENTY, request } from "../support/world.ts";
import {
  ORIGIN,
  appId,
  fails,
  limit,
  run,
  slotFor,
  startFlowWorld,
  stored,
  submit,
  succeeds,
  world,
} from "./flow-world.ts";

// The limits of a destination: attempts per second, and attempts at once.

beforeEach(async () => startFlowWorld());
afterEach(async () => world.end());

test("a rate spaces attempts out: whose turn is later travels as a delayed message that keeps its turn", async () => {
  await limit({ rateLimitPerSecond: 0.5 });
  const jobs = await Promise.all(Array.from({ length: 4 }, async () => submit()));
  for (const job of jobs) await run(job);
  const after = await Promise.all(jobs.map(stored));
  const [first, ...rest] = after.toSorted((a, b) => (a.turn?.at ?? 0) - (b.turn?.at ?? 0));
  expect(first).toMatchObject({ status: "SUCCEEDED" });
  const turns = rest.map(({ turn }) => turn?.at ?? 0);
  expect([turns[1]! - turns[0]!, turns[2]! - turns[1]!]).toEqual([2 * SECOND, 2 * SECOND]);
  expect(rest.map(({ startAt }) => startAt)).toEqual(turns);
  expect((await world.depth("fair")).delayed).toBe(3);

  // Each message arrives at its job's turn, and the job takes no other turn.
  world.pass(7 * SECOND);
  for (const job of rest) expect(await run(job)).toBe("succeeded");
  expect(world.ran).toHaveLength(4);
});

test("a message of an attempt that has started already puts nothing off", async () => {
  await limit({ rateLimitPerSecond: 0.5 });
  const job = await submit();
  const now = world.clock.now();
  await world.store.apply(job, claim(nextAttempt(job), now, now + MINUTE));
  await run(await submit());
  const before = await stored(job);
  expect(await run(job)).toBe("skipped");
  expect(await stored(job)).toEqual(before);
});

test("a job of mode sqs whose turn is later is stored, and its message comes at its turn", async () => {
  await limit({ rateLimitPerSecond: 0.5 });
  await run(await submit());
  world.ran.length = 0;
  const before = await world.depth("fair");
  const carried = async (idempotencyKey: string) => {
    await world.engine.submit({ ...request("sqs", { idempotencyKey }, { appId }) });
    const records = await world.receive("main");
    expect(await world.engine.runBatch(records, PLENTY)).toEqual({ batchItemFailures: [] });
    await world.queue.remove(records);
    return JSON.parse(records[0]?.body ?? "{}").job as Job;
  };
  const job = await stored(await carried("k"));
  expect(world.ran).toHaveLength(0);
  expect(job).toMatchObject({ status: "PENDING", attempts: 0, startAt: job.turn?.at });
  expect(await world.depth("fair")).toEqual({ ...before, delayed: before.delayed + 1 });

  // A job that is already stored has its own message.
  const stands = await submit(appId, "db", { idempotencyKey: "l" });
  await carried("l");
  expect((await stored(stands)).turn).toBeUndefined();
  expect(await world.depth("fair")).toEqual({ ...before, delayed: before.delayed + 1 });
});

/** Delivers the messages of three jobs of a lane, which run in their order. */
async function expectLaneInOrder(): Promise<void> {
  const asked: string[] = [];
  for (let n = 0; n < 3; n += 1) asked.push((await submit(appId, "both", { messageGroupId: "customer" })).id);
  while (world.ran.length < 3 && world.ran.every(({ jobId }, at) => jobId === asked[at])) {
    const records = await world.receive("main");
    const { batchItemFailures } = await world.engine.runBatch(records, PLENTY);
    const again = batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
    await world.queue.remove(records.filter(({ messageId }) => !again.includes(messageId)));
  }
  expect(world.ran.map(({ jobId }) => jobId)).toEqual(asked);
}

test("a lane keeps its order where a rate makes it wait: its message stays in the queue", async () => {
  await limit({ rateLimitPerSecond: 0.5 });
  await expectLaneInOrder();
});

test("a lane keeps its order if its first job is changed while it is put off", async () => {
  await limit({ rateLimitPerSecond: 0.5 });
  const { apply } = world.store;
  let changed = 0;
  world.store.apply = async (of, move) => {
    if (changed === 0 && move.set.startAt !== undefined) {
      const job = await stored(of as Job);
      changed = (await apply(job, becomeDue(job, (job.dueAt ?? 0) + MINUTE))).won ? 1 : 2;
    }
    return apply(of, move);
  };
  await expectLaneInOrder();
  expect(changed).toBe(1);
});

test("no more attempts run at once than a destination takes, and a place is given back however they end", async () => {
  await limit({ maxConcurrency: 2 });
  const jobs = await Promise.all(Array.from({ length: 6 }, async () => submit()));
  let running = 0;
  let most = 0;
  const ends: (() => void)[] = [];
  world.execute(async () => {
    most = Math.max(most, (running += 1));
    await new Promise<void>((end) => ends.push(end));
    running -= 1;
    return fails(500)();
  });
  const first = jobs.slice(0, 2).map(run);
  while (ends.length < 2) await new Promise(setImmediate);
  for (const job of jobs.slice(2)) expect(await run(job)).toBe("skipped");
  const waiting = await Promise.all(jobs.slice(2).map(stored));
  expect(waiting).toMatchObject(waiting.map(() => ({ status: "PENDING", attempts: 0, backlog: `to ${ORIGIN}` })));
  for (const end of ends) end();
  await Promise.all(first);
  world.execute(succeeds);
  // Each attempt that ends calls another.
  const called = async () => (await Promise.all(jobs.slice(2).map(stored))).filter(({ turn }) => turn !== undefined);
  expect(await called()).toHaveLength(2);
  for (let next = await called(); next.length > 0; next = await called()) {
    for (const job of next) expect(await run(job)).toBe("succeeded");
  }
  expect(await Promise.all(jobs.slice(2).map(stored))).toMatchObject(waiting.map(() => ({ status: "SUCCEEDED" })));
  expect(most).toBe(2);
});

test("a new job takes no slot before those that wait, and is next when none does", async () => {
  await limit({ maxConcurrency: 1 });
  const slot = slotFor(HOUR);
  await world.capacity.takeSlot(slot, 1, true);
  const waits = await submit();
  expect(await run(waits)).toBe("skipped");
  // Given back by a process that died before it called the next.
  await world.capacity.leaveSlot(slot, SECOND);
  const newcomer = await submit();
  expect(await run(newcomer)).toBe("skipped");
  await world.engine.sweep(PLENTY);
  expect(await run(await stored(waits))).toBe("succeeded");
  expect(await run(await stored(newcomer))).toBe("succeeded");
  expect(await run(await submit())).toBe("succeeded");
});

test("a slot that was given back while a job went to wait is taken by that job", async () => {
  await limit({ maxConcurrency: 1 });
  const slot = slotFor(HOUR);
  await world.capacity.takeSlot(slot, 1, true);
  const job = await submit();
  const { store } = world.parts;
  const apply: typeof store.apply = async (...args) => {
    const applied = await store.apply(...args);
    await world.capacity.leaveSlot(slot, SECOND);
    return applied;
  };
  await createEngine({ ...world.parts, store: { ...store, apply } }).runBatch(await world.receive("fair"), PLENTY);
  expect(await stored(job)).toMatchObject({ turn: { step: 0 } });
  expect(await run(await stored(job))).toBe("succeeded");
});

test("an attempt that the service failed calls the next job all the same", async () => {
  await limit({ maxConcurrency: 1 });
  const [first, second] = [await submit(), await submit()];
  const { store } = world.parts;
  const apply: typeof store.apply = async (of, move, op) => {
    if (move.to !== "RUNNING") return store.apply(of, move, op);
    await run(second);
    throw new Error("The table is away");
  };
  const engine = createEngine({ ...world.parts, store: { ...store, apply } });
  await expect(engine.run({ kind: "stored", ref: nextAttempt(first) }, PLENTY)).rejects.toThrow("The table is away");
  expect((await stored(second)).backlog).toBeUndefined();
  expect(await run(await stored(second))).toBe("succeeded");
});

test("a job that was let go for a slot takes it, however late its message comes", async () => {
  await limit({ maxConcurrency: 1 });
  const slot = slotFor(HOUR);
  await world.capacity.takeSlot(slot, 1, true);
  const jobs = [await submit(), await submit(), await submit()];
  for (const job of jobs) await run(job);
  await world.capacity.leaveSlot(slot, SECOND);
  await world.engine.sweep(PLENTY);
  const called = (await Promise.all(jobs.map(stored))).filter(({ backlog }) => backlog === undefined);
  expect(called).toHaveLength(1);
  // The queue is slow.
  world.pass(2 * MINUTE);
  expect(await run(called[0]!)).toBe("succeeded");
});

test.each([{ maxConcurrency: 1 }, { rateLimitPerSecond: 10 }])(
  "a job that went to wait before its time starts at its time, with %o",
  async (limits) => {
    await limit(limits);
    const now = world.clock.now();
    const startAt = now + 40 * SECOND;
    const submitted = await world.engine.submit({ ...request("db", {}, { appId }), startAt });
    if (submitted.kind !== "created") throw new Error("The job was not created");
    const { job } = submitted;
    const held = { state: "held", since: now, failures: [now], lastError: "HTTP 410" } as const;
    await world.destinations.change({ appId, destination: ORIGIN }, () => held);
    await world.engine.sweep(PLENTY);
    expect(await stored(job)).toMatchObject({ backlog: `to ${ORIGIN}` });
    await world.destinations.change({ appId, destination: ORIGIN }, () => undefined);
    expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 1 });
    expect(await run(await stored(job))).toBe("skipped");
    world.pass(40 * SECOND);
    expect(await run(await stored(job))).toBe("succeeded");
    expect((await stored(job)).startedAt).toBeGreaterThanOrEqual(startAt);
  },
);

test("a lane and the jobs that wait take slots in turns", async () => {
  await limit({ maxConcurrency: 1 });
  const jobs = await Promise.all(Array.from({ length: 3 }, async () => submit()));
  const lane = await Promise.all(
    Array.from({ length: 2 }, async () => submit(appId, "both", { messageGroupId: "customer" })),
  );
  const waiting = async (all: readonly Job[]) =>
    (await Promise.all(all.map(stored))).filter(({ status }) => status === "PENDING");
  const order: string[] = [];
  world.execute(async ({ job }) => {
    order.push(job.lane ?? "other");
    // Meanwhile the others ask, and of the lane the first one, if it does not run.
    for (const one of jobs) await run(await stored(one));
    const [next] = await waiting(lane);
    if (next && job.lane === undefined) await run(next);
    return succeeds();
  });
  await run(jobs[0]!);
  // A lane asks again after the others: a slot is kept for it, or for those that wait.
  for (let n = 0; n < 12; n += 1) {
    for (const job of await waiting(jobs)) if (job.backlog === undefined) await run(job);
    const [next] = await waiting(lane);
    if (!next) break;
    if (next.waitsSince !== undefined) world.pass(Math.max(0, next.startAt - world.clock.now()));
    await run(next);
  }
  expect(order.slice(0, 4)).toEqual(["other", "customer", "other", "customer"]);
});

test("the place of a worker that died is free when the attempt's time is over", async () => {
  await limit({ maxConcurrency: 1 });
  const slot = slotFor(MINUTE);
  expect(await world.capacity.takeSlot(slot, 1, true)).toBe("taken");
  const job = await submit();
  expect(await run(job)).toBe("skipped");
  world.pass(MINUTE);
  await world.engine.sweep(PLENTY);
  expect(await run(await stored(job))).toBe("succeeded");
});

test("where a rate and a number of places are set, both are kept", async () => {
  await limit({ rateLimitPerSecond: 0.5, maxConcurrency: 1 });
  const slot = slotFor(HOUR);
  await world.capacity.takeSlot(slot, 1, true);
  const jobs = await Promise.all(Array.from({ length: 4 }, async () => submit()));
  for (const job of jobs) await run(job);
  world.pass(10 * SECOND);
  // The jobs' turns have come, but no slot is free.
  for (const job of jobs) await run(await stored(job));
  await world.capacity.leaveSlot(slot, SECOND);
  world.pass(MINUTE);
  const ran = await Promise.all((await Promise.all(jobs.map(stored))).map(run));
  expect(ran.filter((one) => one === "succeeded").length).toBeLessThanOrEqual(1);
});
