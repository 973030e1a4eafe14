import type { EpochMs } from "../clock.ts";
import { parseExactly } from "../job/exact-json.ts";
import type { Item, Table } from "../store/table.ts";
import type { Columns, Dataset, Origin, Row, SavedPart } from "./dataset.ts";

// The layout of a dataset: in the table, one item for its head and one for each part; in the bucket, files of rows,
// one JSON object a line.

export interface Head extends Omit<Dataset, "name"> {
  readonly version: number;
  /** Only parts of this generation are visible; every replacement begins a new one. */
  readonly generation: string;
  readonly origin?: Origin;
}

/** The rows that one job has added. */
export interface Part extends SavedPart {
  readonly jobId: string;
  readonly generation: string;
  readonly at: EpochMs;
  readonly result: Readonly<Record<string, unknown>>;
}

export interface DatasetId {
  readonly appId: string;
  readonly name: string;
}

/** `jobId` holds the job's id and its time of creation. */
export interface PartId extends DatasetId {
  readonly jobId: string;
}

export const NOTHING: SavedPart = { rows: 0, bytes: 0, files: [] };

export async function headOf(table: Table, id: DatasetId): Promise<Head | undefined> {
  const found = await table.get(headKey(id));
  return found && headIn(found);
}

export async function partOf(table: Table, id: PartId): Promise<Part | undefined> {
  return (await table.get(partKey(id))) as Part | undefined;
}

/** The parts of all generations. */
export async function partsOf(table: Table, id: DatasetId): Promise<Part[]> {
  const items = await itemsIn(table, partKey({ ...id, jobId: "" }));
  return items as unknown as Part[];
}

export async function datasetsOf(table: Table, appId: string): Promise<Dataset[]> {
  const key = headKey({ appId, name: "" });
  const items = await itemsIn(table, key);
  return items.map((item) => viewOf(String(item["sk"]).slice(key.sk.length), headIn(item)));
}

export function viewOf(name: string, { rows, bytes, columns, dateField, updatedAt }: Head): Dataset {
  return { name, rows, bytes, columns, dateField, updatedAt };
}

export function headItem(id: DatasetId, head: Head): Item {
  // A map in DynamoDB has no order, and reports keep the order of the columns.
  return { ...headKey(id), ...head, columns: JSON.stringify(head.columns) };
}

export function partItem(id: PartId, part: Part): Item {
  return { ...partKey(id), ...part };
}

export function partKey({ appId, name, jobId }: PartId) {
  return { pk: `DATASET#${appId}#${name}`, sk: `PART#${jobId}` };
}

function headKey({ appId, name }: DatasetId) {
  return { pk: `APP#${appId}`, sk: `DATASET#${name}` };
}

function headIn(item: Item): Head {
  const head = item as unknown as Head;
  return { ...head, columns: JSON.parse(String(item["columns"])) as Columns };
}

/** All items of a partition whose sort keys have the prefix `sk`. */
async function itemsIn(table: Table, { pk, sk }: { pk: string; sk: string }): Promise<Item[]> {
  return table.queryAll({
    KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
    values: { ":pk": pk, ":prefix": sk },
    ConsistentRead: true,
  });
}

export function folderOfApp(appId: string): string {
  return `datasets/${appId}/`;
}

export function folderOf({ appId, name, jobId }: PartId): string {
  return `${folderOfApp(appId)}${name}/${jobId}/`;
}

export function folderOfAttempt(id: PartId, attempt: number): string {
  return `${folderOf(id)}${attempt}/`;
}

/** Each attempt has its own files, so that one that has lost its lease can't change those of another. */
export function fileKey(id: PartId, attempt: number, index: number): string {
  return `${folderOfAttempt(id, attempt)}${String(index).padStart(5, "0")}.ndjson`;
}

export function fileKeys(id: PartId, { files }: SavedPart): string[] {
  return files.flatMap(([attempt, count]) => Array.from({ length: count }, (_, index) => fileKey(id, attempt, index)));
}

/** The rows of a file, chunk by chunk. */
export async function* rowsIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Row[]> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (lines.length > 0) yield lines.map((line) => parseExactly(line) as Row);
  }
  if (rest !== "") throw new Error("A dataset's file ends within a row");
}
