import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEFAULT_SETTINGS, type AppSettings, type DestinationLimits } from "../../lib/store/app-store.ts";
import { cached } from "../../lib/store/cached.ts";
import type { Circuit } from "../../lib/flow/circuit.ts";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import type { Slot } from "../../lib/flow/capacity-store.ts";
import { Unavailable } from "../../lib/errors.ts";
import { createFlowControl } from "../../lib/flow/flow-control.ts";
import { asCall } from "../../lib/job/attempt.ts";
import { nextAttempt, type Job, type Mode } from "../../lib/job/job.ts";
import { claim } from "../../lib/job/moves.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";
import type { Metadata } from "../../lib/job/message.ts";

let world: World;
let appId: string;

beforeEach(async () => {
  world = await createWorld();
  appId = randomUUID();
});
afterEach(async () => {
  await world.end();
});

const ORIGIN = "https://a.example";

async function submit(of = appId, mode: Mode = "both", metadata: Metadata = {}, baseUrl = ORIGIN): Promise<Job> {
  const asked = request(mode, metadata, { appId: of });
  const execution = { ...asked.message.execution, baseUrl };
  const submitted = await world.engine.submit({ ...asked, message: { ...asked.message, execution } });
  if (submitted.kind === "sent") throw new Error("Nothing is stored");
  return submitted.job;
}

const run = async (job: Job) => world.engine.run({ kind: "stored", ref: nextAttempt(job) }, PLENTY);
const stored = async (job: Job) => (await world.store.get(job.id)) as Job;
const fails = (httpStatus: number) => async () => ({ kind: "retry", error: `HTTP ${httpStatus}`, httpStatus }) as const;
const succeeds = async () => ({ kind: "succeeded", httpStatus: 200 }) as const;
const circuit = async () => world.destinations.read({ appId, destination: ORIGIN });

async function limit(limits: Partial<DestinationLimits>): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  const destination = { destination: ORIGIN, rateLimitPerSecond: null, maxConcurrency: null, ...limits };
  await world.apps.change(before, appId, { ...settings, destinations: [destination] }, "tester");
}

/** A slot of the destination that somebody holds for so long. */
function slotFor(ms: number): Slot {
  const since = world.clock.now();
  return { appId, destination: ORIGIN, holder: "somebody", since, until: since + ms };
}

/** Jobs that fail one after another. */
async function failing(times: number): Promise<void> {
  world.execute(fails(503));
  for (let n = 0; n < times; n += 1) await run(await submit());
}

test("after twenty failures in a row an app's jobs to that origin wait, uncounted; nobody else's do", async () => {
  await failing(20);
  expect(await circuit()).toMatchObject({ state: "open", lastError: "HTTP 503" });
  expect(world.logged).toContainEqual({
    event: "destination.shut",
    fields: expect.objectContaining({ appId, status: "open" }),
  });
  world.execute(succeeds);
  world.ran.length = 0;
  const waiting = await submit();
  expect(await run(waiting)).toBe("skipped");
  expect(world.ran).toHaveLength(0);
  expect(await stored(waiting)).toMatchObject({ status: "PENDING", attempts: 0, retryCount: 0 });

  expect(await run(await submit(randomUUID()))).toBe("succeeded");
  expect(await run(await submit(appId, "both", {}, "https://b.example"))).toBe("succeeded");
});

