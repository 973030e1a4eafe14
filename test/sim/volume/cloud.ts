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
import { keysOf, type Counts } from "./counts.ts";
import { createProcessor, type Processor } from "./processor.ts";
import type { VolumePlant } from "./volume-plant.ts";

// The models without faults. A call costs its process time: a process has one processor, and calls wait for it.

/** What a scenario sees of calls. `by`: the process that makes it, or its function. */
export interface Watch {
  readonly onCall?: (by: Process, command: Command, stage: "begins" | "ends") => void;
  /** A partition of the table, or of an index, is read. */
  readonly onRead?: (by: string, index: string | undefined, partition: string) => void;
  /** An entry of an item is written into an index, or deleted from it. */
  readonly onIndexWrite?: (index: string, partition: string, pk: string) => void;
}

interface Options {
  readonly time: Time;
  readonly template: Template;
  readonly counts: Counts;
  /** Milliseconds of its processor that a process spends on a call, and on each item of a batch. */
  readonly cpu: { readonly callMs: number; readonly itemMs: number };
  /** A multiple of that for a function. */
  readonly slownessOf: (by: string) => number;
  /** Whether SQS refuses an entry of a batch that is sent. */
  readonly refuses: () => boolean;
  readonly plant: VolumePlant | undefined;
  readonly watch: Watch | undefined;
  readonly onQueue: () => void;
  readonly onWrite: (before: Item | undefined, after: Item | undefined) => void;
}

export type VolumeCloud = ReturnType<typeof createVolumeCloud>;

/** Milliseconds until an answer: medians of AWS's services within a region. */
const LATENCY: Readonly<Record<Service, number>> = { dynamodb: 5, sqs: 10, s3: 25, scheduler: 20 };
const INDEX_LAG_MS = 20;
const READS_ITEMS = /^(Get|BatchGet)Item/;

export function createVolumeCloud({ time, template, counts, cpu, slownessOf, refuses, plant, ...given }: Options) {
  const { onCall = () => {}, onRead = () => {}, onIndexWrite } = given.watch ?? {};
  const processors = new WeakMap<Process, Processor>();
  /** By partition of the index of due jobs: when it was last read. */
  const lookedAt = new Map<string, number>();
  /** By function. */
  const calls = new Map<string, number>();
  /** The function whose call is carried out now. */
  let reader = "";
  const models = {
    dynamodb: createDynamoDb({
      now: time.now,
      table: TABLE,
      properties: template.resources["JobsTable"]?.Properties ?? {},
      indexLagMs: () => INDEX_LAG_MS,
      onWrite: given.onWrite,
      ...(onIndexWrite && { onIndexWrite }),
      onQuery: (index, partition) => {
        onRead(reader, index, partition);
        if (index === "due") lookedAt.set(partition, time.now());
      },
    }),
    sqs: createSqs({ now: time.now, resources: template.resources, refuses }),
    s3: createS3({ bucket: BUCKET }),
    scheduler: createSchedules({ now: time.now }),
  };

  function processorOf(process: Process): Processor {
    const processor = processors.get(process) ?? createProcessor(time.now);
    processors.set(process, processor);
    return processor;
  }

  async function call(process: Process, service: Service, command: Command): Promise<object> {
    const by = process.name.replace(/-\d+$/, "");
    calls.set(by, (calls.get(by) ?? 0) + 1);
    onCall(process, command, "begins");
    const ready = processorOf(process).take((cpu.callMs + cpu.itemMs * sizeOf(command)) * slownessOf(by));
    // Whole milliseconds, so that many calls end at the same time.
    await process.pause(Math.ceil(ready + LATENCY[service]));
    counts.calling();
    reader = by;
    if (READS_ITEMS.test(command.constructor.name)) for (const { pk } of keysOf(command)) onRead(by, undefined, pk);
    const done = models[service].send(plant?.call?.(command) ?? command);
    counts.called(command, by === "sweep");
    if (service === "sqs") given.onQueue();
    return done
      .then(
        (answer) => {
          counts.sent(command, answer);
          return answer;
        },
        (error: Error) => {
          const isMistake = error.message.startsWith("The model") || error.name === "ValidationException";
          throw isMistake ? new Broken(error) : error;
        },
      )
      .finally(() => onCall(process, command, "ends"));
  }

  return { ...models, call, calls, lookedAt, processorOf };
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
