import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, newApp, tokenFor, type Answer } from "../support/stack.ts";
import {
  stack,
  startFileStack,
  IMPORT,
  CSV,
  MIB,
  user,
  upload,
  get,
  send,
  ended,
  putParts,
  bytesOf,
  uploaded,
  pausedApp,
} from "./file-stack.ts";

// Jobs about files, through `/api/jobs`: their views, permissions and idempotency keys.

beforeAll(startFileStack);
afterAll(endStacks);

test("a file that comes with its job is imported, and the job shows all of it", async () => {
  const appId = randomUUID();
  const token = await user(appId);
  const created = await upload(token, { meta: { from: "spring fair" }, name: "Kunden Übersicht.csv" });
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({
    taskId: created.body.id,
    jobType: "import_csv",
    queue: "jobs-tasks",
    attempts: 0,
    maxAttempts: 3,
    status: "PENDING",
    errorReason: null,
    fileName: "Kunden Übersicht.csv",
    payload: IMPORT,
    result: null,
    meta: { from: "spring fair" },
    userId: "ann",
    startedAt: null,
    completedAt: null,
  });
  const job = await ended(token, created.body.id);
  expect(job).toMatchObject({
    status: "COMPLETED",
    attempts: 1,
    errorReason: null,
    result: { dataset: "customers", rows: 3, imported: 2, rejected: 1 },
    meta: { from: "spring fair" },
    fileKey: created.body.fileKey,
  });
  expect(Date.parse(job.completedAt)).toBeGreaterThanOrEqual(Date.parse(job.startedAt));

  const file = await fetch(job.fileUrl);
  expect(await file.text()).toBe(CSV);
  expect(job.fileUrl).toContain("X-Amz-Expires=3600");
  expect(job.fileUrl).not.toMatch(/checksum/i);
  expect(file.headers.get("content-type")).toBe("text/csv");

  const logs = await get(token, `/api/jobs/${job.id}/logs`);
  expect(logs.body).toMatchObject({
    logs: [
      {
        jobId: job.id,
        level: "WARNING",
        rowNumber: 3,
        message: 'Column age: expected a whole number up to 2^53, got "x"',
        meta: null,
      },
    ],
    total: 1,
    page: 1,
    pageSize: 50,
    totalPages: 1,
  });
  const typed = await get(await user(appId, "ann", ["jobs.view_jobs"]), `/v1/jobs/${job.id}/status`);
  expect(typed.body.job).toMatchObject({ id: job.id, status: "succeeded" });
  const admin = await tokenFor({ appId });
  const audit = await get(admin, `/v1/admin/apps/${appId}/audit`);
  expect(audit.body.data.items).toMatchObject([
    { by: "ann", action: "upload.completed", object: `upload:${job.fileKey}` },
    { by: "ann", action: "job.created", object: `job:${job.id}`, changes: [{ field: job.id }] },
  ]);
  const unified = await get(admin, `/v1/admin/jobs/${job.id}`);
  expect(unified.body.data.executionConfig).toMatchObject({
    file: { key: job.fileKey },
    meta: { from: "spring fair" },
  });
});

test("a larger file is uploaded in parts, completed once or twice, and named by its key", async () => {
  const token = await user(randomUUID());
  const long = "long ".repeat(180);
  const rows = Array.from({ length: 10_000 }, (_, n) => `A ${long}name ${n},${n % 100}\n`).join("");
  const content = bytesOf(`name,age\n${rows}`);
  expect(content.length).toBeGreaterThan(8 * MIB);
  const announced = { fileName: "many.csv", size: content.length, contentType: "text/csv" };
  const { body } = await send(token, "/api/jobs/uploads", announced);
  expect(body).toMatchObject({ partSize: 8 * MIB, expiresInSeconds: 21_600 });
  expect(body.parts).toHaveLength(Math.ceil(content.length / (8 * MIB)));
  for (const { url } of body.parts) {
    const { searchParams } = new URL(url);
    expect(searchParams.get("X-Amz-Expires")).toBe("21600");
    // The signature covers the part's size, but no checksum, which the service does not know yet.
    expect(searchParams.get("X-Amz-SignedHeaders")).toBe("content-length;host");
    expect(url).not.toMatch(/checksum/i);
  }
  const { fileKey } = body;
  const create = { jobType: "import_csv", payload: IMPORT, fileKey };
  expect((await send(token, "/api/jobs", create)).status).toBe(404);

  const [first] = await putParts(body.parts.slice(0, 1), content, body.partSize);
  // The credentials that signed the URLs are over.
  const signed = await send(token, "/api/jobs/uploads/parts", { fileKey });
  expect(signed).toMatchObject({ status: 200, body: { fileKey, partSize: 8 * MIB, expiresInSeconds: 21_600 } });
  expect(signed.body.parts).toHaveLength(body.parts.length);
  const parts = [first, ...(await putParts(signed.body.parts.slice(1), content, body.partSize))];
  expect((await send(token, "/api/jobs", create)).status).toBe(404);
  const complete = async () => send(token, "/api/jobs/uploads/complete", { fileKey, parts: parts.toReversed() });
  const completed = { status: 200, body: { fileKey, ...announced } };
  expect(await complete()).toMatchObject(completed);
  expect(await complete()).toMatchObject(completed);
  expect((await send(token, "/api/jobs/uploads/parts", { fileKey })).status).toBe(404);

  const created = await send(token, "/api/jobs", { ...create, meta: { n: [1, null] } });
  expect(created).toMatchObject({ status: 201, body: { fileKey, fileName: "many.csv", meta: { n: [1, null] } } });
  const job = await ended(token, created.body.id);
  expect(job).toMatchObject({ status: "COMPLETED", result: { rows: 10_000, imported: 10_000 } });
  // One file can have several jobs.
  const again = await send(token, "/api/jobs", { ...create, payload: { ...IMPORT, dataset: "others" } });
  expect(again.status).toBe(201);
  expect(again.body.id).not.toBe(job.id);
});

