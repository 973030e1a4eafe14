import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type AttributeValue,
  type QueryCommandInput,
  type QueryCommandOutput,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lean } from "../../lib/aws.ts";
import { SECOND } from "../../lib/clock.ts";
import { expressionsOf } from "../../lib/store/job-item.ts";
import type { Condition as MoveCondition, Move } from "../../lib/job/moves.ts";
import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import type { Command, Send } from "./models/client.ts";
import { createDynamoDb, type DynamoDbOptions } from "./models/dynamodb.ts";
import { PATIENT, runs, hundredOf, outcome } from "../support/differential.ts";
import { ROOT } from "../support/stack.ts";
import { STATUSES } from "../../lib/job/status.ts";

// The same random operations on a model and on the embedded service: every answer must be the same. On a
// failure, fast-check prints the seed and the operations that are left when those that don't matter are gone.

/** Of a hundred operations each. */
const RUNS = 52;

let emulators: Emulators;
let dynamodb: DynamoDBClient;
const template = readTemplate(ROOT);

beforeAll(async () => {
  emulators = await startEmulators();
  const { endpoints } = emulators;
  await provision(template, endpoints);
  dynamodb = lean(new DynamoDBClient({ ...PATIENT, endpoint: endpoints.dynamodb }));
});
afterAll(async () => {
  dynamodb.destroy();
  await emulators.stop();
});

const TableName = "JobsTable";

/** An item, or the key of one, in DynamoDB's JSON. */
type Image = Record<string, AttributeValue>;
type Values = Readonly<Record<string, unknown>>;

/** A condition in terms of names and values; `text` makes the expression of it. */
type Condition =
  | { readonly kind: "compare"; readonly name: string; readonly by: string; readonly to: unknown }
  | { readonly kind: "exists"; readonly name: string; readonly wanted: boolean }
  | { readonly kind: "between"; readonly name: string; readonly bounds: readonly [unknown, unknown] }
  | { readonly kind: "in"; readonly name: string; readonly among: readonly unknown[] }
  | { readonly kind: "begins"; readonly name: string; readonly prefix: string }
  | { readonly kind: "size"; readonly name: string; readonly by: string; readonly to: number }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "AND" | "OR"; readonly left: Condition; readonly right: Condition };

interface Key {
  readonly pk: string;
  readonly sk: string;
}

interface Update {
  readonly set: Values;
  readonly count: Values;
  readonly append: readonly number[];
  readonly remove: readonly string[];
  readonly add: Values;
}

interface Conditional {
  readonly condition: Condition | undefined;
  readonly showsOld: boolean;
}

type Write =
  | (Conditional & { readonly kind: "put"; readonly key: Key; readonly values: Values })
  | (Conditional & { readonly kind: "update"; readonly key: Key; readonly update: Update })
  | (Conditional & { readonly kind: "delete"; readonly key: Key })
  | (Conditional & { readonly kind: "check"; readonly key: Key });

interface Page {
  readonly limit: number | undefined;
  readonly isBackwards: boolean;
  readonly filter: Condition | undefined;
  readonly names: readonly string[] | undefined;
  readonly isCount: boolean;
}

type Operation =
  | { readonly kind: "write"; readonly write: Write; readonly returns: string }
  | { readonly kind: "move"; readonly key: Key; readonly move: Move; readonly returns: string }
  | { readonly kind: "transact"; readonly writes: readonly Write[]; readonly token: string | undefined }
  | { readonly kind: "get"; readonly key: Key }
  | { readonly kind: "batchGet" | "batchDelete"; readonly keys: readonly Key[] }
  | {
      readonly kind: "query";
      readonly pk: string;
      readonly sk: readonly [string, string[]] | undefined;
      readonly page: Page;
    }
  | {
      readonly kind: "queryIndex";
      readonly index: "due" | "byApp" | "byStatus";
      readonly partition: string;
      readonly range: readonly [string, number[]] | undefined;
      readonly page: Page;
    };

