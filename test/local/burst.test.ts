import { GetItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { CLIENT_DEFAULTS, adaptClients, adapted, lean } from "../../lib/aws.ts";
import { handleBatch } from "../../lib/queue/batch.ts";
import { createPace } from "../../local/pace.ts";
import { patientTimer, waitPatiently } from "../../local/patience.ts";
import { endStacks, newApp, startStack, until, webhook } from "../support/stack.ts";
import { startTarget } from "../support/target.ts";

// A process of the local stack takes many batches on one event loop.

afterEach(() => adaptClients(() => {}));
afterAll(endStacks);

const JOBS = 300;

test("a worker that joins a backlog handles every message at its first receive", async () => {
  const target = await startTarget();
  const gateway = await startStack({ env: { ROLE: "gateway" } });
  const { token } = await newApp();
  const jobs = Array.from({ length: 100 }, () => webhook({ url: target.url }));
  for (let sent = 0; sent < JOBS; sent += jobs.length) {
    const { body } = await gateway.call("POST", "/v1/jobs/batch", { token, body: { jobs } });
    expect(body.data.results).toHaveLength(jobs.length);
  }
  const worker = await startStack({ dir: gateway.dir, env: { ROLE: "worker" } });
  const lines = (event: string) => worker.lines.filter((line) => line.includes(`"event":"${event}"`));
  await until(() => lines("job.attempted").length >= JOBS);
  expect(lines("message.failed")).toEqual([]);
  expect(lines("job.attempted").filter((line) => !line.includes('"attempt":1,'))).toEqual([]);
  expect(target.received).toHaveLength(JOBS);
  await target.close();
});

const batches = (count: number) => new Set(Array.from({ length: count }, () => new Promise<void>(() => {})));

test("a batch more than a few waits for a busy event loop, and comes while batches only wait for their targets", async () => {
  const room = createPace();
  await room(batches(3), false);
  // More messages wait behind a full one.
  await room(batches(7), true);
  const taken: string[] = [];
  const waiting = [
    room(batches(4), false).then(() => taken.push("fifth")),
    room(batches(8), true).then(() => taken.push("ninth")),
  ];
  await busyFor(100);
  expect(taken).toEqual([]);
  await Promise.all(waiting);
});

test("after full batches, a busy event loop falls back to a few", async () => {
  const room = createPace();
  const ends: (() => void)[] = [];
  const inHand = new Set<Promise<void>>();
  for (let n = 0; n < 8; n += 1) {
    const batch = new Promise<void>((end) => ends.push(end)).then(() => void inHand.delete(batch));
    inHand.add(batch);
  }
  let heldBy = 0;
  const taken = room(inHand, false).then(() => {
    heldBy = inHand.size;
  });
  for (const end of ends.slice(0, 5)) {
    end();
    await busyFor(30);
  }
  await taken;
  expect(heldBy).toBe(3);
});

async function busyFor(ms: number): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const turn = performance.now() + 10;
    while (performance.now() < turn);
    await new Promise((next) => {
      setImmediate(next);
    });
  }
}

test("an answer that came while the event loop was busy is no timeout, and its call is not repeated", async () => {
  const server = new Worker(
    `const { createServer } = require("node:http");
     const { parentPort } = require("node:worker_threads");
     const server = createServer((request, response) => request.resume().on("end", () => response.end("{}")));
     server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`,
    { eval: true },
  );
  const [port] = (await once(server, "message")) as [number];
  waitPatiently();
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const endpoint = `http://127.0.0.1:${port}`;
  const client = adapted(lean(new DynamoDBClient({ ...CLIENT_DEFAULTS, region: "local", endpoint, credentials })));
  const get = async () => client.send(new GetItemCommand({ TableName: "t", Key: { pk: { S: "a" } } }));
  await get();
  const late = Array.from({ length: 300 }, get);
  // The requests that have a socket are being connected; the others wait for one.
  await new Promise((next) => {
    setImmediate(next);
  });
  sleepThread(CLIENT_DEFAULTS.requestHandler.requestTimeout + 100);
  const attempts = (await Promise.all(late)).map(({ $metadata }) => $metadata.attempts);
  expect(new Set(attempts)).toEqual(new Set([1]));
  client.destroy();
  await server.terminate();
});

test("a message whose handling failed comes again in 2 s, and with each receive in twice the time, up to a minute", async () => {
  const fails = async () => Promise.reject(new Error("the table is away"));
  const received = ["1", "2", "5", "6", "49"].map((ApproximateReceiveCount) => ({
    messageId: ApproximateReceiveCount,
    receiptHandle: "",
    body: "{}",
    attributes: { ApproximateReceiveCount },
    eventSourceARN: "arn:aws:sqs:local:0:jobs-fair",
  }));
  const again = await handleBatch(received, fails);
  expect([...again.values()].map(({ inSeconds }) => inSeconds).toSorted((a, b) => a - b)).toEqual([2, 4, 32, 60, 60]);
});

test("a timer of a loop that was on time ends a call", async () => {
  const over = vi.fn<() => void>();
  patientTimer(5, over);
  patientTimer(5, () => expect.unreachable())();
  await until(() => over.mock.calls.length === 1);
});

test("the client of EventBridge waits as those of table and queues do", async () => {
  const seen: string[] = [];
  adaptClients((client) => void seen.push(client.constructor.name));
  // A module of its own, since the client is made once.
  const path = "../../lib/queue/scheduler.ts?another";
  const { createScheduler } = (await import(path)) as typeof import("../../lib/queue/scheduler.ts");
  vi.stubEnv("AWS_ENDPOINT_URL_SCHEDULER", "http://127.0.0.1:9");
  const scheduler = createScheduler({ group: "a/b", target: "", role: "", deadLetters: "" });
  await expect(scheduler.remove("job")).rejects.toThrow();
  vi.unstubAllEnvs();
  expect(seen).toEqual(["SchedulerClient"]);
});

/** Stops this thread as a busy loop would, without its CPU time. */
function sleepThread(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
