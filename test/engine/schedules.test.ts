// Over 300 lines: one subject, and all tests share the helpers that create, fire and sweep a schedule.

import type { SendMessageBatchCommand } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, iso } from "../../lib/clock.ts";
import { Unavailable } from "../../lib/errors.ts";
import type { ScheduleExecution } from "../../lib/executors/schedule-schema.ts";
import { nextRunOf, type Job, type Mode, type WaitingJob } from "../../lib/job/job.ts";
import { fire } from "../../lib/job/moves.ts";
import type { Road } from "../../lib/queue/queue.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

const stored = async ({ id }: Pick<Job, "id">) => (await world.store.get(id)) as Job;

interface Asked extends Partial<Omit<ScheduleExecution, "targetJob">> {
  readonly mode?: Mode;
  readonly key?: string;
  readonly targetKey?: string;
  readonly body?: string;
}

function scheduleRequest({ mode = "both", key, targetKey, body = "{}", ...timing }: Asked) {
  const target = request("both", targetKey === undefined ? {} : { idempotencyKey: targetKey }, { body });
  const execution = { scheduleExpressionTimezone: "UTC", ...timing, type: "schedule", targetJob: target.message };
  return {
    appId: target.appId,
    createdBy: "ann",
    mode,
    message: { execution, metadata: key === undefined ? {} : { idempotencyKey: key } },
  };
}

async function schedule(asked: Asked): Promise<Job> {
  const submitted = await world.engine.submit(scheduleRequest(asked));
  if (submitted.kind !== "created") throw new Error(`The schedule was ${submitted.kind}`);
  return submitted.job;
}

const inOneHour = () => iso(world.clock.now() + HOUR);
const eventOf = (job: Job) => ({ fire: nextRunOf(job) });

/** Runs one batch of the queue. */
async function work(road: Road = "fair"): Promise<number> {
  const records = await world.receive(road);
  expect(await world.engine.runBatch(records, PLENTY)).toEqual({ batchItemFailures: [] });
  return records.length;
}

/** Sweeps every minute for `ms`. */
async function sweepFor(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += MINUTE) {
    await world.engine.sweep(PLENTY);
    world.pass(MINUTE);
  }
}

test("a schedule waits with its ARN, fires once at its time, and its target runs", async () => {
  const scheduledAt = inOneHour();
  const job = await schedule({ scheduledAt });
  expect(job).toMatchObject({ status: "PENDING", scheduleArn: expect.stringMatching(`:schedule/jobs/${job.id}$`) });
  expect(world.planned).toEqual([
    expect.objectContaining({ jobId: job.id, at: Date.parse(scheduledAt), event: JSON.stringify(eventOf(job)) }),
  ]);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 0 });

  expect(await world.engine.fire(eventOf(job))).toBe("skipped");
  world.pass(HOUR);
  expect(await world.engine.fire(eventOf(job))).toBe("succeeded");
  expect(await world.engine.fire(eventOf(job))).toBe("skipped");

  const fired = await stored(job);
  expect(fired).toMatchObject({ status: "SUCCEEDED", runs: 1, lastRunAt: expect.any(Number) });
  expect(fired.dueAt).toBeUndefined();
  await work();
  expect(world.ran).toHaveLength(1);
  const target = await stored({ id: fired.targetJobId ?? "" });
  expect(target).toMatchObject({ status: "SUCCEEDED", parentJobId: job.id, createdBy: "ann" });
});

test("a schedule that fires at the same time from several sides creates one target", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  world.pass(HOUR);
  const fired = await Promise.all(Array.from({ length: 8 }, () => world.engine.fire(eventOf(job))));
  expect(fired.filter((it) => it === "succeeded")).toHaveLength(1);
  await work();
  expect(world.ran).toHaveLength(1);
});

test("a schedule that EventBridge has lost is fired by the sweep five minutes later, once", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  await sweepFor(HOUR + 4 * MINUTE);
  expect((await stored(job)).status).toBe("PENDING");
  world.pass(2 * MINUTE);
  await world.engine.sweep(PLENTY);
  expect(await work()).toBe(1);
  expect((await stored(job)).status).toBe("SUCCEEDED");
  // EventBridge fires after all, a day late.
  world.pass(DAY);
  expect(await world.engine.fire(eventOf(job))).toBe("skipped");
  await world.engine.sweep(PLENTY);
  await work();
  expect(world.ran).toHaveLength(1);
});

