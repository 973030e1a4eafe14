import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import { expressionsOf } from "../../lib/store/job-item.ts";
import type { Expressions } from "../../lib/store/table.ts";
import type { Command } from "./models/client.ts";
import {
  type Values,
  type Condition,
  type Key,
  type Update,
  type Write,
  type Page,
  type Operation,
} from "./dynamodb-operations.ts";

export const TableName = "JobsTable";

/** Collects names and values while an expression is written. */
function substitutes() {
  const ExpressionAttributeNames: Record<string, string> = {};
  const given: Record<string, unknown> = {};
  return {
    name: (name: string) => {
      ExpressionAttributeNames[`#${name}`] = name;
      return `#${name}`;
    },
    value: (value: unknown) => {
      const placeholder = `:v${Object.keys(given).length}`;
      given[placeholder] = value;
      return placeholder;
    },
    all: () => ({
      ...(Object.keys(ExpressionAttributeNames).length > 0 && { ExpressionAttributeNames }),
      ...(Object.keys(given).length > 0 && { ExpressionAttributeValues: marshall(given) }),
    }),
  };
}

type Substitutes = ReturnType<typeof substitutes>;

function text(of: Condition, { name, value }: Substitutes): string {
  const inner = (one: Condition) => text(one, { name, value, all: () => ({}) });
  switch (of.kind) {
    case "compare":
      return `${name(of.name)} ${of.by} ${value(of.to)}`;
    case "exists":
      return `attribute_${of.wanted ? "" : "not_"}exists(${name(of.name)})`;
    case "between":
      return `${name(of.name)} BETWEEN ${value(of.bounds[0])} AND ${value(of.bounds[1])}`;
    case "in":
      return `${name(of.name)} IN (${of.among.map(value).join(", ")})`;
    case "begins":
      return `begins_with(${name(of.name)}, ${value(of.prefix)})`;
    case "size":
      return `size(${name(of.name)}) ${of.by} ${value(of.to)}`;
    case "not":
      return `NOT (${inner(of.of)})`;
    case "AND":
    case "OR":
      return `(${inner(of.left)}) ${of.kind} ${inner(of.right)}`;
    default:
      return of satisfies never;
  }
}

function updateText({ set, count, append, remove, add }: Update, { name, value }: Substitutes): string {
  const setting = [
    ...Object.entries(set).map(([field, to]) => `${name(field)} = ${value(to)}`),
    ...Object.entries(count).map(
      ([field, by]) => `${name(field)} = if_not_exists(${name(field)}, ${value(0)}) + ${value(by)}`,
    ),
    ...append.map((one) => `${name("list")} = list_append(${name("list")}, ${value([one])})`),
  ];
  const adding = Object.entries(add).map(([field, by]) => `${name(field)} ${value(by)}`);
  return [
    setting.length > 0 ? `SET ${setting.join(", ")}` : "",
    remove.length > 0 ? `REMOVE ${remove.map(name).join(", ")}` : "",
    adding.length > 0 ? `ADD ${adding.join(", ")}` : "",
  ]
    .filter((clause) => clause !== "")
    .join(" ");
}

/** Each run has partitions of its own, in the table and in its indexes. */
function keyed(run: string, { pk, sk }: Key): Key {
  return { pk: `${run}${pk}`, sk };
}

function placed(run: string, fields: Values): Values {
  const mine = ["due", "byApp", "byStatus", "byOwner"].filter((name) => name in fields);
  return { ...fields, ...Object.fromEntries(mine.map((name) => [name, `${run}${String(fields[name])}`])) };
}

function partOf(run: string, of: Write) {
  const given = substitutes();
  const key = keyed(run, of.key);
  const conditions = {
    ...(of.condition && { ConditionExpression: text(of.condition, given) }),
    ...(of.showsOld && { ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const }),
  };
  if (of.kind === "put") {
    const Item = marshall({ ...key, ...placed(run, of.values) });
    return { TableName, Item, ...conditions, ...given.all() };
  }
  const expression = of.kind === "update" ? updateText({ ...of.update, set: placed(run, of.update.set) }, given) : "";
  return {
    TableName,
    Key: marshall(key),
    ...conditions,
    ...(expression !== "" && { UpdateExpression: expression }),
    ...given.all(),
  };
}

function inTransaction(run: string, of: Write) {
  const part = partOf(run, of) as never;
  if (of.kind === "put") return { Put: part };
  if (of.kind === "delete") return { Delete: part };
  return of.kind === "check" ? { ConditionCheck: part } : { Update: part };
}

