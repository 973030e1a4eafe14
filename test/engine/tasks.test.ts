import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { RunningAttempt } from "../../lib/executors/executor.ts";
import { nextAttempt, type Job, type RunningJob } from "../../lib/job/job.ts";
import { keepLease } from "../../lib/engine/lease.ts";
import { createProcess } from "../sim/process.ts";
import { createRandom } from "../sim/random.ts";
import { createTime } from "../sim/time.ts";
import { PLENTY, createWorld, type World } from "../support/world.ts";
import type { QueueRecord } from "../../lib/queue/delivery.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

// Properties of tasks that other jobs lack: slots, their order, and leases that are extended.

let world: World;
let appId: string;

beforeEach(async () => {
  world = await createWorld();
  appId = randomUUID();
});

afterEach(async () => world.end());

async function submit(priority = 0, of = appId, more: object = {}): Promise<Job> {
  const execution = { type: "task", jobType: "example", payload: { words: ["one"] }, priority, ...more };
  const submitted = await world.engine.submit({ appId: of, mode: "both", message: { execution, metadata: {} } });
  if (submitted.kind === "sent") throw new Error("A task is always stored");
  return submitted.job;
}

async function run(job: Job) {
  return world.engine.run({ kind: "stored", ref: nextAttempt(job) }, () => 15 * MINUTE);
}

async function holders(of = appId): Promise<number> {
  return (await world.slots.look(of, 100)).taken;
}

async function waiting(of = appId): Promise<number> {
  return (await world.slots.look(of, 100)).first.length;
}

/** An executor whose attempts end when the test ends them. */
function gate() {
  const running = new Map<string, (outcome: Outcome) => void>();
  const started: string[] = [];
  world.execute(
    (attempt) =>
      new Promise((resolve) => {
        started.push(attempt.jobId);
        running.set(attempt.jobId, resolve);
        attempt.signal.addEventListener("abort", () => resolve({ kind: "retry", error: "aborted" }));
      }),
  );
  return {
    started,
    count: () => running.size,
    end: (id: string, outcome: Outcome = { kind: "succeeded" }) => {
      running.get(id)?.(outcome);
      running.delete(id);
    },
  };
}

async function startedOf(started: readonly string[], count: number): Promise<void> {
  await expect.poll(() => started.length).toBe(count);
}

test("a task runs with a slot of its app, and gives it back", async () => {
  const job = await submit();
  let during = 0;
  world.execute(async () => {
    during = await holders();
    return { kind: "succeeded", result: '{"letters":3}' };
  });
  expect(await run(job)).toBe("succeeded");
  expect(during).toBe(1);
  expect(await holders()).toBe(0);
  expect(await world.store.get(job.id)).toMatchObject({
    status: "SUCCEEDED",
    maxRetries: 3,
    success: { result: '{"letters":3}' },
  });
});

test("five tasks of an app run at once, the sixth waits and is called when one ends", async () => {
  const { started, end } = gate();
  const jobs = await Promise.all(Array.from({ length: 6 }, async () => submit()));
  const runs = jobs.slice(0, 5).map(run);
  await startedOf(started, 5);
  const sixth = jobs[5] as Job;
  expect(await run(sixth)).toBe("skipped");
  expect(started).toHaveLength(5);
  expect(await waiting()).toBe(1);
  expect(await world.store.get(sixth.id)).toMatchObject({ status: "PENDING", attempts: 0 });
  // Another app has slots of its own.
  const other = await submit(0, randomUUID());
  const otherRun = run(other);
  await startedOf(started, 6);
  end(other.id);
  expect(await otherRun).toBe("succeeded");

  // The messages of the submits are not under test.
  await drain();
  // Runs start in any order.
  const first = jobs.findIndex(({ id }) => id === started[0]);
  end(started[0] as string);
  await runs[first];
  await Promise.race(runs);
  await expect.poll(async () => (await drain()).includes(sixth.id)).toBe(true);
  const sixthRun = run((await world.store.get(sixth.id)) as Job);
  await startedOf(started, 7);
  expect(await waiting()).toBe(0);
  for (const id of started) end(id);
  await Promise.all([...runs, sixthRun]);
  expect(await holders()).toBe(0);
});

