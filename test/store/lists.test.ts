import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, createClock } from "../../lib/clock.ts";
import { newJob } from "../support/new-job.ts";
import type { Job } from "../../lib/job/job.ts";
import type { Status } from "../../lib/job/status.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { toItem } from "../../lib/store/job-item.ts";
import { filterOf, type JobFilter } from "../../lib/job/job-filter.ts";
import type { WaitReason } from "../../lib/job/waiting.ts";
import { countJobs, listJobs } from "../../lib/store/job-list.ts";
import { numberedPage } from "../../lib/store/job-pages.ts";
import { createJobStore } from "../../lib/store/job-store.ts";
import { createTable } from "../../lib/store/table.ts";
import { readTemplate } from "../../local/template.ts";
import { clientOf, type Command } from "../sim/models/client.ts";
import { createDynamoDb } from "../sim/models/dynamodb.ts";
import { createS3 } from "../sim/models/s3.ts";
import { ROOT } from "../support/root.ts";
import { request } from "../support/world.ts";

// What a page of a list costs, with many jobs.

const TYPES = ["lambda-invoke", "lambda-url", "rest-api", "schedule", "task"];
const LIST_SHARDS = 4;
const { Properties: properties = {} } = readTemplate(ROOT).resources["JobsTable"] ?? {};

let calls: Record<string, number> = {};
let mostAtOnce = 0;
beforeEach(() => {
  calls = {};
  mostAtOnce = 0;
});

function stand() {
  const now = Date.now();
  const clock = { ...createClock(), now: () => now };
  const model = createDynamoDb({ now: clock.now, table: "JobsTable", properties });
  let running = 0;
  const client = clientOf(async (command: Command) => {
    const { name } = command.constructor;
    calls[name] = (calls[name] ?? 0) + 1;
    mostAtOnce = Math.max(mostAtOnce, (running += 1));
    const answer = await model.send(command);
    running -= 1;
    return answer;
  }) as DynamoDBClient;
  const files = createBucket({ name: "jobsbucket", client: clientOf(createS3({ bucket: "jobsbucket" }).send) });
  const table = createTable({ name: "JobsTable", clock, client });
  const store = createJobStore({ table, files, clock, listShards: LIST_SHARDS });
  const appId = randomUUID();
  const job = newJob(request("both", {}, { appId }), now, clock.uuid());
  /** Stores a job of a status that was made so long ago. */
  const put = async (status: Status, age: number, change: Partial<Job> = {}): Promise<Job> => {
    const [createdAt, id] = [now - age, clock.uuid()];
    const made = { ...job, id, createdAt, startAt: createdAt, dueAt: createdAt, status, ...change } as Job;
    await table.put(toItem(made, LIST_SHARDS));
    return made;
  };
  return { store, appId, put };
}

const task = { executionType: "task", jobType: "example", userId: "me" };

test("jobs that wait in a backlog, or for their next try, are found among thousands that are as young", async () => {
  const { store, appId, put } = stand();
  const backlog = "to https://held.example" as const;
  for (let n = 0; n < 1_000; n += 1) await put("SUCCEEDED", n * SECOND);
  const held = [await put("PENDING", 10 * MINUTE, { backlog }), await put("RETRYING", 12 * MINUTE, { backlog })];
  const retried = await put("RETRYING", 11 * MINUTE, { startAt: Date.now() + HOUR });
  const find = async (waiting: WaitReason) => {
    const filter = { ...filterOf(appId, { waiting }), backlogs: waiting === "held" ? [backlog] : [] };
    return listJobs(store, filter, TYPES, 50);
  };
  const ids = async (waiting: WaitReason) => (await find(waiting)).jobs.map(({ id }) => id);
  expect(await ids("held")).toEqual(held.map(({ id }) => id));
  expect(await ids("backoff")).toEqual([retried.id]);
  expect(calls["BatchGetItemCommand"]).toBe(2);
  expect((await find("held")).next).toBeUndefined();
});