const small = fc.integer({ min: 0, max: 4 });
const someKey = fc.record({ pk: fc.constantFrom("a", "b"), sk: fc.constantFrom("A#1", "A#2", "J") });
const partition = fc.constantFrom("x", "y");
const FIELDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  status: fc.constantFrom("PENDING", "RUNNING", "DEAD"),
  attempts: small,
  due: partition,
  dueAt: small,
  byApp: partition,
  byStatus: partition,
  createdAt: small,
  expiresAt: fc.integer({ min: -2, max: 2 }),
  text: fc.constantFrom("", "a", "ab", "b", "é", "\u{1f600}", "\uffee"),
  flag: fc.boolean(),
  nothing: fc.constant(null),
  ratio: fc.constantFrom(0.5, -1.25, 1_000_000_000_000),
  bytes: fc.constantFrom(Uint8Array.of(), Uint8Array.of(1), Uint8Array.of(1, 2)),
  list: fc.array(small, { maxLength: 2 }),
  map: fc.record({ a: small, b: fc.array(fc.constantFrom("c", 1)) }, { requiredKeys: [] }),
};
const names = Object.keys(FIELDS);
const values = fc.record(FIELDS, { requiredKeys: [] });
const field = fc.constantFrom(...names);
const ordered = fc.constantFrom("status", "attempts", "dueAt", "createdAt", "expiresAt", "text", "sk");
const scalar = fc.oneof(small, fc.constantFrom("PENDING", "RUNNING", "a", "b", "A#2"));
const anyComparison = fc.constantFrom("=", "<>", "<", "<=", ">", ">=");

const condition = fc.letrec<{ any: Condition }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.record({ kind: fc.constant("exists" as const), name: field, wanted: fc.boolean() }),
    fc.record({ kind: fc.constant("compare" as const), name: ordered, by: anyComparison, to: scalar }),
    field.chain((name) =>
      fc.record({
        kind: fc.constant("compare" as const),
        name: fc.constant(name),
        by: fc.constantFrom("=", "<>"),
        to: FIELDS[name] ?? small,
      }),
    ),
    fc.record({
      kind: fc.constant("between" as const),
      name: ordered,
      bounds: fc.tuple(small, small).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
    }),
    fc.record({
      kind: fc.constant("in" as const),
      name: ordered,
      among: fc.array(scalar, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant("begins" as const), name: field, prefix: fc.constantFrom("a", "P") }),
    fc.record({
      kind: fc.constant("size" as const),
      name: fc.constantFrom("text", "list", "map", "bytes", "status"),
      by: anyComparison,
      to: small,
    }),
    fc.record({ kind: fc.constant("not" as const), of: tie("any") }),
    fc.record({ kind: fc.constantFrom("AND" as const, "OR" as const), left: tie("any"), right: tie("any") }),
  ),
})).any;

const conditional = {
  condition: fc.option(condition, { nil: undefined }),
  showsOld: fc.boolean(),
};
const update: fc.Arbitrary<Update> = fc
  .record({
    set: values,
    count: fc.record({ attempts: small, counted: small }, { requiredKeys: [] }),
    append: fc.array(small, { maxLength: 1 }),
    remove: fc.uniqueArray(field, { maxLength: 2 }),
    add: fc.record({ added: small, attempts: small, text: small }, { requiredKeys: [] }),
  })
  .filter((drawn) => namedBy(drawn).length > 0);
