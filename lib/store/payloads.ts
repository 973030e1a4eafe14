import { DAY, type Clock, type EpochMs } from "../clock.ts";
import type { Job, Payload } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { contentHash, decodeMessage } from "../job/payload.ts";
import { fitsInline } from "./item-bytes.ts";
import { placeOf, toItem, type PayloadPlace } from "./job-item.ts";
import { INTENT, jobKey, payloadIntentKey, payloadItemKey } from "./job-keys.ts";
import { expirySeconds, type Table } from "./table.ts";
import type { Bucket } from "./bucket.ts";

/** The calls of the bucket that jobs and messages need. */
export type Files = Pick<Bucket, "put" | "get" | "head" | "remove">;

/** The key of a payload too large for the table. */
export function payloadKey(jobId: string, hash: string): string {
  return `payloads/${jobId}/${hash}`;
}

/** The key of a message that is not of the service. */
export function unreadableKey(messageId: string): string {
  return `unreadable/${messageId}`;
}

// ---- The payloads of jobs that don't fit into their items ----
//
// Each is put once, under a name of its own, and only one job or one message ever names it. Before it is put, an
// intent is written: an item with its name that expires when no process or message can give it to a job any more.
// The table's stream tells when an intent or a job has gone, and `removeLeft` then deletes what it named:
// - An intent has gone: the payload goes unless the job's item names it. A process puts a payload and its job within
//   minutes, and the intent expires after a day, so that no job can take up the payload between the look and the
//   deletion.
// - A job's item has gone, or another job's stands in its place: its object goes. An item that has gone does not come
//   back, a retry of an ended job changes one that is there, and a new job of the same key has a payload of its own.
// A message's payload is copied when its job is stored, so that the two go by themselves: that of the message is given up
// when the message has been handled, and one that comes again later than that finds its job without it, or has nothing
// left to do.

interface Parts {
  readonly table: Table;
  readonly files: Files;
  readonly clock: Clock;
}

/** Larger payloads go to the bucket. */
const LARGEST_ITEM_PAYLOAD = 256 * 1_024;
/** How long a payload without a job is kept: far longer than a process takes from its put to that of its job. */
const INTENT_LIFE = DAY;
/**
 * How long a message's payload is kept after it was sent, or its schedule fired: a day and a quarter of firings, 14
 * days among their dead letters, 14 in the queue and 14 among its dead letters.
 */
const CARRIED_LIFE = 45 * DAY;

/** Puts a payload that doesn't fit inline, before its job, so that a stored job always has one. Returns where it is. */
export async function placePayload(job: Job, parts: Parts): Promise<Payload> {
  const { id, payload } = job;
  if (payload.at === "item" || (payload.at === "inline" && fitsInline(toItem(job)))) return payload;
  const bytes = payload.at === "inline" ? payload.bytes : await bytesOf(id, payload.hash, parts);
  const intended = { id, bytes, until: parts.clock.now() + INTENT_LIFE };
  if (bytes.length > LARGEST_ITEM_PAYLOAD) return putObject(intended, parts);
  const hash = await intend("item", intended, parts);
  await parts.table.put({ ...payloadItemKey(id, hash), bytes });
  return { at: "item", hash };
}

/** Puts a payload that a message is too small for. `sentAt`: when the message is sent. */
export async function carryPayload(
  id: string,
  bytes: Uint8Array,
  sentAt: EpochMs,
  parts: Pick<Parts, "files" | "clock"> & { readonly table: Pick<Table, "put"> },
): Promise<Payload> {
  return putObject({ id, bytes, until: sentAt + CARRIED_LIFE }, parts);
}

interface Intended {
  /** The job's. */
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly until: EpochMs;
}

type Placing = Parameters<typeof carryPayload>[3];

async function putObject(intended: Intended, parts: Placing): Promise<Payload> {
  const hash = await intend("s3", intended, parts);
  const version = await parts.files.put(payloadKey(intended.id, hash), intended.bytes);
  return { at: "s3", hash, ...(version !== undefined && { version }) };
}

/** Names a payload that is about to be put, and writes the intent. */
async function intend(at: "item" | "s3", { id, bytes, until }: Intended, { table, clock }: Placing): Promise<string> {
  const hash = contentHash(Buffer.concat([bytes, Buffer.from(clock.operationId())]));
  await table.put({ ...payloadIntentKey(id, hash), at, expiresAt: expirySeconds(until) });
  return hash;
}

/** Removes the payload that a losing put of a job has placed, unless the job that won is this one. */
export async function discardPayload(accepted: Job, { id, payload }: Job, standing: Job, parts: Parts): Promise<void> {
  const wasPlaced = payload !== accepted.payload;
  const isIts = standing.payload.at !== "inline" && payload.at !== "inline" && standing.payload.hash === payload.hash;
  if (wasPlaced && !isIts) await removePayload(id, payload, parts);
}

