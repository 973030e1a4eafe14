// Over 300 lines: one contract suite for two tables.

import { DeleteItemCommand, GetItemCommand, QueryCommand } from "@aws-sdk/client-dynamodb";
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY, MINUTE, SECOND } from "../../lib/clock.ts";
import type { JobStore } from "../../lib/store/job-store.ts";
import type { TimeRange } from "../../lib/job/job-filter.ts";
import type { AppIndex, Partition } from "../../lib/store/job-index.ts";
import { jobOf, toItem, type IndexEntry } from "../../lib/store/job-item.ts";
import { DUE_SHARDS } from "../../lib/store/job-keys.ts";
import { merged, type Position } from "../../lib/store/merge.ts";
import {
  nextAttempt,
  type Job,
  type WaitingJob,
  type RunningJob,
  type FailedJob,
  type EndedJob,
  asRunning,
} from "../../lib/job/job.ts";
import { claim, end, expire, extend, becomeDue, retry, settleEnd, stop } from "../../lib/job/moves.ts";
import { newJob } from "../support/new-job.ts";
import { itemBytes } from "../sim/models/dynamodb-value.ts";
import { request } from "../support/world.ts";
import {
  TABLE,
  clock,
  failed,
  type Ground,
  loseReply,
  storeAt,
  someJob,
  someTask,
  ending,
  GROUNDS,
} from "./grounds.ts";

let ground: Ground;
let store: JobStore;

describe.each(process.env["TEST_ON_MODELS"] ? GROUNDS.slice(1) : GROUNDS)("on %s", (_, stand) => {
  beforeAll(async () => {
    ground = await stand();
    store = storeAt(ground, clock);
  });
  afterAll(async () => ground.end());

  puts();
  attempts();
  tasks();
  dueJobs();
  payloads();
  sizes();
  deletions();
  reads();
  lists();
  listings();
  moveWithNewJob();
});

async function claimed(job: WaitingJob): Promise<RunningJob> {
  const now = clock.now();
  const result = await store.apply(job, claim(nextAttempt(job), now, now + 45 * SECOND));
  if (!result.won) throw new Error("The claim was lost");
  return asRunning(result.job);
}

/** A job that failed at its first attempt, with nothing left to settle. */
async function failedFor(job: Job): Promise<Job> {
  await store.create(job);
  const mine = await claimed(((await store.get(job.id)) as WaitingJob) ?? job);
  await store.recordAttempt(job.id, {
    number: 1,
    startedAt: 5,
    durationMs: 3,
    outcome: "rejected",
    error: "HTTP 400",
  });
  return (await store.apply(mine, end(mine, ending({ kind: "rejected", error: "HTTP 400" })))).job as Job;
}

