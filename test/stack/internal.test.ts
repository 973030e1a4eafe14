import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, startStack, until, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

const INTERNAL = "an-internal-token-of-32-characters-or-more";
const PATHS = ["jobs/run", "run-db-jobs", "poll-sqs", "process-scheduled-message"];

/** Its retries come after all tests, also on a slow machine. */
const LATE_RETRY = { metadata: { retry: { baseDelaySeconds: 86_400, maxDelaySeconds: 86_400 } } };

let stack: Stack;
let target: Target;

// The stack has no workers, so only these endpoints run jobs.
beforeAll(async () => {
  const env = { ROLE: "gateway", INTERNAL_JWT_TOKEN: INTERNAL, SPEED: "60" };
  [stack, target] = await Promise.all([startStack({ env }), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

async function internal(path: string, body?: unknown, token = INTERNAL) {
  return stack.call("POST", `/internal/v1/${path}`, { token, ...(body !== undefined && { body }) });
}

async function create(mode: string, path = "/hook", more: Record<string, unknown> = {}) {
  const { token } = await newApp();
  const body = webhook({ url: target.url, path, mode, ...more });
  const answer = await stack.call("POST", "/v1/jobs/create", { token, body });
  return { token, id: answer.body?.data.id as string };
}

test.each(PATHS)("/internal/v1/%s takes the operator's token alone", async (path) => {
  const { token } = await newApp();
  for (const wrong of [token, `${INTERNAL}x`, INTERNAL.slice(1), "x"]) {
    expect((await internal(path, {}, wrong)).status).toBe(401);
  }
  expect((await stack.call("POST", `/internal/v1/${path}`)).status).toBe(401);
});

test("without a token in the configuration, the internal endpoints do not exist", async () => {
  const without = await sharedStack({ ROLE: "gateway" });
  const unknown = await without.call("POST", "/internal/v1/nothing", { token: INTERNAL });
  for (const path of PATHS) {
    const answer = await without.call("POST", `/internal/v1/${path}`, { token: INTERNAL });
    expect(answer.status).toBe(404);
    expect(answer.body.error.code).toBe(unknown.body.error.code);
  }
});

test.each(["jobs/run", "run-db-jobs"])("/internal/v1/%s runs due jobs and says what came of them", async (path) => {
  target.answer(({ url }, response) => void response.writeHead(url === "/bad" ? 500 : 200).end());
  const good = [await create("db"), await create("db")];
  const bad = await create("db", "/bad", LATE_RETRY);
  const { status, body } = await internal(path);
  expect([status, body.data]).toEqual([200, { processed: 3, succeeded: 2, failed: 1, skipped: 0 }]);
  for (const { token, id } of good) await jobIn(stack, token, id, "SUCCEEDED");
  expect(await jobIn(stack, bad.token, bad.id, "RETRYING")).toMatchObject({ retryCount: 1, lastError: "HTTP 500" });
  expect((await internal(path)).body.data.processed).toBe(0);
});

test("a limit bounds how many jobs are run, the oldest first", async () => {
  target.answer((_, response) => void response.end());
  const jobs = [await create("db"), await create("db"), await create("db")];
  expect((await internal("run-db-jobs", { limit: 2 })).body.data.processed).toBe(2);
  for (const { token, id } of jobs.slice(0, 2)) await jobIn(stack, token, id, "SUCCEEDED");
  expect((await internal("run-db-jobs", { limit: 100 })).body.data.processed).toBe(1);
  for (const limit of [0, 101, "10"]) expect((await internal("run-db-jobs", { limit })).status).toBe(400);
  expect((await internal("poll-sqs", { limit: 11 })).status).toBe(400);
});

test("two requests at the same time run each job once", async () => {
  const before = target.received.length;
  for (let n = 0; n < 6; n += 1) await create("db");
  const answers = await Promise.all([internal("run-db-jobs"), internal("run-db-jobs"), internal("jobs/run")]);
  const succeeded = answers.reduce((sum, { body }) => sum + body.data.succeeded, 0);
  expect(succeeded).toBe(6);
  expect(target.received.length - before).toBe(6);
});

test("a job with an order is left to its queue", async () => {
  const { token, id } = await create("db", "/ordered", { metadata: { messageGroupId: "lane" } });
  expect((await internal("run-db-jobs")).body.data).toMatchObject({ succeeded: 0, skipped: 1 });
  expect((await stack.call("GET", `/v1/admin/jobs/${id}`, { token })).body.data.status).toBe("PENDING");
  await internal("poll-sqs");
  await jobIn(stack, token, id, "SUCCEEDED");
});

test("poll-sqs receives messages from the queues, handles them and deletes them", async () => {
  target.answer(({ url }, response) => void response.writeHead(url === "/bad" ? 500 : 200).end());
  const stored = await create("both", "/polled");
  await create("sqs", "/carried");
  await create("both", "/bad", LATE_RETRY);
  let tally = { processed: 0, succeeded: 0, failed: 0 };
  await until(async () => {
    const { data } = (await internal("poll-sqs")).body;
    tally = {
      processed: tally.processed + data.processed,
      succeeded: tally.succeeded + data.succeeded,
      failed: tally.failed + data.failed,
    };
    return tally.succeeded >= 2 && tally.failed >= 1;
  });
  // Retries of earlier tests may come too, and fail again.
  expect(tally).toEqual({ processed: tally.succeeded + tally.failed, succeeded: 2, failed: expect.any(Number) });
  await jobIn(stack, stored.token, stored.id, "SUCCEEDED");
  for (const path of ["/polled", "/carried", "/bad"])
    expect(target.received.filter(({ url }) => url === path).length).toBeGreaterThanOrEqual(1);
});

test("process-scheduled-message takes the event of fire-schedule, and a repeat is skipped", async () => {
  const { token } = await newApp();
  // Only this call fires a recurring schedule here.
  const targetJob = webhook({ url: target.url, path: "/fired" }).message;
  const execution = { type: "schedule", scheduleExpression: "rate(1 minute)", targetJob };
  const created = await stack.call("POST", "/v1/jobs/create", { token, body: { message: { execution } } });
  const event = { fire: { id: created.body.data.id, run: 1 } };
  expect((await internal("process-scheduled-message", event)).body.data).toMatchObject({ skipped: 1 });
  await until(async () => {
    const { data } = (await internal("process-scheduled-message", event)).body;
    return data.succeeded === 1;
  });
  const repeat = await internal("process-scheduled-message", event);
  expect(repeat.body.data).toEqual({ processed: 1, succeeded: 0, failed: 0, skipped: 1 });
  const schedule = await jobIn(stack, token, created.body.data.id, "PENDING");
  expect(schedule.runCount).toBe(1);
  await until(async () => (await internal("poll-sqs")).body.data.succeeded > 0);
  await jobIn(stack, token, schedule.targetJobId, "SUCCEEDED");
  expect(target.received.filter(({ url }) => url === "/fired")).toHaveLength(1);

  const { id } = created.body.data;
  const odd = [
    { id: 1, run: 1 },
    { id: "\udfff\ud800", run: 1 },
    { id, run: 1.5 },
    { id, run: 2 ** 60 },
    { target: { id } },
    { target: { id: "x", appId: "x", executionType: "rest-api", payload: "x" } },
  ];
  for (const wrong of [undefined, {}, { fire: {} }, ...odd.map((fire) => ({ fire })), []]) {
    const { status, body } = await internal("process-scheduled-message", wrong);
    expect([status, body.error.details[0].message]).toEqual([
      400,
      expect.stringMatching(/expected {"fire"|half a surrogate pair/),
    ]);
  }
});

test("callback-http makes a rest-api job and shows the deprecated fields", async () => {
  const { appId, token } = await newApp();
  const body = {
    appId,
    url: `${target.url}/legacy?order=7`,
    headers: { "X-Api-Key": "secret", "X-Source": "old" },
    body: { orderId: "7" },
    idempotencyKey: "order-7",
    maxRetries: 2,
  };
  const { status, body: answer } = await stack.call("POST", "/v1/jobs/callback-http", { token, body });
  expect(status).toBe(201);
  expect(answer.data).toMatchObject({
    executionType: "rest-api",
    status: "PENDING",
    maxRetries: 2,
    idempotencyKey: "order-7",
    type: "callback-http",
    payload: {
      url: body.url,
      method: "POST",
      headers: { "X-Api-Key": "***", "X-Source": "old" },
      body: { orderId: "7" },
    },
  });
  const again = await stack.call("POST", "/v1/jobs/callback-http", { token, body });
  expect([again.status, again.body.data.id, again.headers.get("idempotent-replayed")]).toEqual([
    200,
    answer.data.id,
    "true",
  ]);
  await until(async () => (await internal("poll-sqs")).body.data.succeeded > 0);
  const sent = target.received.find(({ url }) => url === "/legacy?order=7");
  expect(sent?.method).toBe("POST");
  expect(sent?.body.toString()).toBe('{"orderId":"7"}');
  expect(sent?.headers).toMatchObject({ "content-type": "application/json", "x-api-key": "secret", "x-source": "old" });
});

test("callback-http sends text as it is, other methods too, and refuses what is wrong by its own fields", async () => {
  const { token } = await newApp();
  const post = async (body: object) => stack.call("POST", "/v1/jobs/callback-http", { token, body });
  const created = await post({
    url: `${target.url}/text`,
    method: "PUT",
    body: "a=1",
    headers: { "content-type": "x/y" },
  });
  expect(created.status).toBe(201);
  await until(async () => (await internal("poll-sqs")).body.data.succeeded > 0);
  const sent = target.received.find(({ url }) => url === "/text");
  expect([sent?.method, sent?.body.toString(), sent?.headers["content-type"]]).toEqual(["PUT", "a=1", "x/y"]);

  const wrong = await post({ url: "ftp://a.example", method: "BREW", extra: 1 });
  expect(wrong.status).toBe(400);
  const fields = wrong.body.error.details.map(({ field }: { field: string }) => field);
  expect(fields.toSorted()).toEqual(["extra", "method", "url"]);
  expect((await stack.call("POST", "/v1/jobs/callback-http", { body: { url: target.url } })).status).toBe(401);
});
