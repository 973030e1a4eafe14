import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { PERMISSIONS } from "../../lib/api/http/rights.ts";
import {
  endStacks,
  jobIn,
  newApp,
  sharedStack,
  tokenFor,
  until,
  webhook,
  type Answer,
  type Stack,
} from "../support/stack.ts";

// What pages ask for: who is asking, lists that have not changed, all apps, the log of a task.

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack();
});
afterAll(endStacks);

const get = async (path: string, token: string, headers: Record<string, string> = {}) =>
  stack.call("GET", path, { token, headers });
const hook = () => webhook({ url: `${stack.url}/echo`, mode: "db" });

// ---- GET /v1/me ----

test("whoever asks is told what the token says and allows, and which service this is", async () => {
  const began = Date.now();
  const { appId, token } = await newApp();
  await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: { version: 0, name: "Shop" } });
  const { body } = await until(async () => {
    const answer = await get("/v1/me", token);
    // Settings are remembered for ten seconds.
    return answer.body.data.appName === "Shop" && answer;
  });
  expect(body.data).toEqual({
    sub: "tester",
    appId,
    appName: "Shop",
    roles: ["APP_ADMIN"],
    permissions: [],
    may: { read: true, change: true, operate: false, permissions: [...PERMISSIONS] },
    expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
    service: { name: "unified-job-api", version: packageJson.version, stage: "local" },
    local: {
      speed: 1,
      offsetSeconds: 0,
      echoUrl: `${stack.url}/echo`,
      mailboxUrl: `${stack.url}/local/mailbox`,
    },
  });
  // The token was made for an hour, before it was used.
  expect(Date.parse(body.data.expiresAt)).toBeGreaterThan(began + 3_598_000);
  expect(Date.parse(body.data.expiresAt)).toBeLessThan(Date.now() + 3_600_000);
});

test("a viewer, a user, an operator and a token without an app are told what each of them may do", async () => {
  const appId = randomUUID();
  const may = async (claims: Parameters<typeof tokenFor>[0]) => (await get("/v1/me", await tokenFor(claims))).body.data;
  expect((await may({ appId, roles: ["APP_VIEWER"], permissions: ["job:Create"] })).may).toEqual({
    read: true,
    change: false,
    operate: false,
    permissions: ["jobs.view_jobs", "job:Read", "job:Create"],
  });
  expect((await may({ appId, roles: ["USER"], permissions: ["job:Read"] })).may).toEqual({
    read: false,
    change: false,
    operate: false,
    permissions: ["job:Read"],
  });
  const operator = await may({ roles: ["PLATFORM_ADMIN"] });
  expect([operator.appId, operator.may.operate]).toEqual(["eb3fcbb2-7bb3-4ac7-aa38-1cb4bf00e405", true]);
  expect(await may({ roles: ["APP_ADMIN"] })).toMatchObject({ appId: null, appName: null });
});

test("a viewer with a permission changes what is their own, and nothing else of the app", async () => {
  const { appId, token: admin } = await newApp();
  const permissions = ["jobs.create_jobs", "jobs.cancel_jobs"];
  const token = await tokenFor({ appId, sub: "viewer", roles: ["APP_VIEWER"], permissions });
  const scheduledAt = new Date(Date.now() + 3_600_000).toISOString();
  const waiting = { jobType: "example", payload: { words: ["one"] }, scheduledAt };
  const own = (await stack.call("POST", "/v1/jobs", { token, body: waiting })).body.jobId;
  const others = (await stack.call("POST", "/v1/jobs", { token: admin, body: waiting })).body.jobId;
  expect((await get(`/v1/jobs/${others}/status`, token)).status).toBe(200);
  expect((await stack.call("POST", `/v1/jobs/${others}/cancel`, { token })).status).toBe(404);
  expect((await stack.call("POST", `/v1/jobs/${own}/cancel`, { token })).status).toBe(200);
});

// ---- ETag ----