test("a user's page of 25 of 2,000 jobs is one batch and a query a thousand, whatever the filter", async () => {
  const { store, appId, put } = stand();
  for (let n = 0; n < 2_000; n += 1) {
    const dialect = n % 2 === 0 ? { dialect: "files" as const } : {};
    const status = n % 100 === 0 ? "FAILED" : "SUCCEEDED";
    await put(status, n * SECOND, { ...task, ...dialect, jobType: n % 10 === 0 ? "cleanup" : "example" });
  }
  const read = async (page: number, statuses: Status[] | undefined, fits: (of: { jobType?: string }) => boolean) => {
    calls = {};
    return numberedPage(store, { appId, userId: "me" }, { page, pageSize: 25 }, { statuses, fits });
  };
  const all = await read(1, undefined, () => true);
  expect(all).toMatchObject({ total: 2_000, totalIsExact: true, totalPages: 80 });
  expect(all.jobs).toHaveLength(25);
  expect(calls).toEqual({ QueryCommand: 3, BatchGetItemCommand: 1 });
  expect(await read(1, ["FAILED", "DEAD"], () => true)).toMatchObject({ total: 20, totalIsExact: true });
  expect(calls).toEqual({ QueryCommand: 3, BatchGetItemCommand: 1 });
  const last = await read(8, undefined, ({ jobType }) => jobType === "cleanup");
  expect(last).toMatchObject({ total: 200, totalPages: 8 });
  expect(last.jobs).toHaveLength(25);
  expect(calls).toEqual({ QueryCommand: 3, BatchGetItemCommand: 1 });
});

test("an administrator's page of tasks in a rare status is one batch too, and a query for each partition", async () => {
  const { store, appId, put } = stand();
  for (let n = 0; n < 300; n += 1) await put("SUCCEEDED", n * SECOND, task);
  for (let n = 0; n < 30; n += 1) await put("DEAD", n * SECOND);
  const running = await put("RUNNING", DAY, task);
  calls = {};
  const fits = ({ executionType }: { executionType: string }) => executionType === "task";
  const asked = { page: 1, pageSize: 25 };
  expect(await numberedPage(store, { appId }, asked, { statuses: ["RUNNING"], fits })).toMatchObject({
    jobs: [{ id: running.id }],
    total: 1,
    totalIsExact: true,
  });
  expect(calls).toEqual({ QueryCommand: LIST_SHARDS, BatchGetItemCommand: 1 });
  const failed = await numberedPage(store, { appId }, asked, { statuses: ["FAILED", "DEAD"], fits });
  expect(failed).toMatchObject({ jobs: [], total: 0, totalIsExact: true });
});

test("the total of a filtered list is a lower bound behind ten thousand entries, and says so", async () => {
  const { store, appId, put } = stand();
  for (let n = 0; n < 13_000; n += 1)
    await put("SUCCEEDED", n, { ...task, jobType: n % 100 === 0 ? "rare" : "example" });
  calls = {};
  const fits = ({ jobType }: { jobType?: string }) => jobType === "rare";
  const page = await numberedPage(store, { appId }, { page: 1, pageSize: 25 }, { statuses: undefined, fits });
  expect(page.jobs).toHaveLength(25);
  expect(page.totalIsExact).toBe(false);
  expect(page.total).toBeGreaterThanOrEqual(100);
  expect(page.total).toBeLessThan(130);
  expect(calls["BatchGetItemCommand"]).toBe(1);
});

test("a list of PENDING jobs has those that wait, in a few reads, behind hundreds that have ended", async () => {
  const { store, appId, put } = stand();
  const fresh = await put("PENDING", MINUTE);
  for (let n = 0; n < 500; n += 1) await put("SUCCEEDED", 2 * HOUR + n);
  const waiting = await put("PENDING", DAY, { dueAt: Date.now() + HOUR });
  const parked = await put("PENDING", 2 * DAY, { executionType: "lambda-url", dueAt: Date.now() });
  const retrying = await put("RETRYING", 3 * DAY, { dueAt: Date.now() + HOUR });
  const read = async (filter: Partial<JobFilter>) => {
    calls = {};
    const { jobs, next } = await listJobs(store, { appId, created: {}, ...filter }, TYPES, 50);
    return { ids: jobs.map(({ id }) => id), next };
  };
  expect(await read({ status: ["RETRYING"] })).toEqual({ ids: [retrying.id], next: undefined });
  expect(await read({ status: ["PENDING"], executionType: ["rest-api"] })).toEqual({
    ids: [fresh.id, waiting.id],
    next: undefined,
  });
  expect(await read({ status: ["PENDING"] })).toEqual({ ids: [fresh.id, waiting.id, parked.id], next: undefined });
  expect(calls["BatchGetItemCommand"]).toBeLessThanOrEqual(4);
  expect(calls["QueryCommand"]).toBeLessThanOrEqual(2 * TYPES.length * LIST_SHARDS);
  // In pages of one, from cursor to cursor.
  const ids: string[] = [];
  let from;
  do {
    const page: Awaited<ReturnType<typeof listJobs>> = await listJobs(
      store,
      { appId, created: {}, status: ["PENDING"] },
      TYPES,
      1,
      from,
    );
    ids.push(...page.jobs.map(({ id }) => id));
    from = page.next;
  } while (from);
  expect(ids).toEqual([fresh.id, waiting.id, parked.id]);
});

