import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as z from "../../lib/zod.ts";
import { MINUTE } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { keepLease } from "../../lib/engine/lease.ts";
import { nextAttempt, type Job, type RunningJob } from "../../lib/job/job.ts";
import { createTaskExecutor } from "../../lib/executors/task-executor.ts";
import { createTaskLog } from "../../lib/tasks/log.ts";
import type { TaskServices } from "../../lib/tasks/services.ts";
import { again, defineTask, done, type TaskContext, type TaskOutcome } from "../../lib/tasks/task.ts";
import { createWorld, type World } from "../support/world.ts";

// A task's context, and the effects of its outcomes.

let world: World;
const appId = randomUUID();

beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => world.end());

/** Runs a task once, as the next attempt of `job` or of a new job. Returns the job after it. */
async function run(body: (context: TaskContext) => Promise<TaskOutcome>, job?: Job): Promise<Job> {
  const { clock, table } = world;
  const payload = z.strictObject({ words: z.array(z.string()) });
  const scripted = defineTask({ jobType: "example", summary: "", payload, run: async (_, context) => body(context) });
  const tasks = createTaskExecutor({
    clock,
    taskLog: createTaskLog({ table, clock }),
    log: world.parts.log,
    submit: async (request, id) => engine.submit(request, id),
    services: () => ({}) as TaskServices,
    definitionOf: async () => scripted,
  });
  const engine = createEngine({ ...world.parts, executorOf: () => tasks });
  const asked = job ?? (await submit());
  await engine.run({ kind: "stored", ref: nextAttempt(asked) }, () => 15 * MINUTE);
  return (await world.store.get(asked.id)) as Job;
}

async function submit(): Promise<Job> {
  const execution = { type: "task", jobType: "example", payload: { words: ["one"] }, priority: 3 };
  const request = { appId, userId: "ann", mode: "both", message: { execution, metadata: {} } } as const;
  const submitted = await world.engine.submit(request);
  if (submitted.kind === "sent") throw new Error("A task is always stored");
  return submitted.job;
}

test("a child job is submitted once, however often its parent runs, and belongs to the same user", async () => {
  const ids: string[] = [];
  const body = async ({ submit: child }: TaskContext) => {
    ids.push(await child("part-1", "example", { words: ["two"] }));
    return ids.length === 1 ? again("once more") : done();
  };
  const first = await run(body);
  world.pass(MINUTE);
  const second = await run(body, first);
  expect(second.status).toBe("SUCCEEDED");
  expect(ids[1]).toBe(ids[0]);
  expect(await world.store.get(ids[0] ?? "")).toMatchObject({
    appId,
    userId: "ann",
    parentJobId: first.id,
    priority: 3,
    status: "PENDING",
  });
});

test("a child job with a payload that its type does not take is an error of the parent", async () => {
  const job = await run(async ({ submit: child }) => {
    await child("part-1", "example", { word: "two" });
    return done();
  });
  expect(job).toMatchObject({ status: "RETRYING", lastError: expect.stringContaining("Child job part-1") });
});

test("what a task logs and saves is there for people and for its next attempt", async () => {
  const first = await run(async ({ log, checkpoint, saved }) => {
    await log.warning(`saw ${String(saved)}`, { rowNumber: 7 });
    await checkpoint({ row: 7 });
    return again("once more");
  });
  world.pass(MINUTE);
  let seen: unknown;
  await run(async ({ saved, log }) => {
    seen = saved;
    await log.info("again");
    return done();
  }, first);
  expect(seen).toEqual({ row: 7 });
  const log = createTaskLog({ table: world.table, clock: world.clock });
  expect((await log.read(first, { offset: 0, limit: 10 })).lines).toMatchObject([
    { level: "warning", message: "saw undefined", rowNumber: 7 },
    { level: "info", message: "again" },
  ]);
});

test("a result or a checkpoint that is too large fails the attempt in words that say how large it may be", async () => {
  const large = { text: "x".repeat(20_000) };
  expect((await run(async () => done(large))).lastError).toMatch(/at most 16384/);
  const checkpointed = await run(async ({ checkpoint }) => {
    await checkpoint(large);
    return done();
  });
  expect(checkpointed.lastError).toMatch(/at most 4096/);
});

test("a task waits as long as it asks to, before its next attempt", async () => {
  const began = world.clock.now();
  const job = await run(async () => again("busy", 10 * MINUTE));
  expect(job).toMatchObject({ status: "RETRYING", lastError: "busy" });
  expect((job as { startAt?: number }).startAt).toBeGreaterThanOrEqual(began + 10 * MINUTE);
});

test("a throw is tried again; what AWS says of accounts is not shown", async () => {
  const thrown = await run(async () => {
    throw new Error("no such column");
  });
  expect(thrown).toMatchObject({ status: "RETRYING", lastError: "The task failed: no such column" });
  const fromAws = await run(async () => {
    throw Object.assign(new Error("arn:aws:sts::123456789012:role"), { $metadata: { httpStatusCode: 403 } });
  });
  expect(fromAws.lastError).not.toContain("123456789012");
});

test("an attempt whose time is up is told so, and its lease is not extended any more", async () => {
  const leaseUntil = world.clock.now() + MINUTE;
  const claimed = { ...(await submit()), status: "RUNNING", timeoutMs: 50, leaseUntil } as RunningJob;
  let extended = 0;
  const apply: typeof world.store.apply = async (...args) => {
    extended += 1;
    return world.store.apply(...args);
  };
  const lease = keepLease(claimed, { clock: world.clock, store: { apply }, log: world.parts.log });
  await new Promise((resolve) => {
    lease.signal.addEventListener("abort", resolve);
  });
  expect(lease.signal.reason).toMatchObject({ name: "TimeoutError" });
  await lease.progress({ step: 1, totalSteps: 2, percent: 50 });
  await lease.release();
  expect(extended).toBe(0);
});
