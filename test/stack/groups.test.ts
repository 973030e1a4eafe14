import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, tokenFor, until, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// Groups by the API: members by both doors, the seal, what is refused, and the end.

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
  target.answer((_, response) => void response.end());
});

const post = async (path: string, body?: object, token = app.token) =>
  stack.call("POST", path, { token, ...(body && { body }) });
const get = async (path: string, token = app.token) => stack.call("GET", path, { token });

async function newGroup(body: object = {}): Promise<string> {
  const { status, body: made } = await post("/v1/groups", body);
  expect(status).toBe(201);
  return made.data.id as string;
}

const member = (group: string, key: string, path = "/row", metadata = {}) =>
  webhook({ url: target.url, path, metadata: { group, idempotencyKey: key, ...metadata } });
const ended = async (id: string) =>
  until(async () => {
    const { data } = (await get(`/v1/groups/${id}`)).body;
    return data.status !== "PENDING" && data;
  });

test("a group calls back when its members have ended, with their counts", async () => {
  const id = await newGroup({ expected: 3, onComplete: `${target.url}/all-done` });
  const batch = await post("/v1/jobs/batch", { jobs: [member(id, "a"), member(id, "b"), member(id, "a")] });
  expect(batch.body.data.results.map(({ status }: { status: number }) => status).toSorted()).toEqual([200, 201, 201]);
  expect((await get(`/v1/groups/${id}`)).body.data).toMatchObject({ status: "PENDING", sealedAt: null, expected: 3 });
  const last = await post("/v1/jobs/create", member(id, "c"));
  expect(last.body.data.group).toBe(id);
  const members = { total: 3, ended: 3, succeeded: 3, failed: 0, dead: 0, cancelled: 0 };
  expect(await ended(id)).toMatchObject({ status: "SUCCEEDED", approximate: false, members, failedJobIds: [] });
  const called = await until(() => target.received.find(({ url }) => url === "/all-done"));
  expect(JSON.parse(called.body.toString())).toMatchObject({ id, executionType: "group", status: "SUCCEEDED" });
  const late = await post("/v1/jobs/create", member(id, "d"));
  expect(late).toMatchObject({ status: 409, body: { error: { reason: "group_sealed" } } });
  // What is in it is in it.
  expect((await post("/v1/jobs/create", member(id, "c"))).status).toBe(200);
});

test("after its seal a group takes no members, and a repeated seal changes nothing", async () => {
  const id = await newGroup({ key: "import-1" });
  const again = await post("/v1/groups", { key: "import-1" });
  expect(again).toMatchObject({ status: 200, body: { data: { id, key: "import-1" } } });
  expect(again.headers.get("idempotent-replayed")).toBe("true");
  expect((await post("/v1/jobs/create", member(id, "a"))).status).toBe(201);
  expect((await post(`/v1/groups/${id}/seal`, { expected: 1 })).status).toBe(200);
  expect((await post(`/v1/groups/${id}/seal`, { expected: 1 })).status).toBe(200);
  const other = await post(`/v1/groups/${id}/seal`, { expected: 2 });
  expect(other).toMatchObject({ status: 409, body: { error: { reason: "group_sealed" } } });
  const refused = await post("/v1/jobs/batch", { jobs: [member(id, "b")] });
  expect(refused.body.data.results).toMatchObject([{ status: 409, error: { reason: "group_sealed" } }]);
  expect(await ended(id)).toMatchObject({ status: "SUCCEEDED", expected: 1 });
});

