import { afterAll, beforeAll, expect, test } from "vitest";
import { MINUTE } from "../../lib/clock.ts";
import { endStacks, jobIn, newApp, startStack, until, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([startStack({ env: { SPEED: "6000" } }), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const delaysOf = (seen: Map<number, { nextRetryAt: string; updatedAt: string }>) =>
  [...seen.values()].map(({ nextRetryAt, updatedAt }) => (Date.parse(nextRetryAt) - Date.parse(updatedAt)) / MINUTE);

test("a target that answers 500 eleven times makes the job DEAD after the ten delays of the specification", async () => {
  const { token } = await newApp();
  const path = "/eleven";
  target.answer((_, response) => {
    response.statusCode = 500;
    response.end("out of order");
  });
  const { body } = await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url, path }) });
  const { id } = body.data;
  // Each waiting retry, with its due time and the time since which it waits.
  const seen = new Map<number, { nextRetryAt: string; updatedAt: string }>();
  const dead = await until(async () => {
    const job = (await stack.call("GET", `/v1/admin/jobs/${id}`, { token })).body.data;
    if (job.status === "RETRYING") seen.set(job.retryCount, job);
    return job.status === "DEAD" && job;
  });
  expect(dead).toMatchObject({ retryCount: 10, maxRetries: 10, lastError: "HTTP 500", nextRetryAt: null });
  expect(dead.attempts).toHaveLength(11);
  for (const attempt of dead.attempts) {
    expect(attempt).toMatchObject({ outcome: "retry", httpStatus: 500, responseExcerpt: "out of order" });
  }
  expect(delaysOf(seen)).toEqual([...seen.keys()].map((n) => 2 ** (n - 1)));
  // A wait may pass between two polls. The record has all attempts.
  const starts = dead.attempts.map(({ startedAt }: { startedAt: string }) => Date.parse(startedAt));
  for (let n = 1; n <= 10; n += 1)
    expect(starts[n] - starts[n - 1]).toBeGreaterThanOrEqual(2 ** (n - 1) * MINUTE - 999);
  const received = target.received.filter(({ url }) => url === path);
  const numbers = Array.from({ length: 11 }, (_, n) => n + 1);
  expect(received.map(({ headers }) => Number(headers["x-job-attempt"]))).toEqual(numbers);
});

const OK = "Content-Length: 2\r\n\r\nok";

test.each([
  ["100 Continue that nobody asked for", `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${OK}`],
  ["headers of 20 KB", `HTTP/1.1 200 OK\r\nX-Padding: ${"p".repeat(20_000)}\r\n${OK}`],
  ["the same Content-Length twice", `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${OK}`],
  ["folded headers", `HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n${OK}`],
])("a target that did its work and answers with %s is called once", async (_, answer) => {
  const { token } = await newApp();
  const before = target.received.length;
  target.answer((_request, response) => response.socket?.write(answer));
  const { body } = await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url }) });
  const job = await jobIn(stack, token, body.data.id, "SUCCEEDED");
  expect(job.attempts).toMatchObject([{ number: 1, httpStatus: 200, responseExcerpt: "ok" }]);
  expect(target.received).toHaveLength(before + 1);
});

test("a target that recovers after three failures gets the job, with all four attempts recorded", async () => {
  const { token } = await newApp();
  target.answer(({ headers }, response) => {
    response.statusCode = Number(headers["x-job-attempt"]) <= 3 ? 503 : 201;
    response.end();
  });
  const { body } = await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url }) });
  const job = await jobIn(stack, token, body.data.id, "SUCCEEDED");
  expect(job.retryCount).toBe(3);
  expect(job.attempts.map(({ httpStatus }: { httpStatus: number }) => httpStatus)).toEqual([503, 503, 503, 201]);
  const starts = job.attempts.map(({ startedAt }: { startedAt: string }) => Date.parse(startedAt));
  expect(starts[1] - starts[0]).toBeGreaterThanOrEqual(MINUTE);
  expect(starts[2] - starts[1]).toBeGreaterThanOrEqual(2 * MINUTE);
  expect(starts[3] - starts[2]).toBeGreaterThanOrEqual(4 * MINUTE);
});

test("maxRetries and the retry policy of a job are its own", async () => {
  const { token } = await newApp();
  target.answer((_, response) => {
    response.statusCode = 500;
    response.end();
  });
  const metadata = { maxRetries: 2, retry: { baseDelaySeconds: 5, maxDelaySeconds: 7 } };
  const { body } = await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url, metadata }) });
  const dead = await jobIn(stack, token, body.data.id, "DEAD");
  expect(dead).toMatchObject({ maxRetries: 2, retryCount: 2 });
  expect(dead.attempts).toHaveLength(3);

  const none = webhook({ url: target.url, metadata: { maxRetries: 0 } });
  const once = await stack.call("POST", "/v1/jobs/create", { token, body: none });
  expect((await jobIn(stack, token, once.body.data.id, "DEAD")).attempts).toHaveLength(1);
});

test("Retry-After of a 429 is waited for when it is later than the backoff", async () => {
  const { token } = await newApp();
  target.answer(({ headers }, response) => {
    const limited = headers["x-job-attempt"] === "1";
    response.writeHead(limited ? 429 : 200, limited ? { "retry-after": "600" } : {}).end();
  });
  const { body } = await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url }) });
  const job = await jobIn(stack, token, body.data.id, "SUCCEEDED");
  const [first, second] = job.attempts;
  expect(Date.parse(second.startedAt) - Date.parse(first.startedAt)).toBeGreaterThanOrEqual(10 * MINUTE);
});

test("a job in mode sqs is stored at its first failure, retried and delivered", async () => {
  const { token } = await newApp();
  target.answer(({ headers }, response) => {
    response.statusCode = headers["x-job-attempt"] === "1" ? 500 : 200;
    response.end("no");
  });
  const request = webhook({ url: target.url, path: "/sqs-retry", mode: "sqs", metadata: { idempotencyKey: "sqs" } });
  expect((await stack.call("POST", "/v1/jobs/create", { token, body: request })).status).toBe(202);
  const id = await until(async () => {
    const list = await stack.call("GET", "/v1/admin/jobs?idempotencyKey=sqs", { token });
    return list.body.data.items[0]?.id;
  });
  const job = await jobIn(stack, token, id, "SUCCEEDED");
  expect(job).toMatchObject({ retryCount: 1, idempotencyKey: "sqs" });
  expect(job.attempts).toMatchObject([
    { number: 1, outcome: "retry", httpStatus: 500, responseExcerpt: "no" },
    { number: 2, outcome: "succeeded", httpStatus: 200 },
  ]);
  expect(job.lambdaProxyMessage.path).toBe("/sqs-retry");
  expect(target.received.filter(({ url }) => url === "/sqs-retry")).toHaveLength(2);
});

test("a lane's retry keeps its lane", async () => {
  const { token } = await newApp();
  target.answer(({ headers }, response) => {
    response.statusCode = headers["x-job-attempt"] === "1" ? 500 : 200;
    response.end();
  });
  const body = webhook({ url: target.url, metadata: { messageGroupId: "orders" } });
  const created = await stack.call("POST", "/v1/jobs/create", { token, body });
  const job = await jobIn(stack, token, created.body.data.id, "SUCCEEDED");
  expect(job).toMatchObject({ messageGroupId: "orders", retryCount: 1 });
});
