import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, newApp, sharedStack, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const CREATE = "/v1/jobs/create";
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function detailsOf(body: unknown): Promise<{ field: string; message: string }[]> {
  const { token } = await newApp();
  const answer = await stack.call("POST", CREATE, { token, body });
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ success: false, error: { code: "BAD_REQUEST", message: "Validation failed" } });
  expect(answer.body.timestamp).toMatch(ISO);
  return answer.body.error.details;
}

test("headers that no server would take are refused", async () => {
  const headers = { connection: " ".repeat(20_000) };
  expect(await detailsOf(webhook({ url: target.url, headers }))).toEqual([
    { field: "message.lambdaProxyMessage.headers", message: "must not be larger than 16 KB" },
  ]);
});

test("text that UTF-8 can't hold is refused where it would be altered", async () => {
  const half = "a\ud800b";
  const cases = {
    "message.lambdaProxyMessage.body": { body: half },
    "message.lambdaProxyMessage.path": { path: `/${half}` },
    "message.lambdaProxyMessage.queryStringParameters.a": { proxy: { queryStringParameters: { a: half } } },
    "message.metadata.messageGroupId": { metadata: { messageGroupId: half } },
  };
  for (const [field, options] of Object.entries(cases)) {
    expect(await detailsOf(webhook({ url: target.url, ...options }))).toEqual([
      { field, message: "has half a surrogate pair" },
    ]);
  }
});

test("an unknown execution type names the field and the types there are", async () => {
  const body = webhook({ url: target.url, execution: { type: "carrier-pigeon" } });
  const details = await detailsOf(body);
  expect(details).toEqual([
    { field: "message.execution.type", message: "expected one of rest-api, lambda-invoke, lambda-url, task, schedule" },
  ]);
});

test("each execution type says which of its fields is missing", async () => {
  const cases = {
    "rest-api": "baseUrl",
    "lambda-invoke": "functionName",
    "lambda-url": "functionUrl",
    schedule: "targetJob",
  };
  for (const [type, field] of Object.entries(cases)) {
    const { message } = webhook({ url: target.url });
    const details = await detailsOf({ message: { ...message, execution: { type } } });
    expect(details.map((detail) => detail.field)).toContain(`message.execution.${field}`);
  }
});

test("a field at the wrong level is told where it belongs", async () => {
  const url = "https://a.example";
  const whole = webhook({ url });
  const unknown = "is not a known field; remove it or check its spelling";
  const told = (body: object, field: string, where: string, shown: string) =>
    [body, field, shown && `is not a known field here; it belongs ${where}: ${shown}`] as const;
  const shown = '{"message": {"metadata": {"maxRetries": …}}}';
  const cases = [
    told({ ...whole, execution: {} }, "execution", "in message", '{"message": {"execution": …}}'),
    told(webhook({ url, execution: { maxRetries: 1 } }), "message.execution.maxRetries", "in message.metadata", shown),
    told({ message: { ...whole.message, mode: "db" } }, "message.mode", "at the top level", '{"mode": …}'),
    // Of a call of its own, or of another type.
    told({ ...whole, url }, "url", "", ""),
    told(webhook({ url, execution: { functionName: "x" } }), "message.execution.functionName", "", ""),
  ];
  for (const [body, field, message] of cases)
    expect(await detailsOf(body)).toContainEqual({ field, message: message || unknown });
});

