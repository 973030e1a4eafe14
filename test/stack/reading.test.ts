import { randomBytes, randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, tokenFor, until, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;
let isBusy = true;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
  target.answer(({ url }, response) => {
    response.statusCode = url.startsWith("/fails") ? 500 : 200;
    const headers = { "content-encoding": "gzip", "set-cookie": "a=canary", "x-request": "r-1" };
    if (url.startsWith("/told")) response.writeHead(isBusy ? 503 : 200, headers).end(gzipSync(`{"busy":${isBusy}}`));
    else response.end();
  });
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

async function create(token: string, options: { path?: string; metadata?: object } = {}): Promise<string> {
  const body = webhook({ url: target.url, ...options, metadata: { ...options.metadata } });
  return (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data.id;
}

async function list(token: string, query: Record<string, string> = {}) {
  const answer = await stack.call("GET", `/v1/admin/jobs?${String(new URLSearchParams(query))}`, { token });
  expect(answer.status).toBe(200);
  return answer.body.data as { items: { id: string; status: string }[]; nextCursor: string | null };
}

/** All pages of a list, by following the cursors. */
async function pages(token: string, query: Record<string, string>): Promise<string[][]> {
  const walked: string[][] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await list(token, { ...query, ...(cursor && { cursor }) });
    walked.push(page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  return walked;
}

test("a list is newest first, in the envelope, without payloads", async () => {
  const { token, appId } = await newApp();
  const ids = [await create(token), await create(token), await create(token)];
  const answer = await stack.call("GET", "/v1/admin/jobs", { token });
  expect(answer.body).toMatchObject({ success: true, timestamp: expect.stringMatching(/Z$/) });
  const { items, nextCursor } = answer.body.data;
  expect(nextCursor).toBeNull();
  expect(items.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed());
  for (const item of items) {
    expect(item).toMatchObject({ appId, executionType: "rest-api" });
    expect(item).not.toHaveProperty("lambdaProxyMessage");
    expect(item).not.toHaveProperty("executionConfig");
  }
});

test("walking the pages shows each job once, whatever the page size", async () => {
  const { token } = await newApp();
  const ids: string[] = [];
  // Parallel creates often get the same millisecond, so some jobs share their time of creation.
  for (let n = 0; n < 6; n += 1) ids.push(...(await Promise.all(Array.from({ length: 4 }, () => create(token)))));
  for (const limit of ["1", "5", "24", "100"]) {
    const walked = await pages(token, { limit });
    expect(walked.flat().toSorted()).toEqual(ids.toSorted());
    expect(walked.every((page) => page.length <= Number(limit))).toBe(true);
  }
});

test("status, execution type, key and creation time filter", async () => {
  const { token } = await newApp();
  const done = await create(token, { metadata: { idempotencyKey: "done" } });
  const failing = await create(token, { path: "/fails", metadata: { idempotencyKey: "failing" } });
  const dead = await create(token, { path: "/fails", metadata: { maxRetries: 0 } });
  const ids = async (query: Record<string, string>) => (await list(token, query)).items.map(({ id }) => id);

  await until(async () => (await ids({ status: "SUCCEEDED" })).length === 1);
  expect(await ids({ status: "SUCCEEDED" })).toEqual([done]);
  await until(async () => (await ids({ status: "RETRYING" })).length === 1);
  expect(await ids({ status: "RETRYING" })).toEqual([failing]);
  await until(async () => (await ids({ status: "DEAD" })).length === 1);
  expect(await ids({ status: "DEAD" })).toEqual([dead]);
  expect(await ids({ status: "CANCELLED" })).toEqual([]);
  expect(await ids({ status: "PENDING" })).toEqual([]);

  expect(await ids({ executionType: "rest-api" })).toEqual([dead, failing, done]);
  expect(await ids({ executionType: "lambda-url" })).toEqual([]);
  expect(await ids({ status: "DEAD", executionType: "lambda-url" })).toEqual([]);
  expect(await ids({ idempotencyKey: "done" })).toEqual([done]);
  expect(await ids({ idempotencyKey: "done", status: "DEAD" })).toEqual([]);
  expect(await ids({ idempotencyKey: "never used" })).toEqual([]);

  const { createdAt } = (await stack.call("GET", `/v1/admin/jobs/${failing}`, { token })).body.data;
  expect(await ids({ createdAfter: createdAt })).toEqual([dead, failing]);
  expect(await ids({ createdBefore: createdAt })).toEqual([failing, done]);
  expect(await ids({ createdAfter: createdAt, createdBefore: createdAt })).toEqual([failing]);
});

test("several values of a condition are repeated or, where they hold no comma, joined by one", async () => {
  const { token } = await newApp();
  const [done, dead] = [
    await create(token),
    await create(token, { path: "/fails?code=canary", metadata: { maxRetries: 0 } }),
  ];
  const waiting = await create(token, { path: "/fails", metadata: { idempotencyKey: "order,1" } });
  const get = async (path: string) => (await stack.call("GET", `/v1/admin/jobs${path}`, { token })).body.data;
  const ids = async (query: string) => (await get(`?${query}`)).items.map(({ id }: { id: string }) => id);
  await until(async () => (await ids("status=DEAD&status=RETRYING&status=SUCCEEDED")).length === 3);
  expect(await ids("status=DEAD,RETRYING")).toEqual([waiting, dead]);
  expect(await ids("status=DEAD&status=SUCCEEDED")).toEqual([dead, done]);
  expect(await ids("keyPrefix=order,")).toEqual([waiting]);
  expect(await ids("keyPrefix=none&keyPrefix=order%2C1")).toEqual([waiting]);
  expect(await ids("errorContains=HTTP,500&errorContains=HTTP+500")).toEqual([waiting, dead]);
  expect(await ids("httpStatus=5xx&host=127.0.0.1")).toEqual([waiting, dead]);
  expect(await ids(`ids=${done},${dead}&httpStatus=200`)).toEqual([done]);
  expect(await ids(`parentId=${done}`)).toEqual([]);
  expect(await get("/count?status=DEAD,RETRYING")).toEqual({ count: 2, isLowerBound: false, lookedBackTo: null });
  expect(await get("/count?keyPrefix=order")).toMatchObject({ count: 1 });
  const { items, lookedBackTo } = await get(`?ids=${dead}`);
  expect(lookedBackTo).toBeNull();
  const large = webhook({ url: `${target.url}/base`, path: "/large", body: randomBytes(3_000).toString("hex") });
  const { id } = (await stack.call("POST", "/v1/jobs/create", { token, body: large })).body.data;
  expect((await get(`?ids=${id}`)).items).toMatchObject([{ method: "POST", path: "/base/large" }]);
  const row = {
    destination: target.url,
    method: "POST",
    path: "/fails?code=***",
    attemptsStarted: 1,
    lastHttpStatus: 500,
  };
  expect(items).toMatchObject([row]);
});

test("an attempt tells its request and answer without credentials, and a job its planned retries", async () => {
  const { token } = await newApp();
  const headers = { "x-api-key": "canary", "x-shown": "yes" };
  const body = webhook({ url: target.url, path: "/told", headers });
  const { id } = (await stack.call("POST", "/v1/jobs/create", { token, body })).body.data;
  const job = await jobIn(stack, token, id, "RETRYING");
  const sent = target.received.find(({ url }) => url === "/told");
  const [attempt] = job.attempts;
  expect(attempt).toMatchObject({
    responseExcerpt: '{"busy":true}',
    responseHeaders: { "content-encoding": "gzip", "set-cookie": "***", "x-request": "r-1" },
    request: { url: `${target.url}/told`, bodyBytes: 17, headers: { "x-api-key": "***", "x-shown": "yes" } },
  });
  for (const [name, value] of Object.entries(attempt.request.headers)) {
    if (value !== "***") expect(sent?.headers[name]).toBe(value);
  }
  expect(job).toMatchObject({ lastHttpStatus: 503, attemptsStarted: 1, retry: { baseDelaySeconds: 60 } });
  const minutes = job.nextRetries.map((at: string) => (Date.parse(at) - Date.parse(job.updatedAt)) / 60_000);
  expect(minutes).toEqual([1, 3, 7, 15, 31, 63, 127, 255, 511, 1_023]);
  isBusy = false;
  expect((await stack.call("POST", `/v1/admin/jobs/${id}/retry`, { token })).body.data.status).toBe("RETRYING");
  const ended = await jobIn(stack, token, id, "SUCCEEDED");
  expect(ended).toMatchObject({ lastHttpStatus: 200, attempts: [{}, { responseExcerpt: '{"busy":false}' }] });
  expect(ended).not.toHaveProperty("nextRetries");
});

test("a page that filters leave short still says where to go on", async () => {
  const { token } = await newApp();
  const rare = await create(token, { path: "/fails" });
  for (let n = 0; n < 20; n += 1) await create(token);
  await until(async () => (await list(token, { status: "SUCCEEDED", limit: "100" })).items.length === 20);
  // A page reads 4 × 2 jobs, and the only pending job is behind 20 others.
  const walked = await pages(token, { status: "SUCCEEDED", limit: "2" });
  expect(walked.flat()).toHaveLength(20);
  expect(walked.flat()).not.toContain(rare);
  const pending = await pages(token, { status: "PENDING", limit: "2" });
  expect(pending.length).toBeGreaterThan(1);
  expect(pending.flat()).toEqual([]);
});

test.each([
  ["limit", "0"],
  ["limit", "101"],
  ["limit", "many"],
  ["status", "LOST"],
  ["executionType", "carrier-pigeon"],
  ["createdAfter", "yesterday"],
  ["appId", "mine"],
  ["cursor", "not a cursor"],
  ["cursor", Buffer.from('{"of":"x","at":{}}').toString("base64url")],
  ["offset", "5"],
  ["createdBefore", "1960-01-01T00:00:00Z"],
  ["httpStatus", "6xx"],
  ["ids", "mine"],
  ["group", "mine"],
  ["updatedAfter", "yesterday"],
])("%s=%s is refused with 400", async (field, value) => {
  const { token } = await newApp();
  const answer = await stack.call("GET", `/v1/admin/jobs?${String(new URLSearchParams({ [field]: value }))}`, {
    token,
  });
  expect(answer.status).toBe(400);
  expect(answer.body.error.details[0].field).toBe(field);
});

test("a cursor is good for its own app and filter only", async () => {
  const [one, two] = await Promise.all([newApp(), newApp()]);
  for (const { token } of [one, two]) for (let n = 0; n < 3; n += 1) await create(token);
  const { nextCursor } = await list(one.token, { limit: "1" });
  const cursor = nextCursor ?? "";
  expect((await list(one.token, { limit: "1", cursor })).items).toHaveLength(1);
  for (const [token, query] of [
    [two.token, { limit: "1", cursor }],
    [one.token, { status: "DEAD", cursor }],
  ] as const) {
    const answer = await stack.call("GET", `/v1/admin/jobs?${String(new URLSearchParams(query))}`, { token });
    expect(answer.status).toBe(400);
  }
});

test("a cursor that was tampered with is refused", async () => {
  const { token } = await newApp();
  for (let n = 0; n < 3; n += 1) await create(token);
  const createdAfter = "2020-01-01T00:00:00Z";
  const { nextCursor } = await list(token, { limit: "1", createdAfter });
  const content = JSON.parse(Buffer.from(nextCursor ?? "", "base64url").toString());
  const [name = ""] = Object.keys(content.ids);
  expect(name).toMatch(/^byApp#rest-api#[0-3]$/);
  for (const change of [{ at: 5 }, { at: 1.5e12 + 0.5 }, { ids: { [name]: "x" } }, { ids: 5 }, { at: undefined }]) {
    const cursor = Buffer.from(JSON.stringify({ ...content, ...change })).toString("base64url");
    const query = String(new URLSearchParams({ limit: "1", createdAfter, cursor }));
    expect((await stack.call("GET", `/v1/admin/jobs?${query}`, { token })).status).toBe(400);
  }
});

test("a range of time that ends before it begins is refused", async () => {
  const { token } = await newApp();
  const query = "createdAfter=2026-01-02T00:00:00Z&createdBefore=2026-01-01T00:00:00Z";
  const answer = await stack.call("GET", `/v1/admin/jobs?${query}`, { token });
  expect(answer.status).toBe(400);
  expect(answer.body.error.details[0].field).toBe("createdBefore");
});

test("of a long body the first characters are shown where fewer are asked for, and no character is cut", async () => {
  const { token } = await newApp();
  const body = `${"x".repeat(99)}😀${"y".repeat(300_000)}`;
  const { data } = (await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url, body }) }))
    .body;
  const shown = async (query: string) =>
    (await stack.call("GET", `/v1/admin/jobs/${data.id}${query}`, { token })).body.data;
  const whole = await shown("");
  expect([whole.lambdaProxyMessage.body, whole.bodyLength]).toEqual([body, undefined]);
  const cut = await shown("?bodyUpTo=99");
  expect([cut.lambdaProxyMessage.body, cut.bodyLength]).toEqual(["x".repeat(99), body.length]);
  expect((await shown("?bodyUpTo=100")).lambdaProxyMessage.body).toBe("x".repeat(99));
  expect((await shown("?bodyUpTo=101")).lambdaProxyMessage.body).toBe(`${"x".repeat(99)}😀`);
  expect((await shown(`?bodyUpTo=${body.length}`)).bodyLength).toBeUndefined();
  const refused = await stack.call("GET", `/v1/admin/jobs/${data.id}?bodyUpTo=none`, { token });
  expect([refused.status, refused.body.error.details[0].field]).toEqual([400, "bodyUpTo"]);
});

