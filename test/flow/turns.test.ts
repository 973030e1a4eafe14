import { afterEach, beforeEach, expect, test } from "vitest";
import { SECOND } from "../../lib/clock.ts";
import { makeRoom } from "../../lib/flow/limits.ts";
import { asCall, type CallRef } from "../../lib/job/attempt.ts";
import { nextAttempt } from "../../lib/job/job.ts";
import { ORIGIN, startFlowWorld, submit, world } from "./flow-world.ts";

// The turns of a rate, by a clock that stands.

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
  const capacity = { ...world.capacity, takeTurn: async () => turn.at };
  const ref = asCall(nextAttempt(await submit()));
  const limits = { destination: ORIGIN, rateLimitPerSecond: 1, maxConcurrency: null };
  const enter = async (asked: CallRef) => makeRoom({ clock, store: world.store, capacity }, asked, limits, false);
  expect(await enter({ ...ref, turn })).toEqual({});
  expect(slept).toEqual([1_500]);
  expect(await enter(ref)).toEqual({ reason: "rate", turn });
  expect(await enter({ ...ref, turn: { ...turn, at: NOW + 2 * SECOND } })).toMatchObject({ reason: "rate" });
  expect(slept).toEqual([1_500]);
});