test("a schedule fires a day late if nothing could fire it before", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  world.pass(DAY);
  expect(await world.engine.fire(eventOf(job))).toBe("succeeded");
});

test.each([
  ["answers an error", async () => Promise.reject(new Unavailable("The scheduler", new Error("503")))],
  ["refuses the request", async () => Promise.reject(new Error("ValidationException"))],
])("when CreateSchedule %s, the sweep fires the schedule at its time", async (_, answer) => {
  world.scheduling(answer);
  const job = await schedule({ scheduledAt: inOneHour() });
  expect((await stored(job)).dueAt).toBe(job.startAt);
  world.pass(HOUR - 30 * SECOND);
  await world.engine.sweep(PLENTY);
  // The sweep sends the run ahead of its time, as a delayed message.
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });
  expect((await stored(job)).status).toBe("PENDING");
  world.pass(30 * SECOND);
  await world.engine.run({ kind: "firing", ref: nextRunOf(job) }, PLENTY);
  expect((await stored(job)).status).toBe("SUCCEEDED");
});

test("when CreateSchedule timed out after having worked, EventBridge and the sweep fire once", async () => {
  world.scheduling(async () => Promise.reject(new Unavailable("The scheduler", new Error("TimeoutError"))));
  const job = await schedule({ scheduledAt: inOneHour() });
  world.pass(HOUR);
  await Promise.all([world.engine.fire(eventOf(job)), world.engine.sweep(PLENTY).then(async () => work())]);
  await work();
  await work();
  expect(world.ran).toHaveLength(1);
});

test("a schedule of this name that an earlier job has left gets the new contents", async () => {
  world.scheduling(async () => "other");
  const job = await schedule({ scheduledAt: inOneHour() });
  expect(world.planned).toHaveLength(2);
  expect(world.planned[1]).toMatchObject({ jobId: job.id, at: job.startAt });
});

test("a process that dies between the put and CreateSchedule leaves a schedule that the sweep fires", async () => {
  world.scheduling(async () => new Promise(() => {}));
  const submission = scheduleRequest({ scheduledAt: inOneHour(), key: "k" });
  void world.engine.submit(submission);
  await expect.poll(() => world.planned.length).toBe(1);
  world.pass(HOUR + 5 * MINUTE);
  await world.engine.sweep(PLENTY);
  await work();
  await work();
  expect(world.ran).toHaveLength(1);
});

test("a cancelled schedule is deleted in EventBridge and never fires", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  const cancelled = await world.engine.stopJob(job.id, "CANCELLED");
  expect(cancelled?.status).toBe("CANCELLED");
  expect(world.dropped).toEqual([job.id]);
  world.pass(HOUR);
  expect(await world.engine.fire(eventOf(job))).toBe("skipped");
  await world.engine.sweep(PLENTY);
  await work();
  expect(world.ran).toHaveLength(0);
});

test("of a cancel and a firing at the same time, one wins", async () => {
  for (let round = 0; round < 10; round += 1) {
    const job = await schedule({ scheduledAt: inOneHour() });
    world.pass(HOUR);
    const [fired, cancelled] = await Promise.all([
      world.engine.fire(eventOf(job)),
      world.engine.stopJob(job.id, "CANCELLED").catch(() => undefined),
    ]);
    expect(fired === "succeeded").toBe(cancelled === undefined);
    const { status, targetJobId } = await stored(job);
    expect(status).toBe(fired === "succeeded" ? "SUCCEEDED" : "CANCELLED");
    expect(targetJobId === undefined).toBe(fired === "skipped");
  }
});

test("a schedule among the dead letters keeps its time when it is retried", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  await world.engine.stopJob(job.id, "DEAD");
  await world.engine.retryJob(job.id);
  expect(await stored(job)).toMatchObject({ status: "PENDING", startAt: job.startAt, dueAt: job.startAt });
  await sweepFor(30 * MINUTE);
  expect(world.ran).toHaveLength(0);
  world.pass(30 * MINUTE);
  await world.engine.sweep(PLENTY);
  await work();
  await work();
  expect(world.ran).toHaveLength(1);
});

