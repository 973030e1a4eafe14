import { DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import {
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageCommand,
  type Message,
} from "@aws-sdk/client-sqs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { decodeMessage, encodeMessage } from "../lib/job/payload.ts";
import { dueShard } from "../lib/store/job-keys.ts";
import type { jobFor } from "./workload.ts";

// Where the floor and the peers keep their jobs.

export interface StoredJob {
  readonly id: string;
  readonly createdAt: number;
  readonly message: ReturnType<typeof jobFor>["message"];
}

export interface Backend {
  add(job: StoredJob): Promise<void>;
  /** Starts to run jobs; each is removed or marked as done when `deliver` has resolved. */
  work(deliver: (job: StoredJob) => Promise<void>): Promise<void>;
}

/** Jobs that a worker of a peer runs at a time: more was slower on two cores. */
const CONCURRENCY = 50;
const QUEUE = "webhooks";

const { PEER = "aws", JOBS_TABLE: TableName, JOBS_FAIR_QUEUE_URL: QueueUrl, PEER_URL = "" } = process.env;

// ---- The floor: three writes, and one message sent, received and deleted ----

function aws(): Backend {
  const requestHandler = { httpAgent: { keepAlive: true, maxSockets: 256 } };
  const dynamodb = new DynamoDBClient({ requestHandler });
  const sqs = new SQSClient({ requestHandler, useQueueUrlAsEndpoint: false });

  async function add({ id, createdAt, message }: StoredJob): Promise<void> {
    const now = String(createdAt);
    const item = {
      pk: { S: `J#${id}` },
      sk: { S: "J" },
      status: { S: "PENDING" },
      attempts: { N: "0" },
      due: { S: dueShard(id) },
      dueAt: { N: now },
      byApp: { S: "floor#rest-api#0" },
      createdAt: { N: now },
      payload: { B: encodeMessage(message) },
    };
    await dynamodb.send(new PutItemCommand({ TableName, Item: item, ConditionExpression: "attribute_not_exists(pk)" }));
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify({ id }) }));
  }

  async function run({ Body = "" }: Message, deliver: (job: StoredJob) => Promise<void>): Promise<void> {
    const { id } = JSON.parse(Body) as { id: string };
    const Key = { pk: { S: `J#${id}` }, sk: { S: "J" } };
    const { Attributes: claimed } = await dynamodb.send(
      new UpdateItemCommand({
        TableName,
        Key,
        ConditionExpression: "attempts = :none",
        UpdateExpression: "SET attempts = :one, #status = :running, leaseUntil = :lease",
        ExpressionAttributeNames: { "#status": "status" },
        ExpressionAttributeValues: {
          ":none": { N: "0" },
          ":one": { N: "1" },
          ":running": { S: "RUNNING" },
          ":lease": { N: String(Date.now() + 45_000) },
        },
        ReturnValues: "ALL_NEW",
      }),
    );
    const message = decodeMessage(claimed?.["payload"]?.B ?? Buffer.of()) as StoredJob["message"];
    await deliver({ id, createdAt: Number(claimed?.["createdAt"]?.N), message });
    await dynamodb.send(
      new UpdateItemCommand({
        TableName,
        Key,
        ConditionExpression: "attempts = :one AND #status = :running",
        UpdateExpression: "SET #status = :done REMOVE due, dueAt, leaseUntil",
        ExpressionAttributeNames: { "#status": "status" },
        ExpressionAttributeValues: { ":one": { N: "1" }, ":running": { S: "RUNNING" }, ":done": { S: "SUCCEEDED" } },
      }),
    );
  }

  async function runBatch(messages: readonly Message[], deliver: (job: StoredJob) => Promise<void>): Promise<void> {
    await Promise.all(messages.map(async (message) => run(message, deliver)));
    const Entries = messages.map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
  }

  async function poll(deliver: (job: StoredJob) => Promise<void>): Promise<never> {
    const receive = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 };
    const inHand = new Set<Promise<void>>();
    for (;;) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(receive));
      if (Messages.length === 0) continue;
      const batch = runBatch(Messages, deliver).finally(() => inHand.delete(batch));
      inHand.add(batch);
      if (inHand.size * 10 >= CONCURRENCY) await Promise.race(inHand);
    }
  }

  return { add, work: async (deliver) => void poll(deliver) };
}

// ---- Peers: their packages are found by NODE_PATH, their server by PEER_URL ----

async function packageNamed(name: string): Promise<unknown> {
  return import(pathToFileURL(createRequire(import.meta.url).resolve(name)).href);
}

interface BullMq {
  readonly Queue: new (name: string, options: object) => { add(name: string, job: StoredJob): Promise<unknown> };
  readonly Worker: new (name: string, run: (job: { data: StoredJob }) => Promise<void>, options: object) => object;
}

async function bullmq(): Promise<Backend> {
  const { Queue, Worker } = (await packageNamed("bullmq")) as BullMq;
  const { hostname: host, port } = new URL(PEER_URL);
  const connection = { host, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue(QUEUE, { connection });
  return {
    add: async (job) => void (await queue.add(QUEUE, job)),
    work: async (deliver) =>
      void new Worker(QUEUE, async ({ data }) => deliver(data), { connection, concurrency: CONCURRENCY }),
  };
}

interface GraphileWorker {
  readonly makeWorkerUtils: (options: object) => Promise<{
    migrate(): Promise<void>;
    addJob(name: string, job: StoredJob): Promise<unknown>;
  }>;
  readonly run: (options: object) => Promise<object>;
  readonly Logger: new (factory: () => () => void) => object;
}

async function graphile(): Promise<Backend> {
  const { makeWorkerUtils, run, Logger } = (await packageNamed("graphile-worker")) as GraphileWorker;
  const options = { connectionString: PEER_URL, logger: new Logger(() => () => {}) };
  const jobs = await makeWorkerUtils({ ...options, maxPoolSize: 20 });
  await jobs.migrate();
  return {
    add: async (job) => void (await jobs.addJob(QUEUE, job)),
    work: async (deliver) => {
      const taskList = { [QUEUE]: async (job: unknown) => deliver(job as StoredJob) };
      await run({ ...options, concurrency: CONCURRENCY, maxPoolSize: 20, noHandleSignals: true, taskList });
    },
  };
}

const BACKENDS: Readonly<Record<string, () => Backend | Promise<Backend>>> = {
  aws,
  bullmq,
  "graphile-worker": graphile,
};

const chosen = BACKENDS[PEER];
if (!chosen) throw new Error(`PEER is "${PEER}": expected ${Object.keys(BACKENDS).join(", ")}`);
export const backend: Backend = await chosen();