const put = fc.record({ kind: fc.constant("put" as const), key: someKey, values, ...conditional });
const updating = fc.record({ kind: fc.constant("update" as const), key: someKey, update, ...conditional });
const write: fc.Arbitrary<Write> = fc.oneof(
  put,
  updating,
  fc.record({ kind: fc.constant("delete" as const), key: someKey, ...conditional }),
);
const check = fc.record({ kind: fc.constant("check" as const), key: someKey, ...conditional, condition });
const moveCondition: fc.Arbitrary<MoveCondition> = fc.oneof(
  fc.constantFrom("attempts", "dueAt").map((name) => [name, "absent"] as MoveCondition),
  fc
    .tuple(fc.constantFrom("attempts", "dueAt", "createdAt"), fc.constantFrom("=", "<=", "<", ">=", ">"), small)
    .map((drawn) => drawn as unknown as MoveCondition),
);
const move: fc.Arbitrary<Move> = fc.record({
  from: fc.uniqueArray(fc.constantFrom(...STATUSES.slice(0, 3), "DEAD" as const), { minLength: 1 }),
  to: fc.constantFrom(...STATUSES),
  when: fc.array(moveCondition, { maxLength: 2 }),
  set: fc.record({ attempts: small, dueAt: small, expiresAt: fc.constantFrom(1_000, 2_500) }, { requiredKeys: [] }),
  remove: fc.uniqueArray(fc.constantFrom("dueAt" as const, "leaseUntil" as const, "lastError" as const), {
    maxLength: 2,
  }),
});
const page: fc.Arbitrary<Page> = fc.record({
  limit: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  isBackwards: fc.boolean(),
  filter: fc.option(
    condition.filter((one) => !JSON.stringify(one).includes('"sk"')),
    { nil: undefined, freq: 2 },
  ),
  names: fc.option(fc.uniqueArray(fc.constantFrom("pk", "sk", "status"), { minLength: 1 }), {
    nil: undefined,
    freq: 2,
  }),
  isCount: fc.boolean(),
});
const returns = fc.constantFrom("NONE", "ALL_NEW", "UPDATED_NEW");
const operation: fc.Arbitrary<Operation | { readonly kind: "nothing" }> = fc.oneof(
  { withCrossShrink: true },
  { weight: 1, arbitrary: fc.constant({ kind: "nothing" as const }) },
  { weight: 30, arbitrary: fc.record({ kind: fc.constant("write" as const), write, returns }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("move" as const), key: someKey, move, returns }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("transact" as const),
      // The embedded one overlooks in a transaction that an update names an attribute twice.
      writes: fc.array(fc.oneof(write, check).filter(namesNothingTwice), { minLength: 1, maxLength: 3 }),
      token: fc.option(fc.constantFrom("one", "two"), { nil: undefined, freq: 4 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("get" as const), key: someKey }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("batchGet" as const, "batchDelete" as const),
      keys: fc.array(someKey, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("query" as const),
      pk: fc.constantFrom("a", "b"),
      sk: fc.option(
        fc.tuple(fc.constantFrom("<", "<=", "=", ">", ">="), fc.tuple(fc.constantFrom("A#1", "A#3", "J"))),
        { nil: undefined },
      ),
      page,
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("queryIndex" as const),
      index: fc.constantFrom("due" as const, "byApp" as const, "byStatus" as const),
      partition,
      range: fc.option(
        fc.oneof(
          fc.tuple(fc.constantFrom("<", "<=", "=", ">", ">="), fc.tuple(small)),
          fc.tuple(fc.constant("BETWEEN"), fc.tuple(small, small)),
        ),
        { nil: undefined },
      ),
      page,
    }),
  },
);

function namesNothingTwice(of: Write): boolean {
  const named = of.kind === "update" ? namedBy(of.update) : [];
  return new Set(named).size === named.length;
}

