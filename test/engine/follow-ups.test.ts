import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../lib/clock.ts";
import { Unavailable } from "../../lib/errors.ts";
import type { FailedJob, Job } from "../../lib/job/job.ts";
import { retry } from "../../lib/job/moves.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";
import { FINAL_STATUSES } from "../../lib/job/status.ts";
import type { FollowUps, Message } from "../../lib/job/message.ts";

let world: World;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
});
afterEach(async () => {
  await world.end();
});

const stored = async (id: string) => (await world.store.get(id)) as Job;
const callback = { url: "https://done.example/jobs?of=mine", headers: {}, on: FINAL_STATUSES };

function messageWith(followUps: FollowUps, maxRetries = 10): Message {
  return { ...request("both", { maxRetries }).message, ...followUps };
}

async function submit(followUps: FollowUps, maxRetries?: number): Promise<Job> {
  const { appId } = request("both");
  const submitted = await world.engine.submit({ appId, mode: "both", message: messageWith(followUps, maxRetries) });
  if (submitted.kind !== "created") throw new Error(`The job was ${submitted.kind}`);
  return submitted.job;
}

/** Runs the queue's messages until it is empty. */
async function workOff(): Promise<void> {
  for (;;) {
    const records = await world.receive("fair");
    if (records.length === 0) return;
    await world.engine.runBatch(records, PLENTY);
  }
}

const rejects = async () => ({ kind: "rejected", error: "not like this" }) as const;
const ranFor = (parent: Job) => world.ran.filter(({ jobId }) => jobId !== parent.id);

test("callbacks, chained jobs and their own follow-ups say who asked for the first job", async () => {
  const second = { message: messageWith({}), onComplete: callback };
  const message = messageWith({ onComplete: callback, onSuccess: second });
  const { appId } = request("both");
  const { job } = await world.engine.submit({ appId, mode: "both", message, createdBy: "ann" });
  await workOff();
  const followers = ranFor(job).map((attempt) => attempt.job);
  expect(followers).toHaveLength(3);
  for (const { id } of [job, ...followers]) expect(await stored(id)).toMatchObject({ createdBy: "ann" });
  // The callback and the chained job run in any order.
  const called = ranFor(job).find(({ message: { execution } }) => execution["baseUrl"] === "https://done.example");
  expect(JSON.parse(called?.message.lambdaProxyMessage?.body ?? "")).toMatchObject({ createdBy: "ann" });
});

test("a callback delivers the job as it ended, once, and hangs on the job", async () => {
  const job = await submit({ onComplete: { ...callback, headers: { "x-key": "k" } } });
  await workOff();
  const [delivery] = ranFor(job);
  expect(ranFor(job)).toHaveLength(1);
  const { lambdaProxyMessage, execution, metadata } = delivery?.message ?? ({} as Message);
  expect(execution).toMatchObject({ type: "rest-api", baseUrl: "https://done.example" });
  expect(lambdaProxyMessage).toMatchObject({
    path: "/jobs?of=mine",
    httpMethod: "POST",
    headers: { "content-type": "application/json", "x-key": "k" },
  });
  expect(metadata.maxRetries).toBe(3);
  expect(JSON.parse(lambdaProxyMessage?.body ?? "")).toMatchObject({
    id: job.id,
    status: "SUCCEEDED",
    attempts: [{ number: 1, outcome: "succeeded", httpStatus: 200 }],
  });
  const ended = await stored(job.id);
  expect(ended.followUpJobIds).toEqual([delivery?.jobId]);
  expect(ended.dueAt).toBeUndefined();
  expect(await stored(delivery?.jobId ?? "")).toMatchObject({ parentJobId: job.id, status: "SUCCEEDED" });
});

test("a callback that fails changes nothing about its job", async () => {
  world.execute(async ({ number, message }) =>
    message.execution["baseUrl"] === "https://done.example"
      ? { kind: "retry", error: `HTTP 500 at ${number}` }
      : { kind: "succeeded" },
  );
  const job = await submit({ onComplete: callback });
  await workOff();
  const before = await stored(job.id);
  for (let hours = 0; hours < 3; hours += 1) {
    world.pass(HOUR);
    await world.engine.sweep(PLENTY);
    await workOff();
  }
  expect(await stored(job.id)).toEqual(before);
  expect(await stored(before.followUpJobIds?.[0] ?? "")).toMatchObject({ status: "DEAD", attempts: 4 });
});

