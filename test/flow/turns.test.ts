import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import { makeRoom } from "../../lib/flow/limits.ts";
import { asCall, type CallRef } from "../../lib/job/attempt.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, limit, run, startFlowWorld, stored, submit, world } from "./flow-world.ts";

// The turns of a rate.

const NOW = Date.UTC(2026, 10, 30);

beforeEach(async () => startFlowWorld());
afterEach(async () => world.end());

test("a turn whose message came early, by clocks that differ, is waited for in the function, a new one in the queue", async () => {
  const slept: number[] = [];
  const clock = {
    ...world.clock,
    now: () => NOW,
    waitFor: (ms: number) => ms,
    sleep: async (ms: number) => void slept.push(ms),
  };
  const turn = { at: NOW + 1_500, step: SECOND };
  const keptTurn: typeof world.capacity.keptTurn = async (_, given) => given;
  const capacity = { ...world.capacity, keptTurn, takeTurn: async () => turn };
  const ref = asCall(nextAttempt(await submit()));
  const limits = { destination: ORIGIN, rateLimitPerSecond: 1, maxConcurrency: null };
  const enter = async (asked: CallRef) => makeRoom({ clock, store: world.store, capacity }, asked, limits, false);
  expect(await enter({ ...ref, turn })).toEqual({});
  expect(slept).toEqual([1_500]);
  expect(await enter(ref)).toEqual({ reason: "rate", turn });
  expect(await enter({ ...ref, turn: { ...turn, at: NOW + 2 * SECOND } })).toMatchObject({ reason: "rate" });
  expect(slept).toEqual([1_500]);
});

test("a turn that was given by a higher rate comes later by the one that is set now", async () => {
  await limit({ rateLimitPerSecond: 0.02 });
  const jobs = await Promise.all(Array.from({ length: 3 }, async () => submit()));
  for (const job of jobs) await run(job);
  await limit({ rateLimitPerSecond: 0.01 });
  world.pass(50 * SECOND);
  expect(await run(await stored(jobs[1]!))).toBe("succeeded");
  world.pass(50 * SECOND);
  expect(await run(await stored(jobs[2]!))).toBe("skipped");
  world.pass(50 * SECOND);
  expect(await run(await stored(jobs[2]!))).toBe("succeeded");
});

test("waiting jobs go by the limit that is set now, before those that come after the change", async () => {
  await limit({ rateLimitPerSecond: 0.01 });
  const jobs: Job[] = [];
  for (let n = 0; n < 6; n += 1) {
    world.pass(1);
    jobs.push(await submit());
  }
  for (const job of jobs) await run(job);
  await limit({ rateLimitPerSecond: 100 });
  world.pass(1);
  const newcomer = await submit();
  expect(await run(newcomer)).toBe("skipped");
  world.pass(100 * SECOND);
  await world.engine.sweep(PLENTY);
  const turns = (await Promise.all([...jobs.slice(1), newcomer].map(stored))).map(({ turn }) => turn?.at ?? Infinity);
  expect(turns).toEqual(turns.toSorted((a, b) => a - b));
  expect(Math.max(...turns)).toBeLessThan(world.clock.now() + MINUTE);
});
