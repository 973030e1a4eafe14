import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { attemptsOf } from "../../lib/job/view.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { HEAD_START, nextAttempt, type Job } from "../../lib/job/job.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";
import type { QueueRecord } from "../../lib/queue/message.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.end();
});

const stored = async (job: Job) => (await world.store.get(job.id)) as Job;
const fails = async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }) as const;

test("a message delivered twice runs the job once", async () => {
  await world.submit();
  const records = await world.receive("fair");
  expect(records).toHaveLength(1);
  for (let n = 0; n < 2; n += 1) {
    expect(await world.engine.runBatch(records, PLENTY)).toEqual({ batchItemFailures: [] });
  }
  expect(world.ran).toHaveLength(1);
});

test("a message delivered twice at the same time runs the job once", async () => {
  const job = await world.submit();
  const ref = nextAttempt(job);
  await Promise.all(Array.from({ length: 10 }, () => world.engine.run({ kind: "stored", ref }, PLENTY)));
  expect(world.ran).toHaveLength(1);
});

test("an attempt that has no time left for its timeout and 15 s is left for later, and the message released", async () => {
  const job = await world.submit();
  const records = await world.receive("fair");
  const answer = await world.engine.runBatch(records, () => 44 * SECOND);
  expect(answer.batchItemFailures).toEqual([{ itemIdentifier: records[0]?.messageId }]);
  expect(world.ran).toHaveLength(0);
  expect((await stored(job)).attempts).toBe(0);
  // Visible again at once, not after the visibility timeout of 18 minutes.
  expect(await world.receive("fair")).toHaveLength(1);
});

test("a retry within 15 minutes is a delayed message; a message that comes too early is sent again", async () => {
  world.execute(fails);
  const job = await world.submit();
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  const retrying = await stored(job);
  expect(retrying).toMatchObject({ status: "RETRYING", retryCount: 1 });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });

  expect(await world.engine.run({ kind: "stored", ref: nextAttempt(retrying) }, PLENTY)).toBe("skipped");
  expect(world.ran).toHaveLength(1);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 2 });
  world.pass(MINUTE);
  await world.engine.run({ kind: "stored", ref: nextAttempt(retrying) }, PLENTY);
  expect(world.ran).toHaveLength(2);
});

test("an executor that throws is a failed attempt, and its words stay in the log", async () => {
  world.execute(async () => {
    throw new Error("connect ECONNREFUSED 10.0.0.7:5432");
  });
  const job = await world.submit();
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect(await stored(job)).toMatchObject({ status: "RETRYING", lastError: "The attempt failed inside the service" });
  expect(world.logged.find(({ event }) => event === "job.attempt-threw")?.fields.error).toContain("10.0.0.7");
});

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
  // What a worker does before it dies: claim, and no more.
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
  // Received late: the lease ends after the time at which the sweep looks.
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
  // 16 shards of 100 a page: with 1,800 at least one has more.
  for (let n = 0; n < 1_800; n += 50) await Promise.all(Array.from({ length: 50 }, () => world.submit("db")));
  expect(await world.engine.sweep(PLENTY)).toEqual({ sent: 1_800, expired: 0, left: 0 });
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

  // A third delivery finds it done.
  await world.engine.runBatch([{ ...again, attributes: { ApproximateReceiveCount: "3" } }], PLENTY);
  expect(world.ran).toHaveLength(1);
});

test("a lost first attempt of mode sqs without retries ends DEAD, never twice", async () => {
  await world.engine.submit(request("sqs", { maxRetries: 0 }));
  const [record] = await world.receive("main");
  if (!record) throw new Error("No message came");
  await world.engine.runBatch([{ ...record, attributes: { ApproximateReceiveCount: "2" } }], PLENTY);
  expect(world.ran).toHaveLength(0);
});

test("a lane's retry waits in the table and goes back into its lane when due", async () => {
  world.execute(fails);
  const job = await world.submit("both", { messageGroupId: "orders" });
  const [first] = await world.receive("main");
  if (!first) throw new Error("No message came");
  await world.engine.runBatch([first], PLENTY);
  expect((await stored(job)).dueAt).toBe((await stored(job)).startAt);
  world.pass(30 * SECOND);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 0 });
  world.pass(31 * SECOND);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 1 });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 0 });
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

