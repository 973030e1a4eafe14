import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
} from "@aws-sdk/client-sqs";
import { createHash } from "node:crypto";
import { CLIENT_DEFAULTS, askOf, lean } from "../aws.ts";
import { SECOND, type Clock, type EpochMs } from "../clock.ts";
import { Unavailable, badRequest } from "../errors.ts";
import { payloadKey, type Files } from "../store/payloads.ts";
import {
  isLong,
  isSchedule,
  isTask,
  nextAttempt,
  nextRunOf,
  type AttemptRef,
  type Job,
  type Payload,
  type RunRef,
} from "../job/job.ts";
import { contentHash } from "../job/payload.ts";
import { needsBrowser } from "../tasks/index.ts";

/**
 * `fair`: stored jobs without an order. `main`: the FIFO queue, for lanes and for `sqs` mode. `tasks`: what may
 * take longer than a minute. `pdf`: tasks that need a browser.
 */
export type Road = "fair" | "main" | "tasks" | "pdf";

const ROADS = ["fair", "main", "tasks", "pdf"] as const satisfies readonly Road[];

/** What a message brings: the name of an attempt of a stored job, or a job that nothing else stores. */
export type Delivery =
  | { readonly kind: "stored"; readonly ref: AttemptRef }
  | { readonly kind: "carried"; readonly job: Job; readonly receiveCount: number }
  | Firing;

/** A schedule's time has come: a run of a stored one, or one that carries its target job itself. */
export type Firing = { readonly kind: "run"; readonly ref: RunRef } | { readonly kind: "target"; readonly target: Job };

/** A message as Lambda hands it over. */
export interface QueueRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string | undefined };
  readonly eventSourceARN: string;
}

/** The next attempt of a stored job, and when its message may arrive at the earliest. */
export interface Departure {
  readonly job: Job;
  readonly notBefore: EpochMs;
}

type Entry = Omit<SendMessageBatchRequestEntry, "Id">;

/** SQS takes 1 MiB by now, but bills by 64 KB: larger jobs travel as a pointer to S3. */
const LARGEST_MESSAGE = 256 * 1_024;
/** EventBridge takes 256 KB, and wraps it once more for its dead-letter queue. */
const LARGEST_EVENT = 200 * 1_024;
/** SQS's limit of a batch. */
export const LARGEST_SEND = 10;

export type Queue = ReturnType<typeof createQueue>;

