import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkAnswer } from "../support/api-document.ts";
import { endStacks, jobIn, newApp, startStack, tokenFor, type Answer, type Stack } from "../support/stack.ts";

// Jobs about files, through `/api/jobs`, with the files in the embedded S3.

let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
});
afterAll(endStacks);

const ALL = ["job:Create", "job:Read"];
const IMPORT = { dataset: "customers", columns: { name: "string", age: "integer" } };
const CSV = "name,age\nAnn,31\nBen,x\nCid,17\n";
const MIB = 1_024 * 1_024;

async function user(appId: string, sub = "ann", permissions = ALL): Promise<string> {
  return tokenFor({ appId, sub, roles: [], permissions });
}

interface FormOptions {
  readonly jobType?: string;
  readonly payload?: unknown;
  readonly meta?: unknown;
  readonly content?: string | Uint8Array<ArrayBuffer>;
  readonly name?: string;
  readonly type?: string;
  readonly more?: (form: FormData) => void;
}

function formOf({ jobType = "import_csv", payload = IMPORT, meta, content = CSV, name, type, more }: FormOptions) {
  const form = new FormData();
  form.append("jobType", jobType);
  form.append("payload", typeof payload === "string" ? payload : JSON.stringify(payload));
  if (meta !== undefined) form.append("meta", typeof meta === "string" ? meta : JSON.stringify(meta));
  form.append("file", new Blob([content], { type: type ?? "text/csv" }), name ?? "customers.csv");
  more?.(form);
  return form;
}

/** Sends a body that is not JSON, and holds the answer against the document. */
async function post(
  token: string,
  body: NonNullable<RequestInit["body"]>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const path = "/api/jobs";
  const response = await fetch(stack.url + path, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  const text = await response.text();
  checkAnswer({ method: "POST", path, status: response.status, headers: response.headers, text });
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

const upload = async (token: string, form: FormOptions = {}, headers: Record<string, string> = {}) =>
  post(token, formOf(form), headers);

const get = async (token: string, path: string) => stack.call("GET", path, { token });
const send = async (token: string, path: string, body: unknown) => stack.call("POST", path, { token, body });

/** The job once it has ended. */
async function ended(token: string, id: string): Promise<Answer["body"]> {
  let job: Answer["body"];
  await expect
    .poll(async () => (job = (await get(token, `/api/jobs/${id}`)).body).status, { interval: 100 })
    .toMatch(/COMPLETED|FAILED/);
  return job;
}

interface Part {
  readonly partNumber: number;
  readonly etag: string;
}

/** Sends the parts of an announced file as a browser does: each to its URL. */
async function putParts(
  parts: readonly { partNumber: number; url: string }[],
  content: Uint8Array<ArrayBuffer>,
  partSize: number,
): Promise<Part[]> {
  const sent: Part[] = [];
  for (const { partNumber, url } of parts) {
    const body = content.subarray((partNumber - 1) * partSize, partNumber * partSize);
    const response = await fetch(url, { method: "PUT", body });
    expect(response.status).toBe(200);
    sent.push({ partNumber, etag: response.headers.get("etag") ?? "" });
  }
  return sent;
}

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));

/** Announces a file and sends its parts. */
async function begin(token: string, content: Uint8Array<ArrayBuffer>, announced: object = {}) {
  const file = { fileName: "customers.csv", size: content.length, contentType: "text/csv", ...announced };
  const { status, body } = await send(token, "/api/jobs/uploads", file);
  expect(status).toBe(201);
  return { fileKey: body.fileKey as string, parts: await putParts(body.parts, content, body.partSize) };
}

async function uploaded(token: string, content = bytesOf(CSV), announced: object = {}): Promise<string> {
  const begun = await begin(token, content, announced);
  const completed = await send(token, "/api/jobs/uploads/complete", begun);
  expect(completed.status).toBe(200);
  return begun.fileKey;
}

// ---- From upload to result ----

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
  expect(audit.body.data.items).toMatchObject([{ by: "ann", action: "job.created", changes: [{ field: job.id }] }]);
  const unified = await get(admin, `/v1/admin/jobs/${job.id}`);
  expect(unified.body.data.executionConfig).toMatchObject({
    file: { key: job.fileKey },
    meta: { from: "spring fair" },
  });
});

