import { createTable } from "../../lib/store/table.ts";
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { MINUTE, SECOND, createClock } from "../../lib/clock.ts";
import { askOf } from "../../lib/aws.ts";
import { Unavailable } from "../../lib/errors.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import type { WaitingJob } from "../../lib/job/job.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import { fire } from "../../lib/job/moves.ts";
import { newJob } from "../support/new-job.ts";
import { createScheduler, type OneOff } from "../../lib/queue/scheduler.ts";
import { clientOf } from "./models/client.ts";
import {
  disconnected,
  failed,
  inTransaction,
  throttled,
  timedOut,
  transactionConflict,
  type Service,
} from "./models/faults.ts";
import { createS3 } from "./models/s3.ts";
import { createSchedules } from "./models/scheduler.ts";
import { request } from "../support/world.ts";

// The models of the bucket and of EventBridge Scheduler, behind the parts of lib/ that call them.

test("what was put in the bucket reads back as it was, until it is deleted", async () => {
  const bucket = createS3({ bucket: "jobs" });
  const files = createBucket({ name: "jobs", client: clientOf(bucket.send) });
  const bytes = randomBytes(1_000);
  const kept = Uint8Array.from(bytes);
  await files.put("payloads/1/a", bytes);
  bytes.fill(0);
  expect(await files.get("payloads/1/a")).toEqual(kept);
  expect(bucket.objects().size).toBe(1);
  await files.remove("payloads/1/a");
  await files.remove("payloads/1/a");
  await expect(files.get("payloads/1/a")).rejects.toMatchObject({ name: "NoSuchKey" });
});

test("an object that is not there, or a bucket, is told as S3 does", async () => {
  const { send } = createS3({ bucket: "jobs" });
  const at = { Bucket: "jobs", Key: "none" };
  await expect(send(new HeadObjectCommand(at))).rejects.toMatchObject({ name: "NotFound" });
  expect(await send(new DeleteObjectCommand(at))).toMatchObject({ $metadata: { httpStatusCode: 200 } });
  await expect(send(new GetObjectCommand({ ...at, Bucket: "other" }))).rejects.toMatchObject({ name: "NoSuchBucket" });
});

/** EventBridge on a clock that the test moves, and the part of lib/ that calls it. */
function scheduling() {
  let time = 10 * MINUTE;
  const model = createSchedules({ now: () => time });
  const config = {
    group: "arn:aws:scheduler:sim:0:schedule-group/jobs",
    target: "arn:aws:lambda:sim:0:function:fire",
    role: "arn:aws:iam::0:role/fire",
    deadLetters: "arn:aws:sqs:sim:0:dead",
  };
  return {
    model,
    scheduler: createScheduler(config, clientOf(model.send)),
    pass: (ms: number) => {
      time += ms;
    },
  };
}

const once: OneOff = { jobId: "one", token: "token", at: 15 * MINUTE, event: '{"fire":{"id":"one","run":1}}' };

test("a schedule is due from its time on until it is said to have fired, and is then gone", async () => {
  const { model, scheduler, pass } = scheduling();
  expect(await scheduler.create(once)).toBe("created");
  await scheduler.create({ ...once, jobId: "later", at: 20 * MINUTE });
  pass(5 * MINUTE - 1);
  expect(model.due()).toEqual([]);
  pass(5 * MINUTE + 1);
  expect(model.due()).toMatchObject([
    { name: "one", input: once.event, targetArn: expect.stringContaining("fire") },
    { name: "later" },
  ]);
  const [first] = model.due();
  if (first) model.fired(first);
  expect(model.due()).toMatchObject([{ name: "later" }]);
  expect(model.schedules()).toHaveLength(1);
});

test("a repeat succeeds, another of the same name is a conflict that tells what is there", async () => {
  const { scheduler } = scheduling();
  await scheduler.create(once);
  expect(await scheduler.create(once)).toBe("created");
  expect(await scheduler.create({ ...once, token: "other" })).toBe("created");
  expect(await scheduler.create({ ...once, token: "other", at: 16 * MINUTE })).toBe("other");
});

test("a replaced schedule is not ended by the firing of the one before, a removed one never fires", async () => {
  const { model, scheduler, pass } = scheduling();
  await scheduler.create(once);
  pass(5 * MINUTE);
  const [before] = model.due();
  await scheduler.replace({ ...once, at: 20 * MINUTE });
  if (before) model.fired(before);
  expect(model.due()).toEqual([]);
  expect(model.schedules()).toHaveLength(1);
  await scheduler.remove("one");
  await scheduler.remove("one");
  pass(5 * MINUTE);
  expect(model.due()).toEqual([]);
});

test("a time in the past is refused", async () => {
  const { scheduler } = scheduling();
  await expect(scheduler.create({ ...once, at: 10 * MINUTE - SECOND })).rejects.toMatchObject({
    name: "ValidationException",
  });
});

test.each<[string, () => Error]>([
  ...(["dynamodb", "sqs", "s3", "scheduler"] satisfies Service[]).flatMap((service): [string, () => Error][] => [
    [`${service} throttles`, () => throttled(service)],
    [`${service} fails`, () => failed(service)],
  ]),
  ["a call times out", timedOut],
  ["a connection breaks", disconnected],
  ["an item is in a transaction", inTransaction],
])("when %s, the part is unavailable", async (_, fault) => {
  await expect(askOf("The part", Promise.reject(fault()))).rejects.toBeInstanceOf(Unavailable);
});

test("a transaction that another write is in the way of leaves a firing unknown", async () => {
  const clock = createClock();
  const send = async () => Promise.reject(transactionConflict(2));
  const files = createBucket({ name: "jobs", client: clientOf(send) });
  const store = createJobStore({ table: createTable({ name: "jobs", clock, client: clientOf(send) }), files, clock });
  const [schedule, target] = ["schedule", "target"].map((id) => newJob(request("db"), clock.now(), id)) as [
    WaitingJob,
    WaitingJob,
  ];
  const run = { now: clock.now(), targetJobId: target.id, next: undefined, retention: 0 };
  await expect(store.createWith(target, schedule, fire(schedule, run))).rejects.toBeInstanceOf(Unavailable);
});
