import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEFAULT_LIMITS, DEFAULT_SETTINGS, inForce, type AppSettings } from "../../lib/store/app-settings.ts";
import { cached } from "../../lib/store/cached.ts";
import type { Circuit } from "../../lib/flow/circuit.ts";
import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { Unavailable } from "../../lib/errors.ts";
import { createFlowControl } from "../../lib/flow/flow-control.ts";
import { asCall, type Turn } from "../../lib/job/attempt.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { PLENTY, request } from "../support/world.ts";
import {
  ORIGIN,
  appId,
  fails,
  limit,
  run,
  slotFor,
  startFlowWorld,
  stored,
  submit,
  succeeds,
  world,
} from "./flow-world.ts";

// The circuits of destinations, and the reasons for waits. test/flow/limits.test.ts has the limits.

beforeEach(async () => startFlowWorld());
afterEach(async () => world.end());

const circuit = async () => world.destinations.read({ appId, destination: ORIGIN });

/** Runs `times` jobs that fail, one after another. */
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
  expect(await run(await submit(appId, "both", {}, { baseUrl: "https://b.example" }))).toBe("succeeded");
});

test("one job a minute probes; a success lets all others go", async () => {
  await failing(20);
  const waiting = await Promise.all(Array.from({ length: 5 }, async () => submit()));
  for (const job of waiting) await run(job);
  world.ran.length = 0;
  world.pass(MINUTE + SECOND);
  // The sweep sends only one of all due jobs. The failed jobs are due for their retry too.
  const { sent } = await world.engine.sweep(PLENTY);
  expect(sent).toBe(1);
  const probes = async () => {
    const now = await Promise.all(waiting.map(stored));
    return Promise.all(now.map(run));
  };
  // The first job to arrive is the probe, also if the sweep did not send it.
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
    await world.engine.pollQueues(10);
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
  // The jobs look again after a tenth of their wait so far.
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
  /** `turn`: the turn that is taken, undefined if the row is too long. The destination has no free slot. */
  const flow = (settings: Partial<AppSettings>, known?: Circuit, turn?: Turn) =>
    createFlowControl({
      ...world,
      apps: {
        settingsOf: cached(world.clock, async () => inForce({ ...DEFAULT_SETTINGS, ...settings }, DEFAULT_LIMITS)),
      },
      destinations: { ...world.destinations, circuitOf: async () => known },
      capacity: { ...world.capacity, takeTurn: async () => turn, takeSlot: async () => ({ tookMs: SECOND }) },
      log: () => {},
    });
  const [paused, held, down] = [flow({ paused: true }), flow({}, { ...open, state: "held" }), flow({}, open)];
  const rate = { destinations: [{ ...limits, rateLimitPerSecond: 1 }] };
  const slots = { destinations: [{ ...limits, maxConcurrency: 1 }] };
  const ref = asCall(nextAttempt(job));

  const wait = (expected: object) => ({ wait: expected, freed: [] });
  const both = async (of: typeof held, due = job) => [await of.enter(ref), await of.waitOf(due)];
  expect(await both(paused)).toEqual([wait({ reason: "paused" }), { reason: "paused" }]);
  expect(await both(held)).toEqual([wait({ reason: "held" }), { reason: "held" }]);
  expect(await both(down, { ...job, dueAt: now })).toEqual([wait({ reason: "outage" }), { reason: "outage" }]);
  const turn = { at: now + HOUR, step: SECOND };
  const later = expect.any(Number);
  const lane = { ...ref, ordered: true } as const;
  expect(await flow(rate, undefined, turn).enter(ref)).toEqual(wait({ reason: "rate", turn }));
  expect(await flow(rate).enter(ref)).toEqual(wait({ reason: "rate" }));
  expect(await flow(rate).enter(lane)).toEqual(wait({ reason: "rate", startAt: later }));
  expect(await flow(slots).enter(ref)).toEqual(wait({ reason: "concurrency", at: ORIGIN, isFirst: true }));
  expect(await flow(slots).enter(lane)).toEqual(wait({ reason: "concurrency", startAt: later }));
});

test("a lane's first message waits at its head where the sweep has put its job into the backlog before", async () => {
  const open = { state: "open", since: world.clock.now(), failures: [], lastError: "HTTP 503" } as const;
  const change = async (to: Circuit | undefined) => world.destinations.change({ appId, destination: ORIGIN }, () => to);
  await limit({ maxConcurrency: 1 });
  const job = await submit(appId, "both", { messageGroupId: "lane" });
  await change({ ...open, probeAt: world.clock.now() + HOUR });
  world.pass(6 * MINUTE);
  await world.engine.sweep(PLENTY);
  expect((await stored(job)).backlog).toBe(`to ${ORIGIN}`);
  await change(undefined);
  await world.capacity.takeSlot(slotFor(HOUR), 1, true);
  // To skip it would let the next job of its lane pass.
  expect(await run(await stored(job))).toEqual({ inSeconds: expect.any(Number) });
});