/** The partition and the range that a query reads. */
interface Reads {
  readonly hash: string;
  readonly of: string;
  readonly range: string;
  readonly bounds: readonly [string, unknown[]] | undefined;
}

function queryOf(run: string, { hash, of, range, bounds }: Reads, drawn: Page) {
  const given = substitutes();
  const [by = "", between = []] = bounds ?? [];
  const onRange = bounds ? ` AND ${given.name(range)} ${by} ${between.map(given.value).join(" AND ")}` : "";
  const KeyConditionExpression = `${given.name(hash)} = ${given.value(`${run}${of}`)}${onRange}`;
  return {
    TableName,
    KeyConditionExpression,
    ScanIndexForward: !drawn.isBackwards,
    ...(drawn.limit !== undefined && { Limit: drawn.limit }),
    ...given.all(),
  };
}

function queryCommand(run: string, of: Extract<Operation, { kind: "query" }>): QueryCommand {
  const { page: drawn } = of;
  const input = queryOf(run, { hash: "pk", of: of.pk, range: "sk", bounds: of.sk }, drawn);
  const given = substitutes();
  const filter = drawn.filter && text(drawn.filter, given).replaceAll(":v", ":f");
  const { ExpressionAttributeNames = {}, ExpressionAttributeValues = {} } = given.all();
  const filterValues = Object.entries(ExpressionAttributeValues).map(([name, value]) => [
    name.replace(":v", ":f"),
    value,
  ]);
  const projected = drawn.isCount ? undefined : drawn.names;
  const projection = projected && projected.map((name) => `#${name}`).join(", ");
  return new QueryCommand({
    ...input,
    ConsistentRead: true,
    ExpressionAttributeNames: {
      ...input.ExpressionAttributeNames,
      ...ExpressionAttributeNames,
      ...(projected && Object.fromEntries(projected.map((name) => [`#${name}`, name]))),
    },
    ExpressionAttributeValues: { ...input.ExpressionAttributeValues, ...Object.fromEntries(filterValues) },
    ...(filter !== undefined && { FilterExpression: filter }),
    ...(projection !== undefined && { ProjectionExpression: projection }),
    ...(drawn.isCount && { Select: "COUNT" }),
  });
}

/** The command of an operation, in the run's own partitions. */
export function commandOf(run: string, of: Operation): Command {
  switch (of.kind) {
    case "write": {
      const input = partOf(run, of.write) as never as ConstructorParameters<typeof UpdateItemCommand>[0];
      if (of.write.kind === "update") return new UpdateItemCommand({ ...input, ReturnValues: of.returns as never });
      const ReturnValues = of.returns === "NONE" ? "NONE" : "ALL_OLD";
      const other = { ...input, ReturnValues } as never;
      return of.write.kind === "put" ? new PutItemCommand(other) : new DeleteItemCommand(other);
    }
    case "move":
      return new UpdateItemCommand({
        TableName,
        Key: marshall(keyed(run, of.key)),
        ...expressionsIn(expressionsOf({ id: "0", appId: run }, of.move, "op")),
        ReturnValues: of.returns as never,
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      });
    case "transact":
      return new TransactWriteItemsCommand({
        TransactItems: of.writes.map((each) => inTransaction(run, each)),
        ...(of.token !== undefined && { ClientRequestToken: `${run}${of.token}` }),
      });
    case "get":
      return new GetItemCommand({ TableName, Key: marshall(keyed(run, of.key)), ConsistentRead: true });
    case "batchGet":
      return new BatchGetItemCommand({
        RequestItems: { [TableName]: { Keys: of.keys.map((key) => marshall(keyed(run, key))), ConsistentRead: true } },
      });
    case "batchDelete":
      return new BatchWriteItemCommand({
        RequestItems: { [TableName]: of.keys.map((key) => ({ DeleteRequest: { Key: marshall(keyed(run, key)) } })) },
      });
    case "query":
      return queryCommand(run, of);
    case "queryIndex": {
      const range = of.index === "due" ? "dueAt" : "createdAt";
      const input = queryOf(run, { hash: of.index, of: of.partition, range, bounds: of.range }, of.page);
      return new QueryCommand({ ...input, IndexName: of.index, ...(of.page.isCount && { Select: "COUNT" }) });
    }
    default:
      return of satisfies never;
  }
}

/** A store's expressions in the form that the SDK takes. */
function expressionsIn({ values = {}, ...expressions }: Expressions) {
  return { ...expressions, ExpressionAttributeValues: marshall(values, { removeUndefinedValues: true }) };
}
