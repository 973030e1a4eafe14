// Leases, the sweep and the dead letters find lost messages and lost attempts.

import { attemptsOf } from "../../lib/job/view.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { HEAD_START, nextAttempt, type Job } from "../../lib/job/job.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";
import type { QueueRecord } from "../../lib/queue/delivery.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

const stored = async (job: Job) => (await world.store.get(job.id)) as Job;
const fails = async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }) as const;

test("a lost message is found by the sweep five minutes after the job should have started", async () => {
  const job = await world.submit();
  await world.receive("fair");
  expect(await world.engine.sweep(PLENTY)).toEqual({ sent: 0, expired: 0, left: 0 });
  world.pass(HEAD_START);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 1 });
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect((await stored(job)).status).toBe("SUCCEEDED");
});

test("what stays unfound is sent less and less often", async () => {
  const job = await world.submit();
  const dueIn = async () => ((await stored(job)).dueAt ?? 0) - world.clock.now();
  world.pass(HEAD_START + HOUR);
  await world.engine.sweep(PLENTY);
  expect(await dueIn()).toBeGreaterThan(59 * MINUTE);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 0 });
});

test("the sweep looks a minute ahead and sends what is not yet due as a delayed message", async () => {
  world.execute(fails);
  const job = await world.submit("db", { retry: { baseDelaySeconds: 3_600, maxDelaySeconds: 3_600, jitter: 0 } });
  await world.engine.sweep(PLENTY);
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect((await stored(job)).startAt - world.clock.now()).toBeGreaterThan(59 * MINUTE);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 0 });
  world.pass(58 * MINUTE);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 0 });
  world.pass(MINUTE + 30 * SECOND);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 1 });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });
});

test("two sweeps at the same time send a due job once", async () => {
  for (let n = 0; n < 30; n += 1) await world.submit("db");
  const swept = await Promise.all([world.engine.sweep(PLENTY), world.engine.sweep(PLENTY)]);
  expect(swept.reduce((sum, { sent }) => sum + sent, 0)).toBe(30);
  expect(await world.depth("fair")).toEqual({ ready: 30, delayed: 0 });
});

test("a crashed worker's attempt is lost once its lease is over, not before", async () => {
  const job = await world.submit();
  // The worker claims the job and then dies.
  world.execute(() => new Promise(() => {}));
  void world.engine.runBatch(await world.receive("fair"), PLENTY);
  while ((await stored(job)).status !== "RUNNING");
  world.pass(44 * SECOND);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ expired: 0 });
  world.pass(HEAD_START);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ expired: 1 });
  expect(await stored(job)).toMatchObject({ status: "RETRYING", attempts: 1, retryCount: 1 });
  const { job: expired, recorded } = (await world.store.history(job.id))!;
  expect(recorded.size).toBe(0);
  expect(attemptsOf(expired, recorded)).toEqual([{ number: 1, outcome: "lost", error: expired.lastError }]);
});

test("an attempt that runs longer than the head start is left alone while its lease lasts", async () => {
  const { engine } = world;
  const job = await world.submit();
  world.execute(() => new Promise(() => {}));
  // The message is received late, so the lease ends after the time at which the sweep looks.
  world.pass(HEAD_START - 10 * SECOND);
  void engine.runBatch(await world.receive("fair"), PLENTY);
  while ((await stored(job)).status !== "RUNNING");
  world.pass(20 * SECOND);
  expect(await engine.sweep(PLENTY)).toMatchObject({ sent: 0, expired: 0 });
  const running = await stored(job);
  expect(running.status).toBe("RUNNING");
  expect(running.dueAt).toBe(running.leaseUntil);
  world.pass(30 * SECOND);
  expect(await engine.sweep(PLENTY)).toMatchObject({ expired: 1 });
});

test("a sweep that runs out of time stops cleanly and says how many are left", async () => {
  for (let n = 0; n < 40; n += 1) await world.submit("db");
  expect(await world.engine.sweep(() => 5 * SECOND)).toEqual({ sent: 0, expired: 0, left: 40 });
  expect(world.logged.at(-1)).toMatchObject({ event: "sweep.ended", fields: { left: 40 } });
  expect(await world.engine.sweep(PLENTY)).toEqual({ sent: 40, expired: 0, left: 0 });
});

test("a sweep goes through more than one page of a shard", async () => {
  // The last digits of an id make its shard, and a page has 100 jobs.
  const idIn7 = () => `${world.clock.uuid().slice(0, -2)}07`;
  await Promise.all(Array.from({ length: 105 }, async () => world.engine.submit(request("db"), idIn7())));
  expect(await world.engine.sweep(PLENTY)).toEqual({ sent: 105, expired: 0, left: 0 });
});

test("a message of mode sqs received a second time is stored with its first attempt lost, and runs at once", async () => {
  const asked = request("sqs", { idempotencyKey: "k" });
  await world.engine.submit(asked);
  const [record] = await world.receive("main");
  if (!record) throw new Error("No message came");
  const again = { ...record, attributes: { ...record.attributes, ApproximateReceiveCount: "2" } };
  expect(await world.engine.runBatch([again], PLENTY)).toEqual({ batchItemFailures: [] });
  expect(world.ran.map(({ number }) => number)).toEqual([2]);
  const [id] = world.ran.map(({ jobId }) => jobId);
  const found = await world.store.history(id ?? "");
  expect(found?.job).toMatchObject({ status: "SUCCEEDED", attempts: 2, retryCount: 1, appId: asked.appId });
  expect(attemptsOf(found!.job, found!.recorded)).toMatchObject([{ outcome: "lost" }, { outcome: "succeeded" }]);

  // A third delivery finds an ended job.
  await world.engine.runBatch([{ ...again, attributes: { ApproximateReceiveCount: "3" } }], PLENTY);
  expect(world.ran).toHaveLength(1);
});

