// Over 300 lines: all tests share one stack, and each start of a stack takes a second of the gate.

import { afterAll, beforeAll, expect, test } from "vitest";
import { GetScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { endStacks, jobIn, newApp, sharedStack, until, webhook, type Stack } from "../support/stack.ts";
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

const targetJob = (path = "/target", url = target.url) => webhook({ url, path }).message;

/** The service's time plus `minutes`. */
async function ahead(minutes: number): Promise<string> {
  const { body } = await stack.call("GET", "/health");
  return new Date(Date.parse(body.now) + minutes * 60_000).toISOString();
}

async function create(execution: object, mode = "both") {
  const { appId, token } = await newApp();
  const message = { execution: { type: "schedule", targetJob: targetJob(), ...execution } };
  const answer = await stack.call("POST", "/v1/jobs/create", { token, body: { message, mode } });
  return { ...answer, appId, token };
}

test("a scheduled webhook is delivered at its time, and the schedule succeeds", async () => {
  const scheduledAt = await ahead(3);
  const { status, body, token } = await create({
    scheduledAt,
    scheduleExpression: `at(${scheduledAt.slice(0, 19)})`,
    targetJob: targetJob("/in-time"),
  });
  expect(status).toBe(201);
  const { id, scheduleArn } = body.data;
  expect(body.data).toMatchObject({
    status: "PENDING",
    executionType: "schedule",
    nextRunAt: scheduledAt,
    runCount: 0,
  });
  expect(scheduleArn).toMatch(/^arn:aws:scheduler:.*:schedule\/.+\/.+$/);

  const done = await jobIn(stack, token, id, "SUCCEEDED");
  expect(done).toMatchObject({ runCount: 1, nextRunAt: null });
  expect(Date.parse(done.lastRunAt)).toBeGreaterThanOrEqual(Date.parse(scheduledAt) - 999);
  const delivered = await jobIn(stack, token, done.targetJobId, "SUCCEEDED");
  expect(delivered.parentJobId).toBe(id);
  expect(target.received.filter(({ url }) => url === "/in-time")).toHaveLength(1);

  const { environment } = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8"));
  const client = new SchedulerClient({ endpoint: environment.AWS_ENDPOINT_URL_SCHEDULER });
  const [GroupName, Name] = scheduleArn.split("/").slice(1);
  // A schedule deletes itself after its only firing.
  await until(async () =>
    client.send(new GetScheduleCommand({ Name, GroupName })).then(
      () => false,
      () => true,
    ),
  );
  client.destroy();
});

test("at(...) counts in its time zone", async () => {
  const scheduledAt = await ahead(24 * 60);
  const seoul = new Date(Date.parse(scheduledAt) + 9 * 3_600_000).toISOString().slice(0, 19);
  const zone = { scheduleExpressionTimezone: "Asia/Seoul" };
  const alone = await create({ scheduleExpression: `at(${seoul})`, ...zone });
  expect(alone.body.data.nextRunAt).toBe(`${scheduledAt.slice(0, 19)}.000Z`);
  const both = await create({ scheduledAt, scheduleExpression: `at(${seoul})`, ...zone });
  expect(both.status).toBe(201);
});

test("cancelling a schedule deletes it in EventBridge", async () => {
  const { body, token } = await create({ scheduledAt: await ahead(60) });
  const { environment } = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8"));
  const client = new SchedulerClient({ endpoint: environment.AWS_ENDPOINT_URL_SCHEDULER });
  const [GroupName, Name] = body.data.scheduleArn.split("/").slice(1);
  expect(await client.send(new GetScheduleCommand({ Name, GroupName }))).toMatchObject({
    ActionAfterCompletion: "DELETE",
    Target: { Input: JSON.stringify({ fire: { id: body.data.id, run: 1 } }) },
  });
  const cancelled = await stack.call("POST", `/v1/admin/jobs/${body.data.id}/cancel`, { token });
  expect(cancelled.body.data).toMatchObject({ status: "CANCELLED", nextRunAt: null });
  await expect(client.send(new GetScheduleCommand({ Name, GroupName }))).rejects.toThrow(/exist/);
  client.destroy();
});

test("a recurring schedule delivers again and again until it is cancelled", async () => {
  const { body, token } = await create({ scheduleExpression: "rate(1 minute)", targetJob: targetJob("/tick") });
  const ticks = () => target.received.filter(({ url }) => url === "/tick");
  await until(() => ticks().length >= 3);
  const { body: seen } = await stack.call("GET", `/v1/admin/jobs/${body.data.id}`, { token });
  expect(seen.data).toMatchObject({ status: "PENDING", scheduleArn: null });
  expect(seen.data.runCount).toBeGreaterThanOrEqual(3);
  await stack.call("POST", `/v1/admin/jobs/${body.data.id}/cancel`, { token });
});

test("in mode sqs, a schedule answers null and still delivers", async () => {
  const { status, body } = await create({ scheduledAt: await ahead(1), targetJob: targetJob("/carried") }, "sqs");
  expect([status, body]).toEqual([202, null]);
  await until(() => target.received.some(({ url }) => url === "/carried"));
});

test("credentials in queries are shown nowhere, and sent as they are", async () => {
  const { token } = await newApp();
  const url = `${target.url}/masked?order=7&access_token=s3cret`;
  const body = { ...webhook({ url: target.url, path: "/masked?api_key=s3cret" }), onComplete: { url } };
  const created = await stack.call("POST", "/v1/jobs/create", { token, body });
  await until(() => target.received.filter(({ url: path }) => path.startsWith("/masked")).length === 2);
  const job = await until(async () => {
    const { body: found } = await stack.call("GET", `/v1/admin/jobs/${created.body.data.id}`, { token });
    return found.data.followUpJobIds.length === 1 && found.data;
  });
  const called = await jobIn(stack, token, job.followUpJobIds[0], "SUCCEEDED");
  const legacy = await stack.call("POST", "/v1/jobs/callback-http", { token, body: { url } });
  expect(legacy.body.data.payload.url).toContain("order=7&access_token=***");
  for (const shown of [created.body, job, called, legacy.body]) expect(JSON.stringify(shown)).not.toContain("s3cret");
  const paths = target.received.map(({ url: path }) => path);
  expect(paths).toEqual(expect.arrayContaining(["/masked?api_key=s3cret", "/masked?order=7&access_token=s3cret"]));
});

test("a large job is answered without what is large of it, and errors of a batch stay small", async () => {
  const { token } = await newApp();
  const call = async (path: string, body: object) => {
    const headers = { "content-type": "application/octet-stream" };
    return stack.call("POST", path, { token, headers, body: JSON.stringify(body) });
  };
  const large = "x".repeat(3_900_000);
  const legacy = await call("/v1/jobs/callback-http", { url: target.url, body: { large } });
  expect([legacy.status, legacy.body.data.omitted]).toEqual([201, ["lambdaProxyMessage", "payload"]]);
  const wrapped = { execution: { type: "schedule", scheduledAt: "2099-01-01T00:00:00Z", targetJob: targetJob() } };
  // The answer escapes each quotation mark twice.
  wrapped.execution.targetJob.lambdaProxyMessage.body = '"'.repeat(1_900_000);
  const scheduled = await call("/v1/jobs/create", { message: wrapped });
  expect([scheduled.status, scheduled.body.data.omitted]).toEqual([201, ["executionConfig"]]);

  const hook = webhook({ url: target.url });
  const wrong = { ...hook, onSuccess: { message: { ...hook.message, execution: { type: "rest-api", baseUrl: "x" } } } };
  const batch = await call("/v1/jobs/batch", { jobs: [hook, ...Array.from({ length: 99 }, () => wrong)] });
  expect([batch.status, batch.body.data.results[0].status]).toEqual([207, 201]);
  const chain = (length: number): object =>
    length === 0 ? {} : { onSuccess: { message: { execution: hook.message.execution }, ...chain(length - 1) } };
  const many = { ...hook, ...chain(10), onFailure: { message: { execution: hook.message.execution }, ...chain(9) } };
  const refused = await call("/v1/jobs/create", many);
  expect(refused.body.error.details.length).toBeLessThanOrEqual(20);
});

test("a schedule that is posted again after its time is the same job", async () => {
  const { token } = await newApp();
  const execution = { type: "schedule", scheduledAt: await ahead(1), targetJob: targetJob("/again") };
  const body = { message: { execution, metadata: { idempotencyKey: "again" } } };
  const first = await stack.call("POST", "/v1/jobs/create", { token, body });
  await jobIn(stack, token, first.body.data.id, "SUCCEEDED");
  const repeat = await stack.call("POST", "/v1/jobs/create", { token, body });
  expect([repeat.status, repeat.body.data.id]).toEqual([200, first.body.data.id]);
});

test("callbacks and chained jobs go out by HTTP", async () => {
  const { token } = await newApp();
  const chained = { message: targetJob("/chained") };
  const body = {
    ...webhook({ url: target.url, path: "/first", headers: { "x-api-key": "k" } }),
    onComplete: { url: `${target.url}/called-back?n=1`, headers: { "x-who": "me" } },
    onSuccess: chained,
  };
  const created = await stack.call("POST", "/v1/jobs/create", { token, body });
  expect(created.status).toBe(201);
  const called = await until(() => target.received.find(({ url }) => url === "/called-back?n=1"));
  expect(called.headers).toMatchObject({ "x-who": "me", "content-type": "application/json" });
  const view = JSON.parse(called.body.toString());
  expect(view).toMatchObject({ id: created.body.data.id, status: "SUCCEEDED", attempts: [{ outcome: "succeeded" }] });
  expect(view.lambdaProxyMessage.headers["x-api-key"]).toBe("***");
  await until(() => target.received.some(({ url }) => url === "/chained"));
  const parent = await until(async () => {
    const { body: found } = await stack.call("GET", `/v1/admin/jobs/${view.id}`, { token });
    return found.data.followUpJobIds.length === 2 && found.data;
  });
  for (const id of parent.followUpJobIds) {
    const followUp = await jobIn(stack, token, id, "SUCCEEDED");
    expect(followUp.parentJobId).toBe(view.id);
  }
});

test.each([
  ["scheduledAt", { scheduledAt: "2020-01-01T00:00:00Z" }, "must be in the future"],
  ["scheduleExpression", { scheduleExpression: "at(2020-01-01T00:00:00)" }, "must be in the future"],
  ["scheduledAt", {}, "expected scheduledAt or scheduleExpression"],
  ["scheduledAt", { scheduledAt: "tomorrow" }, "expected a date and time"],
  ["scheduleExpression", { scheduleExpression: "every day" }, "expected at(yyyy-mm-ddThh:mm:ss)"],
  ["scheduleExpression", { scheduleExpression: "at(2099-02-30T00:00:00)" }, "that exist"],
  ["scheduleExpression", { scheduleExpression: "cron(0 9 * * *)" }, "expected cron("],
  ["scheduleExpression", { scheduleExpression: "rate(0 minutes)" }, "expected rate("],
  [
    "scheduleExpression",
    { scheduledAt: "2099-01-01T00:00:00Z", scheduleExpression: "at(2099-01-01T00:00:01)" },
    "same time as scheduledAt",
  ],
  [
    "scheduleExpression",
    {
      scheduledAt: "2099-01-01T00:00:00Z",
      scheduleExpression: "at(2099-01-01T00:00:00)",
      scheduleExpressionTimezone: "Asia/Seoul",
    },
    "in Asia/Seoul is 2098-12-31T15:00:00.000Z",
  ],
  [
    "scheduleExpressionTimezone",
    { scheduledAt: "2099-01-01T00:00:00Z", scheduleExpressionTimezone: "Mars/Olympus" },
    "not a time zone",
  ],
  ["scheduledAt", { scheduledAt: "2099-01-01T00:00:00Z", scheduleExpression: "rate(1 day)" }, "goes with at(...) only"],
  ["maxRuns", { scheduledAt: "2099-01-01T00:00:00Z", maxRuns: 2 }, "goes with rate(...) and cron(...) only"],
  ["endsAt", { scheduleExpression: "rate(1 day)", endsAt: "2020-01-01T00:00:00Z" }, "leaves no run"],
  ["scheduleExpression", { scheduleExpression: "cron(0 0 31 2 ? *)" }, "leaves no run"],
])("a schedule is refused at %s for %j", async (field, execution, reason) => {
  const { status, body } = await create(execution);
  expect(status).toBe(400);
  expect(body.error.details).toContainEqual({
    field: `message.execution.${field}`,
    message: expect.stringContaining(reason),
  });
});

test("what a schedule or a follow-up wraps is checked where it stands", async () => {
  const { token, appId } = await newApp();
  const at = { scheduledAt: "2099-01-01T00:00:00Z" };
  const refusals = async (body: object) => {
    const answer = await stack.call("POST", "/v1/jobs/create", { token, body });
    expect(answer.status).toBe(400);
    return (answer.body.error.details as { field: string; message: string }[]).map(
      ({ field, message }) => `${field}: ${message}`,
    );
  };
  const wrapping = (job: object) => ({ message: { execution: { type: "schedule", ...at, targetJob: job } } });
  const hook = webhook({ url: target.url });
  const nested = { execution: { type: "schedule", ...at, targetJob: targetJob() } };

  const inTarget = "message.execution.targetJob";
  expect(await refusals(wrapping(nested))).toEqual([
    expect.stringMatching(`^${inTarget}.execution.type: .*a schedule can't stand within another job`),
  ]);
  expect(await refusals(wrapping({ execution: hook.message.execution }))).toEqual([
    `${inTarget}.lambdaProxyMessage: is required for execution.type rest-api`,
  ]);
  expect(await refusals(wrapping({ ...hook.message, metadata: { appId: crypto.randomUUID() } }))).toEqual([
    expect.stringContaining(`${inTarget}.metadata.appId: differs`),
  ]);
  expect(await refusals(wrapping({ ...targetJob("/", "ftp://a.example") }))).toEqual([
    expect.stringContaining(`${inTarget}.execution.baseUrl`),
  ]);
  expect(await refusals({ ...hook, onSuccess: { message: nested } })).toEqual([
    expect.stringMatching("^onSuccess.message.execution.type"),
  ]);
  expect(await refusals({ ...hook, onComplete: { url: "file:///etc/passwd" } })).toEqual([
    expect.stringContaining("onComplete.url: expected a URL"),
  ]);
  expect(await refusals({ ...hook, onComplete: { url: target.url, on: ["PENDING"] } })).toEqual([
    expect.stringContaining("onComplete.on.0"),
  ]);
  expect(await refusals({ ...hook, mode: "sqs", onComplete: { url: target.url } })).toEqual([
    "onComplete: needs a job that is stored: use mode both or db",
  ]);
  expect(
    await refusals({
      ...wrapping(targetJob()),
      mode: "sqs",
      message: { execution: { type: "schedule", scheduleExpression: "rate(1 day)", targetJob: targetJob() } },
    }),
  ).toEqual([expect.stringContaining("recurs, which mode sqs can't")]);
  const keyed = { ...hook.message, metadata: { idempotencyKey: "same" } };
  const same = "is the key of the job that this one hangs on";
  const around = { execution: { type: "schedule", ...at, targetJob: keyed }, metadata: { idempotencyKey: "same" } };
  expect(await refusals({ message: around })).toEqual([
    expect.stringContaining(`${inTarget}.metadata.idempotencyKey: ${same}`),
  ]);
  expect(
    await refusals({ message: keyed, onSuccess: { message: hook.message, onFailure: { message: keyed } } }),
  ).toEqual([expect.stringContaining(`onSuccess.onFailure.message.metadata.idempotencyKey: ${same}`)]);
  expect(
    await refusals({ ...hook, onComplete: { url: target.url, on: Array.from({ length: 5 }, () => "DEAD") } }),
  ).toEqual([expect.stringContaining("onComplete.on: ")]);
  expect(await refusals({ ...hook, onComplete: { url: target.url, headers: { a: "x".repeat(9_000) } } })).toEqual([
    "onComplete.headers: must not be larger than 8 KB",
  ]);
  const chain = (length: number): object => (length === 0 ? {} : { onFailure: { ...hook, ...chain(length - 1) } });
  expect(await refusals({ ...hook, ...chain(11) })).toEqual([
    expect.stringMatching(/^(onFailure\.){10}onFailure: must not be more than 10 follow-ups deep$/),
  ]);
  const ten = await stack.call("POST", "/v1/jobs/create", { token, body: { appId, ...hook, ...chain(10) } });
  expect(ten.status).toBe(201);
});

test("under production's rule, callbacks and wrapped jobs may not go to private addresses", async () => {
  const strict = await sharedStack({ ALLOW_PRIVATE_TARGETS: "false" });
  const { token } = await newApp();
  const hook = webhook({ url: "https://a.example" });
  const body = {
    ...hook,
    onComplete: { url: "http://127.0.0.1/" },
    onFailure: { message: targetJob("/", "http://169.254.169.254") },
  };
  const answer = await strict.call("POST", "/v1/jobs/create", { token, body });
  expect(answer.body.error.details.map(({ field }: { field: string }) => field)).toEqual([
    "onComplete.url",
    "onFailure.message.execution.baseUrl",
  ]);
});