test("a larger file is uploaded in parts, completed once or twice, and named by its key", async () => {
  const token = await user(randomUUID());
  const rows = Array.from({ length: 900_000 }, (_, n) => `Name ${n},${n % 100}\n`).join("");
  const content = bytesOf(`name,age\n${rows}`);
  expect(content.length).toBeGreaterThan(8 * MIB);
  const announced = { fileName: "many.csv", size: content.length, contentType: "text/csv" };
  const { body } = await send(token, "/api/jobs/uploads", announced);
  expect(body).toMatchObject({ partSize: 8 * MIB, expiresInSeconds: 21_600 });
  expect(body.parts).toHaveLength(Math.ceil(content.length / (8 * MIB)));
  for (const { url } of body.parts) {
    const { searchParams } = new URL(url);
    expect(searchParams.get("X-Amz-Expires")).toBe("21600");
    // A part of another size has another signature; a checksum could not be known yet.
    expect(searchParams.get("X-Amz-SignedHeaders")).toBe("content-length;host");
    expect(url).not.toMatch(/checksum/i);
  }
  const { fileKey } = body;
  const create = { jobType: "import_csv", payload: IMPORT, fileKey };
  expect((await send(token, "/api/jobs", create)).status).toBe(404);

  const parts = await putParts(body.parts, content, body.partSize);
  expect((await send(token, "/api/jobs", create)).status).toBe(404);
  const complete = async () => send(token, "/api/jobs/uploads/complete", { fileKey, parts: parts.toReversed() });
  const completed = { status: 200, body: { fileKey, ...announced } };
  expect(await complete()).toMatchObject(completed);
  expect(await complete()).toMatchObject(completed);

  const created = await send(token, "/api/jobs", { ...create, meta: { n: [1, null] } });
  expect(created).toMatchObject({ status: 201, body: { fileKey, fileName: "many.csv", meta: { n: [1, null] } } });
  const job = await ended(token, created.body.id);
  expect(job).toMatchObject({ status: "COMPLETED", result: { rows: 900_000, imported: 900_000 } });
  // The same file may have more jobs.
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
  // The typed API shows them all.
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
  for (const path of ["/api/jobs", `/api/jobs/${id}`, `/api/jobs/${id}/logs`]) {
    expect(await get(creator, path)).toMatchObject(denied("job:Read"));
  }
  // What a job type needs besides goes here too.
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

/** An app whose jobs wait. */
async function pausedApp(): Promise<{ token: string }> {
  const { appId, token } = await newApp();
  const paused = { version: 0, paused: true };
  expect((await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: paused })).status).toBe(200);
  return { token };
}

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

// ---- Bad input ----

const detailsOf = ({ body }: Answer) => body.error.details as { field: string; message: string }[];

