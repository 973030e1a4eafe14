import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Command } from "../../test/sim/models/client.ts";
import { modelled } from "../../test/support/ground.ts";

// What a cold function calls, over HTTP: DynamoDB and SQS as their models, EventBridge and the target of a webhook with
// fixed answers. The calls of a function can be replayed: the same calls then get the same answers.

export interface Call {
  readonly service: "dynamodb" | "sqs" | "http";
  /** `PutItem`, or the path of a plain request. */
  readonly name: string;
  readonly body: string;
  readonly answer: Answer;
  readonly startedAt: number;
  readonly endedAt: number;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface Cloud {
  readonly environment: Readonly<Record<string, string>>;
  /** Of the target of webhooks. */
  readonly url: string;
  /** The calls that `act` leads to. */
  during(act: () => Promise<unknown>): Promise<readonly Call[]>;
  /** Answers calls as they were answered before, until `act` has ended. */
  replaying<T>(calls: readonly Call[], act: () => Promise<T>): Promise<T>;
  close(): void;
}

const SERVICES: Readonly<Record<string, Call["service"]>> = { DynamoDB_20120810: "dynamodb", AmazonSQS: "sqs" };

export async function startCloud(): Promise<Cloud> {
  const { dynamodb, sqs, references } = await modelled();
  let calls: Call[] = [];
  let replayed: Call[] | undefined;

  async function answerOf(service: Call["service"], name: string, body: string): Promise<Answer> {
    if (service === "http") return { status: 200, type: "application/json", body: '{"ScheduleArn":"arn"}' };
    const type = "application/x-amz-json-1.0";
    try {
      const command = commandOf(name, JSON.parse(body, asBytes) as object) as never;
      const answer = await (service === "sqs" ? sqs.send(command) : dynamodb.send(command));
      const told = name === "SendMessageBatch" ? withChecksums(answer, body) : answer;
      return { status: 200, type, body: JSON.stringify(told, inBase64) };
    } catch (error) {
      const { name: __type, message } = error as Error;
      return { status: 400, type, body: JSON.stringify({ ...(error as object), __type, message }, inBase64) };
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    const body = await text(request);
    const [prefix = "", operation] = String(request.headers["x-amz-target"] ?? "").split(".");
    const service = SERVICES[prefix] ?? "http";
    const name = operation ?? request.url ?? "";
    const before = replayed?.splice(
      replayed.findIndex((call) => call.service === service && call.name === name),
      1,
    )[0];
    const answer = before?.answer ?? (await answerOf(service, name, body));
    response.writeHead(answer.status, { "content-type": answer.type }).end(answer.body);
    calls.push({ service, name, body, answer, startedAt, endedAt: performance.now() });
  }

  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    environment: environmentOf(url, references),
    url,
    during: async (act) => {
      calls = [];
      await act();
      return [...calls];
    },
    replaying: async (recorded, act) => {
      replayed = [...recorded];
      try {
        return await act();
      } finally {
        replayed = undefined;
      }
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The model tells commands by the names of their classes. */
function commandOf(name: string, input: object): Command {
  return { constructor: { name: `${name}Command` }, input } as unknown as Command;
}

/** JSON has an attribute of type B in base64. */
function asBytes(key: string, value: unknown): unknown {
  return key === "B" && typeof value === "string" ? Buffer.from(value, "base64") : value;
}

/** The model makes none, and the SDK's client compares them. */
function withChecksums(answer: object, body: string): object {
  const { Entries } = JSON.parse(body) as { Entries: { Id: string; MessageBody: string }[] };
  const { Successful = [] } = answer as { Successful?: { Id: string }[] };
  const checksumOf = (id: string) => {
    const { MessageBody = "" } = Entries.find(({ Id }) => Id === id) ?? {};
    return createHash("md5").update(MessageBody).digest("hex");
  };
  return { ...answer, Successful: Successful.map((one) => ({ ...one, MD5OfMessageBody: checksumOf(one.Id) })) };
}

function inBase64(this: Record<string, unknown>, key: string, value: unknown): unknown {
  // `value` is what `toJSON` of a Buffer has made of it.
  const given = this[key];
  return given instanceof Uint8Array ? Buffer.from(given).toString("base64") : value;
}

function environmentOf(url: string, references: Readonly<Record<string, string>>): Record<string, string> {
  const arn = (service: string, name: string) => `arn:aws:${service}:eu-west-1:123456789012:${name}`;
  return {
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "cold",
    AWS_SECRET_ACCESS_KEY: "cold",
    AWS_ENDPOINT_URL: url,
    JOBS_TABLE: references["JobsTable"] ?? "",
    S3_JOBS_BUCKET_NAME: references["JobsBucket"] ?? "",
    JOBS_FAIR_QUEUE_URL: references["JobsFairQueue"] ?? "",
    AWS_SQS_QUEUE_URL: references["JobsMainQueue"] ?? "",
    SQS_JOBS_QUEUE_URL: references["JobsTasksQueue"] ?? "",
    SQS_PDF_QUEUE_URL: references["JobsTasksQueue"] ?? "",
    AWS_SCHEDULER_GROUP_ARN: arn("scheduler", "schedule-group/jobs"),
    AWS_SCHEDULER_TARGET_ARN: arn("lambda", "function:fireSchedule"),
    AWS_SCHEDULER_ROLE_ARN: arn("iam", "role/schedules"),
    AWS_SCHEDULER_DEAD_LETTERS_ARN: arn("sqs", "schedules-dead"),
    LOCAL_SECRETS_KEY: Buffer.alloc(32).toString("base64"),
    JWT_SECRET: "a-secret-that-measures-cold-starts",
    ALLOW_PRIVATE_TARGETS: "true",
  };
}
