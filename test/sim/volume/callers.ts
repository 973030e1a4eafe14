import { DeleteMessageBatchCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import type { SQSBatchResponse } from "aws-lambda";
import { HOUR, MINUTE, type EpochMs, type TimeLeft } from "../../../lib/clock.ts";
import type { SweepPart } from "../../../lib/engine/sweep.ts";
import type { QueueRecord } from "../../../lib/queue/delivery.ts";
import { DUE_SHARDS } from "../../../lib/store/job-keys.ts";
import type { Container, FunctionName, Invoke } from "../process.ts";
import { recordOf, type Received } from "../mappings.ts";
import type { Time } from "../time.ts";
import type { VolumeCloud } from "./cloud.ts";

// The callers of functions: the mappings of queues with their highest concurrency, and the rule of the sweep.

export interface CallerParts {
  readonly time: Time;
  readonly cloud: VolumeCloud;
  readonly invoke: Invoke;
  /** Batches in flight of each queue. Default: 50. */
  readonly atOnce: Readonly<Record<string, number>>;
  /** Called before each minute's sweep, and after the last of its invocations. */
  readonly onSweep: (stage: "before" | "after") => void;
  /** Whether Lambda has no room for an invocation of a mapping. */
  readonly isRefused: () => boolean;
}

type Handle = (container: Container, records: QueueRecord[], timeLeft: TimeLeft) => Promise<SQSBatchResponse>;

const BATCH = 10;
const BATCH_WINDOW_MS = 5;
const DEFAULT_AT_ONCE = 50;
/** Without anything due, the sweep looks at nothing; a slow look at what waits elsewhere must still come. */
const IDLE_SWEEP_EVERY = 15 * MINUTE;
/** The other partitions of the index are backlogs: they are due by an item in a shard. */
const SHARDS: ReadonlySet<string> = new Set(DUE_SHARDS);

export function createVolumeCallers(parts: CallerParts) {
  const { time, cloud } = parts;
  const run: Handle = async ({ engine }, records, left) => engine.runBatch(records, left);
  const recover: Handle = async ({ engine }, records) => engine.recoverBatch(records);
  const mappings = [
    createMapping(parts, "JobsFairQueue", "process-jobs", BATCH, run),
    createMapping(parts, "JobsMainQueue", "process-jobs", BATCH, run),
    createMapping(parts, "JobsTasksQueue", "run-tasks", 1, run),
    ...["JobsFairDeadLetters", "JobsMainDeadLetters", "JobsTasksDeadLetters"].map((name) =>
      createMapping(parts, name, "process-jobs", BATCH, recover),
    ),
  ];
  const sweeps = createSweeps(parts);
  let eagerUntil = 0;
  let lastSweep: EpochMs = 0;

  function isAnythingDue(until: EpochMs): boolean {
    return cloud.dynamodb.firsts("due").some(([shard, dueAt]) => SHARDS.has(shard) && Number(dueAt) <= until);
  }

  function everyMinute(): void {
    time.after(MINUTE, everyMinute);
    const isIdle = time.now() > eagerUntil && !isAnythingDue(time.now() + MINUTE);
    if (isIdle && time.now() - lastSweep < IDLE_SWEEP_EVERY) return;
    lastSweep = time.now();
    parts.onSweep("before");
    void sweeps.start().then(() => parts.onSweep("after"));
  }

  return {
    start: (): void => time.after(MINUTE / 2, everyMinute) && undefined,
    wake: (): void => mappings.forEach((wake) => wake()),
    mostSweeps: sweeps.most,
    sweepMore: sweeps.more,
    /** A person has done something that a sweep may have to follow. */
    acted: (): void => void (eagerUntil = time.now() + HOUR),
  };
}

/** The invocations of the sweep: one each minute, and those that it starts. */
function createSweeps({ invoke }: CallerParts) {
  let [running, most] = [0, 0];
  let further: Promise<void>[] = [];

  async function run(part: SweepPart): Promise<void> {
    running += 1;
    most = Math.max(most, running);
    await invoke("sweep", async ({ engine }, left) => engine.sweep(left, part));
    running -= 1;
  }

  return {
    /** Resolves when those that it starts have ended too. */
    start: async (): Promise<void> => {
      await run({});
      const started = further;
      further = [];
      await Promise.all(started);
    },
    /** Starts a further invocation at once. */
    more: (part: SweepPart): void => void further.push(run(part)),
    /** The most that ran at once. */
    most: () => most,
  };
}

/** Returns the function that has the mapping look at its queue. */
function createMapping(parts: CallerParts, name: string, by: FunctionName, batch: number, handle: Handle): () => void {
  const { time, cloud, invoke } = parts;
  const url = cloud.sqs.urlOf(name);
  const most = parts.atOnce[name] ?? DEFAULT_AT_ONCE;
  let inFlight = 0;
  /** The time of the look that is to come. */
  let looksAt = Infinity;

  function wake(): void {
    if (inFlight < most) lookAt(time.now() + BATCH_WINDOW_MS);
  }

  function lookAt(at: EpochMs): void {
    if (at >= looksAt) return;
    looksAt = at;
    time.after(at - time.now(), () => {
      if (looksAt === at) void look();
    });
  }

  async function look(): Promise<void> {
    looksAt = Infinity;
    while (inFlight < most) {
      inFlight += 1;
      const records = await receive();
      if (records.length === 0) {
        inFlight -= 1;
        break;
      }
      void run(records);
    }
    const next = cloud.sqs.nextVisibleAt(name);
    if (next !== undefined && inFlight < most) lookAt(Math.ceil(next) + 1);
  }

  async function receive(): Promise<QueueRecord[]> {
    return recordsIn(await cloud.sqs.send(receiving(url, batch)), url);
  }

  async function run(records: QueueRecord[]): Promise<void> {
    const handled = parts.isRefused()
      ? undefined
      : await invoke(by, (container, left) => handle(container, records, left));
    inFlight -= 1;
    const deletion = deleting(url, records, handled);
    if (deletion) await cloud.sqs.send(deletion);
    wake();
  }

  return wake;
}

/** A mapping's call for a batch. */
export function receiving(url: string, batch: number): ReceiveMessageCommand {
  return new ReceiveMessageCommand({
    QueueUrl: url,
    MaxNumberOfMessages: batch,
    MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
  });
}

/** The batch of its answer, as a function is given it. */
export function recordsIn(answer: object, url: string): QueueRecord[] {
  const { Messages = [] } = answer as { Messages?: Received[] };
  return Messages.map((message) => recordOf(message, url));
}

/** A mapping's call after a batch, if there is something to delete. `handled`: undefined if the function died. */
export function deleting(
  url: string,
  records: readonly QueueRecord[],
  handled: SQSBatchResponse | undefined,
): DeleteMessageBatchCommand | undefined {
  const again = new Set(handled?.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
  const done = handled ? records.filter(({ messageId }) => !again.has(messageId)) : [];
  const Entries = done.map(({ receiptHandle: ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle }));
  return done.length > 0 ? new DeleteMessageBatchCommand({ QueueUrl: url, Entries }) : undefined;
}
