import { isDeepStrictEqual } from "node:util";
import { HOUR, MINUTE, SECOND } from "../clock.ts";
import {
  DEFAULT_MAX_RETRIES,
  DEFAULT_TIMEOUT_MS,
  type Fields,
  type Job,
  type Payload,
  BULK_ACTION,
  GENERATE_PDF,
  SCHEDULE,
  TASK,
} from "../job/job.ts";
import type { BacklogName } from "../job/backlog.ts";
import { copyFields } from "../job/copy-fields.ts";
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

/** What the item of a job has under another name, in a key, or only where it is not the default. */
const KEPT_OTHERWISE: ReadonlySet<string> = new Set<keyof Job>([
  "id",
  "appId",
  "executionType",
  "destination",
  "userId",
  "createdBy",
  "memberOf",
  "isRun",
  "backlog",
  "dueAt",
  "payload",
  "expiresAt",
  "requestLine",
  "maxRetries",
  "timeoutMs",
  "retryCount",
]);

/**
 * The item of a job. Its size is charged at every write, so it leaves out defaults and whatever
 * a key says already: `byApp` holds the app and the execution type, `byOwner` the user, `byGroup` the group.
 */
export function toItem(job: Job, listShards = DEFAULT_LIST_SHARDS): Item {
  const { id, appId, executionType, destination, userId, createdBy, memberOf, payload, expiresAt, status } = job;
  const shard = listShard(id, listShards);
  const item: Item = {
    ...jobKey(id),
    byApp: byAppKey(appId, executionType, shard),
    // Never removed: the index has only items with both `due` and `dueAt`.
    due: duePartition(id, appId, job.backlog),
    dueAt: job.dueAt,
    payload: storedPayload(payload),
  };
  if (userId !== undefined) item["byOwner"] = byOwnerKey(appId, userId);
  if (memberOf) item["byGroup"] = byGroupKey(memberOf, id);
  if (job.isRun) item["byGroup"] = runsKey(job.parentJobId ?? "");
  if (isListed(executionType, status) || isPutOff(job)) {
    item["byStatus"] = byStatusKey(appId, executionType, status, shard);
  }
  // Short names, since they are charged too.
  if (destination !== undefined) item["to"] = destination;
  if (createdBy !== userId) item["by"] = createdBy;
  if (expiresAt !== undefined) item["expiresAt"] = expirySeconds(expiresAt);
  if (payload.at !== "inline") item["requestLine"] = job.requestLine;
  if (job.maxRetries !== DEFAULT_MAX_RETRIES) item["maxRetries"] = job.maxRetries;
  if (job.timeoutMs !== DEFAULT_TIMEOUT_MS) item["timeoutMs"] = job.timeoutMs;
  if (job.retryCount !== 0) item["retryCount"] = job.retryCount;
  copyFields(job, item, KEPT_OTHERWISE);
  return item;
}

type Look = Pick<Job, "status" | "createdAt" | "dueAt" | "backlog">;

function isPutOff({ status, createdAt, dueAt = Infinity, backlog }: Look): boolean {
  return status === "PENDING" && (backlog !== undefined || dueAt > createdAt + UNLISTED_FOR);
}

/** What an item has under another name than its job, in a key, or beside its job; a job has three fields by keys alone. */
const NOT_COPIED: ReadonlySet<string> = new Set(
  "pk sk byApp byOwner byGroup byStatus due op to by payload expiresAt destination id appId executionType".split(" "),
);

export function jobOf(item: Item): Job {
  const { byOwner, byGroup, to, expiresAt } = item;
  const [appId = "", executionType] = String(item["byApp"]).split("#");
  const job: Record<string, unknown> = {
    id: String(item["pk"]).slice(2),
    appId,
    executionType,
    maxRetries: DEFAULT_MAX_RETRIES,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    retryCount: 0,
    payload: payloadOf(item["payload"]),
  };
  copyFields(item, job, NOT_COPIED);
  const userId = typeof byOwner === "string" ? byOwner.slice(appId.length + 1) : undefined;
  const createdBy = item["by"] ?? userId;
  const backlog = backlogIn(item["due"], appId);
  if (to !== undefined) job["destination"] = to;
  nameKind(job, item["destination"]);
  if (expiresAt !== undefined) job["expiresAt"] = Number(expiresAt) * SECOND;
  if (backlog !== undefined) job["backlog"] = backlog;
  if (userId !== undefined) job["userId"] = userId;
  if (createdBy !== undefined) job["createdBy"] = createdBy;
  if (typeof byGroup === "string") {
    if (isRunsKey(byGroup)) job["isRun"] = true;
    else job["memberOf"] = groupIn(byGroup);
  }
  return job as unknown as Job;
}

function backlogIn(due: unknown, appId: string): BacklogName | undefined {
  const before = `${BACKLOG}${appId}#`;
  return String(due).startsWith(before) ? (String(due).slice(before.length) as BacklogName) : undefined;
}

