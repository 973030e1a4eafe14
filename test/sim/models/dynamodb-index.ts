import { isDeepStrictEqual } from "node:util";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { EpochMs } from "../../../lib/clock.ts";
import { invalid } from "./dynamodb-errors.ts";
import { compareText, typeOf, type Item } from "./dynamodb-value.ts";
import { SortedRows, firstAt } from "./sorted-rows.ts";

/** The keys of a table or an index. `rangeType` is the type of the range key. */
export interface Keys {
  readonly hash: string;
  readonly range: string;
  readonly rangeType: "S" | "N";
}

export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** A place in the order of a table or an index; those with the same range key go by the table's key. */
export interface Place extends ItemKey {
  readonly range: string | number;
}

export interface Row extends Place {
  /** In an index: the keys, and the attributes that it projects. */
  readonly item: Item;
}

/** A partition's rows in their order. */
export type Rows = SortedRows<Row>;

/** A place of an item in an index. */
interface Entry {
  readonly partition: string;
  readonly row: Row;
}

/** An index of a table: sparse, with the keys and some attributes, and behind the table by a lag. */
export interface Index {
  readonly keys: Keys;
  /** Refuses an item whose attributes are of other types than the index's keys. */
  check(item: Item): void;
  /** Follows a write of the table; it shows after `lagMs`, though never before an earlier one of the same item. */
  follow(itemKey: ItemKey, before: Item | undefined, after: Item | undefined, now: EpochMs, lagMs: () => number): void;
  /** The partitions that a write of the table writes: of an entry whose keys change, the old one and the new one. */
  writtenBy(before: Item | undefined, after: Item | undefined): readonly string[];
  rows(partition: string, now: EpochMs): Rows;
  /** Each partition with the first range key in it. */
  firsts(now: EpochMs): readonly (readonly [partition: string, first: string | number])[];
}

interface Pending {
  readonly visibleAt: EpochMs;
  readonly itemKey: string;
  readonly entry: Entry | undefined;
}

/** `projects`: the attributes that it holds beside the keys. */
export function createIndex(name: string, keys: Keys, projects: readonly string[]): Index {
  const partitions = new Map<string, Rows>();
  const shown = new Map<string, Entry>();
  /** By the time from which they show. */
  const pending: Pending[] = [];
  const latest = new Map<string, Pending>();

  function follow(
    { pk, sk }: ItemKey,
    before: Item | undefined,
    after: Item | undefined,
    now: EpochMs,
    lagMs: () => number,
  ): void {
    if (isSameEntry(keys, projects, before, after)) return;
    const entry = after && entryOf(keys, projects, after);
    const itemKey = `${pk}\n${sk}`;
    const visibleAt = Math.max(now + lagMs(), latest.get(itemKey)?.visibleAt ?? 0);
    const update = { visibleAt, itemKey, entry };
    if (visibleAt <= now) {
      settle(now);
      show(update);
      return;
    }
    latest.set(itemKey, update);
    pending.splice(
      firstAt(pending, (other) => other.visibleAt > visibleAt),
      0,
      update,
    );
  }

  function rows(partition: string, now: EpochMs): Rows {
    settle(now);
    return partitions.get(partition) ?? new SortedRows();
  }

  function firsts(now: EpochMs) {
    settle(now);
    return [...partitions].flatMap(([partition, inIt]) => {
      const first = inIt.at(0);
      return first ? [[partition, first.range] as const] : [];
    });
  }

  function settle(now: EpochMs): void {
    if ((pending[0]?.visibleAt ?? Infinity) > now) return;
    const visible = firstAt(pending, ({ visibleAt }) => visibleAt > now);
    for (const update of pending.splice(0, visible)) {
      if (latest.get(update.itemKey) === update) latest.delete(update.itemKey);
      show(update);
    }
  }

  function show({ itemKey, entry }: Pending): void {
    const old = shown.get(itemKey);
    if (old) removeRow(partitions, old.partition, old.row);
    if (!entry) {
      shown.delete(itemKey);
      return;
    }
    shown.set(itemKey, entry);
    putRow(partitions, entry.partition, entry.row);
  }

  const writtenBy = (before: Item | undefined, after: Item | undefined): readonly string[] =>
    isSameEntry(keys, projects, before, after) ? [] : partitionsWritten(keys, before, after);

  return { keys, check: (item) => checkKeys(name, keys, item), follow, writtenBy, rows, firsts };
}

