import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, until, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack({ SPEED: "60" }), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

/** The API of an app of its own. */
async function app() {
  const { appId, token } = await newApp();
  const call = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
    stack.call(method, `/v1${path}`, { token, headers, ...(body && { body }) });
  return { appId, token, call };
}

const job = (path = "/run") => ({ url: `${target.url}${path}`, body: { a: 1 } });
const NIGHTLY = { expression: "0 2 * * *", timezone: "Asia/Seoul" };

test("a schedule is put by its key, shown as it was understood, and put again without a change", async () => {
  const { call } = await app();
  const made = await call("PUT", "/schedules/nightly", { ...NIGHTLY, overlap: "skip", job: job() });
  expect(made.status).toBe(201);
  expect(made.body.data).toMatchObject({
    key: "nightly",
    expression: "cron(0 2 * * ? *)",
    timezone: "Asia/Seoul",
    overlap: "skip",
    missed: "once",
    state: "ACTIVE",
    paused: false,
    lastRun: null,
    runCount: 0,
    skipped: { overlap: 0, missed: 0, paused: 0 },
    version: 1,
    job: { url: `${target.url}/run`, method: "POST", body: { a: 1 } },
  });
  expect(made.body.data.nextRuns).toHaveLength(5);
  expect(made.body.data.nextRuns.every((time: string) => time.endsWith("T17:00:00.000Z"))).toBe(true);

  // As it was asked for, and as it is shown.
  for (const body of [{ ...NIGHTLY, overlap: "skip", job: job() }, made.body.data]) {
    const again = await call("PUT", "/schedules/nightly", body);
    expect([again.status, again.body.data.version, again.body.data.updatedAt]).toEqual([
      200,
      1,
      made.body.data.updatedAt,
    ]);
  }
  const shown = await call("GET", "/schedules/nightly");
  expect(shown.body.data).toEqual(made.body.data);
  // It is a job, too.
  const entity = await call("GET", `/admin/jobs/${made.body.data.id}`);
  expect(entity.body.data).toMatchObject({ executionType: "schedule", status: "PENDING", idempotencyKey: "nightly" });
});

test("an edit names the version that it changes; a patch leaves the rest as it is, also what is masked", async () => {
  const { appId, call } = await app();
  const secret = { ...job(), headers: { authorization: "Bearer secret", "x-plain": "1" } };
  await call("PUT", "/schedules/a", { ...NIGHTLY, maxRuns: 9, job: secret });
  const patched = await call("PATCH", "/schedules/a", {
    expression: "0 3 * * *",
    maxRuns: null,
    job: { method: "PUT" },
  });
  expect(patched.body.data).toMatchObject({
    version: 2,
    expression: "cron(0 3 * * ? *)",
    timezone: "Asia/Seoul",
    job: { method: "PUT", headers: { authorization: "***", "x-plain": "1" } },
  });
  expect(patched.body.data.maxRuns).toBeUndefined();
  const stale = await call("PATCH", "/schedules/a", { maxRuns: 3 }, { "if-match": '"1"' });
  expect([stale.status, stale.body.error.reason, stale.body.error.message]).toEqual([
    409,
    "version",
    "Version 1 is to be changed, but the schedule is at version 2: read it and try again",
  ]);
  expect((await call("PATCH", "/schedules/a", { maxRuns: 3, version: 2 })).status).toBe(200);
  // The credential goes nowhere else.
  const elsewhere = await call("PATCH", "/schedules/a", { job: { url: "http://127.0.0.2:9/" } });
  expect([elsewhere.status, elsewhere.body.error.details[0].field]).toEqual([400, "job.headers.authorization"]);

  const ran = await call("POST", "/schedules/a/run", {});
  expect(ran.status).toBe(201);
  await until(async () => target.received.some(({ headers }) => headers["authorization"] === "Bearer secret"));
  const { items } = (await call("GET", `/admin/apps/${appId}/audit?object=schedule:${patched.body.data.id}`)).body.data;
  expect(items.map(({ action }: { action: string }) => action)).toEqual([
    "schedule.run",
    "schedule.edited",
    "schedule.edited",
    "schedule.created",
  ]);
  expect(items[2].changes).toEqual([
    { field: "expression", from: "cron(0 2 * * ? *)", to: "cron(0 3 * * ? *)" },
    { field: "maxRuns", from: 9, to: null },
    { field: "job.method", from: "POST", to: "PUT" },
  ]);
});

