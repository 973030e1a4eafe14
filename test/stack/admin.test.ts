import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, tokenFor, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;
/** Answers the requests that the target holds, with a status. */
let release: (status: number) => void = () => {};

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
  target.answer(({ url }, response) => {
    if (url.startsWith("/hold")) {
      release = (status) => response.writeHead(status).end();
    } else response.writeHead(url.startsWith("/fails") ? 500 : 200).end();
  });
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

async function create(token: string, options: { path?: string; mode?: string; metadata?: object; body?: string } = {}) {
  const { body } = await stack.call("POST", "/v1/jobs/create", {
    token,
    body: webhook({ url: target.url, ...options, metadata: { ...options.metadata } }),
  });
  return body.data.id as string;
}

const act = async (token: string, id: string, action: string) =>
  stack.call("POST", `/v1/admin/jobs/${id}/${action}`, { token });

/** A job whose first attempt the target holds. */
async function heldJob(token: string, options: { metadata?: object } = {}): Promise<string> {
  const before = target.received.length;
  const id = await create(token, { path: "/hold", ...options });
  await target.got(before + 1);
  return id;
}

test("a job that waits for its retry is cancelled at once, and not tried again", async () => {
  const { token } = await newApp();
  const id = await create(token, { path: "/fails" });
  const waits = await jobIn(stack, token, id, "RETRYING");
  expect(waits.waiting).toMatchObject({ reason: "backoff", until: waits.nextRetryAt });
  const retrying = async (query: string) => stack.call("GET", `/v1/admin/jobs?status=RETRYING${query}`, { token });
  expect((await retrying("&include=waiting")).body.data.items).toMatchObject([{ id, waiting: waits.waiting }]);
  expect((await retrying("")).body.data.items[0]).not.toHaveProperty("waiting");
  expect((await retrying("&include=all")).status).toBe(400);
  const { status, body } = await act(token, id, "cancel");
  expect([status, body.data.status, body.data.nextRetryAt]).toEqual([200, "CANCELLED", null]);
  const list = await stack.call("GET", "/v1/admin/jobs?status=CANCELLED", { token });
  expect(list.body.data.items).toMatchObject([{ id }]);
});

test.each([
  ["cancel", "CANCELLED"],
  ["deadletter", "DEAD"],
])(
  "%s of a running job answers when it was asked for, and takes effect when the attempt fails",
  async (action, status) => {
    const { token } = await newApp();
    const id = await heldJob(token);
    const { body } = await act(token, id, action);
    expect(body.data).toMatchObject({ status: "RUNNING", stopRequestedAt: expect.stringMatching(/Z$/) });
    release(500);
    const job = await jobIn(stack, token, id, status);
    expect(job).toMatchObject({ lastError: "HTTP 500", retryCount: 0 });
    expect(job.attempts).toHaveLength(1);
  },
);

test("a success stays a success, though a cancel was asked for", async () => {
  const { token } = await newApp();
  const id = await heldJob(token);
  await act(token, id, "cancel");
  release(200);
  await jobIn(stack, token, id, "SUCCEEDED");
});

test("a dead job is tried again with fresh retries, and its attempts are counted on", async () => {
  const { token } = await newApp();
  const id = await heldJob(token, { metadata: { maxRetries: 0 } });
  release(500);
  await jobIn(stack, token, id, "DEAD");
  const before = target.received.length;
  const { status, body } = await act(token, id, "retry");
  expect([status, body.data.status, body.data.retryCount]).toEqual([200, "PENDING", 0]);
  await target.got(before + 1);
  release(200);
  const job = await jobIn(stack, token, id, "SUCCEEDED");
  expect(job.attempts).toMatchObject([
    { number: 1, outcome: "retry", httpStatus: 500 },
    { number: 2, outcome: "succeeded", httpStatus: 200 },
  ]);
});

test("what the states do not allow is refused with 409 that says why", async () => {
  const { token } = await newApp();
  const done = await create(token);
  await jobIn(stack, token, done, "SUCCEEDED");
  const waiting = await create(token, { path: "/fails" });
  await jobIn(stack, token, waiting, "RETRYING");
  for (const [id, action, message] of [
    [done, "cancel", "this one is SUCCEEDED"],
    [done, "deadletter", "this one is SUCCEEDED"],
    [done, "retry", "this one is SUCCEEDED"],
  ] as const) {
    const { status, body } = await act(token, id, action);
    expect([status, body.error.code]).toEqual([409, "CONFLICT"]);
    expect(body.error.message).toContain(message);
  }
  const refused = await stack.call("DELETE", `/v1/admin/jobs/${waiting}`, { token });
  expect([refused.status, refused.body.error.message]).toEqual([409, expect.stringContaining("Cancel it first")]);
});

test("a finished job can be deleted, with its payload, and its key is free again", async () => {
  const { token } = await newApp();
  const metadata = { idempotencyKey: "again" };
  const id = await create(token, { metadata, body: "x".repeat(500) + randomUUID().repeat(9_000) });
  await jobIn(stack, token, id, "SUCCEEDED");
  const { status, body } = await stack.call("DELETE", `/v1/admin/jobs/${id}`, { token });
  expect([status, body.data.id]).toEqual([200, id]);
  expect((await stack.call("GET", `/v1/admin/jobs/${id}`, { token })).status).toBe(404);
  expect((await stack.call("GET", "/v1/admin/jobs", { token })).body.data.items).toEqual([]);
  expect(await create(token, { metadata })).toBe(id);
});

test("unknown and foreign jobs are the same 404 for every action, and other roles get 403", async () => {
  const [mine, other] = await Promise.all([newApp(), newApp()]);
  const foreign = await create(other.token, { mode: "db" });
  const user = await tokenFor({ appId: mine.appId, roles: ["USER"] });
  for (const [method, action] of [
    ["POST", "/retry"],
    ["POST", "/cancel"],
    ["POST", "/deadletter"],
    ["DELETE", ""],
  ] as const) {
    for (const id of [foreign, randomUUID(), "nonsense"]) {
      const answer = await stack.call(method, `/v1/admin/jobs/${id}${action}`, { token: mine.token });
      expect([answer.status, answer.body.error]).toEqual([404, { code: "NOT_FOUND", message: "No such job" }]);
    }
    expect((await stack.call(method, `/v1/admin/jobs/${foreign}${action}`, { token: user })).status).toBe(403);
  }
  const { body } = await stack.call("GET", `/v1/admin/jobs/${foreign}`, { token: other.token });
  expect(body.data.status).not.toBe("CANCELLED");
});
