import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { S3Client } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { CLIENT_DEFAULTS, lean } from "../../lib/aws.ts";
import { clientOf } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { createSqs } from "../sim/models/sqs.ts";
import { TEMPLATE, emulated } from "./emulated.ts";

/** The services of a world: a table, queues and a bucket. */
export interface Ground {
  readonly dynamodb: DynamoDBClient;
  readonly sqs: SQSClient;
  readonly s3: S3Client | undefined;
  readonly references: Readonly<Record<string, string>>;
  end(): Promise<void>;
}

export async function embedded(): Promise<Ground> {
  const { endpoints, references } = await emulated();
  process.env["AWS_ENDPOINT_URL_S3"] = endpoints.s3;
  const dynamodb = lean(new DynamoDBClient({ ...CLIENT_DEFAULTS, endpoint: endpoints.dynamodb }));
  const sqs = lean(new SQSClient({ ...CLIENT_DEFAULTS, endpoint: endpoints.sqs }));
  const end = async () => {
    dynamodb.destroy();
    sqs.destroy();
  };
  return { dynamodb, sqs, s3: undefined, references, end };
}

/** The models, which are much faster: `npm run mutants` runs the tests on them. */
export async function modelled(): Promise<Ground> {
  const { resources } = TEMPLATE;
  const now = () => Date.now();
  const table = createDynamoDb({ now, table: "JobsTable", properties: resources["JobsTable"]?.Properties ?? {} });
  const queues = createSqs({ now, resources });
  const references: Record<string, string> = { JobsTable: "JobsTable", JobsBucket: "jobsbucket" };
  for (const name of ["JobsFairQueue", "JobsMainQueue", "JobsTasksQueue"]) references[name] = queues.urlOf(name);
  const sqs = clientOf(async (command) => {
    if (!(command instanceof GetQueueAttributesCommand)) return queues.send(command);
    const name = Object.keys(references).find((each) => references[each] === command.input.QueueUrl) ?? "";
    const messages = queues.messages(name);
    const hidden = messages.filter(({ visibleAt, receiptHandle }) => visibleAt > now() && receiptHandle === undefined);
    const ready = messages.filter(({ visibleAt }) => visibleAt <= now());
    const Attributes = {
      ApproximateNumberOfMessages: String(ready.length),
      ApproximateNumberOfMessagesDelayed: String(hidden.length),
    };
    return { Attributes };
  });
  const s3 = clientOf(createS3({ bucket: "jobsbucket" }).send);
  return { dynamodb: clientOf(table.send), sqs, s3, references, end: async () => {} };
}
