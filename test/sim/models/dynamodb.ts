import {
  ConditionalCheckFailedException,
  IdempotentParameterMismatchException,
  ResourceNotFoundException,
  TransactionCanceledException,
  type AttributeValue,
  type BatchGetItemCommandInput,
  type BatchWriteItemCommandInput,
  type CancellationReason,
  type GetItemCommandInput,
  type QueryCommandInput,
  type TransactWriteItem,
  type TransactWriteItemsCommandInput,
} from "@aws-sdk/client-dynamodb";
import { MINUTE, type EpochMs } from "../../../lib/clock.ts";
import { checkParameters, type Command } from "./client.ts";
import { CLIENT_FAULT, UnfitItem, invalid } from "./dynamodb-errors.ts";
import {
  attributesOf,
  checkPlaceholders,
  holds,
  nameOf,
  parseCondition,
  parseProjection,
  parseUpdate,
  updated,
  type Substitutes,
} from "./dynamodb-expression.ts";
import { boundsOf, isAfter, isBefore, startOf } from "./dynamodb-key-condition.ts";
import { firstAt, positionOf, type ItemKey, type Row } from "./dynamodb-index.ts";
import { TABLE_KEYS, createTable, idOf, keyIn, type TableOptions, type Write } from "./dynamodb-table.ts";
import { itemBytes, storedItem, type Item } from "./dynamodb-value.ts";

// DynamoDB with one table, as its clients see it: every call is one atomic step. What AWS leaves open (how far
// an index or an eventually consistent read is behind, in which order a batch comes) the caller draws.

export interface DynamoDbOptions extends TableOptions {
  readonly table: string;
  /** How much a query reads before it ends its page. Default 1 MiB. */
  readonly pageBytes?: number;
  /** Whether a batch leaves a key or a write unprocessed; never its first. Default: no. */
  readonly unprocessed?: () => boolean;
  /** The order of a batch's items. Default: as asked for. */
  readonly shuffle?: <T>(items: T[]) => T[];
}

/** What the four kinds of writes have in common. */
interface WriteRequest extends Substitutes {
  readonly TableName?: string | undefined;
  readonly Item?: Record<string, AttributeValue> | undefined;
  readonly Key?: Record<string, AttributeValue> | undefined;
  readonly UpdateExpression?: string | undefined;
  readonly ConditionExpression?: string | undefined;
  readonly ReturnValues?: string | undefined;
  readonly ReturnValuesOnConditionCheckFailure?: string | undefined;
}

type WriteKind = keyof TransactWriteItem;

const PAGE_BYTES = 1_024 * 1_024;
const LARGEST_BATCH = 100;
const LARGEST_BATCH_WRITE = 25;
const LARGEST_BATCH_BYTES = 16 * 1_024 * 1_024;
const LARGEST_KEY = { pk: 2_048, sk: 1_024 };
/** For how long a transaction's token protects it from being made twice. */
const TOKEN_LIFETIME = 10 * MINUTE;

