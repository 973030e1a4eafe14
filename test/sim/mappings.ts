import { DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import type { SQSBatchResponse } from "aws-lambda";
import type { TimeLeft } from "../../lib/clock.ts";
import type { QueueRecord } from "../../lib/queue/delivery.ts";
import type { Cloud } from "./cloud.ts";
import type { Invariants } from "./invariants.ts";
import type { Plant } from "./plant.ts";
import type { Container, FunctionName, Invoke } from "./process.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

// The mappings of queues to functions: they receive messages, invoke the function, and delete what it has handled.

export interface MappingParts {
  readonly time: Time;
  readonly random: Random;
  readonly cloud: Cloud;
  readonly invariants: Invariants;
  readonly invoke: Invoke;
  /** How often a deletion fails, while there are faults. */
  readonly faultRate: number;
  /** Whether there are faults now. */
  readonly isRough: () => boolean;
  readonly plant: Plant | undefined;
  readonly trace: (line: string) => void;
}

export type Handle = (container: Container, records: QueueRecord[], timeLeft: TimeLeft) => Promise<SQSBatchResponse>;

const TASKS = "JobsTasksQueue";
const BATCH = 10;
/** More than apps have slots, so that some tasks wait and some processes are frozen. */
const MOST_TASKS = 12;

export function createMappings(parts: MappingParts) {
  const { time, random, cloud, invariants, invoke, faultRate, isRough, plant, trace } = parts;
  let waiting: (() => void)[] = [];

  /** Has every idle poller look at its queue again. */
  function wake(): void {
    const pollers = waiting;
    waiting = [];
    for (const poller of pollers) time.after(1, poller);
  }

  async function poll(name: string, run: Handle): Promise<void> {
    for (;;) {
      const records = await receive(name, 1 + random.below(BATCH));
      await handle(name, "process-jobs", records, run);
      await time.pass(5);
    }
  }

  /** A poller that receives one message at a time and has many in flight. */
  async function pollTasks(run: Handle): Promise<void> {
    const running = new Set<Promise<void>>();
    for (;;) {
      if (running.size === MOST_TASKS) await Promise.race(running);
      const handled = handle(TASKS, "run-tasks", await receive(TASKS, 1), run);
      running.add(handled);
      void handled.then(() => running.delete(handled));
      await time.pass(5);
    }
  }

  /** Waits until the queue has messages. */
  async function receive(name: string, most: number): Promise<QueueRecord[]> {
    const url = cloud.sqs.urlOf(name);
    for (;;) {
      const command = new ReceiveMessageCommand({
        QueueUrl: url,
        MaxNumberOfMessages: most,
        MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
      });
      const { Messages = [] } = (await cloud.sqs.send(command)) as { Messages?: Received[] };
      if (Messages.length > 0) return Messages.map((message) => recordOf(message, url));
      await untilQueue(name);
    }
  }

  async function handle(name: string, by: FunctionName, records: QueueRecord[], run: Handle): Promise<void> {
    const url = cloud.sqs.urlOf(name);
    trace(`${name} gives ${records.map(({ body }) => body.slice(0, 70)).join(" ")}`);
    if (plant?.acknowledges === "before") remove(url, records);
    const handled = await invoke(by, (container, timeLeft) => run(container, records, timeLeft));
    if (!handled) return;
    const again = new Set(handled.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    const done = records.filter(({ messageId }) => plant?.acknowledges === "all" || !again.has(messageId));
    invariants.acknowledged(done);
    // After a deletion that fails, the messages come again.
    if (!isRough() || !random.chance(faultRate)) remove(url, done);
  }

  function remove(url: string, records: readonly QueueRecord[]): void {
    for (const { receiptHandle } of records) {
      // A FIFO queue refuses to delete a message that is visible again.
      void cloud.sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receiptHandle })).catch(() => {});
    }
    wake();
  }

  async function untilQueue(name: string): Promise<void> {
    const next = cloud.sqs.nextVisibleAt(name);
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (next !== undefined) time.after(next - time.now() + 1, resolve);
    });
  }

  return { wake, poll, pollTasks };
}

export interface Received {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly Attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string };
}

export function recordOf({ MessageId, ReceiptHandle, Body, Attributes }: Received, url: string): QueueRecord {
  const name = url.split("/").at(-1) ?? "";
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: Attributes,
    eventSourceARN: `arn:aws:sqs:sim:0:${name}`,
  };
}