test("the largest file is announced in one answer, and no larger one", async () => {
  const token = await user(randomUUID());
  const announced = { fileName: "all.csv", size: 5 * 1_024 ** 3, contentType: "text/csv" };
  const { status, body } = await send(token, "/api/jobs/uploads", announced);
  expect(status).toBe(201);
  expect(body.parts).toHaveLength(640);
  const larger = await send(token, "/api/jobs/uploads", { ...announced, size: announced.size + 1 });
  expect(larger).toMatchObject({ status: 400, body: { error: { details: [{ field: "size" }] } } });
});

// ---- Lists ----

test("users see their own file jobs, an administrator the app's, and nobody those of another dialect", async () => {
  const appId = randomUUID();
  const [ann, ben] = [await user(appId, "ann"), await user(appId, "ben")];
  const admin = await tokenFor({ appId });
  const ids: string[] = [];
  for (let n = 0; n < 3; n += 1) ids.push((await upload(ann)).body.id);
  const wrong = (await upload(ben, { content: "no,such\n1,2\n" })).body.id;
  const example = { jobType: "example", payload: { words: ["job"] } };
  const bens = (await upload(ben, { ...example, content: "anything" })).body.id;
  const typed = (await send(admin, "/v1/jobs", example)).body.jobId;
  for (const id of [...ids, wrong, bens]) await ended(admin, id);

  const list = async (token: string, query = "") => (await get(token, `/api/jobs${query}`)).body;
  const idsOf = ({ jobs }: Answer["body"]) => jobs.map(({ id }: { id: string }) => id);
  expect(await list(ann)).toMatchObject({ total: 3, page: 1, pageSize: 20, totalPages: 1 });
  expect(idsOf(await list(ann))).toEqual(ids.toReversed());
  expect(await list(ann, "?pageSize=2&page=2")).toMatchObject({ total: 3, totalPages: 2, jobs: [{ id: ids[0] }] });
  expect(idsOf(await list(ann, "?page=9"))).toEqual([]);
  expect(idsOf(await list(admin))).toEqual([bens, wrong, ...ids.toReversed()]);
  expect(await list(admin, "?status=FAILED")).toMatchObject({ total: 1, jobs: [{ id: wrong, userId: "ben" }] });
  expect(idsOf(await list(admin, "?jobType=example&status=COMPLETED"))).toEqual([bens]);
  expect(idsOf(await list(ben, "?jobType=example"))).toEqual([bens]);
  // The typed API shows the jobs of all users.
  const all = await get(admin, "/v1/jobs");
  expect(new Set(idsOf(all.body))).toEqual(new Set([...ids, wrong, bens, typed]));

  const unknown = await get(ann, `/api/jobs/${randomUUID()}`);
  expect(unknown.status).toBe(404);
  const stranger = (await newApp()).token;
  for (const [token, id] of [
    [ann, bens],
    [stranger, bens],
    [admin, typed],
    [ann, "not-an-id"],
  ] as const) {
    for (const path of [`/api/jobs/${id}`, `/api/jobs/${id}/logs`]) {
      const answer = await get(token, path);
      expect([answer.status, answer.body.error]).toEqual([404, unknown.body.error]);
    }
  }
  expect((await get(admin, `/api/jobs/${bens}`)).status).toBe(200);
  for (const query of ["?status=DEAD", "?page=0", "?pageSize=101", "?jobType=other", "?sort=1"]) {
    expect((await get(ann, `/api/jobs${query}`)).status).toBe(400);
  }
  for (const query of ["?level=info", "?order=up", "?page=0", "?pageSize=201"]) {
    expect((await get(ann, `/api/jobs/${ids[0]}/logs${query}`)).status).toBe(400);
  }
});