function puts(): void {
  test("a job reads back as it was put", async () => {
    const job = someJob({ key: "k" });
    await store.create(job);
    expect(await store.get(job.id)).toEqual({ ...job, payload: { at: "inline", bytes: expect.anything() } });
  });

  test("an item that names neither a timeout nor a number of retries is of a job with 30 s and ten", async () => {
    const job = someJob();
    await store.create({ ...job, timeoutMs: 30_000, maxRetries: 10 });
    const Key = { pk: { S: `J#${job.id}` }, sk: { S: "J" } };
    const { Item } = await ground.client.send(new GetItemCommand({ TableName: TABLE, Key }));
    for (const field of ["timeoutMs", "maxRetries"]) expect(Item).not.toHaveProperty(field);
    expect(await store.get(job.id)).toMatchObject({ timeoutMs: 30_000, maxRetries: 10 });
  });

  test("of two puts of one id one wins, and the other gets the job that stands", async () => {
    const appId = randomUUID();
    const [one, two] = [someJob({ key: "k", appId }), someJob({ key: "k", appId })];
    expect(one.id).toBe(two.id);
    expect((await store.create(one)).won).toBe(true);
    expect(await store.create(two)).toMatchObject({ won: false, job: { createdAt: one.createdAt } });
  });

  test("a put whose reply was lost is known as one's own", async () => {
    ground.interrupt(loseReply);
    expect((await store.create(someJob({ key: "lost" }))).won).toBe(true);
  });

  test("an expired job counts as gone though TTL has not deleted it, and its key is free again", async () => {
    const job = (await store.create(someJob({ key: "kept", body: randomBytes(2_000).toString("hex") })))
      .job as WaitingJob;
    const mine = await claimed(job);
    await store.recordAttempt(job.id, { number: 1, startedAt: clock.now(), outcome: "retry", error: "HTTP 500" });
    const retried = (await store.apply(mine, end(mine, ending(failed)))).job as WaitingJob;
    const now = retried.startAt;
    const again = (await store.apply(retried, claim(nextAttempt(retried), now, now + MINUTE))).job as RunningJob;
    const left = (await store.apply(again, end(again, { ...ending({ kind: "succeeded" }), retention: DAY })))
      .job as EndedJob;
    // The job is due until its attachments have their expiry.
    expect([left.expiresAt, left.dueAt]).toEqual([undefined, expect.any(Number)]);
    const ended = (await store.apply(left, settleEnd(left, [], clock.now(), DAY))).job as Job;
    expect(ended.dueAt).toBeUndefined();
    await store.expireAttachments(ended);

    const expiryOf = async (sk: string) => {
      const Key = { pk: { S: `J#${job.id}` }, sk: { S: sk } };
      const { Item } = await ground.client.send(new GetItemCommand({ TableName: TABLE, Key }));
      return Item?.["expiresAt"]?.N;
    };
    const parts = ["A#1", `P#${ended.payload.at === "item" ? ended.payload.hash : ""}`];
    for (const sk of ["J", ...parts]) expect(Number(await expiryOf(sk)) * SECOND).toBeGreaterThan(clock.now());
    // A process that stood still while another one settled the job has an earlier date.
    await store.expireAttachments({ ...ended, expiresAt: clock.now() + MINUTE });
    for (const sk of parts) expect(await expiryOf(sk)).toBe(await expiryOf("J"));
    // A manual retry removes the expiry.
    await store.keepAttachments(ended);
    for (const sk of parts) expect(await expiryOf(sk)).toBeUndefined();
    await store.expireAttachments(ended);
    expect(await store.get(job.id)).toBeDefined();
    const tomorrow = storeAt(ground, { ...clock, now: () => clock.now() + 2 * DAY });
    expect(await tomorrow.get(job.id)).toBeUndefined();
    expect(await tomorrow.history(job.id)).toBeUndefined();
    expect((await tomorrow.create(someJob({ key: "kept", appId: job.appId }))).won).toBe(true);
  });
}

