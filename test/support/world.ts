import { createTable } from "../../lib/store/table.ts";
import { GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { S3Client } from "@aws-sdk/client-s3";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { randomBytes, randomUUID } from "node:crypto";
import { createAppStores } from "../../lib/store/app-store.ts";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";
import { createClock, type Clock, type TimeLeft } from "../../lib/clock.ts";
import { createCapacityStore } from "../../lib/flow/capacity-store.ts";
import { createDestinationStore } from "../../lib/flow/destination-store.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { GivenParts as Parts } from "../../lib/engine/engine-parts.ts";
import type { Executor, RunningAttempt } from "../../lib/executors/executor.ts";
import { executorOf } from "../../lib/executors/index.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import type { Job, Mode, Outcome } from "../../lib/job/job.ts";
import type { LogFields } from "../../lib/log.ts";
import { createQueue, type Road } from "../../lib/queue/queue.ts";
import type { OneOff, Scheduler } from "../../lib/queue/scheduler.ts";
import { createTaskSlots } from "../../lib/flow/line-store.ts";
import { createSealer } from "../../lib/store/sealer.ts";
import { startEmulators } from "../../local/emulators.ts";
import { provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { createSqs } from "../sim/models/sqs.ts";
import { ROOT } from "./stack.ts";
import type { Metadata } from "../../lib/job/message.ts";
import type { NewJob } from "../../lib/job/accept.ts";
import type { QueueRecord } from "../../lib/queue/message.ts";

/** What a world stands on: a table, queues and a bucket. */
interface Ground {
  readonly dynamodb: DynamoDBClient;
  readonly sqs: SQSClient;
  readonly s3: S3Client | undefined;
  readonly references: Readonly<Record<string, string>>;
  end(): Promise<void>;
}

async function embedded(): Promise<Ground> {
  const emulators = await startEmulators();
  const { endpoints } = emulators;
  process.env["AWS_ENDPOINT_URL_S3"] = endpoints.s3;
  const references = await provision(readTemplate(ROOT), endpoints);
  const dynamodb = new DynamoDBClient({ ...CLIENT_DEFAULTS, endpoint: endpoints.dynamodb });
  const sqs = new SQSClient({ ...CLIENT_DEFAULTS, endpoint: endpoints.sqs });
  const end = async () => {
    dynamodb.destroy();
    sqs.destroy();
    await emulators.stop();
  };
  return { dynamodb, sqs, s3: undefined, references, end };
}

/** Many times as fast: what `npm run mutants` runs these tests on. */
async function modelled(): Promise<Ground> {
  const { resources } = readTemplate(ROOT);
  const now = () => Date.now();
  const table = createDynamoDb({ now, table: "JobsTable", properties: resources["JobsTable"]?.Properties ?? {} });
  const queues = createSqs({ now, resources });
  const references: Record<string, string> = { JobsTable: "JobsTable", JobsBucket: "jobsbucket" };
  for (const name of ["JobsFairQueue", "JobsMainQueue", "JobsTasksQueue"]) references[name] = queues.urlOf(name);
  const sqs = clientOf(async (command) => {
    if (!(command instanceof GetQueueAttributesCommand)) return queues.send(command);
    const name = Object.keys(references).find((each) => references[each] === command.input.QueueUrl) ?? "";
    const messages = queues.messages(name);
    const hidden = messages.filter(({ visibleAt, receiptHandle }) => visibleAt > now() && receiptHandle === undefined);
    const ready = messages.filter(({ visibleAt }) => visibleAt <= now());
    const Attributes = {
      ApproximateNumberOfMessages: String(ready.length),
      ApproximateNumberOfMessagesDelayed: String(hidden.length),
    };
    return { Attributes };
  });
  const s3 = clientOf(createS3({ bucket: "jobsbucket" }).send);
  return { dynamodb: clientOf(table.send), sqs, s3, references, end: async () => {} };
}

/** The engine on a table, queues and a bucket, with a clock to turn and an executor to script. */
export async function createWorld({ retention = 0 } = {}) {
  const ground = await (process.env["TEST_ON_MODELS"] ? modelled() : embedded());
  const { dynamodb, sqs, references } = ground;

  let ahead = 0;
  const real = createClock();
  const clock: Clock = { ...real, now: () => real.now() + ahead };
  const urls: Record<Road, string> = {
    fair: references["JobsFairQueue"] ?? "",
    main: references["JobsMainQueue"] ?? "",
    tasks: references["JobsTasksQueue"] ?? "",
    pdf: references["JobsPdfQueue"] ?? "",
  };
  const table = createTable({ name: references["JobsTable"] ?? "", clock, client: dynamodb });
  const files = createBucket({ name: references["JobsBucket"] ?? "", client: ground.s3 });
  const store = createJobStore({ table, files, clock });
  const sealer = createSealer({ kind: "local", key: randomBytes(32) });
  const { apps } = createAppStores({ table, clock, sealer });
  const destinations = createDestinationStore({ table, clock });
  const capacity = createCapacityStore({ table, clock });
  const slots = createTaskSlots({ table, clock });
  const queue = createQueue({ urls, files, clock, client: sqs });

  const planned: OneOff[] = [];
  const dropped: string[] = [];
  let plan: () => Promise<"created" | "other"> = async () => "created";
  const scheduler: Scheduler = {
    arnOf: (jobId) => `arn:aws:scheduler:local:000000000000:schedule/jobs/${jobId}`,
    create: async (wanted) => {
      planned.push(wanted);
      return plan();
    },
    replace: async (wanted) => void planned.push(wanted),
    remove: async (jobId) => void dropped.push(jobId),
  };

  const ran: RunningAttempt[] = [];
  const logged: { event: string; fields: LogFields }[] = [];
  let script: (attempt: RunningAttempt) => Promise<Outcome> = async () => ({ kind: "succeeded", httpStatus: 200 });
  const scripted: Executor = {
    ...executorOf({ executionType: "rest-api" }),
    execute: (attempt) => {
      ran.push(attempt);
      return script(attempt);
    },
  };
  const parts: Parts = {
    clock,
    store,
    apps,
    destinations,
    capacity,
    queue,
    scheduler,
    files,
    executorOf: () => scripted,
    slots,
    rules: { allowPrivateTargets: false, invokableFunctions: [], ownFunctions: "", localFunctionUrls: "" },
    log: (_, event, fields) => logged.push({ event, fields }),
    callbackBodies: {},
    retention,
  };
  const engine = createEngine(parts);

  return {
    dynamodb,
    table,
    /** What the engine is made of, for tests that want another one on the same ground. */
    parts,
    engine,
    store,
    apps,
    destinations,
    capacity,
    slots,
    queue,
    files,
    clock,
    ran,
    logged,
    sqs,
    /** What EventBridge was asked for, and the jobs whose schedules it was to forget. */
    planned,
    dropped,
    /** What EventBridge answers from now on. */
    scheduling: (by: typeof plan) => {
      plan = by;
    },
    /** Lets service time pass. The queue's delays and visibility go by real time. */
    pass: (ms: number) => {
      ahead += ms;
    },
    execute: (by: typeof script) => {
      script = by;
    },
    submit: async (mode: Mode = "both", metadata: Metadata = {}): Promise<Job> => {
      const submitted = await engine.submit(request(mode, metadata));
      if (submitted.kind !== "created") throw new Error(`The job was ${submitted.kind}`);
      return submitted.job;
    },
    /** What one of the queues gives now, as Lambda would hand it over. */
    receive: async (road: Road): Promise<QueueRecord[]> => {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: urls[road],
          MaxNumberOfMessages: 10,
          MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
        }),
      );
      return Messages.map(({ MessageId = "", ReceiptHandle = "", Body = "", Attributes }) => ({
        messageId: MessageId,
        receiptHandle: ReceiptHandle,
        body: Body,
        attributes: { ...Attributes, ApproximateReceiveCount: Attributes?.ApproximateReceiveCount ?? "1" },
        eventSourceARN: `arn:aws:sqs:local:0:${urls[road].split("/").at(-1)}`,
      }));
    },
    /** How many messages a queue holds: to be had now, and later. */
    depth: async (road: Road): Promise<{ ready: number; delayed: number }> => {
      const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"] as const;
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: urls[road], AttributeNames: [...AttributeNames] }),
      );
      const [ready, delayed] = AttributeNames.map((name) => Number(Attributes[name]));
      return { ready: ready ?? 0, delayed: delayed ?? 0 };
    },
    end: async () => ground.end(),
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;

export const PLENTY: TimeLeft = () => 180_000;

export function request(mode: Mode, metadata: Metadata = {}, options: { appId?: string; body?: string } = {}): NewJob {
  const { appId = randomUUID(), body = "{}" } = options;
  const lambdaProxyMessage = {
    body,
    resource: "/{proxy+}",
    path: "/",
    httpMethod: "POST",
    isBase64Encoded: false,
    pathParameters: {},
    headers: {},
    requestContext: {},
  };
  const message = {
    lambdaProxyMessage,
    execution: { type: "rest-api", baseUrl: "https://a.example", timeoutSeconds: 30 },
    metadata,
  };
  return { appId, mode, message };
}
