import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BatchWriteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import { createClock, type EpochMs } from "../../lib/clock.ts";
import { newJob } from "./new-job.ts";
import { createDestinationStore } from "../../lib/flow/destination-store.ts";
import { createTaskSlots } from "../../lib/flow/line-store.ts";
import type { Attempt } from "../../lib/job/attempt.ts";
import type { Job } from "../../lib/job/job.ts";
import { createAttachments } from "../../lib/store/attachments.ts";
import { toItem } from "../../lib/store/job-item.ts";
import { createTable } from "../../lib/store/table.ts";
import type { Stack } from "./stack.ts";
import { request } from "./world.ts";

// Jobs written straight into the store of a stack that runs, in states that would take long to reach.

const MOST_IN_A_BATCH = 25;
const BATCHES_AT_ONCE = 8;

export function storeOf({ dir }: Pick<Stack, "dir">) {
  const { environment, references } = JSON.parse(readFileSync(join(dir, "stack.json"), "utf8")) as {
    environment: Record<string, string>;
    references: Record<string, string>;
  };
  const client = new DynamoDBClient({ endpoint: environment["AWS_ENDPOINT_URL_DYNAMODB"] ?? "" });
  const clock = createClock();
  const name = references["JobsTable"] ?? "";
  const table = createTable({ name, clock, client });
  const attachments = createAttachments({ table, clock });
  return {
    destinations: createDestinationStore({ table, clock }),
    slots: createTaskSlots({ table, clock }),

    /** Stores a job with its recorded attempts. */
    put: async (job: Job, attempts: readonly Attempt[] = []): Promise<void> => {
      await table.put(toItem(job));
      for (const attempt of attempts) await attachments.recordAttempt(job.id, attempt);
    },

    putAll: async (jobs: readonly Job[]): Promise<void> => {
      const batches: Job[][] = [];
      for (let from = 0; from < jobs.length; from += MOST_IN_A_BATCH)
        batches.push(jobs.slice(from, from + MOST_IN_A_BATCH));
      for (let from = 0; from < batches.length; from += BATCHES_AT_ONCE) {
        await Promise.all(batches.slice(from, from + BATCHES_AT_ONCE).map(async (batch) => write(client, name, batch)));
      }
    },
  };
}

async function write(client: DynamoDBClient, table: string, jobs: readonly Job[]): Promise<void> {
  const puts = jobs.map((job) => ({
    PutRequest: { Item: marshall(toItem(job), { removeUndefinedValues: true }) },
  }));
  const { UnprocessedItems = {} } = await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: puts } }));
  if (Object.keys(UnprocessedItems).length > 0) throw new Error("The table took only a part of a batch");
}

/** The fields of a job, beside those that a webhook to `url` and `path` has. */
export interface Given {
  readonly appId: string;
  readonly status: Job["status"];
  /** Default: https://a.example. */
  readonly url?: string;
  readonly path?: string;
  readonly [field: string]: unknown;
}

/** A job as it might stand in the table. */
export function standing({ url = "https://a.example", path = "/", ...given }: Given, now: EpochMs): Job {
  const asked = request("both", {}, { appId: given.appId });
  const { message } = asked;
  const proxy = message.lambdaProxyMessage && { ...message.lambdaProxyMessage, path };
  const job = newJob(
    {
      ...asked,
      message: {
        ...message,
        ...(proxy && { lambdaProxyMessage: proxy }),
        execution: { ...message.execution, baseUrl: url },
      },
    },
    now,
    randomUUID(),
  );
  return { ...job, destination: new URL(url).origin, ...given } as Job;
}