test("a target's own key is its identity: a job that has it counts as the target", async () => {
  const asked = scheduleRequest({ scheduledAt: inOneHour(), targetKey: "invoice-7" });
  const submitted = await world.engine.submit(asked);
  const there = await world.engine.submit({
    appId: asked.appId,
    mode: "both",
    message: asked.message.execution.targetJob,
  });
  if (submitted.kind !== "created" || there.kind !== "created") throw new Error("expected two new jobs");
  await work();
  world.pass(HOUR);
  expect(await world.engine.fire(eventOf(submitted.job))).toBe("succeeded");
  expect(await stored(submitted.job)).toMatchObject({ status: "SUCCEEDED", targetJobId: there.job.id });
  await work();
  expect(world.ran).toHaveLength(1);
});

test("in mode db, a schedule is EventBridge's too", async () => {
  const job = await schedule({ scheduledAt: inOneHour(), mode: "db" });
  expect(job.scheduleArn).toBeDefined();
  expect(world.planned).toHaveLength(1);
});

test("in mode sqs, a schedule carries its target, and nothing is stored", async () => {
  const asked = scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs", key: "k" });
  expect(await world.engine.submit(asked)).toMatchObject({ kind: "sent" });
  const [planned] = world.planned;
  world.pass(HOUR);
  const event: unknown = JSON.parse(planned?.event ?? "");
  expect(await world.engine.fire(event)).toBe("succeeded");
  const records = await world.receive("main");
  await world.engine.runBatch(records, PLENTY);
  expect(world.ran).toHaveLength(1);
  expect(await world.store.get(world.ran[0]?.jobId ?? "")).toBeUndefined();
  expect(await world.store.get(planned?.jobId ?? "")).toBeUndefined();
});

test("in mode sqs, a schedule that is sent again with its key, as the first has fired, makes the same job", async () => {
  const asked = scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs", key: "k" });
  await world.engine.submit(asked);
  world.pass(SECOND);
  await world.engine.submit(asked);
  const later = scheduleRequest({ scheduledAt: iso(world.clock.now() + 2 * HOUR), mode: "sqs", key: "k" });
  await world.engine.submit({ ...later, appId: asked.appId });
  const made = world.planned.map(({ event }) => (JSON.parse(event) as { fire: { target: Job } }).fire.target.id);
  expect(made).toEqual([made[0], made[0], expect.not.stringContaining(made[0] ?? "")]);
});

test("in mode sqs, a target over 256 KB travels by S3", async () => {
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7_919) % 251)).toString("base64");
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs", body: body + Math.random() }));
  const event = world.planned[0]?.event ?? "";
  expect(event.length).toBeLessThan(256 * 1_024);
  world.pass(HOUR);
  await world.engine.fire(JSON.parse(event));
  await world.engine.runBatch(await world.receive("main"), PLENTY);
  expect(world.ran[0]?.message.lambdaProxyMessage?.body).toContain(body);
});

test("in mode sqs, a scheduler that is down is an error that says so", async () => {
  world.scheduling(async () => Promise.reject(new Error("down")));
  await expect(world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }))).rejects.toThrow(
    Unavailable,
  );
});

const deadFiring = (body: string) => ({
  messageId: body.slice(0, 20),
  receiptHandle: "",
  body,
  attributes: { ApproximateReceiveCount: "1" },
  eventSourceARN: "arn:aws:sqs:local:0:schedules-dead",
});

// Found by the simulator: a target that had been sent was stored too, and ran twice.
test("a target whose function died after sending it runs once, though its firing is among the dead letters", async () => {
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  world.pass(HOUR);
  const [event = ""] = world.planned.map(({ event: planned }) => planned);
  await world.engine.fire(JSON.parse(event));
  await world.engine.recoverBatch([deadFiring(JSON.stringify({ Payload: event }))]);
  expect(await work("main")).toBe(1);
  await world.engine.sweep(PLENTY);
  expect([await work("main"), await work()]).toEqual([0, 0]);
  expect(world.ran).toHaveLength(1);
});

// Found by the simulator: a target whose first attempt was lost was stored, and its second message ran that attempt again.
test("a firing that comes again sends its target as one whose first attempt may be lost", async () => {
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  world.pass(HOUR);
  const [event = ""] = world.planned.map(({ event: planned }) => planned);
  const again = { ...deadFiring(event), attributes: { ApproximateReceiveCount: "2" } };
  await world.engine.runBatch([again], PLENTY);
  await work("main");
  expect(world.ran.map(({ number }) => number)).toEqual([2]);
  expect(await world.store.get(world.ran[0]?.jobId ?? "")).toMatchObject({ status: "SUCCEEDED", attempts: 2 });
});

