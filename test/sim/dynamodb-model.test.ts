import {
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
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
import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import type { Command, Send } from "./models/client.ts";
import { createDynamoDb, type DynamoDbOptions } from "./models/dynamodb.ts";
import { PATIENT, runs, hundredOf, outcome } from "../support/differential.ts";
import { ROOT } from "../support/root.ts";
import { TableName, commandOf } from "./dynamodb-commands.ts";
import { type Image, type Key, operation } from "./dynamodb-operations.ts";

// The same random operations on a model and on the embedded service must give the same answers. On a failure,
// fast-check prints the seed and the shrunk operations.

/** Each run has a hundred operations. */
const RUNS = 4;

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

let count = 0;

test("the model of DynamoDB answers hundreds of random operations as the embedded one does", async () => {
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
    const run = `${(count += 1)}-`;
    const now = Date.now();
    const { Properties: properties = {} } = template.resources["JobsTable"] ?? {};
    const model = createDynamoDb({ now: () => now, table: TableName, properties });
    const sends = [model.send, async (command: Command) => dynamodb.send(command as never)] as const;
    for (const one of drawn) {
      const command = commandOf(run, one);
      let { LastEvaluatedKey: start } = await both(sends, command);
      // A query reads all its pages.
      while (start) {
        const next = new QueryCommand({ ...(command.input as QueryCommandInput), ExclusiveStartKey: start as Image });
        ({ LastEvaluatedKey: start } = await both(sends, next));
      }
    }
  });
  await fc.assert(property, runs(RUNS));
  expect(operations).toBeGreaterThanOrEqual(360);
});

/** The items of a batch come in any order. */
function sorted(answer: Record<string, unknown>): Record<string, unknown> {
  const { Responses, ...rest } = answer as { Responses?: Record<string, { pk: { S: string }; sk: { S: string } }[]> };
  const keyOf = ({ pk, sk }: { pk: { S: string }; sk: { S: string } }) => pk.S + sk.S;
  const items = Responses?.[TableName]?.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return { ...rest, ...(items && { items }) };
}

// ---- Properties that the embedded DynamoDB lacks ----

/** A model on a clock that the test moves. */
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
  // DynamoDB ignores an expiry more than five years ago, so that item stays.
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
