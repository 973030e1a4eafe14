import type { QueryCommandInput } from "@aws-sdk/client-dynamodb";
import type { Command } from "./client.ts";
import { batchGetItem, getItem, query } from "./dynamodb-read.ts";
import type { Parts } from "./dynamodb-request.ts";
import { createTable, type TableOptions } from "./dynamodb-table.ts";
import type { Item } from "./dynamodb-value.ts";
import { batchWriteItem, transactWriteItems, write } from "./dynamodb-write.ts";

// DynamoDB with one table, as its clients see it: every call is one atomic step. What AWS leaves open (the lag of
// an index or an eventually consistent read, the order of a batch) the caller draws.

export interface DynamoDbOptions extends TableOptions {
  readonly table: string;
  /** Called after each query, with the index, if it was one of an index, and the partition. */
  readonly onQuery?: (index: string | undefined, partition: string) => void;
  /** How much a query reads before it ends its page. Default 1 MiB. */
  readonly pageBytes?: number;
  /** Whether a batch leaves a key or a write unprocessed; never its first. Default: no. */
  readonly unprocessed?: () => boolean;
  /** The order of a batch's items. Default: as asked for. */
  readonly shuffle?: <T>(items: T[]) => T[];
}

const PAGE_BYTES = 1_024 * 1_024;

export function createDynamoDb(options: DynamoDbOptions) {
  const table = createTable(options);
  const parts: Parts = {
    now: options.now,
    tableName: options.table,
    table,
    pageBytes: options.pageBytes ?? PAGE_BYTES,
    unprocessed: options.unprocessed ?? (() => false),
    shuffle: options.shuffle ?? ((items) => items),
    onQuery: options.onQuery ?? (() => {}),
    tokens: new Map(),
  };
  return {
    /** Answers as the SDK's client would, at once. */
    send: async (command: Command): Promise<object> => {
      return { ...answerTo(parts, command), $metadata: { httpStatusCode: 200 } };
    },
    /** Every item as it is now, in DynamoDB's JSON. */
    items: table.items,
    /** The partitions of an index, each with the first range key in it. */
    firsts: (index: string): readonly (readonly [partition: string, first: string | number])[] =>
      table.indexes.get(index)?.firsts(options.now()) ?? [],
    /** Deletes, as TTL does at some time within days, those expired items that are chosen. Default: all. */
    removeExpired: (isChosen: (item: Item) => boolean = () => true) => table.removeExpired(isChosen),
  };
}

function answerTo(parts: Parts, command: Command): object {
  const { input } = command;
  const { name } = command.constructor;
  switch (name) {
    case "GetItemCommand":
      return getItem(parts, input);
    case "BatchGetItemCommand":
      return batchGetItem(parts, input);
    case "QueryCommand":
      return query(parts, input as QueryCommandInput);
    case "PutItemCommand":
      return write(parts, "Put", input);
    case "UpdateItemCommand":
      return write(parts, "Update", input);
    case "DeleteItemCommand":
      return write(parts, "Delete", input);
    case "BatchWriteItemCommand":
      return batchWriteItem(parts, input);
    case "TransactWriteItemsCommand":
      return transactWriteItems(parts, input, command);
    default:
      throw new Error(`The model of DynamoDB knows no ${name}`);
  }
}