test("a schedule is paused with a reason, run all the same by a person, resumed, and deleted", async () => {
  const { call } = await app();
  const made = await call("PUT", "/schedules/b", { ...NIGHTLY, job: job("/by-hand") });
  const { nextRuns } = made.body.data;
  expect(made.body.data).not.toHaveProperty("nextRunsIfResumed");
  const paused = await call("POST", "/schedules/b/pause", { reason: "The shop is closed" });
  expect(paused.body.data).toMatchObject({
    state: "PAUSED",
    pauseReason: "The shop is closed",
    nextRuns: [],
    nextRunsIfResumed: nextRuns,
    version: 2,
  });
  const asJob = await call("GET", `/admin/jobs/${paused.body.data.id}`);
  expect(asJob.body.data).toMatchObject({ status: "PENDING", nextRunAt: null, waiting: { reason: "paused" } });
  // What puts it at every deployment does not end the pause.
  expect((await call("PUT", "/schedules/b", { ...NIGHTLY, job: job("/by-hand") })).body.data.state).toBe("PAUSED");

  const key = { "idempotency-key": "once" };
  const [ran, again] = [
    await call("POST", "/schedules/b/run", {}, key),
    await call("POST", "/schedules/b/run", {}, key),
  ];
  expect([ran.status, again.status, again.body.data.id]).toEqual([201, 200, ran.body.data.id]);
  await until(async () => target.received.some(({ url }) => url === "/by-hand"));
  const runs = await call("GET", "/schedules/b/runs");
  expect(runs.body.data.items.map(({ id }: { id: string }) => id)).toEqual([ran.body.data.id]);

  const resumed = await call("POST", "/schedules/b/resume");
  expect(resumed.body.data).toMatchObject({ state: "ACTIVE", lastRun: { jobId: ran.body.data.id } });
  expect((await call("DELETE", "/schedules/b")).status).toBe(200);
  expect((await call("GET", "/schedules/b")).status).toBe(404);
  expect((await call("PUT", "/schedules/b", { ...NIGHTLY, job: job() })).status).toBe(201);
});

test("a schedule runs by the new expression after an edit, and starts anew when it is put after its end", async () => {
  const { token, call } = await app();
  await call("PUT", "/schedules/c", { expression: "rate(1 day)", maxRuns: 1, job: job("/edited") });
  const edited = await call("PATCH", "/schedules/c", { expression: "rate(1 minute)" });
  const { id } = edited.body.data;
  await jobIn(stack, token, id, "SUCCEEDED");
  const ended = await call("GET", "/schedules/c");
  expect(ended.body.data).toMatchObject({ state: "ENDED", runCount: 1, lastRun: { status: expect.any(String) } });
  expect((await call("POST", "/schedules/c/pause")).body.error).toMatchObject({ code: "CONFLICT", reason: "ended" });
  const anew = await call("PUT", "/schedules/c", { expression: "rate(1 minute)", maxRuns: 1, job: job("/edited") });
  expect(anew.body.data).toMatchObject({ state: "ACTIVE", runCount: 0, id });
  await jobIn(stack, token, id, "SUCCEEDED");
  const received = () =>
    new Set(target.received.flatMap(({ url, headers }) => (url === "/edited" ? headers["webhook-id"] : [])));
  await until(async () => received().size === 2);
});

