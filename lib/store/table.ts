import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  TransactionCanceledException,
  UpdateItemCommand,
  type AttributeValue,
  type BatchGetItemCommandOutput,
  type QueryCommandInput,
  type TransactWriteItem,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { BUSY_CLIENT_DEFAULTS, adapted, askOf, lean } from "../aws.ts";
import { SECOND, type Clock, type EpochMs } from "../clock.ts";
import { Unavailable } from "../errors.ts";

// The one table: the calls of every store, in plain values. Reads of single items are consistent.

export type Item = Record<string, unknown>;
export type ItemKey = { readonly pk: string; readonly sk: string };

/** Expressions of DynamoDB; `values` are those that they name, as plain values. */
export interface Expressions {
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly values?: Item;
}

export type Condition = Omit<Expressions, "UpdateExpression">;

/**
 * The result of a write. `item`: where the condition did not hold, the item as it is; where it held, the item after
 * the write if that was asked for.
 */
export interface Written {
  readonly held: boolean;
  readonly item: Item | undefined;
  /** The SDK has tried more than once: what failed the condition may be the write of an earlier try. */
  readonly isRepeated?: true;
}

/** One write of a transaction. */
export type Write =
  | { readonly put: Item; readonly when?: Condition }
  | { readonly update: ItemKey; readonly by: Expressions };

/** `contended`: another transaction was in the way, and a further try may work. */
export type Transacted =
  | { readonly kind: "written" }
  /** In the order of the writes: the items of those whose condition failed. */
  | { readonly kind: "refused"; readonly failed: readonly (Written | undefined)[]; readonly cause: Error }
  | { readonly kind: "contended"; readonly failed: readonly (Written | undefined)[]; readonly cause: Error };

export interface Query extends Omit<
  QueryCommandInput,
  "TableName" | "ExpressionAttributeValues" | "ExclusiveStartKey"
> {
  readonly values: Item;
  /** The key of the last item of the page before. */
  readonly after?: Item | undefined;
}

export interface Page {
  readonly items: readonly Item[];
  readonly next: Item | undefined;
  readonly count: number;
}

const PART = "The jobs table";
const CONDITION_FAILED = "ConditionalCheckFailed";
const MARSHALL = { removeUndefinedValues: true };
/** DynamoDB's limits of a BatchGetItem and of a BatchWriteItem. */
const LARGEST_READ = 100;
const LARGEST_WRITE = 25;
const MOST_ROUNDS = 5;

export type Table = ReturnType<typeof createTable>;

interface Parts {
  readonly name: string;
  readonly clock: Clock;
  readonly client?: DynamoDBClient;
}

/** The target of calls. The client is made at first use, since some functions never call the table. */
interface Connection {
  readonly name: string;
  readonly clock: Clock;
  readonly dynamodb: () => DynamoDBClient;
}

/** Every call throws `Unavailable` when the table could not answer. */
export function createTable({ name, clock, client: given }: Parts) {
  let client = given;
  const dynamodb = () => (client ??= adapted(lean(new DynamoDBClient(BUSY_CLIENT_DEFAULTS))));
  const connection = { name, clock, dynamodb };
  return { ...readsOf(connection), ...writesOf(connection), ...batchesOf(connection), unavailable };
}

function readsOf(connection: Connection) {
  const { name, dynamodb } = connection;

  async function get(key: ItemKey): Promise<Item | undefined> {
    const command = new GetItemCommand({ TableName: name, Key: marshall(key), ConsistentRead: true });
    const { Item: found } = await askOf(PART, dynamodb().send(command));
    return found && unmarshall(found);
  }

  /** The items that exist, in no order. */
  async function getMany(keys: readonly ItemKey[], options: { readonly consistent: boolean }): Promise<Item[]> {
    const found: Item[] = [];
    for (let from = 0; from < keys.length; from += LARGEST_READ) {
      const batch = keys.slice(from, from + LARGEST_READ).map((key) => marshall(key));
      found.push(...(await getBatch(batch, options.consistent, connection)));
    }
    return found;
  }

  async function query({ values, after, ...input }: Query): Promise<Page> {
    const command = new QueryCommand({
      TableName: name,
      ...input,
      ExpressionAttributeValues: marshall(values),
      ...(after && { ExclusiveStartKey: marshall(after) }),
    });
    const { Items = [], LastEvaluatedKey, Count = 0 } = await askOf(PART, dynamodb().send(command));
    const next = LastEvaluatedKey && unmarshall(LastEvaluatedKey);
    return { items: Items.map((item) => unmarshall(item)), next, count: Count };
  }

  /** All pages of a query. */
  async function queryAll(asked: Omit<Query, "after">): Promise<Item[]> {
    const items: Item[] = [];
    let after: Item | undefined;
    do {
      const page = await query({ ...asked, after });
      items.push(...page.items);
      after = page.next;
    } while (after);
    return items;
  }

  return { get, getMany, query, queryAll };
}

