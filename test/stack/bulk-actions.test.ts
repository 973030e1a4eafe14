import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, tokenFor, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// Actions on many jobs at once, by a filter.

let stack: Stack;
let target: Target;
let app: { appId: string; token: string };

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});
beforeEach(async () => {
  app = await newApp();
});

async function post(path: string, body: object, token = app.token) {
  return stack.call("POST", path, { token, body });
}

/** Jobs that ended DEAD at their first attempt. */
async function deadJobs(count: number, path = "/bulk"): Promise<string[]> {
  target.answer((_, response) => void response.writeHead(500).end());
  const job = webhook({ url: target.url, path, metadata: { maxRetries: 0 } });
  const { body } = await post("/v1/jobs/batch", { jobs: Array.from({ length: count }, () => job) });
  const ids = body.data.results.map(({ data }: { data: { id: string } }) => data.id) as string[];
  for (const id of ids) await jobIn(stack, app.token, id, "DEAD");
  return ids;
}

async function done(id: string) {
  const look = async () => (await stack.call("GET", `/v1/admin/bulk-actions/${id}`, { token: app.token })).body.data;
  await expect.poll(async () => (await look()).completedAt).not.toBeNull();
  return look();
}

test("dead jobs that fit a filter are redriven, others are left, and it is written down who did it", async () => {
  const ids = await deadJobs(12);
  target.answer((_, response) => void response.end());
  const begun = await post("/v1/admin/jobs/redrive", { status: "DEAD", host: "127.0.0.1", errorContains: "500" });
  expect(begun).toMatchObject({ status: 202, body: { data: { action: "redrive", changed: 0 } } });
  expect(await done(begun.body.data.id)).toMatchObject({ status: "SUCCEEDED", matched: 12, changed: 12 });
  for (const id of ids) await jobIn(stack, app.token, id, "SUCCEEDED");

  const none = await post("/v1/admin/jobs/redrive", { host: "elsewhere.example" });
  expect(await done(none.body.data.id)).toMatchObject({ matched: 0, changed: 0 });
  const audit = await stack.call("GET", `/v1/admin/apps/${app.appId}/audit`, { token: app.token });
  expect(audit.body.data.items.map(({ action }: { action: string }) => action)).toContain("jobs.redrive");
});

test("jobs that wait are cancelled, of one type and time alone, and what comes later is left alone", async () => {
  const later = { type: "schedule", scheduledAt: new Date(Date.now() + 3_600_000).toISOString() };
  const schedule = { message: { execution: { ...later, targetJob: webhook({ url: target.url }).message } } };
  const ids: string[] = [];
  for (let n = 0; n < 3; n += 1) ids.push((await post("/v1/jobs/create", schedule)).body.data.id);
  const wrong = await post("/v1/admin/jobs/cancel", { executionType: "rest-api" });
  expect(await done(wrong.body.data.id)).toMatchObject({ matched: 0 });
  const filter = { executionType: "schedule", createdAfter: new Date(Date.now() - 60_000).toISOString() };
  const { body } = await post("/v1/admin/jobs/cancel", filter);
  const spared = (await post("/v1/jobs/create", schedule)).body.data.id;
  expect(await done(body.data.id)).toMatchObject({ status: "SUCCEEDED", changed: 3 });
  for (const id of ids) await jobIn(stack, app.token, id, "CANCELLED");
  await jobIn(stack, app.token, spared, "PENDING");
});

test("a dry run counts what an action would change, of several statuses, hosts or ids, and changes nothing", async () => {
  const ids = await deadJobs(3);
  const dry = async (action: string, filter: object) =>
    (await post(`/v1/admin/jobs/${action}`, { ...filter, dryRun: true })).body.data;
  expect(await dry("redrive", { status: ["FAILED", "DEAD"], httpStatus: "5xx" })).toEqual({
    count: 3,
    isLowerBound: false,
    lookedBackTo: null,
  });
  expect(await dry("redrive", { host: ["elsewhere.example", "127.0.0.1"] })).toMatchObject({ count: 3 });
  expect(await dry("redrive", { ids: ids.slice(0, 2) })).toMatchObject({ count: 2 });
  expect(await dry("cancel", { ids })).toMatchObject({ count: 0 });
  for (const id of ids) await jobIn(stack, app.token, id, "DEAD");
  const { body } = await stack.call("GET", "/v1/admin/bulk-actions", { token: app.token });
  expect(body.data.items).toEqual([]);
});

