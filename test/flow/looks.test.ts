import { afterEach, beforeEach, expect, test } from "vitest";
import { MINUTE } from "../../lib/clock.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import { backlogTo } from "../../lib/job/backlog.ts";
import type { Job } from "../../lib/job/job.ts";
import { createBacklogs } from "../../lib/store/backlogs.ts";
import { PLENTY } from "../support/world.ts";
import { ORIGIN, appId, limit, run, startFlowWorld, stored, submit, world } from "./flow-world.ts";

// The sweep's looks at backlogs, beside what other processes do.

beforeEach(async () => startFlowWorld());
afterEach(async () => world.end());

async function waiting(count: number): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let n = 0; n < count; n += 1) {
    world.pass(1);
    const job = await submit();
    await run(job);
    jobs.push(job);
  }
  return jobs;
}

const inBacklog = async (jobs: readonly Job[]) =>
  (await Promise.all(jobs.map(stored))).filter(({ backlog }) => backlog !== undefined).length;

test("a backlog is looked at though jobs come to it all the time", async () => {
  await limit({ rateLimitPerSecond: 0.01 });
  const jobs = await waiting(5);
  expect(await inBacklog(jobs)).toBe(3);
  await limit({ rateLimitPerSecond: 10 });
  // Between the sweep's read of what is due and its look, another process announces the backlog.
  const due: typeof world.store.due = async (...asked) => {
    const page = await world.store.due(...asked);
    if (page.entries.some(({ backlog }) => backlog !== undefined)) {
      world.pass(1);
      const other = createBacklogs({ table: world.table, clock: world.clock });
      await other.announce({ appId, backlog: backlogTo(ORIGIN) });
    }
    return page;
  };
  const engine = createEngine({ ...world.parts, store: { ...world.store, due } });
  for (let minute = 0; minute < 5; minute += 1) {
    world.pass(MINUTE);
    await engine.sweep(PLENTY);
  }
  expect(await inBacklog(jobs)).toBe(0);
});

test("who takes over a sweep whose time is over goes on with its backlogs", async () => {
  const pause = async (paused: boolean) => {
    const before = await world.apps.read(appId);
    const { version: _, ...settings } = before;
    await world.apps.change(before, appId, { ...settings, paused }, "tester");
  };
  await pause(true);
  const jobs = await waiting(250);
  await pause(false);
  world.pass(MINUTE);
  let pages = 0;
  const due: typeof world.store.due = async (...asked) => {
    pages += asked[0].includes(appId) ? 1 : 0;
    return world.store.due(...asked);
  };
  const store = { ...world.store, due };
  const sweepMore: typeof world.parts.sweepMore = async (part) => void (await world.engine.sweep(PLENTY, part));
  const engine = createEngine({ ...world.parts, store, sweepMore });
  expect(await engine.sweep(() => (pages > 0 ? 0 : PLENTY()))).toMatchObject({ left: 1 });
  expect(await inBacklog(jobs)).toBe(0);
});
