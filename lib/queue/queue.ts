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
import { BUSY_CLIENT_DEFAULTS, adapted, askOf, lean } from "../aws.ts";
import { SECOND, type Clock, type EpochMs } from "../clock.ts";
import { Unavailable } from "../errors.ts";
import { carryPayload, type Files } from "../store/payloads.ts";
import type { Table } from "../store/table.ts";
import { LONGEST_MESSAGE_DELAY, isLong, isSchedule, nextAttempt, nextRunOf, type Job } from "../job/job.ts";
import { isGroup } from "../job/group.ts";
import type { GroupLook, QueueRecord } from "./delivery.ts";
import type { ComeAgain } from "./batch.ts";
import { together } from "./together.ts";

/**
 * `fair`: stored jobs without an order. `main`: the FIFO queue, for lanes and for `sqs` mode. `tasks`: attempts
 * with a timeout over a minute. `pdf`: tasks that need a browser.
 */
export type Road = "fair" | "main" | "tasks" | "pdf";

const ROADS = ["fair", "main", "tasks", "pdf"] as const satisfies readonly Road[];

/** The next attempt of a stored job, and the earliest arrival of its message. */
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
/** A call takes some 10 ms. One that hangs fails after 6 s. */
const SLOW_CALL_MS = 200;

export type Queue = ReturnType<typeof createQueue>;

interface Parts {
  readonly urls: Record<Road, string>;
  /** Where payloads are noted and put that are too large for a message. */
  readonly table: Pick<Table, "put">;
  readonly files: Files;
  readonly clock: Clock;
  readonly client?: SQSClient;
}

type Connection = Required<Parts>;

/** Every call throws `Unavailable` when SQS could not answer. */
export function createQueue(parts: Parts) {
  const client =
    parts.client ?? adapted(lean(new SQSClient({ ...BUSY_CLIENT_DEFAULTS, useQueueUrlAsEndpoint: false })));
  const connection = { ...parts, client };
  return { ...sendersTo(connection), ...receiversFrom(connection) };
}

/** The calls that send messages. Each returns the entries that SQS refused, by their place, with the reason. */
function callsTo({ urls, client, clock }: Pick<Connection, "urls" | "client" | "clock">) {
  async function send(road: Road, entries: readonly Entry[]): Promise<ReadonlyMap<number, string>> {
    const Entries = entries.map((entry, at) => ({ ...entry, Id: String(at) }));
    const command = new SendMessageBatchCommand({ QueueUrl: urls[road], Entries });
    const { Failed = [] } = await askOf("The queue", client.send(command));
    return new Map(Failed.map(({ Id, Code }) => [Number(Id), Code ?? "refused"]));
  }

  const slow = async () => clock.sleep(SLOW_CALL_MS);
  const singlesOf = (road: Road) =>
    together(LARGEST_SEND, async (entries: readonly Entry[]) => send(road, entries), slow);
  const singles = {
    fair: singlesOf("fair"),
    main: singlesOf("main"),
    tasks: singlesOf("tasks"),
    pdf: singlesOf("pdf"),
  } satisfies Record<Road, unknown>;

  /** A single message goes with others that are sent at the same moment, such as those of other requests. */
  async function sendTogether(road: Road, entries: readonly Entry[]): Promise<ReadonlyMap<number, string>> {
    const [only, ...others] = entries;
    if (!only || others.length > 0) return send(road, entries);
    const reason = await singles[road](only);
    return new Map(reason === undefined ? [] : [[0, reason]]);
  }

  return { send, sendTogether };
}

