import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, tokenFor, until, webhook, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// Jobs sent again with changes, and answers that jobs keep and hand on.

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
  target.answer(({ url }, response) => {
    if (url.startsWith("/bad")) return void response.writeHead(500).end();
    if (url.startsWith("/json"))
      return void response.setHeader("content-type", "application/json").end('{"total": 7.0}');
    if (url.startsWith("/bytes"))
      return void response.setHeader("content-type", "image/png").end(Buffer.from([0, 255, 1]));
    if (url.startsWith("/large")) return void response.end("a".repeat(256 * 1_024 + 1));
    if (url.startsWith("/most")) return void response.end("a".repeat(256 * 1_024));
    if (url.startsWith("/gzip"))
      return void response
        .writeHead(200, { "content-type": "text/html", "content-encoding": "gzip" })
        .end(gzipSync("<script>alert(1)</script>"));
    return void response.end();
  });
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

async function newCaller() {
  const { appId, token } = await newApp();
  const post = async (path: string, body?: unknown, by = token) =>
    stack.call("POST", path, { token: by, ...(body !== undefined && { body }) });
  const create = async (body: unknown): Promise<string> => {
    const { status, body: answer } = await post("/v1/jobs/create", body);
    if (status !== 201) throw new Error(JSON.stringify(answer));
    return answer.data.id;
  };
  const resend = async (id: string, body?: unknown, by?: string) => post(`/v1/admin/jobs/${id}/resend`, body, by);
  return { appId, token, post, create, resend };
}

const arrived = async (path: string) => until(() => target.received.find(({ url }) => url === path));

test("a job is sent again with another URL, headers and body; the old one stays, and so does what is hidden", async () => {
  const { appId, token, create, resend } = await newCaller();
  const headers = { Authorization: "Bearer s3cret", "x-drop": "1", "x-keep": "2" };
  const metadata = { maxRetries: 0, idempotencyKey: "once" };
  const id = await create(webhook({ url: target.url, path: "/bad?token=s3cret", headers, metadata }));
  const old = await jobIn(stack, token, id, "DEAD");
  const ann = await tokenFor({ appId, sub: "ann" });
  const changes = {
    url: `${target.url}/mended?token=***`,
    headers: { authorization: "***", "X-Drop": null, "x-new": "3" },
    body: { orderId: "124" },
  };
  // A number goes out as it is written.
  const written = JSON.stringify(changes).replace('"124"', '"124","total":1.50,"big":9223372036854775808');
  const { status, body } = await resend(id, written, ann);
  expect(status).toBe(201);
  expect(body.data).toMatchObject({
    status: "PENDING",
    resentFrom: id,
    createdBy: "ann",
    idempotencyKey: null,
    maxRetries: 0,
  });
  expect(body.data.id).not.toBe(id);
  const received = await arrived("/mended?token=s3cret");
  expect(received.headers).toMatchObject({
    authorization: "Bearer s3cret",
    "x-keep": "2",
    "x-new": "3",
    "content-type": "application/json",
  });
  expect(received.headers).not.toHaveProperty("x-drop");
  expect(received.body.toString()).toBe('{"orderId":"124","total":1.50,"big":9223372036854775808}');
  expect(await jobIn(stack, token, id, "DEAD")).toEqual(old);
  expect(await jobIn(stack, token, body.data.id, "SUCCEEDED")).toMatchObject({ resentFrom: id });

  const audit = await stack.call("GET", `/v1/admin/apps/${appId}/audit?object=job:${id}`, { token });
  expect(audit.body.data.items[0]).toMatchObject({ by: "ann", action: "job.resend" });
  expect(audit.body.data.items[0].changes.map(({ field }: { field: string }) => field)).toEqual([
    "resentAs",
    "url",
    "headers",
    "body",
  ]);
  expect(JSON.stringify(audit.body)).not.toContain("s3cret");
});

test("without changes it is a plain copy; its key makes it one", async () => {
  const { token, create, resend } = await newCaller();
  const body = Buffer.from([1, 2, 255]).toString("base64");
  const id = await create(webhook({ url: target.url, path: "/copied", body, proxy: { isBase64Encoded: true } }));
  await jobIn(stack, token, id, "SUCCEEDED");
  const copies = [await resend(id), await resend(id, { key: "again" }), await resend(id, { key: "again" })];
  expect(copies.map(({ status }) => status)).toEqual([201, 201, 200]);
  expect(copies[2]?.headers.get("idempotent-replayed")).toBe("true");
  expect(copies[2]?.body.data.id).toBe(copies[1]?.body.data.id);
  await until(() => target.received.filter(({ url }) => url === "/copied").length === 3);
  for (const each of target.received.filter(({ url }) => url === "/copied"))
    expect(each.body).toEqual(Buffer.from([1, 2, 255]));
  const later = await resend(id, { notBefore: new Date(Date.now() + 3_600_000).toISOString(), body: "later" });
  expect([later.status, later.body.data.lambdaProxyMessage.body]).toEqual([201, "later"]);
});

