// Over 300 lines: the table has a line for each route.

import { SignJWT } from "jose";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LOCAL_JWT_SECRET } from "../../local/token.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, newApp, startStack, tokenFor, webhook, type Answer, type Stack } from "../support/stack.ts";

// The permissions of every route of serverless.yml, with every kind of token and with ids of another app.

interface App {
  readonly appId: string;
  readonly token: string;
  /** The app's own job, waiting task, group, job with a file, upload and signing secret. */
  readonly jobId: string;
  readonly taskId: string;
  readonly bulkId: string;
  readonly groupId: string;
  readonly fileJobId: string;
  readonly fileKey: string;
  readonly begunKey: string;
  readonly pdfId: string;
  readonly secretId: string;
  readonly scheduleKey: string;
}

const INTERNAL = "an-internal-token-of-32-characters-or-more";
const task = { jobType: "example", payload: { words: ["one"] } };
const page = { input_type: "markdown", markdown: "# A page" };
const announced = { fileName: "a.csv", size: 1, contentType: "text/csv" };
const nightly = { expression: "0 2 * * *", job: { url: "https://a.example" } };
const hook = webhook({ url: "https://a.example", mode: "db" });

let stack: Stack;
let mine: App;
let other: App;

beforeAll(async () => {
  stack = await startStack({ env: { ROLE: "gateway", INTERNAL_JWT_TOKEN: INTERNAL } });
  [mine, other] = await Promise.all([makeApp(), makeApp()]);
});
afterAll(endStacks);

async function makeApp(): Promise<App> {
  const { appId, token } = await newApp();
  const metadata = { idempotencyKey: "the-same-key" };
  const body = { ...hook, message: { ...hook.message, metadata } };
  const job = await stack.call("POST", "/v1/jobs/create", { token, body });
  const secret = await stack.call("POST", `/v1/admin/apps/${appId}/signing-secrets`, { token });
  const waiting = { ...task, scheduledAt: new Date(Date.now() + 3_600_000).toISOString() };
  const taskId = (await stack.call("POST", "/v1/jobs", { token, body: waiting })).body.jobId;
  const bulk = await stack.call("POST", "/v1/admin/jobs/redrive", { token, body: { status: "DEAD" } });
  const bulkId = bulk.body.data.id;
  const groupId = (await stack.call("POST", "/v1/groups", { token, body: {} })).body.data.id;
  const { fileKey, parts } = (await stack.call("POST", "/api/jobs/uploads", { token, body: announced })).body;
  const { headers } = await fetch(parts[0].url, { method: "PUT", body: "a" });
  const complete = { fileKey, parts: [{ partNumber: 1, etag: headers.get("etag") }] };
  await stack.call("POST", "/api/jobs/uploads/complete", { token, body: complete });
  const begun = await stack.call("POST", "/api/jobs/uploads", { token, body: announced });
  const fileJobId = (await stack.call("POST", "/api/jobs", { token, body: { ...task, fileKey } })).body.id;
  const pdfId = (await stack.call("POST", "/longjob", { token, body: page })).body.job_id;
  const secretId = secret.body.data.id;
  const scheduleKey = `nightly-${appId}`;
  await stack.call("PUT", `/v1/schedules/${scheduleKey}`, { token, body: nightly });
  return {
    appId,
    token,
    jobId: job.body.data.id,
    taskId,
    bulkId,
    groupId,
    fileJobId,
    fileKey,
    begunKey: begun.body.fileKey,
    pdfId,
    secretId,
    scheduleKey,
  };
}

interface Case {
  readonly body?: (app: App) => unknown;
  /** The status for an administrator of the app. */
  readonly allowed: number;
  /** The status for a viewer of the app. Default: of a GET the same, of others 403. */
  readonly viewer?: number;
  /** Set for routes about the caller's own data: every user of the app gets the same status. */
  readonly anyUser?: true;
  /** Set for routes that need no app either. */
  readonly anyToken?: true;
  /** Set for routes of the operator: administrators of apps are users like any others. */
  readonly operatorOnly?: true;
  /** Set for a route that makes what its path names. */
  readonly makes?: true;
}

