import type { Template } from "../../../local/template.ts";
import { BUCKET, Broken, TABLE } from "../cloud.ts";
import type { Command } from "../models/client.ts";
import { createDynamoDb } from "../models/dynamodb.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Service } from "../models/faults.ts";
import { createS3 } from "../models/s3.ts";
import { createSchedules } from "../models/scheduler.ts";
import { createSqs } from "../models/sqs.ts";
import type { Process } from "../process.ts";
import type { Time } from "../time.ts";
import type { Counts } from "./counts.ts";

// The models without faults. A call costs its process time: a process has one processor, and calls wait for it.

interface Options {
  readonly time: Time;
  readonly template: Template;
  readonly counts: Counts;
  /** Milliseconds of its processor that a process spends on a call, and on each item of a batch. */
  readonly cpu: { readonly callMs: number; readonly itemMs: number };
  /** A multiple of that for a function. */
  readonly slownessOf: (by: string) => number;
  readonly onQueue: () => void;
  readonly onWrite: (before: Item | undefined, after: Item | undefined) => void;
  /** Called as a process is about to make a call. Default: nothing. */
  readonly onCall: ((process: Process, command: Command) => void) | undefined;
}

export type VolumeCloud = ReturnType<typeof createVolumeCloud>;

/** Milliseconds until an answer: medians of AWS's services within a region. */
const LATENCY: Readonly<Record<Service, number>> = { dynamodb: 5, sqs: 10, s3: 25, scheduler: 20 };
const INDEX_LAG_MS = 20;

export function createVolumeCloud({ time, template, counts, cpu, slownessOf, onQueue, onWrite, onCall }: Options) {
  const busyUntil = new WeakMap<Process, number>();
  /** By partition of the index of due jobs: when it was last read. */
  const lookedAt = new Map<string, number>();
  /** By function. */
  const calls = new Map<string, number>();
  const models = {
    dynamodb: createDynamoDb({
      now: time.now,
      table: TABLE,
      properties: template.resources["JobsTable"]?.Properties ?? {},
      indexLagMs: () => INDEX_LAG_MS,
      onWrite,
      onQuery: (index, partition) => {
        if (index === "due") lookedAt.set(partition, time.now());
      },
    }),
    sqs: createSqs({ now: time.now, resources: template.resources }),
    s3: createS3({ bucket: BUCKET }),
    scheduler: createSchedules({ now: time.now }),
  };

  async function call(process: Process, service: Service, command: Command): Promise<object> {
    onCall?.(process, command);
    const by = process.name.replace(/-\d+$/, "");
    calls.set(by, (calls.get(by) ?? 0) + 1);
    const began = Math.max(busyUntil.get(process) ?? 0, time.now());
    const free = began + (cpu.callMs + cpu.itemMs * sizeOf(command)) * slownessOf(by);
    busyUntil.set(process, free);
    // Whole milliseconds, so that many calls end at the same time.
    await process.pause(Math.ceil(free + LATENCY[service] - time.now()));
    counts.calling();
    const done = models[service].send(command);
    counts.called(command, by === "sweep");
    if (service === "sqs") onQueue();
    return done.catch((error: Error) => {
      const isMistake = error.message.startsWith("The model") || error.name === "ValidationException";
      throw isMistake ? new Broken(error) : error;
    });
  }

  return { ...models, call, calls, lookedAt };
}

/** The items of a batch. */
function sizeOf({ input }: Command): number {
  const { Entries, RequestItems, Limit } = input as {
    Entries?: unknown[];
    RequestItems?: Record<string, { Keys?: unknown[] }>;
    Limit?: number;
  };
  if (Entries) return Entries.length;
  if (RequestItems) return Object.values(RequestItems).reduce((sum, { Keys = [] }) => sum + Keys.length, 0);
  return Limit === undefined ? 0 : Math.min(Limit, 100) / 10;
}