test("a list or a job that has not changed is 304 to whoever names its ETag, and sent again when it has", async () => {
  const { token } = await newApp();
  const later = { scheduledAt: "2099-01-01T00:00:00Z", targetJob: hook().message };
  const create = async () =>
    stack.call("POST", "/v1/jobs/create", { token, body: { message: { execution: { type: "schedule", ...later } } } });
  const { id } = (await create()).body.data;
  for (const path of ["/v1/admin/jobs?limit=10", `/v1/admin/jobs/${id}`]) {
    const first = await get(path, token);
    const etag = first.headers.get("etag") ?? "";
    expect([first.status, etag]).toEqual([200, expect.stringMatching(/^W\/"[\w-]{22}"$/)]);
    expect(first.headers.get("cache-control")).toBe("no-store");
    for (const named of [etag, etag.slice(2), `"other", ${etag}`, "*"]) {
      const again = await get(path, token, { "if-none-match": named });
      expect([again.status, again.body, again.headers.get("etag")]).toEqual([304, undefined, etag]);
    }
    expect((await get(path, token, { "if-none-match": 'W/"other"' })).status).toBe(200);
    if (path.includes("?")) await create();
    else await stack.call("POST", `${path}/cancel`, { token });
    const changed = await get(path, token, { "if-none-match": etag });
    expect([changed.status, changed.headers.get("etag") === etag]).toEqual([200, false]);
  }
  // What is refused is no answer that a page could keep.
  expect((await get("/v1/admin/jobs?limit=0", token, { "if-none-match": "*" })).status).toBe(400);
  expect((await get("/health", token, { "if-none-match": "*" })).status).toBe(200);
});

// ---- The budget of reads ----

test("reads of administrators have a budget apart from that of requests, and changes of settings have none", async () => {
  const { appId, token } = await newApp();
  const operator = await tokenFor({ roles: ["PLATFORM_ADMIN"] });
  const allow = async (body: object) => stack.call("PUT", `/v1/admin/apps/${appId}/limits`, { token: operator, body });
  const many = async (count: number, ask: () => Promise<Answer>) => Promise.all(Array.from({ length: count }, ask));
  await allow({ readsPerSecond: 3 });
  const app = `/v1/admin/apps/${appId}`;
  const paths = ["/v1/me", "/v1/admin/jobs", "/v1/admin/stats", `${app}/audit`, `${app}/usage`, app, `${app}/limits`];
  for (const path of paths) {
    const answers = await many(12, async () => get(path, token));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(6);
    expect(refused[0]?.body.error.message).toContain("readsPerSecond of 3");
    expect(refused[0]?.headers.get("retry-after")).toBe("1");
  }
  const puts = await many(10, async () => stack.call("PUT", app, { token, body: { version: 9 } }));
  expect(puts.every(({ status }) => status === 409)).toBe(true);
  // Whoever creates jobs is not kept by those who look.
  await allow({ readsPerSecond: 1, requestsPerSecond: 1_000 });
  const looks = many(5, async () => get("/v1/admin/jobs", token));
  expect((await stack.call("POST", "/v1/jobs/create", { token, body: hook() })).status).toBe(201);
  expect((await get("/v1/jobs", token)).status).toBe(200);
  expect((await looks).some(({ status }) => status === 429)).toBe(true);
});

// ---- GET /v1/admin/apps ----