export function createDynamoDb(options: DynamoDbOptions) {
  const { now, table: tableName, pageBytes = PAGE_BYTES } = options;
  const { unprocessed = () => false, shuffle = (items) => items } = options;
  const table = createTable(options);
  const tokens = new Map<unknown, { readonly until: EpochMs; readonly request: string }>();

  /** Answers as the SDK's client would, at once. */
  async function send(command: Command): Promise<object> {
    return { ...answerTo(command), $metadata: { httpStatusCode: 200 } };
  }

  function answerTo(command: Command): object {
    const { input } = command;
    const { name } = command.constructor;
    switch (name) {
      case "GetItemCommand":
        return getItem(input);
      case "BatchGetItemCommand":
        return batchGetItem(input);
      case "QueryCommand":
        return query(input as QueryCommandInput);
      case "PutItemCommand":
        return write("Put", input);
      case "UpdateItemCommand":
        return write("Update", input);
      case "DeleteItemCommand":
        return write("Delete", input);
      case "BatchWriteItemCommand":
        return batchWriteItem(input);
      case "TransactWriteItemsCommand":
        return transactWriteItems(input, command);
      default:
        throw new Error(`The model of DynamoDB knows no ${name}`);
    }
  }

  // ---- Reads ----

  function getItem(input: Partial<GetItemCommandInput>): object {
    checkParameters(input, GET);
    checkTable(input.TableName);
    const item = table.item(keyOf(input.Key), input.ConsistentRead);
    return item ? { Item: item } : {};
  }

  function batchGetItem(input: Partial<BatchGetItemCommandInput>): object {
    checkParameters(input, BATCH_GET);
    const requests = Object.entries(input.RequestItems ?? {});
    const [[name, request] = ["", { Keys: [] }]] = requests;
    if (requests.length > 1) throw new Error("The model of DynamoDB has one table");
    checkTable(name);
    checkParameters(request, BATCH_GET_TABLE);
    const { Keys = [], ConsistentRead } = request;
    if (Keys.length < 1 || Keys.length > LARGEST_BATCH) throw invalid(`Expected 1 to ${LARGEST_BATCH} keys`);
    const keys = Keys.map(keyOf);
    if (new Set(keys.map(idOf)).size < keys.length) throw invalid("Provided list of item keys contains duplicates");
    const found: Item[] = [];
    const left: Record<string, AttributeValue>[] = [];
    let bytes = 0;
    for (const [at, key] of keys.entries()) {
      const item = table.item(key, ConsistentRead);
      if (item) bytes += itemBytes(item);
      if (at > 0 && (bytes > LARGEST_BATCH_BYTES || unprocessed())) left.push(Keys[at] ?? {});
      else if (item) found.push(item);
    }
    const UnprocessedKeys = left.length > 0 ? { [name]: { ...request, Keys: left } } : {};
    return { Responses: { [name]: shuffle(found) }, UnprocessedKeys };
  }

  function query(input: QueryCommandInput): object {
    checkParameters(input, QUERY);
    checkTable(input.TableName);
    const { IndexName, FilterExpression, ProjectionExpression, ExclusiveStartKey, Select, Limit = Infinity } = input;
    const index = IndexName === undefined ? undefined : table.indexes.get(IndexName);
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
    const rows = index ? index.rows(bounds.partition, now()) : table.rows(bounds.partition, input.ConsistentRead);
    let from = firstAt(rows, (row) => !isBefore(row.range, bounds));
    let to = firstAt(rows, (row) => isAfter(row.range, bounds));
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
      const { item } = rows[isBackwards ? to - 1 - scanned : from + scanned] as Row;
      bytes += itemBytes(item);
      if (last && bytes > pageBytes) break;
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

  // ---- Writes ----

  function write(kind: WriteKind, input: WriteRequest): object {
    checkParameters(input, WRITE[kind]);
    const prepared = prepare(kind, input);
    table.commit([prepared]);
    const Attributes = returned(prepared, input);
    return Attributes && Object.keys(Attributes).length > 0 ? { Attributes } : {};
  }

  /** Each of its writes is a step of its own; some may be left undone, but never all. */
  function batchWriteItem(input: Partial<BatchWriteItemCommandInput>): object {
    checkParameters(input, BATCH_WRITE);
    const [[name, requests] = ["", []], ...others] = Object.entries(input.RequestItems ?? {});
    if (others.length > 0) throw new Error("The model of DynamoDB has one table");
    checkTable(name);
    if (requests.length < 1 || requests.length > LARGEST_BATCH_WRITE) {
      throw invalid(`Expected 1 to ${LARGEST_BATCH_WRITE} writes`);
    }
    const prepared = requests.map(({ PutRequest: put, DeleteRequest: remove }) =>
      put
        ? prepare("Put", { TableName: name, Item: put.Item })
        : prepare("Delete", { TableName: name, Key: remove?.Key }),
    );
    if (new Set(prepared.map(({ key }) => idOf(key))).size < prepared.length) {
      throw invalid("Provided list of item keys contains duplicates");
    }
    const left: typeof requests = [];
    for (const [at, request] of requests.entries()) {
      if (at > 0 && unprocessed()) left.push(request);
      else table.commit(prepared.slice(at, at + 1));
    }
    return { UnprocessedItems: left.length > 0 ? { [name]: left } : {} };
  }

  /** What a write comes to; throws what DynamoDB would if its condition fails or it is not allowed. */
  function prepare(kind: WriteKind, request: WriteRequest): Write {
    checkTable(request.TableName);
    const key = keyOf(kind === "Put" ? keysAmong(request.Item) : request.Key);
    const { ConditionExpression, UpdateExpression } = request;
    const condition = ConditionExpression === undefined ? undefined : parseCondition(ConditionExpression);
    const update = UpdateExpression === undefined ? undefined : parseUpdate(UpdateExpression);
    checkPlaceholders([condition, update], request);
    const changesKey = update && attributesOf(update.tree, request).some((name) => name === "pk" || name === "sk");
    if (changesKey) throw invalid("Cannot update attribute. This attribute is part of the key");

    const before = table.item(key, true);
    if (condition && !holds(condition.tree, before ?? {}, request)) {
      const showsItem = before && request.ReturnValuesOnConditionCheckFailure === "ALL_OLD";
      const message = "The conditional request failed";
      throw new ConditionalCheckFailedException({
        message,
        ...(showsItem && { Item: { ...before } }),
        ...CLIENT_FAULT,
      });
    }
    const after = afterOf();
    if (after && after !== before) table.check(after);
    return { key, before, after };

    function afterOf(): Item | undefined {
      if (kind === "Delete") return undefined;
      if (kind === "ConditionCheck") return before;
      if (kind === "Put") return storedItem(request.Item ?? {});
      if (!update) throw new Error("The model of DynamoDB knows no update without an UpdateExpression");
      return updated(update.tree, before ?? storedItem(request.Key ?? {}), request);
    }
  }

  /** The SDK gives a transaction a token, the same for all tries of one call: without one, that is the command. */
  function transactWriteItems(input: Partial<TransactWriteItemsCommandInput>, command: Command): object {
    checkParameters(input, TRANSACT);
    const { TransactItems = [], ClientRequestToken: token = command } = input;
    const request = JSON.stringify(TransactItems);
    const made = tokens.get(token);
    if (made && made.until > now()) {
      if (made.request === request) return {};
      const message = "The token was used for a request with other parameters";
      throw new IdempotentParameterMismatchException({ message, ...CLIENT_FAULT });
    }
    if (TransactItems.length < 1 || TransactItems.length > LARGEST_BATCH) throw invalid("Expected 1 to 100 items");
    const parts = TransactItems.flatMap((item) => Object.entries(item) as [WriteKind, WriteRequest][]);
    const keys = parts.map(([kind, part]) => idOf(keyOf(kind === "Put" ? keysAmong(part.Item) : part.Key)));
    if (new Set(keys).size < TransactItems.length) {
      throw invalid("Transaction request cannot include multiple operations on one item");
    }
    const outcomes = parts.map(([kind, part]) => prepared(kind, part));
    if (outcomes.some((outcome) => "Code" in outcome)) {
      const CancellationReasons = outcomes.map((outcome) => ("Code" in outcome ? outcome : { Code: "None" }));
      const codes = CancellationReasons.map(({ Code }) => Code).join(", ");
      const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
      throw new TransactionCanceledException({ message, CancellationReasons, ...CLIENT_FAULT });
    }
    table.commit((outcomes as Write[]).filter(({ before, after }) => before !== after));
    // The oldest come first.
    for (const [old, { until }] of tokens) {
      if (until > now()) break;
      tokens.delete(old);
    }
    tokens.delete(token);
    tokens.set(token, { until: now() + TOKEN_LIFETIME, request });
    return {};
  }

  function prepared(kind: WriteKind, part: WriteRequest): Write | CancellationReason {
    checkParameters(part, TRANSACT_PART[kind]);
    if (kind === "ConditionCheck" && part.ConditionExpression === undefined) throw invalid("A check needs a condition");
    try {
      return prepare(kind, part);
    } catch (error) {
      if (error instanceof UnfitItem) return { Code: "ValidationError", Message: error.message };
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      const { message: Message, Item } = error;
      return { Code: "ConditionalCheckFailed", Message, ...(Item && { Item }) };
    }
  }

  function checkTable(name: string | undefined): void {
    if (name === tableName) return;
    throw new ResourceNotFoundException({ message: "Requested resource not found", ...CLIENT_FAULT });
  }

  return {
    send,
    /** Every item as it is now, in DynamoDB's JSON. */
    items: table.items,
    /** Deletes, as TTL does at some time within days, those expired items that are chosen. Default: all. */
    removeExpired: (isChosen: (item: Item) => boolean = () => true) => table.removeExpired(isChosen),
  };
}

// ---- What a call may say ----

const GET = new Set(["TableName", "Key", "ConsistentRead"]);
const BATCH_GET = new Set(["RequestItems"]);
const BATCH_WRITE = new Set(["RequestItems"]);
const BATCH_GET_TABLE = new Set(["Keys", "ConsistentRead"]);
const SUBSTITUTES = ["ExpressionAttributeNames", "ExpressionAttributeValues"];
const QUERY = new Set([
  "TableName",
  "IndexName",
  "KeyConditionExpression",
  "FilterExpression",
  "ProjectionExpression",
  "Select",
  "ConsistentRead",
  "ScanIndexForward",
  "Limit",
  "ExclusiveStartKey",
  ...SUBSTITUTES,
]);
const CONDITIONAL = ["TableName", "ConditionExpression", "ReturnValuesOnConditionCheckFailure", ...SUBSTITUTES];
const TRANSACT = new Set(["TransactItems", "ClientRequestToken"]);
const TRANSACT_PART: Readonly<Record<WriteKind, ReadonlySet<string>>> = {
  Put: new Set([...CONDITIONAL, "Item"]),
  Update: new Set([...CONDITIONAL, "Key", "UpdateExpression"]),
  Delete: new Set([...CONDITIONAL, "Key"]),
  ConditionCheck: new Set([...CONDITIONAL, "Key"]),
};
const WRITE: Readonly<Record<WriteKind, ReadonlySet<string>>> = {
  ...TRANSACT_PART,
  Put: new Set([...TRANSACT_PART.Put, "ReturnValues"]),
  Update: new Set([...TRANSACT_PART.Update, "ReturnValues"]),
  Delete: new Set([...TRANSACT_PART.Delete, "ReturnValues"]),
};

function keysAmong(item: Item = {}): Record<string, AttributeValue> {
  return picked(item, ["pk", "sk"]);
}

function keyOf(key: Item = {}): ItemKey {
  const { pk, sk } = key;
  if (pk?.S === undefined || sk?.S === undefined || Object.keys(key).length !== 2) {
    throw invalid("The provided key element does not match the schema");
  }
  for (const name of ["pk", "sk"] as const) {
    const bytes = Buffer.byteLength(key[name]?.S ?? "");
    if (bytes === 0)
      throw invalid(`The AttributeValue for a key attribute cannot contain an empty string. Key: ${name}`);
    if (bytes > LARGEST_KEY[name]) throw invalid(`Size of key ${name} exceeds ${LARGEST_KEY[name]} bytes`);
  }
  return keyIn(key);
}

function picked(item: Item, names: readonly string[]): Record<string, AttributeValue> {
  return Object.fromEntries(Object.entries(item).filter(([name]) => names.includes(name)));
}

/** What lib/ asks for, and what was there before a put or a deletion. */
function returned({ before, after }: Write, request: WriteRequest): Item | undefined {
  const { ReturnValues = "NONE", UpdateExpression } = request;
  if (ReturnValues === "NONE") return undefined;
  if (UpdateExpression === undefined && ReturnValues === "ALL_OLD") return before;
  if (UpdateExpression !== undefined && ReturnValues === "ALL_NEW") return after;
  if (UpdateExpression !== undefined && ReturnValues === "UPDATED_NEW") {
    return picked(after ?? {}, attributesOf(parseUpdate(UpdateExpression).tree, request));
  }
  throw new Error(`The model of DynamoDB does not know what ReturnValues ${ReturnValues} gives for this write`);
}