test("a credential is not handed to another host by sending a job there", async () => {
  const { create, resend } = await newCaller();
  const headers = { authorization: "Bearer s3cret", "x-plain": "1" };
  const id = await create(webhook({ url: target.url, path: "/kept", headers }));
  const url = "https://elsewhere.example/kept";
  for (const given of [{}, { authorization: "***" }]) {
    const refused = await resend(id, { url, headers: given });
    expect([refused.status, refused.body.error.details]).toEqual([
      400,
      [{ field: "headers.authorization", message: expect.stringContaining("another place") }],
    ]);
  }
  const sent = await resend(id, { url, headers: { authorization: null } });
  expect(sent.body.data.lambdaProxyMessage.headers).toEqual({ "x-plain": "1" });
});

test("a task gets another payload; what has no request of its own is refused in words", async () => {
  const { token, create, resend } = await newCaller();
  const task = { type: "task", jobType: "example", payload: { words: ["one"] } };
  const id = await create({ message: { execution: task } });
  await jobIn(stack, token, id, "SUCCEEDED");
  const again = await resend(id, { payload: { words: ["one", "two"] } });
  expect([again.status, again.body.data.executionConfig.payload]).toEqual([201, { words: ["one", "two"] }]);
  const at = "2099-01-01T00:00:00Z";
  const schedule = await create({
    message: { execution: { type: "schedule", scheduledAt: at, targetJob: webhook({ url: target.url }).message } },
  });
  const refused = await resend(schedule);
  expect([refused.status, refused.body.error.reason]).toEqual([409, "not_resendable"]);
  const hook = await create(webhook({ url: target.url }));
  for (const [of, body, field] of [
    [id, { url: "https://a.example" }, "url"],
    [id, { payload: { words: 7 } }, "payload.words"],
    [hook, { payload: {} }, "payload"],
    [hook, { url: "ftp://a.example" }, "url"],
    [hook, { headers: { "a b": "c" } }, "headers.a b"],
    [hook, { headers: { "x-key": "***" } }, "headers.x-key"],
    [hook, { notBefore: at }, "notBefore"],
    [hook, { color: "red" }, "color"],
  ] as const) {
    const wrong = await resend(of, body);
    expect([wrong.status, wrong.body.error.details[0].field]).toEqual([400, field]);
  }
});

// ---- Answers ----

const keeping = { keepResponse: true };

async function response(id: string, token: string): Promise<Response> {
  return fetch(`${stack.url}/v1/admin/jobs/${id}/response`, { headers: { authorization: `Bearer ${token}` } });
}

test("a job that keeps its answer shows an excerpt, and gives it whole", async () => {
  const { token, create } = await newCaller();
  const made = async (path: string) => create(webhook({ url: target.url, path, metadata: keeping }));
  const [json, most, large, zipped] = await Promise.all(["/json", "/most", "/large", "/gzip"].map(made));
  const shown = await jobIn(stack, token, json ?? "", "SUCCEEDED");
  expect(shown.response).toEqual({
    bytes: 14,
    contentType: "application/json",
    excerpt: '{"total": 7.0}',
    missing: null,
  });
  const whole = await response(shown.id, token);
  expect([whole.status, whole.headers.get("content-type"), await whole.text()]).toEqual([
    200,
    "application/json",
    '{"total": 7.0}',
  ]);
  const { bytes, excerpt } = (await jobIn(stack, token, most ?? "", "SUCCEEDED")).response;
  expect([bytes, excerpt.length]).toEqual([256 * 1_024, 1_024]);
  expect((await (await response(most ?? "", token)).text()).length).toBe(256 * 1_024);

  expect((await jobIn(stack, token, large ?? "", "SUCCEEDED")).response).toMatchObject({
    bytes: null,
    missing: "too large",
  });
  const gone = await stack.call("GET", `/v1/admin/jobs/${large}/response`, { token });
  expect([gone.status, gone.body.error]).toEqual([
    404,
    expect.objectContaining({ reason: "no_response", message: expect.stringContaining("256 KB") }),
  ]);
  // A page of a target is a file for a browser.
  await jobIn(stack, token, zipped ?? "", "SUCCEEDED");
  const page = await response(zipped ?? "", token);
  expect([
    page.headers.get("content-disposition"),
    page.headers.get("x-content-type-options"),
    page.headers.get("cache-control"),
    await page.text(),
  ]).toEqual(["attachment", "nosniff", "no-store", "<script>alert(1)</script>"]);
});