function attempts(): void {
  test("a claim whose reply was lost is known as one's own, and counted once", async () => {
    const job = someJob();
    await store.create(job);
    ground.interrupt(loseReply);
    const mine = await claimed(job);
    expect(mine).toMatchObject({ status: "RUNNING", attempts: 1, appId: job.appId, executionType: "rest-api" });
    expect((await store.get(job.id))?.attempts).toBe(1);
  });

  test("a finish whose reply was lost is known as one's own", async () => {
    const job = someJob();
    await store.create(job);
    const mine = await claimed(job);
    ground.interrupt(loseReply);
    expect(await store.apply(mine, end(mine, ending({ kind: "succeeded" })))).toMatchObject({
      won: true,
      job: { status: "SUCCEEDED" },
    });
  });

  test("of many claims of one attempt exactly one wins", async () => {
    const job = someJob();
    await store.create(job);
    const now = clock.now();
    const claims = await Promise.all(
      Array.from({ length: 20 }, () => store.apply(job, claim(nextAttempt(job), now, now + MINUTE))),
    );
    expect(claims.filter(({ won }) => won)).toHaveLength(1);
  });

  test("a worker that has lost its attempt changes nothing", async () => {
    const job = someJob();
    await store.create(job);
    const stale = await claimed(job);
    const later = clock.now() + MINUTE;
    const expired = await store.apply(stale, expire(stale, { now: later, chance: 0, retention: 0 }));
    expect(expired).toMatchObject({ won: true, job: { status: "RETRYING", attempts: 1, retryCount: 1 } });
    const finish = await store.apply(stale, end(stale, ending({ kind: "succeeded" })));
    expect(finish).toMatchObject({ won: false, job: { status: "RETRYING" } });
  });

  test("an attempt whose lease is not over can't be expired", async () => {
    const job = someJob();
    await store.create(job);
    const mine = await claimed(job);
    expect((await store.apply(mine, expire(mine, { now: clock.now(), chance: 0, retention: 0 }))).won).toBe(false);
  });

  test("a sweep in between does not hide from a claim whose reply was lost that it won", async () => {
    const job = someJob();
    await store.create(job);
    const now = clock.now();
    // A sweep postpones the job between the committed claim and the SDK's repetition of it.
    ground.interrupt(async () => {
      const running = (await store.get(job.id)) as Job;
      expect((await store.apply(running, becomeDue(running, now + DAY))).won).toBe(true);
      loseReply();
    });
    const claimedLate = await store.apply(nextAttempt(job), claim(nextAttempt(job), now, now + MINUTE));
    expect(claimedLate).toMatchObject({ won: true, job: { status: "RUNNING", attempts: 1, dueAt: now + DAY } });
  });

  test("a record that is kept only if absent does not replace another one", async () => {
    const job = someJob();
    await store.create(job);
    await claimed(job);
    await store.recordAttempt(job.id, { number: 1, startedAt: 1, outcome: "retry", error: "HTTP 500" });
    await store.recordAttempt(job.id, { number: 1, startedAt: 1, outcome: "rejected", error: "no" }, "if absent");
    expect((await store.history(job.id))?.recorded.get(1)).toMatchObject({ outcome: "retry" });
  });
}

function tasks(): void {
  test("a task that is claimed by its name is as it was read, or the claim is lost", async () => {
    const job = someTask();
    await store.create(job);
    const take = async (seen: Job) =>
      store.apply(nextAttempt(seen), claim(nextAttempt(seen), clock.now(), clock.now() + MINUTE, 5));
    const mine = (await take(job)).job as RunningJob;
    const waiting = (await store.apply(mine, end(mine, ending(failed)))).job as WaitingJob;
    await store.apply(waiting, { ...becomeDue(waiting, 0), set: { startAt: 0 } });
    expect(waiting).toMatchObject({ status: "RETRYING", retryCount: 1 });
    // After the read for the claim, a user stops the job and retries it, which resets its retries.
    ground.interrupt(async () => {
      const dead = (await store.apply(waiting, stop(waiting, "DEAD", clock.now(), 0))).job as FailedJob;
      await store.apply(dead, retry(dead, clock.now() + 5));
    });
    expect(await take(waiting)).toMatchObject({ won: false, job: { status: "PENDING", retryCount: 0 } });
    expect(await take(waiting)).toMatchObject({ won: true, job: { status: "RUNNING", attempts: 2, retryCount: 0 } });
  });

  test("a lease that was extended is not made shorter, nor what was saved taken back, by a call that comes late", async () => {
    const job = someTask();
    await store.create(job);
    const now = clock.now();
    const first = nextAttempt(job);
    const mine = (await store.apply(first, claim(first, now, now + MINUTE, 5))).job as RunningJob;
    const late = extend(mine, now + SECOND, now + SECOND + MINUTE, { saved: "1" });
    const kept = extend(mine, now + 9 * SECOND, now + 9 * SECOND + MINUTE, { saved: "2" });
    // Several extensions at the same moment are allowed.
    for (const move of [kept, kept]) expect((await store.apply(first, move)).won).toBe(true);
    expect((await store.apply(first, late)).won).toBe(false);
    expect(await store.get(job.id)).toMatchObject({ saved: "2", leaseUntil: now + 9 * SECOND + MINUTE });
  });
}

