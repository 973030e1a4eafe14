import { expect, test } from "vitest";
import * as z from "../../lib/zod.ts";
import { accept, jobIdForKey } from "../../lib/job/accept.ts";
import { REPEATED, filterFields, filterOf, fits, idsIn, type Conditions } from "../../lib/job/job-filter.ts";
import type { Job } from "../../lib/job/job.ts";
import { problemsIn } from "../../lib/errors.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const PARENT = "550e8400-e29b-41d4-a716-446655440000";

function jobWith(change: Partial<Job> = {}): Job {
  const message = { execution: { type: "rest-api" }, metadata: { idempotencyKey: "order-12,3" } };
  const payload = { at: "inline", bytes: new Uint8Array() } as const;
  const terms = { destination: "https://hooks.partner.com:8443", timeoutMs: 30_000 };
  const job = accept({ appId: "app", mode: "both", message }, terms, payload, NOW, "id");
  const failed = {
    status: "DEAD",
    lastError: "HTTP 503",
    httpStatus: 503,
    labels: ["import", "eu"],
    memberOf: { id: PARENT, createdAt: 1 },
  };
  return { ...job, ...failed, parentJobId: PARENT, ...change } as Job;
}

const YES: readonly Conditions[] = [
  {},
  { status: "DEAD" },
  { status: ["FAILED", "DEAD"] },
  { executionType: ["lambda-url", "rest-api"] },
  { host: "hooks.partner.com" },
  { host: "HOOKS.partner.com:8443" },
  { host: "https://hooks.partner.com:8443" },
  { httpStatus: 503 },
  { httpStatus: ["404", "503"] },
  { httpStatus: "5xx" },
  { errorContains: ["timeout", "TP 50"] },
  { label: ["eu", "us"] },
  { group: PARENT, parentId: PARENT, schedule: PARENT },
  { keyPrefix: "order-12," },
  { createdAfter: "2026-01-01T12:00:00Z", createdBefore: "2026-01-01T12:00:00Z" },
  { updatedAfter: "2026-01-01T12:00:00Z", updatedBefore: "2026-01-01T12:00:00Z" },
];

const NO: readonly Conditions[] = [
  { status: ["FAILED", "RETRYING"] },
  { executionType: "task" },
  { jobType: "import_csv" },
  { host: "partner.com" },
  { host: "hooks.partner.com:443" },
  { httpStatus: [200, "4xx"] },
  { errorContains: "http 503" },
  { label: "im" },
  { group: "00000000-0000-4000-8000-000000000000" },
  { schedule: "nightly" },
  { keyPrefix: "rder" },
  { createdAfter: "2026-01-01T12:00:01Z" },
  { createdBefore: "2026-01-01T11:59:59Z" },
  { updatedAfter: "2026-01-01T12:00:01Z" },
  { updatedBefore: "2026-01-01T11:59:59Z" },
  { waiting: "backoff" },
  { status: "DEAD", host: "elsewhere.example" },
];

const told = (conditions: Conditions) => [JSON.stringify(conditions), conditions] as const;

test.each(YES.map(told))("a job fits %s", (_, conditions) => {
  expect(fits(jobWith(), filterOf("app", conditions))).toBe(true);
});

test.each(NO.map(told))("a job does not fit %s", (_, conditions) => {
  expect(fits(jobWith(), filterOf("app", conditions))).toBe(false);
});

test("a success is found by its status, a task by its type, and a run by the key of its schedule", () => {
  const success = jobWith({ status: "SUCCEEDED", success: { durationMs: 1, httpStatus: 204 } });
  expect(fits(success, filterOf("app", { httpStatus: ["204"] }))).toBe(true);
  expect(fits(success, filterOf("app", { httpStatus: "5xx" }))).toBe(false);
  expect(fits(jobWith({ jobType: "import_csv" }), filterOf("app", { jobType: "import_csv" }))).toBe(true);
  const run = jobWith({ parentJobId: jobIdForKey("app", "nightly") });
  expect(fits(run, filterOf("app", { schedule: ["hourly", "nightly"] }))).toBe(true);
});

test.each<[string, Partial<Job>, string]>([
  ["for its start", { status: "PENDING", startAt: NOW + 1, updatedAt: NOW }, "delayed"],
  ["for its next try", { status: "RETRYING" }, "backoff"],
  ["for a worker", { status: "PENDING" }, "queued"],
  ["in a backlog that the filter names", { status: "PENDING", backlog: "to https://a.example" }, "held"],
])("a job that waits %s fits, and no other reason", (_, change, reason) => {
  const job = jobWith({ ...change, lastError: "HTTP 503" });
  const filter = (waiting: string) => ({
    ...filterOf("app", { waiting } as Conditions),
    ...(waiting === "held" && { backlogs: ["to https://a.example"] as const }),
  });
  for (const each of ["delayed", "backoff", "queued", "held", "slot"])
    expect([each, fits(job, filter(each))]).toEqual([each, each === reason]);
});

test("a reason to wait means jobs that wait, and a last change no job that is younger", () => {
  expect(filterOf("app", { waiting: "held" }).status).toEqual(["PENDING", "RETRYING"]);
  expect(filterOf("app", { waiting: ["backoff"] }).status).toEqual(["RETRYING"]);
  expect(filterOf("app", { waiting: "held", status: "PENDING" }).status).toEqual(["PENDING"]);
  const { created } = filterOf("app", { updatedBefore: "2026-01-01T12:00:00Z", createdAfter: "2026-01-01T11:00:00Z" });
  expect(created).toEqual({ from: NOW - 3_600_000, to: NOW });
});

test("a job of another app fits no filter", () => {
  expect(fits(jobWith(), filterOf("other", {}))).toBe(false);
});

test("ids and a key name the jobs that are read", () => {
  const id = jobIdForKey("app", "a");
  expect(idsIn(filterOf("app", { status: "DEAD" }))).toBeUndefined();
  expect(idsIn(filterOf("app", { ids: [PARENT, PARENT] }))).toEqual([PARENT]);
  expect(idsIn(filterOf("app", { idempotencyKey: "a" }))).toEqual([id]);
  expect(idsIn(filterOf("app", { idempotencyKey: "a", ids: [PARENT, id] }))).toEqual([id]);
  expect(idsIn(filterOf("app", { idempotencyKey: "a", ids: PARENT }))).toEqual([]);
});

test.each([
  [{ status: "LOST" }, "status", 'Invalid option: expected one of "PENDING"'],
  [{ status: [] }, "status", "expected at least one value; leave the field out for any"],
  [{ httpStatus: "6xx" }, "httpStatus", "expected a status such as 503, or a class such as 5xx"],
  [{ httpStatus: [200, 1] }, "httpStatus", "expected a status such as 503, or a class such as 5xx"],
  [{ ids: ["mine"] }, "ids", "Invalid GUID"],
  [{ errorContains: "\ud800" }, "errorContains", "has half a surrogate pair"],
])("%j says what is wrong with it", (conditions, field, message) => {
  const parsed = z.strictObject(filterFields()).safeParse(conditions);
  const problems = parsed.success ? [] : problemsIn(parsed.error, "body");
  expect(problems).toMatchObject([
    { field: expect.stringMatching(`^${field}`), message: expect.stringContaining(message) },
  ]);
});

test("a query may repeat every condition that has several values", () => {
  const several = Object.entries(filterFields()).filter(
    ([, field]) => field.safeParse(["a", "b"]).error?.issues[0]?.code !== "invalid_type",
  );
  expect(Object.keys(REPEATED).toSorted()).toEqual(several.map(([name]) => name).toSorted());
});