export function createQueue(parts: { urls: Record<Road, string>; files: Files; clock: Clock; client?: SQSClient }) {
  const { urls, files, clock } = parts;
  const client = parts.client ?? lean(new SQSClient({ ...CLIENT_DEFAULTS, useQueueUrlAsEndpoint: false }));

  /** Sends next attempts, each to arrive at its time. Returns those that SQS refused. */
  async function sendAttempts(departures: readonly Departure[]): Promise<Departure[]> {
    const failed: Departure[] = [];
    for (const road of ROADS) {
      const onRoad = departures.filter(({ job }) => roadOf(job) === road);
      for (let from = 0; from < onRoad.length; from += LARGEST_SEND) {
        const batch = onRoad.slice(from, from + LARGEST_SEND);
        const refused = await send(road, batch.map(road === "main" ? inLane : delayed));
        failed.push(...batch.filter((_, at) => refused.has(String(at))));
      }
    }
    return failed;
  }

  /** Sends a job that only its message will hold. Its id is also what SQS takes duplicates by. */
  async function sendCarried(job: Job): Promise<void> {
    const MessageBody = await carrying(job, (carried) => ({ job: carried }));
    const refused = await send("main", [{ MessageBody, MessageGroupId: job.id, MessageDeduplicationId: job.id }]);
    if (refused.size > 0) throw new Unavailable("The queue", new Error([...refused.values()].join()));
  }

  /** The event by which a schedule that nothing else stores fires its target. */
  async function firingOf(target: Job): Promise<string> {
    return carrying(target, (carried) => ({ fire: { target: carried } }), LARGEST_EVENT);
  }

  /** A message with the whole job in it; one that would be too large leaves its payload in S3. */
  async function carrying(job: Job, wrap: (carried: object) => object, largest = LARGEST_MESSAGE): Promise<string> {
    const { payload } = job;
    const bytes = payload.at === "inline" && Buffer.from(payload.bytes).toString("base64");
    const text = JSON.stringify(wrap({ ...job, payload: bytes || payload }));
    if (Buffer.byteLength(text) <= largest || payload.at !== "inline") return text;
    const hash = contentHash(payload.bytes);
    await files.put(payloadKey(job.id, hash), payload.bytes);
    return JSON.stringify(wrap({ ...job, payload: { at: "s3", hash } }));
  }

  /** Returns the entries that SQS refused, by index, with the reason. */
  async function send(road: Road, entries: Entry[]): Promise<Map<string, string>> {
    const Entries = entries.map((entry, at) => ({ ...entry, Id: String(at) }));
    const command = new SendMessageBatchCommand({ QueueUrl: urls[road], Entries });
    const { Failed = [] } = await askOf("The queue", client.send(command));
    return new Map(Failed.map(({ Id, Code }) => [Id ?? "", Code ?? "refused"]));
  }

  function delayed({ job, notBefore }: Departure): Entry {
    const wait = Math.max(0, clock.waitFor(notBefore - clock.now()));
    return {
      // The tenant: SQS fair queues keep one with many messages from holding up the others.
      MessageGroupId: job.appId,
      MessageBody: JSON.stringify(isSchedule(job) ? { fire: nextRunOf(job) } : { attempt: nextAttempt(job) }),
      DelaySeconds: Math.ceil(wait / SECOND),
    };
  }

  /** Makes messages visible when they are to come again, and not when their visibility ends. */
  async function release(again: ReadonlyMap<QueueRecord, ComeAgain>): Promise<void> {
    for (const { road, taken } of byRoad([...again.keys()])) {
      const Entries = taken.map((record, at) => ({
        ...entryOf(record, at),
        VisibilityTimeout: Math.min(again.get(record)?.inSeconds ?? 0, LONGEST_HIDDEN_SECONDS),
      }));
      await askOf("The queue", client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: urls[road], Entries })));
    }
  }

  /** Takes up to 10 messages, as Lambda would hand them over. They are hidden until their visibility ends. */
  async function receive(road: Road, limit: number): Promise<QueueRecord[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: urls[road],
      MaxNumberOfMessages: limit,
      // Without a wait, SQS asks only some of its servers.
      WaitTimeSeconds: 1,
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
    });
    const { Messages = [] } = await askOf("The queue", client.send(command));
    return Messages.map(({ MessageId = "", ReceiptHandle = "", Body = "", Attributes }) => ({
      messageId: MessageId,
      receiptHandle: ReceiptHandle,
      body: Body,
      attributes: { ...Attributes, ApproximateReceiveCount: Attributes?.ApproximateReceiveCount ?? "1" },
      eventSourceARN: nameOf(road),
    }));
  }

  /** Deletes what has been handled. */
  async function remove(records: readonly QueueRecord[]): Promise<void> {
    for (const { road, taken } of byRoad(records)) {
      const Entries = taken.map(entryOf);
      await askOf("The queue", client.send(new DeleteMessageBatchCommand({ QueueUrl: urls[road], Entries })));
    }
  }

  /** The queue of a record is told by the last part of its source's ARN. */
  function byRoad(records: readonly QueueRecord[]) {
    return ROADS.flatMap((road) => {
      const taken = records.filter((record) => record.eventSourceARN.split(":").at(-1) === nameOf(road));
      return taken.length > 0 ? [{ road, taken }] : [];
    });
  }

  function nameOf(road: Road): string {
    return urls[road].split("/").at(-1) ?? "";
  }

  /** About how many messages wait on a road. */
  async function depth(road: Road): Promise<number> {
    const names = ["ApproximateNumberOfMessages" as const];
    const get = new GetQueueAttributesCommand({ QueueUrl: urls[road], AttributeNames: names });
    const { Attributes } = await askOf("The queue", client.send(get));
    return Number(Attributes?.ApproximateNumberOfMessages ?? 0);
  }

  return { sendAttempts, sendCarried, firingOf, receive, release, remove, depth };
}

function roadOf(job: Job): Road {
  if (job.lane !== undefined) return "main";
  if (isTask(job) && needsBrowser(job.destination)) return "pdf";
  return isLong(job) ? "tasks" : "fair";
}

function inLane({ job }: Departure): Entry {
  return {
    MessageGroupId: laneId(job),
    MessageBody: JSON.stringify({ attempt: nextAttempt(job) }),
    // `dueAt` moves at every hand-over, so that SQS does not take the next one for a repeat.
    MessageDeduplicationId: `${job.id}-${job.attempts + 1}-${job.dueAt}`,
  };
}

