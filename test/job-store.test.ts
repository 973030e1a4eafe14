import { DynamoDBClient, GetItemCommand, ThrottlingException, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { mockClient } from "aws-sdk-client-mock";
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CLIENT_DEFAULTS } from "../lib/aws.ts";
import { DAY, MINUTE, SECOND, createClock, type Clock } from "../lib/clock.ts";
import { Unavailable } from "../lib/errors.ts";
import { createFiles, type Files } from "../lib/files.ts";
import { createJobStore, type JobStore } from "../lib/job-store.ts";
import { DUE_SHARDS } from "../lib/job-item.ts";
import { nextAttempt, type Job, type Outcome } from "../lib/job.ts";
import { claim, end, expire, becomeDue, settleEnd } from "../lib/moves.ts";
import { newJob } from "../lib/new-job.ts";
import { startEmulators } from "../local/emulators.ts";
import { provision } from "../local/provision.ts";
import { readTemplate } from "../local/template.ts";
import { clientOf, type Send } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { ROOT } from "./support/stack.ts";
import { request } from "./support/world.ts";

const TABLE = "JobsTable";
const BUCKET = "jobsbucket";
const clock = createClock();
const failed: Outcome = { kind: "retry", error: "HTTP 500" };
const template = readTemplate(ROOT);

/** What the store stands on: a table, and a bucket for what is too large for it. */
interface Ground {
  readonly client: DynamoDBClient;
  readonly files: Files;
  /** Runs once, when the next call is done; if it throws, the reply is lost and the call is made again. */
  interrupt(next: () => void | Promise<void>): void;
  end(): Promise<void>;
}

async function embedded(): Promise<Ground> {
  const emulators = await startEmulators();
  process.env["AWS_ENDPOINT_URL_S3"] = emulators.endpoints.s3;
  await provision(template, emulators.endpoints);
  const client = new DynamoDBClient({ ...CLIENT_DEFAULTS, endpoint: emulators.endpoints.dynamodb });
  const { interrupt, interrupted } = interruption();
  client.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      await interrupted();
      return answer;
    },
    { step: "deserialize" },
  );
  const end = async () => {
    client.destroy();
    await emulators.stop();
  };
  return { client, files: createFiles(BUCKET), interrupt, end };
}

async function modelled(): Promise<Ground> {
  const { Properties: properties = {} } = template.resources[TABLE] ?? {};
  const model = createDynamoDb({ now: () => clock.now(), table: TABLE, properties });
  const bucket = createS3({ bucket: BUCKET });
  const { interrupt, interrupted } = interruption();
  const send: Send = async (command) => {
    const answer = await model.send(command);
    const isLost = await interrupted().then(
      () => false,
      () => true,
    );
    // As the SDK does.
    return isLost ? model.send(command) : answer;
  };
  return { client: clientOf(send), files: createFiles(BUCKET, clientOf(bucket.send)), interrupt, end: async () => {} };
}

function interruption() {
  let next: (() => void | Promise<void>) | undefined;
  return {
    interrupt: (by: NonNullable<typeof next>) => {
      next = by;
    },
    interrupted: async () => {
      const now = next;
      next = undefined;
      await now?.();
    },
  };
}

function loseReply(): never {
  throw Object.assign(new Error("socket hang up"), { name: "TimeoutError", code: "ECONNRESET" });
}

function storeAt({ client, files }: Pick<Ground, "client" | "files">, of: Clock): JobStore {
  return createJobStore({ table: TABLE, files, clock: of, client });
}

function someJob(options: { key?: string; body?: string; appId?: string } = {}): Job {
  const { key, ...rest } = options;
  const asked = request("both", key === undefined ? {} : { idempotencyKey: key }, rest);
  return newJob(asked, clock.now(), clock.uuid());
}

const ending = (outcome: Outcome) => ({ outcome, now: clock.now(), durationMs: 3, chance: 0, retention: 0 });