test("a callback comes only at the ends that it is for", async () => {
  const job = await submit({ onComplete: { ...callback, on: ["DEAD", "CANCELLED"] } });
  await workOff();
  expect(ranFor(job)).toHaveLength(0);
  const cancelled = await submit({ onComplete: { ...callback, on: ["DEAD", "CANCELLED"] } });
  await world.engine.stopJob(cancelled.id, "CANCELLED");
  await workOff();
  const [delivery] = world.ran.filter(({ message }) => message.execution["baseUrl"] === "https://done.example");
  expect(JSON.parse(delivery?.message.lambdaProxyMessage?.body ?? "")).toMatchObject({ status: "CANCELLED" });
});

test("a job that succeeds is followed by the one, a job that fails by the other", async () => {
  const next = (path: string) => {
    const message = messageWith({});
    return { message: { ...message, lambdaProxyMessage: { ...message.lambdaProxyMessage!, path } } };
  };
  const followUps = { onSuccess: next("/well"), onFailure: next("/badly") };
  const good = await submit(followUps);
  await workOff();
  const paths = () => world.ran.map(({ message }) => message.lambdaProxyMessage?.path);
  expect(paths()).toEqual(["/", "/well"]);
  expect(await stored(world.ran[1]?.jobId ?? "")).toMatchObject({ parentJobId: good.id, appId: good.appId });
  world.execute(rejects);
  await submit(followUps);
  await workOff();
  expect(paths()).toEqual(["/", "/well", "/", "/badly"]);
});

test("a chain of ten follow-ups runs to its end", async () => {
  const chain = (length: number): FollowUps =>
    length === 0 ? {} : { onSuccess: { message: messageWith({}), ...chain(length - 1) } };
  const job = await submit(chain(10));
  await workOff();
  expect(world.ran).toHaveLength(11);
  let at = job.id;
  for (const { jobId } of world.ran.slice(1)) {
    const { followUpJobIds } = await stored(at);
    expect(followUpJobIds).toEqual([jobId]);
    at = jobId;
  }
});

test("a process that dies between an end and its callback still gets the callback out, once", async () => {
  const job = await submit({ onComplete: callback, onSuccess: { message: messageWith({}) } });
  // The process stops after the attempt's end: the follow-ups need the message, and its read never returns.
  const { message } = world.store;
  let reads = 0;
  world.store.message = async (of) => ((reads += 1) === 1 ? message(of) : new Promise(() => {}));
  void world.engine.runBatch(await world.receive("fair"), PLENTY);
  await expect.poll(async () => (await stored(job.id)).status).toBe("SUCCEEDED");
  world.store.message = message;
  expect(ranFor(job)).toHaveLength(0);

  await world.engine.sweep(PLENTY);
  await workOff();
  expect(ranFor(job)).toHaveLength(0);
  world.pass(MINUTE);
  await Promise.all([world.engine.sweep(PLENTY), world.engine.sweep(PLENTY)]);
  await workOff();
  expect(ranFor(job)).toHaveLength(2);
  world.pass(DAY);
  await world.engine.sweep(PLENTY);
  await workOff();
  expect(ranFor(job)).toHaveLength(2);
});

test("a table that fails between an end and its callback leaves the callback to the sweep", async () => {
  const job = await submit({ onComplete: callback });
  const { create } = world.store;
  world.store.create = async () => Promise.reject(new Unavailable("The jobs table", new Error("503")));
  await workOff();
  expect(world.logged.map(({ event }) => event)).toContain("job.not-settled");
  world.store.create = create;
  world.pass(MINUTE);
  await world.engine.sweep(PLENTY);
  await workOff();
  expect(ranFor(job)).toHaveLength(1);
});

test("what is owed for one end is submitted before a person starts the next generation", async () => {
  world.execute(rejects);
  const job = await submit({ onComplete: callback });
  const { create } = world.store;
  world.store.create = async () => Promise.reject(new Unavailable("The jobs table", new Error("503")));
  await workOff();
  world.store.create = create;
  world.execute(async () => ({ kind: "succeeded" }));
  await world.engine.retryJob(job.id);
  await workOff();
  const bodies = ranFor(job).map(({ message }) => JSON.parse(message.lambdaProxyMessage?.body ?? ""));
  expect(new Set(bodies.map(({ status }) => status))).toEqual(new Set(["FAILED", "SUCCEEDED"]));
  expect((await stored(job.id)).followUpJobIds).toHaveLength(2);
});