function dueJobs(): void {
  test("a retry can't be claimed before its time, nor under another number", async () => {
    const job = someJob();
    await store.create(job);
    const mine = await claimed(job);
    const retrying = (await store.apply(mine, end(mine, ending(failed)))).job as WaitingJob;
    const ref = nextAttempt(retrying);
    const early = clock.now() + 30 * SECOND;
    expect((await store.apply(ref, claim(ref, early, early + MINUTE))).won).toBe(false);
    const onTime = clock.now() + 61 * SECOND;
    expect((await store.apply(ref, claim({ ...ref, attempt: 3 }, onTime, onTime + MINUTE))).won).toBe(false);
    const { createdAt, executionType } = job;
    expect(await store.apply(ref, claim(ref, onTime, onTime + MINUTE))).toMatchObject({
      won: true,
      job: { id: job.id, appId: job.appId, executionType, createdAt, attempts: 2, retryCount: 1 },
    });
  });

  test("only one of two sweeps puts a job off", async () => {
    const job = someJob();
    await store.create(job);
    const move = becomeDue(job, clock.now() + DAY);
    expect((await store.apply(job, move)).won).toBe(true);
    expect((await store.apply(job, move)).won).toBe(false);
  });

  test("every unfinished job is in the due index, and a finished one is not", async () => {
    const job = someJob();
    await store.create(job);
    const dueIds = async () => {
      const pages = await Promise.all(DUE_SHARDS.map((shard) => store.due(shard, clock.now() + 2 * DAY, 1_000)));
      return pages.flatMap(({ entries }) => entries.map(({ id }) => id));
    };
    expect(await dueIds()).toContain(job.id);
    const mine = await claimed(job);
    expect(await dueIds()).toContain(job.id);
    const retrying = (await store.apply(mine, end(mine, ending(failed)))).job as WaitingJob;
    expect(await dueIds()).toContain(job.id);
    const now = retrying.startAt;
    const again = (await store.apply(retrying, claim(nextAttempt(retrying), now, now + MINUTE))).job as RunningJob;
    await store.apply(again, end(again, ending({ kind: "succeeded" })));
    expect(await dueIds()).not.toContain(job.id);
  });

  test("what is due in a shard comes oldest first, page by page, and the rest can be counted", async () => {
    const past = clock.now() - 100 * DAY;
    const jobs = [2, 0, 1, 3].map((at) => newJob(request("db"), past + at, `${randomUUID().slice(0, -2)}c7`));
    for (const job of jobs) await store.create(job);
    const inOrder = jobs
      .toSorted((a, b) => a.startAt - b.startAt)
      .map(({ id, startAt, appId }) => ({ id, at: startAt, appId, executionType: "rest-api" }));
    const first = await store.due("07", past + 2, 2);
    expect(first).toEqual({ entries: inOrder.slice(0, 2), complete: false });
    expect(await store.due("07", past + 2, 2, first.entries[1])).toEqual({ entries: [inOrder[2]], complete: true });
    expect(await store.countDue("07", past + 2)).toBe(3);
    expect(await store.countDue("07", past + 3, first.entries[1])).toBe(2);
    expect(await store.countDue("07", past - 1)).toBe(0);
    expect(await store.due("08", past + 3, 9)).toEqual({ entries: [], complete: true });
    expect(await store.oldestDue()).toBe(past);
  });
}

