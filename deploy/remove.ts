import { DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createInterface } from "node:readline/promises";
import {
  callerIn,
  eventsCommand,
  outputsOf,
  resourcesOf,
  runCommand,
  type Place,
  type StackResource,
} from "./place.ts";
import { runServerless } from "./run-serverless.ts";

// `npm run remove`: says what goes and what stays, asks, removes the stack, and says how to delete what stayed.

const USAGE = `Removes a deployment. The table, the bucket and the key stay, with what is in them.
  npm run remove -- --stage prod [--region eu-central-1] [--profile NAME] [--yes]

  --region   default: AWS_REGION
  --yes      doesn't ask for the stage's name
`;

/** Dollars a month in us-east-1, November 2026. */
const PRICES = { tableGb: 0.25, backupGb: 0.2, bucketGb: 0.023, key: 1 };
const GB = 1_000 ** 3;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function remove(place: Place, isMeantAlready: boolean): Promise<number> {
  const { account } = await callerIn(place.region);
  const outputs = await outputsOf(place);
  if (!outputs) throw new Error(`There is no stack ${place.stack} in ${place.region} of account ${account}`);
  const { all, kept } = await resourcesOf(place);
  await tell(place, account, outputs["HttpApiUrl"], { all, kept });
  if (!isMeantAlready && !(await isMeant(place))) {
    say("Nothing was removed");
    return 1;
  }
  const code = await runServerless("remove", "--stage", place.stage, "--region", place.region);
  if (code !== 0) {
    say(`\nNot removed, or not all of it. See what failed, and run this again:`);
    say(eventsCommand(place));
    return code;
  }
  say(`\nRemoved. To delete what stayed, for good:\n${kept.map((each) => deletionOf(each, place.region)).join("\n")}`);
  return 0;
}

type Parts = Awaited<ReturnType<typeof resourcesOf>>;

async function tell({ stack, region }: Place, account: string, url: string | undefined, { all, kept }: Parts) {
  say(`Stack ${stack} in ${region}, account ${account}\n\nDeleted`);
  const gone = all.filter((each) => !kept.includes(each));
  const counts = new Map<string, number>();
  for (const { ResourceType } of gone) counts.set(ResourceType, (counts.get(ResourceType) ?? 0) + 1);
  for (const [type, count] of [...counts].toSorted(([one], [other]) => one.localeCompare(other)))
    say(`  ${String(count).padStart(3)} ${type.replace("AWS::", "")}`);
  say(
    `  with the messages of all queues, the schedules of EventBridge, all logs, and for good the URL ${url ?? "of the API"}`,
  );
  say("\nStays, and costs a month");
  for (const each of kept) say(`  ${await costOf(each, region)}`);
  if (kept.length === 0) say("  nothing");
  say("  Unfinished jobs stay in the table as they are, and run no more. A new deployment makes a new table.\n");
}

/** What a resource that stays is, and what it costs. */
async function costOf({ ResourceType: type, PhysicalResourceId: id = "" }: StackResource, region: string) {
  if (type === "AWS::DynamoDB::Table") {
    const { bytes, items } = await sizeOfTable(id, region);
    const dollars = (bytes / GB) * (PRICES.tableGb + PRICES.backupGb);
    return `table ${id}: $${dollars.toFixed(2)} for ${(bytes / GB).toFixed(2)} GB of ${items} items ($${PRICES.tableGb} a GB, and $${PRICES.backupGb} for its backups)`;
  }
  if (type === "AWS::S3::Bucket") return `bucket ${id}: $${PRICES.bucketGb} a GB, old versions too for seven days`;
  if (type === "AWS::KMS::Key")
    return `key ${id}: $${PRICES.key.toFixed(2)}, and as much for each of its first two rotations`;
  return `${type} ${id}`;
}

/** As DynamoDB has counted within the last six hours, indexes included. */
async function sizeOfTable(TableName: string, region: string): Promise<{ bytes: number; items: number }> {
  const client = new DynamoDBClient({ region });
  try {
    const { Table: { TableSizeBytes = 0, ItemCount = 0, GlobalSecondaryIndexes = [] } = {} } = await client.send(
      new DescribeTableCommand({ TableName }),
    );
    const bytes = GlobalSecondaryIndexes.reduce((sum, { IndexSizeBytes = 0 }) => sum + IndexSizeBytes, TableSizeBytes);
    return { bytes, items: ItemCount };
  } finally {
    client.destroy();
  }
}

async function isMeant({ stage }: Place): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // The end of the input is no answer.
  const closed = new Promise<string>((ended) => {
    terminal.once("close", () => ended(""));
  });
  const answer = await Promise.race([terminal.question(`To remove it, type the stage's name (${stage}): `), closed]);
  terminal.close();
  return answer.trim() === stage;
}

/** The commands that delete a resource that stayed. */
function deletionOf({ ResourceType: type, PhysicalResourceId: id = "" }: StackResource, region: string): string {
  if (type === "AWS::DynamoDB::Table")
    return `  # The table. A backup first, to have it back: aws dynamodb create-backup --table-name ${id} --backup-name last --region ${region}
  aws dynamodb update-table --table-name ${id} --no-deletion-protection-enabled --region ${region}
  aws dynamodb delete-table --table-name ${id} --region ${region}`;
  if (type === "AWS::S3::Bucket")
    return `  # The bucket, with all versions of what is in it. The loop ends with an error when there is none left.
  while aws s3api delete-objects --bucket ${id} --region ${region} --delete "$(aws s3api list-object-versions --bucket ${id} --region ${region} --max-items 500 --output json --query '{Objects: [Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}}')" > /dev/null; do :; done
  aws s3api delete-bucket --bucket ${id} --region ${region}`;
  if (type === "AWS::KMS::Key")
    return `  # The key: the signing secrets in the table can't be read without it, nor in a backup of it. Ends the bill at once.
  aws kms schedule-key-deletion --key-id ${id} --pending-window-in-days 30 --region ${region}`;
  return `  # ${type} ${id}`;
}

await runCommand(USAGE, "yes", remove);