const calling = (Payload: string) => JSON.stringify({ FunctionName: "f", InvocationType: "Event", Payload });

test.each([
  ["a call that EventBridge could not make", calling, "1", 1],
  ["such a call whose dead letter comes again", calling, "2", 2],
  ["an event with which the function was called", String, "1", 2],
  ["a message that was received too often", String, "51", 2],
])("in mode sqs, the dead letter of %s sends the target of a firing", async (_, letterOf, count, number) => {
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  world.pass(HOUR);
  const [event = ""] = world.planned.map(({ event: planned }) => planned);
  const letter = { ...deadFiring(letterOf(event)), attributes: { ApproximateReceiveCount: count } };
  expect(await world.engine.recoverBatch([letter])).toEqual({ batchItemFailures: [] });
  expect(await work("main")).toBe(1);
  expect(world.ran.map((ran) => ran.number)).toEqual([number]);
});

test("a firing among the dead letters sends no target that is stored by now", async () => {
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  world.pass(HOUR);
  const [event = ""] = world.planned.map(({ event: planned }) => planned);
  await world.engine.fire(JSON.parse(event));
  world.execute(async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }));
  await work("main");
  expect(await world.store.get(world.ran[0]?.jobId ?? "")).toMatchObject({ status: "RETRYING" });
  const sent: unknown[] = [];
  world.queue.sendCarried = async (job) => void sent.push(job);
  await world.engine.recoverBatch([deadFiring(JSON.stringify({ Payload: event }))]);
  expect(sent).toEqual([]);
});

test("a firing in the dead-letter queue makes its schedule due, or its target run", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  world.pass(HOUR);
  // A dead letter of EventBridge holds the whole call, one of Lambda only the event.
  const [first = "", second = ""] = world.planned.map(({ event }) => event);
  const bodies = [calling(first), second];
  expect(await world.engine.recoverBatch(bodies.map(deadFiring))).toEqual({ batchItemFailures: [] });
  await world.engine.sweep(PLENTY);
  for (let rounds = 0; rounds < 3; rounds += 1) await work();
  await work("main");
  expect((await stored(job)).status).toBe("SUCCEEDED");
  // The targets of the stored schedule, and of the one of mode sqs.
  expect(new Set(world.ran.map(({ jobId }) => jobId)).size).toBe(2);
});

test("a recurring schedule stays PENDING, fires at every time of its own, and ends by cancel", async () => {
  const job = await schedule({ scheduleExpression: "rate(10 minutes)", targetKey: "report" });
  expect([world.planned, job.scheduleArn]).toEqual([[], undefined]);
  const targets = new Set<string>();
  for (let run = 1; run <= 3; run += 1) {
    const { startAt } = await stored(job);
    expect(startAt).toBe(job.createdAt + run * 10 * MINUTE);
    world.pass(startAt - world.clock.now());
    await world.engine.sweep(PLENTY);
    expect(await work()).toBe(1);
    const fired = await stored(job);
    expect(fired).toMatchObject({ status: "PENDING", runs: run });
    targets.add(fired.targetJobId ?? "");
    const target = await stored({ id: fired.targetJobId ?? "" });
    expect(target.idempotencyKey).toBe(`report@${iso(startAt)}`);
    await work();
  }
  expect(targets.size).toBe(3);
  expect(world.ran).toHaveLength(3);
  await world.engine.stopJob(job.id, "CANCELLED");
  await sweepFor(HOUR);
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 0 });
});

test("a message of a run says whether it fired: the first one does", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  const delivery = { kind: "firing", ref: nextRunOf(job) } as const;
  expect(await world.engine.run(delivery, PLENTY)).toBe("skipped");
  world.pass(HOUR);
  expect(await world.engine.run(delivery, PLENTY)).toBe("succeeded");
  expect(await world.engine.run(delivery, PLENTY)).toBe("skipped");
});

test("a recurring schedule makes up for the runs it has missed with one", async () => {
  const job = await schedule({ scheduleExpression: "rate(1 hour)" });
  world.pass(DAY);
  await world.engine.sweep(PLENTY);
  await work();
  const fired = await stored(job);
  expect(fired.runs).toBe(1);
  expect(fired.startAt).toBe(job.createdAt + 25 * HOUR);
  await work();
  expect(world.ran).toHaveLength(1);
});