test("a follow-up gets its parent's answer, the result of a task, or the parent", async () => {
  const { token, post, create } = await newCaller();
  const next = (path: string, bodyFrom: string) => ({ bodyFrom, ...webhook({ url: target.url, path, body: null }) });
  const parent = (path: string, onSuccess: object) => ({
    ...webhook({ url: target.url, path, metadata: keeping }),
    onSuccess,
  });
  await Promise.all([
    create(parent("/json", next("/got-json", "parent.response"))),
    create(parent("/bytes", next("/got-bytes", "parent.response"))),
    create(parent("/json", next("/got-parent", "parent"))),
    create({
      message: { execution: { type: "task", jobType: "example", payload: { words: ["one"] } } },
      onSuccess: next("/got-result", "parent.result"),
    }),
    create({
      ...webhook({ url: target.url, path: "/bad", metadata: { maxRetries: 0 } }),
      onFailure: next("/got-failure", "parent"),
    }),
  ]);
  const flat = { url: `${target.url}/got-flat`, bodyFrom: "parent.response" };
  await post("/v1/send", { url: `${target.url}/json`, keepResponse: true, onSuccess: flat });
  expect((await arrived("/got-flat")).body.toString()).toBe('{"total": 7.0}');
  const json = await arrived("/got-json");
  expect([json.headers["content-type"], json.body.toString()]).toEqual(["application/json", '{"total": 7.0}']);
  const bytes = await arrived("/got-bytes");
  expect([bytes.headers["content-type"], [...bytes.body]]).toEqual(["image/png", [0, 255, 1]]);
  expect(JSON.parse((await arrived("/got-parent")).body.toString())).toMatchObject({
    status: "SUCCEEDED",
    response: { bytes: 14 },
  });
  expect(JSON.parse((await arrived("/got-failure")).body.toString())).toMatchObject({ status: "DEAD" });
  const result = await arrived("/got-result");
  expect([result.headers["content-type"], JSON.parse(result.body.toString())]).toEqual([
    "application/json",
    expect.any(Object),
  ]);

  const large = await create(parent("/large", next("/never", "parent.response")));
  const { followUpJobIds } = await until(async () => {
    const job = await jobIn(stack, token, large, "SUCCEEDED");
    return job.followUpJobIds.length > 0 && job;
  });
  const failed = await jobIn(stack, token, followUpJobIds[0], "FAILED");
  expect(failed.lastError).toContain("over 256 KB and was not kept");
  expect(target.received.some(({ url }) => url === "/never")).toBe(false);
  const empty = await stack.call("POST", `/v1/admin/jobs/${failed.id}/resend`, { token });
  expect([empty.status, empty.body.error.details[0].field]).toEqual([400, "body"]);
});

test("what a parent will not have is refused when it is asked for", async () => {
  const { post } = await newCaller();
  const hook = webhook({ url: target.url, body: null });
  const task = { message: { execution: { type: "task", jobType: "example", payload: { words: ["a"] } } } };
  const kept = webhook({ url: target.url, metadata: keeping });
  const event = { type: "lambda-invoke", functionName: "echo" };
  for (const [body, field] of [
    [{ ...hook, onSuccess: { ...hook, bodyFrom: "parent.response" } }, "onSuccess.bodyFrom"],
    [{ ...kept, onFailure: { ...hook, bodyFrom: "parent.response" } }, "onFailure.bodyFrom"],
    [{ ...kept, onSuccess: { ...hook, bodyFrom: "parent.result" } }, "onSuccess.bodyFrom"],
    [{ ...kept, onSuccess: { ...task, bodyFrom: "parent" } }, "onSuccess.bodyFrom"],
    [
      { ...kept, onSuccess: { ...webhook({ url: target.url }), bodyFrom: "parent" } },
      "onSuccess.message.lambdaProxyMessage.body",
    ],
    [{ ...kept, mode: "sqs" }, "message.metadata.keepResponse"],
    [{ message: { ...task.message, metadata: keeping } }, "message.metadata.keepResponse"],
    [{ message: { ...hook.message, execution: event, metadata: keeping } }, "message.metadata.keepResponse"],
  ] as const) {
    const { status, body: answer } = await post("/v1/jobs/create", body);
    expect([status, answer.error.details[0].field]).toEqual([400, field]);
  }
  const alone = await post("/v1/send", { url: target.url, bodyFrom: "parent" });
  expect(alone.body.error.details).toEqual([{ field: "bodyFrom", message: expect.stringContaining("follows none") }]);
});
