import {
  CreateTableCommand,
  DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  type AttributeValue,
} from "@aws-sdk/client-dynamodb";
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, jobIn, newApp, sharedStack, temporaryDir, type Stack } from "../support/stack.ts";

// The program of docs/deploy.md that copies items out of a restored table.

const TABLE = "JobsTable";
const RESTORED = `Restored-${randomUUID()}`;

let stack: Stack;
let endpoint: string;
let client: DynamoDBClient;

beforeAll(async () => {
  stack = await sharedStack();
  const { environment } = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8")) as {
    environment: { AWS_ENDPOINT_URL_DYNAMODB: string };
  };
  endpoint = environment.AWS_ENDPOINT_URL_DYNAMODB;
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new DynamoDBClient({ ...CLIENT_DEFAULTS, region: "local", credentials, endpoint });
  await client.send(
    new CreateTableCommand({
      TableName: RESTORED,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
});
afterAll(async () => {
  client.destroy();
  await endStacks();
});

/** Runs the program as the page says, with keys by standard input. */
function copy(FROM: string, TO: string, keys: readonly string[]): string {
  const [, program = ""] =
    /^```js\n(import [^]*?)^```$/m.exec(readFileSync(join(ROOT, "docs/deploy.md"), "utf8")) ?? [];
  const dir = temporaryDir();
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  writeFileSync(join(dir, "copy.mjs"), program);
  const local = { AWS_REGION: "local", AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" };
  const env = { ...local, AWS_ENDPOINT_URL_DYNAMODB: endpoint, FROM, TO };
  return execFileSync(process.execPath, ["copy.mjs"], { cwd: dir, env, input: keys.join("\n"), encoding: "utf8" });
}

async function itemsOf(TableName: string, pk: string): Promise<readonly Record<string, AttributeValue>[]> {
  const values = { ":pk": { S: pk } };
  const query = { TableName, KeyConditionExpression: "pk = :pk", ExpressionAttributeValues: values };
  return (await client.send(new QueryCommand({ ...query, ConsistentRead: true }))).Items ?? [];
}

test("a job that was deleted is put back as it was, unless its payload was in the bucket", async () => {
  const { token } = await newApp();
  const create = async (body: string) => {
    const { body: answer } = await stack.call("POST", "/v1/send", { token, body: { url: `${stack.url}/echo`, body } });
    return String(answer.data.id);
  };
  const [small, large] = [await create("small"), await create(randomBytes(400_000).toString("base64"))];
  const show = async (id: string) => stack.call("GET", `/v1/admin/jobs/${id}`, { token });
  for (const id of [small, large]) {
    await jobIn(stack, token, id, "SUCCEEDED");
    for (const Item of await itemsOf(TABLE, `J#${id}`))
      await client.send(new PutItemCommand({ TableName: RESTORED, Item }));
  }
  const before = await show(small);
  for (const id of [small, large]) await stack.call("DELETE", `/v1/admin/jobs/${id}`, { token });
  expect((await show(small)).status).toBe(404);

  const keys = [`J#${small}`, `J#${large}`];
  expect(copy(RESTORED, TABLE, keys)).toMatch(/^\d copied, \d were there\n$/);
  expect(copy(RESTORED, TABLE, keys)).toMatch(/^0 copied, \d were there\n$/);
  expect((await show(small)).body.data).toEqual(before.body.data);
  expect((await show(large)).status).toBe(404);
});