/** Empties the tasks queue, and returns the ids of its jobs. */
async function drain(): Promise<string[]> {
  const records: QueueRecord[] = [];
  for (;;) {
    const received = await world.receive("tasks");
    if (received.length === 0) break;
    records.push(...received);
  }
  await world.queue.remove(records);
  return records.map(({ body }) => (JSON.parse(body) as { attempt: { id: string } }).attempt.id);
}

test("those that wait start by their priority, and then by their age, and nobody passes them", async () => {
  const settings = await world.apps.settingsOf(appId);
  await world.apps.change({ ...settings, version: 0 }, appId, { ...settings, maxConcurrentTasks: 1 }, "tester");
  const { started, end } = gate();
  const first = await submit();
  const firstRun = run(first);
  await startedOf(started, 1);
  const [low, old, young, high] = [await submit(1), await submit(5), await submit(5), await submit(10)];
  for (const job of [low, old, young, high]) expect(await run(job)).toBe("skipped");
  await drain();

  const order = [high, old, young, low];
  let [running, ending] = [first, firstRun];
  for (const next of order) {
    end(running.id);
    expect(await ending).toBe("succeeded");
    expect(await drain()).toEqual([next.id]);
    // A message before its turn leaves the task waiting, and so does a new task.
    for (const other of [...order.slice(order.indexOf(next) + 1), await submit(0)]) {
      expect(await run((await world.store.get(other.id)) as Job)).toBe("skipped");
    }
    ending = run((await world.store.get(next.id)) as Job);
    await startedOf(started, 2 + order.indexOf(next));
    running = next;
    await drain();
  }
  expect(started.slice(1)).toEqual(order.map(({ id }) => id));
  end(running.id);
  await ending;
});

test("a task whose lease is over gives back its slot with its attempt, and calls the next one", async () => {
  const settings = await world.apps.settingsOf(appId);
  await world.apps.change({ ...settings, version: 0 }, appId, { ...settings, maxConcurrentTasks: 1 }, "tester");
  const { started } = gate();
  const lost = await submit();
  // This process still runs when the test ends, and may find the table gone.
  void run(lost).catch(() => {});
  await startedOf(started, 1);
  const next = await submit();
  expect(await run(next)).toBe("skipped");
  await drain();
  world.pass(2 * MINUTE);
  await world.engine.sweep(PLENTY);
  expect(await world.store.get(lost.id)).toMatchObject({ status: "RETRYING", attempts: 1, retryCount: 1 });
  expect(await holders()).toBe(0);
  expect(await drain()).toContain(next.id);
});

test("progress is shown while a task runs, and what it has saved is there for the next attempt", async () => {
  const job = await submit();
  const saved: (string | undefined)[] = [];
  world.execute(async ({ lease, job: claimed }) => {
    saved.push(claimed.saved);
    await lease?.progress({ step: 1, totalSteps: 4, percent: 25, label: "reading" });
    await lease?.save('{"row":7}');
    return claimed.attempts === 1 ? { kind: "retry", error: "once more" } : { kind: "succeeded" };
  });
  expect(await run(job)).toBe("failed");
  const retrying = (await world.store.get(job.id)) as Job;
  expect(retrying).toMatchObject({ status: "RETRYING", progress: { step: 1, percent: 25, label: "reading" } });
  world.pass(MINUTE);
  expect(await run(retrying)).toBe("succeeded");
  expect(saved).toEqual([undefined, '{"row":7}']);
});

test("a cancel ends a running task when its lease is next extended, and gives back the slot", async () => {
  const { started } = gate();
  const job = await submit();
  const running = run(job);
  await startedOf(started, 1);
  await world.engine.stopJob(job.id, "CANCELLED");
  expect(await running).toBe("failed");
  expect(await world.store.get(job.id)).toMatchObject({ status: "CANCELLED" });
  expect(await holders()).toBe(0);
});

test("an attempt that has lost its lease is told so, and changes nothing", async () => {
  const job = await submit();
  let attempt: RunningAttempt | undefined;
  world.execute(async (running) => {
    attempt = running;
    // The sweep finds the lease expired while this process is paused.
    world.pass(2 * MINUTE);
    await world.engine.sweep(PLENTY);
    await running.lease?.save("1");
    expect(running.signal.aborted).toBe(true);
    return { kind: "succeeded" };
  });
  await run(job);
  expect(attempt?.signal.reason).toMatchObject({ message: "The attempt has lost its lease" });
  expect(await world.store.get(job.id)).toMatchObject({ status: "RETRYING", attempts: 1 });
  expect(await holders()).toBe(0);
});