describe.each([
  ["the embedded DynamoDB", embedded],
  ["the model", modelled],
])("on %s", (_, stand) => {
  let ground: Ground;
  let store: JobStore;
  beforeAll(async () => {
    ground = await stand();
    store = storeAt(ground, clock);
  });
  afterAll(async () => ground.end());

  async function claimed(job: Job): Promise<Job> {
    const now = clock.now();
    const result = await store.apply(job, claim(nextAttempt(job), now, now + 45 * SECOND));
    if (!result.won) throw new Error("The claim was lost");
    return result.job;
  }

  test("a job reads back as it was put", async () => {
    const job = someJob({ key: "k" });
    await store.create(job);
    expect(await store.get(job.id)).toEqual({ ...job, payload: { at: "inline", bytes: expect.anything() } });
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

  test("a retry can't be claimed before its time, nor under another number", async () => {
    const job = someJob();
    await store.create(job);
    const mine = await claimed(job);
    const retrying = (await store.apply(mine, end(mine, ending(failed)))).job as Job;
    const ref = nextAttempt(retrying);
    const early = clock.now() + 30 * SECOND;
    expect((await store.apply(ref, claim(ref, early, early + MINUTE))).won).toBe(false);
    const onTime = clock.now() + 61 * SECOND;
    expect((await store.apply(ref, claim({ ...ref, attempt: 3 }, onTime, onTime + MINUTE))).won).toBe(false);
    expect((await store.apply(ref, claim(ref, onTime, onTime + MINUTE))).won).toBe(true);
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
    const retrying = (await store.apply(mine, end(mine, ending(failed)))).job as Job;
    expect(await dueIds()).toContain(job.id);
    const now = retrying.startAt;
    const again = (await store.apply(retrying, claim(nextAttempt(retrying), now, now + MINUTE))).job as Job;
    await store.apply(again, end(again, ending({ kind: "succeeded" })));
    expect(await dueIds()).not.toContain(job.id);
  });

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

  test("a sweep in between does not hide from a claim whose reply was lost that it won", async () => {
    const job = someJob();
    await store.create(job);
    const now = clock.now();
    // Between the committed claim and its repetition by the SDK, a sweep puts the job off.
    ground.interrupt(async () => {
      const running = (await store.get(job.id)) as Job;
      expect((await store.apply(running, becomeDue(running, now + DAY))).won).toBe(true);
      loseReply();
    });
    const claimedLate = await store.apply(nextAttempt(job), claim(nextAttempt(job), now, now + MINUTE));
    expect(claimedLate).toMatchObject({ won: true, job: { status: "RUNNING", attempts: 1, dueAt: now + DAY } });
  });

  test("the sweep's word on a lost attempt does not replace a worker's", async () => {
    const job = someJob();
    await store.create(job);
    await claimed(job);
    await store.recordAttempt(job.id, { number: 1, startedAt: 1, outcome: "retry", error: "HTTP 500" });
    await store.recordAttempt(job.id, { number: 1, startedAt: 1, outcome: "lost", error: "lost" }, "if absent");
    expect((await store.history(job.id))?.recorded.get(1)).toMatchObject({ outcome: "retry" });
  });

  test("an expired job counts as gone though TTL has not deleted it, and its key is free again", async () => {
    const job = (await store.create(someJob({ key: "kept", body: randomBytes(2_000).toString("hex") }))).job;
    const mine = await claimed(job);
    await store.recordAttempt(job.id, { number: 1, startedAt: clock.now(), outcome: "retry", error: "HTTP 500" });
    const retried = (await store.apply(mine, end(mine, ending(failed)))).job as Job;
    const now = retried.startAt;
    const again = (await store.apply(retried, claim(nextAttempt(retried), now, now + MINUTE))).job as Job;
    const left = (await store.apply(again, end(again, { ...ending({ kind: "succeeded" }), retention: DAY })))
      .job as Job;
    // Due until its parts have their dates.
    expect([left.expiresAt, left.dueAt]).toEqual([undefined, expect.any(Number)]);
    const ended = (await store.apply(left, settleEnd(left, [], clock.now(), DAY))).job as Job;
    expect(ended.dueAt).toBeUndefined();
    await store.expireParts(ended);

    const expiryOf = async (sk: string) => {
      const Key = { pk: { S: `J#${job.id}` }, sk: { S: sk } };
      const { Item } = await ground.client.send(new GetItemCommand({ TableName: TABLE, Key }));
      return Item?.["expiresAt"]?.N;
    };
    const parts = ["A#1", `P#${ended.payload.at === "item" ? ended.payload.hash : ""}`];
    for (const sk of ["J", ...parts]) expect(Number(await expiryOf(sk)) * SECOND).toBeGreaterThan(clock.now());
    // A person's retry takes the expiry away again.
    await store.keepParts(ended);
    for (const sk of parts) expect(await expiryOf(sk)).toBeUndefined();
    await store.expireParts(ended);
    expect(await store.get(job.id)).toBeDefined();
    const tomorrow = storeAt(ground, { ...clock, now: () => clock.now() + 2 * DAY });
    expect(await tomorrow.get(job.id)).toBeUndefined();
    expect(await tomorrow.history(job.id)).toBeUndefined();
    expect((await tomorrow.create(someJob({ key: "kept", appId: job.appId }))).won).toBe(true);
  });
});

test("throttling is told as unavailable, a fault of ours as it is", async () => {
  const client = new DynamoDBClient(CLIENT_DEFAULTS);
  const store = storeAt({ client, files: createFiles(BUCKET) }, clock);
  const mock = mockClient(client);
  const throttled = new ThrottlingException({ message: "slow down", $metadata: { httpStatusCode: 400 } });
  mock.on(UpdateItemCommand).rejects(throttled);
  const job = someJob();
  await expect(store.apply(job, becomeDue(job, 1))).rejects.toBeInstanceOf(Unavailable);
  const conflict = Object.assign(new Error("Transaction is ongoing for the item"), {
    name: "TransactionConflictException",
    $metadata: { httpStatusCode: 400 },
  });
  mock.on(UpdateItemCommand).rejects(conflict);
  await expect(store.apply(job, becomeDue(job, 1))).rejects.toBeInstanceOf(Unavailable);
  const ours = Object.assign(new Error("bad expression"), {
    name: "ValidationException",
    $metadata: { httpStatusCode: 400 },
  });
  mock.on(UpdateItemCommand).rejects(ours);
  await expect(store.apply(job, becomeDue(job, 1))).rejects.toBe(ours);
  mock.restore();
});