test("what waits for its retry is tried at once by a redrive that names its status, and left by one that does not", async () => {
  target.answer((_, response) => void response.writeHead(503).end());
  const { id } = (await post("/v1/jobs/create", webhook({ url: target.url }))).body.data;
  await jobIn(stack, app.token, id, "RETRYING");
  target.answer((_, response) => void response.end());
  const left = await post("/v1/admin/jobs/redrive", { host: "127.0.0.1" });
  expect(await done(left.body.data.id)).toMatchObject({ changed: 0 });
  const taken = await post("/v1/admin/jobs/redrive", { status: "RETRYING", errorContains: ["503"] });
  expect(await done(taken.body.data.id)).toMatchObject({ matched: 1, changed: 1 });
  await jobIn(stack, app.token, id, "SUCCEEDED");
  // The actions of the app, newest first, with their filters as given.
  const list = async (query: string) =>
    (await stack.call("GET", `/v1/admin/bulk-actions?${query}`, { token: app.token })).body.data;
  const { items, nextCursor } = await list("limit=1");
  expect(items).toMatchObject([{ id: taken.body.data.id, filter: { status: "RETRYING", errorContains: ["503"] } }]);
  expect(await list(`limit=1&cursor=${nextCursor}`)).toMatchObject({ items: [{ id: left.body.data.id, changed: 0 }] });
});

test("an empty filter is refused, one that can't be read too, and other apps' bulk actions are not there", async () => {
  expect(await post("/v1/admin/jobs/redrive", {})).toMatchObject({ status: 400 });
  expect((await post("/v1/admin/jobs/cancel", { ids: [] })).body.error.details).toMatchObject([{ field: "ids" }]);
  expect(await post("/v1/admin/jobs/cancel", { dryRun: true })).toMatchObject({ status: 400 });
  expect((await post("/v1/admin/jobs/cancel", { status: "SUCCEEDED" })).body.error.details).toMatchObject([
    { field: "status" },
  ]);
  const { body } = await post("/v1/admin/jobs/redrive", { status: "DEAD" });
  const other = (await newApp()).token;
  expect((await stack.call("GET", `/v1/admin/bulk-actions/${body.data.id}`, { token: other })).status).toBe(404);
  const user = await tokenFor({ appId: app.appId, roles: [], permissions: ["jobs.create_jobs"] });
  const payload = { action: "cancel", filter: { status: "PENDING" } };
  expect((await post("/v1/jobs", { jobType: "bulk_action", payload }, user)).status).toBe(403);
});

test("an aborted bulk action ends, and can't be aborted again", async () => {
  const { body } = await post("/v1/admin/jobs/redrive", { status: "DEAD" });
  const abort = async () => stack.call("POST", `/v1/admin/bulk-actions/${body.data.id}/abort`, { token: app.token });
  expect([200, 409]).toContain((await abort()).status);
  await done(body.data.id);
  expect((await abort()).status).toBe(409);
});

test("tasks that run are cancelled by it, though they fill the app's slots and the app is paused", async () => {
  const held: unknown[] = [];
  target.answer((_, response) => void held.push(response));
  const sync = { jobType: "sync", payload: { url: `${target.url}/endless`, dataset: "endless" } };
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) ids.push((await post("/v1/jobs", sync)).body.jobId);
  await expect.poll(() => held.length).toBe(5);
  await stack.call("PUT", `/v1/admin/apps/${app.appId}`, { token: app.token, body: { version: 0, paused: true } });
  const { body } = await post("/v1/admin/jobs/cancel", { status: "RUNNING" });
  expect(await done(body.data.id)).toMatchObject({ status: "SUCCEEDED", matched: 5, changed: 5 });
  for (const id of ids) await jobIn(stack, app.token, id, "CANCELLED");
});