test("one job a minute probes; a success lets all others go", async () => {
  await failing(20);
  const waiting = await Promise.all(Array.from({ length: 5 }, async () => submit()));
  for (const job of waiting) await run(job);
  world.ran.length = 0;
  world.pass(MINUTE + SECOND);
  // Of all that are due by now, the sweep sends one; the jobs that have failed are due for their retry too.
  const { sent } = await world.engine.sweep(PLENTY);
  expect(sent).toBe(1);
  const probes = async () => {
    const now = await Promise.all(waiting.map(stored));
    return Promise.all(now.map(run));
  };
  // Whoever comes first is the probe, whatever brought it.
  expect((await probes()).filter((ran) => ran !== "skipped")).toEqual(["failed"]);
  expect(world.ran).toHaveLength(1);
  expect((await probes()).filter((ran) => ran !== "skipped")).toEqual([]);

  world.pass(MINUTE + SECOND);
  world.execute(succeeds);
  const untried = (await Promise.all(waiting.map(stored))).filter(({ attempts }) => attempts === 0);
  expect(await run(untried[0] as Job)).toBe("succeeded");
  expect(await circuit()).toBeUndefined();
  for (const job of untried.slice(1)) expect(await run(await stored(job))).toBe("succeeded");
});

test("a job that waits for an open circuit comes back by the sweep alone, and ends", async () => {
  await failing(20);
  world.execute(succeeds);
  const job = await submit();
  await run(job);
  await world.receive("fair");
  for (let minutes = 0; (await stored(job)).status === "PENDING"; minutes += 1) {
    expect(minutes).toBeLessThan(12);
    world.pass(MINUTE);
    await world.engine.runDue(100);
  }
  expect(await stored(job)).toMatchObject({ status: "SUCCEEDED", attempts: 1 });
});

test("a success in between starts the count anew", async () => {
  await failing(19);
  world.execute(succeeds);
  await run(await submit());
  expect(await circuit()).toBeUndefined();
  await failing(19);
  expect(await circuit()).toMatchObject({ state: "closed" });
});

test("a 410 holds the destination until it is resumed; held jobs wait and none is lost", async () => {
  world.execute(fails(410));
  const gone = await submit();
  await run(gone);
  expect(await stored(gone)).toMatchObject({ status: "RETRYING", lastError: "HTTP 410" });
  world.execute(succeeds);
  world.ran.length = 0;
  const held = await Promise.all([submit(), submit(appId, "db"), submit()]);
  for (const job of held) await run(job);
  for (let hours = 0; hours < 3; hours += 1) {
    world.pass(60 * MINUTE);
    await world.engine.sweep(PLENTY);
    for (const job of held) await run(await stored(job));
  }
  expect(world.ran).toHaveLength(0);
  expect(await Promise.all(held.map(stored))).toMatchObject(held.map(() => ({ status: "PENDING", attempts: 0 })));

  await world.destinations.change({ appId, destination: ORIGIN }, () => undefined);
  // They look again after a tenth of the time for which they have waited.
  world.pass(20 * MINUTE);
  await world.engine.sweep(PLENTY);
  for (const job of [gone, ...held]) await run(await stored(job));
  expect(await Promise.all([gone, ...held].map(stored))).toMatchObject(
    [gone, ...held].map(() => ({ status: "SUCCEEDED" })),
  );
});

test("a job of mode sqs that has to wait is stored, not run and not lost", async () => {
  world.execute(fails(410));
  await run(await submit());
  world.execute(succeeds);
  world.ran.length = 0;
  const before = await world.depth("fair");
  const { message } = request("sqs");
  await world.engine.submit({ appId, mode: "sqs", message });
  const records = await world.receive("main");
  expect(await world.engine.runBatch(records, PLENTY)).toEqual({ batchItemFailures: [] });
  expect(world.ran).toHaveLength(0);
  const id = JSON.parse(records[0]?.body ?? "{}").job.id as string;
  expect(await world.store.get(id)).toMatchObject({ status: "PENDING", attempts: 0 });
  expect(await world.depth("fair")).toEqual(before);
});

