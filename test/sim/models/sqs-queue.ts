import { QueueDoesNotExist, ReceiptHandleIsInvalid, type Message as ReceivedMessage } from "@aws-sdk/client-sqs";
import { MINUTE, SECOND, type EpochMs } from "../../../lib/clock.ts";
import { createLine, type Line, type Message, type Stored } from "./sqs-line.ts";
import { CLIENT_FAULT, checkEntry, type Entry } from "./sqs-request.ts";

// The queues of SQS and their messages: how one is taken, chosen for a receive, handed over, and moved to the
// dead letters.

/** Resources of resources.yml, by name. */
export type Resources = Readonly<Record<string, Resource>>;

interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** The state and the draws that the calls work on. */
export interface Parts {
  readonly now: () => EpochMs;
  readonly queues: readonly Queue[];
  readonly nextSequence: () => number;
  readonly duplicates: (at: "receive" | "delete") => boolean;
  /** Undefined: the order is that in which they were sent, and a receive looks at the first alone. */
  readonly shuffle: (<T>(things: T[]) => T[]) | undefined;
  readonly mostOfGroup: () => number;
  readonly refuses: () => boolean;
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

export interface Queue {
  /** The resource's name. */
  readonly name: string;
  readonly url: string;
  readonly properties: QueueProperties;
  /** By id, in the order in which they were sent. */
  readonly messages: Map<string, Stored>;
  /** Those that may be received, and when the others may. */
  readonly line: Line;
  /** Of the last five minutes, by group if that is the scope. */
  readonly sent: Map<string, { readonly id: string; readonly sequence: number; readonly until: EpochMs }>;
}

const DEDUPLICATED_FOR = 5 * MINUTE;
const DEFAULT_RETENTION_SECONDS = 4 * 86_400;

export function queuesOf(resources: Resources): Queue[] {
  return Object.entries(resources)
    .filter(([, { Type }]) => Type === "AWS::SQS::Queue")
    .map(([name, { Properties }]) => {
      const properties = Properties as unknown as QueueProperties;
      const queueName = properties.QueueName.replace("${self:custom.prefix}", "sim");
      const line = createLine(properties.FifoQueue === true);
      return { name, url: `https://sqs.sim/${queueName}`, properties, messages: new Map(), line, sent: new Map() };
    });
}

/** The message whose latest receipt handle this is. */
export function heldMessage(queue: Queue, handle = ""): Stored | undefined {
  const [, id, count] = /^([\w-]+)#(\d+)$/.exec(handle) ?? [];
  if (id === undefined || count === undefined) {
    throw new ReceiptHandleIsInvalid({ message: `The receipt handle "${handle}" is not valid`, ...CLIENT_FAULT });
  }
  const message = queue.messages.get(id);
  return message?.receiptHandle === handle ? message : undefined;
}

export function queueAt(queues: readonly Queue[], url: string | undefined): Queue {
  const queue = queues.find((one) => one.url === url);
  if (!queue) throw new QueueDoesNotExist({ message: `There is no queue ${url}`, ...CLIENT_FAULT });
  return queue;
}

export function queueNamed(queues: readonly Queue[], name: string): Queue {
  const queue = queues.find((one) => one.name === name);
  if (!queue) throw new Error(`There is no queue ${name}; there are ${queues.map((one) => one.name).join(", ")}`);
  return queue;
}

/** A FIFO queue drops a repeat within five minutes, even if the first message has been deleted since. */
export function enqueue({ now, nextSequence }: Parts, queue: Queue, entry: Entry): object {
  checkEntry(entry, queue.properties.FifoQueue === true);
  const { MessageBody: body = "", MessageGroupId: groupId, MessageDeduplicationId: deduplicationId } = entry;
  const { FifoQueue, DeduplicationScope } = queue.properties;
  const scope = JSON.stringify([DeduplicationScope === "messageGroup" ? groupId : "", deduplicationId]);
  const before = queue.sent.get(scope);
  if (FifoQueue && before && before.until > now()) return { MessageId: before.id, SequenceNumber: textOf(before) };
  const sequence = nextSequence();
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
  keep(queue, message);
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

function keep(queue: Queue, message: Stored): void {
  queue.messages.set(message.id, message);
  queue.line.add(message);
}

export function drop(queue: Queue, message: Message): void {
  if (queue.messages.delete(message.id)) queue.line.remove(message.id);
}

export function hide(queue: Queue, message: Stored, until: EpochMs): void {
  message.visibleAt = until;
  queue.line.hide(message);
}

/**
 * The next messages of a queue, for one receive: of a FIFO queue, as many of a group as there are, in their order, and
 * none of a group that has a message in flight.
 */
export function nextOf(parts: Parts, queue: Queue, most: number): Stored[] {
  const { shuffle, now } = parts;
  if (shuffle) return taken(parts, queue, shuffle(queue.line.free(now(), Infinity)), most);
  for (;;) {
    const first = queue.line.free(now(), most);
    const found = taken(parts, queue, first, most);
    // All of the first were too old or dead: others come now.
    if (found.length > 0 || first.length === 0) return found;
  }
}

function taken(parts: Parts, queue: Queue, groups: readonly (readonly Stored[])[], most: number): Stored[] {
  const isInGroups = queue.properties.FifoQueue === true;
  const found: Stored[] = [];
  for (const group of groups) {
    if (found.length >= most && !isInGroups) break;
    const upTo = found.length + (isInGroups ? Math.min(parts.mostOfGroup(), most - found.length) : 1);
    for (const message of group) {
      if (found.length >= upTo) break;
      if (isAlive(parts, queue, message)) found.push(message);
    }
  }
  return found;
}

/** Whether a message may be handed over; if not, it leaves this queue. */
function isAlive(parts: Parts, queue: Queue, message: Stored): boolean {
  const { RedrivePolicy: redrive, MessageRetentionPeriod = DEFAULT_RETENTION_SECONDS } = queue.properties;
  const isTooOld = message.sentAt + MessageRetentionPeriod * SECOND <= parts.now();
  const isDead = redrive !== undefined && message.receiveCount >= redrive.maxReceiveCount;
  if (isTooOld || isDead) drop(queue, message);
  if (isDead && !isTooOld) {
    const deadLetters = queueNamed(parts.queues, redrive.deadLetterTargetArn["Fn::GetAtt"].replace(/\.Arn$/, ""));
    // On a standard queue it keeps the time at which it was sent, so its retention goes on.
    const sentAt = deadLetters.properties.FifoQueue ? parts.now() : message.sentAt;
    keep(deadLetters, { ...message, sentAt, receiptHandle: undefined, deadFrom: queue.name });
  }
  return !isTooOld && !isDead;
}

/** `names`: the attributes that the receive asked for. */
export function handOver(
  parts: Parts,
  queue: Queue,
  message: Stored,
  seconds: number,
  names: readonly string[],
): ReceivedMessage {
  const isRepeated = !queue.properties.FifoQueue && parts.duplicates("receive");
  message.receiveCount += 1;
  message.firstReceivedAt ??= parts.now();
  message.receiptHandle = `${message.id}#${message.receiveCount}`;
  if (!isRepeated) hide(queue, message, parts.now() + seconds * SECOND);
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