async function getBatch(
  keys: Record<string, AttributeValue>[],
  consistent: boolean,
  { name, clock, dynamodb }: Connection,
): Promise<Item[]> {
  const found: Item[] = [];
  let wanted: Record<string, AttributeValue>[] | undefined = keys;
  for (let round = 0; wanted?.length; round += 1) {
    if (round === MOST_ROUNDS) throw unavailable(`it left keys unprocessed ${MOST_ROUNDS} times`);
    if (round > 0) await clock.sleep(50 * 2 ** round);
    const request = new BatchGetItemCommand({
      RequestItems: { [name]: { Keys: wanted, ConsistentRead: consistent } },
    });
    const answer: BatchGetItemCommandOutput = await askOf(PART, dynamodb().send(request));
    found.push(...(answer.Responses?.[name] ?? []).map((item) => unmarshall(item)));
    wanted = answer.UnprocessedKeys?.[name]?.Keys;
  }
  return found;
}

function writesOf({ name, dynamodb }: Connection) {
  const inTable = { TableName: name };

  async function put(item: Item, when?: Condition): Promise<Written> {
    const command = new PutItemCommand({ ...inTable, Item: marshall(item, MARSHALL), ...conditional(when) });
    return judged(dynamodb().send(command));
  }

  /** A put without a condition. Returns the item that it replaced. */
  async function replace(item: Item): Promise<Item | undefined> {
    const command = new PutItemCommand({ ...inTable, Item: marshall(item, MARSHALL), ReturnValues: "ALL_OLD" });
    const { Attributes } = await askOf(PART, dynamodb().send(command));
    return Attributes && unmarshall(Attributes);
  }

  async function update(key: ItemKey, by: Expressions, returns: "ALL_NEW" | "NONE" = "NONE"): Promise<Written> {
    const expressions = { ...inTable, Key: marshall(key), ...conditional(by) };
    return judged(dynamodb().send(new UpdateItemCommand({ ...expressions, ReturnValues: returns })));
  }

  /** True if the condition held, also where there was no such item. */
  async function remove(key: ItemKey, when?: Condition): Promise<boolean> {
    const command = new DeleteItemCommand({ ...inTable, Key: marshall(key), ...conditional(when) });
    return (await judged(dynamodb().send(command))).held;
  }

  return { put, replace, update, remove };
}

function batchesOf({ name, dynamodb }: Connection) {
  const inTable = { TableName: name };

  /** Throws `Unavailable` when items are left. */
  async function removeMany(keys: readonly ItemKey[]): Promise<void> {
    for (let from = 0; from < keys.length; from += LARGEST_WRITE) {
      const requests = keys.slice(from, from + LARGEST_WRITE).map((key) => ({ DeleteRequest: { Key: marshall(key) } }));
      const command = new BatchWriteItemCommand({ RequestItems: { [name]: requests } });
      const { UnprocessedItems } = await askOf(PART, dynamodb().send(command));
      if (UnprocessedItems?.[name]?.length) throw unavailable("it left writes unprocessed");
    }
  }

  /** All writes or none. */
  async function transact(writes: readonly Write[]): Promise<Transacted> {
    const command = new TransactWriteItemsCommand({ TransactItems: writes.map(transactItem) });
    try {
      await askOf(PART, dynamodb().send(command));
      return { kind: "written" };
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const failed = (error.CancellationReasons ?? []).map(({ Code, Item: stands }) =>
        Code === CONDITION_FAILED ? { held: false, item: stands && unmarshall(stands) } : undefined,
      );
      return { kind: failed.some(Boolean) ? "refused" : "contended", failed, cause: error };
    }
  }

  function transactItem(write: Write): TransactWriteItem {
    if ("put" in write) return { Put: { ...inTable, Item: marshall(write.put, MARSHALL), ...conditional(write.when) } };
    const { UpdateExpression = "", ...conditions } = conditional(write.by);
    return { Update: { ...inTable, Key: marshall(write.update), UpdateExpression, ...conditions } };
  }

  return { removeMany, transact };
}

/** The error of a store that gives up on the table. */
function unavailable(why: string, cause?: Error): Unavailable {
  return new Unavailable(PART, cause ?? new Error(why));
}

/** Asks for the item at a failed condition, which saves a read. */
function conditional({ values, ...expressions }: Expressions = {}) {
  return {
    ...expressions,
    ...(values && { ExpressionAttributeValues: marshall(values, MARSHALL) }),
    ...(expressions.ConditionExpression !== undefined && { ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const }),
  };
}

async function judged(write: Promise<{ Attributes?: Record<string, AttributeValue> | undefined }>): Promise<Written> {
  try {
    const { Attributes } = await askOf(PART, write);
    return { held: true, item: Attributes && unmarshall(Attributes) };
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    const isRepeated = (error.$metadata.attempts ?? 1) > 1;
    return { held: false, item: error.Item && unmarshall(error.Item), ...(isRepeated && { isRepeated }) };
  }
}

/** The second of expiry, for TTL, which deletes within days of it. */
export function expirySeconds(expiresAt: EpochMs): number {
  return Math.ceil(expiresAt / SECOND);
}

/** TTL deletes late: an expired item counts as deleted. */
export function hasExpired(item: Item, now: EpochMs): boolean {
  return item["expiresAt"] !== undefined && Number(item["expiresAt"]) * SECOND <= now;
}

/** The condition that an item is at a version; 0 is an absent item. */
export function atVersion(version: number): Condition {
  return version === 0
    ? { ConditionExpression: "attribute_not_exists(pk)" }
    : { ConditionExpression: "version = :version", values: { ":version": version } };
}
