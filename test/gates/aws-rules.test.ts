// Over 300 lines: one table, with a request of the SDK for each rule.

import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { CreateScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import {
  ChangeMessageVisibilityBatchCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageBatchCommand,
} from "@aws-sdk/client-sqs";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FRESH_CONNECTIONS } from "../../lib/aws.ts";
import { brokenBy } from "../support/aws/recorder.ts";
import { RULES } from "../support/aws/rules.ts";
import { brokenIn } from "../support/aws/verdict.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// The rules to which the requests of all tests are held (test/support/aws/): each is broken here by a request of the SDK.

let target: Target;
let clients: ReturnType<typeof clientsOf>;
beforeAll(async () => {
  target = await startTarget();
  target.answer(({ url }, response) => void response.end(url.includes("upload") ? "<a/>" : "{}"));
  clients = clientsOf(target.url);
});
afterAll(async () => {
  for (const client of Object.values(clients)) client.destroy();
  await target.close();
  await endStacks();
});

function clientsOf(endpoint: string) {
  const common = { endpoint, maxAttempts: 1 };
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const s3 = { ...common, forcePathStyle: true, logger: silent };
  return {
    s3: new S3Client({ ...s3, requestChecksumCalculation: "WHEN_REQUIRED" }),
    summing: new S3Client({ ...s3, requestChecksumCalculation: "WHEN_SUPPORTED" }),
    sqs: new SQSClient({ ...common, useQueueUrlAsEndpoint: false }),
    dynamodb: new DynamoDBClient(common),
    lambda: new LambdaClient({ ...common, requestHandler: FRESH_CONNECTIONS }),
    keepingLambda: new LambdaClient(common),
    ses: new SESv2Client({ ...common, requestHandler: FRESH_CONNECTIONS }),
    keepingSes: new SESv2Client(common),
    scheduler: new SchedulerClient(common),
    kms: new KMSClient(common),
  };
}

const KB = 1_024;
const file = { Bucket: "b", Key: "k" };
const upload = { ...file, UploadId: "u" };
const parts = (...numbers: number[]) => ({ Parts: numbers.map((PartNumber) => ({ PartNumber, ETag: "e" })) });
const putPart = async (PartNumber: number, Body = "x") =>
  clients.s3.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
const complete = async (...numbers: number[]) =>
  clients.s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: parts(...numbers) }));
const putObject = async (input: object) => clients.s3.send(new PutObjectCommand({ ...file, Body: "x", ...input }));

const STANDARD = "https://sqs.local/0/jobs-fair";
const FIFO = "https://sqs.local/0/jobs-main.fifo";
const message = { Id: "0", MessageBody: "{}" };
const sendAll = async (QueueUrl: string, Entries: (typeof message & object)[]) =>
  clients.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
const sendOne = async (entry: object, queue = STANDARD) => sendAll(queue, [{ ...message, ...entry }]);

const TableName = "jobs";
const key = (pk: string, sk = "J") => ({ pk: { S: pk }, sk: { S: sk } });
const put = async (more: object, pk = "a") =>
  clients.dynamodb.send(new PutItemCommand({ TableName, Item: { ...key(pk), ...more } }));
const many = (count: number, pk?: string) => Array.from({ length: count }, (_, n) => key(pk ?? `a${n}`, `s${n}`));
const transact = async (keys: ReturnType<typeof many>, token?: string) =>
  clients.dynamodb.send(
    new TransactWriteItemsCommand({
      TransactItems: keys.map((Item) => ({ Put: { TableName, Item } })),
      ...(token !== undefined && { ClientRequestToken: token }),
    }),
  );

const invoke = async (input: object, client = clients.lambda) =>
  client.send(new InvokeCommand({ FunctionName: "f", InvocationType: "Event", ...input }));
const mail = async (input: object, client = clients.ses) => {
  const Content = { Simple: { Subject: { Data: "s" }, Body: { Text: { Data: "t" } } } };
  const Destination = { ToAddresses: ["a@example.com"] };
  return client.send(new SendEmailCommand({ FromEmailAddress: "b@example.com", Destination, Content, ...input }));
};
const arn = (service: string, name: string) => `arn:aws:${service}:eu-west-1:000000000000:${name}`;
const schedule = async (input: object, event: object = {}) =>
  clients.scheduler.send(
    new CreateScheduleCommand({
      Name: "n",
      ClientToken: "t",
      ScheduleExpression: "at(2027-01-15T10:00:00)",
      FlexibleTimeWindow: { Mode: "OFF" },
      Target: { Arn: arn("lambda", "function:f"), RoleArn: arn("iam", "role/r"), Input: "{}", ...event },
      ...input,
    }),
  );

