import { SECOND, type EpochMs } from "../clock.ts";
import {
  DEFAULT_MAX_RETRIES,
  DEFAULT_TIMEOUT_MS,
  type Job,
  type Payload,
  BULK_ACTION,
  GENERATE_PDF,
  SCHEDULE,
  TASK,
} from "../job/job.ts";
import { expirySeconds, type Expressions, type Item, type ItemKey } from "./table.ts";
import type { Condition, Move } from "../job/moves.ts";
import type { Status } from "../job/status.ts";
import type { Attempt } from "../job/attempt.ts";

// The layout of a job in the table: its keys, its item, and a move as an update of that item.

/** Statuses with an index entry of their own; a job on the happy path never enters that index. */
export const LISTED_STATUSES: ReadonlySet<Status> = new Set(["RETRYING", "FAILED", "DEAD", "CANCELLED"]);

export const DUE_SHARDS = "0123456789abcdef".split("");

/** One write unit, the limit for the item of a delivered job. */
const INLINE_ITEM_BYTES = 1_024;
/** The bytes that claim and success add to an item. */
const GROWTH_BYTES = 80;

/** One entry of an index: the job's id and its place in the order. */
export interface IndexEntry {
  readonly id: string;
  readonly at: EpochMs;
}

export function jobKey(id: string): ItemKey {
  return { pk: `J#${id}`, sk: "J" };
}

export function payloadItemKey(id: string, hash: string): ItemKey {
  return { pk: jobKey(id).pk, sk: `P#${hash}` };
}

/** The item that names a payload whose job may not stand. It expires. */
export function payloadIntentKey(id: string, hash: string): ItemKey {
  return { pk: jobKey(id).pk, sk: `${INTENT}${hash}` };
}

/** How the sort keys of such items begin. */
export const INTENT = "W#";

/** The item of a failed attempt. */
export function attemptKey(id: string, number: number): ItemKey {
  return { pk: jobKey(id).pk, sk: `A#${number}` };
}

// The last part is a shard: raise it when one app and type passes 1,000 puts a second.
export function byAppKey(appId: string, executionType: string): string {
  return `${appId}#${executionType}#0`;
}

export function byOwnerKey(appId: string, userId: string): string {
  return `${appId}#${userId}`;
}

/** The key of an app's task slots. */
export function slotsKey(appId: string): ItemKey {
  return { pk: `SLOTS#${appId}`, sk: "S" };
}

export function byStatusKey(appId: string, status: Status): string {
  return `${appId}#${status}`;
}

/** The last hex digit of an id is as good as random in every kind of id given out here. */
function dueShard(id: string): string {
  return id.slice(-1);
}

/**
 * The item of a job. Its size is charged at every write, so it leaves out defaults and whatever
 * a key says already: `byApp` holds the app and the execution type, `byOwner` the user.
 */
export function toItem(job: Job): Item {
  const { id, appId, executionType, userId, payload, expiresAt, dueAt, ...fields } = job;
  return {
    ...jobKey(id),
    byApp: byAppKey(appId, executionType),
    ...(userId !== undefined && { byOwner: byOwnerKey(appId, userId) }),
    ...(LISTED_STATUSES.has(job.status) && { byStatus: byStatusKey(appId, job.status) }),
    // Never removed: the index has only items with both `due` and `dueAt`.
    due: dueShard(id),
    dueAt,
    ...(expiresAt !== undefined && { expiresAt: expirySeconds(expiresAt) }),
    ...fields,
    payload: payload.at === "inline" ? payload.bytes : pointerTo(payload),
    maxRetries: job.maxRetries === DEFAULT_MAX_RETRIES ? undefined : job.maxRetries,
    timeoutMs: job.timeoutMs === DEFAULT_TIMEOUT_MS ? undefined : job.timeoutMs,
    retryCount: job.retryCount === 0 ? undefined : job.retryCount,
  };
}

export function jobOf(item: Item): Job {
  const { pk, sk: _, byApp, byStatus: __, due: ___, op: ____, byOwner, payload, expiresAt, ...fields } = item;
  const [appId = "", executionType] = String(byApp).split("#");
  const owner = typeof byOwner === "string" && { userId: byOwner.slice(appId.length + 1) };
  return {
    maxRetries: DEFAULT_MAX_RETRIES,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    retryCount: 0,
    ...kindOf(executionType, fields),
    ...(expiresAt !== undefined && { expiresAt: Number(expiresAt) * SECOND }),
    id: String(pk).slice(2),
    appId,
    executionType,
    ...owner,
    payload: payloadOf(payload),
  } as Job;
}

