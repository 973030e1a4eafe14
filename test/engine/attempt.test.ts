import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { Unavailable } from "../../lib/errors.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { claim } from "../../lib/job/moves.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.end();
});

const run = async (job: Job, timeLeft = PLENTY) =>
  world.engine.run({ kind: "stored", ref: nextAttempt(job) }, timeLeft);
const stored = async (job: Job) => (await world.store.get(job.id)) as Job;

/** The first `times` writes after a claim fail. `tries`: the times of all writes; `waits`: the waits between them. */
function losingTable(error: Error, times = Infinity) {
  const tries: number[] = [];
  const { apply } = world.store;
  world.execute(async () => {
    world.store.apply = async (...args) => {
      tries.push(world.clock.now());
      if (tries.length <= times) throw error;
      return apply(...args);
    };
    return { kind: "succeeded" };
  });
  const waits: number[] = [];
  const real = { ...world.clock };
  world.clock.sleep = async (ms, signal) => {
    // The watch for slow attempts, which ends with the attempt.
    if (signal) return real.sleep(ms, signal);
    waits.push(ms);
    world.pass(ms);
  };
  return { tries, waits };
}

test("an attempt starts if there is time for its timeout and 15 s more, and not with less", async () => {
  const job = await world.submit();
  expect(await run(job, () => 45 * SECOND - 1)).toEqual({ inSeconds: 0 });
  expect(await run(job, () => 45 * SECOND)).toBe("succeeded");
});

test("an attempt leases its job for its timeout and 15 s more", async () => {
  const job = await world.submit();
  let lease: number | undefined;
  world.execute(async () => {
    const { leaseUntil = 0, startedAt = 0 } = await stored(job);
    lease = leaseUntil - startedAt;
    return { kind: "succeeded" };
  });
  await run(job);
  expect(lease).toBe(45 * SECOND);
});

test("an attempt that found no room is put off: the job without retries runs later, and shows both", async () => {
  const job = await world.submit("both", { maxRetries: 0 });
  world.execute(async () => ({ kind: "retry", error: "no room", isOurs: true, isUncounted: true }));
  await run(job);
  const waiting = await stored(job);
  expect(waiting).toMatchObject({ status: "RETRYING", attempts: 1, retryCount: 0 });
  expect(await world.depth("fair")).toMatchObject({ delayed: 1 });
  world.pass(MINUTE);
  world.execute(async () => ({ kind: "succeeded" }));
  expect(await run(waiting)).toBe("succeeded");
  expect(await stored(job)).toMatchObject({ status: "SUCCEEDED", attempts: 2, retryCount: 0 });
  const { recorded } = (await world.store.history(job.id)) ?? {};
  expect(recorded?.get(1)).toMatchObject({ outcome: "retry", error: "no room" });
});

test("of a failed attempt all is kept: its start, duration, answer and error", async () => {
  let realNow = 1_000_999;
  world.clock.realNow = () => realNow;
  const answer = { httpStatus: 500, responseExcerpt: "no" } as const;
  world.execute(async () => {
    realNow += 250;
    return { kind: "retry", error: "HTTP 500", ...answer };
  });
  const job = await world.submit();
  expect(await run(job)).toBe("failed");
  const { startedAt } = await stored(job);
  const attempt = { number: 1, startedAt, outcome: "retry", error: "HTTP 500", durationMs: 250, ...answer };
  expect((await world.store.history(job.id))?.recorded.get(1)).toEqual(attempt);
  // The time in signatures and headers is in whole seconds, rounded down.
  expect(world.ran[0]).toMatchObject({ jobId: job.id, number: 1, timeoutMs: 30_000, realTimeSeconds: 1_000 });
});

test("a failure whose text was cut within a character is kept as any other", async () => {
  world.execute(async () => ({ kind: "retry", error: "no \ud83d", responseExcerpt: "\ude00 no" }));
  const job = await world.submit();
  expect(await run(job)).toBe("failed");
  expect(await stored(job)).toMatchObject({ status: "RETRYING", lastError: "no \ufffd" });
  expect((await world.store.history(job.id))?.recorded.get(1)).toMatchObject({ responseExcerpt: "\ufffd no" });
});

test("what a target says shows no credential of a URL that it names", async () => {
  const said = (part: string, token: string) => `no such host in https://${part}@a.example/?token=${token}&a=1`;
  const told = said("ann:canary", "canary");
  world.execute(async () => ({ kind: "retry", error: told, responseExcerpt: told }));
  const job = await world.submit();
  expect(await run(job)).toBe("failed");
  expect((await stored(job)).lastError).toBe(said("***", "***"));
  expect((await world.store.history(job.id))?.recorded.get(1)).toMatchObject({ responseExcerpt: said("***", "***") });
});

test("of an attempt without an answer, none is kept", async () => {
  world.execute(async () => ({ kind: "retry", error: "no connection" }));
  const job = await world.submit();
  await run(job);
  const recorded = (await world.store.history(job.id))?.recorded.get(1);
  expect(Object.keys(recorded ?? {}).toSorted()).toEqual(["durationMs", "error", "number", "outcome", "startedAt"]);
});

test("an end that the table can't take is written again every half second, under the same operation id", async () => {
  const { tries, waits } = losingTable(new Unavailable("The jobs table", new Error("throttled")), 3);
  const job = await world.submit();
  expect(await run(job)).toBe("succeeded");
  expect(tries).toHaveLength(4);
  expect(waits).toEqual([500, 500, 500]);
  expect(await stored(job)).toMatchObject({ status: "SUCCEEDED", attempts: 1 });
});

