import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, iso } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { Circuit } from "../../lib/flow/circuit.ts";
import { nextAttempt } from "../../lib/job/job.ts";
import { claim } from "../../lib/job/moves.ts";
import type { SweepFigures } from "../../lib/store/measures.ts";
import { PLENTY, request } from "../support/world.ts";
import { ORIGIN, appId, run, startFlowWorld, stored, submit, world } from "./flow-world.ts";

// What a sweep says for the metrics.

beforeEach(async () => startFlowWorld());
afterEach(async () => world.end());

const QUIET = { left: 0, lostAttempts: 0, destinationsShut: 0, pausedApps: 0, scheduleLateMs: 0 };

async function figures(part?: { shards: string[] }): Promise<SweepFigures> {
  const told: SweepFigures[] = [];
  const engine = createEngine({ ...world.parts, noteSweep: async (it) => void told.push(it) });
  await engine.sweep(PLENTY, part);
  expect(told).toHaveLength(1);
  return told[0] as SweepFigures;
}

async function pause(paused: boolean): Promise<void> {
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  await world.apps.change(before, appId, { ...settings, paused }, "tester");
}

test("where nothing is wrong, every figure is 0, and a part of a sweep tells of nothing oldest", async () => {
  expect(await figures()).toEqual({ ...QUIET, oldestDueMs: 0 });
  expect(await figures({ shards: ["00"] })).toEqual(QUIET);
});

test("a paused app counts once, as long as its jobs wait", async () => {
  await pause(true);
  for (const job of [await submit(), await submit()]) await run(job);
  world.pass(MINUTE);
  expect(await figures()).toMatchObject({ ...QUIET, pausedApps: 1 });
  world.pass(MINUTE);
  expect(await figures()).toMatchObject({ pausedApps: 1 });
  await pause(false);
  world.pass(MINUTE);
  expect(await figures()).toMatchObject({ pausedApps: 0 });
});

test.each<Circuit["state"]>(["open", "held"])(
  "a destination that is %s counts as long as jobs wait for it",
  async (state) => {
    const now = world.clock.now();
    const circuit: Circuit = { state, since: now, failures: [now], probeAt: now + HOUR, lastError: "HTTP 503" };
    await world.destinations.change({ appId, destination: ORIGIN }, () => circuit);
    await run(await submit());
    world.pass(MINUTE);
    expect(await figures()).toMatchObject({ ...QUIET, destinationsShut: 1 });
    await world.destinations.change({ appId, destination: ORIGIN }, () => undefined);
    world.pass(MINUTE);
    expect(await figures()).toMatchObject({ destinationsShut: 0 });
  },
);

test("an attempt whose lease is over counts as lost, and is the oldest that is due", async () => {
  const job = await submit();
  const now = world.clock.now();
  await world.store.apply(nextAttempt(job), claim(nextAttempt(job), now, now + MINUTE));
  world.pass(7 * MINUTE);
  const found = await figures();
  expect(found).toMatchObject({ ...QUIET, lostAttempts: 1 });
  expect(Math.round((found.oldestDueMs ?? 0) / MINUTE)).toBe(2);
  expect(await stored(job)).toMatchObject({ status: "RETRYING" });
});

test("a schedule that nobody has fired counts by how late it is", async () => {
  const { message: targetJob } = request("both", {}, { appId });
  const execution = { type: "schedule", scheduledAt: iso(world.clock.now() + HOUR), targetJob };
  await world.engine.submit({ appId, createdBy: "ann", mode: "both", message: { execution, metadata: {} } });
  world.pass(HOUR + 7 * MINUTE);
  const { scheduleLateMs } = await figures();
  expect(Math.round(scheduleLateMs / MINUTE)).toBe(7);
  expect(await figures()).toMatchObject({ scheduleLateMs: 0 });
});
