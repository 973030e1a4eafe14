import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, MINUTE, SECOND } from "../../lib/clock.ts";
import { NEVER } from "../../lib/job/schedule.ts";
import { createWorld, request, type World } from "../support/world.ts";
import { RATE, schedulesIn } from "./schedules-in.ts";

// Which runs of schedules are made, by their policies and when people ask for them, on the models.

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

const { schedule, stored, run, pause, work } = schedulesIn(() => world);

/** Lets the first attempt of every job fail, so that it is unfinished for a minute. */
function dawdle(): void {
  world.execute(async () => ({ kind: "retry", error: "HTTP 503" }));
}

test("overlap: skip leaves a run out while the last job is unfinished, and counts it", async () => {
  dawdle();
  const job = await schedule({ ...RATE, overlap: "skip" });
  world.pass(5 * MINUTE);
  await run(job);
  await work();
  world.pass(5 * MINUTE);
  expect(await run(await stored(job))).toBe("skipped");
  const skipped = await stored(job);
  expect(skipped).toMatchObject({ runs: 1, skipped: { overlap: 1 } });
  expect(skipped.startAt).toBe(job.startAt + 10 * MINUTE);
  await world.engine.stopJob(skipped.targetJobId ?? "", "CANCELLED");
  world.pass(5 * MINUTE);
  expect(await run(skipped)).toBe("succeeded");
});

test("overlap: queue makes one run when the last job has ended, at once", async () => {
  dawdle();
  const job = await schedule({ ...RATE, overlap: "queue" });
  world.pass(5 * MINUTE);
  await run(job);
  await work();
  const { targetJobId = "" } = await stored(job);
  world.pass(17 * MINUTE);
  expect(await run(await stored(job))).toBe("skipped");
  const held = await stored(job);
  expect(held).toMatchObject({ runs: 1, owedUntil: job.startAt + 5 * MINUTE });
  expect((held.dueAt ?? 0) - world.clock.now()).toBeGreaterThan(MINUTE);
  await world.engine.stopJob(targetJobId, "CANCELLED");
  await work();
  const after = await stored(job);
  expect(after).toMatchObject({ runs: 2, skipped: { overlap: 2 } });
  expect(after.owedUntil).toBeUndefined();
});

test("a queued run that nothing calls is looked at ever less often, and made in the end", async () => {
  dawdle();
  const job = await schedule({ ...RATE, overlap: "queue" });
  world.pass(5 * MINUTE);
  await run(job);
  world.pass(5 * MINUTE);
  const waits: number[] = [];
  for (let looks = 0; looks < 8; looks += 1) {
    expect(await run(await stored(job))).toBe("skipped");
    const { dueAt = 0 } = await stored(job);
    waits.push(Math.round((dueAt - world.clock.now()) / MINUTE));
    world.pass(dueAt - world.clock.now());
  }
  expect(waits).toEqual([1, 2, 2, 2, 3, 4, 5, 6]);
  const { targetJobId = "" } = await stored(job);
  const target = await stored({ id: targetJobId });
  // Its end is written by a process that dies then.
  await world.store.apply(target, { from: [target.status], to: "CANCELLED", when: [], set: {}, remove: ["dueAt"] });
  expect(await run(await stored(job))).toBe("succeeded");
});

test("overlap: replace cancels the last job, and makes the run when it has stopped", async () => {
  dawdle();
  const job = await schedule({ ...RATE, overlap: "replace" });
  world.pass(5 * MINUTE);
  await run(job);
  await work();
  const { targetJobId = "" } = await stored(job);
  world.pass(5 * MINUTE);
  expect(await run(await stored(job))).toBe("succeeded");
  expect((await stored({ id: targetJobId })).status).toBe("CANCELLED");
  expect((await stored(job)).runs).toBe(2);
});

