import { DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import { randomUUID } from "node:crypto";
import { Agent, request } from "undici";
import { wallMs } from "./measure.ts";
import { PAYLOAD, load, type FloorReply, type Load as FloorCommand } from "./workload.ts";

// The floor: the AWS calls that every delivered job needs, in sequence and without our code: conditional put,
// send, receive, claim, POST, finish, delete. It runs in a process of its own and takes commands as messages.

const { JOBS_TABLE: TableName, JOBS_FAIR_QUEUE_URL: QueueUrl, TARGET = "" } = process.env;
const requestHandler = { httpAgent: { keepAlive: true, maxSockets: 256 } };
const dynamodb = new DynamoDBClient({ requestHandler });
const sqs = new SQSClient({ requestHandler, useQueueUrlAsEndpoint: false });
const dispatcher = new Agent();

async function accept(): Promise<void> {
  const started = wallMs();
  const id = randomUUID();
  const now = String(Date.now());
  await dynamodb.send(
    new PutItemCommand({
      TableName,
      Item: {
        pk: { S: `J#${id}` },
        sk: { S: "J" },
        status: { S: "PENDING" },
        attempts: { N: "0" },
        due: { S: id.slice(-1) },
        dueAt: { N: now },
        byApp: { S: "floor#rest-api#0" },
        createdAt: { N: now },
        payload: { B: PAYLOAD.compressed },
      },
      ConditionExpression: "attribute_not_exists(pk)",
    }),
  );
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify({ id, started }) }));
}

async function run(body: string): Promise<void> {
  const { id, started } = JSON.parse(body) as { id: string; started: number };
  const Key = { pk: { S: `J#${id}` }, sk: { S: "J" } };
  await dynamodb.send(
    new UpdateItemCommand({
      TableName,
      Key,
      ConditionExpression: "attempts = :none",
      UpdateExpression: "SET attempts = :one, #status = :running, leaseUntil = :lease",
      ExpressionAttributeNames: { "#status": "status" },
      ExpressionAttributeValues: {
        ":none": { N: "0" },
        ":one": { N: "1" },
        ":running": { S: "RUNNING" },
        ":lease": { N: String(Date.now() + 45_000) },
      },
      ReturnValues: "ALL_NEW",
    }),
  );
  const headers = { "content-type": "application/json", "x-job-id": id, "x-started": String(started) };
  const answer = await request(`${TARGET}/floor`, { dispatcher, method: "POST", headers, body: PAYLOAD.body });
  await answer.body.dump();
  await dynamodb.send(
    new UpdateItemCommand({
      TableName,
      Key,
      ConditionExpression: "attempts = :one AND #status = :running",
      UpdateExpression: "SET #status = :done REMOVE due, dueAt, leaseUntil",
      ExpressionAttributeNames: { "#status": "status" },
      ExpressionAttributeValues: { ":one": { N: "1" }, ":running": { S: "RUNNING" }, ":done": { S: "SUCCEEDED" } },
    }),
  );
}

async function work(): Promise<never> {
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }),
    );
    if (Messages.length === 0) continue;
    void (async () => {
      await Promise.all(Messages.map(({ Body = "" }) => run(Body)));
      const Entries = Messages.map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle }));
      await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    })();
  }
}

let inTurn = Promise.resolve();
process.on("message", (command: FloorCommand) => {
  inTurn = inTurn.then(async () => {
    await load(command, accept);
    process.send?.({ accepted: command.count } satisfies FloorReply);
  });
});
process.on("disconnect", () => process.exit());
if (process.env["WORK"] === "true") void work();
process.send?.({ accepted: 0 } satisfies FloorReply);
