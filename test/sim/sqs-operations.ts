import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type Message as Received,
} from "@aws-sdk/client-sqs";
import * as fc from "fast-check";
import type { Command, Send } from "./models/client.ts";
import type { SqsOptions } from "./models/sqs.ts";
import { outcome } from "../support/differential.ts";

// Random operations on queues, each on the model's side and on the embedded SQS's.

// The operations avoid the differences between AWS and the embedded SQS:
// - the embedded one delivers one message of a group at a time, so the model is set to do the same;
// - it deduplicates per queue, so the queues here do, and it drops the group on a standard queue;
// - on a standard queue, AWS still accepts a handle whose visibility has ended, so no such handle is used;
// - it counts the receive that turns a message into a dead letter, so counts of dead letters are not compared;
// - a receive may choose among the visible messages, so the model takes those that the embedded one took.

export type QueueName = "Fair" | "Lanes" | "Plain" | "Order" | "FairDead" | "LanesDead";

/** Two queues with dead letters after two receives and two without any, with names unique to the run. */
export function resourcesOf(run: number): SqsOptions["resources"] {
  const queue = (name: string, properties: object = {}) => ({
    Type: "AWS::SQS::Queue",
    Properties: {
      QueueName: `run-${run}-${name}`,
      VisibilityTimeout: 600,
      MessageRetentionPeriod: 1_209_600,
      ...properties,
    },
  });
  const redrive = (to: string) => ({
    RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": `${to}.Arn` }, maxReceiveCount: 2 },
  });
  const fifo = { FifoQueue: true, DeduplicationScope: "queue", FifoThroughputLimit: "perQueue" };
  return {
    Fair: queue("fair", redrive("FairDead")),
    Lanes: queue("lanes.fifo", { ...fifo, ...redrive("LanesDead") }),
    Plain: queue("plain"),
    Order: queue("order.fifo", fifo),
    FairDead: queue("fair-dead"),
    LanesDead: queue("lanes-dead.fifo", { FifoQueue: true }),
  };
}

export const isFifo = (name: QueueName) => ["Lanes", "Order", "LanesDead"].includes(name);

interface Sent {
  readonly text: string;
  readonly group: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly delay: number | undefined;
}

export type Operation =
  | { readonly kind: "send"; readonly queue: QueueName; readonly sent: Sent }
  | {
      readonly kind: "sendBatch";
      readonly queue: QueueName;
      readonly sent: readonly Sent[];
      readonly isRepeated: boolean;
    }
  | { readonly kind: "receive"; readonly queue: QueueName; readonly most: number }
  | { readonly kind: "end"; readonly queue: QueueName; readonly which: readonly number[]; readonly by: Ending };

/** The end of received messages: deleted, released or kept for longer; one by one or in a batch. */
type Ending = "delete" | "deleteBatch" | "release" | "releaseBatch" | "keep";

// Most are released, since a message becomes a dead letter only after two receives.
const ENDINGS = ["delete", "deleteBatch", "keep", "release", "release", "releaseBatch", "releaseBatch"] as const;
const queueName = fc.constantFrom<QueueName>("Fair", "Fair", "Lanes", "Lanes", "Plain", "Order");
const sent: fc.Arbitrary<Sent> = fc.record({
  text: fc.constantFrom("a", "b", "é", "\uffff", "\u0001"),
  group: fc.option(fc.constantFrom("one", "two", "three"), { nil: undefined, freq: 12 }),
  deduplicationId: fc.option(fc.integer({ min: 0, max: 60 }).map(String), { nil: undefined, freq: 12 }),
  delay: fc.option(fc.constantFrom(0, 900), { nil: undefined, freq: 1 }),
});
export const operation: fc.Arbitrary<Operation | { readonly kind: "nothing" }> = fc.oneof(
  { withCrossShrink: true },
  { weight: 1, arbitrary: fc.constant({ kind: "nothing" as const }) },
  { weight: 30, arbitrary: fc.record({ kind: fc.constant("send" as const), queue: queueName, sent }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("sendBatch" as const),
      queue: queueName,
      sent: fc.array(sent, { maxLength: 4 }),
      isRepeated: fc.boolean(),
    }),
  },
  {
    weight: 35,
    arbitrary: fc.record({
      kind: fc.constant("receive" as const),
      queue: fc.oneof(
        { weight: 5, arbitrary: queueName },
        { weight: 1, arbitrary: fc.constantFrom<QueueName>("FairDead", "LanesDead") },
      ),
      most: fc.integer({ min: 1, max: 10 }),
    }),
  },
  {
    weight: 30,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      queue: queueName,
      which: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 6 }),
      by: fc.constantFrom<Ending>(...ENDINGS),
    }),
  },
);