test("an operator lists all apps: those with settings at once, those with jobs some seconds later", async () => {
  const began = Date.now();
  const operator = await tokenFor({ roles: ["PLATFORM_ADMIN"] });
  const [named, paused, busy] = [await newApp(), await newApp(), await newApp()];
  await stack.call("PUT", `/v1/admin/apps/${named.appId}`, { token: named.token, body: { version: 0, name: "Shop" } });
  await stack.call("PUT", `/v1/admin/apps/${paused.appId}/limits`, { token: operator, body: { paused: true } });
  // A task: it is not signed, so that it makes no secret.
  await stack.call("POST", "/v1/jobs", { token: busy.token, body: { jobType: "example", payload: { words: ["a"] } } });
  const all = async (limit: number) => {
    const found: { appId: string; name: string | null; paused: boolean; since: string }[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const path: string = `/v1/admin/apps?limit=${limit}${cursor && `&cursor=${cursor}`}`;
      const { items, nextCursor } = (await get(path, operator)).body.data;
      expect(items.length).toBeLessThanOrEqual(limit);
      found.push(...items);
      cursor = nextCursor;
    }
    return found;
  };
  const listed = await until(async () => {
    const found = await all(100);
    return found.some(({ appId }) => appId === busy.appId) && found;
  });
  const of = (appId: string) => listed.filter((app) => app.appId === appId);
  expect(of(named.appId)).toMatchObject([{ name: "Shop", paused: false }]);
  expect(of(paused.appId)).toMatchObject([{ name: null, paused: true }]);
  const since = Date.parse(of(busy.appId)[0]?.since ?? "");
  expect(since).toBeGreaterThanOrEqual(began);
  expect(since).toBeLessThanOrEqual(Date.now());
  expect((await all(7)).map(({ appId }) => appId).filter((id) => listed.some(({ appId }) => appId === id))).toEqual(
    listed.map(({ appId }) => appId),
  );
  for (const cursor of ["YWJj", "x"]) {
    const refused = await get(`/v1/admin/apps?cursor=${cursor}`, operator);
    expect([refused.status, refused.body.error.details[0].field]).toEqual([400, "cursor"]);
  }
});

// ---- GET /v1/admin/jobs/{id}/logs ----

test("the log of any task is read page by page, from either end, by level, and on from a line", async () => {
  const { appId, token } = await newApp();
  const words = Array.from({ length: 25 }, (_, n) => `w${n}`);
  const execution = { type: "task", jobType: "example", payload: { words } };
  const { id } = (await stack.call("POST", "/v1/jobs/create", { token, body: { message: { execution } } })).body.data;
  await jobIn(stack, token, id, "SUCCEEDED");
  const viewer = await tokenFor({ appId, roles: ["APP_VIEWER"] });
  const page = async (query: string) => (await get(`/v1/admin/jobs/${id}/logs?${query}`, viewer)).body.data;
  const all = await page("");
  const count = all.items.length;
  expect(count).toBeGreaterThanOrEqual(25);
  expect(all.nextCursor).toBeNull();
  expect(all.items.map(({ number }: { number: number }) => number)).toEqual(
    all.items.map((_: unknown, n: number) => n + 1),
  );
  expect(all.items.filter(({ message }: { message: string }) => message === "Counted w24")).toMatchObject([
    { jobId: id, level: "INFO", rowNumber: 25, meta: null },
  ]);
  for (const query of ["", "&level=INFO", "&order=newest", "&order=newest&level=INFO"]) {
    const found: { number: number }[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const { items, nextCursor } = await page(`limit=10${query}${cursor && `&cursor=${cursor}`}`);
      found.push(...items);
      cursor = nextCursor;
    }
    const numbers = all.items
      .filter(({ level }: { level: string }) => !query.includes("level") || level === "INFO")
      .map(({ number }: { number: number }) => number);
    expect(found.map(({ number }) => number)).toEqual(query.includes("newest") ? numbers.toReversed() : numbers);
  }
  expect((await page(`after=${count - 2}`)).items).toEqual(all.items.slice(-2));
  expect((await page(`after=${count}&level=INFO`)).items).toEqual([]);
  expect((await page("level=ERROR")).items).toEqual([]);
  const { nextCursor } = await page("limit=1");
  for (const query of [
    `cursor=${nextCursor}&order=newest`,
    `cursor=${nextCursor}&level=INFO`,
    "cursor=YWJj",
    "after=1&order=newest",
  ]) {
    expect((await get(`/v1/admin/jobs/${id}/logs?${query}`, token)).status).toBe(400);
  }
});

test("a job that is no task has an empty log", async () => {
  const { token } = await newApp();
  const { id } = (await stack.call("POST", "/v1/jobs/create", { token, body: hook() })).body.data;
  expect((await get(`/v1/admin/jobs/${id}/logs`, token)).body.data).toEqual({ items: [], nextCursor: null });
});