describe("a form is refused", () => {
  let token = "";
  beforeAll(async () => {
    token = await user(randomUUID());
  });
  afterAll(async () => {
    expect((await get(token, "/api/jobs")).body.total).toBe(0);
  });

  const refused: [what: string, form: FormOptions, field: string, message: RegExp][] = [
    ["without a file", { more: (form) => form.delete("file") }, "file", /is missing/],
    ["with a file that is empty", { content: "" }, "file", /is empty/],
    ["with two files", { more: (form) => form.append("file", new Blob(["b"]), "b.csv") }, "file", /one file/],
    ["with a file under another name", { more: (form) => form.append("data", new Blob(["b"]), "b") }, "data", /file/],
    ["with text as the file", { more: (form) => (form.delete("file"), form.append("file", "a")) }, "file", /is text/],
    ["with a field that is too large", { meta: { a: "x".repeat(300_000) } }, "meta", /262144 bytes/],
    ["with a field twice", { more: (form) => form.append("payload", "{}") }, "payload", /twice/],
    ["with an unknown field", { more: (form) => form.append("priority", "1") }, "priority", /not a known field/],
    ["with a fileKey beside the file", { more: (form) => form.append("fileKey", "a") }, "fileKey", /not a known field/],
    ["without a job type", { more: (form) => form.delete("jobType") }, "jobType", /./],
    ["with an unknown job type", { jobType: "import_pdf" }, "jobType", /./],
    ["with a payload that is not JSON", { payload: "{a:1}" }, "payload", /expected JSON/],
    ["with a payload that is no object", { payload: "[1]" }, "payload", /./],
    ["with a payload that is nested too deep", { payload: "[".repeat(40) + "]".repeat(40) }, "payload", /32 levels/],
    ["with a payload of another type", { payload: { ...IMPORT, mode: "merge" } }, "payload.mode", /./],
    ["with a payload that lacks a field", { payload: { dataset: "a" } }, "payload.columns", /./],
    ["with meta that is not JSON", { meta: "spring" }, "meta", /expected JSON/],
    ["with folders in the name", { name: "../../etc/passwd" }, "fileName", /no folders/],
    ["with Windows folders in the name", { name: "..\\boot.ini" }, "fileName", /no folders/],
    ["with control characters in the name", { name: "a\u0007.csv" }, "fileName", /no control characters/],
    ["with a name that is too long", { name: `${"ü".repeat(200)}.csv` }, "fileName", /255 bytes/],
    ["with something else than a type", { type: "csv" }, "contentType", /expected a type/],
  ];
  test.each(refused)("%s", async (_, form, field, message) => {
    const answer = await upload(token, form);
    expect(answer.status).toBe(400);
    expect(detailsOf(answer)).toContainEqual({ field, message: expect.stringMatching(message) });
  });

  const type = (boundary: string) => ({ "content-type": `multipart/form-data${boundary}` });
  const whole = '--b\r\ncontent-disposition: form-data; name="jobType"\r\n\r\nimport_csv\r\n--b--\r\n';
  const malformed: [what: string, body: string, boundary: string][] = [
    ["without a boundary", whole, ""],
    ["with another boundary than it says", whole, "; boundary=c"],
    ["that ends before its last boundary", whole.slice(0, -8), "; boundary=b"],
    ["that has no body", "", "; boundary=b"],
    ["that is JSON", "{}", "; boundary=b"],
  ];
  test.each(malformed)("%s", async (_, body, boundary) => {
    const answer = await post(token, body, type(boundary));
    expect(answer.status).toBe(400);
    expect(detailsOf(answer)[0]?.field).toMatch(/^(body|file)$/);
  });

  test("of more than 4 MB", async () => {
    const tooLarge = await upload(token, { content: new Uint8Array(4 * MIB + 1) });
    expect(tooLarge).toMatchObject({ status: 413, body: { error: { code: "PAYLOAD_TOO_LARGE" } } });
  });
});

test("a form of almost 4 MB is taken, and its file comes out as it went in", async () => {
  const token = await user(randomUUID());
  const content = new Uint8Array(4 * MIB - 2_000).map((_, n) => (n * 31) % 256);
  const example = { jobType: "example", payload: { words: ["a"] } };
  const { status, body } = await upload(token, {
    ...example,
    content,
    type: "application/octet-stream",
    name: "b.bin",
  });
  expect(status).toBe(201);
  const back = new Uint8Array(await (await fetch(body.fileUrl)).arrayBuffer());
  expect(Buffer.compare(back, content)).toBe(0);
});

test("a file of the wrong kind fails its job in words for the uploader, without another attempt", async () => {
  const token = await user(randomUUID());
  const png = await upload(token, { type: "image/png", content: "\u0089PNG", name: "a.png" });
  expect(await ended(token, png.body.id)).toMatchObject({
    status: "FAILED",
    attempts: 1,
    maxAttempts: 3,
    errorReason: expect.stringContaining('The file is "image/png": expected CSV'),
    result: null,
  });
});