/** Group ids are at most 128 ASCII characters; users' keys may be anything. */
function laneId(job: Job): string {
  return createHash("sha256")
    .update(JSON.stringify([job.appId, job.lane]))
    .digest("base64url");
}

/** Reads a message of ours. Throws on anything else: the dead-letter queue is where that belongs. */
export function parseRecord(record: QueueRecord): Delivery {
  const delivery = deliveryOf(fromJson(record.body), Number(record.attributes.ApproximateReceiveCount));
  if (delivery) return delivery;
  throw new Error(`Message ${record.messageId} is not of ours: expected an object with "attempt", "job" or "fire"`);
}

/** Reads the event by which EventBridge fires a schedule. Throws on anything else. */
export function parseFiring(event: unknown): Firing {
  const delivery = deliveryOf(event, 1);
  if (delivery?.kind === "run" || delivery?.kind === "target") return delivery;
  throw badRequest([{ field: "body", message: 'expected {"fire": {"id": "<id of a schedule>", "run": <number>}}' }]);
}

function deliveryOf(message: unknown, receiveCount: number): Delivery | undefined {
  if (!isObject(message)) return undefined;
  const { attempt, job, fire, Payload: event } = message;
  // EventBridge's dead letters hold its whole call of the function.
  if (event !== undefined) return deliveryOf(typeof event === "string" ? fromJson(event) : event, receiveCount);
  if (isObject(attempt) && typeof attempt["id"] === "string") {
    return { kind: "stored", ref: attempt as unknown as AttemptRef };
  }
  if (isObject(job) && typeof job["id"] === "string") return { kind: "carried", job: carriedJob(job), receiveCount };
  if (!isObject(fire)) return undefined;
  const { target, id, run } = fire;
  // An operator may post such an event by hand.
  if (target !== undefined) return isCarried(target) ? { kind: "target", target: carriedJob(target) } : undefined;
  if (!isJobId(id)) return undefined;
  return typeof run === "number" && Number.isSafeInteger(run) ? { kind: "run", ref: { id, run } } : undefined;
}

function isCarried(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const { id, appId, executionType, payload } = value;
  const isComplete = isJobId(id) && typeof appId === "string" && typeof executionType === "string";
  return isComplete && (typeof payload === "string" || isObject(payload));
}

function isJobId(value: unknown): value is string {
  return typeof value === "string" && /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(value);
}

function carriedJob({ payload, ...job }: Record<string, unknown>): Job {
  const kept: Payload =
    typeof payload === "string" ? { at: "inline", bytes: Buffer.from(payload, "base64") } : (payload as Payload);
  return { ...job, payload: kept } as unknown as Job;
}

/** What JSON.parse says quotes the text; that must not end in a log. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** What became of a message: done with, or to come again when its time has come. */
export type Handled = "done" | ComeAgain;

export interface ComeAgain {
  readonly inSeconds: number;
}

/** What was not attempted because time was short. */
export const AT_ONCE: ComeAgain = { inSeconds: 0 };
/** What a fault of ours kept from being handled. */
const AFTER_A_FAULT: ComeAgain = { inSeconds: 60 };
/** SQS hides a message for 12 hours at most from when it was received. */
const LONGEST_HIDDEN_SECONDS = 11 * 3_600;

/**
 * Handles a batch of messages at the same time, those of one lane one after another. Names the
 * messages to be delivered again: on a FIFO queue, a failed one and all that follow in its lane.
 */
export async function handleBatch(
  records: readonly QueueRecord[],
  handle: (record: QueueRecord) => Promise<Handled>,
): Promise<Map<QueueRecord, ComeAgain>> {
  const lanes = Map.groupBy(records, (record) => laneOf(record) ?? record.messageId);
  const again = new Map<QueueRecord, ComeAgain>();
  await Promise.all(
    [...lanes.values()].map(async (lane) => {
      for (const [at, record] of lane.entries()) {
        const handled = await handle(record).catch(() => AFTER_A_FAULT);
        if (handled === "done") continue;
        again.set(record, handled);
        // SQS keeps them behind the one that comes first.
        for (const behind of lane.slice(at + 1)) again.set(behind, AT_ONCE);
        return;
      }
    }),
  );
  return again;
}

function entryOf({ receiptHandle }: QueueRecord, at: number) {
  return { Id: String(at), ReceiptHandle: receiptHandle };
}

function laneOf(record: QueueRecord): string | undefined {
  return record.eventSourceARN.endsWith(".fifo") ? record.attributes.MessageGroupId : undefined;
}