/** Before there was `jobType`, the destination of a task was its type, and that of a schedule its own. */
function nameKind(job: Record<string, unknown>, destination: unknown): void {
  const { executionType } = job;
  if (destination === undefined || executionType === SCHEDULE) return;
  if (executionType !== TASK) {
    job["destination"] ??= destination;
    return;
  }
  job["jobType"] ??= destination;
  if (destination === GENERATE_PDF) job["needsBrowser"] ??= true;
  if (destination === BULK_ACTION) job["isUrgent"] ??= true;
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
  const backlog = isBacklog ? backlogIn(pk, appId) : undefined;
  return {
    id: isBacklog ? pk : pk.slice(2),
    at: Number(item[order]),
    appId,
    executionType,
    ...(backlog !== undefined && { backlog }),
    ...(jobType !== undefined && { jobType }),
    ...(dialect !== undefined && { dialect: dialect as Dialect }),
    ...(status !== undefined && { status: status as Status }),
  };
}

/** A job, or the name of an attempt of it. */
type Moved = Pick<Job, "id" | "appId"> & Partial<Pick<Job, "executionType" | "createdAt"> & Pick<AttemptRef, "rank">>;

/** The key in `byStatus` after a move, or `remove`, or `keep`. */
function listingOf(job: Moved, move: Move, listShards: number): string {
  const { id, appId, createdAt = 0 } = job;
  const { to, set, remove } = move;
  const executionType = job.rank === undefined ? job.executionType : TASK;
  const isSame = move.from.includes(to);
  if (executionType === undefined) return isSame ? "keep" : "remove";
  const key = () => byStatusKey(appId, executionType, to, listShard(id, listShards));
  if (isListed(executionType, to)) return isSame ? "keep" : key();
  if (to !== "PENDING") return isSame ? "keep" : "remove";
  if (isSame && set.dueAt === undefined && !remove.includes("dueAt")) return "keep";
  const { dueAt, backlog } = set;
  const look = { ...(dueAt !== undefined && { dueAt }), ...(backlog !== undefined && { backlog }) };
  return isPutOff({ status: to, createdAt, ...look }) ? key() : "remove";
}

/** A move as the condition and update of an item. */
export function expressionsOf(job: Moved, move: Move, op: string, listShards = DEFAULT_LIST_SHARDS): Expressions {
  const names: Record<string, string> = {};
  const values: Item = {};
  const keys = new Map<unknown, string>();
  const name = (field: string) => {
    names[`#${field}`] = field;
    return `#${field}`;
  };
  const value = (of: unknown) => {
    const key = keys.get(of) ?? `:v${keys.size}`;
    keys.set(of, key);
    values[key] = of;
    return key;
  };
  const holds = (condition: Condition) =>
    condition[1] === "absent"
      ? `attribute_not_exists(${name(condition[0])})`
      : `${name(condition[0])} ${condition[1]} ${value(condition[2])}`;
  const from = move.from.map(value).join(", ");
  const condition = [`${name("status")} IN (${from})`, ...move.when.map(holds)].join(" AND ");

  const listing = listingOf(job, move, listShards);
  const set = newFields(job, move, op, listing);
  const remove = listing === "remove" ? [...move.remove, "byStatus"] : move.remove;
  const setting = Object.keys(set).map((field) => `${name(field)} = ${value(set[field])}`);
  const removing = remove.length > 0 ? ` REMOVE ${remove.map(name).join(", ")}` : "";
  return {
    ConditionExpression: condition,
    UpdateExpression: `SET ${setting.join(", ")}${removing}`,
    ExpressionAttributeNames: names,
    values,
  };
}

/** Whether an item is as a move that keeps the status would have left it. */
export function isAsLeftBy(move: Move, job: Moved, item: Item, listShards = DEFAULT_LIST_SHARDS): boolean {
  if (!move.from.includes(move.to)) return false;
  const written = Object.entries(newFields(job, move, "", listingOf(job, move, listShards)));
  return (
    written.every(([field, value]) => value === undefined || isDeepStrictEqual(item[field], value)) &&
    move.remove.every((field) => item[field] === undefined)
  );
}

const SET_OTHERWISE: ReadonlySet<string> = new Set<keyof Fields>(["expiresAt", "backlog", "payload"]);

/** What a move writes into an item. */
function newFields({ id, appId }: Moved, { from, to, set }: Move, op: string, listing: string): Item {
  const { expiresAt, backlog, payload } = set;
  // A move of a job that is in no backlog changes nothing in `due`, and writes no index.
  const fields: Item = { status: to, due: duePartition(id, appId, backlog) };
  // A move that keeps the status keeps the operation id, by which the writer of the status may still know its write.
  if (!from.includes(to)) fields["op"] = op;
  copyFields(set, fields, SET_OTHERWISE);
  if (payload) fields["payload"] = storedPayload(payload);
  if (expiresAt !== undefined) fields["expiresAt"] = expirySeconds(expiresAt);
  if (listing !== "keep" && listing !== "remove") fields["byStatus"] = listing;
  return fields;
}