test("schedules that POST /v1/jobs/create has made are the same resource, with and without a key", async () => {
  const { token, call } = await app();
  const message = {
    lambdaProxyMessage: { path: "/old", httpMethod: "POST", body: "{}" },
    execution: { type: "rest-api", baseUrl: target.url },
  };
  const create = async (execution: object, metadata: object) =>
    (
      await call("POST", "/jobs/create", {
        message: { execution: { type: "schedule", targetJob: message, ...execution }, metadata },
      })
    ).body.data;
  const at = "2099-01-15T10:00:00.500Z";
  const once = await create({ scheduledAt: at, scheduleExpressionTimezone: "Asia/Seoul" }, {});
  await create({ scheduleExpression: "rate(5 minutes)" }, { idempotencyKey: "old one/1" });
  const { items } = (await call("GET", "/schedules?host=127.0.0.1")).body.data;
  expect(items.map(({ key, expression }: Record<string, string>) => [key, expression])).toEqual([
    ["old one/1", "rate(5 minutes)"],
    [once.id, "at(2099-01-15T19:00:01)"],
  ]);
  expect((await call("GET", "/schedules?host=elsewhere.example")).body.data.items).toEqual([]);
  const paused = await call("POST", `/schedules/${once.id}/pause`);
  expect(paused.body.data.state).toBe("PAUSED");
  expect((await call("GET", "/schedules?state=PAUSED")).body.data.items).toHaveLength(1);
  expect((await call("GET", "/schedules?state=ENDED")).body.data.items).toEqual([]);
  const resumed = await call("POST", `/schedules/${once.id}/resume`);
  expect(resumed.body.data.nextRuns).toEqual([at]);
  expect((await jobIn(stack, token, once.id, "PENDING")).nextRunAt).toBe(at);
});

test("a schedule and a job don't share a key: each refusal names the other", async () => {
  const { call } = await app();
  const webhook = {
    message: {
      lambdaProxyMessage: { path: "/", httpMethod: "POST", body: "{}" },
      execution: { type: "rest-api", baseUrl: target.url },
    },
  };
  const posted = async (idempotencyKey: string) =>
    call("POST", "/jobs/create", { message: { ...webhook.message, metadata: { idempotencyKey } } });
  const first = await posted("job");
  const put = await call("PUT", "/schedules/job", { ...NIGHTLY, job: job() });
  expect([put.status, put.body.error.reason]).toEqual([409, "key_taken"]);
  expect(put.body.error.message).toContain(`job ${first.body.data.id}`);
  const made = await call("PUT", "/schedules/schedule", { ...NIGHTLY, job: job() });
  const refused = await posted("schedule");
  expect([refused.status, refused.body.error.reason]).toEqual([409, "key_taken"]);
  expect(refused.body.error.message).toContain(`schedule ${made.body.data.id}`);
});

test.each([
  [{ expression: "0 2 1 * 1" }, "expression", /names both a day of the month/],
  [{ expression: "soon" }, "expression", /expected at\(/],
  [{ expression: "rate(1 day)", endsAt: "2001-01-01T00:00Z" }, "endsAt", /leaves no run/],
  [{ expression: "at(2099-01-01T00:00:00)", maxRuns: 2 }, "maxRuns", /goes with rate/],
  [
    { expression: "rate(1 day)", job: { url: "https://a.example", task: "example" } },
    "job.task",
    /expected one of url/,
  ],
  [
    { expression: "rate(1 day)", job: { url: "https://a.example", order: "a", timeoutSeconds: 120 } },
    "job.order",
    /asks for an order/,
  ],
  [
    { expression: "rate(1 day)", job: { url: "https://a.example", headers: { authorization: "***" } } },
    "job.headers.authorization",
    /stands for a credential/,
  ],
] as const)("%j is refused at its field", async (body, field, message) => {
  const { call } = await app();
  const refused = await call("PUT", "/schedules/odd", { job: { url: "https://a.example" }, ...body });
  expect(refused.status).toBe(400);
  expect(refused.body.error.details[0]).toEqual({ field, message: expect.stringMatching(message) });
});

test("a preview tells when an expression would run, and keeps nothing", async () => {
  const { call } = await app();
  const preview = await call("POST", "/schedules/preview", { expression: "*/15 9-17 * * 1-5", count: 3 });
  expect(preview.body.data).toMatchObject({ expression: "cron(*/15 9-17 ? * MON-FRI *)", timezone: "UTC" });
  expect(preview.body.data.nextRuns).toHaveLength(3);
  expect((await call("GET", "/schedules")).body.data.items).toEqual([]);
});
