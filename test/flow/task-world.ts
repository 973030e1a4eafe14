import { randomUUID } from "node:crypto";
import { HOUR, MINUTE } from "../../lib/clock.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { DEFAULT_SETTINGS } from "../../lib/store/app-settings.ts";
import { createWorld, type World } from "../support/world.ts";

// The world of the tests of an app's line of tasks. The app has one slot at first.

/** Set by `startTaskWorld`. */
export let world: World;
export let appId: string;
export const AMPLE = () => 15 * MINUTE;

const LIVES = { from: ["RUNNING"], to: "RUNNING", when: [], remove: [] } as const;

export async function startTaskWorld(): Promise<void> {
  world = await createWorld({ isQuick: true });
  appId = randomUUID();
  await setSlots(1);
}

export async function setSlots(maxConcurrentTasks: number, paused = false): Promise<void> {
  const before = await world.apps.read(appId);
  await world.apps.change(before, appId, { ...DEFAULT_SETTINGS, maxConcurrentTasks, paused }, "me");
}

export async function submit(priority = 0, jobType = "example"): Promise<Job> {
  const payload = jobType === "example" ? { words: ["one"] } : { action: "cancel", filter: { status: "PENDING" } };
  const message = { execution: { type: "task", jobType, payload, priority }, metadata: {} };
  const submitted = await world.engine.submit({ appId, userId: "ann", mode: "both", message });
  if (submitted.kind === "sent") throw new Error("A task is always stored");
  // Of two tasks of one millisecond, neither is the older one.
  world.pass(1);
  return submitted.job;
}

export const now = async ({ id }: Job) => (await world.store.get(id)) as Job;

export async function run(job: Job, engine = world.engine) {
  return engine.run({ kind: "stored", ref: nextAttempt(job) }, AMPLE);
}

/** Receives from the tasks queue, and returns the ids of its jobs. */
export async function called(): Promise<string[]> {
  const records = await world.receive("tasks");
  return records.map(({ body }) => (JSON.parse(body) as { attempt: { id: string } }).attempt.id);
}

/** Runs a job until `end` is called. */
export async function start(job: Job, engine = world.engine): Promise<() => Promise<void>> {
  const started = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  world.execute(async () => {
    started.resolve();
    await end.promise;
    return { kind: "succeeded" };
  });
  const ran = run(job, engine);
  await started.promise;
  world.execute(async () => ({ kind: "succeeded" }));
  return async () => {
    end.resolve();
    await ran;
  };
}

/** Says that the workers of tasks live. */
export async function live(...jobs: readonly Job[]): Promise<void> {
  const lease = { leaseUntil: world.clock.now() + HOUR, dueAt: world.clock.now() + HOUR };
  for (const job of jobs) await world.store.apply(nextAttempt(job), { ...LIVES, set: lease });
}

/** Lets minutes pass, with a sweep in each, while `jobs` run. */
export async function minutes(count: number, jobs: readonly Job[] = [], engine = world.engine): Promise<void> {
  for (let minute = 0; minute < count; minute += 1) {
    world.pass(MINUTE);
    await live(...jobs);
    await engine.sweep(AMPLE);
  }
}