test("a rate spaces attempts out: whose turn is later travels as a delayed message that keeps its turn", async () => {
  await limit({ rateLimitPerSecond: 0.5 });
  const jobs = await Promise.all(Array.from({ length: 4 }, async () => submit()));
  for (const job of jobs) await run(job);
  const after = await Promise.all(jobs.map(stored));
  const [first, ...rest] = after.toSorted((a, b) => (a.turnAt ?? 0) - (b.turnAt ?? 0));
  expect(first).toMatchObject({ status: "SUCCEEDED" });
  const turns = rest.map(({ turnAt = 0 }) => turnAt);
  expect([turns[1]! - turns[0]!, turns[2]! - turns[1]!]).toEqual([2 * SECOND, 2 * SECOND]);
  expect(rest.map(({ startAt }) => startAt)).toEqual(turns);
  expect((await world.depth("fair")).delayed).toBe(3);

  // It comes at its turn, and does not take another one.
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
  expect(job).toMatchObject({ status: "PENDING", attempts: 0, startAt: job.turnAt });
  expect(await world.depth("fair")).toEqual({ ...before, delayed: before.delayed + 1 });

  // A job that is stored already has its own message.
  const stands = await submit(appId, "db", { idempotencyKey: "l" });
  await carried("l");
  expect((await stored(stands)).turnAt).toBeUndefined();
  expect(await world.depth("fair")).toEqual({ ...before, delayed: before.delayed + 1 });
});

test("a lane keeps its order where a rate makes it wait: its message stays in the queue", async () => {
  await limit({ rateLimitPerSecond: 0.5 });
  const jobs: Job[] = [];
  for (let n = 0; n < 3; n += 1) jobs.push(await submit(appId, "both", { messageGroupId: "customer" }));
  const attempted = () => world.ran.map(({ jobId }) => jobId);
  while (world.ran.length < 3) {
    const records = await world.receive("main");
    const { batchItemFailures } = await world.engine.runBatch(records, PLENTY);
    const again = batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
    await world.queue.remove(records.filter(({ messageId }) => !again.includes(messageId)));
  }
  expect(attempted()).toEqual(jobs.map(({ id }) => id));
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
  expect(waiting).toMatchObject(waiting.map(() => ({ status: "PENDING", attempts: 0 })));
  expect(waiting.every(({ startAt, createdAt }) => startAt > createdAt)).toBe(true);
  for (const end of ends) end();
  await Promise.all(first);
  world.execute(succeeds);
  world.pass(MINUTE);
  for (const job of jobs.slice(2)) expect(await run(await stored(job))).toBe("succeeded");
  expect(most).toBe(2);
});

test("the place of a worker that died is free when the attempt's time is over", async () => {
  await limit({ maxConcurrency: 1 });
  const slot = slotFor(MINUTE);
  expect(await world.capacity.takeSlot(slot, 1)).toBe("taken");
  const job = await submit();
  expect(await run(job)).toBe("skipped");
  world.pass(MINUTE);
  expect(await run(await stored(job))).toBe("succeeded");
});

test("failures that can't be noted leave the attempt as it ended", async () => {
  world.execute(fails(500));
  const job = await submit();
  const broken = { ...job, destination: "x".repeat(5_000) };
  await world.engine.run(
    { kind: "stored", ref: { ...asCall(nextAttempt(job)), destination: broken.destination } },
    PLENTY,
  );
  expect(await stored(job)).toMatchObject({ status: "RETRYING", lastError: "HTTP 500" });
});

test("a probe that is answered 410 holds the destination", async () => {
  await failing(20);
  world.pass(MINUTE + SECOND);
  world.execute(fails(410));
  await run(await submit());
  expect(await circuit()).toMatchObject({ state: "held", lastError: "HTTP 410" });
});

test("what failed inside the service says nothing of the target", async () => {
  world.execute(async () => Promise.reject(new Error("a bug of ours")));
  for (let n = 0; n < 21; n += 1) await run(await submit());
  expect(await circuit()).toBeUndefined();
});

test("a waiting job gets its turn by the limit that is set now", async () => {
  await limit({ rateLimitPerSecond: 0.01 });
  for (let n = 0; n < 12; n += 1) await run(await submit());
  await limit({ rateLimitPerSecond: 100 });
  expect(await run(await submit())).toBe("succeeded");
});

