import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { MINUTE, iso, type EpochMs } from "../lib/clock.ts";
import type { FunctionTemplate } from "../local/template.ts";
import { KB } from "../test/support/aws/rule.ts";
import { kindOf, type Mail, type Meter } from "./cost-meter.ts";
import { ORDER, jobFor } from "./workload.ts";

// Jobs of each kind, from their acceptance to their end, by the events that AWS would make of them.

/**
 * How much faster than real time the service's clock goes, so that retries and schedules take no minutes. Faster still,
 * a slow machine would put jobs off for 15 minutes, which costs more.
 */
export const SPEED = 200;
const API_CHUNK = 512 * KB;
/** Of schedules: long enough for each to be made before it fires. */
const AHEAD = 5 * MINUTE;
/**
 * Between the runs of a recurring schedule: longer than a sweep puts a job off, which would save writes by chance, and a
 * busy machine has done a run long before the next.
 */
const INTERVAL = 20 * MINUTE;
/** Longer than the second retry waits. */
const LONGEST_WAIT = 2.5 * MINUTE;

/** What the functions are called by and with. */
export interface Surroundings {
  readonly meter: Meter;
  readonly functions: readonly FunctionTemplate[];
  /** `units`: the messages or changes in the event. */
  readonly call: (name: string, event: object, units?: number) => Promise<unknown>;
  readonly app: string;
  readonly token: string;
  readonly target: string;
  readonly now: () => EpochMs;
  /** What was counted until now is not counted. */
  readonly forget: () => void;
}

/** Posts to the HTTP API. Returns the id of the job in the answer. */
async function post(name: string, routeKey: string, body: object, around: Surroundings): Promise<string | undefined> {
  const { meter, call, token } = around;
  const text = JSON.stringify(body);
  const [method, rawPath] = routeKey.split(" ");
  const http = { method, path: rawPath, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "bench" };
  const answer = (await call(name, {
    version: "2.0",
    routeKey,
    rawPath,
    rawQueryString: "",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    requestContext: { http, requestId: randomUUID(), routeKey, stage: "$default" },
    body: text,
    isBase64Encoded: false,
  })) as { statusCode: number; body?: string };
  const { statusCode, body: said = "" } = answer;
  if (statusCode >= 300) throw new Error(`${routeKey} answered ${statusCode}, expected 2xx: ${said.slice(0, 500)}`);
  const chunks = Math.ceil(Math.max(Buffer.byteLength(text), Buffer.byteLength(said)) / API_CHUNK);
  meter.add("apiGateway.requests", chunks);
  meter.add(`lambda.${name}.invocations`);
  return /"(?:jobId|job_id|id)":"([\da-f-]{36})"/.exec(said)?.[1];
}

/** Delivers messages until there are none. */
async function deliver(around: Surroundings): Promise<void> {
  const { mail } = around.meter;
  while (mail.length > 0) {
    if (mail.some(({ isDelayed }) => isDelayed)) await sleep(LONGEST_WAIT / SPEED);
    const queues = Map.groupBy(mail.splice(0), ({ queue }) => queue);
    for (const [queue, messages] of queues) await deliverTo(queue, messages, around);
  }
}

async function deliverTo(queue: string, mail: readonly Mail[], { meter, call, functions }: Surroundings) {
  const { name, batchSize } = consumerOf(queue, functions);
  const kind = kindOf(queue);
  for (let from = 0; from < mail.length; from += batchSize) {
    const batch = mail.slice(from, from + batchSize);
    const Records = batch.map(({ body, group: MessageGroupId }) => ({
      messageId: randomUUID(),
      receiptHandle: randomUUID(),
      body,
      attributes: { ApproximateReceiveCount: "1", MessageGroupId },
      eventSourceARN: `arn:aws:sqs:local:0:${queue}`,
    }));
    const answer = (await call(name, { Records }, batch.length)) as { batchItemFailures: unknown[] };
    if (answer.batchItemFailures.length > 0) throw new Error(`${name} gave a message of ${queue} back`);
    const bytes = batch.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    meter.add(`lambda.${name}.${kind}.messages`, batch.length);
    meter.add(`sqs.${name}.${kind}.bytes`, bytes);
  }
}

const RESOURCES: Readonly<Record<string, string>> = {
  "jobs-fair": "JobsFairQueue",
  "jobs-main.fifo": "JobsMainQueue",
  "jobs-tasks": "JobsTasksQueue",
  "jobs-pdf": "JobsPdfQueue",
};

function consumerOf(queue: string, functions: readonly FunctionTemplate[]): { name: string; batchSize: number } {
  const resource = Object.entries(RESOURCES).find(([name]) => queue.endsWith(name))?.[1];
  for (const { name, queues } of functions) {
    const found = queues.find((each) => each.resource === resource);
    if (found) return { name, batchSize: found.batchSize };
  }
  throw new Error(`No function of serverless.yml reads ${queue}`);
}

function webhookTo(target: string, body: string, path = "/failures/0", metadata: object = {}) {
  const { message } = jobFor(`${target}${path}`, body);
  return { ...message, metadata: { ...message.metadata, ...metadata } };
}

