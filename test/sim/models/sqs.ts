import {
  BatchRequestTooLong,
  MessageNotInflight,
  type ChangeMessageVisibilityBatchCommandInput,
  type ChangeMessageVisibilityCommandInput,
  type DeleteMessageBatchCommandInput,
  type DeleteMessageCommandInput,
  type ReceiveMessageCommandInput,
  type SendMessageBatchCommandInput,
  type SendMessageCommandInput,
} from "@aws-sdk/client-sqs";
import { SECOND, type EpochMs } from "../../../lib/clock.ts";
import { checkParameters, type Command } from "./client.ts";
import type { Message } from "./sqs-line.ts";
import {
  drop,
  enqueue,
  handOver,
  heldMessage,
  hide,
  nextOf,
  queueAt,
  queueNamed,
  queuesOf,
  type Parts,
  type Resources,
} from "./sqs-queue.ts";
import {
  CHANGE_VISIBILITY,
  CLIENT_FAULT,
  DELETE,
  LARGEST_BATCH,
  RECEIVE,
  busy,
  checkVisibility,
  inBatch,
  invalid,
} from "./sqs-request.ts";

export type { Message } from "./sqs-line.ts";

// SQS, as its clients see it: standard and FIFO queues with delays, visibility, redrive and deduplication. What AWS
// leaves open (order and duplicates of a standard queue, how much of a group comes at once) the caller draws.

export interface SqsOptions {
  readonly now: () => EpochMs;
  /** The resources of resources.yml; those that are queues are made. */
  readonly resources: Resources;
  /** Whether a standard queue hands a message over without hiding it, or keeps one that is deleted. Default: no. */
  readonly duplicates?: (at: "receive" | "delete") => boolean;
  /** The order of a standard queue's messages, and of a FIFO queue's groups. Default: as they were sent. */
  readonly shuffle?: <T>(things: T[]) => T[];
  /** Whether it is too busy for an entry of a batch that is sent. Default: no. */
  readonly refuses?: () => boolean;
  /** The most messages of one group in one receive. Default: as many as there are. */
  readonly mostOfGroup?: () => number;
}

const LARGEST_MESSAGE = 1_024 * 1_024;
const DEFAULT_VISIBILITY_SECONDS = 30;

export function createSqs(options: SqsOptions) {
  const { now, duplicates = () => false, shuffle, mostOfGroup = () => Infinity, refuses = () => false } = options;
  const queues = queuesOf(options.resources);
  let sequence = 0;
  const parts: Parts = { now, queues, nextSequence: () => (sequence += 1), duplicates, shuffle, mostOfGroup, refuses };
  return {
    /** Answers as the SDK's client would, at once: a caller that wants to wait for messages asks again. */
    send: async (command: Command): Promise<object> => {
      return { ...answerTo(parts, command), $metadata: { httpStatusCode: 200 } };
    },
    /** The URL of a queue, by its name among the resources. */
    urlOf: (name: string) => queueNamed(queues, name).url,
    /** The messages of a queue, hidden or not, in the order in which they were sent. */
    messages: (name: string): readonly Message[] => [...queueNamed(queues, name).messages.values()],
    /** Loses messages. */
    forget: (name: string, lost: readonly Message[]): void => {
      for (const message of lost) drop(queueNamed(queues, name), message);
    },
    /** When the next hidden message shows, if there is one: nothing changes by itself before. */
    nextVisibleAt: (name: string): EpochMs | undefined => queueNamed(queues, name).line.nextVisibleAt(now()),
  };
}

