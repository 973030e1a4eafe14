import type { Job, Payload } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { contentHash, decodeMessage } from "../job/payload.ts";
import { fitsInline, payloadItemKey, toItem } from "./job-item.ts";
import type { Table } from "./table.ts";
import type { Bucket } from "./bucket.ts";

/** The calls of the bucket that jobs and messages need. */
export type Files = Pick<Bucket, "put" | "get" | "remove">;

/** The key of a payload too large for the table. */
export function payloadKey(jobId: string, hash: string): string {
  return `payloads/${jobId}/${hash}`;
}

/** The key of a message that is not of the service. */
export function unreadableKey(messageId: string): string {
  return `unreadable/${messageId}`;
}

// ---- The payloads of jobs that don't fit into their items ----

interface Parts {
  readonly table: Table;
  readonly files: Files;
}

/** Larger payloads go to the bucket. */
const LARGEST_ITEM_PAYLOAD = 256 * 1_024;

/** Puts a payload that doesn't fit inline, before its job, so that a stored job always has one. Returns where it is. */
export async function placePayload(job: Job, { table, files }: Parts): Promise<Payload> {
  const { id, payload } = job;
  if (payload.at !== "inline" || fitsInline(toItem(job))) return payload;
  const { bytes } = payload;
  // The hash covers the time too: deleting a job takes no payload from a later job of the same key.
  const hash = contentHash(Buffer.concat([bytes, Buffer.from(String(job.createdAt))]));
  if (bytes.length > LARGEST_ITEM_PAYLOAD) {
    await files.put(payloadKey(id, hash), bytes);
    return { at: "s3", hash };
  }
  await table.put({ ...payloadItemKey(id, hash), bytes });
  return { at: "item", hash };
}

/** Removes the payload that a losing put of a job has placed, unless the job that won has the same one. */
export async function discardPayload(accepted: Job, { id, payload }: Job, standing: Job, parts: Parts): Promise<void> {
  const wasPlaced = accepted.payload.at === "inline" && payload.at !== "inline";
  const isShared =
    standing.payload.at !== "inline" && payload.at !== "inline" && standing.payload.hash === payload.hash;
  if (wasPlaced && !isShared) await removePayload(id, payload, parts);
}

export async function removePayload(id: string, payload: Payload, { table, files }: Parts): Promise<void> {
  if (payload.at === "s3") await files.remove(payloadKey(id, payload.hash));
  if (payload.at === "item") await table.remove(payloadItemKey(id, payload.hash));
}

/** The message of a job; one read if it is not in the job's own item. */
export async function messageOf({ id, payload }: Job, { table, files }: Parts): Promise<Message> {
  if (payload.at === "inline") return decodeMessage(payload.bytes);
  if (payload.at === "s3") return decodeMessage(await files.get(payloadKey(id, payload.hash)));
  const [found] = await table.getMany([payloadItemKey(id, payload.hash)], { consistent: true });
  const bytes: unknown = found?.["bytes"];
  if (!(bytes instanceof Uint8Array)) throw new Error(`Job ${id} has lost its payload item ${payload.hash}`);
  return decodeMessage(bytes);
}
