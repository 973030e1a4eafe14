import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MINUTE } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { TaskSlots } from "../../lib/flow/line-store.ts";
import { isFinished, nextAttempt, rankOf, type Job } from "../../lib/job/job.ts";
import { PLENTY, createWorld, type World } from "../support/world.ts";

// Slots under load: a worker that dies at random holds no slot for good, and no task gets one out of turn.

const SLOTS = 5;
const JOBS = 40;
const KILLS = 12;
const LAST = 50;
/** Short delays keep the test short. */
const retry = { baseDelaySeconds: 1, maxDelaySeconds: 1, jitter: 0 };
const APPS = [randomUUID(), randomUUID(), randomUUID()];

let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => world.end());

/** A part whose calls never return once the process is dead. */
function mortal<T extends object>(part: T, isDead: () => boolean): T {
  return new Proxy(part, {
    get: (of, name) => {
      const value: unknown = Reflect.get(of, name);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        const never = new Promise(() => {});
        if (isDead()) return never;
        const answer: unknown = await (value as (...given: unknown[]) => unknown)(...args);
        return isDead() ? never : answer;
      };
    },
  });
}

interface Worker {
  isDead: boolean;
  kill(): void;
  /** Resolves when the deliveries that it has now have ended, or it has died. */
  settle(): Promise<void>;
  /** The apps of its running tasks, by the id of the job. */
  readonly running: Map<string, string>;
  /** Delivers an attempt, like a message. */
  deliver(job: Job): void;
}

/** The ranks in each app's line, with the time at which they joined it. */
const line = new Map<string, Map<string, number>>(APPS.map((appId) => [appId, new Map()]));
/** When a rank in line was called: who joins the line later leaves it its slot. */
const calledAt = new Map<string, number>();
const done = new Set<string>();
const workers: Worker[] = [];
const broken: string[] = [];
/** A claim may miss a task that joined the line within this time. */
const SEEN_AFTER_MS = 1_000;

function runningOf(appId: string): number {
  return workers
    .filter(({ isDead }) => !isDead)
    .flatMap(({ running }) => [...running.values()])
    .filter((app) => app === appId).length;
}

function isRunning(rank: string): boolean {
  return workers.some(({ running }) => running.has(rank.split("#")[2] ?? ""));
}

/** Notes who joins the line, is called and leaves it. */
function noted(slots: TaskSlots): Pick<TaskSlots, "enter" | "call" | "leave"> {
  return {
    enter: async (appId, rank) => {
      await slots.enter(appId, rank);
      line.get(appId)?.set(rank, performance.now());
      calledAt.delete(rank);
    },
    call: async (appId, rank, seen) => {
      const isCalled = await slots.call(appId, rank, seen);
      if (isCalled && !seen) calledAt.set(rank, performance.now());
      return isCalled;
    },
    leave: async (appId, ranks) => {
      for (const rank of ranks) line.get(appId)?.delete(rank);
      await slots.leave(appId, ranks);
    },
  };
}

