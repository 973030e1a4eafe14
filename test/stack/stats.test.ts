import { marshall } from "@aws-sdk/util-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MINUTE } from "../../lib/clock.ts";
import { toItem } from "../../lib/store/job-item.ts";
import type { Job } from "../../lib/job/job.ts";
import { newJob } from "../support/new-job.ts";
import { changeIn, changesIn, changesOf } from "../../lib/store/counters.ts";
import { incrementsOf } from "../../lib/store/stats.ts";
import { usageOf } from "../../lib/pdf/usage.ts";
import { endStacks, jobIn, newApp, sharedStack, tokenFor, until, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";
import { request } from "../support/world.ts";
import type { Status } from "../../lib/job/status.ts";

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

async function post(token: string, path: string, metadata: Record<string, unknown> = {}): Promise<string> {
  const { body } = await stack.call("POST", "/v1/jobs/create", {
    token,
    body: webhook({ url: target.url, path, metadata }),
  });
  return body.data.id;
}

const statsOf = async (token: string) => (await stack.call("GET", "/v1/admin/stats", { token })).body.data;

test("stats count an app's jobs by what has become of them", async () => {
  target.answer(({ url }, response) => void response.writeHead(url === "/bad" ? 500 : 200).end());
  const { token } = await newApp();
  const empty = await statsOf(token);
  expect(empty.lastHour).toMatchObject({
    jobs: 0,
    successRate: null,
    averageRetryCount: null,
    latencyMs: { p50: null },
  });

  const good = await Promise.all([1, 2, 3].map(async () => post(token, "/good")));
  const bad = await post(token, "/bad", { maxRetries: 0 });
  const retrying = await post(token, "/bad");
  for (const id of good) await jobIn(stack, token, id, "SUCCEEDED");
  await jobIn(stack, token, bad, "DEAD");
  await jobIn(stack, token, retrying, "RETRYING");

  const stats = await until(async () => {
    const found = await statsOf(token);
    const { RETRYING, SUCCEEDED, DEAD } = found.lastHour.byStatus;
    return RETRYING === 1 && SUCCEEDED === 3 && DEAD === 1 && found;
  });
  expect(stats).toMatchObject({ approximate: true, oldestDueAgeSeconds: expect.any(Number) });
  expect(stats.lastDay).toEqual(stats.lastHour);
  expect(stats.lastHour).toEqual({
    jobs: 5,
    byStatus: { PENDING: 0, RUNNING: 0, RETRYING: 1, SUCCEEDED: 3, FAILED: 0, DEAD: 1, CANCELLED: 0 },
    byExecutionType: { "rest-api": 5 },
    successRate: 0.75,
    averageRetryCount: 0.2,
    latencyMs: { p50: expect.any(Number), p95: expect.any(Number) },
  });

  const counts = await until(async () => {
    const { body } = await stack.call("GET", "/v1/admin/counts", { token });
    return body.data.byStatus.SUCCEEDED === 3 && body.data.waiting.backoff === 1 && body.data;
  });
  expect(counts).toMatchObject({
    approximate: true,
    correctedAt: null,
    byStatus: stats.lastHour.byStatus,
    byType: { "rest-api": stats.lastHour.byStatus },
    destinations: [],
  });
  const { body } = await stack.call("GET", "/v1/admin/series", { token });
  const did = { accepted: 5, succeeded: 3, failed: 1, dead: 1, cancelled: 0, retried: 1 };
  expect(body.data).toMatchObject({
    step: "1h",
    total: { ...did, latencyMs: { p50: expect.any(Number), p95: expect.any(Number) } },
    errors: [{ error: "HTTP 500", count: 2 }],
    destinations: [{ destination: target.url, retried: 1, failed: 1, dead: 1 }],
  });
  // The list that a number leads to has as many.
  const listed = await stack.call("GET", "/v1/admin/jobs?waiting=backoff,delayed", { token });
  expect(listed.body.data.items).toMatchObject([{ status: "RETRYING" }]);
  const from = new Date(Date.now() - 3_600_000).toISOString();
  const minutes = await stack.call("GET", `/v1/admin/series?step=5m&from=${from}`, { token });
  expect(minutes.body.data).toMatchObject({ step: "5m", total: did });
  expect([12, 13]).toContain(minutes.body.data.points.length);
  expect([25, 26]).toContain(body.data.points.length);

  await stack.call("DELETE", `/v1/admin/jobs/${bad}`, { token });
  await until(async () => (await statsOf(token)).lastHour.jobs === 4);
});

test("the jobs that wait for a destination are those in its backlog, and those that have a turn by its rate", async () => {
  const { appId, token } = await newApp();
  const slow = { destination: target.url, rateLimitPerSecond: 0.02 };
  await stack.call("PATCH", `/v1/admin/apps/${appId}`, { token, body: { destinations: [slow] } });
  for (let n = 0; n < 9; n += 1) await post(token, "/slow");
  // One has gone, the row of turns takes three minutes of them, and the others are in the backlog.
  const { destinations } = await until(async () => {
    const { data } = (await stack.call("GET", "/v1/admin/counts", { token })).body;
    return data.waiting.rate === 8 && data;
  });
  expect(destinations).toEqual([{ destination: target.url, waiting: 8, reason: "rate", since: null, lastError: null }]);
});

test("stats show nobody else's jobs, and take an administrator's token", async () => {
  const [one, other] = [await newApp(), await newApp()];
  await post(one.token, "/good");
  await until(async () => (await statsOf(one.token)).lastHour.jobs === 1);
  expect((await statsOf(other.token)).lastHour.jobs).toBe(0);
  const operator = await tokenFor({ roles: ["PLATFORM_ADMIN"] });
  for (const path of ["stats", "counts", "series"]) {
    const of = async (token: string) => stack.call("GET", `/v1/admin/${path}?appId=${one.appId}`, { token });
    expect([(await of(other.token)).status, (await of(operator)).status]).toEqual([403, 200]);
  }
  expect((await stack.call("GET", "/v1/admin/stats")).status).toBe(401);
});

test("a series is of whole hours or days, and of no more than it can show", async () => {
  const { token } = await newApp();
  const ask = async (query: string) => stack.call("GET", `/v1/admin/series?${query}`, { token });
  const { body } = await ask("from=2026-01-01T10:20:00Z&to=2026-01-03T01:00:00Z&step=1d");
  expect(body.data).toMatchObject({ from: "2026-01-01T00:00:00.000Z", to: "2026-01-04T00:00:00.000Z", step: "1d" });
  expect(body.data.points.map(({ at }: { at: string }) => at.slice(0, 10))).toEqual([
    "2026-01-01",
    "2026-01-02",
    "2026-01-03",
  ]);
  const refused = async (query: string) => (await ask(query)).body.error.details[0];
  expect(await refused("from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z")).toEqual({
    field: "from",
    message: "is more than 31 days before to: expected at most 31; take step=1d for up to 90 days",
  });
  expect(await refused("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")).toMatchObject({ field: "from" });
  expect(await refused("step=5m&from=2026-01-01T10:00:00Z&to=2026-01-01T11:00:00Z")).toEqual({
    field: "from",
    message: expect.stringContaining("is more than two days ago"),
  });
  expect(await refused("step=2h")).toMatchObject({ field: "step" });
});

// ---- The effect of one change on the counters ----

const NOW = Date.parse("2026-11-22T12:03:00Z");
const someJob = (fields: Partial<Job> = {}) =>
  ({ ...newJob(request("both"), NOW, crypto.randomUUID()), ...fields }) as Job;
const image = (job: Job) => marshall(toItem(job), { removeUndefinedValues: true });
const counted = (before: Job | undefined, after: Job | undefined, since = 0) =>
  [...incrementsOf([changeIn({ OldImage: before && image(before), NewImage: after && image(after) })], since)].map(
    ([key, increments]) => [key.split("/")[1], Object.fromEntries([...increments].filter(([, by]) => by !== 0))],
  );

test("a change of status moves a job from one counter to another, where it was created", () => {
  const pending = someJob();
  const start = String(Date.parse("2026-11-22T12:00:00Z"));
  expect(counted(undefined, pending)).toEqual([[start, { "status:rest-api:PENDING": 1 }]]);
  const retrying = { ...pending, status: "RETRYING", retryCount: 2, updatedAt: NOW + 9 * MINUTE } as Job;
  expect(counted(pending, retrying)).toEqual([
    [start, { "status:rest-api:PENDING": -1, "status:rest-api:RETRYING": 1, retries: 2 }],
  ]);
  const succeeded = { ...retrying, status: "SUCCEEDED", updatedAt: NOW + 1_024 } as Job;
  expect(counted(retrying, succeeded)).toEqual([
    [start, { "status:rest-api:RETRYING": -1, "status:rest-api:SUCCEEDED": 1, "latency:40": 1 }],
  ]);
});

test("the records of a batch tell the changes that each tells alone", () => {
  const [one, other] = [someJob(), someJob()];
  const running = { ...one, status: "RUNNING", attempts: 1 } as Job;
  const records = [
    { NewImage: image(one) },
    { NewImage: image(other) },
    { OldImage: image(one), NewImage: image(running) },
    { OldImage: image(running) },
    { OldImage: image(other), NewImage: image({ ...other, dueAt: NOW }) },
    // The key of the first is used again.
    { NewImage: image(one) },
  ];
  expect(changesIn(records)).toEqual(records.map((record) => changeIn(record)));
});

test("a large batch is read in pieces, between which others get a turn, and tells the same", async () => {
  const jobs = Array.from({ length: 60 }, () => someJob());
  const records = [
    ...jobs.map((job) => ({ NewImage: image(job) })),
    ...jobs.map((job) => ({ OldImage: image(job), NewImage: image({ ...job, status: "DEAD" } as Job) })),
  ];
  let turns = 0;
  const takeTurn = () => {
    turns += 1;
    next = setImmediate(takeTurn);
  };
  let next = setImmediate(takeTurn);
  const changes = await changesOf(records);
  clearImmediate(next);
  expect(changes).toEqual(changesIn(records));
  expect(turns).toBeGreaterThanOrEqual(4);
});

test("what leaves the status alone, or is of a job created long ago, counts nothing", () => {
  const pending = someJob();
  expect(counted(pending, { ...pending, dueAt: NOW + MINUTE })).toEqual([[expect.any(String), {}]]);
  expect(counted(undefined, pending, NOW + 1)).toEqual([]);
});

test("usage of a key that had expired and is used again is the new job's alone", () => {
  const made = { status: "SUCCEEDED", jobType: "generate_pdf", executionType: "task" } as const;
  const success = { durationMs: 5, result: JSON.stringify({ pages: 80, bytes: 1_000, truncated: false }) };
  const image = (createdAt: string, status: Status): Record<string, object> => {
    const job = { ...newJob(request("both"), Date.parse(createdAt), "id"), ...made, status };
    return marshall(toItem({ ...job, ...(status === "SUCCEEDED" && { success }) } as Job), {
      removeUndefinedValues: true,
    });
  };
  const usageBy = (before: Record<string, object> | undefined, after: Record<string, object> | undefined) =>
    [...usageOf([changeIn({ OldImage: before, NewImage: after })])].map(([key, counts]) => [
      key.split("/")[1],
      Object.fromEntries(counts),
    ]);
  const old = image("2026-01-01T00:00:00Z", "SUCCEEDED");
  const [reused] = usageBy(old, image("2026-01-09T00:00:00Z", "PENDING"));
  expect(reused).toEqual(["2026-01-09", { jobs: 1, quickJobs: 0, failed: 0, timeouts: 0, pages: 0, bytes: 0 }]);
  const [ended] = usageBy(image("2026-01-01T00:00:00Z", "RUNNING"), old);
  expect(ended).toMatchObject(["2026-01-01", { jobs: 0, completed: 1, pages: 80, bytes: 1_000 }]);
  // A deletion does not change the usage.
  expect(usageBy(old, undefined)).toEqual([]);
});
