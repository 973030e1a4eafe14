import { afterEach, beforeEach, expect, test } from "vitest";
import { HOUR, MINUTE, iso } from "../../lib/clock.ts";
import type { ScheduleExecution } from "../../lib/executors/schedule-schema.ts";
import { nextRunOf, type Job } from "../../lib/job/job.ts";
import { NEVER } from "../../lib/job/schedule.ts";
import { PLENTY, createWorld, type World } from "../support/world.ts";
import { RATE, schedulesIn } from "./schedules-in.ts";

// Edits and pauses of schedules, on the models.

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

const { schedule, stored, run, edit, pause, resume, work } = schedulesIn(() => world);

test("an edit moves the next run to the new expression's, and makes stale what was sent for the old one", async () => {
  const job = await schedule();
  const edited = (await edit(job, () => ({ scheduleExpression: "rate(1 hour)" }))) as Job;
  expect(edited).toMatchObject({ status: "PENDING", edits: 1, steps: 1 });
  expect(edited.startAt - world.clock.now()).toBeGreaterThan(59 * MINUTE);
  world.pass(HOUR);
  expect(await run(job)).toBe("skipped");
  expect(await run(edited)).toBe("succeeded");
});

test("of a run and an edit that race, each holds only on what it has read", async () => {
  const job = await schedule();
  world.pass(5 * MINUTE);
  const [ran, edited] = await Promise.all([run(job), edit(job, () => ({ scheduleExpression: "rate(2 hours)" }))]);
  const now = await stored(job);
  // The edit comes last, on whatever it has found.
  expect(now.startAt).toBe(edited?.startAt);
  expect(now.startAt - world.clock.now()).toBeGreaterThan(HOUR);
  expect(now.runs ?? 0).toBe(ran === "succeeded" ? 1 : 0);
});

test("a new message goes where it fits, and the old payload is there until nobody can read it", async () => {
  const large = Array.from({ length: 3_000 }, () => Math.random().toString(36)).join("");
  const job = await schedule(RATE, large);
  const before = (await stored(job)).payload;
  expect(before.at).toBe("item");
  await edit(job, ({ targetJob }) => ({
    targetJob: { ...targetJob, lambdaProxyMessage: { ...targetJob.lambdaProxyMessage, body: `${large}!` } },
  }));
  const after = await stored(job);
  expect(after.payload).not.toEqual(before);
  expect(((await world.store.message(after)).execution as ScheduleExecution).targetJob.lambdaProxyMessage?.body).toBe(
    `${large}!`,
  );
  // A firing that has read the schedule before the edit still finds its message.
  expect(await world.store.message({ ...after, payload: before })).toBeDefined();
});

test("a paused schedule is due never, makes no run, and goes on with the next one when it is resumed", async () => {
  const job = await schedule();
  const paused = (await pause(job)) as Job;
  expect(paused).toMatchObject({ status: "PENDING", dueAt: NEVER, pauseReason: "closed" });
  world.pass(12 * MINUTE);
  expect(await run(job)).toBe("skipped");
  expect(await run(paused)).toBe("skipped");
  // Even if something makes it due.
  await world.engine.sweep(PLENTY);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 0 });

  const resumed = (await resume(job)) as Job;
  expect(resumed).toMatchObject({ skipped: { paused: 2, last: [{ at: job.startAt, reason: "paused", times: 2 }] } });
  expect(resumed.startAt).toBe(job.startAt + 10 * MINUTE);
  expect(resumed.pausedAt).toBeUndefined();
});

test.each([
  ["once", 1, 2],
  ["all", 3, 0],
] as const)("what a pause has missed is made up for: %s", async (missed, runs, paused) => {
  const job = await schedule({ ...RATE, missed: "skip" });
  await pause(job);
  world.pass(17 * MINUTE);
  await resume(job, missed);
  await work();
  const after = await stored(job);
  expect(after.runs).toBe(runs);
  expect(after.skipped?.paused ?? 0).toBe(paused);
  expect(after.startAt).toBe(job.startAt + 15 * MINUTE);
  expect(world.ran).toHaveLength(runs);
});

test("a schedule whose only run a pause has missed ends without one", async () => {
  const job = await schedule({ scheduledAt: iso(world.clock.now() + HOUR) });
  await pause(job);
  expect(world.dropped).toEqual([job.id]);
  world.pass(2 * HOUR);
  expect(await resume(job)).toMatchObject({ status: "CANCELLED", skipped: { paused: 1 } });
  expect(world.ran).toEqual([]);
});

test("EventBridge has a schedule that runs once as it was last edited, and a stale firing does nothing", async () => {
  const at = world.clock.now() + HOUR;
  const job = await schedule({ scheduledAt: iso(at) });
  world.scheduling(async () => "other");
  const later = (await edit(job, () => ({ scheduledAt: iso(at + HOUR) }))) as Job;
  const last = world.planned.at(-1);
  expect(last).toMatchObject({ at: at + HOUR, event: JSON.stringify({ fire: nextRunOf(later) }) });
  expect(last?.token).not.toBe(world.planned[0]?.token);
  world.pass(HOUR);
  expect(await world.engine.fire({ fire: nextRunOf(job) })).toBe("skipped");
  world.pass(HOUR);
  expect(await world.engine.fire({ fire: nextRunOf(job) })).toBe("skipped");
  expect(await world.engine.fire({ fire: nextRunOf(later) })).toBe("succeeded");
});

test("a schedule that comes to recur leaves EventBridge, and counts towards the app's; one that ceases does not", async () => {
  const job = await schedule({ scheduledAt: iso(world.clock.now() + HOUR) });
  const counted = async () => (await world.table.get({ pk: `BUDGET#${job.appId}`, sk: "SCHEDULES" }))?.["used"];
  await edit(job, () => ({ scheduledAt: undefined, ...RATE }));
  expect(await stored(job)).toMatchObject({ recurring: true });
  expect((await stored(job)).scheduleArn).toBeUndefined();
  expect(world.dropped).toEqual([job.id]);
  expect(await counted()).toBe(1);
  await edit(job, () => ({ scheduleExpression: undefined, scheduledAt: iso(world.clock.now() + HOUR) }));
  expect(await counted()).toBe(0);
});

test("an ended schedule starts anew, with runs of its own", async () => {
  const job = await schedule({ ...RATE, maxRuns: 1 });
  world.pass(5 * MINUTE);
  await run(job);
  const ended = await stored(job);
  expect(ended.status).toBe("SUCCEEDED");
  const anew = (await edit(job, () => ({}))) as Job;
  expect(anew.status).toBe("PENDING");
  expect(anew.runs).toBeUndefined();
  world.pass(5 * MINUTE);
  expect(await run(anew)).toBe("succeeded");
  await work();
  expect(world.ran.map(({ jobId }) => jobId)).toHaveLength(2);
  expect((await stored(job)).targetJobId).not.toBe(ended.targetJobId);
});

test("an edit that leaves no run is refused", async () => {
  const job = await schedule({ ...RATE, maxRuns: 3 });
  world.pass(5 * MINUTE);
  await run(job);
  await expect(edit(job, () => ({ maxRuns: 1 }))).rejects.toMatchObject({ details: [{ field: "maxRuns" }] });
});
