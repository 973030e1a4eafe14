import { CreateTableCommand, DynamoDBClient, type CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";
import { startDynamoDb } from "../../local/emulators.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, startStack, temporaryDir } from "../support/stack.ts";

afterAll(endStacks);

test("a start on the table of an older version says which folder to move away", async () => {
  const dir = temporaryDir();
  await makeOlderTable(dir);
  const answer: unknown = await startStack({ dir, env: { ROLE: "gateway" } }).catch((error: unknown) => error);
  expect(String(answer)).toContain(`The jobs in ${dir} were made by an older version of the service`);
  expect(String(answer)).toContain(`mv ${dir} ${dir}.old`);
  expect(String(answer)).toContain("due, byGroup of the table JobsTable");
});

/** A table without `byGroup`, and with the keys alone in `due`. */
async function makeOlderTable(dir: string): Promise<void> {
  const { Properties: properties = {} } = readTemplate(ROOT).resources["JobsTable"] ?? {};
  const { AttributeDefinitions, KeySchema, BillingMode, GlobalSecondaryIndexes } =
    properties as unknown as CreateTableCommandInput;
  const emulator = await startDynamoDb(dir);
  const client = new DynamoDBClient({
    ...CLIENT_DEFAULTS,
    region: "local",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    endpoint: emulator.url,
  });
  await client.send(
    new CreateTableCommand({
      TableName: "JobsTable",
      KeySchema,
      BillingMode,
      AttributeDefinitions: AttributeDefinitions?.filter(({ AttributeName }) => AttributeName !== "byGroup"),
      GlobalSecondaryIndexes: GlobalSecondaryIndexes?.filter(({ IndexName }) => IndexName !== "byGroup").map((each) =>
        each.IndexName === "due" ? { ...each, Projection: { ProjectionType: "KEYS_ONLY" as const } } : each,
      ),
    }),
  );
  client.destroy();
  emulator.process.kill("SIGTERM");
  await once(emulator.process, "exit");
}
