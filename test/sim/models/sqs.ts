import {
  BatchRequestTooLong,
  MessageNotInflight,
  QueueDoesNotExist,
  ReceiptHandleIsInvalid,
  type ChangeMessageVisibilityBatchCommandInput,
  type ChangeMessageVisibilityCommandInput,
  type DeleteMessageBatchCommandInput,
  type DeleteMessageCommandInput,
  type Message as ReceivedMessage,
  type ReceiveMessageCommandInput,
  type SendMessageBatchCommandInput,
  type SendMessageCommandInput,
} from "@aws-sdk/client-sqs";
import { MINUTE, SECOND, type EpochMs } from "../../../lib/clock.ts";
import { checkParameters, type Command } from "./client.ts";
import {
  CHANGE_VISIBILITY,
  CLIENT_FAULT,
  DELETE,
  LARGEST_BATCH,
  RECEIVE,
  checkEntry,
  checkVisibility,
  inBatch,
  invalid,
  type Entry,
} from "./sqs-request.ts";

// SQS, as its clients see it: standard and FIFO queues with delays, visibility, redrive and deduplication.
// What AWS leaves open (order and duplicates of a standard queue, how much of a group comes at once) the caller draws.

export interface SqsOptions {
  readonly now: () => EpochMs;
  /** The resources of resources.yml; those that are queues are made. */
  readonly resources: Readonly<Record<string, Resource>>;
  /** Whether a standard queue gives a message out without hiding it, or keeps one that is deleted. Default: no. */
  readonly duplicates?: (at: "receive" | "delete") => boolean;
  /** In which order a standard queue's messages come, and a FIFO queue's groups. Default: as they were sent. */
  readonly shuffle?: <T>(things: T[]) => T[];
  /** How many messages of one group come in one receive at most. Default: as many as there are. */
  readonly mostOfGroup?: () => number;
}

interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** CloudFormation's words. */
interface QueueProperties {
  readonly QueueName: string;
  readonly FifoQueue?: boolean;
  readonly DeduplicationScope?: "messageGroup" | "queue";
  readonly VisibilityTimeout?: number;
  readonly MessageRetentionPeriod?: number;
  readonly RedrivePolicy?: { deadLetterTargetArn: { "Fn::GetAtt": string }; maxReceiveCount: number };
}

/** A message of a queue. It is hidden until `visibleAt`, because it is delayed or because somebody has it. */
export interface Message {
  readonly id: string;
  readonly body: string;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly sequence: number;
  readonly sentAt: EpochMs;
  readonly visibleAt: EpochMs;
  readonly receiveCount: number;
  readonly firstReceivedAt: EpochMs | undefined;
  /** Nothing if nobody has it: it was never received, or was given back or lost since. */
  readonly receiptHandle: string | undefined;
  /** Of a dead letter: the resource name of the queue it was in. */
  readonly deadFrom?: string;
}

type Stored = { -readonly [Field in keyof Message]: Message[Field] };

interface Queue {
  /** The resource's name. */
  readonly name: string;
  readonly url: string;
  readonly properties: QueueProperties;
  /** By id, in the order in which they were sent. */
  readonly messages: Map<string, Stored>;
  /** Of the last five minutes, by group if that is the scope. */
  readonly sent: Map<string, { readonly id: string; readonly sequence: number; readonly until: EpochMs }>;
}

const LARGEST_MESSAGE = 1_024 * 1_024;
const DEDUPLICATED_FOR = 5 * MINUTE;
const DEFAULT_VISIBILITY_SECONDS = 30;
const DEFAULT_RETENTION_SECONDS = 4 * 86_400;