test("where a rate and a number of places are set, both are kept", async () => {
  await limit({ rateLimitPerSecond: 0.5, maxConcurrency: 1 });
  const slot = slotFor(HOUR);
  await world.capacity.takeSlot(slot, 1);
  const jobs = await Promise.all(Array.from({ length: 4 }, async () => submit()));
  for (const job of jobs) await run(job);
  world.pass(10 * SECOND);
  // Their turns have come, and no place is free.
  for (const job of jobs) await run(await stored(job));
  await world.capacity.leaveSlot(slot, SECOND);
  world.pass(MINUTE);
  const ran = await Promise.all((await Promise.all(jobs.map(stored))).map(run));
  expect(ran.filter((one) => one === "succeeded").length).toBeLessThanOrEqual(1);
});

test("a job of mode sqs runs though nothing is known of its destination for the moment", async () => {
  const away = createFlowControl({
    ...world,
    destinations: {
      ...world.destinations,
      circuitOf: async () => Promise.reject(new Unavailable("The jobs table", new Error("throttled"))),
    },
    log: () => {},
  });
  const ref = asCall(nextAttempt(await submit()));
  expect(await away.enterCarried(ref)).toHaveProperty("during");
  await expect(away.enter(ref)).rejects.toThrow(Unavailable);
});

test("each reason to wait has its name, before an attempt and in the sweep", async () => {
  const job = await submit();
  const now = world.clock.now();
  const open: Circuit = { state: "open", since: now, failures: [], probeAt: now + MINUTE, lastError: "" };
  const limits = { destination: ORIGIN, rateLimitPerSecond: null, maxConcurrency: null };
  /** `turn`: the one that is taken, undefined where the row is too long. Its destination has no slot left. */
  const flow = (settings: Partial<AppSettings>, known?: Circuit, turn?: number) =>
    createFlowControl({
      ...world,
      apps: { settingsOf: cached(world.clock, async () => ({ ...DEFAULT_SETTINGS, ...settings, version: 1 })) },
      destinations: { ...world.destinations, circuitOf: async () => known },
      capacity: { ...world.capacity, takeTurn: async () => turn, takeSlot: async () => ({ tookMs: SECOND }) },
      log: () => {},
    });
  const [paused, held, down] = [flow({ paused: true }), flow({}, { ...open, state: "held" }), flow({}, open)];
  const rate = { destinations: [{ ...limits, rateLimitPerSecond: 1 }] };
  const slots = { destinations: [{ ...limits, maxConcurrency: 1 }] };
  const ref = asCall(nextAttempt(job));

  expect([await paused.enter(ref), await paused.waitOf(job)]).toEqual([{ reason: "paused" }, { reason: "paused" }]);
  expect([await held.enter(ref), await held.waitOf(job)]).toEqual([{ reason: "held" }, { reason: "held" }]);
  const outage = { reason: "outage", lookAt: now + MINUTE };
  expect([await down.enter(ref), await down.waitOf({ ...job, dueAt: now })]).toEqual([outage, outage]);
  const [at, later] = [now + HOUR, expect.any(Number)];
  expect(await flow(rate, undefined, at).enter(ref)).toEqual({ reason: "rate", turnAt: at });
  expect(await flow(rate).enter(ref)).toEqual({ reason: "rate", lookAt: later });
  expect(await flow(rate).enter({ ...ref, ordered: true })).toEqual({ reason: "rate", startAt: later });
  expect(await flow(slots, undefined, at).enter(ref)).toEqual({ reason: "concurrency", startAt: at });
  expect(await flow(slots).enter(ref)).toEqual({ reason: "concurrency", lookAt: later });
  expect(await flow(slots).enter({ ...ref, ordered: true })).toEqual({ reason: "concurrency", startAt: later });
});