/**
 * Writes the intent of a payload that is needed no more, or whose job is about to be deleted: whoever does so may die
 * before it is removed.
 */
export async function giveUpPayload(
  { id, payload }: Pick<Job, "id" | "payload">,
  { table, clock }: Pick<Parts, "table" | "clock">,
): Promise<void> {
  if (payload.at === "inline") return;
  const { at, hash } = payload;
  await table.put({ ...payloadIntentKey(id, hash), at, expiresAt: expirySeconds(clock.now() + INTENT_LIFE) });
}

export async function removePayload(
  id: string,
  payload: Payload,
  { table, files }: Pick<Parts, "table" | "files">,
): Promise<void> {
  if (payload.at === "item") await table.remove(payloadItemKey(id, payload.hash));
  if (payload.at !== "s3") return;
  const key = payloadKey(id, payload.hash);
  // An intent is written before the put, which says the version.
  const version = payload.version ?? (await files.head(key, {}))?.version;
  await files.remove(key, version === undefined ? {} : { version });
}

/** A change of an item, as the table's stream tells it. */
export interface ItemChange {
  readonly before: Image | undefined;
  readonly after: Image | undefined;
}

type Image = Readonly<Record<string, { readonly S?: string }>>;

/** Deletes the payloads whose jobs or intents are gone. Doing it twice is the same as once. */
export async function removeLeft(changes: readonly ItemChange[], parts: Parts): Promise<void> {
  const left = changes.flatMap(({ before, after }) => [...jobLeft(before, after), ...intentLeft(before, after)]);
  const asked = [...new Set(left.flatMap(({ id, isCertain }) => (isCertain ? [] : [id])))];
  const items = await parts.table.getMany(asked.map(jobKey), { consistent: true });
  // Expired or not: as long as the item is there, so is what it names.
  const named = new Set(items.map(({ pk, payload }) => `${String(pk)} ${hashIn(payload)}`));
  const gone = left.filter(({ id, payload, isCertain }) => isCertain || !named.has(`${jobKey(id).pk} ${payload.hash}`));
  await Promise.all(gone.map(async ({ id, payload }) => removePayload(id, payload, parts)));
}

interface Left {
  readonly id: string;
  readonly payload: PayloadPlace;
  /** No job can name it any more. */
  readonly isCertain: boolean;
}

/** The object of a job whose item has gone, or has another job in its place. An item beside it has an expiry date. */
function jobLeft(before: Image = {}, after: Image | undefined): Left[] {
  const pointer = before["payload"]?.S;
  if (before["sk"]?.S !== "J" || !pointer?.startsWith("s3:") || after?.["payload"]?.S === pointer) return [];
  return [{ id: jobIdIn(before), payload: placeOf(pointer), isCertain: true }];
}

function intentLeft(before: Image = {}, after: Image | undefined): Left[] {
  const sk = before["sk"]?.S ?? "";
  if (!sk.startsWith(INTENT) || after) return [];
  const payload = placeOf(`${before["at"]?.S}:${sk.slice(INTENT.length)}`);
  return [{ id: jobIdIn(before), payload, isCertain: false }];
}

function jobIdIn(image: Image): string {
  return String(image["pk"]?.S).slice("J#".length);
}

function hashIn(payload: unknown): string | undefined {
  return typeof payload === "string" ? placeOf(payload).hash : undefined;
}

/** The message of a job; one read if it is not in the job's own item. */
export async function messageOf(
  { id, payload }: Job,
  { table, files }: Pick<Parts, "table" | "files">,
): Promise<Message> {
  if (payload.at === "inline") return decodeMessage(payload.bytes);
  if (payload.at === "s3") return decodeMessage(await bytesOf(id, payload.hash, { files }));
  const [found] = await table.getMany([payloadItemKey(id, payload.hash)], { consistent: true });
  const bytes: unknown = found?.["bytes"];
  if (!(bytes instanceof Uint8Array)) throw new Error(`Job ${id} has lost its payload item ${payload.hash}`);
  return decodeMessage(bytes);
}

/** The bucket has no such payload. */
export class PayloadGone extends Error {
  readonly jobId: string;

  constructor(jobId: string, hash: string, cause: unknown) {
    super(`Job ${jobId} has lost its payload ${hash}`, { cause });
    this.jobId = jobId;
  }
}

async function bytesOf(id: string, hash: string, { files }: Pick<Parts, "files">): Promise<Uint8Array> {
  return files.get(payloadKey(id, hash)).catch((error: unknown) => {
    if ((error as Error).name === "NoSuchKey") throw new PayloadGone(id, hash, error);
    throw error;
  });
}
