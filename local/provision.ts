import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceInUseException,
  UpdateTableCommand,
  type CreateTableCommandInput,
  type Projection,
} from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Emulators } from "./emulators.ts";
import type { Resource, Template } from "./template.ts";

/** The value of `!Ref` for each resource: a table's or bucket's name, a queue's URL. `NAME.Arn` has its ARN. */
export type References = Readonly<Record<string, string>>;

export const ACCOUNT_ID = "000000000000";

/**
 * Creates the tables, queues and buckets of resources.yml that do not exist yet. Their names end with `suffix`, so
 * that emulators can serve several stacks.
 */
export async function provision(
  template: Template,
  endpoints: Emulators["endpoints"],
  suffix = "",
): Promise<References> {
  const clients = {
    dynamodb: new DynamoDBClient({ endpoint: endpoints.dynamodb }),
    sqs: new SQSClient({ endpoint: endpoints.sqs }),
    s3: new S3Client({ endpoint: endpoints.s3, forcePathStyle: true }),
  };
  const references: Record<string, string> = {};
  // A queue names its dead-letter queue, so those without a redrive policy come first.
  const resources = Object.entries(template.resources).toSorted(([, a], [, b]) => redrives(a) - redrives(b));
  for (const [name, { Type, Properties }] of resources) {
    if (Type === "AWS::DynamoDB::Table")
      references[name] = await createTable(clients.dynamodb, name + suffix, Properties);
    if (Type === "AWS::SQS::Queue") {
      references[name] = await createQueue(clients.sqs, Properties, template, suffix);
      references[`${name}.Arn`] = queueArn(queueName(Properties, suffix));
    }
    if (Type === "AWS::Scheduler::ScheduleGroup") references[`${name}.Arn`] = arn("scheduler", "schedule-group/jobs");
    if (Type === "AWS::KMS::Key") references[`${name}.Arn`] = arn("kms", `key/${name}`);
    if (Type === "AWS::IAM::Role") references[`${name}.Arn`] = `arn:aws:iam::${ACCOUNT_ID}:role/${name}`;
    if (Type === "AWS::S3::Bucket") references[name] = await createBucket(clients.s3, name + suffix);
  }
  for (const client of Object.values(clients)) client.destroy();
  return references;
}

export function queueName(queue: Resource["Properties"], suffix = ""): string {
  return String(queue["QueueName"]).replace("${self:custom.prefix}", `local${suffix}`);
}

export function queueArn(name: string): string {
  return arn("sqs", name);
}

function arn(service: string, resource: string): string {
  return `arn:aws:${service}:${process.env["AWS_REGION"]}:${ACCOUNT_ID}:${resource}`;
}

/** The environment of every function, as CloudFormation would fill it in. */
export function environmentOf(template: Template, references: References): Record<string, string> {
  const pseudo: Record<string, string | undefined> = {
    "AWS::Partition": "aws",
    "AWS::Region": process.env["AWS_REGION"],
    "AWS::AccountId": ACCOUNT_ID,
  };
  const valueOf = (value: Template["environment"][string]): string => {
    if (typeof value === "string") return value;
    if ("Ref" in value) return references[value.Ref] ?? "";
    if ("Fn::GetAtt" in value) return references[value["Fn::GetAtt"]] ?? "";
    return value["Fn::Sub"].replace(/\$\{(AWS::\w+)\}/g, (_, name: string) => pseudo[name] ?? "");
  };
  return Object.fromEntries(Object.entries(template.environment).map(([name, value]) => [name, valueOf(value)]));
}

function redrives({ Properties }: Resource): number {
  return Properties["RedrivePolicy"] === undefined ? 0 : 1;
}

async function createTable(
  client: DynamoDBClient,
  TableName: string,
  properties: Resource["Properties"],
): Promise<string> {
  const { AttributeDefinitions, KeySchema, BillingMode, GlobalSecondaryIndexes, StreamSpecification } =
    properties as unknown as CreateTableCommandInput;
  const definition = { AttributeDefinitions, KeySchema, BillingMode, GlobalSecondaryIndexes };
  try {
    await client.send(new CreateTableCommand({ TableName, ...definition }));
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  const others = differences(GlobalSecondaryIndexes ?? [], Table?.GlobalSecondaryIndexes ?? []);
  if (others.length > 0) throw new OtherLayout(TableName, others);
  if (StreamSpecification && !Table?.LatestStreamArn) {
    const stream = { StreamEnabled: true, StreamViewType: StreamSpecification.StreamViewType };
    await client.send(new UpdateTableCommand({ TableName, StreamSpecification: stream }));
  }
  return TableName;
}

/** The table was made by another version. */
export class OtherLayout extends Error {
  constructor(table: string, indexes: readonly string[]) {
    super(`The indexes ${indexes.join(", ")} of the table ${table} are not those of resources.yml`);
  }
}

interface IndexDefinition {
  readonly IndexName?: string | undefined;
  readonly KeySchema?: unknown;
  readonly Projection?: Projection | undefined;
}

/** The names of the indexes that only one side has, or that differ. */
function differences(wanted: readonly IndexDefinition[], found: readonly IndexDefinition[]): string[] {
  const [ours, theirs] = [wanted, found].map(
    (indexes) => new Map(indexes.map((it) => [it.IndexName ?? "", layoutOf(it)])),
  );
  const names = new Set([...(ours?.keys() ?? []), ...(theirs?.keys() ?? [])]);
  return [...names].filter((name) => ours?.get(name) !== theirs?.get(name));
}

function layoutOf({ KeySchema, Projection: projection }: IndexDefinition): string {
  const { ProjectionType, NonKeyAttributes = [] } = projection ?? {};
  return JSON.stringify([KeySchema, ProjectionType, NonKeyAttributes.toSorted()]);
}

const QUEUE_ATTRIBUTES = [
  "FifoQueue",
  "DeduplicationScope",
  "FifoThroughputLimit",
  "MessageRetentionPeriod",
  "VisibilityTimeout",
];

async function createQueue(
  client: SQSClient,
  properties: Resource["Properties"],
  { resources }: Template,
  suffix: string,
): Promise<string> {
  const attributes = QUEUE_ATTRIBUTES.flatMap((name) => (name in properties ? [[name, String(properties[name])]] : []));
  const redrive = properties["RedrivePolicy"] as
    | { maxReceiveCount: number; deadLetterTargetArn: { "Fn::GetAtt": string } }
    | undefined;
  if (redrive) {
    const deadLetters = resources[redrive.deadLetterTargetArn["Fn::GetAtt"].replace(/\.Arn$/, "")];
    const policy = { ...redrive, deadLetterTargetArn: queueArn(queueName(deadLetters?.Properties ?? {}, suffix)) };
    attributes.push(["RedrivePolicy", JSON.stringify(policy)]);
  }
  const command = new CreateQueueCommand({
    QueueName: queueName(properties, suffix),
    Attributes: Object.fromEntries(attributes),
  });
  const { QueueUrl } = await client.send(command);
  return QueueUrl ?? "";
}

async function createBucket(client: S3Client, name: string): Promise<string> {
  const Bucket = name.toLowerCase();
  await client.send(new CreateBucketCommand({ Bucket }));
  return Bucket;
}