test("when messages can't be released, the others of the batch stay handled", async () => {
  await world.submit();
  await world.submit();
  const records = await world.receive("fair");
  world.queue.release = async () => {
    throw new Error("the queue is away");
  };
  let first = true;
  const { apply } = world.store;
  world.store.apply = async (...args) => {
    if (first) {
      first = false;
      throw new Error("the table is away");
    }
    return apply(...args);
  };
  const { batchItemFailures } = await world.engine.runBatch(records, PLENTY);
  expect(batchItemFailures).toHaveLength(1);
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

test("a worker whose clock is a little behind starts a job all the same", async () => {
  await world.submit("both", { messageGroupId: "orders" });
  world.pass(-200);
  await world.engine.runBatch(await world.receive("main"), PLENTY);
  expect(world.ran).toHaveLength(1);
});

test("a key whose job is stored already stands for a later job of mode sqs that fails", async () => {
  const asked = request("both", { idempotencyKey: "k" });
  await world.engine.submit(asked);
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  world.execute(fails);
  await world.engine.submit({ ...asked, mode: "sqs" });
  expect(await world.engine.runBatch(await world.receive("main"), PLENTY)).toEqual({ batchItemFailures: [] });
  const [id] = world.ran.map(({ jobId }) => jobId);
  const found = await world.store.history(id ?? "");
  expect(found?.job).toMatchObject({ status: "SUCCEEDED", attempts: 1 });
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
  // What has ended since is left alone.
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

// A model answers at once, so that on it the cancel wins every race.
const racing = test.skipIf(process.env["TEST_ON_MODELS"]);

racing("a cancel that races with claims wins or loses as a whole: a cancelled job never starts", async () => {
  let cancelled = 0;
  for (let n = 0; n < 40; n += 1) {
    const before = world.ran.length;
    const job = await world.submit();
    const ref = nextAttempt(job);
    // A container knows the app's settings and the destination already.
    await Promise.all([world.apps.settingsOf(job.appId), world.destinations.circuitOf(job)]);
    const [stopped] = await Promise.all([
      world.engine.stopJob(job.id, "CANCELLED").catch(() => undefined),
      (async () => {
        // A claim is one call, a cancel two: some rounds give it a head start of a few.
        for (let calls = 0; calls < n % 4; calls += 1) await stored(job);
        await world.engine.run({ kind: "stored", ref }, PLENTY);
      })(),
    ]);
    const ended = await stored(job);
    expect(["CANCELLED", "SUCCEEDED"]).toContain(ended.status);
    expect(world.ran.length - before).toBe(ended.status === "CANCELLED" ? 0 : 1);
    if (ended.status === "CANCELLED") cancelled += 1;
    if (stopped?.status === "CANCELLED") expect(ended.status).toBe("CANCELLED");
    expect(ended.dueAt).toBeUndefined();
  }
  expect(cancelled).toBeGreaterThan(0);
  expect(cancelled).toBeLessThan(40);
});

test("a cancel of a running job whose worker then dies takes effect when the attempt is found lost", async () => {
  const job = await world.submit();
  world.execute(() => new Promise(() => {}));
  void world.engine.runBatch(await world.receive("fair"), PLENTY);
  while ((await stored(job)).status !== "RUNNING");
  await world.engine.stopJob(job.id, "CANCELLED");
  world.pass(HEAD_START);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ expired: 1 });
  expect((await stored(job)).status).toBe("CANCELLED");
});

test("a person's retry runs a failed job again, under the next attempt number", async () => {
  world.execute(async () => ({ kind: "rejected", error: "no" }));
  const job = await world.submit();
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect((await stored(job)).status).toBe("FAILED");
  world.execute(async () => ({ kind: "succeeded" }));
  await world.engine.retryJob(job.id);
  await world.engine.runBatch(await world.receive("fair"), PLENTY);
  expect(await stored(job)).toMatchObject({ status: "SUCCEEDED", attempts: 2, retryCount: 0 });
});

test("every wait of a job that fails eleven times is exactly that of the specification", async () => {
  world.execute(fails);
  const job = await world.submit();
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 11; attempt += 1) {
    await world.engine.run({ kind: "stored", ref: { ...nextAttempt(job), attempt } }, PLENTY);
    const { status, startAt, updatedAt } = await stored(job);
    if (status === "RETRYING") waits.push((startAt - updatedAt) / MINUTE);
    world.pass(startAt - world.clock.now());
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
  expect(await stored(job)).toMatchObject({ status: "DEAD", attempts: 11, retryCount: 10, lastError: "HTTP 500" });
});

test("a due job that can't be run does not end the request that runs the others", async () => {
  const good = await world.submit("db");
  const bad = await world.submit("db");
  const { apply } = world.store;
  world.store.apply = async (of, move, op) =>
    of.id === bad.id && move.to === "RUNNING" ? Promise.reject(new Error("lost")) : apply(of, move, op);
  expect(await world.engine.runDue(10)).toEqual({ processed: 2, succeeded: 1, failed: 1, skipped: 0 });
  expect((await stored(good)).status).toBe("SUCCEEDED");
  expect(world.logged.map(({ event }) => event)).toContain("job.not-run");
});

test("jobs of a paused app are kept, and none starts until it goes on", async () => {
  const stored = [await world.submit(), await world.submit("db")];
  const [first] = stored;
  const { appId } = first as Job;
  const pause = async (paused: boolean) => {
    for (const app of new Set(stored.map((job) => job.appId))) {
      const before = await world.apps.read(app);
      expect(await world.apps.change(before, app, { ...before, paused }, "me")).toBe(true);
    }
  };
  await pause(true);
  await world.engine.submit(request("sqs", {}, { appId }));
  const runAll = async () => {
    await world.engine.sweep(PLENTY);
    for (const road of ["fair", "main"] as const) await world.engine.runBatch(await world.receive(road), PLENTY);
  };
  // A longer step than any wait: the queue's own delays go by real time.
  for (let round = 0; round < 5; round += 1) {
    await runAll();
    world.pass(6 * MINUTE);
  }
  expect(world.ran).toHaveLength(0);
  for (const job of stored) expect(await world.store.get(job.id)).toMatchObject({ status: "PENDING", attempts: 0 });
  await pause(false);
  await runAll();
  await runAll();
  expect(world.ran).toHaveLength(3);
  expect(world.ran.every(({ number }) => number === 1)).toBe(true);
});

test("a slow read of the app's settings does not come off the lease", async () => {
  const job = await world.submit();
  const { settingsOf } = world.apps;
  world.apps.settingsOf = Object.assign(async (appId: string) => {
    world.pass(20 * SECOND);
    return settingsOf(appId);
  }, settingsOf);
  let lease = 0;
  world.execute(async () => {
    const { leaseUntil = 0, startedAt = 0 } = await stored(job);
    lease = leaseUntil - startedAt;
    // Read once before the claim, once after it.
    expect(startedAt).toBeGreaterThanOrEqual(job.createdAt + 20 * SECOND);
    return { kind: "succeeded" };
  });
  await world.engine.run({ kind: "stored", ref: nextAttempt(job) }, PLENTY);
  expect([lease, (await stored(job)).status]).toEqual([45 * SECOND, "SUCCEEDED"]);
});

test("an attempt that may take longer than a minute runs where there is time for it", async () => {
  const { message, ...asked } = request("both");
  const execution = { ...message.execution, timeoutSeconds: 600 };
  const submitted = await world.engine.submit({ ...asked, message: { ...message, execution } });
  if (submitted.kind !== "created") throw new Error(`The job was ${submitted.kind}`);
  expect(await world.receive("fair")).toEqual([]);
  const records = await world.receive("tasks");
  expect(records).toHaveLength(1);
  // A function that has too little time left gives it back.
  expect((await world.engine.runBatch(records, PLENTY)).batchItemFailures).toHaveLength(1);
  expect(await world.engine.runDue(10)).toMatchObject({ processed: 0 });
  await world.engine.run({ kind: "stored", ref: nextAttempt(submitted.job) }, () => 900_000);
  expect(world.ran).toHaveLength(1);
  expect((await world.store.get(submitted.job.id))?.status).toBe("SUCCEEDED");
});

test("a deletion whose answer was lost deletes no job that has taken its key, and has ended, since", async () => {
  const asked = request("both", { idempotencyKey: "key" });
  const end = async () => {
    const { job } = (await world.engine.submit(asked)) as { job: Job };
    await world.engine.run({ kind: "stored", ref: nextAttempt(job) }, PLENTY);
    return stored(job);
  };
  const first = await end();
  let next: Job | undefined;
  const remove: typeof world.store.remove = async (job) => {
    await world.store.remove(job);
    if (next) return true;
    world.pass(SECOND);
    next = await end();
    return false;
  };
  const engine = createEngine({ ...world.parts, store: { ...world.store, remove } });
  expect(await engine.deleteJob(first.id)).toEqual(first);
  expect(await stored(first)).toEqual(next);
});