/** The request to each route. A route without one fails the first test. */
const CASES: Record<string, Case> = {
  "POST /v1/send": { body: () => ({ url: "https://a.example" }), allowed: 201 },
  "POST /v1/jobs/create": { body: () => hook, allowed: 201 },
  "POST /v1/jobs/batch": { body: () => ({ jobs: [hook] }), allowed: 207 },
  "POST /v1/jobs/callback-http": { body: () => ({ url: "https://a.example" }), allowed: 201 },
  "POST /v1/jobs": { body: () => task, allowed: 201 },
  "GET /v1/jobs": { allowed: 200 },
  "GET /v1/jobs/{id}/status": { allowed: 200 },
  "GET /v1/jobs/{id}/events": { allowed: 200 },
  "GET /v1/datasets": { allowed: 200 },
  "POST /v1/jobs/{id}/retry": { allowed: 409 },
  "POST /v1/jobs/{id}/cancel": { allowed: 200 },
  "POST /api/jobs": { body: ({ fileKey }) => ({ ...task, fileKey }), allowed: 201 },
  "POST /api/jobs/uploads": { body: () => announced, allowed: 201 },
  "POST /api/jobs/uploads/parts": { body: ({ begunKey }) => ({ fileKey: begunKey }), allowed: 200 },
  "POST /api/jobs/uploads/complete": {
    body: ({ fileKey }) => ({ fileKey, parts: [{ partNumber: 1, etag: "a" }] }),
    allowed: 200,
  },
  "POST /quickjob": { body: () => page, allowed: 200, anyUser: true },
  "POST /longjob": { body: () => page, allowed: 202, anyUser: true },
  "GET /jobs/{id}": { allowed: 200, anyUser: true },
  "GET /accounts/me/webhook": { allowed: 200, anyUser: true },
  "PUT /accounts/me/webhook": { body: () => ({ webhook_url: null }), allowed: 200, anyUser: true },
  "GET /api/jobs": { allowed: 200 },
  "GET /api/jobs/{id}": { allowed: 200 },
  "GET /api/jobs/{id}/logs": { allowed: 200 },
  "GET /v1/me": { allowed: 200, anyUser: true, anyToken: true },
  "GET /v1/admin/apps": { allowed: 200, viewer: 403, operatorOnly: true },
  "GET /v1/admin/jobs": { allowed: 200 },
  "GET /v1/admin/jobs/count": { allowed: 200 },
  "GET /v1/admin/jobs/{id}": { allowed: 200 },
  "GET /v1/admin/jobs/{id}/response": { allowed: 404 },
  "POST /v1/admin/jobs/{id}/resend": { allowed: 201 },
  "GET /v1/admin/jobs/{id}/logs": { allowed: 200 },
  "POST /v1/admin/jobs/{id}/retry": { allowed: 409 },
  "DELETE /v1/admin/jobs/{id}": { allowed: 409 },
  "POST /v1/admin/jobs/{id}/deadletter": { allowed: 200 },
  "POST /v1/admin/jobs/{id}/cancel": { allowed: 409 },
  // The job has ended by now, so that nothing is waited for.
  "GET /v1/admin/jobs/{id}/wait": { allowed: 200 },
  "POST /v1/admin/jobs/redrive": { body: () => ({ status: "DEAD" }), allowed: 202 },
  "POST /v1/admin/jobs/cancel": { body: () => ({ status: "RETRYING" }), allowed: 202 },
  "GET /v1/admin/bulk-actions": { allowed: 200 },
  "GET /v1/admin/bulk-actions/{id}": { allowed: 200 },
  "POST /v1/admin/bulk-actions/{id}/abort": { allowed: 200 },
  "POST /v1/groups": { body: () => ({ expected: 2 }), allowed: 201 },
  "GET /v1/groups/{id}": { allowed: 200 },
  "GET /v1/groups/{id}/jobs": { allowed: 200 },
  "POST /v1/groups/{id}/seal": { body: () => ({ expected: 2 }), allowed: 200 },
  "POST /v1/groups/{id}/redrive": { allowed: 202 },
  "POST /v1/groups/{id}/cancel": { allowed: 202 },
  "GET /v1/admin/stats": { allowed: 200 },
  "GET /v1/admin/counts": { allowed: 200 },
  "GET /v1/admin/series": { allowed: 200 },
  "GET /v1/admin/destinations": { allowed: 200 },
  "POST /v1/admin/destinations/hold": { body: () => ({ destination: "https://held.example" }), allowed: 200 },
  "POST /v1/admin/destinations/resume": { body: () => ({ destination: "https://a.example" }), allowed: 404 },
  "GET /v1/admin/apps/{appId}": { allowed: 200 },
  "PUT /v1/admin/apps/{appId}": { body: () => ({ version: 99 }), allowed: 409 },
  "PATCH /v1/admin/apps/{appId}": { body: () => ({ version: 99 }), allowed: 409 },
  "PUT /v1/admin/apps/{appId}/destinations/{name}": { body: () => ({ version: 99 }), allowed: 409 },
  "DELETE /v1/admin/apps/{appId}/destinations/{name}": { allowed: 404 },
  "POST /v1/admin/apps/{appId}/signing-secrets": { allowed: 201 },
  "DELETE /v1/admin/apps/{appId}/signing-secrets/{id}": { allowed: 200 },
  "GET /v1/admin/apps/{appId}/limits": { allowed: 200 },
  "PUT /v1/admin/apps/{appId}/limits": { body: () => ({ paused: false }), allowed: 200, operatorOnly: true },
  "PATCH /v1/admin/apps/{appId}/limits": { body: () => ({ paused: false }), allowed: 200, operatorOnly: true },
  "GET /v1/admin/apps/{appId}/audit": { allowed: 200 },
  "GET /v1/admin/apps/{appId}/usage": { allowed: 200 },
  "GET /v1/schedules": { allowed: 200 },
  "POST /v1/schedules/preview": { body: () => ({ expression: "0 2 * * *" }), allowed: 200, viewer: 200 },
  "PUT /v1/schedules/{key}": { body: () => nightly, allowed: 200, makes: true },
  "GET /v1/schedules/{key}": { allowed: 200 },
  "PATCH /v1/schedules/{key}": { body: () => ({ maxRuns: 3 }), allowed: 200 },
  "GET /v1/schedules/{key}/runs": { allowed: 200 },
  "POST /v1/schedules/{key}/pause": { body: () => ({}), allowed: 200 },
  "POST /v1/schedules/{key}/resume": { body: () => ({}), allowed: 200 },
  "POST /v1/schedules/{key}/run": { body: () => ({}), allowed: 201 },
  "DELETE /v1/schedules/{key}": { allowed: 200 },
};