/** The requests that break each rule, and no other. */
const BREAKING: Readonly<Record<string, readonly (() => Promise<unknown>)[]>> = {
  "an upload in parts names no checksum, since its completion names none": [
    async () => clients.s3.send(new CreateMultipartUploadCommand({ ...file, ChecksumAlgorithm: "CRC32" })),
  ],
  "a part has no checksum, since the completion of its upload names none": [
    async () => clients.summing.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: "x" })),
  ],
  "a part has 5 GB at most, and a number from 1 to 10,000": [async () => putPart(0), async () => putPart(10_001)],
  "all parts but the last have 5 MB at least": [
    async () => {
      await putPart(1);
      await putPart(2);
      await complete(1, 2);
    },
  ],
  "a completion names the parts in the order of their numbers, each with its ETag": [
    async () => complete(8, 7),
    async () => complete(7, 7),
    async () => complete(),
  ],
  "an object that is put has a length": [async () => putObject({ Body: Readable.from(["x"]) })],
  "a deletion of many names 1,000 keys at most, and has a checksum": [
    async () => {
      const Objects = Array.from({ length: 1_001 }, (_, n) => ({ Key: String(n) }));
      await clients.s3.send(new DeleteObjectsCommand({ Bucket: "b", Delete: { Objects } }));
    },
  ],
  "a key has 1,024 bytes at most": [async () => putObject({ Key: "ü".repeat(513) })],
  "metadata has 2 KB at most, and is ASCII": [async () => putObject({ Metadata: { a: "x".repeat(2 * KB) } })],
  "a signed link is good for seven days at most, and asks for no checksum": [
    async () => fetch(await getSignedUrl(clients.summing, new PutObjectCommand(file)), { method: "PUT", body: "x" }),
  ],
  "a queue's name has 80 characters at most": [async () => sendOne({}, `${STANDARD}${"x".repeat(80)}`)],
  "a batch has one to ten entries, of ids that differ": [
    async () => sendAll(STANDARD, []),
    async () => sendAll(STANDARD, [message, message]),
    async () =>
      sendAll(
        STANDARD,
        Array.from({ length: 11 }, (_, n) => ({ ...message, Id: String(n) })),
      ),
  ],
  "an entry's id has 80 characters at most": [async () => sendOne({ Id: "x".repeat(81) })],
  "a batch has 1 MiB at most": [
    async () =>
      sendAll(
        STANDARD,
        Array.from({ length: 5 }, (_, n) => ({ Id: String(n), MessageBody: "x".repeat(256 * KB) })),
      ),
  ],
  "a message's text is not empty, and XML could hold it": [
    async () => sendOne({ MessageBody: "" }),
    async () => sendOne({ MessageBody: "\u0001" }),
    async () => sendOne({ MessageBody: "\uFFFE" }),
  ],
  "the ids of groups and duplicates have 128 printable characters at most": [
    async () => sendOne({ MessageGroupId: "x".repeat(129) }),
    async () => sendOne({ MessageGroupId: "ü" }),
    async () => sendOne({ MessageGroupId: "a", MessageDeduplicationId: "a b" }, FIFO),
  ],
  "a message is delayed by 15 minutes at most, and in a FIFO queue not at all": [
    async () => sendOne({ DelaySeconds: 901 }),
    async () => sendOne({ DelaySeconds: 1, MessageGroupId: "a", MessageDeduplicationId: "a" }, FIFO),
  ],
  "a message in a FIFO queue has a group, and an id for duplicates": [
    async () => sendOne({ MessageGroupId: "a" }, FIFO),
    async () => sendOne({ MessageDeduplicationId: "a" }, FIFO),
  ],
  "a message is hidden for 12 hours at most": [
    async () => {
      const Entries = [{ Id: "0", ReceiptHandle: "r", VisibilityTimeout: 43_201 }];
      await clients.sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: STANDARD, Entries }));
    },
  ],
  "one to ten messages are received, after 20 s at most": [
    async () => clients.sqs.send(new ReceiveMessageCommand({ QueueUrl: STANDARD, MaxNumberOfMessages: 11 })),
    async () => clients.sqs.send(new ReceiveMessageCommand({ QueueUrl: STANDARD, WaitTimeSeconds: 21 })),
  ],
  "an item has 400 KB at most": [
    async () => put({ text: { S: "x".repeat(400 * KB) } }),
    async () => put({ bytes: { B: Buffer.alloc(400 * KB) } }),
  ],
  "a partition key has 1 to 2,048 bytes, and a sort key 1 to 1,024": [
    async () => put({}, ""),
    async () => clients.dynamodb.send(new GetItemCommand({ TableName, Key: key("a", "x".repeat(1_025)) })),
  ],
  "the keys of an index have the sizes of keys": [async () => put({ byApp: { S: "" } })],
  "100 items at most are read at once, each once": [
    async () => clients.dynamodb.send(new BatchGetItemCommand({ RequestItems: { jobs: { Keys: many(101) } } })),
    async () =>
      clients.dynamodb.send(new BatchGetItemCommand({ RequestItems: { jobs: { Keys: [key("a"), key("a")] } } })),
  ],
  "25 items at most are written at once, each once": [
    async () => {
      const jobs = many(26).map((Item) => ({ PutRequest: { Item } }));
      await clients.dynamodb.send(new BatchWriteItemCommand({ RequestItems: { jobs } }));
    },
  ],
  "a transaction has 100 writes and 4 MB at most, and one of each item": [
    async () => transact(many(101)),
    async () => transact([key("a"), key("a")]),
  ],
  "a transaction's token has 36 characters at most": [async () => transact([key("a")], "x".repeat(37))],
  "an index gives no consistent reads": [
    async () => clients.dynamodb.send(new QueryCommand({ TableName, IndexName: "byApp", ConsistentRead: true })),
  ],
  "an expression has 4 KB at most": [
    async () => {
      const UpdateExpression = `SET ${"a".repeat(4 * KB)} = b`;
      await clients.dynamodb.send(new UpdateItemCommand({ TableName, Key: key("a"), UpdateExpression }));
    },
  ],
  "each name and value of an expression is used, and each used one is there": [
    async () => {
      const Update = { TableName, Key: key("a"), UpdateExpression: "SET #a = :a" };
      const ExpressionAttributeNames = { "#a": "a", "#b": "b" };
      await clients.dynamodb.send(new UpdateItemCommand({ ...Update, ExpressionAttributeNames }));
    },
  ],
  "an item or a partition takes 1,000 writes a second": [
    async () => {
      // The second may turn meanwhile, once.
      const writes = Array.from({ length: 21 }, () => many(100, "hot"));
      await Promise.all(writes.map(async (items) => transact(items)));
    },
  ],
  "an event has 1 MB at most, and a call 6 MB": [async () => invoke({ Payload: Buffer.alloc(KB * KB + 1) })],
  "a function is of the service's own account": [
    async () => invoke({ FunctionName: "arn:aws:lambda:eu-west-1:123456789012:function:f" }),
  ],
  "what is not repeated goes over a connection of its own": [async () => invoke({}, clients.keepingLambda)],
  "an e-mail goes over a connection of its own": [async () => mail({}, clients.keepingSes)],
  "an e-mail has a sender, 1 to 50 receivers and a subject": [
    async () => mail({ FromEmailAddress: undefined }),
    async () => mail({ Destination: { ToAddresses: Array.from({ length: 51 }, () => "a@example.com") } }),
  ],
  "a schedule's name and token have 64 characters at most": [
    async () => schedule({ Name: "x".repeat(65) }),
    async () => schedule({ ClientToken: "x".repeat(65) }),
  ],
  "a schedule's event has 256 KB at most": [async () => schedule({}, { Input: "x".repeat(256 * KB + 1) })],
  "a schedule's expression is a time to the second, a rate or a cron expression": [
    async () => schedule({ ScheduleExpression: "at(2027-01-15T10:00)" }),
  ],
  "the dead letters of a schedule go to a standard queue": [
    async () => schedule({}, { DeadLetterConfig: { Arn: arn("sqs", "dead.fifo") } }),
  ],
  "4 KB at most are encrypted at once": [
    async () => clients.kms.send(new EncryptCommand({ KeyId: "k", Plaintext: Buffer.alloc(4 * KB + 1) })),
  ],
};