/** The model or the embedded SQS, with the ids and handles that it has returned. */
interface Side {
  readonly send: Send;
  readonly urlOf: (queue: QueueName) => string;
  /** Message ids in the order in which they were first seen. */
  readonly ids: string[];
  /** Receipt handles by the body of their message. */
  readonly handles: Map<string, string>;
}

export function sideOf(send: Send, urlOf: Side["urlOf"]): Side {
  return { send, urlOf, ids: [], handles: new Map() };
}

/** Message ids differ between the sides, so their places in the order of first sight are compared. */
function placeOf(side: Side, id: string | undefined): number {
  if (id !== undefined && !side.ids.includes(id)) side.ids.push(id);
  return side.ids.indexOf(id ?? "");
}

export async function sendTo(
  side: Side,
  queue: QueueName,
  entries: readonly Sent[],
  bodies: readonly string[],
  how: "one" | "batch" | "repeated",
) {
  const QueueUrl = side.urlOf(queue);
  const entryOf = ({ group, deduplicationId, delay }: Sent, at: number) => ({
    MessageBody: bodies[at] ?? "",
    ...(group !== undefined && { MessageGroupId: group }),
    ...(deduplicationId !== undefined && isFifo(queue) && { MessageDeduplicationId: deduplicationId }),
    ...(delay !== undefined && { DelaySeconds: delay }),
  });
  if (how === "one") {
    const [entry = entryOf({ text: "", group: undefined, deduplicationId: undefined, delay: undefined }, 0)] =
      entries.map(entryOf);
    const { MessageId, error } = (await outcome(side.send, new SendMessageCommand({ QueueUrl, ...entry }))) as Answer;
    return { error, id: MessageId && placeOf(side, MessageId) };
  }
  const Entries = entries.map((entry, at) => ({
    ...entryOf(entry, at),
    Id: how === "repeated" ? "same" : `entry-${at}`,
  }));
  const answer = (await outcome(side.send, new SendMessageBatchCommand({ QueueUrl, Entries }))) as Answer;
  const { Successful = [], Failed = [], error } = answer;
  return {
    error,
    sent: Successful.map(({ Id, MessageId }) => [Id, placeOf(side, MessageId)]),
    failed: Failed.map(({ Id, Code }) => [Id, Code]),
  };
}

export interface Answer {
  readonly error?: string;
  readonly MessageId?: string;
  readonly Successful?: readonly { Id: string; MessageId?: string }[];
  readonly Failed?: readonly { Id: string; Code: string }[];
  readonly Messages?: readonly Received[];
}

export async function receiveFrom(side: Side, queue: QueueName, most: number): Promise<Received[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl: side.urlOf(queue),
    MaxNumberOfMessages: most,
    MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId", "MessageDeduplicationId"],
  });
  const { Messages = [] } = (await outcome(side.send, command)) as Answer;
  for (const { Body = "", ReceiptHandle = "" } of Messages) side.handles.set(Body, ReceiptHandle);
  return [...Messages];
}

/** Sorted by body, without the fields that differ by design. */
export function comparable(side: Side, queue: QueueName, messages: readonly Received[]) {
  return messages
    .map(({ MessageId, Body = "", Attributes }) => {
      const { MessageGroupId, ApproximateReceiveCount: count, ...rest } = Attributes ?? {};
      const told = { ...(isFifo(queue) && { MessageGroupId }), ...(!queue.endsWith("Dead") && { count }) };
      return { id: placeOf(side, MessageId), Body, ...rest, ...told };
    })
    .toSorted((a, b) => (a.Body < b.Body ? -1 : 1));
}

export async function end(side: Side, queue: QueueName, bodies: readonly string[], by: Ending) {
  const QueueUrl = side.urlOf(queue);
  const handles = bodies.map((body) => side.handles.get(body) ?? "");
  const Entries = handles.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle }));
  const VisibilityTimeout = by === "keep" ? 900 : 0;
  const commands: Command[] =
    by === "deleteBatch"
      ? [new DeleteMessageBatchCommand({ QueueUrl, Entries })]
      : by === "releaseBatch"
        ? [
            new ChangeMessageVisibilityBatchCommand({
              QueueUrl,
              Entries: Entries.map((entry) => ({ ...entry, VisibilityTimeout })),
            }),
          ]
        : handles.map((ReceiptHandle) =>
            by === "delete"
              ? new DeleteMessageCommand({ QueueUrl, ReceiptHandle })
              : new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }),
          );
  const answers: unknown[] = [];
  for (const command of commands) {
    const { error, Successful, Failed } = (await outcome(side.send, command)) as Answer;
    answers.push({ error, done: Successful?.map(({ Id }) => Id), failed: Failed?.map(({ Id }) => Id) ?? [] });
  }
  return answers;
}

export function isRedriven(queue: QueueName): boolean {
  return queue === "Fair" || queue === "Lanes";
}