function sendersTo({ urls, table, files, clock, client }: Connection) {
  const { send, sendTogether } = callsTo({ urls, client, clock });

  /** Sends next attempts, each to arrive at its time. Returns those that SQS refused. */
  async function sendAttempts(departures: readonly Departure[]): Promise<Departure[]> {
    const failed: Departure[] = [];
    for (const road of ROADS) {
      const onRoad = departures.filter(({ job }) => roadOf(job) === road);
      for (let from = 0; from < onRoad.length; from += LARGEST_SEND) {
        const batch = onRoad.slice(from, from + LARGEST_SEND);
        const refused = await sendTogether(road, batch.map(road === "main" ? inLane : delayed));
        failed.push(...batch.filter((_, at) => refused.has(at)));
      }
    }
    return failed;
  }

  /** Sends a job that only its message will hold. SQS drops duplicates by its id. `isAgain`: an attempt may be lost. */
  async function sendCarried(job: Job, isAgain = false): Promise<void> {
    const lost = isAgain ? { again: true } : {};
    const MessageBody = await carrying(job, clock.now(), (carried) => ({ job: carried, ...lost }));
    const refused = await send("main", [{ MessageBody, MessageGroupId: job.id, MessageDeduplicationId: job.id }]);
    if (refused.size > 0) throw new Unavailable("The queue", new Error([...refused.values()].join()));
  }

  /** The event by which a schedule that nothing else stores fires its target, which starts at the schedule's time. */
  async function firingOf(target: Job): Promise<string> {
    return carrying(target, target.startAt, (carried) => ({ fire: { target: carried } }), LARGEST_EVENT);
  }

  /** Sends the firing of such a target again, to arrive at its time, or after the longest delay. */
  async function sendFiring(target: Job): Promise<void> {
    const { DelaySeconds = 0, ...entry } = delayed({ job: target, notBefore: target.startAt });
    const MessageBody = await firingOf(target);
    const longest = LONGEST_MESSAGE_DELAY / SECOND;
    const refused = await send("fair", [{ ...entry, MessageBody, DelaySeconds: Math.min(DelaySeconds, longest) }]);
    if (refused.size > 0) throw new Unavailable("The queue", new Error([...refused.values()].join()));
  }

  /** A message with the whole job in it; one that would be too large leaves its payload in S3. */
  async function carrying(
    job: Job,
    sentAt: EpochMs,
    wrap: (carried: object) => object,
    largest = LARGEST_MESSAGE,
  ): Promise<string> {
    const { payload } = job;
    const bytes = payload.at === "inline" && Buffer.from(payload.bytes).toString("base64");
    const text = JSON.stringify(wrap({ ...job, payload: bytes || payload }));
    if (Buffer.byteLength(text) <= largest || payload.at !== "inline") return text;
    const carried = { ...job, payload: await carryPayload(job.id, payload.bytes, sentAt, { table, files, clock }) };
    return JSON.stringify(wrap(carried));
  }

  function delayed({ job, notBefore }: Departure): Entry {
    const wait = Math.max(0, clock.waitFor(notBefore - clock.now()));
    return {
      // The tenant: SQS fair queues keep one with many messages from holding up the others.
      MessageGroupId: job.appId,
      MessageBody: JSON.stringify(bodyOf(job)),
      DelaySeconds: Math.ceil(wait / SECOND),
    };
  }

  /** Sends a look at a group. If it is lost, the sweep looks within hours. */
  async function sendLook(appId: string, look: GroupLook, delayMs = 0): Promise<void> {
    const DelaySeconds = Math.ceil(Math.min(clock.waitFor(delayMs), LONGEST_MESSAGE_DELAY) / SECOND);
    const entry = { MessageGroupId: appId, MessageBody: JSON.stringify({ group: look }), DelaySeconds };
    const refused = await send("fair", [entry]);
    if (refused.size > 0) throw new Unavailable("The queue", new Error([...refused.values()].join()));
  }

  return { sendAttempts, sendCarried, firingOf, sendFiring, sendLook };
}

/** What the message of a due job says. */
function bodyOf(job: Job): object {
  if (isSchedule(job)) return { fire: nextRunOf(job) };
  return isGroup(job) ? { group: { id: job.id } satisfies GroupLook } : { attempt: nextAttempt(job) };
}

function receiversFrom({ urls, client }: Connection) {
  /** Makes messages visible after their wait instead of at the end of their visibility. */
  async function makeVisible(again: ReadonlyMap<QueueRecord, ComeAgain>): Promise<void> {
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

  /** Deletes messages that have been handled. */
  async function remove(records: readonly QueueRecord[]): Promise<void> {
    for (const { road, taken } of byRoad(records)) {
      const Entries = taken.map(entryOf);
      await askOf("The queue", client.send(new DeleteMessageBatchCommand({ QueueUrl: urls[road], Entries })));
    }
  }

  /** The last part of the source's ARN names the queue of a record. */
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

  return { receive, makeVisible, remove, depth };
}

function roadOf(job: Job): Road {
  if (job.lane !== undefined) return "main";
  if (job.needsBrowser) return "pdf";
  return isLong(job) ? "tasks" : "fair";
}

function inLane({ job }: Departure): Entry {
  return {
    MessageGroupId: laneId(job),
    MessageBody: JSON.stringify({ attempt: nextAttempt(job) }),
    // `dueAt` moves at every hand-over, so that SQS does not drop the next one as a duplicate.
    MessageDeduplicationId: `${job.id}-${job.attempts + 1}-${job.dueAt}`,
  };
}

/** Group ids are at most 128 ASCII characters; users' keys may be anything. */
function laneId(job: Job): string {
  return createHash("sha256")
    .update(JSON.stringify([job.appId, job.lane]))
    .digest("base64url");
}

/** SQS hides a message for at most 12 hours after its receipt. */
const LONGEST_HIDDEN_SECONDS = 11 * 3_600;

function entryOf({ receiptHandle }: QueueRecord, at: number) {
  return { Id: String(at), ReceiptHandle: receiptHandle };
}