function partitionsWritten(keys: Keys, before: Item = {}, after: Item = {}): string[] {
  const [old, next] = [before, after].map((item) => (keys.range in item ? item[keys.hash]?.S : undefined));
  const isInPlace = old === next && isDeepStrictEqual(before[keys.range], after[keys.range]);
  return [isInPlace ? undefined : old, next].flatMap((partition) => partition ?? []);
}

function isSameEntry(keys: Keys, projects: readonly string[], before: Item = {}, after: Item = {}): boolean {
  const isIn = (item: Item) => keys.hash in item && keys.range in item;
  if (!isIn(before) || !isIn(after)) return isIn(before) === isIn(after);
  const { hash, range, rangeType } = keys;
  if (before[hash]?.S !== after[hash]?.S || before[range]?.[rangeType] !== after[range]?.[rangeType]) return false;
  return projects.every((attribute) => isDeepStrictEqual(before[attribute], after[attribute]));
}

function checkKeys(index: string, keys: Keys, item: Item): void {
  const [hash, range] = [item[keys.hash], item[keys.range]];
  if (hash) checkKey(index, keys.hash, hash, "S");
  if (range) checkKey(index, keys.range, range, keys.rangeType);
}

/** Nothing if the item has not both keys. */
function entryOf(keys: Keys, projects: readonly string[], item: Item): Entry | undefined {
  const [hash, range] = [item[keys.hash], item[keys.range]];
  if (!hash || !range) return undefined;
  const [pk, sk] = [item["pk"] ?? NO_KEY, item["sk"] ?? NO_KEY];
  const others = projects.flatMap((attribute) => (item[attribute] ? [[attribute, item[attribute]] as const] : []));
  const projected = Object.freeze({ ...Object.fromEntries(others), pk, sk, [keys.hash]: hash, [keys.range]: range });
  const place = { range: rangeOf(range), pk: pk.S ?? "", sk: sk.S ?? "" };
  return { partition: hash.S ?? "", row: { ...place, item: projected } };
}

const NO_KEY: AttributeValue = { S: "" };

function checkKey(index: string, name: string, value: AttributeValue, expected: "S" | "N"): void {
  if (value[expected] === undefined) {
    throw invalid(
      `Type mismatch for Index Key ${name} Expected: ${expected} Actual: ${typeOf(value)} IndexName: ${index}`,
    );
  }
  if (value.S === "")
    throw invalid(`The update expression attempted to set an empty key: ${name}, IndexName: ${index}`);
}

export function rangeOf(value: AttributeValue): string | number {
  return value.S ?? Number(value.N);
}

export function compareRange(a: string | number, b: string | number): number {
  return typeof a === "string" ? compareText(a, String(b)) : a - Number(b);
}

function comparePlaces(a: Place, b: Place): number {
  return compareRange(a.range, b.range) || compareText(a.pk, b.pk) || compareText(a.sk, b.sk);
}

/** The position of the first row at a place, or of the first one after it. */
export function positionOf(rows: Rows, place: Place, where: "at" | "after"): number {
  return rows.firstAt((row) => {
    const order = comparePlaces(row, place);
    return where === "at" ? order >= 0 : order > 0;
  });
}

/** Replaces the row that was there. */
export function putRow(partitions: Map<string, Rows>, partition: string, row: Row): void {
  let rows = partitions.get(partition);
  if (!rows) partitions.set(partition, (rows = new SortedRows()));
  const at = positionOf(rows, row, "at");
  const there = rows.at(at);
  rows.splice(at, there && comparePlaces(there, row) === 0 ? 1 : 0, row);
}

export function removeRow(partitions: Map<string, Rows>, partition: string, place: Place): void {
  const rows = partitions.get(partition);
  if (!rows) return;
  const at = positionOf(rows, place, "at");
  const there = rows.at(at);
  if (there && comparePlaces(there, place) === 0) rows.splice(at, 1);
  if (rows.length === 0) partitions.delete(partition);
}
