import { BatchWriteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startStreamMappings } from "../../local/table-stream.ts";
import { emulated } from "../support/emulated.ts";

const dir = mkdtempSync(join(tmpdir(), "table-stream-"));
const { endpoints, references } = await emulated();
const dynamodb = new DynamoDBClient({ endpoint: endpoints.dynamodb });
const table = references["JobsTable"] ?? "";

afterAll(() => {
  dynamodb.destroy();
  rmSync(dir, { recursive: true });
});

async function put(from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += 25) {
    const numbers = Array.from({ length: Math.min(25, to - first) }, (_, at) => first + at);
    const Writes = numbers.map((n) => ({ PutRequest: { Item: { pk: { S: `item ${n}` }, sk: { S: "J" } } } }));
    await dynamodb.send(new BatchWriteItemCommand({ RequestItems: { [table]: Writes } }));
  }
}

/** The keys of the batches of at most 100 records that come until `count` have. */
async function batchesOf(count: number): Promise<string[][]> {
  const batches: string[][] = [];
  const all = Promise.withResolvers<undefined>();
  const stream = { endpoint: endpoints.dynamodb, table, positionFile: join(dir, "position") };
  const invoke = async (event: unknown) => {
    const { Records } = event as { Records: { dynamodb: { Keys: { pk: { S: string } } } }[] };
    batches.push(Records.map(({ dynamodb: { Keys } }) => Keys.pk.S));
    if (batches.flat().length >= count) all.resolve(undefined);
  };
  const runner = startStreamMappings(stream, [{ batchSize: 100, filters: [], invoke }]);
  await all.promise;
  await runner.stop();
  return batches;
}

test("a batch has as many records as it takes, however many are read at a time, and each comes once", async () => {
  await put(0, 130);
  const first = await batchesOf(130);
  expect(first.map(({ length }) => length)).toEqual([100, 30]);
  await put(130, 150);
  const all = [...first, ...(await batchesOf(20))].flat();
  expect(new Set(all)).toEqual(new Set(Array.from({ length: 150 }, (_, n) => `item ${n}`)));
  expect(all).toHaveLength(150);
});