export function createSqs(options: SqsOptions) {
  const { now, duplicates = () => false, shuffle = (things) => things, mostOfGroup = () => Infinity } = options;
  const queues = queuesOf(options.resources);
  let sequence = 0;

  /** Answers as the SDK's client would, at once: who wants to wait for messages asks again. */
  async function send(command: Command): Promise<object> {
    return { ...answerTo(command), $metadata: { httpStatusCode: 200 } };
  }

  function answerTo({ constructor: { name }, input }: Command): object {
    switch (name) {
      case "SendMessageCommand":
        return sendMessage(input as SendMessageCommandInput);
      case "SendMessageBatchCommand":
        return sendMessageBatch(input as SendMessageBatchCommandInput);
      case "ReceiveMessageCommand":
        return receiveMessage(input as ReceiveMessageCommandInput);
      case "DeleteMessageCommand":
        return deleteMessage(input as DeleteMessageCommandInput);
      case "DeleteMessageBatchCommand":
        return inBatch(input as DeleteMessageBatchCommandInput, deleteMessage);
      case "ChangeMessageVisibilityCommand":
        return changeMessageVisibility(input);
      case "ChangeMessageVisibilityBatchCommand":
        return inBatch(input as ChangeMessageVisibilityBatchCommandInput, changeMessageVisibility);
      default:
        throw new Error(`The model of SQS knows no ${name}`);
    }
  }

  // ---- Sending ----

  function sendMessage(entry: SendMessageCommandInput): object {
    const queue = queueAt(entry.QueueUrl);
    if (Buffer.byteLength(entry.MessageBody ?? "") > LARGEST_MESSAGE) {
      throw invalid(`Message must be shorter than ${LARGEST_MESSAGE} bytes`);
    }
    return enqueue(queue, entry);
  }

  function sendMessageBatch(input: SendMessageBatchCommandInput): object {
    const queue = queueAt(input.QueueUrl);
    const bytes = (input.Entries ?? []).reduce((sum, { MessageBody = "" }) => sum + Buffer.byteLength(MessageBody), 0);
    if (bytes > LARGEST_MESSAGE) {
      const message = `Batch requests cannot be longer than ${LARGEST_MESSAGE} bytes. You have sent ${bytes} bytes.`;
      throw new BatchRequestTooLong({ message, ...CLIENT_FAULT });
    }
    return inBatch(input, (entry) => enqueue(queue, entry));
  }

  /** On a FIFO queue, what was sent within five minutes is not sent again, even if it has been deleted since. */
  function enqueue(queue: Queue, entry: Entry): object {
    checkEntry(entry, queue.properties.FifoQueue === true);
    const { MessageBody: body = "", MessageGroupId: groupId, MessageDeduplicationId: deduplicationId } = entry;
    const { FifoQueue, DeduplicationScope } = queue.properties;
    const scope = JSON.stringify([DeduplicationScope === "messageGroup" ? groupId : "", deduplicationId]);
    const before = queue.sent.get(scope);
    if (FifoQueue && before && before.until > now()) return { MessageId: before.id, SequenceNumber: textOf(before) };
    sequence += 1;
    const id = `00000000-0000-4000-8000-${String(sequence).padStart(12, "0")}`;
    const message: Stored = {
      id,
      body,
      groupId,
      deduplicationId,
      sequence,
      sentAt: now(),
      visibleAt: now() + (entry.DelaySeconds ?? 0) * SECOND,
      receiveCount: 0,
      firstReceivedAt: undefined,
      receiptHandle: undefined,
    };
    queue.messages.set(id, message);
    if (!FifoQueue) return { MessageId: id };
    // The oldest come first.
    for (const [old, { until }] of queue.sent) {
      if (until > now()) break;
      queue.sent.delete(old);
    }
    queue.sent.delete(scope);
    queue.sent.set(scope, { id, sequence, until: now() + DEDUPLICATED_FOR });
    return { MessageId: id, SequenceNumber: textOf(message) };
  }

  // ---- Receiving ----

  function receiveMessage(input: ReceiveMessageCommandInput): object {
    checkParameters(input, RECEIVE);
    const queue = queueAt(input.QueueUrl);
    const { MaxNumberOfMessages: most = 1, VisibilityTimeout, MessageSystemAttributeNames = [] } = input;
    if (most < 1 || most > LARGEST_BATCH) throw invalid(`MaxNumberOfMessages is 1 to ${LARGEST_BATCH}, not ${most}`);
    const seconds = VisibilityTimeout ?? queue.properties.VisibilityTimeout ?? DEFAULT_VISIBILITY_SECONDS;
    checkVisibility(seconds);
    const found = (queue.properties.FifoQueue ? nextOfGroups : nextOfAll)(queue, most);
    const Messages = found.map((message) => handOver(queue, message, seconds, MessageSystemAttributeNames));
    return Messages.length > 0 ? { Messages } : {};
  }

  function nextOfAll(queue: Queue, most: number): Stored[] {
    const visible = [...queue.messages.values()].filter(({ visibleAt }) => visibleAt <= now());
    return taken(queue, shuffle(visible), most);
  }

  /** As many of a group as there are, in their order; none of a group of which somebody still has one. */
  function nextOfGroups(queue: Queue, most: number): Stored[] {
    const groups = Map.groupBy(queue.messages.values(), ({ groupId }) => groupId);
    const free = [...groups.values()].filter((group) => group.every(({ visibleAt }) => visibleAt <= now()));
    const found: Stored[] = [];
    for (const group of shuffle(free)) found.push(...taken(queue, group, Math.min(mostOfGroup(), most - found.length)));
    return found;
  }

  function taken(queue: Queue, visible: readonly Stored[], most: number): Stored[] {
    const found: Stored[] = [];
    for (const message of visible) {
      if (found.length >= most) break;
      if (isAlive(queue, message)) found.push(message);
    }
    return found;
  }

  /** Whether a message may be handed over; if not, its time in this queue is over. */
  function isAlive(queue: Queue, message: Stored): boolean {
    const { RedrivePolicy: redrive, MessageRetentionPeriod = DEFAULT_RETENTION_SECONDS } = queue.properties;
    const isTooOld = message.sentAt + MessageRetentionPeriod * SECOND <= now();
    const isDead = redrive !== undefined && message.receiveCount >= redrive.maxReceiveCount;
    if (isTooOld || isDead) queue.messages.delete(message.id);
    if (isDead && !isTooOld) {
      const deadLetters = queueNamed(redrive.deadLetterTargetArn["Fn::GetAtt"].replace(/\.Arn$/, ""));
      // On a standard queue it keeps the time at which it was sent, so its retention goes on.
      const sentAt = deadLetters.properties.FifoQueue ? now() : message.sentAt;
      deadLetters.messages.set(message.id, { ...message, sentAt, receiptHandle: undefined, deadFrom: queue.name });
    }
    return !isTooOld && !isDead;
  }

  function handOver(queue: Queue, message: Stored, seconds: number, names: readonly string[]): ReceivedMessage {
    const isRepeated = !queue.properties.FifoQueue && duplicates("receive");
    message.receiveCount += 1;
    message.firstReceivedAt ??= now();
    message.receiptHandle = `${message.id}#${message.receiveCount}`;
    if (!isRepeated) message.visibleAt = now() + seconds * SECOND;
    const attributes = Object.entries(attributesOf(message)).filter(
      ([name, value]) => value !== undefined && (names.includes(name) || names.includes("All")),
    );
    return {
      MessageId: message.id,
      ReceiptHandle: message.receiptHandle,
      Body: message.body,
      ...(attributes.length > 0 && { Attributes: Object.fromEntries(attributes) }),
    };
  }

  // ---- What becomes of a message that was received ----

  /** Succeeds for a message that is gone. A standard queue may forget that it was deleted. */
  function deleteMessage(input: DeleteMessageCommandInput): object {
    checkParameters(input, DELETE);
    const queue = queueAt(input.QueueUrl);
    const message = heldMessage(queue, input.ReceiptHandle);
    if (!message) return {};
    if (queue.properties.FifoQueue && message.visibleAt <= now()) throw invalid("The receipt handle has expired");
    if (!queue.properties.FifoQueue && duplicates("delete")) return {};
    queue.messages.delete(message.id);
    return {};
  }

  function changeMessageVisibility(input: Partial<ChangeMessageVisibilityCommandInput>): object {
    checkParameters(input, CHANGE_VISIBILITY);
    const queue = queueAt(input.QueueUrl);
    const { VisibilityTimeout: seconds = 0 } = input;
    checkVisibility(seconds);
    const message = heldMessage(queue, input.ReceiptHandle);
    if (!message || message.visibleAt <= now()) {
      throw new MessageNotInflight({
        message: "The message is not available for visibility timeout change",
        ...CLIENT_FAULT,
      });
    }
    message.visibleAt = now() + seconds * SECOND;
    return {};
  }

  /** The message that a handle is the latest of. */
  function heldMessage(queue: Queue, handle = ""): Stored | undefined {
    const [, id, count] = /^([\w-]+)#(\d+)$/.exec(handle) ?? [];
    if (id === undefined || count === undefined) {
      throw new ReceiptHandleIsInvalid({ message: `The receipt handle "${handle}" is not valid`, ...CLIENT_FAULT });
    }
    const message = queue.messages.get(id);
    return message?.receiptHandle === handle ? message : undefined;
  }

  function queueAt(url: string | undefined): Queue {
    const queue = queues.find((one) => one.url === url);
    if (!queue) throw new QueueDoesNotExist({ message: `There is no queue ${url}`, ...CLIENT_FAULT });
    return queue;
  }

  function queueNamed(name: string): Queue {
    const queue = queues.find((one) => one.name === name);
    if (!queue) throw new Error(`There is no queue ${name}; there are ${queues.map((one) => one.name).join(", ")}`);
    return queue;
  }

  return {
    send,
    /** The URL of a queue, by its name among the resources. */
    urlOf: (name: string) => queueNamed(name).url,
    /** What a queue holds, hidden or not, in the order in which it was sent. */
    messages: (name: string): readonly Message[] => [...queueNamed(name).messages.values()],
    /** Loses messages. */
    forget: (name: string, lost: readonly Message[]): void => {
      for (const { id } of lost) queueNamed(name).messages.delete(id);
    },
    /** When the next message shows that is hidden now, if there is one: nothing changes by itself before. */
    nextVisibleAt: (name: string): EpochMs | undefined => {
      const hidden = [...queueNamed(name).messages.values()].filter(({ visibleAt }) => visibleAt > now());
      return hidden.length > 0 ? Math.min(...hidden.map(({ visibleAt }) => visibleAt)) : undefined;
    },
  };
}

function queuesOf(resources: SqsOptions["resources"]): Queue[] {
  return Object.entries(resources)
    .filter(([, { Type }]) => Type === "AWS::SQS::Queue")
    .map(([name, { Properties }]) => {
      const properties = Properties as unknown as QueueProperties;
      const queueName = properties.QueueName.replace("${self:custom.prefix}", "sim");
      return { name, url: `https://sqs.sim/${queueName}`, properties, messages: new Map(), sent: new Map() };
    });
}

function attributesOf(message: Message): Record<string, string | undefined> {
  return {
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
    SentTimestamp: String(message.sentAt),
    MessageGroupId: message.groupId,
    MessageDeduplicationId: message.deduplicationId,
    SequenceNumber: message.deduplicationId === undefined ? undefined : textOf(message),
  };
}

function textOf({ sequence }: { sequence: number }): string {
  return String(sequence).padStart(20, "0");
}
