import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, iso } from "../../lib/clock.ts";
import { nextAttempt } from "../../lib/job/job.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, appId, run, startFlowWorld, stored, submit, world } from "./flow-world.ts";

// Messages that come before the start that their job has by now.

beforeEach(async () => {
  await startFlowWorld();
  const before = await world.apps.read(appId);
  const { version: _, ...settings } = before;
  const destination = { destination: ORIGIN, rateLimitPerSecond: 0.2, maxConcurrency: null };
  await world.apps.change(before, appId, { ...settings, destinations: [destination] }, "tester");
});
afterEach(async () => world.end());

/** A job for a day in a month that a person had start at once, whose message still lies in its queue. */
async function hastened(lane: { messageGroupId?: string }) {
  const job = await submit(appId, "both", { ...lane, notBefore: iso(world.clock.now() + 30 * DAY) });
  await world.engine.retryJob(job.id);
  // The first turn is another's.
  await run(await submit());
  return { job, ref: nextAttempt(await stored(job)) };
}

/** Gives a job that is hastened its own time again. */
async function putBack(id: string): Promise<void> {
  await world.engine.stopJob(id, "DEAD");
  await world.engine.retryJob(id);
}

test.each([{ messageGroupId: "lane" }, {}])(
  "a message that is left of an earlier start brings none forward: %o",
  async (lane) => {
    const { job, ref } = await hastened(lane);
    await putBack(job.id);
    const before = await stored(job);
    expect(await world.engine.run({ kind: "stored", ref }, PLENTY)).toBe("skipped");
    expect(await stored(job)).toEqual(before);
    expect(before.startAt).toBe(job.startAt);
  },
);

test("a lane does not wait for a job that starts in a month, put back while its message was put off", async () => {
  const { job, ref } = await hastened({ messageGroupId: "lane" });
  const { apply } = world.store;
  world.store.apply = async (...args) => {
    world.store.apply = apply;
    await putBack(job.id);
    return apply(...args);
  };
  expect(await world.engine.run({ kind: "stored", ref }, PLENTY)).toBe("skipped");
  expect((await stored(job)).startAt).toBe(job.startAt);
});
