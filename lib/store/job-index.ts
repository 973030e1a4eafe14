import type { Clock, EpochMs } from "../clock.ts";
import type { BacklogRef } from "../job/backlog.ts";
import type { GroupRef } from "../job/group.ts";
import type { TimeRange } from "../job/job-filter.ts";
import type { Status } from "../job/status.ts";
import { PENDING_LISTED_AFTER, entryOf, type IndexEntry } from "./job-item.ts";
import {
  DEFAULT_LIST_SHARDS,
  DUE_SHARDS,
  backlogKey,
  byAppKey,
  byOwnerKey,
  byStatusKey,
  groupPartitions,
  placeKey,
  type Place,
} from "./job-keys.ts";
import type { Item, Page, Query, Table } from "./table.ts";

// The indexes of jobs. They are eventually consistent hints: read a job before acting on it.

export interface IndexPage {
  readonly entries: readonly IndexEntry[];
  readonly complete: boolean;
}

/** Jobs of an app, newest first: of one execution type, all or those listed in a status, those of a user or a group. */
export type AppIndex =
  | { readonly appId: string; readonly executionType: string; readonly status?: Status }
  | { readonly appId: string; readonly userId: string }
  | { readonly memberOf: GroupRef };

/** A partition of an index. */
export interface Partition {
  readonly index: "byStatus" | "byApp" | "byOwner" | "byGroup";
  readonly key: string;
}

/** `isAll`: there are no more than were counted. */
export interface Counted {
  readonly count: number;
  readonly isAll: boolean;
}

/** One page of an index has about 10,000 entries, and costs 128 read units. */
const MOST_PAGES = 4;

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
  readonly listShards?: number | undefined;
}

export function createJobIndex({ table, clock, listShards = DEFAULT_LIST_SHARDS }: Parts) {
  /** The jobs of one shard that are due up to a time, oldest first. */
  async function due(shard: string, until: EpochMs, limit: number, from?: Place): Promise<IndexPage> {
    const page = await table.query({ ...dueIn(shard, until, from), Limit: limit });
    return { entries: page.items.map((item) => entryOf(item, "dueAt")), complete: !page.next };
  }

  /** The due time of the oldest due job; undefined if none is due. */
  async function oldestDue(): Promise<EpochMs | undefined> {
    const pages = await Promise.all(DUE_SHARDS.map((shard) => due(shard, clock.now(), 1)));
    return pages.flatMap(({ entries }) => entries.map(({ at }) => at)).toSorted((a, b) => a - b)[0];
  }

  /** The number of due jobs after an entry of a shard: exact up to about 10,000, one index page. */
  async function countDue(shard: string, until: EpochMs, from?: Place): Promise<number> {
    return (await table.query({ ...dueIn(shard, until, from), Select: "COUNT" })).count;
  }

  /** How many jobs an index has, and whether those are all: up to about 40,000 of each of its partitions are counted. */
  async function countOf(of: AppIndex, { from = 0, to = Number.MAX_SAFE_INTEGER }: TimeRange): Promise<Counted> {
    const counted = await Promise.all(
      partitionsOf(of, listShards).map(async ({ index, key }) =>
        countAll({
          IndexName: index,
          KeyConditionExpression: "#partition = :partition AND createdAt BETWEEN :from AND :to",
          ExpressionAttributeNames: { "#partition": index },
          values: { ":partition": key, ":from": from, ":to": to },
        }),
      ),
    );
    return {
      count: counted.reduce((sum, { count }) => sum + count, 0),
      isAll: counted.every(({ isAll }) => isAll),
    };
  }

  /** How many jobs are in a backlog, likewise. */
  async function countIn(ref: BacklogRef): Promise<Counted> {
    return countAll(dueIn(backlogKey(ref), Number.MAX_SAFE_INTEGER, undefined));
  }

  async function countAll(query: Query): Promise<Counted> {
    let count = 0;
    let after: Item | undefined;
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const page = await table.query({ ...query, Select: "COUNT", after });
      count += page.count;
      after = page.next;
      if (!after) return { count, isAll: true };
    }
    return { count, isAll: false };
  }

  /** A page of a partition, newest first, after `from`. */
  async function newest({ index, key }: Partition, range: TimeRange, limit: number, from?: Place): Promise<IndexPage> {
    const page = await table.query({
      IndexName: index,
      KeyConditionExpression: "#partition = :partition AND createdAt BETWEEN :from AND :to",
      ExpressionAttributeNames: { "#partition": index },
      values: { ":partition": key, ":from": range.from ?? 0, ":to": range.to ?? Number.MAX_SAFE_INTEGER },
      ScanIndexForward: false,
      Limit: limit,
      after: from && { ...placeKey(from), [index]: key, createdAt: from.at },
    });
    return { entries: page.items.map((item) => entryOf(item, "createdAt")), complete: !page.next };
  }

  return {
    due,
    oldestDue,
    countDue,
    countOf,
    countIn,
    countMembers: async (group: GroupRef) => countMembers(group, table),
    newest,
    partitionsOf: (of: AppIndex) => partitionsOf(of, listShards),
    /** A PENDING job created before this time is in `byStatus`. */
    pendingListedBefore: () => clock.now() - PENDING_LISTED_AFTER,
  };
}

/** The number of a group's members that the index shows. */
async function countMembers(group: GroupRef, table: Table): Promise<number> {
  const counts = await Promise.all(groupPartitions(group).map(async (partition) => countPartition(partition, table)));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function countPartition(partition: string, table: Table): Promise<number> {
  let [sum, after]: [number, Item | undefined] = [0, undefined];
  do {
    const page: Page = await table.query({
      IndexName: "byGroup",
      KeyConditionExpression: "byGroup = :partition",
      values: { ":partition": partition },
      Select: "COUNT",
      after,
    });
    sum += page.count;
    after = page.next;
  } while (after);
  return sum;
}

function dueIn(shard: string, until: EpochMs, from: Place | undefined): Query {
  return {
    IndexName: "due",
    KeyConditionExpression: "due = :shard AND dueAt <= :until",
    values: { ":shard": shard, ":until": until },
    after: from && { ...placeKey(from), due: shard, dueAt: from.at },
  };
}

/** The partitions that hold these jobs. Those of a user are in one. */
function partitionsOf(of: AppIndex, listShards: number): Partition[] {
  if ("memberOf" in of) return groupPartitions(of.memberOf).map((key) => ({ index: "byGroup", key }));
  if ("userId" in of) return [{ index: "byOwner", key: byOwnerKey(of.appId, of.userId) }];
  const shards = Array.from({ length: listShards }, (_, shard) => shard);
  const { appId, executionType, status } = of;
  if (!status) return shards.map((n) => ({ index: "byApp", key: byAppKey(appId, executionType, n) }));
  return shards.map((n) => ({ index: "byStatus", key: byStatusKey(appId, executionType, status, n) }));
}