test("an end is written for no longer than the lease lasts", async () => {
  const { tries } = losingTable(new Unavailable("The jobs table", new Error("throttled")));
  const job = await world.submit();
  await expect(run(job)).rejects.toThrow(Unavailable);
  const { leaseUntil = 0 } = await stored(job);
  expect(tries.at(-1)).toBeGreaterThanOrEqual(leaseUntil - SECOND);
  expect(tries.at(-1)).toBeLessThan(leaseUntil);
});

test("a fault of our own is not tried again", async () => {
  const { tries } = losingTable(new Error("bad expression"));
  await expect(run(await world.submit())).rejects.toThrow("bad expression");
  expect(tries).toHaveLength(1);
});

test("a success whose job was to be cancelled meanwhile stays a success; a failure ends as the person wished", async () => {
  for (const outcome of [{ kind: "succeeded" }, { kind: "retry", error: "HTTP 500" }] as const) {
    const job = await world.submit();
    world.execute(async () => {
      await world.engine.stopJob(job.id, "CANCELLED");
      return outcome;
    });
    await run(job);
    const ended = await stored(job);
    expect(ended.status).toBe(outcome.kind === "succeeded" ? "SUCCEEDED" : "CANCELLED");
    for (const field of ["stopAs", "stopRequestedAt"]) expect(ended).not.toHaveProperty(field);
  }
});

test("a job of mode sqs is stored as it ended when its first attempt fails, and not if it succeeds", async () => {
  const carried = async () => {
    await world.engine.submit(request("sqs"));
    const [record] = await world.receive("main");
    const { job } = JSON.parse(record?.body ?? "{}") as { job: Job };
    expect(await world.engine.runBatch(record ? [record] : [], PLENTY)).toEqual({ batchItemFailures: [] });
    await world.queue.remove(record ? [record] : []);
    return job;
  };
  expect(await world.store.get((await carried()).id)).toBeUndefined();
  world.execute(async () => ({ kind: "rejected", error: "HTTP 400", httpStatus: 400 }));
  const { id } = await carried();
  expect(await world.store.get(id)).toMatchObject({ status: "FAILED", attempts: 1, lastError: "HTTP 400" });
  expect((await world.store.history(id))?.recorded.get(1)).toMatchObject({ httpStatus: 400, outcome: "rejected" });
  world.execute(async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }));
  const retrying = (await world.store.get((await carried()).id)) as Job;
  expect(retrying).toMatchObject({ status: "RETRYING", retryCount: 1 });
  expect(retrying.startAt - retrying.updatedAt).toBe(MINUTE);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });
});

test("a success that the table has is told at debug, and what the table lacks at info", async () => {
  const told = () => world.levels.filter(({ event }) => event === "job.attempted").map(({ level }) => level);
  const receive = async () => world.engine.runBatch(await world.receive("main"), PLENTY);
  await run(await world.submit());
  expect(told()).toEqual(["debug"]);
  await world.engine.submit(request("sqs"));
  await receive();
  expect(told()).toEqual(["debug", "info"]);
  world.execute(async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }));
  await run(await world.submit());
  expect(told()).toEqual(["debug", "info", "info"]);
});

test("a worker that comes too late to end its attempt leaves the next one alone", async () => {
  const job = await world.submit();
  let isFirst = true;
  world.execute(async () => {
    if (!isFirst) return { kind: "succeeded" };
    isFirst = false;
    world.pass(HOUR);
    await world.engine.sweep(PLENTY);
    // The first attempt ends while the next one is claimed and runs.
    world.pass(5 * MINUTE);
    const retrying = await stored(job);
    const now = world.clock.now();
    await world.store.apply(retrying, claim(nextAttempt(retrying), now, now + MINUTE));
    return { kind: "retry", error: "HTTP 500" };
  });
  await run(job).catch(() => undefined);
  expect(await stored(job)).toMatchObject({ status: "RUNNING", attempts: 2, retryCount: 1 });
});

test("a job of mode sqs that is stored in the end still says who asked for it", async () => {
  world.execute(async () => ({ kind: "retry", error: "no" }));
  const { job } = await world.engine.submit({ ...request("sqs"), createdBy: "ann" });
  await world.engine.runBatch(await world.receive("main"), PLENTY);
  expect(await world.store.get(job.id)).toMatchObject({ status: "RETRYING", createdBy: "ann" });
});

test("a job of mode sqs whose first attempt is unknown is attempted, and calls back at its end", async () => {
  const asked = request("sqs", { maxRetries: 0 });
  const onComplete = { url: "https://a.example/done", headers: {}, on: ["DEAD"] } as const;
  await world.engine.submit({ ...asked, message: { ...asked.message, onComplete } });
  world.execute(async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }));
  const [record] = await world.receive("main");
  const again = record && { ...record, attributes: { ...record.attributes, ApproximateReceiveCount: "2" } };
  await world.engine.runBatch(again ? [again] : [], PLENTY);
  const { job } = JSON.parse(record?.body ?? "{}") as { job: Job };
  expect(await stored(job)).toMatchObject({ status: "DEAD", followUpJobIds: [expect.any(String)] });
  expect(world.ran).toMatchObject([{ number: 2 }]);
});

test("of the messages that are run within a request, those that were handled are deleted, and no others", async () => {
  const [broken, well] = [await world.submit(), await world.submit()];
  const removed: string[] = [];
  world.queue.remove = async (records) => void removed.push(...records.map(({ body }) => body));
  const { apply } = world.store;
  world.store.apply = async (of, ...rest) => {
    if (of.id === broken.id) throw new Error("the table is away");
    return apply(of, ...rest);
  };
  expect(await world.engine.pollQueues(10)).toMatchObject({ processed: 1, succeeded: 1 });
  expect(removed.map((body) => JSON.parse(body) as object)).toMatchObject([{ attempt: { id: well.id } }]);
});