test("a late run and the last one, due at the same time by clocks that differ, are each fired once", async () => {
  const endsAt = iso(world.clock.now() + 10 * MINUTE + 25 * SECOND);
  const job = await schedule({ scheduleExpression: "rate(2 minutes)", endsAt });
  const last = job.createdAt + 10 * MINUTE;
  world.pass(last - 900 - world.clock.now());
  const [first, second] = [nextRunOf(job), { ...nextRunOf(job), run: 2 }];
  const fireAll = async () =>
    Promise.all([first, second, first, second, first].map((ref) => world.engine.fire({ fire: ref })));
  expect((await fireAll()).filter((it) => it === "succeeded").length).toBeGreaterThanOrEqual(1);
  await fireAll();
  expect(await stored(job)).toMatchObject({ status: "SUCCEEDED", runs: 2, startAt: last });
  expect(await fireAll()).not.toContain("succeeded");
  while ((await work()) > 0);
  expect(world.ran).toHaveLength(2);
});

test("a firing that comes before its time, by more than clocks differ, comes again at its time", async () => {
  const job = await schedule({ scheduledAt: inOneHour() });
  const tooEarly = async () => {
    expect(await world.engine.fire(eventOf(job))).toBe("skipped");
    return world.depth("fair");
  };
  // A message can't be delayed for that long.
  expect(await tooEarly()).toEqual({ ready: 0, delayed: 0 });
  world.pass(HOUR - 10 * MINUTE);
  expect(await tooEarly()).toEqual({ ready: 0, delayed: 1 });
  world.pass(10 * MINUTE);
  expect(await world.engine.fire(eventOf(job))).toBe("succeeded");
});

test("in mode sqs too, a firing that comes before its time comes again at its time", async () => {
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  const event: unknown = JSON.parse(world.planned[0]?.event ?? "");
  const send = vi.spyOn(world.sqs, "send");
  const firedAfter = async (ms: number) => {
    world.pass(ms);
    expect(await world.engine.fire(event)).toBe("skipped");
    const [sent] = send.mock.lastCall ?? [];
    return (sent as SendMessageBatchCommand).input.Entries?.[0];
  };
  // No message can be delayed for that long: it comes again, and again before its time.
  expect(await firedAfter(30 * MINUTE)).toMatchObject({ DelaySeconds: 900 });
  const again = await firedAfter(30 * MINUTE - 30 * SECOND);
  expect(again).toMatchObject({ DelaySeconds: 30, MessageBody: JSON.stringify(event) });
  expect(await world.depth("main")).toEqual({ ready: 0, delayed: 0 });
  world.pass(30 * SECOND);
  const record = { ...deadFiring(again?.MessageBody ?? ""), eventSourceARN: "arn:aws:sqs:local:0:jobs-fair" };
  expect(await world.engine.runBatch([record], PLENTY)).toEqual({ batchItemFailures: [] });
  expect(await work("main")).toBe(1);
  expect(world.ran).toHaveLength(1);
});

test("in mode sqs, the message of a firing that comes again does not start a job that is stored by now", async () => {
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  const firing = deadFiring(world.planned[0]?.event ?? "");
  const again = { ...firing, eventSourceARN: "arn:aws:sqs:local:0:jobs-fair" };
  world.pass(HOUR);
  world.execute(async () => ({ kind: "retry", error: "HTTP 503" }));
  await world.engine.runBatch([again], PLENTY);
  expect(await work("main")).toBe(1);
  world.pass(HOUR);
  await world.engine.runBatch([again], PLENTY);
  expect(await world.depth("main")).toEqual({ ready: 0, delayed: 0 });
  expect(world.ran).toHaveLength(1);
});

test("in mode sqs, the dead letter of a firing that came early waits for its time too", async () => {
  await world.engine.submit(scheduleRequest({ scheduledAt: inOneHour(), mode: "sqs" }));
  world.pass(HOUR - 50 * SECOND);
  const letter = deadFiring(world.planned[0]?.event ?? "");
  await world.engine.recoverBatch([letter]);
  expect(await world.depth("main")).toEqual({ ready: 0, delayed: 0 });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });
  world.pass(50 * SECOND);
  await world.engine.recoverBatch([letter]);
  expect(await work("main")).toBe(1);
});

