import { createTable } from "../../lib/store/table.ts";
import { GetQueueAttributesCommand, ReceiveMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { randomBytes, randomUUID } from "node:crypto";
import { createAppStores } from "../../lib/store/app-store.ts";
import { createBacklogs } from "../../lib/store/backlogs.ts";
import { createClock, type Clock, type TimeLeft } from "../../lib/clock.ts";
import { createCapacityStore } from "../../lib/flow/capacity-store.ts";
import { createDestinationStore } from "../../lib/flow/destination-store.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { GivenParts as Parts } from "../../lib/engine/engine-parts.ts";
import type { Runner, RunningAttempt } from "../../lib/executors/executor.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createGroupStore } from "../../lib/store/group-store.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import type { Job, Mode } from "../../lib/job/job.ts";
import type { Level, Log, LogFields } from "../../lib/log.ts";
import { createQueue, type Road } from "../../lib/queue/queue.ts";
import type { OneOff, Scheduler } from "../../lib/queue/scheduler.ts";
import { createTaskSlots } from "../../lib/flow/line-store.ts";
import { createSealer } from "../../lib/store/sealer.ts";
import { embedded, modelled } from "./ground.ts";
import type { Metadata } from "../../lib/job/message.ts";
import type { NewJob } from "../../lib/job/accept.ts";
import type { QueueRecord } from "../../lib/queue/delivery.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

const RULES = {
  allowPrivateTargets: false,
  invokableFunctions: [],
  home: undefined,
  ownFunctions: "",
  localFunctionUrls: "",
};

/**
 * The engine on a table, queues and a bucket, with a clock to turn and an executor to script. `isQuick`: on the models,
 * where a sweep takes no time.
 */
export async function createWorld({ retention = 0, isQuick = process.env["TEST_ON_MODELS"] !== undefined } = {}) {
  const ground = await (isQuick ? modelled() : embedded());
  const { dynamodb, sqs, references } = ground;
  let ahead = 0;
  const real = createClock();
  const clock: Clock = { ...real, now: () => real.now() + ahead };
  const urls = urlsOf(references);
  const table = createTable({ name: references["JobsTable"] ?? "", clock, client: dynamodb });
  const files = createBucket({ name: references["JobsBucket"] ?? "", client: ground.s3 });
  const sealer = createSealer({ kind: "local", key: randomBytes(32) });
  const { apps } = createAppStores({ table, clock, sealer });
  const store = createJobStore({ table, files, clock, apps });
  const destinations = createDestinationStore({ table, clock });
  const capacity = createCapacityStore({ table, clock });
  const slots = createTaskSlots({ table, clock });
  const backlogs = createBacklogs({ table, clock });
  const groups = createGroupStore({ table, clock, retention });
  const queue = createQueue({ urls, table, files, clock, client: sqs });

  const scripted = createScriptedScheduler();
  const { log, ...told } = createLogged();
  const executor = createScriptedExecutor();
  const parts: Parts = {
    clock,
    store,
    apps,
    destinations,
    capacity,
    queue,
    scheduler: scripted.scheduler,
    files,
    executorOf: () => executor.executor,
    slots,
    backlogs,
    groups,
    sweepMore: async () => {},
    rules: RULES,
    log,
    callbackBodies: {},
    retention,
  };
  const engine = createEngine(parts);
  return {
    dynamodb,
    table,
    /** The parts of the engine, for tests that want another one on the same services. */
    parts,
    engine,
    store,
    apps,
    destinations,
    capacity,
    slots,
    backlogs,
    groups,
    queue,
    files,
    clock,
    ran: executor.ran,
    ...told,
    sqs,
    /** The schedules that EventBridge was asked for, and the jobs whose schedules it was to remove. */
    planned: scripted.planned,
    dropped: scripted.dropped,
    /** Sets the answer of EventBridge from now on. */
    scheduling: scripted.answer,
    /** Moves service time on. The queue's delays and visibility go by real time. */
    pass: (ms: number) => {
      ahead += ms;
    },
    execute: executor.script,
    submit: async (mode: Mode = "both", metadata: Metadata = {}): Promise<Job> => {
      const submitted = await engine.submit(request(mode, metadata));
      if (submitted.kind !== "created") throw new Error(`The job was ${submitted.kind}`);
      return submitted.job;
    },
    ...queueReaders(sqs, urls),
    end: async () => ground.end(),
  };
}

function urlsOf(references: Readonly<Record<string, string>>): Record<Road, string> {
  return {
    fair: references["JobsFairQueue"] ?? "",
    main: references["JobsMainQueue"] ?? "",
    tasks: references["JobsTasksQueue"] ?? "",
    pdf: references["JobsPdfQueue"] ?? "",
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;

/** A log that is kept. */
function createLogged() {
  const logged: { event: string; fields: LogFields }[] = [];
  const levels: { level: Level; event: string }[] = [];
  const log: Log = (level, event, fields) => {
    logged.push({ event, fields });
    levels.push({ level, event });
  };
  return { log, logged, levels };
}

/** EventBridge, with an answer to script. */
function createScriptedScheduler() {
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
  return {
    scheduler,
    planned,
    dropped,
    answer: (by: typeof plan) => {
      plan = by;
    },
  };
}

/** The executor of every type, with an outcome to script. */
function createScriptedExecutor() {
  const ran: RunningAttempt[] = [];
  let outcome: (attempt: RunningAttempt) => Promise<Outcome> = async () => ({ kind: "succeeded", httpStatus: 200 });
  const executor: Runner = {
    execute: (attempt) => {
      ran.push(attempt);
      return outcome(attempt);
    },
  };
  return {
    executor,
    ran,
    script: (by: typeof outcome) => {
      outcome = by;
    },
  };
}

function queueReaders(sqs: SQSClient, urls: Readonly<Record<Road, string>>) {
  return {
    /** The next messages of a queue, as Lambda would hand them over. */
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
    /** How many messages a queue holds: visible ones and delayed ones. */
    depth: async (road: Road): Promise<{ ready: number; delayed: number }> => {
      const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"] as const;
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: urls[road], AttributeNames: [...AttributeNames] }),
      );
      const [ready, delayed] = AttributeNames.map((name) => Number(Attributes[name]));
      return { ready: ready ?? 0, delayed: delayed ?? 0 };
    },
  };
}

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