test("overlap: replace waits for a running attempt", async () => {
  const job = await schedule({ ...RATE, overlap: "replace" });
  world.pass(5 * MINUTE);
  await run(job);
  let end = () => {};
  world.execute(
    async () =>
      new Promise((resolve) => {
        end = () => resolve({ kind: "retry", error: "HTTP 503" });
      }),
  );
  const { targetJobId = "" } = await stored(job);
  const running = work();
  await expect.poll(async () => (await stored({ id: targetJobId })).status).toBe("RUNNING");
  world.pass(5 * MINUTE);
  expect(await run(await stored(job))).toBe("skipped");
  expect(await stored({ id: targetJobId })).toMatchObject({ status: "RUNNING", stopAs: "CANCELLED" });
  expect((await stored(job)).runs).toBe(1);
  world.execute(async () => ({ kind: "succeeded" }));
  end();
  await running;
  await work();
  expect((await stored(job)).runs).toBe(2);
});

test("missed: all makes up for each run, one after another, without a sweep between", async () => {
  const job = await schedule({ ...RATE, missed: "all" });
  world.pass(27 * MINUTE);
  await run(job);
  await work();
  expect(await stored(job)).toMatchObject({ runs: 5, startAt: job.startAt + 25 * MINUTE });
  expect(new Set(world.ran.map(({ jobId }) => jobId)).size).toBe(5);
});

test("windowSeconds delays the job of a run, and not the next run", async () => {
  const job = await schedule({ ...RATE, windowSeconds: 240 });
  world.pass(5 * MINUTE);
  await run(job);
  const after = await stored(job);
  const target = await stored({ id: after.targetJobId ?? "" });
  expect(target.startAt - job.startAt).toBeLessThan(240 * SECOND);
  expect(after.startAt).toBe(job.startAt + 5 * MINUTE);
});

test("a run that a person asks for is made once, whatever the expression says, and while it is paused", async () => {
  const job = await schedule({ ...RATE, maxRuns: 5 });
  await pause(job);
  const [one, two] = [await world.engine.runSchedule(job.id, {}), await world.engine.runSchedule(job.id, {})];
  expect(one?.job.id).not.toBe(two?.job.id);
  const keyed = await world.engine.runSchedule(job.id, { key: "a" });
  expect(await world.engine.runSchedule(job.id, { key: "a" })).toMatchObject({
    job: { id: keyed?.job.id },
    isNew: false,
  });
  await work();
  expect(world.ran).toHaveLength(3);
  expect(await stored(job)).toMatchObject({ asked: 3, dueAt: NEVER, targetJobId: keyed?.job.id });
  expect((await stored(job)).runs).toBeUndefined();
  const later = await world.engine.runSchedule(job.id, { at: world.clock.now() + DAY });
  expect(later?.job).toMatchObject({ status: "PENDING", dueAt: later?.job.startAt });
});

test("runs that are asked for at the same moment are each made, and none twice", async () => {
  const job = await schedule();
  const made = await Promise.all(Array.from({ length: 3 }, async () => world.engine.runSchedule(job.id, {})));
  expect(new Set(made.map((each) => each?.job.id)).size).toBe(3);
  expect(await stored(job)).toMatchObject({ asked: 3 });
});

test("a run that is asked for does not overlap where runs must not, nor does the next one overlap it", async () => {
  dawdle();
  const job = await schedule({ ...RATE, overlap: "skip" });
  await world.engine.runSchedule(job.id, {});
  await expect(world.engine.runSchedule(job.id, {})).rejects.toMatchObject({ code: "CONFLICT", reason: "overlap" });
  world.pass(5 * MINUTE);
  expect(await run(job)).toBe("skipped");
  expect(await stored(job)).toMatchObject({ skipped: { overlap: 1 } });
});

test("an asked-for run is refused where its key belongs to a job that the schedule has not made", async () => {
  const { appId, message } = request("both", {}, {});
  const keyed = (idempotencyKey: string) => ({ ...message, metadata: { ...message.metadata, idempotencyKey } });
  const execution = { ...RATE, scheduleExpressionTimezone: "UTC", type: "schedule", targetJob: keyed("paid") };
  const made = await world.engine.submit({ appId, mode: "both", message: { execution, metadata: {} } });
  await world.engine.submit({ appId, mode: "both", message: keyed("paid@a") });
  await expect(world.engine.runSchedule(made.job.id, { key: "a" })).rejects.toMatchObject({
    code: "CONFLICT",
    reason: "key_taken",
  });
  expect(await world.engine.runSchedule(made.job.id, { key: "b" })).toMatchObject({ isNew: true });
  expect(await world.engine.runSchedule(made.job.id, { key: "b" })).toMatchObject({ isNew: false });
});