/** Fields of an item. Before there was `jobType`, the destination of a task was its type, and that of a schedule its own. */
function kindOf(executionType: string | undefined, { destination, ...fields }: Item): Item {
  if (executionType === SCHEDULE) return fields;
  if (destination === undefined) return fields;
  if (executionType !== TASK) return { destination, ...fields };
  const terms = {
    ...(destination === GENERATE_PDF && { needsBrowser: true }),
    ...(destination === BULK_ACTION && { isUrgent: true }),
  };
  return { jobType: destination, ...terms, ...fields };
}

/** A payload that is not in its job's item. */
export type PayloadPlace = Exclude<Payload, { at: "inline" }>;

function pointerTo(payload: PayloadPlace): string {
  const version = payload.at === "s3" && payload.version !== undefined ? `:${payload.version}` : "";
  return `${payload.at}:${payload.hash}${version}`;
}

function payloadOf(stored: unknown): Payload {
  if (stored instanceof Uint8Array) return { at: "inline", bytes: stored };
  return placeOf(String(stored));
}

/** The place that a job's item names, where its payload is not in the item. */
export function placeOf(pointer: string): PayloadPlace {
  const [at, hash = "", version] = pointer.split(":");
  return at === "s3" ? { at, hash, ...(version !== undefined && { version }) } : { at: "item", hash };
}

export function attemptOf(item: Item): Attempt {
  const { pk: _, sk, expiresAt: __, ...fields } = item;
  return { ...fields, number: Number(String(sk).slice(2)) } as Attempt;
}

export function entryOf(item: Item, order: "createdAt" | "dueAt"): IndexEntry {
  return { id: String(item["pk"]).slice(2), at: Number(item[order]) };
}

/** Whether the item stays within one write unit until its job has succeeded. */
export function fitsInline(item: Item): boolean {
  return itemBytes(item) - 3 + GROWTH_BYTES <= INLINE_ITEM_BYTES;
}

/** By DynamoDB's rule: names and text by their bytes, numbers about half a byte a digit. */
function itemBytes(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value === "number") return Math.ceil(String(value).length / 2) + 1;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 1;
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return entries.reduce((sum, [name, entry]) => sum + Buffer.byteLength(name) + itemBytes(entry) + 1, 3);
}

/** A move as the condition and update of an item. */
export function expressionsOf(job: Pick<Job, "appId">, move: Move, op: string): Expressions {
  const names: Record<string, string> = {};
  const values = new Map<unknown, string>();
  const name = (field: string) => {
    names[`#${field}`] = field;
    return `#${field}`;
  };
  const value = (of: unknown) => {
    const key = values.get(of) ?? `:v${values.size}`;
    values.set(of, key);
    return key;
  };
  const from = move.from.map(value).join(", ");
  const holds = (condition: Condition) =>
    condition[1] === "absent"
      ? `attribute_not_exists(${name(condition[0])})`
      : `${name(condition[0])} ${condition[1]} ${value(condition[2])}`;
  const condition = [`${name("status")} IN (${from})`, ...move.when.map(holds)].join(" AND ");

  const { expiresAt, ...fields } = move.set;
  const listed = LISTED_STATUSES.has(move.to);
  const set: Item = {
    status: move.to,
    // A move that keeps the status keeps the operation id, by which the writer of the status may still know its write.
    ...(move.from.includes(move.to) ? {} : { op }),
    ...fields,
    ...(expiresAt !== undefined && { expiresAt: expirySeconds(expiresAt) }),
    ...(listed && { byStatus: byStatusKey(job.appId, move.to) }),
  };
  const remove = [...move.remove, ...(listed ? [] : ["byStatus"])];
  const setting = Object.entries(set).map(([field, to]) => `${name(field)} = ${value(to)}`);
  const removing = remove.length > 0 ? ` REMOVE ${remove.map(name).join(", ")}` : "";
  return {
    ConditionExpression: condition,
    UpdateExpression: `SET ${setting.join(", ")}${removing}`,
    ExpressionAttributeNames: names,
    values: Object.fromEntries([...values].map(([of, key]) => [key, of])),
  };
}
