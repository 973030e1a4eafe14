import { SECOND, type EpochMs } from "../../../lib/clock.ts";
import { UnfitItem } from "./dynamodb-errors.ts";
import {
  createIndex,
  positionOf,
  putRow,
  removeRow,
  type Index,
  type ItemKey,
  type Keys,
  type Rows,
} from "./dynamodb-index.ts";
import { itemBytes, type Item } from "./dynamodb-value.ts";
import { SortedRows } from "./sorted-rows.ts";

// A DynamoDB table: its items now and as they were lately, and its indexes.

export interface TableOptions {
  readonly now: () => EpochMs;
  /** The table's properties as resources.yml has them. Its keys are the strings `pk` and `sk`. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** How long a write takes to show in an index. Default 0. */
  readonly indexLagMs?: (index: string) => number;
  /** How old the state is that an eventually consistent read gives, at most 10 s. Default 0. */
  readonly readLagMs?: () => number;
  /** Called after each item written, deletions by TTL among them. Items are in DynamoDB's JSON. */
  readonly onWrite?: (before: Item | undefined, after: Item | undefined) => void;
  /** Called for each entry that a write puts into an index, changes there or deletes. `pk`: of the item. */
  readonly onIndexWrite?: (index: string, partition: string, pk: string) => void;
}

/** CloudFormation's words. */
interface TableProperties {
  readonly KeySchema: readonly KeyDefinition[];
  readonly AttributeDefinitions: readonly { AttributeName: string; AttributeType: "S" | "N" }[];
  readonly GlobalSecondaryIndexes: readonly {
    IndexName: string;
    KeySchema: readonly KeyDefinition[];
    Projection: { ProjectionType: string; NonKeyAttributes?: readonly string[] };
  }[];
  readonly TimeToLiveSpecification: { AttributeName: string };
}

interface KeyDefinition {
  readonly AttributeName: string;
  readonly KeyType: string;
}

export interface Write {
  readonly key: ItemKey;
  readonly before: Item | undefined;
  readonly after: Item | undefined;
}

/** The state of an item until a later write. */
interface Past {
  readonly sk: string;
  readonly before: Item | undefined;
  readonly until: EpochMs;
}

export const TABLE_KEYS: Keys = { hash: "pk", range: "sk", rangeType: "S" };
const LARGEST_ITEM = 400 * 1_024;
const OLDEST_READ = 10 * SECOND;
/** TTL doesn't delete items that expired longer ago. */
const OLDEST_EXPIRY_SECONDS = 5 * 365 * 86_400;

export type Table = ReturnType<typeof createTable>;

export function createTable(options: TableOptions) {
  const { now, indexLagMs = () => 0, readLagMs, onWrite, onIndexWrite } = options;
  const properties = options.properties as unknown as TableProperties;
  const indexes = indexesOf(properties);
  const partitions = new Map<string, Rows>();
  const past = new Map<string, Past[]>();

  /** The item as it is, or, eventually consistent, as it was a drawn time ago. */
  function item({ pk, sk }: ItemKey, isConsistent: boolean | undefined): Item | undefined {
    const old = unseen(pk, isConsistent).find((one) => one.sk === sk);
    if (old) return old.before;
    const rows = partitions.get(pk);
    const row = rows?.at(positionOf(rows, { range: sk, pk, sk }, "at"));
    return row?.sk === sk ? row.item : undefined;
  }

  function rows(pk: string, isConsistent: boolean | undefined): Rows {
    const undone = unseen(pk, isConsistent);
    if (undone.length === 0) return partitions.get(pk) ?? new SortedRows();
    const old = new Map([[pk, new SortedRows(partitions.get(pk))]]);
    for (const { sk, before } of undone.toReversed()) {
      if (before) putRow(old, pk, { range: sk, pk, sk, item: before });
      else removeRow(old, pk, { range: sk, pk, sk });
    }
    return old.get(pk) ?? new SortedRows();
  }

  /** The writes of a partition that a read is too far behind to see, the oldest first. */
  function unseen(pk: string, isConsistent: boolean | undefined): readonly Past[] {
    if (isConsistent || !readLagMs) return [];
    const seen = now() - Math.min(readLagMs(), OLDEST_READ);
    return past.get(pk)?.filter(({ until }) => until > seen) ?? [];
  }

  /** Refuses an item that is too large, or not of the types that the indexes want. */
  function check(after: Item): void {
    if (itemBytes(after) > LARGEST_ITEM) throw new UnfitItem("Item size has exceeded the maximum allowed size");
    for (const index of indexes.values()) index.check(after);
  }

  /** Makes writes that have been checked, all at once. */
  function commit(writes: readonly Write[]): void {
    for (const { key, before, after } of writes) {
      const { pk, sk } = key;
      if (after) putRow(partitions, pk, { range: sk, pk, sk, item: Object.freeze(after) });
      else removeRow(partitions, pk, { range: sk, pk, sk });
      if (readLagMs) remember(pk, { sk, before, until: now() });
      for (const [name, index] of indexes) {
        index.follow(key, before, after, now(), () => indexLagMs(name));
        if (onIndexWrite) for (const each of index.writtenBy(before, after)) onIndexWrite(name, each, pk);
      }
    }
    if (onWrite) for (const { before, after } of writes) onWrite(before, after);
  }

  function remember(pk: string, change: Past): void {
    const recent = past.get(pk)?.filter(({ until }) => until > now() - OLDEST_READ) ?? [];
    past.set(pk, [...recent, change]);
  }

  /** Every item as it is now. */
  function items(): Item[] {
    return [...partitions.values()].flatMap((rows) => [...rows].map((row) => row.item));
  }

  /** Deletes, as TTL does at some time within days, those expired items that are chosen. Returns them. */
  function removeExpired(isChosen: (item: Item) => boolean): Item[] {
    const second = now() / SECOND;
    const { AttributeName } = properties.TimeToLiveSpecification;
    const expired = items().filter((one) => {
      const at = one[AttributeName]?.N;
      return at !== undefined && Number(at) <= second && Number(at) > second - OLDEST_EXPIRY_SECONDS && isChosen(one);
    });
    commit(expired.map((before) => ({ key: keyIn(before), before, after: undefined })));
    return expired;
  }

  return { indexes, item, rows, check, commit, items, removeExpired };
}

function indexesOf({ KeySchema, AttributeDefinitions, GlobalSecondaryIndexes }: TableProperties): Map<string, Index> {
  const named = (schema: readonly KeyDefinition[], type: string) =>
    schema.find(({ KeyType }) => KeyType === type)?.AttributeName ?? "";
  if (named(KeySchema, "HASH") !== TABLE_KEYS.hash || named(KeySchema, "RANGE") !== TABLE_KEYS.range) {
    throw new Error("The model of DynamoDB has tables with the keys pk and sk");
  }
  return new Map(
    GlobalSecondaryIndexes.map(({ IndexName, KeySchema: schema, Projection }) => {
      if (Projection.ProjectionType === "ALL") throw new Error("The model of DynamoDB has no index of all attributes");
      const range = named(schema, "RANGE");
      const rangeType = AttributeDefinitions.find(({ AttributeName }) => AttributeName === range)?.AttributeType ?? "S";
      return [
        IndexName,
        createIndex(IndexName, { hash: named(schema, "HASH"), range, rangeType }, Projection.NonKeyAttributes ?? []),
      ];
    }),
  );
}

export function keyIn(item: Item): ItemKey {
  return { pk: item["pk"]?.S ?? "", sk: item["sk"]?.S ?? "" };
}

export function idOf({ pk, sk }: ItemKey): string {
  return `${pk}\n${sk}`;
}
