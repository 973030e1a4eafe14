import { createTable } from "../../lib/store/table.ts";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";
import { createClock, type Clock } from "../../lib/clock.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import type { Files } from "../../lib/store/payloads.ts";
import { createJobStore, type JobStore } from "../../lib/store/job-store.ts";
import type { WaitingJob } from "../../lib/job/job.ts";
import { newJob } from "../support/new-job.ts";
import { startEmulators } from "../../local/emulators.ts";
import { provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf, type Send } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { ROOT } from "../support/root.ts";
import { request } from "../support/world.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

export const TABLE = "JobsTable";
export const BUCKET = "jobsbucket";
export const clock = createClock();
export const failed: Outcome = { kind: "retry", error: "HTTP 500" };
export const template = readTemplate(ROOT);

/** The store's table, and its bucket for items too large for the table. */
export interface Ground {
  readonly client: DynamoDBClient;
  readonly files: Files;
  /** `next` runs once, after the next call. If it throws, the call's reply is lost and the call is repeated. */
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
  return { client, files: createBucket({ name: BUCKET }), interrupt, end };
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
    // The SDK repeats a call whose reply is lost.
    return isLost ? model.send(command) : answer;
  };
  return {
    client: clientOf(send),
    files: createBucket({ name: BUCKET, client: clientOf(bucket.send) }),
    interrupt,
    end: async () => {},
  };
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

export function loseReply(): never {
  throw Object.assign(new Error("socket hang up"), { name: "TimeoutError", code: "ECONNRESET" });
}

export function storeAt({ client, files }: Pick<Ground, "client" | "files">, of: Clock, listShards?: number): JobStore {
  return createJobStore({ table: createTable({ name: TABLE, clock: of, client }), files, clock: of, listShards });
}

export function someJob(options: { key?: string; body?: string; appId?: string } = {}): WaitingJob {
  const { key, ...rest } = options;
  const asked = request("both", key === undefined ? {} : { idempotencyKey: key }, rest);
  return newJob(asked, clock.now(), clock.uuid());
}

export function someTask(): WaitingJob {
  const execution = { type: "task", jobType: "example", payload: { words: ["a"] }, priority: 0 };
  const retryPolicy = { baseDelaySeconds: 1, maxDelaySeconds: 1, jitter: 0 };
  const message = { execution, metadata: { maxRetries: 2, retry: retryPolicy } };
  return newJob({ appId: randomUUID(), mode: "both", message }, clock.now(), clock.uuid());
}

export const ending = (outcome: Outcome) => ({ outcome, now: clock.now(), durationMs: 3, chance: 0, retention: 0 });

export const GROUNDS: [string, () => Promise<Ground>][] = [
  ["the embedded DynamoDB", embedded],
  ["the model", modelled],
];