function payloads(): void {
  test("a payload that does not fit stands beside the job, and a losing replay does not touch it", async () => {
    const appId = randomUUID();
    for (const bytes of [2_000, 500_000]) {
      const key = `large-${bytes}`;
      const mine = someJob({ key, appId, body: randomBytes(bytes).toString("hex") });
      const other = someJob({ key, appId, body: randomBytes(bytes).toString("hex") });
      await store.create(mine);
      expect((await store.create(other)).won).toBe(false);
      const stored = (await store.get(mine.id)) as Job;
      expect(stored.payload.at).toBe(bytes === 2_000 ? "item" : "s3");
      const { body } = (await store.message(stored)).lambdaProxyMessage ?? {};
      expect(body).toBe((await store.message(mine)).lambdaProxyMessage?.body);
    }
  });

  test("a payload of 256 KB stands beside the job, a larger one in S3", async () => {
    for (const [length, at] of [
      [256 * 1_024, "item"],
      [256 * 1_024 + 1, "s3"],
    ] as const) {
      const { job } = await store.create({ ...someJob(), payload: { at: "inline", bytes: randomBytes(length) } });
      expect(job.payload.at).toBe(at);
    }
  });

  test("a losing replay takes its payload back, in a transaction too", async () => {
    const body = randomBytes(2_000).toString("hex");
    const job = (await store.create(someJob({ key: "again", body }))).job;
    const again = { ...someJob({ key: "again", appId: job.appId, body }), createdAt: job.createdAt + 1 };
    const other = someJob();
    await store.create(other);
    expect((await store.create(again)).won).toBe(false);
    await store.createWith(again, other, becomeDue(other, clock.now() + DAY));
    const pk = { S: `J#${job.id}` };
    const query = new QueryCommand({
      TableName: TABLE,
      KeyConditionExpression: "pk = :pk AND sk BETWEEN :p AND :q",
      ExpressionAttributeValues: { ":pk": pk, ":p": { S: "P#" }, ":q": { S: "P~" } },
    });
    expect((await ground.client.send(query)).Items).toHaveLength(1);
    expect(await store.message(job)).toBeDefined();
  });

  test("the deletion of a job takes no payload from the one that is posted with its key meanwhile", async () => {
    for (const bytes of [2_000, 500_000]) {
      const body = randomBytes(bytes).toString("hex");
      const job = await failedFor(someJob({ key: `next-${bytes}`, body }));
      const next = { ...someJob({ key: `next-${bytes}`, appId: job.appId, body }), createdAt: job.createdAt + 1 };
      // After the intent and the job's item, before its payload.
      ground.interrupt(() => ground.interrupt(async () => void (await store.create(next))));
      expect(await store.remove(job)).toBe(true);
      const stored = (await store.get(next.id)) as Job;
      expect(stored.createdAt).toBe(next.createdAt);
      expect(await store.message(stored)).toBeDefined();
    }
  });
}

function sizes(): void {
  test("a job whose message is in its item stays within one write unit, with who asked for it", async () => {
    const payloadOf = (length: number) => ({ at: "inline", bytes: randomBytes(length) }) as const;
    const createdBy = randomUUID();
    const itemOf = async ({ id }: Job) => {
      const Key = { pk: { S: `J#${id}` }, sk: { S: "J" } };
      return (await ground.client.send(new GetItemCommand({ TableName: TABLE, Key }))).Item ?? {};
    };
    // As much as was inline before jobs said who asked for them: their id cost the message nothing.
    let length = 652;
    const put = async () => {
      const accepted = { ...someJob({ key: randomUUID() }), payload: payloadOf(length), createdBy };
      return store.create({ ...accepted, destination: "https://hooks.shop.example" });
    };
    let { job } = await put();
    expect(job.payload.at).toBe("inline");
    for (let next = job; next.payload.at === "inline"; next = (await put()).job) {
      job = next;
      length += 1;
    }
    const running = await claimed(job as WaitingJob);
    expect(itemBytes(await itemOf(job))).toBeLessThanOrEqual(1_024);
    const success = { outcome: { kind: "succeeded", httpStatus: 200 }, durationMs: 599_999 } as const;
    await store.apply(running, end(running, { ...ending(failed), ...success }));
    expect(itemBytes(await itemOf(job))).toBeLessThanOrEqual(1_024);
    expect(await store.get(job.id)).toMatchObject({ createdBy, destination: "https://hooks.shop.example" });
  });
}