test.each(RULES.map(([says]) => says))("a request of the SDK that breaks it is told: %s", async (says) => {
  const requests = BREAKING[says] ?? [];
  expect(requests.length).toBeGreaterThan(0);
  for (const request of requests) {
    const broken = await brokenBy(async () => request().catch(() => {}));
    expect(new Set(broken)).toEqual(new Set([says]));
  }
});

test("a process that a test starts is held to them, and what it broke fails the run", async () => {
  const folder = temporaryDir();
  const code = `
    import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
    const client = new SQSClient({ endpoint: process.argv[1], useQueueUrlAsEndpoint: false });
    await client.send(new ReceiveMessageCommand({ QueueUrl: "${STANDARD}", MaxNumberOfMessages: 11 }));`;
  const preload = pathToFileURL(join(ROOT, "test/support/aws/preload.ts")).href;
  const args = ["--import", preload, "--input-type=module", "-e", code, target.url];
  await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...process.env, RECORDED_REQUESTS: folder } });
  expect(brokenIn(folder)).toEqual([
    expect.stringMatching(/^sqs ReceiveMessage: expected that one to ten messages are received, after 20 s at most; /),
  ]);
});

test("requests that keep the rules are not told", async () => {
  const keep = async () => {
    await clients.s3.send(new CreateMultipartUploadCommand(file));
    await putPart(3, "x".repeat(5 * KB * KB));
    await putPart(4);
    await complete(3, 4);
    await putObject({ ChecksumAlgorithm: "CRC32", Metadata: { name: "a" } });
    await fetch(await getSignedUrl(clients.s3, new PutObjectCommand(file)), { method: "PUT", body: "x" });
    await sendOne({ DelaySeconds: 900, MessageGroupId: "a" });
    await sendOne({ MessageGroupId: "a", MessageDeduplicationId: "b" }, FIFO);
    await transact(many(100));
    await invoke({ FunctionName: arn("lambda", "function:f:live") });
    await invoke({ FunctionName: "jobs-renderPdf" }, clients.keepingLambda);
    await mail({});
    await schedule({});
    await putObject({ Body: "" });
  };
  expect(await brokenBy(keep)).toEqual([]);
});
