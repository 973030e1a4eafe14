import type { Clock, EpochMs } from "../clock.ts";
import type { Status } from "../job/status.ts";
import {
  DUE_SHARDS,
  byAppKey,
  byOwnerKey,
  byStatusKey,
  entryOf,
  placeKey,
  type IndexEntry,
  type Place,
} from "./job-item.ts";
import type { Query, Table } from "./table.ts";

// The indexes of jobs. They are eventually consistent hints: read a job before acting on it.

export interface IndexPage {
  readonly entries: readonly IndexEntry[];
  readonly complete: boolean;
}

/** Jobs of an app, newest first: all of one execution type, those in a listed status, or those of a user. */
export type AppIndex =
  | { readonly appId: string; readonly executionType: string }
  | { readonly appId: string; readonly status: Status }
  | { readonly appId: string; readonly userId: string };

export interface TimeRange {
  readonly from?: EpochMs | undefined;
  readonly to?: EpochMs | undefined;
}

export function createJobIndex({ table, clock }: { readonly table: Table; readonly clock: Clock }) {
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

  /** A page of an app's jobs, newest first, after `from`. */
  async function newest(index: AppIndex, range: TimeRange, limit: number, from?: Place): Promise<IndexPage> {
    const [name, partition] = partitionOf(index);
    const page = await table.query({
      IndexName: name,
      KeyConditionExpression: "#partition = :partition AND createdAt BETWEEN :from AND :to",
      ExpressionAttributeNames: { "#partition": name },
      values: { ":partition": partition, ":from": range.from ?? 0, ":to": range.to ?? Number.MAX_SAFE_INTEGER },
      ScanIndexForward: false,
      Limit: limit,
      after: from && { ...placeKey(from), [name]: partition, createdAt: from.at },
    });
    return { entries: page.items.map((item) => entryOf(item, "createdAt")), complete: !page.next };
  }

  return { due, oldestDue, countDue, newest };
}

function dueIn(shard: string, until: EpochMs, from: Place | undefined): Query {
  return {
    IndexName: "due",
    KeyConditionExpression: "due = :shard AND dueAt <= :until",
    values: { ":shard": shard, ":until": until },
    after: from && { ...placeKey(from), due: shard, dueAt: from.at },
  };
}

/** An index and the partition of it that holds these jobs. */
function partitionOf(index: AppIndex): ["byStatus" | "byApp" | "byOwner", string] {
  if ("status" in index) return ["byStatus", byStatusKey(index.appId, index.status)];
  if ("userId" in index) return ["byOwner", byOwnerKey(index.appId, index.userId)];
  return ["byApp", byAppKey(index.appId, index.executionType)];
}