function deletions(): void {
  test("a deletion that is sent again deletes no job that was posted with its key, and has ended, meanwhile", async () => {
    const job = await failedFor(someJob({ key: "again" }));
    const next = { ...someJob({ key: "again", appId: job.appId }), createdAt: job.createdAt + 1 };
    ground.interrupt(async () => {
      await failedFor(next);
      loseReply();
    });
    expect(await store.remove(job)).toBe(false);
    expect((await store.get(job.id))?.createdAt).toBe(next.createdAt);
  });

  test("a job is deleted as it was seen, with all that hangs on it, or not at all", async () => {
    for (const bytes of [2_000, 500_000]) {
      const job = await failedFor(someJob({ body: randomBytes(bytes).toString("hex") }));
      expect(await store.remove({ ...job, status: "DEAD" } as Job)).toBe(false);
      expect(await store.remove({ ...job, attempts: 2 })).toBe(false);
      expect(await store.get(job.id)).toBeDefined();
      expect(await store.remove(job)).toBe(true);
      expect(await store.history(job.id)).toBeUndefined();
      await expect(store.message(job)).rejects.toThrow();
      // A repeated removal succeeds.
      expect(await store.remove(job)).toBe(true);
      await store.create(someJob());
    }
    const due = someJob();
    await store.create(due);
    expect(await store.remove(due)).toBe(false);
  });

  test("parts that were deleted meanwhile don't come back with an expiry date, and no date changes nothing", async () => {
    const job = await failedFor(someJob());
    const Key = { pk: { S: `J#${job.id}` }, sk: { S: "A#1" } };
    const read = async () => (await ground.client.send(new GetItemCommand({ TableName: TABLE, Key }))).Item;
    await store.expireAttachments(job);
    expect(await read()).not.toHaveProperty("expiresAt");
    const expiring = { ...job, expiresAt: clock.now() + DAY };
    await store.expireAttachments(expiring);
    await store.keepAttachments(job);
    expect(await read()).toHaveProperty("expiresAt");
    ground.interrupt(async () => {
      await ground.client.send(new DeleteItemCommand({ TableName: TABLE, Key }));
    });
    await store.keepAttachments(expiring);
    expect(await read()).toBeUndefined();
  });
}

function reads(): void {
  test("many jobs come in the order asked for, without those that don't exist", async () => {
    const jobs = Array.from({ length: 102 }, () => someJob());
    await Promise.all(jobs.map((job) => store.create(job)));
    const ids = jobs.map(({ id }) => id).toReversed();
    const found = await store.getMany([...ids.slice(0, 50), randomUUID(), ...ids.slice(50)], { consistent: true });
    expect(found.map(({ id }) => id)).toEqual(ids);
    expect(await store.getMany([], { consistent: false })).toEqual([]);
  });

  test("a job's history is the job and its failed attempts by number, whatever its payload", async () => {
    const job = await failedFor(someJob({ body: randomBytes(2_000).toString("hex") }));
    const attempt = { number: 1, startedAt: 5, durationMs: 3, outcome: "rejected", error: "HTTP 400" };
    const history = await store.history(job.id);
    expect(history?.job).toEqual(await store.get(job.id));
    expect(history?.recorded).toEqual(new Map([[1, attempt]]));
    expect(await store.history(randomUUID())).toBeUndefined();
  });
}