test("a job is tried three times", async () => {
  const fast = await startStack({ env: { SPEED: "600" } });
  const { token } = await newApp();
  const form = formOf({ jobType: "notification", payload: failing(fast.url) });
  const response = await fetch(`${fast.url}/api/jobs`, {
    method: "POST",
    body: form,
    headers: { authorization: `Bearer ${token}` },
  });
  const created = (await response.json()) as { id: string };
  const look = async () => (await fast.call("GET", `/api/jobs/${created.id}`, { token })).body;
  const statuses = new Set<string>();
  await expect
    .poll(
      async () => {
        const { status } = await look();
        statuses.add(status);
        return status;
      },
      { interval: 20 },
    )
    .toBe("FAILED");
  expect(await look()).toMatchObject({ attempts: 3, maxAttempts: 3, errorReason: expect.stringContaining("500") });
  expect([...statuses]).toContain("RETRYING");
  expect(await jobIn(fast, token, created.id, "DEAD")).toMatchObject({ status: "DEAD" });
});

const failing = (url: string) => ({ webhook: { url: `${url}/echo?status=500` } });

// ---- Uploads ----

test("an announced file is refused for its name, type or size", async () => {
  const token = await user(randomUUID());
  const good = { fileName: "a.csv", size: 10, contentType: "text/csv" };
  const bad: [string, unknown][] = [
    ["fileName", "a/b.csv"],
    ["fileName", "..\\b.csv"],
    ["fileName", ".."],
    ["fileName", ""],
    ["fileName", "a\u0000.csv"],
    ["fileName", "a\uffff.csv"],
    ["fileName", "\ud800.csv"],
    ["fileName", "ü".repeat(200)],
    ["size", 0],
    ["size", -1],
    ["size", 1.5],
    ["size", "10"],
    ["contentType", "csv"],
    ["contentType", "text/csv\r\nx: y"],
    ["bucket", "mine"],
  ];
  for (const [field, value] of bad) {
    const answer = await send(token, "/api/jobs/uploads", { ...good, [field]: value });
    expect([field, value, answer.status]).toEqual([field, value, 400]);
    expect(detailsOf(answer)[0]?.field).toBe(field);
  }
});

test("a name can't lead out of the user's own folder", async () => {
  const appId = randomUUID();
  const token = await user(appId);
  const name = "..%2f..%2f.hidden <b>\u202egpj.csv";
  const fileKey = await uploaded(token, bytesOf(CSV), { fileName: name });
  expect(fileKey).toMatch(new RegExp(`^files/${appId}/uploads/[0-9a-f-]{36}/[0-9a-f-]{36}/[^/]+$`));
  expect(fileKey).not.toMatch(/[<>\u202e]/);
  const { body } = await send(token, "/api/jobs", { jobType: "import_csv", payload: IMPORT, fileKey });
  expect(body.fileName).toBe(name);
  const file = await fetch(body.fileUrl);
  expect(await file.text()).toBe(CSV);
  // The embedded S3 does not heed it.
  const disposition = new URL(body.fileUrl).searchParams.get("response-content-disposition");
  expect(disposition).toMatch(/^attachment; filename="[\w.() -]+"/);
});

test("a file that is not as large as announced is not completed, and nothing of it is kept", async () => {
  const token = await user(randomUUID());
  const content = bytesOf(CSV);
  for (const size of [content.length + 1, content.length - 1]) {
    const begun = await begin(token, content, { size });
    const complete = async () => send(token, "/api/jobs/uploads/complete", begun);
    const cut = await complete();
    expect(cut.status).toBe(400);
    expect(detailsOf(cut)).toEqual([
      { field: "parts", message: expect.stringContaining(`${content.length} bytes, expected ${size} as announced`) },
    ]);
    expect((await complete()).status).toBe(404);
    const create = { jobType: "import_csv", payload: IMPORT, fileKey: begun.fileKey };
    expect((await send(token, "/api/jobs", create)).status).toBe(404);
  }
  // A part that never arrived, or another one's ETag.
  const begun = await begin(token, content);
  for (const parts of [
    [...begun.parts, { partNumber: 2, etag: "0".repeat(32) }],
    [{ partNumber: 1, etag: "0".repeat(32) }],
  ]) {
    const answer = await send(token, "/api/jobs/uploads/complete", { ...begun, parts });
    expect([answer.status, detailsOf(answer)[0]?.field]).toEqual([400, "parts"]);
  }
  // It can still be completed as it should be.
  expect((await send(token, "/api/jobs/uploads/complete", begun)).status).toBe(200);
  for (const parts of [[], [{ partNumber: 641, etag: "a" }], [{ partNumber: 1, etag: "a<b" }]]) {
    expect((await send(token, "/api/jobs/uploads/complete", { ...begun, parts })).status).toBe(400);
  }
});

