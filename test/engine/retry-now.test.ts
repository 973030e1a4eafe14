import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE } from "../../lib/clock.ts";
import { HEAD_START, nextAttempt, type Job } from "../../lib/job/job.ts";
import { claim, queueUp } from "../../lib/job/moves.ts";
import { PLENTY, createWorld, type World } from "../support/world.ts";

// A person's retry of a job that waits for its time.

let world: World;

beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.end();
});

const stored = async (job: Job) => (await world.store.get(job.id)) as Job;
const fails = async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }) as const;

test("a person's retry of a job that waits for its retry makes it due at once, and the message of its own time runs nothing", async () => {
  world.execute(fails);
  const job = await world.submit("both", { retry: { baseDelaySeconds: 3_600, maxDelaySeconds: 3_600, jitter: 0 } });
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  const waiting = await stored(job);
  expect(waiting).toMatchObject({ status: "RETRYING", retryCount: 1 });
  const delayed = nextAttempt(waiting);
  expect(await world.engine.retryJob(job.id)).toMatchObject({ status: "RETRYING", attempts: 1, retryCount: 1 });
  const due = await stored(job);
  expect(due.startAt).toBeLessThanOrEqual(world.clock.now());
  expect(due.dueAt).toBe(due.updatedAt + HEAD_START);
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect(await stored(job)).toMatchObject({ status: "RETRYING", attempts: 2, retryCount: 2 });
  expect(await world.engine.run({ kind: "stored", ref: delayed }, PLENTY)).toBe("skipped");
  expect(world.ran).toHaveLength(2);
});

test("of two retries of a job that waits, and its own message, one attempt comes", async () => {
  world.execute(fails);
  const job = await world.submit();
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  const waiting = await stored(job);
  await Promise.all([world.engine.retryJob(job.id), world.engine.retryJob(job.id)]);
  world.execute(async () => ({ kind: "succeeded" }));
  const messages = [...(await world.receive("fair")), ...(await world.receive("fair"))];
  expect(messages).toHaveLength(2);
  await Promise.all([
    world.engine.runBatch(messages, PLENTY),
    world.engine.run({ kind: "stored", ref: nextAttempt(waiting) }, PLENTY),
  ]);
  expect(await stored(job)).toMatchObject({ status: "SUCCEEDED", attempts: 2 });
});

test("a retry comes too late for a job that runs, and changes none that is due or that a limit keeps waiting", async () => {
  const retrying = async ({ id }: Job) => world.engine.retryJob(id).catch(({ message }: Error) => message);
  const due = await world.submit("db");
  expect(await retrying(due)).toContain("PENDING and due already");
  await world.store.apply(due, queueUp(due, "app"));
  expect(await retrying(due)).toContain("waits until its app, its destination or a slot has room");
  const running = await world.submit();
  await world.store.apply(running, claim(nextAttempt(running), world.clock.now(), world.clock.now() + MINUTE));
  expect(await retrying(running)).toContain("this one is RUNNING");
  const dead = await world.submit();
  await world.engine.stopJob(dead.id, "DEAD");
  await expect(world.engine.retryJob(dead.id, { seen: "RETRYING" })).rejects.toThrow(
    "The job was RETRYING and is DEAD by now",
  );
});
