import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { SQSBatchResponse } from "aws-lambda";
import { MINUTE, SECOND, type TimeLeft } from "../../lib/clock.ts";
import { SWEEP_EVERY, type createCloud } from "./cloud.ts";
import type { createInvariants } from "./invariants.ts";
import type { Plant } from "./plant.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";
import type { QueueRecord } from "../../lib/queue/message.ts";
import type { Container, FunctionName, Invoke } from "./process.ts";

// What calls functions without HTTP: the mappings of queues, EventBridge, the rule of the sweep.

interface Parts {
  readonly time: Time;
  readonly random: Random;
  readonly cloud: ReturnType<typeof createCloud>;
  readonly invariants: ReturnType<typeof createInvariants>;
  readonly invoke: Invoke;
  /** Whether things go wrong, and how often. */
  readonly faultRate: number;
  readonly isRough: () => boolean;
  readonly plant: Plant | undefined;
  readonly trace: (line: string) => void;
}

type Handle = (container: Container, records: QueueRecord[], timeLeft: TimeLeft) => Promise<SQSBatchResponse>;

const QUEUES = ["JobsFairQueue", "JobsMainQueue"] as const;
const TASKS = "JobsTasksQueue";
const DEAD = ["JobsFairDeadLetters", "JobsMainDeadLetters", "JobsTasksDeadLetters", "SchedulesDeadLetters"] as const;
const BATCH = 10;
const POLLERS = 2;
/** More than apps have slots: some wait, or stand still. */
const MOST_TASKS = 12;

export function createCallers({ time, random, cloud, invariants, invoke, faultRate, isRough, plant, trace }: Parts) {
  let pollers: (() => void)[] = [];

  function wakePollers(): void {
    const waiting = pollers;
    pollers = [];
    for (const wake of waiting) time.after(1, wake);
  }

  /** A mapping's poller: receives, has its function run, deletes what was handled. */
  async function poll(name: string, run: Handle): Promise<void> {
    for (;;) {
      const records = await receive(name, 1 + random.below(BATCH));
      await handle(name, "process-jobs", records, run);
      await time.pass(5);
    }
  }

  /** The same for messages that come one at a time, of which many are handled at once. */
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

  /** Messages of a queue, when it has some. */
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
    // A deletion that fails: they come again.
    if (!isRough() || !random.chance(faultRate)) remove(url, done);
  }

  function remove(url: string, records: readonly QueueRecord[]): void {
    for (const { receiptHandle } of records) {
      // Too late for a message of a FIFO queue that shows again: it is not deleted.
      void cloud.sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receiptHandle })).catch(() => {});
    }
    wakePollers();
  }

  async function untilQueue(name: string): Promise<void> {
    const next = cloud.sqs.nextVisibleAt(name);
    await new Promise<void>((resolve) => {
      pollers.push(resolve);
      if (next !== undefined) time.after(next - time.now() + 1, resolve);
    });
  }

  const firing = new Set<object>();

  /** EventBridge: on time or late, twice or never. What its target does not take goes to the dead letters. */
  function fireDue(): void {
    for (const schedule of cloud.scheduler.schedules()) {
      if (firing.has(schedule) || schedule.isOver) continue;
      firing.add(schedule);
      const wait = schedule.at - time.now() + random.between(0, 60) * SECOND;
      time.after(wait, () => {
        if (!cloud.scheduler.schedules().includes(schedule)) return;
        // What nothing else stores is as safe as EventBridge: it comes late, or twice.
        const never = schedule.input.startsWith('{"fire":{"target"') ? 1 : 0;
        const times = isRough() && faultRate > 0 ? random.pick([never, 1, 1, 1, 2]) : 1;
        cloud.scheduler.fired(schedule);
        for (let n = 0; n < times; n += 1) {
          void invoke("fire-schedule", async ({ engine }) => engine.fire(JSON.parse(schedule.input))).then((fired) => {
            if (fired === undefined) deadLetter(schedule.input);
          });
        }
      });
    }
  }

  function deadLetter(input: string): void {
    const MessageBody = JSON.stringify({ Payload: input });
    const QueueUrl = cloud.sqs.urlOf("SchedulesDeadLetters");
    void cloud.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    wakePollers();
  }

  function everyMinute(): void {
    time.after(SWEEP_EVERY, everyMinute);
    if (isRough() && random.chance(0.05)) return;
    if (!invariants.isAnythingDue(time.now() + MINUTE)) return;
    // A schedule's rule may call its function twice.
    for (let times = isRough() && random.chance(0.3) ? 2 : 1; times > 0; times -= 1) {
      void invoke("sweep", async ({ engine }, timeLeft) => engine.sweep(timeLeft));
    }
  }

  function start(): void {
    for (const name of QUEUES) {
      for (let n = 0; n < POLLERS; n += 1)
        void poll(name, ({ engine }, records, left) => engine.runBatch(records, left));
    }
    void pollTasks(({ engine }, records, left) => engine.runBatch(records, left));
    for (const name of DEAD) void poll(name, ({ engine }, records) => engine.recoverBatch(records));
    time.after(SWEEP_EVERY * random.next(), everyMinute);
  }

  const isQuiet = () => [...QUEUES, TASKS, ...DEAD].every((name) => cloud.sqs.messages(name).length === 0);

  return { start, wakePollers, fireDue, isQuiet };
}

interface Received {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly Attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string };
}

function recordOf({ MessageId, ReceiptHandle, Body, Attributes }: Received, url: string): QueueRecord {
  const name = url.split("/").at(-1) ?? "";
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: Attributes,
    eventSourceARN: `arn:aws:sqs:sim:0:${name}`,
  };
}
