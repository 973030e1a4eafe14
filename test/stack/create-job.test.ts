import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, newApp, sharedStack, tokenFor, webhook, type Stack } from "../support/stack.ts";
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

test("the specification's own example is accepted and answered as it says", async () => {
  const token = await tokenFor({ appId: "550e8400-e29b-41d4-a716-446655440000" });
  const body = {
    appId: "550e8400-e29b-41d4-a716-446655440000",
    mode: "both",
    message: {
      lambdaProxyMessage: {
        body: '{"orderId":"12345","amount":5000,"status":"paid"}',
        resource: "/{proxy+}",
        path: "/api/webhooks/payment-completed",
        httpMethod: "POST",
        isBase64Encoded: false,
        pathParameters: { proxy: "api/webhooks/payment-completed" },
        headers: { "Content-Type": "application/json", "X-Custom-Header": "my-value" },
        requestContext: { path: "/api/webhooks/payment-completed", resourcePath: "/{proxy+}", httpMethod: "POST" },
      },
      execution: { type: "rest-api", baseUrl: target.url },
      metadata: {
        messageGroupId: "rest-api",
        idempotencyKey: "payment-webhook-12345",
        createdAt: "2025-01-01T12:00:00.000Z",
      },
    },
  };
  const answer = await stack.call("POST", CREATE, { token, body });
  expect(answer).toMatchObject({ status: 201, body: { success: true } });
  expect(answer.headers.get("x-request-id")).toBeTruthy();
  const { data } = answer.body;
  expect(data).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    appId: body.appId,
    executionType: "rest-api",
    status: "PENDING",
    lambdaProxyMessage: body.message.lambdaProxyMessage,
    executionConfig: { ...body.message.execution, timeoutSeconds: 30 },
    destination: target.url,
    method: "POST",
    path: "/api/webhooks/payment-completed",
    attemptsStarted: 0,
    lastHttpStatus: null,
    messageGroupId: "rest-api",
    idempotencyKey: "payment-webhook-12345",
    retryCount: 0,
    maxRetries: 10,
    nextRetryAt: data.createdAt,
    lastError: null,
    scheduleArn: null,
    createdBy: "tester",
    createdAt: expect.stringMatching(ISO),
    updatedAt: data.createdAt,
  });
  const [delivered] = await target.got(1);
  expect(delivered?.body.toString()).toBe(body.message.lambdaProxyMessage.body);
});

test("only body, path, httpMethod and execution are required; the rest has defaults", async () => {
  const { token } = await newApp();
  const { status, body } = await stack.call("POST", CREATE, { token, body: webhook({ url: target.url }) });
  expect(status).toBe(201);
  expect(body.data.lambdaProxyMessage).toEqual({
    body: '{"orderId":"123"}',
    resource: "/{proxy+}",
    path: "/hook",
    httpMethod: "POST",
    isBase64Encoded: false,
    pathParameters: {},
    headers: {},
    requestContext: { path: "/hook", resourcePath: "/{proxy+}", httpMethod: "POST" },
  });
  expect(body.data).toMatchObject({ messageGroupId: "rest-api", idempotencyKey: null });
});

test("mode sqs answers 202 null, stores nothing, and delivers", async () => {
  const { token } = await newApp();
  const body = webhook({ url: target.url, path: "/sqs-mode", mode: "sqs" });
  const answer = await stack.call("POST", CREATE, { token, body });
  expect(answer.status).toBe(202);
  expect(answer.body).toBeNull();
  await stack.logged(() => target.received.some(({ url }) => url === "/sqs-mode"));
  const list = await stack.call("GET", "/v1/admin/jobs", { token });
  expect(list.body.data.items).toEqual([]);
});

test("mode db answers 201 and sends nothing; the sweep delivers", async () => {
  const fast = await sharedStack({ SPEED: "60" });
  const { token } = await newApp();
  const body = webhook({ url: target.url, path: "/db-mode", mode: "db" });
  const answer = await fast.call("POST", CREATE, { token, body });
  expect(answer.status).toBe(201);
  expect(answer.body.data.status).toBe("PENDING");
  await fast.logged(({ event, jobId }) => event === "job.attempted" && jobId === answer.body.data.id);
});

test("a job whose request would not fit into an answer is answered without it", async () => {
  const { token } = await newApp();
  const body = webhook({ url: target.url, body: '"'.repeat(1_900_000), headers: { "X-Large": "yes" } });
  const answer = await stack.call("POST", CREATE, {
    token,
    body,
    headers: { "content-type": "application/octet-stream" },
  });
  expect(answer.status).toBe(201);
  expect(answer.body.data).toMatchObject({
    lambdaProxyMessage: null,
    omitted: ["lambdaProxyMessage"],
    status: "PENDING",
  });
  const shown = await stack.call("GET", `/v1/admin/jobs/${answer.body.data.id}`, { token });
  expect(shown.body.data).toMatchObject({ lambdaProxyMessage: null, id: answer.body.data.id });
});