/** A stack on one machine shows its metrics to everyone on it: see `watching.test.ts` for a token. */
const OPEN = [
  "GET /",
  "GET /health",
  "GET /metrics",
  "GET /openapi.json",
  "GET /api-docs",
  "GET /api-docs/{file}",
  "GET /dashboard",
  "GET /dashboard/sign-in.json",
  "GET /dashboard/{path+}",
  "*",
];

const routes = readTemplate(ROOT).functions.flatMap(({ routes: keys }) => keys);

test("every route is in the table of this test", () => {
  const internal = routes.filter((key) => key.includes(" /internal/"));
  expect(new Set(routes)).toEqual(new Set([...Object.keys(CASES), ...internal, ...OPEN]));
});

async function ask(key: string, app: App, token: string | undefined, query = ""): Promise<Answer> {
  const [method = "", path = ""] = key.split(" ");
  const id = idFor(path, app);
  const filled = path
    .replace("{appId}", app.appId)
    .replace("{id}", id)
    .replace("{name}", "a.example")
    .replace("{key}", app.scheduleKey);
  const body = CASES[key]?.body?.(app);
  return stack.call(method, filled + query, {
    ...(token !== undefined && { token }),
    ...(body !== undefined && { body }),
  });
}

function idFor(path: string, app: App): string {
  if (path.includes("/apps/")) return app.secretId;
  if (path.startsWith("/api/jobs/")) return app.fileJobId;
  if (path.startsWith("/jobs/")) return app.pdfId;
  if (path.includes("/bulk-actions/")) return app.bulkId;
  if (path.includes("/groups/")) return app.groupId;
  return path.startsWith("/v1/jobs/") ? app.taskId : app.jobId;
}

/** An error without the fields that differ between requests. */
const told = ({ status, body }: Answer) => ({ status, error: body.error });

const UNAUTHORIZED = {
  status: 401,
  error: { code: "UNAUTHORIZED", message: "Invalid or missing authentication token" },
};