test("a job of mode sqs without retries is attempted, though its message was handed back before", async () => {
  await world.engine.submit(request("sqs", { maxRetries: 0 }));
  const [record] = await world.receive("main");
  if (!record) throw new Error("No message came");
  const again = { ...record, attributes: { ApproximateReceiveCount: "2" } };
  await world.engine.runBatch([again], PLENTY);
  expect(world.ran).toMatchObject([{ number: 2 }]);
  // Its one attempt has run: the message that comes once more starts no other.
  await world.engine.runBatch([{ ...again, attributes: { ApproximateReceiveCount: "3" } }], PLENTY);
  expect(world.ran).toHaveLength(1);
});

test("a job is due until it has ended, whatever happens to it", async () => {
  world.execute(fails);
  const job = await world.submit("both", { maxRetries: 1 });
  expect((await stored(job)).dueAt).toBeDefined();
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect((await stored(job)).dueAt).toBeDefined();
  world.pass(DAY);
  await world.engine.run({ kind: "stored", ref: nextAttempt(await stored(job)) }, PLENTY);
  const dead = await stored(job);
  expect(dead.status).toBe("DEAD");
  expect(dead.dueAt).toBeUndefined();
});

test("an attempt whose claim was answered after its lease had ended does not start", async () => {
  const job = await world.submit();
  const { apply } = world.store;
  world.store.apply = async (...args) => {
    const claimed = await apply(...args);
    world.pass(46 * SECOND);
    return claimed;
  };
  const records = await world.receive("fair");
  const { batchItemFailures } = await world.engine.runBatch(records, PLENTY);
  expect(batchItemFailures).toHaveLength(1);
  expect(world.ran).toHaveLength(0);
  expect((await stored(job)).status).toBe("RUNNING");
});

test("an attempt that starts late in its lease has to end before it", async () => {
  await world.submit();
  const { apply } = world.store;
  world.store.apply = async (...args) => {
    const claimed = await apply(...args);
    world.pass(44.9 * SECOND);
    return claimed;
  };
  world.execute(
    ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ kind: "retry", error: "cut short" }));
      }),
  );
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect(world.ran).toHaveLength(1);
});

test("a job that can't be written does not keep the sweep from the others", async () => {
  const jobs: Job[] = [];
  for (let n = 0; n < 30; n += 1) jobs.push(await world.submit("db"));
  const { apply } = world.store;
  world.store.apply = async (...args) => {
    if (args[0].id === jobs[7]?.id) throw new Error("the item is broken");
    return apply(...args);
  };
  expect(await world.engine.sweep(PLENTY)).toEqual({ sent: 29, expired: 0, left: 1 });
  expect(world.logged.filter(({ event }) => event === "sweep.job-failed")).toHaveLength(1);
});

/** A message as it arrives from a dead-letter queue. */
function deadLetter(body: string): QueueRecord {
  const attributes = { ApproximateReceiveCount: "1", MessageGroupId: "a" };
  return { messageId: "m-1", receiptHandle: "r", body, attributes, eventSourceARN: "arn:aws:sqs:local:0:dead" };
}

test("a dead letter whose job is stored makes the job go on", async () => {
  const job = await world.submit();
  const [record] = await world.receive("fair");
  const letter = deadLetter(record?.body ?? "");
  expect(await world.engine.recoverBatch([letter])).toEqual({ batchItemFailures: [] });
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 1 });
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect((await stored(job)).status).toBe("SUCCEEDED");
  // A dead letter of an ended job changes nothing.
  await world.engine.recoverBatch([letter]);
  expect(world.ran).toHaveLength(1);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 0 });
});

test("a dead letter of mode sqs becomes a stored job that goes on", async () => {
  await world.engine.submit(request("sqs", { idempotencyKey: "k" }));
  const [record] = await world.receive("main");
  await world.engine.recoverBatch([deadLetter(record?.body ?? "")]);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 1 });
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect(world.ran.map(({ number }) => number)).toEqual([2]);
  const [id] = world.ran.map(({ jobId }) => jobId);
  expect(await world.store.get(id ?? "")).toMatchObject({ status: "SUCCEEDED", idempotencyKey: "k" });
});

test("a dead letter that can't be read is kept and counted", async () => {
  expect(await world.engine.recoverBatch([deadLetter("not a job")])).toEqual({ batchItemFailures: [] });
  expect(Buffer.from(await world.files.get("unreadable/m-1")).toString()).toBe("not a job");
  expect(world.logged.at(-1)).toEqual({ event: "message.unreadable", fields: { messageId: "m-1" } });
});

test("a dead letter stays in its queue while the table is away", async () => {
  const job = await world.submit();
  world.store.get = async () => {
    throw new Error("the table is away");
  };
  const letter = deadLetter(JSON.stringify({ attempt: nextAttempt(job) }));
  expect(await world.engine.recoverBatch([letter])).toEqual({ batchItemFailures: [{ itemIdentifier: "m-1" }] });
});