test("a page of any list takes four batches at most, and a query for each partition a round", async () => {
  const { store, appId, put } = stand();
  for (let n = 0; n < 600; n += 1) await put("SUCCEEDED", n * SECOND);
  for (const status of [["RUNNING"], ["SUCCEEDED", "FAILED"], undefined] as const) {
    calls = {};
    await listJobs(store, { appId, created: {}, status }, TYPES, 100);
    expect(calls["BatchGetItemCommand"]).toBeLessThanOrEqual(4);
    expect(calls["QueryCommand"]).toBeLessThanOrEqual(4 * TYPES.length * LIST_SHARDS);
  }
});

test("a list of several statuses reads their indexes, newest first, with each job once", async () => {
  const { store, appId, put } = stand();
  const ids: string[] = [];
  for (let n = 0; n < 200; n += 1) await put("SUCCEEDED", n);
  for (let n = 0; n < 6; n += 1) ids.push((await put(n % 2 === 0 ? "DEAD" : "FAILED", HOUR + n * SECOND)).id);
  await put("CANCELLED", HOUR);
  calls = {};
  const filter: JobFilter = { appId, created: {}, status: ["FAILED", "DEAD", "DEAD"] };
  const { jobs, next } = await listJobs(store, filter, TYPES, 50);
  expect({ ids: jobs.map(({ id }) => id), next }).toEqual({ ids, next: undefined });
  expect(calls).toEqual({ BatchGetItemCommand: 1, QueryCommand: 2 * TYPES.length * LIST_SHARDS });
  expect(mostAtOnce).toBe(TYPES.length * LIST_SHARDS);
});

test("a list of some job types reads no other tasks, however many there are", async () => {
  const { store, appId, put } = stand();
  for (let n = 0; n < 1_000; n += 1) await put("SUCCEEDED", n, task);
  const rare = await put("SUCCEEDED", HOUR, { ...task, jobType: "cleanup" });
  calls = {};
  const { jobs } = await listJobs(store, { appId, created: {}, jobType: ["cleanup"] }, TYPES, 20);
  expect(jobs.map(({ id }) => id)).toEqual([rare.id]);
  expect(calls).toEqual({ BatchGetItemCommand: 1, QueryCommand: LIST_SHARDS });
});

test("jobs that are named are read in one batch, and shown in pages, newest first", async () => {
  const { store, appId, put } = stand();
  const made: string[] = [];
  for (let n = 0; n < 5; n += 1) made.push((await put(n === 2 ? "DEAD" : "SUCCEEDED", n < 4 ? n : 3)).id);
  const filter = { appId, created: {}, ids: [...made.toReversed(), randomUUID(), made[0] ?? ""] };
  calls = {};
  expect((await listJobs(store, { ...filter, status: ["DEAD"] }, TYPES, 50)).jobs.map(({ id }) => id)).toEqual([
    made[2],
  ]);
  expect(calls).toEqual({ BatchGetItemCommand: 1 });
  const seen: string[] = [];
  for (let from, at = 0; at < 5; at += 1) {
    const page: Awaited<ReturnType<typeof listJobs>> = await listJobs(store, filter, TYPES, 1, from);
    seen.push(...page.jobs.map(({ id }) => id));
    from = page.next;
    expect(from === undefined).toBe(at === 4);
  }
  expect(seen).toEqual([...made.slice(0, 3), ...made.slice(3).toSorted()]);
});

test("a count is exact to 1,000, and says how far it has looked for more, or for what is rare", async () => {
  const { store, appId, put } = stand();
  for (let n = 0; n < 1_100; n += 1) await put("SUCCEEDED", n * SECOND);
  const few = await put("DEAD", HOUR, { lastError: "HTTP 503" });
  const count = async (filter: Partial<JobFilter>) => countJobs(store, { appId, created: {}, ...filter }, ["rest-api"]);
  expect(await count({ status: ["DEAD"] })).toEqual({ count: 1, isLowerBound: false, lookedBackTo: undefined });
  expect(await count({ errorContains: ["503"] })).toMatchObject({ count: 1, isLowerBound: false });
  expect(await count({})).toMatchObject({ count: 1_000, isLowerBound: true, lookedBackTo: expect.any(Number) });
  for (let n = 0; n < 3_000; n += 1) await put("SUCCEEDED", n * SECOND);
  calls = {};
  expect(await count({ errorContains: ["nothing"] })).toMatchObject({
    count: 0,
    isLowerBound: true,
    lookedBackTo: expect.any(Number),
  });
  expect(calls["BatchGetItemCommand"]).toBe(40);
  expect(few.createdAt).toBeGreaterThan(0);
});
