import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { asCall } from "../../lib/job/attempt.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { HEAD_START, nextAttempt, type Job } from "../../lib/job/job.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

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

test("when messages can't be released, the others of the batch stay handled", async () => {
  await world.submit();
  await world.submit();
  const records = await world.receive("fair");
  world.queue.makeVisible = async () => {
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

// The model answers at once, so the cancel would win every race.
const racing = test.skipIf(process.env["TEST_ON_MODELS"]);

racing("a cancel that races with claims wins or loses as a whole: a cancelled job never starts", async () => {
  let cancelled = 0;
  for (let n = 0; n < 40; n += 1) {
    const before = world.ran.length;
    const job = await world.submit();
    const ref = nextAttempt(job);
    // The app's settings and the circuit are already cached, as in a warm container.
    await Promise.all([world.apps.settingsOf(job.appId), world.destinations.circuitOf(asCall(ref))]);
    const [stopped] = await Promise.all([
      world.engine.stopJob(job.id, "CANCELLED").catch(() => undefined),
      (async () => {
        // A claim is one call, a cancel two, so some rounds give the cancel a head start of up to three calls.
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
  // The steps are longer than any wait, since the queue's own delays go by real time.
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
    // The settings are read once before the claim and once after it.
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
  // A function with too little time left returns the message to the queue.
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
