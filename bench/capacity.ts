import { createTable } from "../lib/store/table.ts";
import { DynamoDBClient, type ConsumedCapacity } from "@aws-sdk/client-dynamodb";
import { SQSClient } from "@aws-sdk/client-sqs";
import { randomBytes, randomUUID } from "node:crypto";
import { createBacklogs } from "../lib/store/backlogs.ts";
import { createAppStores } from "../lib/store/app-store.ts";
import { createClock } from "../lib/clock.ts";
import { createCapacityStore } from "../lib/flow/capacity-store.ts";
import { createDestinationStore } from "../lib/flow/destination-store.ts";
import { createEngine } from "../lib/engine/engine.ts";
import { executor } from "../lib/executors/by-type.ts";
import { createBucket } from "../lib/store/bucket.ts";
import { createGroupStore } from "../lib/store/group-store.ts";
import { createJobStore } from "../lib/store/job-store.ts";
import { nextAttempt } from "../lib/job/job.ts";
import { createQueue } from "../lib/queue/queue.ts";
import { createScheduler } from "../lib/queue/scheduler.ts";
import { createTaskSlots } from "../lib/flow/line-store.ts";
import { createSealer } from "../lib/store/sealer.ts";
import type { Emulators } from "../local/emulators.ts";
import type { References } from "../local/provision.ts";
import { jobFor } from "./workload.ts";

export interface Consumed {
  readonly writes: number;
  readonly reads: number;
  /** Write units, indexes included. */
  readonly writeUnits: number;
}

/** The DynamoDB capacity of one delivered job, as DynamoDB reports it (ConsumedCapacity). */
export async function capacityOf(
  body: string,
  target: string,
  endpoints: Emulators["endpoints"],
  references: References,
): Promise<Consumed> {
  const consumed = { writes: 0, reads: 0, writeUnits: 0 };
  const client = new DynamoDBClient({ endpoint: endpoints.dynamodb });
  client.middlewareStack.add(
    (next, context) => async (args) => {
      Object.assign(args.input, { ReturnConsumedCapacity: "TOTAL" });
      const answer = await next(args);
      const { ConsumedCapacity: units } = answer.output as { ConsumedCapacity?: ConsumedCapacity };
      if (/^(Put|Update)/.test(context.commandName ?? "")) {
        consumed.writes += 1;
        consumed.writeUnits += units?.CapacityUnits ?? NaN;
      } else consumed.reads += 1;
      return answer;
    },
    { step: "initialize" },
  );
  const sqs = new SQSClient({ endpoint: endpoints.sqs, useQueueUrlAsEndpoint: false });
  const clock = createClock();
  const tableOf = (of: DynamoDBClient) => createTable({ name: references["JobsTable"] ?? "", clock, client: of });
  const files = createBucket({ name: references["JobsBucket"] ?? "" });
  const { JobsFairQueue: fair = "", JobsMainQueue: main = "" } = references;
  const urls = { fair, main, tasks: "", pdf: "" };
  const store = createJobStore({ table: tableOf(client), files, clock });
  const queue = createQueue({ urls, table: tableOf(client), files, clock, client: sqs });
  const rules = {
    allowPrivateTargets: true,
    invokableFunctions: [],
    home: undefined,
    ownFunctions: "",
    localFunctionUrls: "",
  };
  const sealer = createSealer({ kind: "local", key: randomBytes(32) });
  // Not counted: a container reads an app's settings and keys, and a destination's state, only once in ten seconds.
  const apart = new DynamoDBClient({ endpoint: endpoints.dynamodb });
  const { apps } = createAppStores({ table: tableOf(apart), clock, sealer });
  const destinations = createDestinationStore({ table: tableOf(apart), clock });
  const capacity = createCapacityStore({ table: tableOf(apart), clock });
  const scheduler = createScheduler({ group: "", target: "", role: "", deadLetters: "" });
  const engine = createEngine({
    clock,
    store,
    apps,
    destinations,
    capacity,
    queue,
    scheduler,
    files,
    executorOf: () => executor,
    slots: createTaskSlots({ table: tableOf(apart), clock }),
    backlogs: createBacklogs({ table: tableOf(apart), clock }),
    groups: createGroupStore({ table: tableOf(apart), clock, retention: 0 }),
    sweepMore: async () => {},
    rules,
    log: () => {},
    callbackBodies: {},
    retention: 0,
  });

  const { message } = jobFor(target, body);
  const asked = { appId: randomUUID(), createdBy: randomUUID(), mode: "both", message } as const;
  const submitted = await engine.submit(asked);
  if (submitted.kind === "sent") throw new Error("The job was not stored");
  await engine.run({ kind: "stored", ref: nextAttempt(submitted.job) }, () => 180_000);
  const counted = { ...consumed };
  const delivered = await store.get(submitted.job.id);
  if (delivered?.status !== "SUCCEEDED") throw new Error(`The job is ${delivered?.status}, expected SUCCEEDED`);
  client.destroy();
  apart.destroy();
  sqs.destroy();
  return counted;
}
