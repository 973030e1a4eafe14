import type {
  AttributeValue,
  BatchGetItemCommandInput,
  GetItemCommandInput,
  QueryCommandInput,
} from "@aws-sdk/client-dynamodb";
import { checkParameters } from "./client.ts";
import { invalid } from "./dynamodb-errors.ts";
import { checkPlaceholders, holds, nameOf } from "./dynamodb-expression.ts";
import { positionOf, type Row } from "./dynamodb-index.ts";
import { boundsOf, isAfter, isBefore, startOf } from "./dynamodb-key-condition.ts";
import {
  BATCH_GET,
  BATCH_GET_TABLE,
  GET,
  LARGEST_BATCH,
  QUERY,
  checkTable,
  keyOf,
  picked,
  type Parts,
} from "./dynamodb-request.ts";
import { parseCondition, parseProjection } from "./dynamodb-syntax.ts";
import { TABLE_KEYS, idOf } from "./dynamodb-table.ts";
import { itemBytes, type Item } from "./dynamodb-value.ts";

// The reads of DynamoDB: of an item, of a batch, and by a query.

const LARGEST_BATCH_BYTES = 16 * 1_024 * 1_024;

export function getItem(parts: Parts, input: Partial<GetItemCommandInput>): object {
  checkParameters(input, GET);
  checkTable(parts, input.TableName);
  const item = parts.table.item(keyOf(input.Key), input.ConsistentRead);
  return item ? { Item: item } : {};
}

export function batchGetItem(parts: Parts, input: Partial<BatchGetItemCommandInput>): object {
  checkParameters(input, BATCH_GET);
  const requests = Object.entries(input.RequestItems ?? {});
  const [[name, request] = ["", { Keys: [] }]] = requests;
  if (requests.length > 1) throw new Error("The model of DynamoDB has one table");
  checkTable(parts, name);
  checkParameters(request, BATCH_GET_TABLE);
  const { Keys = [], ConsistentRead } = request;
  if (Keys.length < 1 || Keys.length > LARGEST_BATCH) throw invalid(`Expected 1 to ${LARGEST_BATCH} keys`);
  const keys = Keys.map(keyOf);
  if (new Set(keys.map(idOf)).size < keys.length) throw invalid("Provided list of item keys contains duplicates");
  const found: Item[] = [];
  const left: Record<string, AttributeValue>[] = [];
  let bytes = 0;
  for (const [at, key] of keys.entries()) {
    const item = parts.table.item(key, ConsistentRead);
    if (item) bytes += itemBytes(item);
    if (at > 0 && (bytes > LARGEST_BATCH_BYTES || parts.unprocessed())) left.push(Keys[at] ?? {});
    else if (item) found.push(item);
  }
  const UnprocessedKeys = left.length > 0 ? { [name]: { ...request, Keys: left } } : {};
  return { Responses: { [name]: parts.shuffle(found) }, UnprocessedKeys };
}

export function query(parts: Parts, input: QueryCommandInput): object {
  checkParameters(input, QUERY);
  checkTable(parts, input.TableName);
  const { IndexName, FilterExpression, ProjectionExpression, ExclusiveStartKey, Select, Limit = Infinity } = input;
  const index = IndexName === undefined ? undefined : parts.table.indexes.get(IndexName);
  if (IndexName !== undefined && !index) throw invalid(`The table does not have the specified index: ${IndexName}`);
  if (index && input.ConsistentRead) throw invalid("Consistent reads are not supported on global secondary indexes");
  if (Limit < 1) throw invalid("Limit must be greater than or equal to 1");
  const keys = index?.keys ?? TABLE_KEYS;
  const keyCondition = parseCondition(input.KeyConditionExpression ?? "");
  const filter = FilterExpression === undefined ? undefined : parseCondition(FilterExpression);
  const projection = ProjectionExpression === undefined ? undefined : parseProjection(ProjectionExpression);
  checkPlaceholders([keyCondition, filter, projection], input);
  if (Select !== undefined && (Select !== "COUNT" || projection))
    throw new Error(`The model knows no Select ${Select}`);

  const bounds = boundsOf(keyCondition.tree, keys, input);
  parts.onQuery(IndexName, bounds.partition);
  const rows = index
    ? index.rows(bounds.partition, parts.now())
    : parts.table.rows(bounds.partition, input.ConsistentRead);
  let from = rows.firstAt((row) => !isBefore(row.range, bounds));
  let to = rows.firstAt((row) => isAfter(row.range, bounds));
  const isBackwards = input.ScanIndexForward === false;
  if (ExclusiveStartKey) {
    const start = startOf(ExclusiveStartKey, keys, bounds);
    if (isBackwards) to = Math.min(to, positionOf(rows, start, "at"));
    else from = Math.max(from, positionOf(rows, start, "after"));
  }

  const found: Item[] = [];
  let [scanned, bytes] = [0, 0];
  let last: Item | undefined;
  while (from + scanned < to && scanned < Limit) {
    const { item } = rows.at(isBackwards ? to - 1 - scanned : from + scanned) as Row;
    bytes += itemBytes(item);
    if (last && bytes > parts.pageBytes) break;
    last = item;
    scanned += 1;
    if (!filter || holds(filter.tree, item, input)) found.push(item);
  }
  // A page as long as its limit names its last item even when no other follows.
  const isFull = scanned === Limit || from + scanned < to;
  const names = projection?.tree.map((name) => nameOf(name, input));
  return {
    ...(Select !== "COUNT" && { Items: names ? found.map((item) => picked(item, names)) : found }),
    Count: found.length,
    ScannedCount: scanned,
    ...(last && isFull && { LastEvaluatedKey: picked(last, ["pk", "sk", keys.hash, keys.range]) }),
  };
}
