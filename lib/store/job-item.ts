import { HOUR, MINUTE, SECOND } from "../clock.ts";
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
import type { BacklogName } from "../job/backlog.ts";
import type { Dialect } from "../job/dialect.ts";
import {
  DEFAULT_LIST_SHARDS,
  type Place,
  BACKLOG,
  jobKey,
  byAppKey,
  byGroupKey,
  byOwnerKey,
  byStatusKey,
  duePartition,
  groupIn,
  isRunsKey,
  listShard,
  runsKey,
} from "./job-keys.ts";
import { expirySeconds, type Expressions, type Item } from "./table.ts";
import type { Condition, Move } from "../job/move.ts";
import type { Status } from "../job/status.ts";
import type { Attempt, AttemptRef } from "../job/attempt.ts";

// The layout of a job in the table: its keys, its item, and a move as an update of that item.

/** Statuses in which `byStatus` has every job. A webhook on the happy path never enters that index. */
const LISTED_STATUSES: ReadonlySet<Status> = new Set(["RETRYING", "FAILED", "DEAD", "CANCELLED"]);

/** Whether `byStatus` has every job of a type that is in a status. Tasks cost enough for a write of each change. */
export function isListed(executionType: string, status: Status): boolean {
  return LISTED_STATUSES.has(status) || executionType === TASK;
}

/** A PENDING job enters `byStatus` when its next look is to be later than this after its creation: it was put off. */
const UNLISTED_FOR = 15 * MINUTE;
/** The age at which a PENDING job is in `byStatus`, even if the sweep is late. */
export const PENDING_LISTED_AFTER = HOUR;

/** One entry of an index. Those of `due` have no `jobType` and no `dialect`. */
export interface IndexEntry extends Place, Pick<Job, "appId" | "executionType" | "jobType" | "dialect"> {
  /** The status that the entry was written with, in `byStatus` and `byOwner`. */
  readonly status?: Status;
  /** Set where the entry in `due` is not a job, but a backlog. */
  readonly backlog?: BacklogName;
}

/**
 * The item of a job. Its size is charged at every write, so it leaves out defaults and whatever
 * a key says already: `byApp` holds the app and the execution type, `byOwner` the user, `byGroup` the group.
 */
export function toItem(job: Job, listShards = DEFAULT_LIST_SHARDS): Item {
  const { id, appId, executionType, destination, userId, createdBy, memberOf, ...others } = job;
  const { payload, expiresAt, dueAt, backlog, isRun, requestLine, ...fields } = others;
  const shard = listShard(id, listShards);
  return {
    ...jobKey(id),
    byApp: byAppKey(appId, executionType, shard),
    ...(userId !== undefined && { byOwner: byOwnerKey(appId, userId) }),
    ...(memberOf && { byGroup: byGroupKey(memberOf, id) }),
    // Short names, since they are charged too.
    ...(destination !== undefined && { to: destination }),
    ...(createdBy !== userId && { by: createdBy }),
    ...((isListed(executionType, job.status) || isPutOff(job)) && {
      byStatus: byStatusKey(appId, executionType, job.status, shard),
    }),
    // Never removed: the index has only items with both `due` and `dueAt`.
    due: duePartition(id, appId, backlog),
    dueAt,
    ...(isRun && { byGroup: runsKey(others.parentJobId ?? "") }),
    ...(expiresAt !== undefined && { expiresAt: expirySeconds(expiresAt) }),
    ...fields,
    payload: storedPayload(payload),
    requestLine: payload.at === "inline" ? undefined : requestLine,
    maxRetries: job.maxRetries === DEFAULT_MAX_RETRIES ? undefined : job.maxRetries,
    timeoutMs: job.timeoutMs === DEFAULT_TIMEOUT_MS ? undefined : job.timeoutMs,
    retryCount: job.retryCount === 0 ? undefined : job.retryCount,
  };
}

type Look = Pick<Job, "status" | "createdAt" | "dueAt" | "backlog">;

function isPutOff({ status, createdAt, dueAt = Infinity, backlog }: Look): boolean {
  return status === "PENDING" && (backlog !== undefined || dueAt > createdAt + UNLISTED_FOR);
}

