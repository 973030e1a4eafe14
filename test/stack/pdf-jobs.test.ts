// Over 300 lines: all tests share one stack, and each start of a stack takes a second of the gate.

import { GetQueueAttributesCommand, SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blackPng } from "../support/pdf.ts";
import {
  endStacks,
  jobIn,
  newApp,
  sharedStack,
  startStack,
  tokenFor,
  until,
  type Answer,
  type Stack,
} from "../support/stack.ts";
import { startTarget, type Received, type Target } from "../support/target.ts";

// PDF jobs from their users' view: real HTTP, real Chromium.

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([startStack({ env: { PDF_MEMORY_MB: "900" } }), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const html = (text: string) => ({ input_type: "html", html: `<!doctype html><p>${text}</p>` });
/** One page for each number. */
const pages = (count: number) =>
  html(
    Array.from({ length: count }, (_, page) => `<h1 style="break-before: ${page ? "page" : "auto"}">${page}</h1>`).join(
      "",
    ),
  );
/** A document that takes more memory than this test's stack gives. */
const large = html(`<img src="${blackPng(20_000, 20_000)}">`);

async function post(path: string, token: string, body: object, headers = {}): Promise<Answer> {
  return stack.call("POST", path, { token, body, headers });
}

async function get(token: string, id: string): Promise<Answer["body"]> {
  return (await stack.call("GET", `/jobs/${id}`, { token })).body;
}

async function ended(token: string, id: string): Promise<Answer["body"]> {
  return until(async () => {
    const job = await get(token, id);
    return job.completed_at !== null && job;
  });
}

test("a quick job answers with the PDF, and leaves a record without the document", async () => {
  const { appId, token } = await newApp();
  const answer = await post("/quickjob", token, { ...pages(3), options: { format: "A5", landscape: true } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/pdf");
  expect(answer.body.subarray(0, 5).toString()).toBe("%PDF-");
  expect([answer.headers.get("x-pdf-pages"), answer.headers.get("x-pdf-truncated")]).toEqual(["3", "false"]);
  const id = answer.headers.get("x-job-id") ?? "";
  expect(await get(token, id)).toEqual({
    job_id: id,
    job_type: "quick",
    status: "completed",
    mode: "html",
    pages: 3,
    truncated: false,
    warnings: [],
    created_at: expect.any(String),
    completed_at: expect.any(String),
    duration_ms: expect.any(Number),
    s3_url: null,
    s3_url_expires_at: null,
    message: "The file came with the answer to the request, and was not kept",
    error_message: null,
    timeout_occurred: false,
    webhook_url: null,
    webhook_delivered: null,
    webhook_delivered_at: null,
    webhook_retry_count: null,
    webhook_retry_log: null,
  });
  const { body } = await stack.call("GET", `/v1/admin/jobs/${id}`, { token });
  expect(body.data.executionConfig.payload).toEqual({ input_type: "html" });
  expect(JSON.stringify(body)).not.toContain("doctype");
  expect(body.data.createdBy).toBe("tester");
  const audit = await stack.call("GET", `/v1/admin/apps/${appId}/audit?object=job:${id}`, { token });
  expect(audit.body.data.items).toMatchObject([{ by: "tester", action: "job.created", object: `job:${id}` }]);
});

test("a PDF has the name that was asked for, and tells what it lacks, in the answer and on the job", async () => {
  const { token } = await newApp();
  const body = { ...html('<img src="https://a.example/é.png">'), options: { filename: "Größe 1" } };
  const { headers } = await post("/quickjob", token, body);
  expect(headers.get("content-disposition")).toBe(
    `inline; filename="Gr__e 1.pdf"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.pdf`,
  );
  const warnings = [
    "Left out, since nothing is loaded: images https://a.example/%C3%A9.png. Put them in as data: URIs",
  ];
  expect(JSON.parse(headers.get("x-pdf-warnings") ?? "")).toEqual(warnings);
  expect((await get(token, headers.get("x-job-id") ?? "")).warnings).toEqual(warnings);

  const long = await post("/longjob", token, body);
  const job = await ended(token, long.body.job_id);
  expect(job.warnings).toEqual(warnings);
  const { searchParams } = new URL(job.s3_url);
  expect(searchParams.get("response-content-disposition")).toMatch(/^attachment; .*Gr%C3%B6%C3%9Fe%201\.pdf$/);
});

test("of a long document the first 100 pages are kept, and all are counted", async () => {
  const { token } = await newApp();
  const { headers } = await post("/quickjob", token, pages(120));
  expect([headers.get("x-pdf-pages"), headers.get("x-pdf-truncated")]).toEqual(["120", "true"]);
});

test("a quick job's key is taken by its first use", async () => {
  const { token } = await newApp();
  const first = await post("/quickjob", token, html("one"), { "idempotency-key": "invoice-1" });
  const id = first.headers.get("x-job-id");
  for (const again of [
    await post("/quickjob", token, html("one"), { "idempotency-key": "invoice-1" }),
    await post("/quickjob", token, { ...html("two"), idempotency_key: "invoice-1" }),
    await post("/longjob", token, { ...html("two"), idempotency_key: "invoice-1" }),
  ]) {
    expect([again.status, again.body.error.details]).toEqual([409, [{ field: "job_id", message: id }]]);
  }
  const other = await post("/quickjob", await tokenFor({ sub: "somebody else" }), html("one"), {
    "idempotency-key": "invoice-1",
  });
  expect(other.status).not.toBe(409);
});

test.each([
  ["an empty body", {}, "input_type"],
  ["no document", { input_type: "html" }, "html"],
  ["an empty document", { input_type: "html", html: " \n" }, "html"],
  ["the other kind of document", { input_type: "markdown", html: "<p>" }, "markdown"],
  ["an unknown format", { ...html("a"), options: { format: "A9" } }, "options.format"],
  ["a scale out of range", { ...html("a"), options: { scale: 3 } }, "options.scale"],
  ["an unknown field", { ...html("a"), javascript: true }, "javascript"],
  [
    "margins that leave no room",
    { ...html("a"), options: { margin: { top: "20cm", bottom: "20cm" } } },
    "options.margin",
  ],
  ["what would take too long", { input_type: "html", html: "<p>word</p>".repeat(370_000) }, "html"],
])("%s is refused in words", async (_, body, field) => {
  const { token } = await newApp();
  const { status, body: told } = await post("/quickjob", token, body);
  expect(status).toBe(400);
  expect(told.error.details.map((detail: { field: string }) => detail.field)).toContain(field);
});

test("6 MB of HTML are too many for a request", async () => {
  const { token } = await newApp();
  const answer = await post("/quickjob", token, html("x".repeat(6 * 1_024 * 1_024)));
  expect(answer.status).toBe(413);
});

test("a long job's PDF waits behind a signed link, and its end is told by a signed webhook", async () => {
  const { appId, token } = await newApp();
  const rotated = await stack.call("POST", `/v1/admin/apps/${appId}/signing-secrets`, { token });
  const account = { webhook_url: `${target.url}/account` };
  expect((await stack.call("PUT", "/accounts/me/webhook", { token, body: account })).body).toEqual(account);
  expect((await stack.call("GET", "/accounts/me/webhook", { token })).body).toEqual(account);

  const accepted = await post("/longjob", token, pages(2));
  expect(accepted.status).toBe(202);
  expect(accepted.body).toEqual({
    job_id: expect.any(String),
    status: "queued",
    message: "Job queued for processing",
    estimated_completion: expect.any(String),
  });
  const id = accepted.body.job_id;
  const hook = await told("/account");
  const said = new Webhook(rotated.body.data.secret).verify(hook.body, headersOf(hook)) as Record<string, unknown>;
  const shown = await until(async () => {
    const job = await get(token, id);
    return job.webhook_delivered && job;
  });
  const { s3_url, s3_url_expires_at, ...rest } = said;
  expect(rest).toEqual({
    job_id: id,
    status: "completed",
    mode: "html",
    pages: 2,
    created_at: shown.created_at,
    completed_at: shown.completed_at,
  });
  expect(Date.parse(String(s3_url_expires_at))).toBeGreaterThan(Date.now() + 3_500_000);
  expect(shown).toMatchObject({
    job_type: "long",
    status: "completed",
    message: null,
    webhook_url: account.webhook_url,
    webhook_delivered: true,
    webhook_delivered_at: expect.any(String),
    webhook_retry_count: 0,
    webhook_retry_log: [{ attempt: 1, delivered: true, http_status: 200, error: null, at: expect.any(String) }],
  });
  expect(Object.keys(shown)).not.toContain("s3_key");
  for (const link of [s3_url, shown.s3_url]) {
    const file = await fetch(String(link));
    expect(file.headers.get("content-type")).toBe("application/pdf");
    expect(
      Buffer.from(await file.arrayBuffer())
        .subarray(0, 5)
        .toString(),
    ).toBe("%PDF-");
  }
  const typed = await stack.call("GET", `/v1/jobs/${id}/status`, { token });
  expect(typed.body.job).toMatchObject({ jobType: "generate_pdf", status: "succeeded" });
});

/** The first request to a path of the target. */
async function told(path: string): Promise<Received> {
  return until(() => target.received.find(({ url }) => url === path));
}

function headersOf({ headers }: Received): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

test("a request's webhook_url stands instead of the account's, and null for none", async () => {
  const { token } = await newApp();
  await stack.call("PUT", "/accounts/me/webhook", { token, body: { webhook_url: `${target.url}/account-2` } });
  const own = await post("/longjob", token, { ...html("a"), webhook_url: `${target.url}/own` });
  const none = await post("/longjob", token, { ...html("a"), webhook_url: null });
  expect((await ended(token, own.body.job_id)).webhook_url).toBe(`${target.url}/own`);
  expect((await ended(token, none.body.job_id)).webhook_url).toBeNull();
  await stack.call("PUT", "/accounts/me/webhook", { token, body: { webhook_url: null } });
  const after = await post("/longjob", token, html("a"));
  expect((await ended(token, after.body.job_id)).webhook_url).toBeNull();
});

test.each(["ftp://a.example", "nowhere", "https://user:pass@a.example/"])("a webhook to %s is refused", async (url) => {
  const { token } = await newApp();
  const put = await stack.call("PUT", "/accounts/me/webhook", { token, body: { webhook_url: url } });
  const posted = await post("/longjob", token, { ...html("a"), webhook_url: url });
  for (const { status, body } of [put, posted]) {
    expect([status, body.error.details[0].field]).toEqual([400, "webhook_url"]);
  }
});

test("a document that can't become a PDF fails in words, and its webhook says so", async () => {
  const { token } = await newApp();
  const quick = await post("/quickjob", token, large);
  expect([quick.status, quick.body.error.details[0].field]).toEqual([400, "body"]);
  const { body } = await post("/longjob", token, { ...large, webhook_url: `${target.url}/failed` });
  const said = JSON.parse((await told("/failed")).body.toString());
  expect(said).toMatchObject({ job_id: body.job_id, status: "failed", s3_url: null, pages: null });
  expect(said.error_message).toBe((await get(token, body.job_id)).error_message);
  expect(said.error_message.length).toBeGreaterThan(10);
});

test("a webhook that fails is tried four times, and the job stays completed", async () => {
  const fast = await startStack({ env: { SPEED: "600" } });
  const { appId, token } = await newApp();
  target.answer((request, response) => void response.writeHead(request.url === "/broken" ? 500 : 200).end());
  const { body } = await fast.call("POST", "/longjob", {
    token,
    body: { ...html("a"), webhook_url: `${target.url}/broken` },
  });
  const job = await until(async () => {
    const shown = (await fast.call("GET", `/jobs/${body.job_id}`, { token })).body;
    return shown.webhook_retry_count === 3 && shown;
  });
  expect(job).toMatchObject({ status: "completed", webhook_delivered: false, webhook_delivered_at: null });
  expect(job.webhook_retry_log.map((each: { http_status: number }) => each.http_status)).toEqual([500, 500, 500, 500]);
  await until(async () => {
    const { data } = (await fast.call("GET", `/v1/admin/apps/${appId}/usage`, { token })).body;
    return data.days.some((day: { webhookFailures: number }) => day.webhookFailures === 1);
  });
  await fast.end();
});

test("a PDF job is its user's, and the app's administrators see it", async () => {
  const { appId } = await newApp();
  const [ann, bob] = await Promise.all(["ann", "bob"].map(async (sub) => tokenFor({ appId, sub, roles: [] })));
  const { body } = await post("/longjob", ann ?? "", html("a"));
  const status = async (token: string) => (await stack.call("GET", `/jobs/${body.job_id}`, { token })).status;
  expect(await status(ann ?? "")).toBe(200);
  expect(await status(bob ?? "")).toBe(404);
  expect(await status(await tokenFor({ appId, sub: "admin" }))).toBe(200);
  expect(await status((await newApp()).token)).toBe(404);
  const task = { jobType: "example", payload: { words: ["a"] } };
  const other = await stack.call("POST", "/v1/jobs", { token: await tokenFor({ appId }), body: task });
  expect((await stack.call("GET", `/jobs/${other.body.jobId}`, { token: await tokenFor({ appId }) })).status).toBe(404);
  expect((await stack.call("GET", `/jobs/${randomUUID()}`, { token: ann ?? "" })).status).toBe(404);
});

test("an app's pages of the day are counted, and their limit is named", async () => {
  const { appId, token } = await newApp();
  const limit = { version: 0, pdfPagesPerDay: 3 };
  expect((await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: limit })).status).toBe(200);
  expect((await post("/quickjob", token, pages(2), { "idempotency-key": "k" })).status).toBe(200);
  expect((await post("/quickjob", token, pages(2))).status).toBe(200);
  // Four pages exceed the limit of three. The excess is known only after they are made.
  for (const answer of [
    await post("/quickjob", token, pages(1)),
    await post("/longjob", token, pages(1)),
    await post("/v1/jobs", token, { jobType: "generate_pdf", payload: pages(1) }),
  ]) {
    expect([answer.status, answer.body.error.message]).toEqual([403, expect.stringContaining("pdfPagesPerDay of 3")]);
  }
  expect((await post("/quickjob", token, pages(2), { "idempotency-key": "k" })).status).toBe(409);
  // The generic endpoint does not check the limit, so the job fails at its attempt.
  const execution = { type: "task", jobType: "generate_pdf", payload: pages(1) };
  const { body } = await post("/v1/jobs/create", token, { message: { execution } });
  await jobIn(stack, token, body.data.id, "FAILED");
  const { data } = (await stack.call("GET", `/v1/admin/jobs/${body.data.id}`, { token })).body;
  expect(data.lastError).toContain("pdfPagesPerDay of 3");
});

test("usage counts what became of a day's PDF jobs", async () => {
  const { appId, token } = await newApp();
  const today = new Date().toISOString().slice(0, 10);
  await post("/quickjob", token, pages(2));
  await ended(token, (await post("/longjob", token, pages(3))).body.job_id);
  await post("/quickjob", token, large);
  const path = `/v1/admin/apps/${appId}/usage`;
  const usage = await until(async () => {
    const { data } = (await stack.call("GET", path, { token })).body;
    return data.days[0]?.completed === 2 && data.days[0].failed === 1 && data;
  });
  expect(usage).toMatchObject({ approximate: true, to: today });
  expect(usage.days).toEqual([
    {
      date: today,
      jobs: 3,
      quickJobs: 2,
      longJobs: 1,
      completed: 2,
      failed: 1,
      pages: 5,
      bytes: expect.any(Number),
      timeouts: 0,
      webhookFailures: 0,
      durationMs: { p50: expect.any(Number), p95: expect.any(Number) },
    },
  ]);
  const before = await stack.call("GET", `${path}?to=2020-01-01`, { token });
  expect(before.body.data).toEqual({ approximate: true, from: "2019-12-02", to: "2020-01-01", days: [] });
  const wrong = await stack.call("GET", `${path}?from=2020-01-02&to=2020-01-01`, { token });
  expect([wrong.status, wrong.body.error.details[0].field]).toEqual([400, "from"]);
});

test("a PDF over 4 MB is behind a link", async () => {
  const { token } = await newApp();
  const noise = '<filter id="noise"><feTurbulence baseFrequency="0.9" numOctaves="1"/></filter>';
  const image = `<svg width="900" height="900">${noise}<rect width="900" height="900" filter="url(#noise)"/></svg>`;
  const answer = await post("/quickjob", token, html(image));
  expect(answer.status).toBe(303);
  const location = answer.headers.get("location") ?? "";
  expect(answer.body).toEqual({ job_id: answer.headers.get("x-job-id"), s3_url: location });
  const file = await (await fetch(location)).arrayBuffer();
  expect(file.byteLength).toBeGreaterThan(4 * 1_024 * 1_024);
  const shown = await get(token, answer.body.job_id);
  expect(shown).toMatchObject({ job_type: "quick", status: "completed", s3_url: expect.any(String), message: null });
});

test("a message that comes again and again renders its document once", async () => {
  const { token } = await newApp();
  const { environment } = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8"));
  const sqs = new SQSClient({
    endpoint: environment.AWS_ENDPOINT_URL_SQS,
    useQueueUrlAsEndpoint: false,
    region: "local",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const { body } = await post("/longjob", token, pages(3));
  const id = body.job_id;
  const { data } = (await stack.call("GET", `/v1/admin/jobs/${id}`, { token })).body;
  const attempt = { id, appId: data.appId, timeoutMs: 240_000, attempt: 1 };
  const rank = `10#${String(Date.parse(data.createdAt)).padStart(15, "0")}#${id}`;
  const again = new SendMessageCommand({
    QueueUrl: environment.SQS_PDF_QUEUE_URL,
    MessageBody: JSON.stringify({ attempt: { ...attempt, rank } }),
    MessageGroupId: data.appId,
  });
  await Promise.all(Array.from({ length: 8 }, async () => sqs.send(again)));
  await ended(token, id);
  const left = new GetQueueAttributesCommand({
    QueueUrl: environment.SQS_PDF_QUEUE_URL,
    AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
  });
  await until(async () => Object.values((await sqs.send(left)).Attributes ?? {}).every((count) => count === "0"));
  const attempts = stack.lines.filter((line) => line.includes('"job.attempted"') && line.includes(id));
  expect(attempts).toHaveLength(1);
});

test("in an app that is paused, a quick job is refused and a long one is kept", async () => {
  const { appId, token } = await newApp();
  await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: { version: 0, paused: true } });
  const quick = await post("/quickjob", token, html("a"));
  expect([quick.status, quick.body.error.message]).toEqual([409, expect.stringContaining("/longjob")]);
  const long = await post("/longjob", token, html("a"));
  expect([long.status, long.body.status]).toEqual([202, "queued"]);
});

test("the more documents wait, the later the next one is expected to be done", async () => {
  const { appId, token } = await newApp({ permissions: ["jobs.create_jobs"] });
  await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: { version: 0, maxConcurrentTasks: 1 } });
  // The app's slot is taken, so that no document is made meanwhile, however slow this machine is.
  const held: { destroy(): void }[] = [];
  target.answer((_, response) => void held.push(response));
  await post("/v1/jobs", token, { jobType: "sync", payload: { url: `${target.url}/silent`, dataset: "rows" } });
  await until(() => held.length > 0);
  const waits: number[] = [];
  for (let n = 0; n < 12; n += 1) {
    const asked = Date.now();
    const { body } = await post("/longjob", token, pages(20));
    waits.push(Date.parse(body.estimated_completion) - asked);
  }
  for (const response of held) response.destroy();
  expect(waits.at(-1)).toBeGreaterThan(3 * (waits[0] ?? Infinity));
});

test("deployed, a webhook is told by https and to a public address alone, whatever the app's settings allow", async () => {
  const strict = await sharedStack({ ALLOW_PRIVATE_TARGETS: "false" });
  const { appId, token } = await newApp();
  const refusals = async () =>
    Promise.all(
      ["http://hooks.example/", "http://127.0.0.1/", "https://127.0.0.1/", "https://[::1]/"].map(async (url) => {
        const put = await strict.call("PUT", "/accounts/me/webhook", { token, body: { webhook_url: url } });
        const posted = await strict.call("POST", "/longjob", { token, body: { ...html("a"), webhook_url: url } });
        return [put.status, posted.status, posted.body.error.details[0].field];
      }),
    );
  expect(await refusals()).toEqual(Array.from({ length: 4 }, () => [400, 400, "webhook_url"]));
  const allowedCallbackUrls = ["http://hooks.example", "http://127.0.0.1", "https://127.0.0.1"];
  const body = { version: 0, allowedCallbackUrls };
  expect((await strict.call("PUT", `/v1/admin/apps/${appId}`, { token, body })).status).toBe(200);
  expect(await refusals()).toEqual(Array.from({ length: 4 }, () => [400, 400, "webhook_url"]));
});
