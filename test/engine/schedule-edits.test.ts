import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, iso } from "../../lib/clock.ts";
import type { ScheduleExecution } from "../../lib/executors/schedule.ts";
import { nextRunOf, type Job } from "../../lib/job/job.ts";
import type { Message } from "../../lib/job/message.ts";
import { NEVER } from "../../lib/job/schedule.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

// Edits, pauses, asked-for runs and policies of schedules, on the models.

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

type Fields = Partial<Omit<ScheduleExecution, "targetJob">>;

const RATE = { scheduleExpression: "rate(5 minutes)" };

async function schedule(fields: Fields = RATE, body = "{}"): Promise<Job> {
  const { appId, message: targetJob } = request("both", {}, { body });
  const execution = { scheduleExpressionTimezone: "UTC", ...fields, type: "schedule", targetJob };
  const submitted = await world.engine.submit({ appId, mode: "both", message: { execution, metadata: {} } });
  if (submitted.kind !== "created") throw new Error(`The schedule was ${submitted.kind}`);
  return submitted.job;
}

const stored = async ({ id }: Pick<Job, "id">) => (await world.store.get(id)) as Job;
const run = async (job: Job) => world.engine.run({ kind: "run", ref: nextRunOf(job) }, PLENTY);
const edit = async (job: Job, change: (execution: ScheduleExecution) => object) =>
  world.engine.editSchedule(job.id, (_, message: Message) => ({
    message: {
      ...message,
      execution: { ...message.execution, ...change(message.execution as ScheduleExecution) },
    },
  }));
const pause = async (job: Job) => world.engine.editSchedule(job.id, () => ({ pause: { reason: "closed" } }));
const resume = async (job: Job, missed: "skip" | "once" | "all" = "skip") =>
  world.engine.editSchedule(job.id, () => ({ pause: null, missed }));

async function work(): Promise<void> {
  for (let left = 1; left > 0;) {
    const records = await world.receive("fair");
    await world.engine.runBatch(records, PLENTY);
    await world.queue.remove(records);
    left = records.length;
  }
}

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
