import { ResourceNotFoundException, type AttributeValue, type TransactWriteItem } from "@aws-sdk/client-dynamodb";
import type { EpochMs } from "../../../lib/clock.ts";
import { CLIENT_FAULT, invalid } from "./dynamodb-errors.ts";
import type { Substitutes } from "./dynamodb-expression.ts";
import type { ItemKey } from "./dynamodb-index.ts";
import { keyIn, type Table } from "./dynamodb-table.ts";
import type { Item } from "./dynamodb-value.ts";

// The requests of DynamoDB that the model knows: their parameters, their keys, and what they are answered from.

/** The state and the options that reads and writes work on. */
export interface Parts {
  readonly now: () => EpochMs;
  readonly tableName: string;
  readonly table: Table;
  /** How much a query reads before it ends its page. */
  readonly pageBytes: number;
  /** Whether a batch leaves a key or a write unprocessed. */
  readonly unprocessed: () => boolean;
  /** The order of a batch's items. */
  readonly shuffle: <T>(items: T[]) => T[];
  readonly onQuery: (index: string | undefined, partition: string) => void;
  /** Of recent transactions, the oldest first. */
  readonly tokens: Map<unknown, { readonly until: EpochMs; readonly request: string }>;
}

export const LARGEST_BATCH = 100;
const LARGEST_KEY = { pk: 2_048, sk: 1_024 };

/** The fields that the four kinds of writes have in common. */
export interface WriteRequest extends Substitutes {
  readonly TableName?: string | undefined;
  readonly Item?: Record<string, AttributeValue> | undefined;
  readonly Key?: Record<string, AttributeValue> | undefined;
  readonly UpdateExpression?: string | undefined;
  readonly ConditionExpression?: string | undefined;
  readonly ReturnValues?: string | undefined;
  readonly ReturnValuesOnConditionCheckFailure?: string | undefined;
}

export type WriteKind = keyof TransactWriteItem;

export const GET = new Set(["TableName", "Key", "ConsistentRead"]);
export const BATCH_GET = new Set(["RequestItems"]);
export const BATCH_WRITE = new Set(["RequestItems"]);
export const BATCH_GET_TABLE = new Set(["Keys", "ConsistentRead"]);
const SUBSTITUTES = ["ExpressionAttributeNames", "ExpressionAttributeValues"];
export const QUERY = new Set([
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
export const TRANSACT = new Set(["TransactItems", "ClientRequestToken"]);
export const TRANSACT_PART: Readonly<Record<WriteKind, ReadonlySet<string>>> = {
  Put: new Set([...CONDITIONAL, "Item"]),
  Update: new Set([...CONDITIONAL, "Key", "UpdateExpression"]),
  Delete: new Set([...CONDITIONAL, "Key"]),
  ConditionCheck: new Set([...CONDITIONAL, "Key"]),
};
export const WRITE: Readonly<Record<WriteKind, ReadonlySet<string>>> = {
  ...TRANSACT_PART,
  Put: new Set([...TRANSACT_PART.Put, "ReturnValues"]),
  Update: new Set([...TRANSACT_PART.Update, "ReturnValues"]),
  Delete: new Set([...TRANSACT_PART.Delete, "ReturnValues"]),
};

export function checkTable({ tableName }: Parts, name: string | undefined): void {
  if (name === tableName) return;
  throw new ResourceNotFoundException({ message: "Requested resource not found", ...CLIENT_FAULT });
}

export function keysAmong(item: Item = {}): Record<string, AttributeValue> {
  return picked(item, ["pk", "sk"]);
}

export function keyOf(key: Item = {}): ItemKey {
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

export function picked(item: Item, names: readonly string[]): Record<string, AttributeValue> {
  return Object.fromEntries(Object.entries(item).filter(([name]) => names.includes(name)));
}