function startWorker(): Worker {
  const inHand = new Set<Promise<unknown>>();
  const hold = (delivery: Promise<unknown>) => {
    const held = delivery.catch(() => {}).finally(() => inHand.delete(held));
    inHand.add(held);
  };
  const death = Promise.withResolvers<void>();
  const worker: Worker = {
    isDead: false,
    running: new Map(),
    kill: () => {
      worker.isDead = true;
      death.resolve();
    },
    settle: async () => Promise.race([Promise.all(inHand).then(() => {}), death.promise]),
    deliver: (job) => hold(engine.run({ kind: "stored", ref: nextAttempt(job) }, () => 15 * MINUTE)),
  };
  const isDead = () => worker.isDead;
  const { parts } = world;
  const claimedAt = new Map<string, { time: number; beside: number }>();
  const apply: typeof parts.store.apply = async (of, move, op) => {
    if (typeof move.slot === "object") claimedAt.set(of.id, { time: performance.now(), beside: runningOf(of.appId) });
    return parts.store.apply(of, move, op);
  };
  const store = mortal({ ...parts.store, apply }, isDead);
  const slots = mortal({ ...parts.slots, ...noted(parts.slots) }, isDead);
  const execute = async ({ job, signal }: { job: Job; signal: AbortSignal }) => {
    worker.running.set(job.id, job.appId);
    // A process that stood still for longer than its lease has lost it, and its tasks end.
    signal.addEventListener("abort", () => worker.running.delete(job.id));
    const own = rankOf(job);
    const running = runningOf(job.appId);
    if (running > SLOTS) broken.push(`${running} tasks of an app run at once`);
    const claimed = claimedAt.get(job.id) ?? { time: 0, beside: 0 };
    // Since the claim, some of them may have ended, and others started.
    const beside = Math.min(claimed.beside, running - 1);
    const before = Math.min(claimed.time - SEEN_AFTER_MS, calledAt.get(own) ?? Infinity);
    // Only tasks that are still in line count. A task that was claimed meanwhile may not have left it yet.
    const { first } = await parts.slots.look(job.appId, JOBS);
    const ahead = [...(line.get(job.appId) ?? [])].filter(
      ([rank, since]) => rank < own && since < before && first.includes(rank) && !isRunning(rank),
    ).length;
    if (ahead + beside + 1 > SLOTS) broken.push(`${own} started before ${ahead} others, beside ${beside}`);
    await sleep(randomInt(5, 60));
    worker.running.delete(job.id);
    return { kind: "succeeded" } as const;
  };
  const executor = { ...parts.executorOf({ executionType: "task" }), execute } as never;
  const engine = createEngine({
    ...parts,
    store,
    slots,
    queue: mortal(parts.queue, isDead),
    executorOf: () => executor,
  });
  const poll = async () => {
    while (!worker.isDead && done.size < JOBS) {
      const records = await world.receive("tasks");
      if (records.length === 0) await sleep(20);
      for (const record of records)
        hold(engine.runBatch([record], () => 15 * MINUTE).then(() => world.queue.remove([record])));
      while (worker.running.size > 8 && !worker.isDead) await sleep(5);
    }
  };
  void poll().catch((error: unknown) => broken.push(String(error)));
  workers.push(worker);
  return worker;
}

test("of 40 tasks of three apps all run, five of an app at once and in order, however often workers die", async () => {
  const jobs: Job[] = [];
  const submit = async (n: number) => {
    const execution = { type: "task", jobType: "example", payload: { words: ["a"] }, priority: randomInt(0, 11) };
    const appId = APPS[n % APPS.length] as string;
    const submitted = await world.engine.submit({
      appId,
      mode: "both",
      message: { execution, metadata: { maxRetries: 50, retry } },
    });
    if (submitted.kind === "created") jobs.push(submitted.job);
  };
  const alive = [startWorker(), startWorker(), startWorker()];
  const killing = (async () => {
    for (let kills = 0; kills < KILLS && done.size < JOBS; kills += 1) {
      await sleep(randomInt(100, 500));
      const at = randomInt(alive.length);
      (alive[at] as Worker).kill();
      alive[at] = startWorker();
    }
  })();
  for (let n = 0; n < JOBS; n += 10) await Promise.all(Array.from({ length: 10 }, async (_, m) => submit(n + m)));
  expect(jobs).toHaveLength(JOBS);

  while (done.size < JOBS) {
    await sleep(400);
    for (const appId of APPS) {
      const { taken } = await world.slots.look(appId, 100);
      if (taken > SLOTS) broken.push(`${taken} slots of ${SLOTS} are taken`);
    }
    // Leases of dead workers end, those of living ones don't, however busy the machine; retries become due.
    await Promise.all(workers.map(async (worker) => worker.settle()));
    world.pass(MINUTE / 5);
    await world.engine.sweep(PLENTY);
    for (const job of await world.store.getMany(
      jobs.map(({ id }) => id),
      { consistent: true },
    )) {
      if (job.status === "SUCCEEDED") done.add(job.id);
      else if (isFinished(job)) {
        broken.push(`${job.id} is ${job.status}`);
        done.add(job.id);
      }
      // The queue's delays go by real time, not by this clock, so the last messages are delivered directly.
      else if (job.status !== "RUNNING" && done.size >= JOBS - LAST) alive[0]?.deliver(job);
    }
  }
  await killing;
  expect(broken).toEqual([]);
  for (const appId of APPS) expect((await world.slots.look(appId, 100)).taken).toBe(0);
});