test("unknown ids, foreign ids and nonsense get the same 404", async () => {
  const [mine, other] = await Promise.all([newApp(), newApp()]);
  const foreign = await create(other.token);
  const answers = await Promise.all(
    [foreign, randomUUID(), "nonsense", "%00", "..%2f..", "a".repeat(300)].map((id) =>
      stack.call("GET", `/v1/admin/jobs/${id}`, { token: mine.token }),
    ),
  );
  for (const { status, body } of answers) {
    expect(status).toBe(404);
    expect(body).toEqual({
      success: false,
      error: { code: "NOT_FOUND", message: "No such job" },
      timestamp: expect.any(String),
    });
  }
});

test("a platform administrator sees any app's jobs, and by default those of the default app", async () => {
  const { token, appId } = await newApp();
  const id = await create(token);
  const admin = await tokenFor({ roles: ["PLATFORM_ADMIN"] });
  expect((await list(admin, { appId })).items.map((item) => item.id)).toEqual([id]);
  expect((await stack.call("GET", `/v1/admin/jobs/${id}`, { token: admin })).body.data.id).toBe(id);
  expect((await list(admin)).items.map((item) => item.id)).not.toContain(id);
  const own = await stack.call("POST", "/v1/jobs/create", { token: admin, body: webhook({ url: target.url }) });
  expect(own.body.data.appId).toBe("eb3fcbb2-7bb3-4ac7-aa38-1cb4bf00e405");
});