test.each([
  ["malformed JSON", '{"message": {', "body", "expected JSON"],
  ["no body", "", "body", "expected"],
  ["a list", [], "body", "expected object"],
  ["null", "null", "body", "expected object"],
  ["NaN, as Python writes it", '{"message": {"a": [1.5e3, "\\"\\\\", NaN]}}', "body", "not valid at position 34"],
  ["text of JavaScript", "{\"message\": 'x'}", "body", "not valid at position 12"],
  ["a number that begins with a zero", '{"message": 01}', "body", "not valid at position 13"],
  ["a prototype in disguise", '{"__proto__": {"x": 1}, "message": {}}', "body", "has a field __proto__"],
  ["one by its numbers", String.raw`{"message":{"\u005f_proto__":1}}`, "body", "has a field __proto__"],
  ["no message", {}, "message", "expected object"],
  ["an unknown field", { ...webhook({ url: "https://a.example" }), priority: 1 }, "priority", "not a known field"],
  [
    "an unknown field inside",
    webhook({ url: "https://a.example", execution: { verb: "x" } }),
    "message.execution.verb",
    "not a known",
  ],
  ["an unknown mode", webhook({ url: "https://a.example", mode: "kafka" }), "mode", "Invalid option"],
  ["an app that is no UUID", { ...webhook({ url: "https://a.example" }), appId: "mine" }, "appId", "Invalid"],
  [
    "a body that is no text",
    webhook({ url: "https://a.example", proxy: { body: {} } }),
    "message.lambdaProxyMessage.body",
    "expected string",
  ],
  [
    "a path without a slash",
    webhook({ url: "https://a.example", path: "@evil.example/" }),
    "message.lambdaProxyMessage.path",
    "begins with /",
  ],
  [
    "a method that is not HTTP",
    webhook({ url: "https://a.example", method: "BREW" }),
    "message.lambdaProxyMessage.httpMethod",
    "Invalid option",
  ],
  [
    "a header name that is none",
    webhook({ url: "https://a.example", headers: { "a b": "c" } }),
    "message.lambdaProxyMessage.headers.a b",
    "header name",
  ],
  [
    "a header with a line break",
    webhook({ url: "https://a.example", headers: { a: "b\r\nc: d" } }),
    "message.lambdaProxyMessage.headers.a",
    "line breaks",
  ],
  [
    "a header that HTTP can't carry",
    webhook({ url: "https://a.example", headers: { a: "한국어" } }),
    "message.lambdaProxyMessage.headers.a",
    "Latin-1",
  ],
  [
    "a base64 body that is none",
    webhook({ url: "https://a.example", body: "{}", proxy: { isBase64Encoded: true } }),
    "message.lambdaProxyMessage.body",
    "not base64",
  ],
  ["a base URL of another scheme", webhook({ url: "ftp://a.example" }), "message.execution.baseUrl", "https://"],
  ["a base URL with a password", webhook({ url: "https://u:p@a.example" }), "message.execution.baseUrl", "password"],
  [
    "a base URL with a query",
    webhook({ url: "https://a.example/?a=b" }),
    "message.execution.baseUrl",
    "queryStringParameters",
  ],
  [
    "a timeout over ten minutes",
    webhook({ url: "https://a.example", execution: { timeoutSeconds: 601 } }),
    "message.execution.timeoutSeconds",
    "600",
  ],
  [
    "a timeout over a minute in mode sqs",
    webhook({ url: "https://a.example", mode: "sqs", execution: { timeoutSeconds: 61 } }),
    "message.execution.timeoutSeconds",
    "stored",
  ],
  [
    "a timeout over a minute in an order",
    webhook({
      url: "https://a.example",
      execution: { timeoutSeconds: 61 },
      metadata: { messageGroupId: "orders" },
    }),
    "message.metadata.messageGroupId",
    "60 s",
  ],
  [
    "too many retries",
    webhook({ url: "https://a.example", metadata: { maxRetries: 51 } }),
    "message.metadata.maxRetries",
    "50",
  ],
  [
    "a base delay over the maximum",
    webhook({ url: "https://a.example", metadata: { retry: { baseDelaySeconds: 9, maxDelaySeconds: 8 } } }),
    "message.metadata.retry.baseDelaySeconds",
    "larger",
  ],
  [
    "a jitter over 1",
    webhook({ url: "https://a.example", metadata: { retry: { jitter: 2 } } }),
    "message.metadata.retry.jitter",
    "1",
  ],
  [
    "a creation time that is none",
    webhook({ url: "https://a.example", metadata: { createdAt: "yesterday" } }),
    "message.metadata.createdAt",
    "with its offset",
  ],
  [
    "a key of 256 characters",
    webhook({ url: "https://a.example", metadata: { idempotencyKey: "k".repeat(256) } }),
    "message.metadata.idempotencyKey",
    "1 to 255",
  ],
  [
    "another app in the metadata",
    webhook({ url: "https://a.example", metadata: { appId: randomUUID() } }),
    "message.metadata.appId",
    "differs",
  ],
])("%s is refused with its field and what was expected", async (_, body, field, message) => {
  const details = await detailsOf(body);
  expect(details).toContainEqual({ field, message: expect.stringContaining(message) });
});