function lists(): void {
  test("an app's jobs come newest first, by type or by status, in a range of time", async () => {
    const appId = randomUUID();
    const at = clock.now() - 10 * DAY;
    const jobs = [0, 1, 2, 3].map((n) => newJob(request("db", {}, { appId }), at + n, randomUUID()));
    for (const job of jobs) await store.create(job);
    await store.create(someJob());
    const entries = jobs
      .map(({ id, createdAt }) => ({ id, at: createdAt, appId, executionType: "rest-api" }))
      .toReversed();
    const read = async (of: AppIndex, created: TimeRange, most: number, from?: Position) =>
      merged(
        store,
        store.partitionsOf(of).map((partition) => ({ ...partition, created })),
        { limit: 9, most },
        from,
      );
    const all = { appId, executionType: "rest-api" };
    expect(store.partitionsOf(all)).toHaveLength(4);
    expect(await read(all, {}, 9)).toEqual({ entries, next: undefined });
    const range = { from: at + 1, to: at + 2 };
    expect((await read(all, range, 9)).entries).toEqual(entries.slice(1, 3));
    const page = await read(all, {}, 2);
    expect(page.entries).toEqual(entries.slice(0, 2));
    expect(await read(all, {}, 9, page.next)).toEqual({ entries: entries.slice(2), next: undefined });
    await failedFor(newJob(request("db", {}, { appId }), at, randomUUID()));
    const failures = await read({ ...all, status: "FAILED" }, {}, 9);
    expect(failures).toMatchObject({ entries: [{ at, status: "FAILED", executionType: "rest-api" }], next: undefined });
    expect((await read({ ...all, status: "DEAD" }, {}, 9)).entries).toEqual([]);
  });

  test("jobs of one millisecond in several partitions come once each, in pages of any size, under more shards too", async () => {
    const appId = randomUUID();
    const at = clock.now() - 10 * DAY;
    const jobs = Array.from({ length: 30 }, (_, n) => newJob(request("db", {}, { appId }), at + (n % 3), randomUUID()));
    for (const job of jobs.slice(0, 20)) await store.create(job);
    const wider = storeAt(ground, clock, 7);
    for (const job of jobs.slice(20)) await wider.create(job);
    const sources = wider
      .partitionsOf({ appId, executionType: "rest-api" })
      .map((partition) => ({ ...partition, created: {} }));
    for (const [limit, most] of [
      [2, 5],
      [100, 7],
      [3, Infinity],
    ] as const) {
      const seen: IndexEntry[] = [];
      let from: Position | undefined;
      do {
        const page = await merged(wider, sources, { limit, most }, from);
        seen.push(...page.entries);
        from = page.next;
      } while (from);
      expect(seen.map(({ id }) => id).toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
      expect(seen.map((entry) => entry.at)).toEqual(seen.map((entry) => entry.at).toSorted((a, b) => b - a));
    }
  });
}

function listings(): void {
  test("a PENDING job is listed by its status when it is put off for long, and a task in every status", async () => {
    const listed = async ({ id, appId, executionType }: Job) => {
      const found = ["PENDING", "RUNNING", "RETRYING", "SUCCEEDED"] as const;
      const sources = found.flatMap((status) => store.partitionsOf({ appId, executionType, status }));
      const pages = await Promise.all(sources.map(async (source) => store.newest(source, {}, 9)));
      return pages.flatMap(({ entries }) => entries.filter((entry) => entry.id === id).map(({ status }) => status));
    };
    const job = someJob();
    await store.create(job);
    expect(await listed(job)).toEqual([]);
    await store.apply(job, becomeDue(job, job.createdAt + 15 * MINUTE));
    const off = { ...job, dueAt: job.createdAt + 15 * MINUTE };
    expect(await listed(job)).toEqual([]);
    await store.apply(off, becomeDue(off, off.dueAt + 1));
    expect(await listed(job)).toEqual(["PENDING"]);
    const mine = await claimed(job);
    expect(await listed(job)).toEqual([]);
    await store.apply(mine, end(mine, ending(failed)));
    expect(await listed(job)).toEqual(["RETRYING"]);
    const later = newJob({ ...request("both"), startAt: clock.now() + DAY }, clock.now(), clock.uuid());
    await store.create(later);
    expect(await listed(later)).toEqual(["PENDING"]);

    const task = someTask();
    await store.create(task);
    expect(await listed(task)).toEqual(["PENDING"]);
    const name = nextAttempt(task);
    const running = (await store.apply(name, claim(name, clock.now(), clock.now() + MINUTE, 5))).job as RunningJob;
    expect(await listed(task)).toEqual(["RUNNING"]);
    await store.apply(name, extend(running, clock.now(), clock.now() + MINUTE, {}));
    expect(await listed(task)).toEqual(["RUNNING"]);
    await store.apply(running, end(running, ending({ kind: "succeeded" })));
    expect(await listed(task)).toEqual(["SUCCEEDED"]);
  });

  test("the entries of an owner's jobs say what lists filter by, as it is now", async () => {
    const job = { ...someTask(), userId: "u", dialect: "files" as const };
    await store.create(job);
    const [partition] = store.partitionsOf({ appId: job.appId, userId: "u" });
    const entry = async () => (await store.newest(partition as Partition, {}, 9)).entries[0];
    const { id, appId, createdAt } = job;
    const expected = { id, at: createdAt, appId, executionType: "task", jobType: "example", dialect: "files" };
    expect(await entry()).toEqual({ ...expected, status: "PENDING" });
    await store.apply(job, stop(job, "CANCELLED", clock.now(), 0));
    expect(await entry()).toEqual({ ...expected, status: "CANCELLED" });
  });
}

function moveWithNewJob(): void {
  test("a job and another's move are written both or neither", async () => {
    const of = someJob();
    await store.create(of);
    const target = someJob({ body: randomBytes(2_000).toString("hex") });
    const move = becomeDue(of, clock.now() + DAY);
    const written = await store.createWith(target, of, move);
    expect(written).toEqual({ won: true, created: true, job: { ...of, dueAt: move.set.dueAt } });
    expect((await store.get(target.id))?.payload.at).toBe("item");
    expect((await store.get(of.id))?.dueAt).toBe(move.set.dueAt);
    const other = someJob();
    const late = await store.createWith(other, of, move);
    expect(late).toMatchObject({ won: false, created: false, job: { id: of.id, dueAt: move.set.dueAt } });
    expect(await store.get(other.id)).toBeUndefined();
  });

  test("a job whose id is taken counts as the new one: the move is made all the same", async () => {
    const [of, taken] = [someJob(), someJob()];
    await store.create(of);
    await store.create(taken);
    const move = becomeDue(of, clock.now() + DAY);
    const written = await store.createWith({ ...taken, appId: "another" }, of, move);
    expect(written).toMatchObject({ won: true, created: false, job: { id: of.id, dueAt: move.set.dueAt } });
    expect((await store.get(taken.id))?.appId).toBe(taken.appId);
    expect((await store.get(of.id))?.dueAt).toBe(move.set.dueAt);
  });

  test("a job and a move whose reply was lost are known as one's own", async () => {
    const of = someJob();
    await store.create(of);
    ground.interrupt(loseReply);
    const written = await store.createWith(someJob(), of, becomeDue(of, clock.now() + DAY));
    expect(written).toMatchObject({ won: true, created: true, job: { id: of.id, status: "PENDING" } });
  });
}

test("an item of a version without jobType is read as the job that it was", () => {
  const item = (executionType: string, destination: string) =>
    jobOf({ ...toItem({ ...someJob(), executionType }), to: undefined, destination });
  expect(item("task", "generate_pdf")).toMatchObject({ jobType: "generate_pdf", needsBrowser: true });
  expect(item("task", "generate_pdf")).not.toHaveProperty("destination");
  expect(item("task", "bulk_action")).toMatchObject({ jobType: "bulk_action", isUrgent: true });
  expect(item("schedule", "schedule")).not.toHaveProperty("destination");
  expect(item("rest-api", "https://a.example")).toMatchObject({ destination: "https://a.example" });
});

test("the keys of an item say whose job it is, whatever else it holds", () => {
  const job = someJob();
  const others = { id: "another", appId: "another", executionType: "another" };
  expect(jobOf({ ...toItem(job), ...others })).toMatchObject({
    id: job.id,
    appId: job.appId,
    executionType: job.executionType,
  });
});