test("a recurring schedule ends after maxRuns, or when endsAt has passed", async () => {
  const counted = await schedule({ scheduleExpression: "rate(1 minute)", maxRuns: 2 });
  const until = iso(world.clock.now() + 90 * SECOND);
  const dated = await schedule({ scheduleExpression: "rate(1 minute)", endsAt: until });
  for (let minute = 0; minute < 6; minute += 1) {
    world.pass(MINUTE);
    await world.engine.sweep(PLENTY);
    while ((await work()) > 0);
  }
  expect(await stored(counted)).toMatchObject({ status: "SUCCEEDED", runs: 2 });
  expect(await stored(dated)).toMatchObject({ status: "SUCCEEDED", runs: 1 });
  expect(world.ran).toHaveLength(3);
});

test("of a recurring schedule, each run is fired once however often its message comes", async () => {
  const job = await schedule({ scheduleExpression: "rate(1 minute)" });
  const [first, second] = [nextRunOf(job), { ...nextRunOf(job), run: 2 }];
  world.pass(MINUTE);
  const fired = await Promise.all([first, first, second, first].map((ref) => world.engine.fire({ fire: ref })));
  expect(fired.filter((it) => it === "succeeded")).toHaveLength(1);
  expect((await stored(job)).runs).toBe(1);
});

test("a schedule that is deleted and posted again with its key fires again", async () => {
  const asked = scheduleRequest({ scheduledAt: inOneHour(), key: "again" });
  for (let round = 1; round <= 2; round += 1) {
    const submitted = await world.engine.submit(asked);
    if (submitted.kind !== "created") throw new Error(`The schedule was ${submitted.kind}`);
    world.pass(HOUR);
    expect(await world.engine.fire(eventOf(submitted.job))).toBe("succeeded");
    await work();
    expect(world.ran).toHaveLength(round);
    await world.engine.deleteJob(submitted.job.id);
  }
  expect(new Set(world.planned.map(({ token }) => token)).size).toBe(2);
});

test("a firing that was decided on before another one won changes nothing, however late it comes", async () => {
  const seen = await schedule({ scheduleExpression: "rate(1 hour)" });
  const firing = (now: number) => fire(seen as WaitingJob, { now, targetJobId: "t", next: now + HOUR, retention: 0 });
  expect((await world.store.apply(seen, firing(seen.startAt))).won).toBe(true);
  expect((await world.store.apply(seen, firing(seen.startAt + DAY))).won).toBe(false);
});

test("an app has no more recurring schedules at once than the operator allows, and one-off ones don't count", async () => {
  const { appId } = request("both");
  await world.apps.limit(appId, { wanted: () => ({ recurringSchedules: 3 }) }, "operator");
  const asked = { scheduleExpression: "rate(5 minutes)", maxRuns: 2 };
  const submit = async (more: Asked) => world.engine.submit({ ...scheduleRequest(more), appId });
  const made = await Promise.allSettled(Array.from({ length: 8 }, async (_, n) => submit({ ...asked, key: `k${n}` })));
  const jobs = made.flatMap((each) => (each.status === "fulfilled" ? each.value.job : []));
  const errors = made.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  expect([jobs.length, errors.length]).toEqual([3, 5]);
  const refusal = { code: "FORBIDDEN", message: expect.stringContaining("recurringSchedules of 3") };
  for (const error of errors) expect(error).toMatchObject(refusal);
  expect((await submit({ scheduledAt: inOneHour() })).kind).toBe("created");
  const [first, second] = jobs as [Job, Job];
  // A replay is no further schedule.
  expect((await submit({ ...asked, key: first.idempotencyKey ?? "" })).kind).toBe("replayed");

  // One that is stopped makes room for another, and can't be started again until there is room for it too.
  await world.engine.stopJob(first.id, "DEAD");
  const fourth = (await submit(asked)).job;
  await expect(world.engine.retryJob(first.id)).rejects.toMatchObject(refusal);
  await world.engine.stopJob(fourth.id, "CANCELLED");
  expect(await world.engine.retryJob(first.id)).toMatchObject({ status: "PENDING" });
  await expect(submit(asked)).rejects.toMatchObject(refusal);
  // So does one that has had its last run.
  for (const run of [1, 2]) {
    world.pass(5 * MINUTE);
    expect(await world.engine.fire({ fire: { id: second.id, run } })).toBe("succeeded");
  }
  expect((await submit(asked)).kind).toBe("created");
  await expect(submit(asked)).rejects.toMatchObject(refusal);
});