export function jobOf(item: Item): Job {
  const { pk, sk: _, byApp, byStatus: __, due, op: ___, byOwner, byGroup, ...others } = item;
  const { by, to, payload, expiresAt, ...fields } = others;
  const [appId = "", executionType] = String(byApp).split("#");
  const userId = typeof byOwner === "string" ? byOwner.slice(appId.length + 1) : undefined;
  const createdBy = by ?? userId;
  return {
    maxRetries: DEFAULT_MAX_RETRIES,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    retryCount: 0,
    ...kindOf(executionType, fields),
    ...(to !== undefined && { destination: to }),
    ...(expiresAt !== undefined && { expiresAt: Number(expiresAt) * SECOND }),
    id: String(pk).slice(2),
    appId,
    executionType,
    ...backlogIn(due, appId),
    ...(userId !== undefined && { userId }),
    ...(createdBy !== undefined && { createdBy }),
    ...(typeof byGroup === "string" && (isRunsKey(byGroup) ? { isRun: true } : { memberOf: groupIn(byGroup) })),
    payload: payloadOf(payload),
  } as Job;
}

function backlogIn(due: unknown, appId: string): { backlog?: BacklogName } {
  const before = `${BACKLOG}${appId}#`;
  return String(due).startsWith(before) ? { backlog: String(due).slice(before.length) as BacklogName } : {};
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

function storedPayload(payload: Payload): Uint8Array | string {
  return payload.at === "inline" ? payload.bytes : pointerTo(payload);
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
  const [appId = "", executionType = ""] = String(item["byApp"]).split("#");
  const { jobType, dialect, byStatus } = item as Partial<Record<string, string>>;
  const status = byStatus === undefined ? item["status"] : byStatus.split("#")[2];
  const pk = String(item["pk"]);
  const isBacklog = pk.startsWith(BACKLOG);
  return {
    id: isBacklog ? pk : pk.slice(2),
    at: Number(item[order]),
    appId,
    executionType,
    ...(isBacklog && backlogIn(pk, appId)),
    ...(jobType !== undefined && { jobType }),
    ...(dialect !== undefined && { dialect: dialect as Dialect }),
    ...(status !== undefined && { status: status as Status }),
  };
}

/** A job, or the name of an attempt of it. */
type Moved = Pick<Job, "id" | "appId"> & Partial<Pick<Job, "executionType" | "createdAt"> & Pick<AttemptRef, "rank">>;

/** The key in `byStatus` after a move, or `remove`, or `keep`. */
function listingOf({ id, appId, rank, createdAt = 0, ...job }: Moved, move: Move, listShards: number): string {
  const { to, set, remove } = move;
  const executionType = rank === undefined ? job.executionType : TASK;
  const isSame = move.from.includes(to);
  if (executionType === undefined) return isSame ? "keep" : "remove";
  const key = byStatusKey(appId, executionType, to, listShard(id, listShards));
  if (isListed(executionType, to)) return isSame ? "keep" : key;
  const hasLook = set.dueAt !== undefined || remove.includes("dueAt");
  if (isSame && (to !== "PENDING" || !hasLook)) return "keep";
  const { dueAt, backlog } = set;
  const look = { ...(dueAt !== undefined && { dueAt }), ...(backlog !== undefined && { backlog }) };
  return isPutOff({ status: to, createdAt, ...look }) ? key : "remove";
}

/** A move as the condition and update of an item. */
export function expressionsOf(job: Moved, move: Move, op: string, listShards = DEFAULT_LIST_SHARDS): Expressions {
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

  const { expiresAt, backlog, payload, ...fields } = move.set;
  const listing = listingOf(job, move, listShards);
  const set: Item = {
    status: move.to,
    // A move of a job that is in no backlog changes nothing here, and writes no index.
    due: duePartition(job.id, job.appId, backlog),
    // A move that keeps the status keeps the operation id, by which the writer of the status may still know its write.
    ...(move.from.includes(move.to) ? {} : { op }),
    ...fields,
    ...(payload && { payload: storedPayload(payload) }),
    ...(expiresAt !== undefined && { expiresAt: expirySeconds(expiresAt) }),
    ...(listing !== "keep" && listing !== "remove" && { byStatus: listing }),
  };
  const remove = [...move.remove, ...(listing === "remove" ? ["byStatus"] : [])];
  const setting = Object.entries(set).map(([field, to]) => `${name(field)} = ${value(to)}`);
  const removing = remove.length > 0 ? ` REMOVE ${remove.map(name).join(", ")}` : "";
  return {
    ConditionExpression: condition,
    UpdateExpression: `SET ${setting.join(", ")}${removing}`,
    ExpressionAttributeNames: names,
    values: Object.fromEntries([...values].map(([of, key]) => [key, of])),
  };
}
