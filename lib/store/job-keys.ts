import type { EpochMs } from "../clock.ts";
import type { BacklogName, BacklogRef } from "../job/backlog.ts";
import type { GroupRef } from "../job/group.ts";
import type { Status } from "../job/status.ts";
import type { ItemKey } from "./table.ts";

// The keys of a job's items, and the partitions of the indexes that have it.

const DUE_SHARD_COUNT = 64;
/** Two hex digits each. A partition of an index takes 1,000 writes a second, so all of them take 64,000. */
export const DUE_SHARDS: readonly string[] = Array.from({ length: DUE_SHARD_COUNT }, (_, shard) => shardName(shard));

/** The partitions of each list of an app, where the deployment sets none. */
export const DEFAULT_LIST_SHARDS = 4;

/** The place of a job in the order of an index. */
export interface Place {
  readonly id: string;
  readonly at: EpochMs;
}

/** The key of the item that stands at a place. */
export function placeKey({ id }: Place): ItemKey {
  return id.startsWith(BACKLOG) ? { pk: id, sk: "B" } : jobKey(id);
}

/** How the keys of backlogs begin. */
export const BACKLOG = "B#";

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

/** The item of the answer that a successful attempt has kept. Behind the job, so that a read of its history has no answers. */
export function responseKey(id: string, number: number): ItemKey {
  return { pk: jobKey(id).pk, sk: `R#${number}` };
}

export function byAppKey(appId: string, executionType: string, shard: number): string {
  return `${appId}#${executionType}#${shard}`;
}

export function byOwnerKey(appId: string, userId: string): string {
  return `${appId}#${userId}`;
}

const GROUP_SHARD_COUNT = 16;

/** The partitions of the index that has the members of a group. Sixteen take 16,000 new members a second. */
export function groupPartitions(group: GroupRef): string[] {
  return Array.from({ length: GROUP_SHARD_COUNT }, (_, shard) => groupPartition(group, shard));
}

/** The partition of a member. Bits of its own: the members of a partition are in all due shards. */
export function byGroupKey(group: GroupRef, memberId: string): string {
  return groupPartition(group, Math.floor(randomBitsOf(memberId) / 2 ** 24) % GROUP_SHARD_COUNT);
}

function groupPartition({ id, createdAt }: GroupRef, shard: number): string {
  return `${id}${createdAt.toString(36)}#${shard.toString(16)}`;
}

const UUID_LENGTH = 36;

/** The group that such a partition names. */
export function groupIn(partition: string): GroupRef {
  const [time = ""] = partition.slice(UUID_LENGTH).split("#");
  return { id: partition.slice(0, UUID_LENGTH), createdAt: Number.parseInt(time, 36) };
}

/** The key of the counters of a group. */
export function groupCountsKey({ id, createdAt }: GroupRef): ItemKey {
  return { pk: `G#${id}`, sk: String(createdAt) };
}

/** The key of an app's task slots. Urgent tasks have slots of their own, and take none from the others. */
export function slotsKey(appId: string, isUrgent = false): ItemKey {
  return { pk: `SLOTS#${appId}`, sk: isUrgent ? "U" : "S" };
}

export function byStatusKey(appId: string, executionType: string, status: Status, shard: number): string {
  return `${appId}#${executionType}#${status}#${shard}`;
}

/** The partition of `byGroup` that holds the jobs of a schedule. */
export function runsKey(scheduleId: string): string {
  return `${RUNS}${scheduleId}`;
}

export function isRunsKey(key: unknown): boolean {
  return typeof key === "string" && key.startsWith(RUNS);
}

const RUNS = "RUNS#";

/** The partition of `due` that holds the jobs of a backlog. */
export function backlogKey({ appId, backlog }: BacklogRef): string {
  return `${BACKLOG}${appId}#${backlog}`;
}

export function duePartition(id: string, appId: string, backlog: BacklogName | undefined): string {
  return backlog === undefined ? dueShard(id) : backlogKey({ appId, backlog });
}

/** `id`: of a job, or any hex digits. */
export function dueShard(id: string): string {
  return shardName(randomBitsOf(id) % DUE_SHARD_COUNT);
}

/** The shard of a job in the lists of its app. Bits of its own: the jobs of a due shard are in all list shards. */
export function listShard(id: string, listShards: number): number {
  return Math.floor(randomBitsOf(id) / DUE_SHARD_COUNT) % listShards;
}

/** The last eight hex digits of an id are as good as random in every kind of id given out here. */
function randomBitsOf(id: string): number {
  return Number.parseInt(id.slice(-8), 16) >>> 0;
}

function shardName(shard: number): string {
  return shard.toString(16).padStart(2, "0");
}
