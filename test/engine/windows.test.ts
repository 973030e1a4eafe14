import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, iso } from "../../lib/clock.ts";
import { nextAttempt, type Job } from "../../lib/job/job.ts";
import type { Message, Metadata } from "../../lib/job/message.ts";
import { PLENTY, createWorld, request, type World } from "../support/world.ts";

// Delays and time limits: `delaySeconds`, `notBefore`, `notAfter`.

let world: World;
let appId: string;

beforeEach(async () => {
  world = await createWorld({ isQuick: true });
  appId = randomUUID();
});
afterEach(async () => world.end());

async function submit(metadata: Metadata, more: Partial<Message> = {}): Promise<Job> {
  const asked = request("both", metadata, { appId });
  const submitted = await world.engine.submit({ ...asked, message: { ...asked.message, ...more } });
  if (submitted.kind === "sent") throw new Error("Nothing is stored");
  return submitted.job;
}

const now = async ({ id }: Job) => (await world.store.get(id)) as Job;
const deliver = async (job: Job) => world.engine.run({ kind: "stored", ref: nextAttempt(await now(job)) }, PLENTY);
const inMs = (ms: number) => iso(world.clock.now() + ms);

test("a job starts at its time: by a delayed message, or, if that is far, by the sweep", async () => {
  const soon = await submit({ delaySeconds: 600 });
  expect(soon).toMatchObject({ startAt: soon.createdAt + 600 * SECOND, dueAt: soon.startAt + 5 * MINUTE });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });
  const far = await submit({ notBefore: inMs(2 * HOUR) });
  expect(far).toMatchObject({ dueAt: far.startAt, scheduledAt: far.startAt });
  expect(await world.depth("fair")).toEqual({ ready: 0, delayed: 1 });

  expect(await deliver(far)).toBe("skipped");
  expect(world.ran).toHaveLength(0);
  world.pass(2 * HOUR - MINUTE / 2);
  expect((await world.engine.sweep(PLENTY)).sent).toBeGreaterThanOrEqual(1);
  expect(await deliver(far)).toBe("skipped");
  world.pass(MINUTE);
  expect(await deliver(far)).toBe("succeeded");
  const past = await submit({ notBefore: inMs(-DAY) });
  expect(past.startAt).toBe(past.createdAt);
});

test("a delayed job of a lane is sent when it is due, and holds up none of its lane before", async () => {
  const delayed = await submit({ messageGroupId: "lane", delaySeconds: 600 });
  expect(delayed.dueAt).toBe(delayed.startAt);
  expect(await world.depth("main")).toEqual({ ready: 0, delayed: 0 });
  const behind = await submit({ messageGroupId: "lane" });
  expect(await world.depth("main")).toEqual({ ready: 1, delayed: 0 });
  expect(await deliver(behind)).toBe("succeeded");
  world.pass(600 * SECOND - 30 * SECOND);
  expect((await world.engine.sweep(PLENTY)).sent).toBe(0);
  world.pass(31 * SECOND);
  expect((await world.engine.sweep(PLENTY)).sent).toBe(1);
  expect(await deliver(delayed)).toBe("succeeded");
});

test("what was not started by its notAfter ends as FAILED, expired, and its follow-up is submitted", async () => {
  const follower = { message: request("both").message };
  const job = await submit({ notAfter: inMs(MINUTE) }, { onFailure: follower });
  const ref = nextAttempt(job);
  world.pass(MINUTE + SECOND);
  expect(await world.engine.run({ kind: "stored", ref }, PLENTY)).toBe("skipped");
  expect(world.ran).toHaveLength(0);
  const ended = await now(job);
  expect(ended).toMatchObject({
    status: "FAILED",
    reason: "expired",
    attempts: 0,
    followUpJobIds: [expect.any(String)],
  });
  expect(ended.lastError).toContain("notAfter");
  expect(ended).not.toHaveProperty("dueAt");
  expect(await world.engine.run({ kind: "stored", ref }, PLENTY)).toBe("skipped");
  await expect(world.engine.retryJob(job.id)).rejects.toMatchObject({ code: "CONFLICT", reason: "expired" });
});

test("the sweep ends what is late and whose message is lost", async () => {
  const job = await submit({ notAfter: inMs(MINUTE) });
  world.pass(6 * MINUTE);
  expect(await world.engine.sweep(PLENTY)).toMatchObject({ sent: 0 });
  expect(await now(job)).toMatchObject({ status: "FAILED", reason: "expired" });
});

test("a retry that would be after notAfter is not planned", async () => {
  world.execute(async () => ({ kind: "retry", error: "HTTP 500", httpStatus: 500 }));
  const late = await submit({ notAfter: inMs(50 * SECOND) });
  expect(await deliver(late)).toBe("failed");
  expect(await now(late)).toMatchObject({ status: "FAILED", reason: "expired", lastError: "HTTP 500", retryCount: 0 });
  const inTime = await submit({ notAfter: inMs(2 * MINUTE) });
  await deliver(inTime);
  expect(await now(inTime)).toMatchObject({ status: "RETRYING", retryCount: 1 });
  world.pass(2 * MINUTE + SECOND);
  expect(await deliver(inTime)).toBe("skipped");
  expect(await now(inTime)).toMatchObject({ status: "FAILED", reason: "expired", lastError: "HTTP 500" });
});

test("what is late in a backlog ends once jobs leave it, and takes the place of none", async () => {
  const before = await world.apps.read(appId);
  const set = async (paused: boolean, at = before) => {
    await world.apps.change(at, appId, { ...at, paused }, "tester");
    world.pass(11 * SECOND);
  };
  await set(true);
  const late = await submit({ notAfter: inMs(MINUTE) });
  const other = await submit({});
  expect([await deliver(late), await deliver(other)]).toEqual(["skipped", "skipped"]);
  expect((await now(late)).backlog).toBe("app");
  await set(false, await world.apps.read(appId));
  for (let n = 0; n < 3; n += 1) {
    world.pass(MINUTE);
    await world.engine.sweep(PLENTY);
  }
  expect(await now(late)).toMatchObject({ status: "FAILED", reason: "expired" });
  expect((await now(other)).backlog).toBeUndefined();
});

test("a person's retry keeps to the start that was asked for", async () => {
  const [soon, far] = [await submit({ delaySeconds: 600 }), await submit({ delaySeconds: 7_200 })];
  for (const job of [soon, far]) {
    await world.engine.stopJob(job.id, "DEAD");
    await world.engine.retryJob(job.id);
    expect((await now(job)).startAt).toBe(job.startAt);
  }
  expect((await now(soon)).dueAt).toBe(soon.startAt + 5 * MINUTE);
  expect((await now(far)).dueAt).toBe(far.startAt);
});

test("a failure that no retry can mend says so, whichever status it ends in, and a new generation forgets it", async () => {
  world.execute(async () => ({ kind: "rejected", error: "HTTP 422", httpStatus: 422 }));
  const [failed, dead] = [await submit({}), await submit({ maxRetries: 0 })];
  await deliver(failed);
  await deliver(dead);
  expect(await now(failed)).toMatchObject({ status: "FAILED", reason: "final", lastError: "HTTP 422" });
  expect(await now(dead)).toMatchObject({ status: "DEAD", reason: "final" });
  await world.engine.retryJob(failed.id);
  expect(await now(failed)).not.toHaveProperty("reason");
});
