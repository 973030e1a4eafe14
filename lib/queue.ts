import {
  ChangeMessageVisibilityBatchCommand,
  SQSClient,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
} from "@aws-sdk/client-sqs";
import { createHash } from "node:crypto";
import { CLIENT_DEFAULTS, askOf, lean } from "./aws.ts";
import { SECOND, type Clock, type EpochMs } from "./clock.ts";
import { Unavailable } from "./errors.ts";
import { payloadKey, type Files } from "./files.ts";
import { nextAttempt, type AttemptRef, type Job, type Payload } from "./job.ts";
import { contentHash } from "./payload.ts";

/** `fair`: stored jobs without an order. `main`: the FIFO queue, for lanes and for `sqs` mode. */
export type Road = "fair" | "main";

/** What a message brings: the name of an attempt of a stored job, or a job that nothing else stores. */
export type Delivery =
  | { readonly kind: "stored"; readonly ref: AttemptRef }
  | { readonly kind: "carried"; readonly job: Job; readonly receiveCount: number };

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
/** SQS's limit of a batch. */
export const LARGEST_SEND = 10;

export type Queue = ReturnType<typeof createQueue>;

export function createQueue(parts: { urls: Record<Road, string>; files: Files; clock: Clock; client?: SQSClient }) {
  const { urls, files, clock } = parts;
  const client = parts.client ?? lean(new SQSClient({ ...CLIENT_DEFAULTS, useQueueUrlAsEndpoint: false }));

  /** Sends next attempts, each to arrive at its time. Returns those that SQS refused. */
  async function sendAttempts(departures: readonly Departure[]): Promise<Departure[]> {
    const failed: Departure[] = [];
    for (const road of ["fair", "main"] as const) {
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
    let body = carriedBody(job);
    if (Buffer.byteLength(body) > LARGEST_MESSAGE && job.payload.at === "inline") {
      const hash = contentHash(job.payload.bytes);
      await files.put(payloadKey(job.id, hash), job.payload.bytes);
      body = carriedBody({ ...job, payload: { at: "s3", hash } });
    }
    const refused = await send("main", [{ MessageBody: body, MessageGroupId: job.id, MessageDeduplicationId: job.id }]);
    if (refused.size > 0) throw new Unavailable("The queue", new Error([...refused.values()].join()));
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
      MessageBody: JSON.stringify({ attempt: nextAttempt(job) }),
      DelaySeconds: Math.ceil(wait / SECOND),
    };
  }

  /** Makes messages visible after so many seconds instead of after the visibility timeout. */
  async function release(records: readonly QueueRecord[], seconds: number): Promise<void> {
    for (const road of ["fair", "main"] as const) {
      const name = urls[road].split("/").at(-1);
      const Entries = records
        .filter((record) => record.eventSourceARN.split(":").at(-1) === name)
        .map(({ receiptHandle }, at) => ({ Id: String(at), ReceiptHandle: receiptHandle, VisibilityTimeout: seconds }));
      if (Entries.length === 0) continue;
      const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl: urls[road], Entries });
      await askOf("The queue", client.send(command));
    }
  }

  return { sendAttempts, sendCarried, release };
}

function roadOf(job: Job): Road {
  return job.lane === undefined ? "fair" : "main";
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

function carriedBody(job: Job): string {
  const { payload } = job;
  const bytes = payload.at === "inline" && Buffer.from(payload.bytes).toString("base64");
  return JSON.stringify({ job: { ...job, payload: bytes || payload } });
}

/** Reads a message of ours. Throws on anything else: the dead-letter queue is where that belongs. */
export function parseRecord(record: QueueRecord): Delivery {
  const body = fromJson(record.body);
  if (isObject(body) && isObject(body["attempt"]) && typeof body["attempt"]["id"] === "string") {
    return { kind: "stored", ref: body["attempt"] as unknown as AttemptRef };
  }
  if (isObject(body) && isObject(body["job"]) && typeof body["job"]["id"] === "string") {
    const { payload, ...job } = body["job"];
    const kept: Payload =
      typeof payload === "string" ? { at: "inline", bytes: Buffer.from(payload, "base64") } : (payload as Payload);
    const receiveCount = Number(record.attributes.ApproximateReceiveCount);
    return { kind: "carried", job: { ...job, payload: kept } as unknown as Job, receiveCount };
  }
  throw new Error(`Message ${record.messageId} is not a job: expected an object with "attempt" or "job"`);
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

/** What became of a message: `unattempted` was left for later because time was short. */
export type Handled = "done" | "unattempted";

/**
 * Handles a batch of messages at the same time, those of one lane one after another. Names the
 * messages to be delivered again: on a FIFO queue, a failed one and all that follow in its lane.
 */
export async function handleBatch(
  records: readonly QueueRecord[],
  handle: (record: QueueRecord) => Promise<Handled>,
): Promise<{ failed: QueueRecord[]; unattempted: QueueRecord[] }> {
  const lanes = Map.groupBy(records, (record) => laneOf(record) ?? record.messageId);
  const failed: QueueRecord[] = [];
  const unattempted: QueueRecord[] = [];
  await Promise.all(
    [...lanes.values()].map(async (lane) => {
      for (const [at, record] of lane.entries()) {
        const handled = await handle(record).catch(() => "failed" as const);
        if (handled === "done") continue;
        if (handled === "failed") failed.push(record);
        unattempted.push(...lane.slice(handled === "failed" ? at + 1 : at));
        return;
      }
    }),
  );
  return { failed, unattempted };
}

function laneOf(record: QueueRecord): string | undefined {
  return record.eventSourceARN.endsWith(".fifo") ? record.attributes.MessageGroupId : undefined;
}