test("a job that ends twice by a person's retry calls back twice", async () => {
  world.execute(rejects);
  const job = await submit({ onComplete: { ...callback, on: ["FAILED"] } });
  await workOff();
  await world.engine.retryJob(job.id);
  await workOff();
  const first = ranFor(job).filter(({ number }) => number === 1);
  expect(new Set(first.map(({ jobId }) => jobId)).size).toBe(2);
});

test("a job that owes a callback can be deleted only after it is submitted", async () => {
  const job = await submit({ onComplete: callback });
  const { create } = world.store;
  world.store.create = async () => Promise.reject(new Unavailable("The jobs table", new Error("503")));
  await workOff();
  await expect(world.engine.deleteJob(job.id)).rejects.toThrow(Unavailable);
  world.store.create = create;
  expect((await world.engine.deleteJob(job.id))?.id).toBe(job.id);
  await workOff();
  expect(ranFor(job)).toHaveLength(1);
});

test("credentials of the job do not travel with its callback", async () => {
  const message = messageWith({ onComplete: { ...callback, headers: { authorization: "Bearer of-the-callback" } } });
  const lambdaProxyMessage = { ...message.lambdaProxyMessage!, headers: { Authorization: "Bearer of-the-job" } };
  const { appId } = request("both");
  await world.engine.submit({ appId, mode: "both", message: { ...message, lambdaProxyMessage } });
  await workOff();
  const delivery = world.ran[1]?.message.lambdaProxyMessage;
  expect(delivery?.body).not.toContain("of-the-");
  expect(delivery?.headers["authorization"]).toBe("Bearer of-the-callback");
});

test("a retry that was decided on before the job owed something waits for that", async () => {
  world.execute(rejects);
  const job = await submit({ onComplete: callback });
  const { create } = world.store;
  world.store.create = async () => Promise.reject(new Unavailable("The jobs table", new Error("503")));
  await workOff();
  const owing = await stored(job.id);
  expect((await world.store.apply(owing, retry(owing as FailedJob, world.clock.now()))).won).toBe(false);
  world.store.create = create;
});

test("with a retention, a process that dies after an end leaves expiry dates to the sweep", async () => {
  const kept = await createWorld({ retention: 7 * DAY });
  kept.execute(rejects);
  const job = await kept.submit("both", { maxRetries: 0 });
  const { expireAttachments } = kept.store;
  kept.store.expireAttachments = async () => new Promise(() => {});
  void kept.engine.runBatch(await kept.receive("fair"), PLENTY);
  await expect.poll(async () => (await kept.store.get(job.id))?.status).toBe("DEAD");
  kept.store.expireAttachments = expireAttachments;
  expect((await kept.store.get(job.id))?.expiresAt).toBeUndefined();
  kept.pass(MINUTE);
  await kept.engine.sweep(PLENTY);
  const settled = await kept.store.get(job.id);
  expect([settled?.dueAt, settled?.expiresAt]).toEqual([undefined, expect.any(Number)]);
  expect((await kept.store.history(job.id))?.recorded.size).toBe(1);
  kept.pass(8 * DAY);
  expect(await kept.store.history(job.id)).toBeUndefined();
  await kept.end();
});

test("a job that is deleted and posted again with its key calls back again", async () => {
  const { appId } = request("both");
  const message = { ...messageWith({ onComplete: callback }), metadata: { idempotencyKey: "again" } };
  for (let round = 1; round <= 2; round += 1) {
    const submitted = await world.engine.submit({ appId, mode: "both", message });
    if (submitted.kind !== "created") throw new Error(`The job was ${submitted.kind}`);
    await workOff();
    expect(ranFor(submitted.job)).toHaveLength(round);
    await world.engine.deleteJob(submitted.job.id);
  }
});

test("what can't be submitted for good is tried again every five minutes, not every minute", async () => {
  const job = await submit({ onComplete: callback });
  world.store.create = async () => Promise.reject(new Error("ValidationException"));
  await workOff();
  const tries: number[] = [];
  const { message } = world.store;
  world.store.message = async (of) => {
    tries.push(world.clock.now());
    return message(of);
  };
  for (let minute = 0; minute < 12; minute += 1) {
    world.pass(MINUTE);
    await world.engine.sweep(PLENTY);
  }
  expect((await stored(job.id)).dueAt).toBeGreaterThan(world.clock.now());
  // Each try reads the message twice: for the follow-ups, and for the view.
  expect(tries.length / 2).toBeLessThanOrEqual(3);
});
