import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, startStack, tokenFor, type Answer } from "../support/stack.ts";
import {
  startFileStack,
  IMPORT,
  CSV,
  user,
  formOf,
  upload,
  get,
  send,
  ended,
  bytesOf,
  begin,
  uploaded,
} from "./file-stack.ts";

// The files of jobs: uploads in parts, and refusals of wrong files.

beforeAll(startFileStack);
afterAll(endStacks);

const detailsOf = ({ body }: Answer) => body.error.details as { field: string; message: string }[];

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
  await fast.end();
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
  // The embedded S3 ignores the disposition, so only the URL is checked.
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
  // A part that was never uploaded, or a wrong ETag.
  const begun = await begin(token, content);
  for (const parts of [
    [...begun.parts, { partNumber: 2, etag: "0".repeat(32) }],
    [{ partNumber: 1, etag: "0".repeat(32) }],
  ]) {
    const answer = await send(token, "/api/jobs/uploads/complete", { ...begun, parts });
    expect([answer.status, detailsOf(answer)[0]?.field]).toEqual([400, "parts"]);
  }
  // The correct parts still complete the upload.
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
  const sign = async (token: string, fileKey: string) =>
    told(await send(token, "/api/jobs/uploads/parts", { fileKey }));
  for (const token of others) {
    expect(await sign(token, begun.fileKey)).toEqual(await sign(token, `files/${appId}/uploads/a/b/c.csv`));
    const noFile = await asJob(token, `files/${appId}/uploads/${randomUUID()}/${randomUUID()}/a.csv`);
    const noUpload = await complete(token, `files/${appId}/uploads/${randomUUID()}/${randomUUID()}/a.csv`);
    expect([noFile.status, noUpload.status]).toEqual([404, 404]);
    for (const fileKey of [begun.fileKey, done, "payloads/a", `${done}/../a`, "../x", "a".repeat(1_000)]) {
      expect(await asJob(token, fileKey)).toEqual(noFile);
      expect(await complete(token, fileKey)).toEqual(noUpload);
    }
  }
  // A file that a job has made does not count as an upload, even for its owner.
  const made = `files/${appId}/${randomUUID()}/1/report.csv`;
  expect((await asJob(ann, made)).status).toBe(404);
  expect((await complete(ann, begun.fileKey)).status).toBe(200);
});

// ---- Logs ----

test("20,000 log lines are read page by page, of any level, from both ends", async () => {
  const appId = randomUUID();
  const token = await user(appId);
  const rows = Array.from({ length: 20_000 }, (_, n) => `n${n},x\n`).join("");
  const small = async (dataset: string) => {
    const other = (await upload(token, { payload: { ...IMPORT, dataset } })).body.id;
    expect((await ended(token, other)).status).toBe("COMPLETED");
    expect((await get(token, `/api/jobs/${other}/logs`)).body.total).toBe(1);
  };
  await small("before");
  const { id } = (await upload(token, { content: `name,age\n${rows}Ann,31\n` })).body;
  const job = await ended(token, id);
  expect(job).toMatchObject({ status: "COMPLETED", attempts: 1, result: { rejected: 20_000, imported: 1 } });
  const page = async (query: string) => (await get(token, `/api/jobs/${id}/logs?pageSize=200&${query}`)).body;
  const rowsOf = ({ logs }: Answer["body"]) => logs.map(({ rowNumber }: { rowNumber: number }) => rowNumber);
  for (const [number, of] of [
    [1, "order=oldest"],
    [50, "order=oldest"],
    [100, "order=oldest"],
    [1, "level=WARNING"],
    [67, "level=WARNING"],
    [100, ""],
  ] as const) {
    const answer = await page(`page=${number}&${of}`);
    expect(answer).toMatchObject({ total: 20_000, page: number, pageSize: 200, totalPages: 100 });
    // Row 1 is the header.
    const first = (number - 1) * 200 + 2;
    const expected = Array.from({ length: 200 }, (_, n) => (of.includes("oldest") ? first + n : 20_003 - first - n));
    expect(rowsOf(answer)).toEqual(expected);
  }
  expect(await page("page=101")).toMatchObject({ logs: [], total: 20_000 });
  expect(await page("level=ERROR")).toMatchObject({ logs: [], total: 0, totalPages: 0 });
  // The large log is not in the way of other jobs.
  await small("after");
});