test("a repeat of a key answers 200 with the same job and says that it is a replay", async () => {
  const { token } = await newApp();
  const body = webhook({ url: target.url, path: "/once", metadata: { idempotencyKey: "same" } });
  const first = await stack.call("POST", CREATE, { token, body });
  const again = webhook({
    url: target.url,
    path: "/once",
    metadata: { idempotencyKey: "same", createdAt: "2025-01-01T00:00:00Z" },
  });
  const second = await stack.call("POST", CREATE, { token, body: again });
  expect(first.status).toBe(201);
  expect(first.headers.get("idempotent-replayed")).toBeNull();
  expect(second.status).toBe(200);
  expect(second.headers.get("idempotent-replayed")).toBe("true");
  expect(second.body.data.id).toBe(first.body.data.id);
  expect(second.body.data.lambdaProxyMessage.body).toBe('{"orderId":"123"}');
});

test("a key used again for something else is refused with 422 that says what differs", async () => {
  const { token } = await newApp();
  const metadata = { idempotencyKey: "same" };
  await stack.call("POST", CREATE, { token, body: webhook({ url: target.url, metadata }) });
  const others = {
    path: webhook({ url: target.url, path: "/elsewhere", metadata }),
    httpMethod: webhook({ url: target.url, method: "PUT", metadata }),
    baseUrl: webhook({ url: "https://other.example", metadata }),
    body: webhook({ url: target.url, body: '{"orderId":"124"}', metadata }),
  };
  for (const [differing, body] of Object.entries(others)) {
    const answer = await stack.call("POST", CREATE, { token, body });
    expect(answer.status).toBe(422);
    expect(answer.body.error).toMatchObject({
      code: "UNPROCESSABLE_ENTITY",
      reason: "idempotency_conflict",
      message: expect.stringContaining(differing),
      details: [{ field: expect.stringContaining(`/${differing}`) }],
    });
  }
});

test("the Idempotency-Key header does as the field; two that differ are refused", async () => {
  const { token } = await newApp();
  const headers = { "Idempotency-Key": "from-header" };
  const first = await stack.call("POST", CREATE, { token, body: webhook({ url: target.url }), headers });
  expect(first.body.data.idempotencyKey).toBe("from-header");
  const inBody = webhook({ url: target.url, metadata: { idempotencyKey: "from-header" } });
  const second = await stack.call("POST", CREATE, { token, body: inBody });
  expect(second.body.data.id).toBe(first.body.data.id);

  const other = webhook({ url: target.url, metadata: { idempotencyKey: "other" } });
  const third = await stack.call("POST", CREATE, { token, body: other, headers });
  expect(third.status).toBe(400);
  expect(third.body.error.details[0].field).toBe("message.metadata.idempotencyKey");
});

test("the same key belongs to another job in another app", async () => {
  const [one, two] = await Promise.all([newApp(), newApp()]);
  const body = webhook({ url: target.url, metadata: { idempotencyKey: "shared" } });
  const first = await stack.call("POST", CREATE, { token: one.token, body });
  const second = await stack.call("POST", CREATE, { token: two.token, body });
  expect(second.status).toBe(201);
  expect(second.body.data.id).not.toBe(first.body.data.id);
});

test("the same key posted 50 times in parallel gives one job and one delivery", async () => {
  const { token } = await newApp();
  const body = webhook({ url: target.url, path: "/fifty", metadata: { idempotencyKey: "fifty" } });
  const answers = await Promise.all(Array.from({ length: 50 }, () => stack.call("POST", CREATE, { token, body })));
  const created = answers.filter(({ status }) => status === 201);
  const replayed = answers.filter(({ status }) => status === 200);
  expect([created.length, replayed.length]).toEqual([1, 49]);
  const id = created[0]?.body.data.id;
  expect(new Set(answers.map((answer) => answer.body.data.id))).toEqual(new Set([id]));
  await stack.logged((line) => line.event === "job.attempted" && line.jobId === id);
  // The delivery of a later job shows that the queue holds no earlier message.
  const last = await stack.call("POST", CREATE, { token, body: webhook({ url: target.url }) });
  await stack.logged((line) => line.event === "job.attempted" && line.jobId === last.body.data.id);
  expect(target.received.filter(({ url }) => url === "/fifty")).toHaveLength(1);
});

