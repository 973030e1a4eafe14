import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  GetItemCommand,
  ThrottlingException,
  TransactionCanceledException,
  UpdateItemCommand,
  type AttributeValue,
} from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import { mockClient } from "aws-sdk-client-mock";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { BUSY_CLIENT_DEFAULTS, CLIENT_DEFAULTS, lean } from "../../lib/aws.ts";
import { HOUR, SECOND } from "../../lib/clock.ts";
import { Unavailable } from "../../lib/errors.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { toItem } from "../../lib/store/job-item.ts";
import type { Job } from "../../lib/job/job.ts";
import { becomeDue } from "../../lib/job/moves.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { TABLE, BUCKET, clock, template, storeAt, someJob } from "./grounds.ts";

test("throttling is told as unavailable, a fault of ours as it is", async () => {
  const client = new DynamoDBClient(CLIENT_DEFAULTS);
  const store = storeAt({ client, files: createBucket({ name: BUCKET }) }, clock);
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

/** A store on a scripted table, with a record of the calls. Its clock records the waits, and does not wait. */
function storeOn(answer: (input: object) => object) {
  const waits: number[] = [];
  const asked: object[] = [];
  const client = clientOf(async ({ input }) => {
    asked.push(input);
    return answer(input);
  });
  const sleep = async (ms: number) => void waits.push(ms);
  const files = createBucket({ name: BUCKET, client: clientOf(createS3({ bucket: BUCKET }).send) });
  return { waits, asked, store: storeAt({ client, files }, { ...clock, sleep, random: () => 1 }) };
}

const refusal = (Item?: Record<string, AttributeValue>) =>
  new ConditionalCheckFailedException({ message: "no", $metadata: { httpStatusCode: 400 }, ...(Item && { Item }) });

test("keys that a table leaves unprocessed are asked for again, ever later, five times in all", async () => {
  const Keys = [{ pk: { S: "J#a" }, sk: { S: "J" } }];
  const { store, waits, asked } = storeOn(() => ({ UnprocessedKeys: { [TABLE]: { Keys } } }));
  await expect(store.getMany(["a"], { consistent: false })).rejects.toThrow(Unavailable);
  expect(waits).toEqual([100, 200, 400, 800]);
  expect(asked).toHaveLength(5);
  expect(asked[4]).toEqual({ RequestItems: { [TABLE]: { Keys, ConsistentRead: false } } });
});

test("a hundred keys are one call; a job is read as it is at that moment", async () => {
  const { store, asked } = storeOn(() => ({}));
  await store.getMany(Array.from({ length: 201 }, String), { consistent: false });
  expect(asked).toHaveLength(3);
  await store.get("a");
  expect(asked[3]).toMatchObject({ RequestItems: { [TABLE]: { ConsistentRead: true } } });
});

test("what stood in the way and is gone is no answer: the service is unavailable", async () => {
  const { store } = storeOn(() => {
    throw refusal();
  });
  await expect(store.create(someJob())).rejects.toThrow(Unavailable);
  const job = someJob();
  expect(await store.apply(job, becomeDue(job, 1))).toEqual({ won: false, job: undefined });
});

test("a job that stands in the way but has expired is as good as gone", async () => {
  const expired = { pk: { S: "J#a" }, sk: { S: "J" }, expiresAt: { N: "5" } };
  const { store } = storeOn(() => {
    throw refusal(expired);
  });
  const job = someJob();
  expect(await store.apply(job, becomeDue(job, 1))).toEqual({ won: false, job: undefined });
});

test("a transaction that was cancelled for neither condition is told as unavailable, other errors as they are", async () => {
  const job = someJob();
  const write = (error: Error) => {
    const { store } = storeOn(() => {
      throw error;
    });
    return store.createWith(someJob(), job, becomeDue(job, 1));
  };
  const Reasons = { CancellationReasons: [{ Code: "None" }, { Code: "TransactionConflict" }] };
  const options = { message: "no", $metadata: { httpStatusCode: 400 } };
  await expect(write(new TransactionCanceledException({ ...options, ...Reasons }))).rejects.toThrow(Unavailable);
  await expect(write(new TransactionCanceledException(options))).rejects.toThrow(Unavailable);
  const ours = Object.assign(new Error("bad expression"), { $metadata: { httpStatusCode: 400 } });
  await expect(write(ours)).rejects.toBe(ours);
});

test("a fault while an attempt is recorded, parts are dated or a job is deleted is not hidden", async () => {
  const ours = Object.assign(new Error("bad expression"), { $metadata: { httpStatusCode: 400 } });
  const { store } = storeOn(() => {
    throw ours;
  });
  const job = { ...someJob(), attempts: 1, expiresAt: 5 };
  await expect(store.recordAttempt("a", { number: 1, startedAt: 1, outcome: "retry" })).rejects.toBe(ours);
  await expect(store.expireAttachments(job)).rejects.toBe(ours);
  await expect(store.remove(job)).rejects.toBe(ours);
});

test("a history of more than one page is read to its end", async () => {
  const key = { pk: { S: "J#a" }, sk: { S: "A#1" } };
  const job = (n: number) => ({ ...key, sk: { S: `A#${n}` }, startedAt: { N: "1" }, outcome: { S: "retry" } });
  const { store, asked } = storeOn((input) => {
    return "ExclusiveStartKey" in input ? { Items: [job(2)] } : { Items: [job(1)], LastEvaluatedKey: key };
  });
  expect(await store.history("a")).toBeUndefined();
  expect(asked).toHaveLength(2);
  expect(asked[1]).toMatchObject({ ExclusiveStartKey: key, ConsistentRead: true });
});

test("the parts of a job are found by their keys, without a read", async () => {
  const { store, asked } = storeOn(() => ({}));
  const job = { ...someJob(), attempts: 2, payload: { at: "item", hash: "h" } } as const;
  const attempts = [{ Key: { sk: { S: "A#1" } } }, { Key: { sk: { S: "A#2" } } }];
  const payload = { Key: { sk: { S: "P#h" } } };
  const intent = { Item: { sk: { S: "W#h" } } };
  await store.expireAttachments({ ...job, expiresAt: 5 * SECOND });
  expect(asked.splice(0)).toMatchObject([...attempts, payload]);
  // The successful attempt has no item of its own.
  await store.expireAttachments({ ...job, status: "SUCCEEDED", success: { durationMs: 1 }, expiresAt: 5 * SECOND });
  expect(asked.splice(0)).toMatchObject([attempts[0], payload]);
  expect(await store.remove(job)).toBe(true);
  expect(asked.splice(0)).toMatchObject([intent, { Key: { sk: { S: "J" } } }, ...attempts, payload]);
  // A job of mode sqs with the same key may have recorded its failure under that number.
  expect(await store.remove({ ...job, status: "SUCCEEDED", success: { durationMs: 1 } })).toBe(true);
  expect(asked.splice(0)).toMatchObject([intent, { Key: { sk: { S: "J" } } }, ...attempts, payload]);
});

test("what has only just been written counts, though other reads don't see it yet", async () => {
  const { Properties: properties = {} } = template.resources[TABLE] ?? {};
  const model = createDynamoDb({ now: () => clock.now(), table: TABLE, properties, readLagMs: () => HOUR });
  const client = clientOf(model.send);
  const lagging = storeAt({ client, files: createBucket({ name: BUCKET }) }, clock);
  const job = (await lagging.create(someJob({ body: randomBytes(2_000).toString("hex") }))).job;
  expect(await lagging.getMany([job.id], { consistent: false })).toEqual([]);
  expect(await lagging.get(job.id)).toBeDefined();
  expect(await lagging.message(job)).toBeDefined();
  await lagging.recordAttempt(job.id, { number: 1, startedAt: 1, outcome: "retry", error: "HTTP 500" });
  expect((await lagging.history(job.id))?.recorded.size).toBe(1);
  await lagging.expireAttachments({ ...job, attempts: 1, expiresAt: 5 * SECOND });
  const Key = { pk: { S: `J#${job.id}` }, sk: { S: "A#1" } };
  const read = new GetItemCommand({ TableName: TABLE, Key, ConsistentRead: true });
  expect((await client.send(read)).Item).toMatchObject({ expiresAt: { N: "5" } });
});

test("a transaction that meets its own write, since its answer was lost, has been made; another's has not", async () => {
  const job = someJob();
  const writeBy = (op: string) => {
    const Item = marshall({ ...toItem(job), op }, { removeUndefinedValues: true });
    const Reasons = { CancellationReasons: [{ Code: "ConditionalCheckFailed", Item }, { Code: "None" }] };
    const { store } = storeOn(() => {
      throw new TransactionCanceledException({ message: "no", $metadata: { httpStatusCode: 400 }, ...Reasons });
    });
    return store.apply(job, { ...becomeDue(job, 1), slot: { of: 1 } }, "ours");
  };
  expect(await writeBy("ours")).toMatchObject({ won: true, job: { id: job.id, dueAt: 1 } });
  expect(await writeBy("another's")).toMatchObject({ won: false, job: { id: job.id, dueAt: job.dueAt } });
});

test("a move that keeps the status and meets its own write, since its answer was lost, has been made", async () => {
  const job = { ...someJob(), expiresAt: HOUR };
  const move = { ...becomeDue(job, 1), remove: ["expiresAt"] } as const;
  const meeting = async (standing: Job, tries = 2) => {
    const Item = marshall(toItem(standing), { removeUndefinedValues: true });
    const { store, end } = await storeBehind(tries, Item);
    return store.apply(job, move).finally(end);
  };
  const { expiresAt: _, ...left } = { ...job, dueAt: 1 };
  expect(await meeting(left)).toMatchObject({ won: true, job: { id: job.id, dueAt: 1 } });
  // Another sweep may have written the same.
  expect(await meeting(left, 1)).toMatchObject({ won: false, job: { dueAt: 1 } });
  for (const other of [{ dueAt: 2 }, { expiresAt: HOUR }, { status: "RETRYING" }, { backlog: "app" }] as const) {
    expect(await meeting({ ...left, ...other })).toMatchObject({ won: false });
  }
});

/** A store on a table that breaks off all tries of a call but the last, and refuses that for the item that stands. */
async function storeBehind(tries: number, Item: Record<string, AttributeValue>) {
  const inJson = Object.entries(Item).map(([name, { B, ...value }]) => [
    name,
    B ? { B: Buffer.from(B).toString("base64") } : value,
  ]);
  const __type = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
  const refused = JSON.stringify({ __type, message: "no", Item: Object.fromEntries(inJson) });
  let tried = 0;
  const server = createServer((request, response) => {
    if ((tried += 1) < tries) request.socket.destroy();
    else response.writeHead(400, { "content-type": "application/x-amz-json-1.0" }).end(refused);
  });
  await new Promise<void>((listening) => void server.listen(0, "127.0.0.1", listening));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = lean(new DynamoDBClient({ ...BUSY_CLIENT_DEFAULTS, endpoint, region: "local", credentials }));
  const end = () => {
    client.destroy();
    server.close();
  };
  return { store: storeAt({ client, files: createBucket({ name: BUCKET }) }, clock), end };
}

test("a transaction that others are in the way of is tried eight times in all, ever later", async () => {
  const job = someJob();
  const Reasons = { CancellationReasons: [{ Code: "None" }, { Code: "TransactionConflict" }] };
  const contended = new TransactionCanceledException({ message: "no", $metadata: { httpStatusCode: 400 }, ...Reasons });
  const after = async (conflicts: number) => {
    const { store, asked, waits } = storeOn(() => {
      if (asked.length <= conflicts) throw contended;
      return {};
    });
    const applied = store.apply(job, { ...becomeDue(job, 1), slot: { of: 1 } });
    return { won: (await applied.catch((error: unknown) => ({ won: error }))).won, tries: asked.length, waits };
  };
  const made = await after(7);
  expect(made).toMatchObject({ won: true, tries: 8 });
  expect(made.waits).toEqual([40, 80, 160, 320, 640, 1_280, 2_560]);
  expect(await after(8)).toMatchObject({ won: expect.any(Unavailable), tries: 8 });
});
