import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient, type Message } from "@aws-sdk/client-sqs";
import type { SQSBatchResponse } from "aws-lambda";
import { setTimeout as sleep } from "node:timers/promises";
import { lean } from "../lib/aws.ts";
import type { Clock } from "../lib/clock.ts";
import type { Invoke } from "./lambda.ts";
import { createPace, takeBatches } from "./pace.ts";

// Event source mappings of queues, and schedules: they call functions without HTTP.

/** Something that runs until it is stopped; stopping waits for the work in hand. */
export interface Runner {
  stop(): Promise<void>;
}

export interface Mapping {
  readonly queueUrl: string;
  readonly arn: string;
  readonly batchSize: number;
  readonly maximumConcurrency: number;
}

/** The longest that SQS has. An idle stack polls seldom. */
const LONG_POLL_SECONDS = 20;

// One for all queues of a process: they share its event loop.
const room = createPace();

/** Receives batches, calls the function, and deletes the messages that it does not report as failed. */
export function startMapping(mapping: Mapping, invoke: Invoke): Runner {
  const client = lean(new SQSClient({ maxAttempts: 1, useQueueUrlAsEndpoint: false }));
  const stopped = new AbortController();

  async function receive(): Promise<Message[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: mapping.queueUrl,
      MaxNumberOfMessages: mapping.batchSize,
      WaitTimeSeconds: LONG_POLL_SECONDS,
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
    });
    const { Messages = [] } = await client.send(command, { abortSignal: stopped.signal });
    return Messages;
  }

  async function handle(messages: readonly Message[]): Promise<void> {
    const Records = messages.map(({ MessageId, ReceiptHandle, Body, Attributes }) => ({
      messageId: MessageId,
      receiptHandle: ReceiptHandle,
      body: Body,
      attributes: Attributes ?? {},
      messageAttributes: {},
      eventSource: "aws:sqs",
      eventSourceARN: mapping.arn,
    }));
    try {
      const answer = (await invoke({ Records })) as SQSBatchResponse | undefined;
      const failed = new Set(answer?.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      const Entries = messages
        .filter(({ MessageId }) => !failed.has(MessageId ?? ""))
        .map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle }));
      if (Entries.length === 0) return;
      await client.send(new DeleteMessageBatchCommand({ QueueUrl: mapping.queueUrl, Entries }));
    } catch (error) {
      // The queue delivers the messages again after their visibility timeout.
      process.stderr.write(`A batch of ${mapping.arn} failed: ${String(error)}\n`);
    }
  }

  const polling = takeBatches({
    room,
    batchSize: mapping.batchSize,
    mostAtOnce: mapping.maximumConcurrency,
    stopped: stopped.signal,
    receive: async () => receive().catch(() => undefined),
    handle,
  });
  return {
    stop: async () => {
      stopped.abort();
      await polling;
      client.destroy();
    },
  };
}

/** Real time. Without it a schedule would run back to back at high SPEED. */
const SHORTEST_INTERVAL_MS = 1_000;

/** Calls a function at a rate in service time, never twice at once. */
export function startSchedule(everyMs: number, clock: Clock, invoke: Invoke): Runner {
  const stopped = new AbortController();
  const running = (async () => {
    while (!stopped.signal.aborted) {
      await invoke({}).catch((error: unknown) => process.stderr.write(`A scheduled run failed: ${String(error)}\n`));
      const wait = Math.max(SHORTEST_INTERVAL_MS, clock.waitFor(everyMs));
      await sleep(wait, undefined, { signal: stopped.signal }).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}