test.each([
  [
    "nested deeper than 32 levels",
    { requestContext: { a: JSON.parse(`${"[".repeat(2_000)}${"]".repeat(2_000)}`) } },
    "body",
    "32 levels",
  ],
  [
    "300,000 unknown fields",
    Object.fromEntries(Array.from({ length: 300_000 }, (_, n) => [`f${n}`, 1])),
    expect.any(String),
    "not a known",
  ],
  ["a field name of a megabyte", { ["x".repeat(1_000_000)]: 1 }, expect.any(String), "not a known"],
])("a request with %s is refused by an answer of a sensible size", async (_, proxy, field, message) => {
  const details = await detailsOf(webhook({ url: "https://a.example", proxy }));
  expect(details).toContainEqual({ field, message: expect.stringContaining(message) });
  expect(details.length).toBeLessThanOrEqual(20);
  expect(JSON.stringify(details).length).toBeLessThan(10_000);
});

test("numbers and texts that a table can't hold are refused or rounded", async () => {
  const { token } = await newApp();
  const tiny = webhook({ url: target.url, metadata: { retry: { jitter: 1e-200 } } });
  expect((await stack.call("POST", CREATE, { token, body: tiny })).status).toBe(201);
  const half = webhook({ url: target.url, metadata: { messageGroupId: "\ud800" } });
  expect((await stack.call("POST", CREATE, { token, body: half })).status).toBe(400);
});

test("times of any precision and offset are accepted, and what the service sets itself is ignored", async () => {
  const { token, appId } = await newApp();
  for (const createdAt of ["2025-01-01T12:00:00Z", "2025-01-01T12:00:00.123456Z", "2025-01-01T21:00:00+09:00"]) {
    const metadata = { createdAt, jobId: "mine", retryCount: 3, appId };
    const answer = await stack.call("POST", CREATE, { token, body: webhook({ url: target.url, metadata }) });
    expect(answer.status).toBe(201);
    expect(answer.body.data.retryCount).toBe(0);
    expect(answer.body.data.id).not.toBe("mine");
    expect(Date.parse(answer.body.data.createdAt)).toBeGreaterThan(Date.parse("2026-01-01"));
  }
});

test("JSON is read whatever the content type says", async () => {
  const { token } = await newApp();
  const body = JSON.stringify(webhook({ url: target.url }));
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"]) {
    const answer = await stack.call("POST", CREATE, { token, body, headers: { "content-type": type } });
    expect(answer.status).toBe(201);
  }
});

test("a body over 4 MB is refused with 413; one just under it is stored and delivered", async () => {
  const { token } = await newApp();
  const of = (bytes: number) => webhook({ url: target.url, path: "/large", body: "x".repeat(bytes) });
  const tooLarge = await stack.call("POST", CREATE, { token, body: of(4 * 1024 * 1024) });
  expect(tooLarge.status).toBe(413);
  expect(tooLarge.body.error.code).toBe("PAYLOAD_TOO_LARGE");
  expect((await stack.call("POST", CREATE, { token, body: of(11 * 1024 * 1024) })).status).toBe(413);

  const fits = of(4 * 1024 * 1024 - 1_000);
  expect((await stack.call("POST", CREATE, { token, body: fits })).status).toBe(201);
  const large = await stack.logged(() => target.received.some(({ url }) => url === "/large"));
  expect(large).toBeDefined();
  const delivered = target.received.find(({ url }) => url === "/large");
  expect(delivered?.body.length).toBe(4 * 1024 * 1024 - 1_000);
});

test("a message with several problems is told all of them", async () => {
  const execution = { type: "task", jobType: "import_csv", payload: { dataset: 5 } };
  const message = { execution, metadata: { messageGroupId: "orders" } };
  const fields = (await detailsOf({ mode: "sqs", message })).map(({ field }) => field);
  expect(fields).toContain("message.execution.payload.dataset");
  expect(fields).toContain("message.execution.type");
  expect(fields).toContain("message.metadata.messageGroupId");
});
