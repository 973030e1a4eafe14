import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startEmulators, type Emulators } from "../../local/emulators.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { endStacks, jobIn, newApp, startStack, until, webhook, type LogLine, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

const CREATE = "/v1/jobs/create";

let target: Target;
let emulators: Emulators;
let dynamodb: Proxy;
let sqs: Proxy;
/** Reaches its table and queues through proxies that a test can cut. */
let stack: Stack;

beforeAll(async () => {
  [target, emulators] = await Promise.all([startTarget(), startEmulators()]);
  const { endpoints } = emulators;
  [dynamodb, sqs] = await Promise.all([startProxy(endpoints.dynamodb), startProxy(endpoints.sqs)]);
  stack = await startStack({
    env: {
      AWS_ENDPOINT_URL_DYNAMODB: dynamodb.url,
      AWS_ENDPOINT_URL_SQS: sqs.url,
      AWS_ENDPOINT_URL_S3: endpoints.s3,
      SPEED: "600",
    },
  });
});
beforeEach(() => target.answer((_, response) => response.end()));
afterAll(async () => {
  await endStacks();
  [dynamodb, sqs].forEach((proxy) => proxy.close());
  await Promise.all([target.close(), emulators.stop()]);
});

const isAbout = (id: string, event: string) => (line: LogLine) => line.event === event && line.jobId === id;

test("with the queue unreachable a job is accepted all the same, and delivered when it is back", async () => {
  const { token } = await newApp();
  sqs.cut();
  const answer = await stack.call("POST", CREATE, { token, body: webhook({ url: target.url, path: "/no-queue" }) });
  expect(answer.status).toBe(201);
  await stack.logged(isAbout(answer.body.data.id, "job.not-sent"));
  sqs.restore();
  const job = await jobIn(stack, token, answer.body.data.id, "SUCCEEDED");
  expect(job.attempts).toHaveLength(1);
  expect(target.received.filter(({ url }) => url === "/no-queue")).toHaveLength(1);
});

test("with the queue unreachable mode sqs answers 503, for nothing holds the job", async () => {
  // Without workers, so that the message stays in the queue.
  const own = await startEmulators();
  const { endpoints } = own;
  const queue = await startProxy(endpoints.sqs);
  const gateway = await startStack({
    env: {
      AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
      AWS_ENDPOINT_URL_SQS: queue.url,
      AWS_ENDPOINT_URL_S3: endpoints.s3,
      ROLE: "gateway",
    },
  });
  const { token } = await newApp();
  const body = webhook({ url: target.url, mode: "sqs", metadata: { idempotencyKey: "k" } });
  queue.cut();
  expect((await gateway.call("POST", CREATE, { token, body })).status).toBe(503);
  queue.restore();
  for (let n = 0; n < 3; n += 1) expect((await gateway.call("POST", CREATE, { token, body })).status).toBe(202);

  // One message even if the first try was sent: the key is also SQS's deduplication id.
  const client = new SQSClient({ endpoint: endpoints.sqs });
  const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: "local-jobs-main.fifo" }));
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["ApproximateNumberOfMessages"] }),
  );
  expect(Attributes?.["ApproximateNumberOfMessages"]).toBe("1");
  client.destroy();
  await gateway.end();
  queue.close();
  await own.stop();
});

test("with the database unreachable the answer is 503; the same key posted again gives one job", async () => {
  const { token } = await newApp();
  const body = webhook({ url: target.url, path: "/no-table", metadata: { idempotencyKey: "again" } });
  dynamodb.cut();
  const unknown = await stack.call("POST", CREATE, { token, body });
  expect(unknown.status).toBe(503);
  expect(unknown.headers.get("retry-after")).toBe("5");
  expect(unknown.body.error).toMatchObject({
    code: "SERVICE_UNAVAILABLE",
    message: expect.stringContaining("same idempotency key"),
  });
  expect(JSON.stringify(unknown.body)).not.toMatch(/ECONN|127\.0\.0\.1|dynamo/i);
  dynamodb.restore();
  const first = await stack.call("POST", CREATE, { token, body });
  const second = await stack.call("POST", CREATE, { token, body });
  expect([201, 200]).toContain(first.status);
  expect(second.status).toBe(200);
  await jobIn(stack, token, first.body.data.id, "SUCCEEDED");
  const list = await stack.call("GET", "/v1/admin/jobs", { token });
  expect(list.body.data.items).toHaveLength(1);
  expect(target.received.filter(({ url }) => url === "/no-table")).toHaveLength(1);
});

test("a database that is away while an attempt ends costs no second delivery", async () => {
  const { token } = await newApp();
  target.answer(({ url }, response) => {
    if (url === "/blip") dynamodb.cut();
    response.end();
  });
  const { body } = await stack.call("POST", CREATE, { token, body: webhook({ url: target.url, path: "/blip" }) });
  await stack.logged(isAbout(body.data.id, "job.attempted"));
  dynamodb.restore();
  const job = await jobIn(stack, token, body.data.id, "SUCCEEDED");
  expect(job.attempts).toHaveLength(1);
  expect(target.received.filter(({ url }) => url === "/blip")).toHaveLength(1);
});

test("after a kill, jobs that were not started go on, and the one in hand is delivered after its lease, the lost attempt counted", async () => {
  const { token } = await newApp();
  const gateway = await startStack({ env: { ROLE: "gateway" } });
  const create = async (path: string, mode = "both") =>
    (await gateway.call("POST", CREATE, { token, body: webhook({ url: target.url, path, mode }) })).body.data
      .id as string;
  target.answer(() => {});
  const killed = await create("/killed");
  const worker = await startStack({ dir: gateway.dir, env: { ROLE: "worker" } });
  await until(() => target.received.some(({ url }) => url === "/killed"));
  await worker.end("SIGKILL");
  const notStarted: string[] = [];
  for (let n = 0; n < 20; n += 1) notStarted.push(await create("/restart", n % 2 === 0 ? "both" : "db"));
  await gateway.end("SIGKILL");
  target.answer((_, response) => response.end());

  const second = await startStack({ dir: gateway.dir, env: { SPEED: "600" } });
  for (const id of notStarted) await jobIn(second, token, id, "SUCCEEDED");
  expect(target.received.filter(({ url }) => url === "/restart")).toHaveLength(20);

  const job = await jobIn(second, token, killed, "SUCCEEDED");
  expect(job.retryCount).toBe(1);
  expect(job.attempts).toMatchObject([
    { number: 1, outcome: "lost", error: expect.stringContaining("lost") },
    { number: 2, outcome: "succeeded", httpStatus: 200 },
  ]);
  const [lost, next] = job.attempts;
  // The second attempt waits until the first has certainly ended: 30 s of timeout and 15 s of margin.
  expect(lost.startedAt).toBeNull();
  expect(Date.parse(next.startedAt) - Date.parse(job.createdAt)).toBeGreaterThanOrEqual(45_000);
  await second.end();
});

test("what ended in a dead-letter queue is taken in again", async () => {
  const { token } = await newApp();
  const { body } = await stack.call("POST", CREATE, { token, body: webhook({ url: target.url, mode: "db" }) });
  const { id, appId } = body.data;
  const client = new SQSClient({ endpoint: emulators.endpoints.sqs });
  const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: "local-jobs-fair-dead" }));
  const attempt = { id, appId, attempt: 1, destination: target.url, timeoutMs: 30_000 };
  for (const MessageBody of ["garbage", JSON.stringify({ attempt })]) {
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  }
  client.destroy();
  await stack.logged(({ event }) => event === "message.unreadable");
  await jobIn(stack, token, id, "SUCCEEDED");
});