test("each thing that is done needs its permission", async () => {
  const appId = randomUUID();
  const { id } = (await upload(await user(appId))).body;
  const reader = await user(appId, "ann", ["job:Read"]);
  const creator = await user(appId, "ann", ["job:Create"]);
  const fileKey = await uploaded(creator);
  const denied = (permission: string) => ({
    status: 403,
    body: { error: { message: `Access denied: permission ${permission} required` } },
  });
  expect(await upload(reader)).toMatchObject(denied("job:Create"));
  const announced = { fileName: "a.csv", size: 1, contentType: "text/csv" };
  expect(await send(reader, "/api/jobs/uploads", announced)).toMatchObject(denied("job:Create"));
  const parts = [{ partNumber: 1, etag: "x" }];
  expect(await send(reader, "/api/jobs/uploads/complete", { fileKey, parts })).toMatchObject(denied("job:Create"));
  expect(await send(reader, "/api/jobs/uploads/parts", { fileKey })).toMatchObject(denied("job:Create"));
  for (const path of ["/api/jobs", `/api/jobs/${id}`, `/api/jobs/${id}/logs`]) {
    expect(await get(creator, path)).toMatchObject(denied("job:Read"));
  }
  // A job type's own permissions apply here too.
  const report = { jobType: "export_report", payload: { reportType: "dataset", format: "csv" }, fileKey };
  expect(await send(creator, "/api/jobs", report)).toMatchObject(denied("reports.export_reports"));
});

test("a cancelled job is shown as failed, for that reason", async () => {
  const { token } = await pausedApp();
  const { id } = (await upload(token)).body;
  expect((await send(token, `/v1/jobs/${id}/cancel`, undefined)).status).toBe(200);
  expect((await get(token, `/api/jobs/${id}`)).body).toMatchObject({ status: "FAILED", errorReason: "cancelled" });
  expect((await get(token, "/api/jobs?status=FAILED")).body.total).toBe(1);
});

test("a page that would be too large for an answer leaves payloads out", async () => {
  const { token } = await pausedApp();
  const words = Array.from({ length: 1_000 }, () => "w".repeat(200));
  const fileKey = await uploaded(token);
  const create = { jobType: "example", payload: { words }, meta: { a: 1 }, fileKey };
  for (let n = 0; n < 30; n += 1) expect((await send(token, "/api/jobs", create)).status).toBe(201);
  const { status, body } = await get(token, "/api/jobs?pageSize=100");
  expect(status).toBe(200);
  expect(body.jobs).toHaveLength(30);
  expect(body.jobs[0]).toMatchObject({ payload: { words }, fileKey });
  expect(body.jobs.at(-1)).toMatchObject({ payload: null, meta: null, fileKey });
  const few = await get(token, "/api/jobs?pageSize=2");
  expect(few.body.jobs[0]).toMatchObject({ payload: { words }, meta: { a: 1 } });
});

// ---- Idempotency ----

test("a user's idempotency key makes one job of many uploads, and is no other user's", async () => {
  const appId = randomUUID();
  const [ann, ben] = [await user(appId, "ann"), await user(appId, "ben")];
  const key = { "idempotency-key": "upload-7" };
  const answers = await Promise.all(Array.from({ length: 5 }, async () => upload(ann, {}, key)));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
  for (const { status, headers, body } of answers) {
    expect(headers.get("idempotent-replayed")).toBe(status === 200 ? "true" : null);
    expect(body.fileKey).toBe(answers[0]?.body.fileKey);
  }
  const inBody = await send(ann, "/api/jobs", {
    jobType: "import_csv",
    payload: IMPORT,
    fileKey: await uploaded(ann),
    idempotencyKey: "upload-7",
  });
  expect(inBody).toMatchObject({ status: 200, body: { id: answers[0]?.body.id } });
  expect((await upload(ben, {}, key)).status).toBe(201);
  const other = { jobType: "example", payload: { words: ["a"] } };
  expect((await upload(ann, other, key)).status).toBe(422);
  const typed = { jobType: "import_csv", payload: IMPORT, idempotencyKey: "upload-7" };
  expect((await send(await tokenFor({ appId, sub: "ann" }), "/v1/jobs", typed)).status).toBe(422);
  expect((await upload(ann, {}, { "idempotency-key": "x".repeat(256) })).status).toBe(400);
  expect((await get(ann, "/api/jobs")).body.total).toBe(1);
});

test("a job that was deleted leaves its key to another, and no log", async () => {
  const { token } = await newApp();
  const key = { "idempotency-key": "again" };
  const { id } = (await upload(token, {}, key)).body;
  expect((await ended(token, id)).status).toBe("COMPLETED");
  expect((await get(token, `/api/jobs/${id}/logs`)).body.total).toBe(1);
  expect((await stack.call("DELETE", `/v1/admin/jobs/${id}`, { token })).status).toBe(200);
  expect((await get(token, `/api/jobs/${id}/logs`)).status).toBe(404);
  const anew = await upload(token, { content: "name,age\nAnn,31\n" }, key);
  expect(anew).toMatchObject({ status: 201, body: { id } });
  expect((await ended(token, id)).status).toBe("COMPLETED");
  expect((await get(token, `/api/jobs/${id}/logs`)).body).toMatchObject({ logs: [], total: 0 });
});