test("credentials among the headers are delivered but never shown", async () => {
  const { token } = await newApp();
  const headers = {
    Authorization: "Bearer target-secret",
    "X-API-Key": "key-secret",
    Cookie: "a=b",
    "X-Plain": "shown",
  };
  const proxy = { queryStringParameters: { access_token: "query-secret", page: "2" } };
  const body = webhook({ url: target.url, path: "/credentials", headers, proxy });
  const answer = await stack.call("POST", CREATE, { token, body });
  const masked = { Authorization: "***", "X-API-Key": "***", Cookie: "***", "X-Plain": "shown" };
  expect(answer.body.data.lambdaProxyMessage.headers).toEqual(masked);
  expect(answer.body.data.lambdaProxyMessage.queryStringParameters).toEqual({ access_token: "***", page: "2" });
  await stack.logged((line) => line.event === "job.attempted" && line.jobId === answer.body.data.id);
  const shown = await stack.call("GET", `/v1/admin/jobs/${answer.body.data.id}`, { token });
  expect(shown.body.data.lambdaProxyMessage.headers).toEqual(masked);
  const delivered = target.received.find(({ url }) => url.startsWith("/credentials"));
  expect(delivered?.url).toBe("/credentials?access_token=query-secret&page=2");
  expect(delivered?.headers).toMatchObject({
    authorization: "Bearer target-secret",
    "x-api-key": "key-secret",
    cookie: "a=b",
  });
  expect(stack.lines.join("\n")).not.toMatch(/(?:target|key|query)-secret/);
});

test("a request id of the caller's own is kept; one that could break a log is not", async () => {
  const { token } = await newApp();
  const own = await stack.call("GET", "/v1/admin/jobs", { token, headers: { "x-request-id": "req-1" } });
  expect(own.headers.get("x-request-id")).toBe("req-1");
  const odd = await stack.call("GET", "/v1/admin/jobs", { token, headers: { "x-request-id": 'a"b c' } });
  expect(odd.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
});

test("a batch accepts or refuses each job by itself", async () => {
  const { token } = await newApp();
  const good = webhook({ url: target.url, path: "/batch", metadata: { idempotencyKey: "b" } });
  const first = await stack.call("POST", "/v1/jobs/batch", { token, body: { jobs: [good] } });
  expect([first.status, first.body.success]).toEqual([207, true]);
  expect(first.body.data.results).toMatchObject([{ status: 201, data: { status: "PENDING", idempotencyKey: "b" } }]);
  const { id } = first.body.data.results[0].data;

  const jobs = [
    good,
    webhook({ url: target.url, path: "/other", metadata: { idempotencyKey: "b" } }),
    webhook({ url: "ftp://a.example" }),
    "not a job",
    { ...webhook({ url: target.url }), appId: randomUUID() },
    webhook({ url: target.url, mode: "sqs" }),
    webhook({ url: target.url, mode: "db" }),
  ];
  const { body } = await stack.call("POST", "/v1/jobs/batch", { token, body: { jobs } });
  const { results } = body.data;
  expect(results.map(({ status }: { status: number }) => status)).toEqual([200, 422, 400, 400, 403, 202, 201]);
  expect(results[0].data.id).toBe(id);
  expect(results[1].error.code).toBe("UNPROCESSABLE_ENTITY");
  expect(results[2].error.details[0].field).toBe("message.execution.baseUrl");
  expect(results[3].error.details[0].field).toBe("job");
  expect(results[5]).toEqual({ status: 202, data: null });
});

test("a batch of 100 is accepted whole and in its order; one of 0 or 101 is refused", async () => {
  const { token } = await newApp();
  const of = (count: number) => ({
    jobs: Array.from({ length: count }, (_, n) => webhook({ url: target.url, metadata: { idempotencyKey: `n-${n}` } })),
  });
  const { body } = await stack.call("POST", "/v1/jobs/batch", { token, body: of(100) });
  const keys = body.data.results.map(({ data }: { data: { idempotencyKey: string } }) => data.idempotencyKey);
  expect(keys).toEqual(Array.from({ length: 100 }, (_, n) => `n-${n}`));
  for (const count of [0, 101]) {
    const refused = await stack.call("POST", "/v1/jobs/batch", { token, body: of(count) });
    expect([refused.status, refused.body.error.details[0].field]).toEqual([400, "jobs"]);
  }
});

test("a batch of replays shows no more of what is stored than an answer holds", async () => {
  const { token } = await newApp();
  const metadata = { idempotencyKey: "large", idempotencyIgnore: ["/text"] };
  const job = (text: string) => webhook({ url: target.url, body: JSON.stringify({ text }), mode: "db", metadata });
  const stored = await stack.call("POST", CREATE, { token, body: job("x".repeat(1_000_000)) });
  expect(stored.status).toBe(201);
  const jobs = Array.from({ length: 30 }, () => job("x"));
  const { body } = await stack.call("POST", "/v1/jobs/batch", { token, body: { jobs } });
  const shown = (body.data.results as { status: number; data: { id: string; lambdaProxyMessage?: object } }[]).map(
    ({ status, data }) => [status, data.id, data.lambdaProxyMessage !== undefined],
  );
  const at = (index: number) => [200, stored.body.data.id, index < 4];
  expect(shown).toEqual(shown.map((_, index) => at(index)));
});