test("what can't be a member is refused in words, and so is a group that is not there", async () => {
  const id = await newGroup();
  const { message } = member(id, "a");
  const refusal = async (body: object) => (await post("/v1/jobs/create", body)).body.error.details[0];
  expect(await refusal({ mode: "sqs", message })).toMatchObject({
    field: "message.metadata.group",
    message: expect.stringContaining("stored"),
  });
  const follow = { message: { ...message, metadata: {} }, onSuccess: { message } };
  expect(await refusal(follow)).toMatchObject({ field: "onSuccess.message.metadata.group" });
  const execution = { type: "schedule", scheduleExpression: "rate(1 hour)", targetJob: { ...message, metadata: {} } };
  expect(await refusal({ message: { execution, metadata: { group: id } } })).toMatchObject({
    message: expect.stringContaining("not for schedules"),
  });
  const foreign = await newApp();
  const theirs = await post("/v1/jobs/create", member(id, "a"), foreign.token);
  expect(theirs).toMatchObject({ status: 400, body: { error: { details: [{ field: "message.metadata.group" }] } } });
  expect((await get(`/v1/groups/${id}`, foreign.token)).status).toBe(404);
  expect((await get(`/v1/groups/${id}`, await tokenFor({ appId: app.appId, roles: ["USER"] }))).status).toBe(403);
  for (const body of [{ sealBy: "31d" }, { sealBy: "tomorrow" }, { expected: -1 }, { onSuccess: {} }])
    expect((await post("/v1/groups", body)).status).toBe(400);
  const bad = await post("/v1/groups", { onSuccess: { url: "https://a.example", group: id } });
  expect(bad.body.error.details).toMatchObject([{ field: "onSuccess.group" }]);
  expect((await post("/v1/jobs/create", { message: { execution: { type: "group" } } })).status).toBe(400);
});

test("the members of a group are listed, and redriven towards another end", async () => {
  const id = await newGroup({ onComplete: `${target.url}/ended` });
  target.answer(({ url }, response) => void response.writeHead(url === "/bad" ? 500 : 200).end());
  const good = (await post("/v1/jobs/create", member(id, "good"))).body.data.id as string;
  const bad = (await post("/v1/jobs/create", member(id, "bad", "/bad", { maxRetries: 0 }))).body.data.id as string;
  await post(`/v1/groups/${id}/seal`, { expected: 2 });
  const lastError = "Of 2 members: 1 DEAD";
  expect(await ended(id)).toMatchObject({ status: "FAILED", lastError, failedJobIds: [bad] });
  const listed = async (query: string) =>
    (await get(`/v1/groups/${id}/jobs${query}`)).body.data.items.map((job: { id: string }) => job.id) as string[];
  expect(new Set(await listed(""))).toEqual(new Set([good, bad]));
  expect(await listed("?status=DEAD")).toEqual([bad]);
  const first = (await get(`/v1/groups/${id}/jobs?limit=1`)).body.data;
  const second = await listed(`?limit=1&cursor=${first.nextCursor}`);
  expect(new Set([first.items[0].id, ...second])).toEqual(new Set([good, bad]));

  target.answer((_, response) => void response.end());
  const action = await post(`/v1/groups/${id}/redrive`);
  expect(action).toMatchObject({ status: 202, body: { data: { action: "redrive", filter: { group: id } } } });
  await jobIn(stack, app.token, bad, "SUCCEEDED");
  const held = (await get(`/v1/admin/jobs/${id}`)).body.data;
  expect(held).toMatchObject({ status: "PENDING", executionType: "group", expected: null });
  const groups = (await get("/v1/admin/jobs?executionType=group")).body.data.items;
  expect(groups.map((job: { id: string }) => job.id)).toEqual([id]);
});

test("a group is cancelled with its members", async () => {
  const id = await newGroup();
  target.answer(() => {});
  const waiting = (await post("/v1/jobs/create", { ...member(id, "a"), mode: "db" })).body.data.id as string;
  const action = await post(`/v1/groups/${id}/cancel`);
  expect(action).toMatchObject({ status: 202, body: { data: { action: "cancel", filter: { group: id } } } });
  await jobIn(stack, app.token, waiting, "CANCELLED");
  expect((await post("/v1/jobs/create", member(id, "b"))).status).toBe(409);
  const audit = (await get(`/v1/admin/apps/${app.appId}/audit?object=job:${id}`)).body.data.items;
  expect(audit.map(({ action: done }: { action: string }) => done)).toEqual(["group.cancelled", "job.created"]);
});