describe.each(Object.keys(CASES))("%s", (key) => {
  test("tells nothing to whoever has no valid token", async () => {
    const expired = await new SignJWT({ appId: mine.appId, roles: ["APP_ADMIN"] })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("me")
      .setExpirationTime(Math.floor(Date.now() / 1_000) - 3_600)
      .sign(new TextEncoder().encode(LOCAL_JWT_SECRET));
    for (const token of [undefined, "garbage", INTERNAL]) {
      expect(told(await ask(key, mine, token))).toEqual(UNAUTHORIZED);
    }
    // This stack is a local one, which says when.
    expect(told(await ask(key, mine, expired))).toMatchObject({ status: 401, error: { reason: "token_expired" } });
  });

  test("is for administrators of an app, those whom a permission allows it, or every user", async () => {
    const { allowed, anyUser = false, anyToken = false, operatorOnly = false } = CASES[key] as Case;
    for (const roles of [[], ["USER"], ["app_admin"], ["APP_ADMIN "], ...(operatorOnly ? [["APP_ADMIN"]] : [])]) {
      const token = await tokenFor({ appId: mine.appId, roles });
      expect((await ask(key, mine, token)).status).toBe(anyUser ? allowed : 403);
    }
    const appless = await ask(key, mine, await tokenFor({ roles: ["APP_ADMIN"] }));
    // A batch has a status for each of its jobs.
    const status = appless.status === 207 ? appless.body.data.results[0].status : appless.status;
    expect(anyToken ? [allowed] : [403, 404]).toContain(status);
  });

  test("lets a viewer read all of the app, in every dialect, and change nothing", async () => {
    const { allowed, viewer = key.startsWith("GET ") ? allowed : 403 } = CASES[key] as Case;
    const token = await tokenFor({ appId: mine.appId, sub: "viewer", roles: ["APP_VIEWER"] });
    expect((await ask(key, mine, token)).status).toBe(viewer);
    if (!key.includes("{") || viewer === 403) return;
    expect(told(await ask(key, other, token)).status).toBe(404);
  });

  test("answers the same for what belongs to others and what does not exist", async () => {
    if (!key.includes("{") || CASES[key]?.operatorOnly || CASES[key]?.makes) return;
    const unknown = {
      ...other,
      appId: randomUUID(),
      jobId: randomUUID(),
      taskId: randomUUID(),
      bulkId: randomUUID(),
      groupId: randomUUID(),
      fileJobId: randomUUID(),
      pdfId: randomUUID(),
      secretId: randomUUID(),
      scheduleKey: randomUUID(),
    };
    const foreign = told(await ask(key, other, mine.token));
    expect(foreign.status).toBe(404);
    expect(told(await ask(key, unknown, mine.token))).toEqual(foreign);
    if (key.includes("/apps/{appId}/signing-secrets/{id}")) {
      // The path names the caller's own app and another app's secret.
      expect((await ask(key, { ...mine, secretId: other.secretId }, mine.token)).status).toBe(404);
    }
  });

  test("lets an administrator of the app in, or the operator", async () => {
    const { allowed, operatorOnly } = CASES[key] as Case;
    const token = operatorOnly ? await tokenFor({ roles: ["PLATFORM_ADMIN"] }) : mine.token;
    expect((await ask(key, mine, token)).status).toBe(allowed);
  });
});

test("another app can't be named: in a body, a query, a cursor or a nested job", async () => {
  const post = async (path: string, body: object) => stack.call("POST", path, { token: mine.token, body });
  const inBody = { ...hook, appId: other.appId };
  expect((await post("/v1/jobs/create", inBody)).status).toBe(403);
  expect((await post("/v1/jobs/batch", { jobs: [inBody] })).body.data.results[0].status).toBe(403);
  expect((await post("/v1/jobs/callback-http", { url: "https://a.example", appId: other.appId })).status).toBe(403);
  const resumed = { destination: "https://a.example", appId: other.appId };
  expect((await post("/v1/admin/destinations/resume", resumed)).status).toBe(403);
  for (const path of [
    "/v1/admin/jobs",
    "/v1/admin/jobs/count",
    "/v1/admin/bulk-actions",
    "/v1/admin/stats",
    "/v1/admin/destinations",
  ]) {
    const answer = await stack.call("GET", `${path}?appId=${other.appId}`, { token: mine.token });
    expect(answer.status).toBe(403);
  }
  const named = { ...hook.message, metadata: { appId: other.appId } };
  const at = "2099-01-01T00:00:00Z";
  for (const body of [
    { ...hook, message: named },
    { message: { execution: { type: "schedule", scheduledAt: at, targetJob: named } } },
    { ...hook, onSuccess: { message: named } },
  ]) {
    expect((await post("/v1/jobs/create", body)).status).toBe(400);
  }

  for (let n = 0; n < 3; n += 1) await stack.call("POST", "/v1/jobs/create", { token: other.token, body: hook });
  const page = await stack.call("GET", "/v1/admin/jobs?limit=1", { token: other.token });
  const { nextCursor } = page.body.data;
  const stolen = await stack.call("GET", `/v1/admin/jobs?limit=1&cursor=${nextCursor}`, { token: mine.token });
  expect([stolen.status, stolen.body.error.details[0].field]).toEqual([400, "cursor"]);
});

test("an idempotency key is one app's own", async () => {
  expect(mine.jobId).not.toBe(other.jobId);
  const byKey = await stack.call("GET", "/v1/admin/jobs?idempotencyKey=the-same-key", { token: mine.token });
  expect(byKey.body.data.items.map(({ id }: { id: string }) => id)).toEqual([mine.jobId]);
});

test("a platform administrator may name any app", async () => {
  const token = await tokenFor({ roles: ["PLATFORM_ADMIN"] });
  const listed = await stack.call("GET", `/v1/admin/jobs?appId=${other.appId}`, { token });
  expect(listed.body.data.items.every(({ appId }: { appId: string }) => appId === other.appId)).toBe(true);
  expect((await stack.call("GET", `/v1/admin/jobs/${other.jobId}`, { token })).status).toBe(200);
});