test("an attempt ends before its lease, though the table does not answer", async () => {
  const time = createTime(0, createRandom("order"));
  const { clock } = createProcess("worker", time, createRandom("process"));
  const job = { ...(await submit()), status: "RUNNING", leaseUntil: clock.now() + MINUTE } as RunningJob;
  const store = { apply: async () => new Promise<never>(() => {}) };
  const { signal } = keepLease(job, { clock, store, log: () => {} });
  await time.run(() => signal.aborted);
  expect(signal.reason).toMatchObject({ message: "The attempt could not extend its lease" });
  expect(clock.now()).toBeLessThan(job.leaseUntil);
});

test("a task that can't be tried once more still expires with all that hangs on it", async () => {
  const kept: string[] = [];
  const { store } = world.parts;
  const keepAttachments: typeof store.keepAttachments = async ({ id }) => void kept.push(id);
  const engine = createEngine({ ...world.parts, store: { ...store, keepAttachments }, retention: HOUR });
  const execution = { type: "task", jobType: "example", payload: { words: ["one"] }, priority: 0 };
  const message = { execution, metadata: { maxRetries: 0 } };
  const { job } = (await engine.submit({ appId, mode: "both", message })) as { job: Job };
  world.execute(async () => ({ kind: "retry", error: "out of order" }));
  expect(await engine.run({ kind: "stored", ref: nextAttempt(job) }, () => 15 * MINUTE)).toBe("failed");
  expect(await store.get(job.id)).toMatchObject({ status: "DEAD" });
  await expect(engine.retryJobOnce(job.id)).rejects.toThrow("All 0 retries of the job are used up");
  expect(kept).toEqual([]);
  await engine.retryJob(job.id);
  expect(kept).toEqual([job.id]);
});

test("a task that waits is passed over when it has been cancelled", async () => {
  const settings = await world.apps.settingsOf(appId);
  await world.apps.change({ ...settings, version: 0 }, appId, { ...settings, maxConcurrentTasks: 1 }, "tester");
  const { started, end } = gate();
  const first = await submit();
  const running = run(first);
  await startedOf(started, 1);
  const [cancelled, next] = [await submit(9), await submit(1)];
  for (const job of [cancelled, next]) expect(await run(job)).toBe("skipped");
  await world.engine.stopJob(cancelled.id, "CANCELLED");
  await drain();
  end(first.id);
  await running;
  expect(await drain()).toEqual([next.id]);
  expect(await waiting()).toBe(1);
});

test("five urgent tasks of an app run at once, also while it is paused, and the sixth asks again", async () => {
  await world.apps.limit(appId, { wanted: () => ({ paused: true }) }, "operator");
  const { started, end } = gate();
  const urgent = { jobType: "bulk_action", payload: { action: "cancel", filter: { status: "DEAD" } } };
  const jobs = await Promise.all(Array.from({ length: 6 }, async () => submit(0, appId, urgent)));
  const runs = jobs.slice(0, 5).map(run);
  await startedOf(started, 5);
  expect(await run(jobs[5] as Job)).toBe("skipped");
  const sixth = (await world.store.get((jobs[5] as Job).id)) as Job;
  expect([sixth.status, sixth.attempts, sixth.startAt > world.clock.now()]).toEqual(["PENDING", 0, true]);
  for (const id of started) end(id);
  await Promise.all(runs);
  world.pass(MINUTE);
  runs.push(run(sixth));
  await startedOf(started, 6);
  end(sixth.id);
  expect(await runs[5]).toBe("succeeded");
});

test("a task of a paused app waits for a person, and takes no slot", async () => {
  const settings = await world.apps.settingsOf(appId);
  await world.apps.change({ ...settings, version: 0 }, appId, { ...settings, paused: true }, "tester");
  const job = await submit();
  expect(await run(job)).toBe("skipped");
  expect(await holders()).toBe(0);
  expect((await world.store.get(job.id))?.backlog).toBe("app");
});