interface WebhookOptions {
  readonly mode?: string;
  readonly body?: string;
  readonly path?: string;
  readonly metadata?: object;
  /** Whether each job has another webhook as a follow-up. */
  readonly isFollowed?: boolean;
}

/** Jobs of each kind, from their acceptance to their end. Each returns the ids of those that are stored. */
export function jobsOf(around: Surroundings) {
  const { call, target } = around;

  /** Posts one job after another, and delivers their messages together. */
  async function posted(jobs: number, name: string, route: string, body: object): Promise<readonly string[]> {
    const ids: string[] = [];
    for (let n = 0; n < jobs; n += 1) ids.push((await post(name, route, body, around)) ?? carriedId(around.meter.mail));
    // The jobs of mode `db` are the sweep's.
    if ("mode" in body && body.mode === "db") await call("sweepJobs", {});
    await deliver(around);
    return ids.filter((id) => id !== "");
  }

  return {
    posted,
    webhooks: async (jobs: number, options: WebhookOptions = {}): Promise<readonly string[]> => {
      const { mode = "both", body = ORDER, path, metadata, isFollowed = false } = options;
      const onSuccess = { message: webhookTo(target, ORDER) };
      const job = { mode, message: webhookTo(target, body, path, metadata), ...(isFollowed && { onSuccess }) };
      return posted(jobs, "createJob", "POST /v1/jobs/create", job);
    },
    batch: async (jobs: number): Promise<readonly string[]> => {
      const each = Array.from({ length: jobs }, () => ({ message: webhookTo(target, ORDER) }));
      await posted(1, "createJob", "POST /v1/jobs/batch", { jobs: each });
      return [];
    },
    members: async (jobs: number): Promise<readonly string[]> => {
      const group = await post("adminApi", "POST /v1/groups", {}, around);
      around.forget();
      const message = webhookTo(target, ORDER, undefined, { group });
      return posted(jobs, "createJob", "POST /v1/jobs/create", { message });
    },
    schedules: async (jobs: number) => schedules(jobs, around),
    recurring: async (jobs: number) => recurring(jobs, around),
    sweep: async (): Promise<readonly string[]> => {
      await call("sweepJobs", {});
      return [];
    },
    count: async (changes: number) => count(changes, around),
  };
}

/** The id of the job that the last message carries (mode `sqs`). */
function carriedId(mail: readonly Mail[]): string {
  return /^\{"job":\{"id":"([\da-f-]{36})"/.exec(mail.at(-1)?.body ?? "")?.[1] ?? "";
}

async function schedule(jobs: number, terms: () => object, around: Surroundings): Promise<void> {
  for (let n = 0; n < jobs; n += 1) {
    const execution = { type: "schedule", ...terms(), targetJob: webhookTo(around.target, ORDER) };
    await post("createJob", "POST /v1/jobs/create", { message: { execution } }, around);
  }
}

async function schedules(jobs: number, around: Surroundings): Promise<readonly string[]> {
  const { meter, call, now } = around;
  await schedule(jobs, () => ({ scheduledAt: iso(now() + AHEAD) }), around);
  await sleep((AHEAD + MINUTE) / SPEED);
  for (const event of meter.events.splice(0)) {
    await call("fireSchedule", JSON.parse(event) as object);
    meter.add("lambda.fireSchedule.invocations");
    meter.add("scheduler.invocations");
  }
  await deliver(around);
  return [];
}

/** One run of each of some schedules, which are there already. */
async function recurring(jobs: number, around: Surroundings): Promise<readonly string[]> {
  await schedule(jobs, () => ({ scheduleExpression: `rate(${INTERVAL / MINUTE} minutes)` }), around);
  around.forget();
  await sleep((INTERVAL + MINUTE) / SPEED);
  await around.call("sweepJobs", {});
  await deliver(around);
  return [];
}

/** Hands changes of one app's jobs to the function that counts them. */
async function count(changes: number, { app, call, now }: Surroundings): Promise<readonly string[]> {
  // All in the same five minutes.
  const at = { N: String(Math.floor(now() / (5 * MINUTE)) * 5 * MINUTE) };
  const image = (id: string, fields: object) => ({
    pk: { S: `J#${id}` },
    sk: { S: "J" },
    byApp: { S: `${app}#rest-api#0` },
    to: { S: "https://hooks.example.com" },
    payload: { B: Buffer.alloc(600, id).toString("base64") },
    createdAt: at,
    updatedAt: at,
    startAt: at,
    startedAt: at,
    ...fields,
  });
  const Records = Array.from({ length: changes }, () => {
    const id = randomUUID();
    const OldImage = image(id, { status: { S: "RUNNING" }, attempts: { N: "1" } });
    const NewImage = image(id, { status: { S: "SUCCEEDED" }, attempts: { N: "1" } });
    return { eventName: "MODIFY", dynamodb: { Keys: { pk: OldImage.pk, sk: OldImage.sk }, OldImage, NewImage } };
  });
  await call("countJobs", { Records }, changes);
  return [];
}