function answerTo(parts: Parts, { constructor: { name }, input }: Command): object {
  switch (name) {
    case "SendMessageCommand":
      return sendMessage(parts, input as SendMessageCommandInput);
    case "SendMessageBatchCommand":
      return sendMessageBatch(parts, input as SendMessageBatchCommandInput);
    case "ReceiveMessageCommand":
      return receiveMessage(parts, input as ReceiveMessageCommandInput);
    case "DeleteMessageCommand":
      return deleteMessage(parts, input as DeleteMessageCommandInput);
    case "DeleteMessageBatchCommand":
      return inBatch(input as DeleteMessageBatchCommandInput, (entry) => deleteMessage(parts, entry));
    case "ChangeMessageVisibilityCommand":
      return changeMessageVisibility(parts, input);
    case "ChangeMessageVisibilityBatchCommand":
      return inBatch(input as ChangeMessageVisibilityBatchCommandInput, (entry) =>
        changeMessageVisibility(parts, entry),
      );
    default:
      throw new Error(`The model of SQS knows no ${name}`);
  }
}

function sendMessage(parts: Parts, entry: SendMessageCommandInput): object {
  const queue = queueAt(parts.queues, entry.QueueUrl);
  if (Buffer.byteLength(entry.MessageBody ?? "") > LARGEST_MESSAGE) {
    throw invalid(`Message must be shorter than ${LARGEST_MESSAGE} bytes`);
  }
  return enqueue(parts, queue, entry);
}

function sendMessageBatch(parts: Parts, input: SendMessageBatchCommandInput): object {
  const queue = queueAt(parts.queues, input.QueueUrl);
  const bytes = (input.Entries ?? []).reduce((sum, { MessageBody = "" }) => sum + Buffer.byteLength(MessageBody), 0);
  if (bytes > LARGEST_MESSAGE) {
    const message = `Batch requests cannot be longer than ${LARGEST_MESSAGE} bytes. You have sent ${bytes} bytes.`;
    throw new BatchRequestTooLong({ message, ...CLIENT_FAULT });
  }
  return inBatch(input, (entry) => {
    if (parts.refuses()) throw busy();
    return enqueue(parts, queue, entry);
  });
}

function receiveMessage(parts: Parts, input: ReceiveMessageCommandInput): object {
  checkParameters(input, RECEIVE);
  const queue = queueAt(parts.queues, input.QueueUrl);
  const { MaxNumberOfMessages: most = 1, VisibilityTimeout, MessageSystemAttributeNames = [] } = input;
  if (most < 1 || most > LARGEST_BATCH) throw invalid(`MaxNumberOfMessages is 1 to ${LARGEST_BATCH}, not ${most}`);
  const seconds = VisibilityTimeout ?? queue.properties.VisibilityTimeout ?? DEFAULT_VISIBILITY_SECONDS;
  checkVisibility(seconds);
  const found = nextOf(parts, queue, most);
  const Messages = found.map((message) => handOver(parts, queue, message, seconds, MessageSystemAttributeNames));
  return Messages.length > 0 ? { Messages } : {};
}

/** Succeeds for a message that is gone. A standard queue may forget that it was deleted. */
function deleteMessage(parts: Parts, input: DeleteMessageCommandInput): object {
  checkParameters(input, DELETE);
  const queue = queueAt(parts.queues, input.QueueUrl);
  const message = heldMessage(queue, input.ReceiptHandle);
  if (!message) return {};
  if (queue.properties.FifoQueue && message.visibleAt <= parts.now()) throw invalid("The receipt handle has expired");
  if (!queue.properties.FifoQueue && parts.duplicates("delete")) return {};
  drop(queue, message);
  return {};
}

function changeMessageVisibility(parts: Parts, input: Partial<ChangeMessageVisibilityCommandInput>): object {
  checkParameters(input, CHANGE_VISIBILITY);
  const queue = queueAt(parts.queues, input.QueueUrl);
  const { VisibilityTimeout: seconds = 0 } = input;
  checkVisibility(seconds);
  const message = heldMessage(queue, input.ReceiptHandle);
  if (!message || message.visibleAt <= parts.now()) {
    throw new MessageNotInflight({
      message: "The message is not available for visibility timeout change",
      ...CLIENT_FAULT,
    });
  }
  hide(queue, message, parts.now() + seconds * SECOND);
  return {};
}