function namedBy({ set, count, append, remove, add }: Update): string[] {
  const setting = [set, count, add].flatMap((fields) => Object.keys(fields));
  return [...setting, ...append.map(() => "list"), ...remove];
}

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
function inRun(run: string) {
  const keyed = ({ pk, sk }: Key): Key => ({ pk: `${run}${pk}`, sk });
  const placed = (fields: Values): Values => {
    const mine = ["due", "byApp", "byStatus"].filter((name) => name in fields);
    return { ...fields, ...Object.fromEntries(mine.map((name) => [name, `${run}${String(fields[name])}`])) };
  };

  function partOf(of: Write) {
    const given = substitutes();
    const key = keyed(of.key);
    const conditions = {
      ...(of.condition && { ConditionExpression: text(of.condition, given) }),
      ...(of.showsOld && { ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const }),
    };
    if (of.kind === "put") {
      const Item = marshall({ ...key, ...placed(of.values) });
      return { TableName, Item, ...conditions, ...given.all() };
    }
    const expression = of.kind === "update" ? updateText({ ...of.update, set: placed(of.update.set) }, given) : "";
    return {
      TableName,
      Key: marshall(key),
      ...conditions,
      ...(expression !== "" && { UpdateExpression: expression }),
      ...given.all(),
    };
  }

  function inTransaction(of: Write) {
    const part = partOf(of) as never;
    if (of.kind === "put") return { Put: part };
    if (of.kind === "delete") return { Delete: part };
    return of.kind === "check" ? { ConditionCheck: part } : { Update: part };
  }

  function queryOf(
    hash: string,
    of: string,
    range: string,
    bounds: readonly [string, unknown[]] | undefined,
    drawn: Page,
  ) {
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

  return {
    commandOf(of: Operation): Command {
      switch (of.kind) {
        case "write": {
          const input = partOf(of.write) as never as ConstructorParameters<typeof UpdateItemCommand>[0];
          if (of.write.kind === "update") return new UpdateItemCommand({ ...input, ReturnValues: of.returns as never });
          const ReturnValues = of.returns === "NONE" ? "NONE" : "ALL_OLD";
          const other = { ...input, ReturnValues } as never;
          return of.write.kind === "put" ? new PutItemCommand(other) : new DeleteItemCommand(other);
        }
        case "move":
          return new UpdateItemCommand({
            TableName,
            Key: marshall(keyed(of.key)),
            ...expressionsOf({ appId: run }, of.move, "op"),
            ReturnValues: of.returns as never,
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          });
        case "transact":
          return new TransactWriteItemsCommand({
            TransactItems: of.writes.map(inTransaction),
            ...(of.token !== undefined && { ClientRequestToken: `${run}${of.token}` }),
          });
        case "get":
          return new GetItemCommand({ TableName, Key: marshall(keyed(of.key)), ConsistentRead: true });
        case "batchGet":
          return new BatchGetItemCommand({
            RequestItems: { [TableName]: { Keys: of.keys.map((key) => marshall(keyed(key))), ConsistentRead: true } },
          });
        case "batchDelete":
          return new BatchWriteItemCommand({
            RequestItems: { [TableName]: of.keys.map((key) => ({ DeleteRequest: { Key: marshall(keyed(key)) } })) },
          });
        case "query": {
          const { page: drawn } = of;
          const input = queryOf("pk", of.pk, "sk", of.sk, drawn);
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
        case "queryIndex": {
          const input = queryOf(of.index, of.partition, of.index === "due" ? "dueAt" : "createdAt", of.range, of.page);
          return new QueryCommand({ ...input, IndexName: of.index, ...(of.page.isCount && { Select: "COUNT" }) });
        }
        default:
          return of satisfies never;
      }
    },
  };
}

let count = 0;

test("the model of DynamoDB answers 5,000 random operations as the embedded one does", async () => {
  let operations = 0;
  const both = async (sends: readonly [Send, Send], command: Command) => {
    operations += 1;
    const answer = sorted(await outcome(sends[0], command));
    const expected = sorted(await outcome(sends[1], command));
    if (!isDeepStrictEqual(answer, expected)) {
      const call = { command: command.constructor.name, input: command.input };
      expect({ ...call, answer }).toEqual({ ...call, answer: expected });
    }
    return expected;
  };
  const property = fc.asyncProperty(hundredOf(operation), async (drawn) => {
    const run = inRun(`${(count += 1)}-`);
    const now = Date.now();
    const { Properties: properties = {} } = template.resources["JobsTable"] ?? {};
    const model = createDynamoDb({ now: () => now, table: TableName, properties });
    const sends = [model.send, async (command: Command) => dynamodb.send(command as never)] as const;
    for (const one of drawn) {
      const command = run.commandOf(one);
      let { LastEvaluatedKey: start } = await both(sends, command);
      // A query goes on to its end.
      while (start) {
        const next = new QueryCommand({ ...(command.input as QueryCommandInput), ExclusiveStartKey: start as Image });
        ({ LastEvaluatedKey: start } = await both(sends, next));
      }
    }
  });
  await fc.assert(property, runs(RUNS));
  expect(operations).toBeGreaterThanOrEqual(5_000);
});

/** Those of a batch come in any order. */
function sorted(answer: Record<string, unknown>): Record<string, unknown> {
  const { Responses, ...rest } = answer as { Responses?: Record<string, { pk: { S: string }; sk: { S: string } }[]> };
  const keyOf = ({ pk, sk }: { pk: { S: string }; sk: { S: string } }) => pk.S + sk.S;
  const items = Responses?.[TableName]?.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return { ...rest, ...(items && { items }) };
}

// ---- What the embedded DynamoDB can't show ----

/** A model on a clock to turn. */
function world(options: Partial<DynamoDbOptions> = {}) {
  let time = 1_000_000_000;
  const { Properties: properties = {} } = template.resources["JobsTable"] ?? {};
  const model = createDynamoDb({ now: () => time, table: TableName, properties, ...options });
  return {
    model,
    now: () => time,
    pass: (ms: number) => {
      time += ms;
    },
    put: async (item: object, rest: object = {}) =>
      model.send(new PutItemCommand({ TableName, Item: marshall(item), ...rest })),
    get: async (key: Key, ConsistentRead = false) => {
      const answer = await model.send(new GetItemCommand({ TableName, Key: marshall(key), ConsistentRead }));
      const { Item } = answer as { Item?: Record<string, AttributeValue> };
      return Item && unmarshall(Item);
    },
    query: async (input: Partial<QueryCommandInput>) =>
      (await model.send(new QueryCommand({ TableName, ...input }))) as QueryCommandOutput,
  };
}

const key = { pk: "J#1", sk: "J" };
const dueQuery = {
  IndexName: "due",
  KeyConditionExpression: "due = :due",
  ExpressionAttributeValues: marshall({ ":due": "0" }),
};

test("an index shows a write after its lag, and those of one item in their order", async () => {
  const lags = [2_000, 10];
  const { put, query, pass } = world({ indexLagMs: (index) => (index === "due" ? (lags.shift() ?? 0) : 0) });
  const shown = async () => (await query(dueQuery)).Items?.map((item) => unmarshall(item)["dueAt"] as number);
  await put({ ...key, due: "0", dueAt: 1 });
  await put({ ...key, due: "0", dueAt: 2 });
  pass(1_999);
  expect(await shown()).toEqual([]);
  pass(1);
  expect(await shown()).toEqual([2]);
  // An item without both keys leaves the index.
  await put({ ...key, due: "0" });
  expect(await shown()).toEqual([]);
});

test("a read that is not consistent gives an older state, a consistent one never", async () => {
  let lag = 0;
  const { put, get, query, pass } = world({ readLagMs: () => lag });
  await put({ ...key, version: 1 });
  pass(1_000);
  await put({ ...key, version: 2 });
  await put({ ...key, sk: "A#1" });
  lag = 500;
  expect(await get(key)).toEqual({ ...key, version: 1 });
  expect(await get(key, true)).toEqual({ ...key, version: 2 });
  const parts = { KeyConditionExpression: "pk = :pk", ExpressionAttributeValues: marshall({ ":pk": key.pk }) };
  expect((await query(parts)).Count).toBe(1);
  expect((await query({ ...parts, ConsistentRead: true })).Count).toBe(2);
  pass(500);
  expect((await query(parts)).Count).toBe(2);
  lag = 5_000;
  expect(await get(key)).toBeUndefined();
});

test("an expired item stays until TTL deletes it, with its index entries", async () => {
  const { model, put, get, query, now, pass } = world();
  const expiresAt = now() / SECOND + 1;
  await put({ ...key, due: "0", dueAt: 1, expiresAt });
  await put({ pk: "J#2", sk: "J", expiresAt: expiresAt - 6 * 365 * 86_400 });
  expect(model.removeExpired()).toEqual([]);
  pass(SECOND);
  expect(await get(key)).toBeDefined();
  expect(model.removeExpired(({ pk }) => pk?.S !== key.pk)).toEqual([]);
  expect(model.removeExpired()).toHaveLength(1);
  expect(await get(key)).toBeUndefined();
  expect((await query(dueQuery)).Count).toBe(0);
  // Not what expired more than five years ago.
  expect(model.items()).toHaveLength(1);
});

test("a page ends before its bytes are more than allowed, 1 MiB if nothing else is said", async () => {
  for (const [options, bytes] of [
    [{}, 300_000],
    [{ pageBytes: 700 }, 200],
  ] as const) {
    const { put, query } = world(options);
    for (const sk of ["A", "B", "C", "D"]) await put({ pk: "J#1", sk, bytes: "x".repeat(bytes) });
    const parts = { KeyConditionExpression: "pk = :pk", ExpressionAttributeValues: marshall({ ":pk": "J#1" }) };
    const first = await query(parts);
    expect([first.Count, first.LastEvaluatedKey]).toEqual([3, marshall({ pk: "J#1", sk: "C" })]);
    const { LastEvaluatedKey: ExclusiveStartKey } = first;
    expect(await query({ ...parts, ExclusiveStartKey })).toMatchObject({ Count: 1 });
  }
});

test("an item of more than 400 KB is refused", async () => {
  const { put } = world();
  const largest = 400 * 1_024 - "pkJ#1skJbytes".length;
  await put({ ...key, bytes: "x".repeat(largest) });
  await expect(put({ ...key, bytes: "x".repeat(largest + 1) })).rejects.toMatchObject({ name: "ValidationException" });
});

test("a transaction sent again under its token, or as the same command, is made once", async () => {
  const { model, put } = world();
  const part = {
    TableName,
    Key: marshall(key),
    UpdateExpression: "ADD runs :one",
    ExpressionAttributeValues: marshall({ ":one": 1 }),
  };
  const command = new TransactWriteItemsCommand({ TransactItems: [{ Update: part }] });
  await model.send(command);
  await model.send(command);
  expect(model.items().map((item) => unmarshall(item)["runs"] as number)).toEqual([1]);
  await put({ ...key, runs: 5 });
  await model.send(new TransactWriteItemsCommand({ TransactItems: [{ Update: part }] }));
  expect(model.items().map((item) => unmarshall(item)["runs"] as number)).toEqual([6]);
});

test("a page that would go on outside of what its query reads is refused, as on AWS", async () => {
  const { query } = world();
  const start = marshall({ ...key, due: "0", dueAt: 5 });
  const until = { ":due": "0", ":until": 4 };
  const answer = query({
    IndexName: "due",
    KeyConditionExpression: "due = :due AND dueAt <= :until",
    ExpressionAttributeValues: marshall(until),
    ExclusiveStartKey: start,
  });
  await expect(answer).rejects.toMatchObject({ name: "ValidationException" });
});

test("every write is shown to who watches, as it was before and as it is now", async () => {
  const writes: unknown[] = [];
  const { put } = world({
    onWrite: (before, after) => writes.push([before && unmarshall(before), after && unmarshall(after)]),
  });
  await put(key);
  await put({ ...key, version: 1 });
  const refused = put(key, { ConditionExpression: "attribute_not_exists(pk)" });
  await expect(refused).rejects.toMatchObject({ name: "ConditionalCheckFailedException" });
  expect(writes).toEqual([
    [undefined, key],
    [key, { ...key, version: 1 }],
  ]);
});

test.each(["a.b = :v", "a[0] = :v", "attribute_type(a, :v)", "a == :v", "a = :v AND", "a = :v :v"])(
  "a condition such as %s, which the model does not know, is an error",
  async (ConditionExpression) => {
    const { put } = world();
    const answer = put(key, { ConditionExpression, ExpressionAttributeValues: marshall({ ":v": 1 }) });
    await expect(answer).rejects.toThrow("The model of DynamoDB does not know what to make of");
  },
);