test("nobody can use or complete what another user or app has uploaded, nor learn of it", async () => {
  const appId = randomUUID();
  const ann = await user(appId, "ann");
  const begun = await begin(ann, bytesOf(CSV));
  const done = await uploaded(ann);
  const others = [
    await user(appId, "ben"),
    await tokenFor({ appId }),
    await user(randomUUID(), "ann"),
    (await newApp()).token,
  ];
  const told = ({ status, body }: Answer) => ({ status, error: body.error });
  const asJob = async (token: string, fileKey: string) =>
    told(await send(token, "/api/jobs", { jobType: "import_csv", payload: IMPORT, fileKey }));
  const complete = async (token: string, fileKey: string) =>
    told(await send(token, "/api/jobs/uploads/complete", { fileKey, parts: begun.parts }));
  for (const token of others) {
    const noFile = await asJob(token, `files/${appId}/uploads/${randomUUID()}/${randomUUID()}/a.csv`);
    const noUpload = await complete(token, `files/${appId}/uploads/${randomUUID()}/${randomUUID()}/a.csv`);
    expect([noFile.status, noUpload.status]).toEqual([404, 404]);
    for (const fileKey of [begun.fileKey, done, "payloads/a", `${done}/../a`, "../x", "a".repeat(1_000)]) {
      expect(await asJob(token, fileKey)).toEqual(noFile);
      expect(await complete(token, fileKey)).toEqual(noUpload);
    }
  }
  // What a job has made is no upload, even its owner's.
  const made = `files/${appId}/${randomUUID()}/1/report.csv`;
  expect((await asJob(ann, made)).status).toBe(404);
  expect((await complete(ann, begun.fileKey)).status).toBe(200);
});

// ---- Logs ----

test("100,000 log lines are read page by page, of any level, from both ends", async () => {
  const appId = randomUUID();
  const token = await user(appId);
  const rows = Array.from({ length: 100_000 }, (_, n) => `n${n},x\n`).join("");
  /** How long a small import takes, in ms. */
  const small = async (dataset: string) => {
    const began = performance.now();
    const other = (await upload(token, { payload: { ...IMPORT, dataset } })).body.id;
    expect((await ended(token, other)).status).toBe("COMPLETED");
    expect((await get(token, `/api/jobs/${other}/logs`)).body.total).toBe(1);
    return performance.now() - began;
  };
  const alone = await small("before");
  const { id } = (await upload(token, { content: `name,age\n${rows}Ann,31\n` })).body;
  const job = await ended(token, id);
  expect(job).toMatchObject({ status: "COMPLETED", attempts: 1, result: { rejected: 100_000, imported: 1 } });
  const page = async (query: string) => (await get(token, `/api/jobs/${id}/logs?pageSize=200&${query}`)).body;
  const rowsOf = ({ logs }: Answer["body"]) => logs.map(({ rowNumber }: { rowNumber: number }) => rowNumber);
  for (const [number, of] of [
    [1, "order=oldest"],
    [250, "order=oldest"],
    [500, "order=oldest"],
    [1, "level=WARNING"],
    [333, "level=WARNING"],
    [500, ""],
  ] as const) {
    const answer = await page(`page=${number}&${of}`);
    expect(answer).toMatchObject({ total: 100_000, page: number, pageSize: 200, totalPages: 500 });
    // Row 1 is the header.
    const first = (number - 1) * 200 + 2;
    const expected = Array.from({ length: 200 }, (_, n) => (of.includes("oldest") ? first + n : 100_003 - first - n));
    expect(rowsOf(answer)).toEqual(expected);
  }
  expect(await page("page=501")).toMatchObject({ logs: [], total: 100_000 });
  expect(await page("level=ERROR")).toMatchObject({ logs: [], total: 0, totalPages: 0 });
  // Others are not slower for it.
  expect(await small("after")).toBeLessThan(Math.max(5_000, 10 * alone));
});
