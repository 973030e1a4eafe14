import { afterAll, beforeAll, expect, test } from "vitest";
import { checkAnswer } from "../support/api-document.ts";
import { endStacks, newApp, sharedStack, until, webhook, type Answer, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// POST /v1/send, and what its jobs may say beyond the older endpoints.

let stack: Stack;
let target: Target;
beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
  target.answer(({ url }, response) => {
    const [, status = "200"] = /^\/(\d{3})\b/.exec(url) ?? [];
    if (url.endsWith("/said")) response.setHeader("x-job-final", "true");
    if (status === "302") response.setHeader("location", "/elsewhere?token=secret&page=2");
    response.statusCode = Number(status);
    response.end();
  });
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const SEND = "/v1/send";
const send = async (token: string, body: unknown, headers = {}) => stack.call("POST", SEND, { token, body, headers });
const at = async (path: string) => until(() => target.received.find(({ url }) => url === path));

async function sendText(token: string, text: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(stack.url + SEND, { method: "POST", body: text, headers });
  const answer = await response.text();
  checkAnswer({ method: "POST", path: SEND, status: response.status, headers: response.headers, text: answer });
  return { status: response.status, headers: response.headers, body: JSON.parse(answer) };
}

async function endOf(token: string, id: string): Promise<Record<string, unknown>> {
  await stack.logged(({ event, jobId }) => event === "job.attempted" && jobId === id);
  return until(async () => {
    const { data } = (await stack.call("GET", `/v1/admin/jobs/${id}`, { token })).body;
    return data.status !== "RUNNING" && data.status !== "PENDING" && data;
  });
}

test("a body of JSON arrives as JSON, its numbers as they were written", async () => {
  const { token } = await newApp();
  const numbers = "9223372036854775808,1e400,1.50,1E2,-0,0.1000000000000000055,1.0,12345678901234567890.10";
  const body = `{ "n": [${numbers}], "text": "\\ud800" }`;
  const answer = await sendText(
    token,
    `{"url":"${target.url}/exact","body":${body},"delaySeconds":0.0,"maxRetries":1e1}`,
  );
  expect(answer.status).toBe(201);
  expect(answer.body.data).toMatchObject({ status: "PENDING", maxRetries: 10, executionType: "rest-api" });
  const { body: sent, headers, method } = await at("/exact");
  expect(sent.toString()).toBe(`{"n":[${numbers}],"text":"\\ud800"}`);
  expect([method, headers["content-type"]]).toEqual(["POST", "application/json"]);

  const next = `{"url":"${target.url}/first","onSuccess":{"url":"${target.url}/next","body":[1.0,1e400]}}`;
  await sendText(token, next);
  expect((await at("/next")).body.toString()).toBe("[1.0,1e400]");
  const refused = await sendText(token, '{"task":"example","payload":{"words":["a"],"n":1e400}}');
  expect(refused.body.error.details[0]).toMatchObject({ field: "payload.n" });
});

test("text and bytes go out as they are, and headers of the job's own stand", async () => {
  const { token } = await newApp();
  const jobs = [
    { url: `${target.url}/text?a=1`, body: "plain", method: "PUT" },
    { url: `${target.url}/bytes`, bodyBase64: "AAH/" },
    { url: `${target.url}/typed`, body: { a: 1 }, headers: { "Content-Type": "application/cloudevents+json" } },
    { url: `${target.url}/none`, method: "DELETE" },
  ];
  const { status, body } = await send(token, jobs);
  expect([status, ...body.data.results.map((one: { status: number }) => one.status)]).toEqual([
    207, 201, 201, 201, 201,
  ]);
  const got = await Promise.all(["/text?a=1", "/bytes", "/typed", "/none"].map(at));
  expect(got.map(({ method }) => method)).toEqual(["PUT", "POST", "POST", "DELETE"]);
  expect(got.map(({ body: sent }) => sent.toString("latin1"))).toEqual(["plain", "\0\u0001ÿ", '{"a":1}', ""]);
  expect(got.map(({ headers }) => headers["content-type"])).toEqual([
    undefined,
    undefined,
    "application/cloudevents+json",
    undefined,
  ]);
});

test("a body of JSON in the nested shape goes out as JSON too, unless its job names a type", async () => {
  const { token } = await newApp();
  const post = async (path: string, body: string, headers = {}) =>
    stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url, path, body, headers }) });
  const answer = await post("/object", ' {"a":1}');
  expect(answer.headers.get("link")).toBe('</v1/send>; rel="successor-version"');
  expect(answer.body.data.lambdaProxyMessage.headers).toEqual({});
  await post("/array", "[1]");
  await post("/broken", '{"a":');
  await post("/scalar", "1");
  await post("/named", "{}", { "CONTENT-TYPE": "text/plain" });
  const got = await Promise.all(["/object", "/array", "/broken", "/scalar", "/named"].map(at));
  expect(got.map(({ headers }) => headers["content-type"])).toEqual([
    "application/json",
    "application/json",
    undefined,
    undefined,
    "text/plain",
  ]);
});

test("a job shows its times and labels, and mode sqs and the unknown are refused in words", async () => {
  const { token } = await newApp();
  const notAfter = "2099-01-01T00:00:00.000Z";
  const job = { url: `${target.url}/later`, delaySeconds: 3_600, notAfter, labels: ["import", "import", "b"] };
  const { body } = await send(token, job);
  const { createdAt, notBefore, nextRetryAt } = body.data;
  expect(body.data).toMatchObject({ notAfter, labels: ["import", "b"] });
  expect([Date.parse(notBefore), Date.parse(nextRetryAt)]).toEqual(Array(2).fill(Date.parse(createdAt) + 3_600_000));
  const list = await stack.call("GET", "/v1/admin/jobs", { token });
  expect(list.body.data.items[0]).toMatchObject({ labels: ["import", "b"], notAfter });

  const url = `${target.url}/x`;
  const refused: [object, string, RegExp][] = [
    [{ url, mode: "sqs", delaySeconds: 5 }, "delaySeconds", /mode both or db/],
    [{ url, notBefore: "2099-01-01T00:00:00Z" }, "notBefore", /more than a year ahead/],
    [{ url, notBefore: "2020-01-01T00:00:00Z", delaySeconds: 5 }, "delaySeconds", /give one of them/],
    [{ url, notAfter: "2020-01-01T00:00:00Z" }, "notAfter", /has passed: it is now/],
    [{ url, delaySeconds: 31_536_001 }, "delaySeconds", /31536000/],
    [{ url, labels: [""] }, "labels.0", /./],
    [{ url, labels: Array(11).fill("a") }, "labels", /10/],
    [{ url, task: "example" }, "task", /got url and task/],
    [{ url: "http://[" }, "url", /begins with https/],
    [{ url, retry: { final: ["6xx"] } }, "retry.final.0", /^expected a status from 300 to 599/],
    [{ url, onComplete: "nowhere" }, "onComplete", /begins with https/],
    [{ url, onSuccess: { url, key: "k" }, key: "k" }, "onSuccess.key", /so would be that job/],
    [{ url, nothing: 1 }, "nothing", /not a known field/],
    [{ task: "nothing" }, "task", /./],
    [{ url, idempotencyIgnore: ["/url"] }, "idempotencyIgnore", /below \/body or \/payload/],
  ];
  for (const [asked, field, message] of refused) {
    const answer = await send(token, asked);
    expect([answer.status, answer.body.error.details]).toEqual([
      400,
      [{ field, message: expect.stringMatching(message) }],
    ]);
  }
  const schedule = {
    type: "schedule",
    scheduleExpression: "rate(5 minutes)",
    targetJob: webhook({ url: target.url }).message,
  };
  const times = { metadata: { delaySeconds: 5 } };
  const inTarget = { ...schedule, targetJob: { ...schedule.targetJob, ...times } };
  for (const [message, field] of [
    [{ execution: schedule, ...times }, "message.metadata.delaySeconds"],
    [{ execution: inTarget }, "message.execution.targetJob.metadata.delaySeconds"],
  ] as const) {
    const answer = await stack.call("POST", "/v1/jobs/create", { token, body: { message } });
    expect(answer.body.error.details).toEqual([{ field, message: expect.stringContaining("schedule") }]);
  }
});

test("answers that are final end a job: those of the endpoint, the app, the sender and the receiver", async () => {
  const { token, appId } = await newApp();
  const retry = { baseDelaySeconds: 3_600, maxDelaySeconds: 3_600 };
  const post = async (
    path: string,
    more: Record<string, unknown> = {},
    door = SEND,
  ): Promise<Record<string, unknown>> => {
    const url = `${target.url}${path}`;
    const body = door === SEND ? { url, ...more } : webhook({ url: target.url, path, metadata: more });
    const { data } = (await stack.call("POST", door, { token, body })).body;
    return endOf(token, data.id);
  };
  const final = { status: "FAILED", reason: "final" };
  expect(await post("/422")).toMatchObject({ ...final, lastError: "HTTP 422", retryCount: 0 });
  expect(await post("/422/dead", { maxRetries: 0 })).toMatchObject({ status: "DEAD", reason: "final" });
  expect(await post("/409")).toMatchObject({ status: "RETRYING" });
  expect(await post("/422/old", {}, "/v1/jobs/create")).toMatchObject({ status: "RETRYING" });
  expect(await post("/422/again", { retry: { ...retry, retryOn: [422] } })).toMatchObject({ status: "RETRYING" });
  const classes = { retry: { ...retry, final: ["4xx"], retryOn: [409] } };
  expect(await post("/404/old", classes, "/v1/jobs/create")).toMatchObject(final);
  expect(await post("/409/old", classes, "/v1/jobs/create")).toMatchObject({ status: "RETRYING" });
  expect(await post("/489", {}, "/v1/jobs/create")).toMatchObject(final);
  expect(await post("/503/said", {}, "/v1/jobs/create")).toMatchObject({ ...final, lastError: "HTTP 503" });
  const redirected = await post("/302");
  expect(redirected["lastError"]).toBe(
    `HTTP 302, a redirect to ${target.url}/elsewhere?token=***&page=2: redirects are not followed`,
  );

  const settings = { version: 0, retry: { final: ["5xx"], retryOn: [422] } };
  const put = await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: settings });
  expect(put.body.data.retry).toEqual(settings.retry);
  await until(async () => (await post("/422/app", {}))["status"] === "RETRYING");
  expect(await post("/500/app", {}, "/v1/jobs/create")).toMatchObject(final);
  expect(await post("/500/own", { retry: { ...retry, retryOn: [500] } })).toMatchObject({ status: "RETRYING" });
});

test("a key that comes again is a replay that tells what differs, or a conflict that names it", async () => {
  const { token } = await newApp();
  const job = { url: `${target.url}/keyed`, body: { amount: 1, at: "2026-01-01T00:00:00Z" } };
  const headers = { "Idempotency-Key": "paid-1" };
  const first = await send(token, job, headers);
  expect(first.body.data.idempotencyKey).toBe("paid-1");
  const again = { ...job, key: "paid-1", body: { amount: 1, at: "2026-01-02T00:00:00Z" }, labels: ["late"] };
  const second = await send(token, again);
  expect([second.status, second.body.data.id]).toEqual([200, first.body.data.id]);
  expect(second.headers.get("idempotent-replayed")).toBe("true");
  expect(second.headers.get("idempotent-differs")).toBe("labels");
  const same = await send(token, { ...job, key: "paid-1" });
  expect(same.headers.get("idempotent-differs")).toBeNull();

  const other = { ...again, body: { amount: 2, at: "now" } };
  const refused = await send(token, other);
  expect([refused.status, refused.body.error.reason]).toEqual([422, "idempotency_conflict"]);
  expect(refused.body.error.details.map(({ field }: { field: string }) => field)).toEqual(["/body/amount", "/body/at"]);
  const listed = (await send(token, [again, other])).body.data.results;
  expect(listed).toMatchObject([{ status: 200, differs: ["labels"] }, { status: 422 }]);
  expect((await send(token, [job], headers)).body.error.details[0].field).toBe("Idempotency-Key");

  const accept = { accept: "application/problem+json, application/json" };
  const problem = await send(token, other, accept);
  expect(problem.headers.get("content-type")).toBe("application/problem+json");
  expect(problem.body).toMatchObject({
    type: "about:blank",
    title: "Unprocessable entity",
    status: 422,
    reason: "idempotency_conflict",
    errors: [{ field: "/body/amount" }, { field: "/body/at" }],
  });
});

test("an app may keep the rule of earlier versions: a key names a target", async () => {
  const { token, appId } = await newApp();
  await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: { version: 0, idempotency: "target" } });
  const job = (body: object, path = "/by-target") => ({ url: `${target.url}${path}`, body, key: "k" });
  const first = await send(token, job({ amount: 1 }));
  const second = await send(token, job({ amount: 2 }));
  expect([second.status, second.body.data.id]).toEqual([200, first.body.data.id]);
  expect((await send(token, job({}, "/other"))).body.error).toMatchObject({ reason: "idempotency_conflict" });
});

test("a time limit that has passed since is no reason to refuse a replay", async () => {
  const { token } = await newApp();
  const notAfter = new Date(Date.now() + 3_000).toISOString();
  const job = { url: `${target.url}/limit`, key: "k", notAfter };
  expect((await send(token, job)).status).toBe(201);
  await until(() => Date.now() > Date.parse(notAfter));
  expect((await send(token, job)).status).toBe(200);
});

test("tasks, functions and mode sqs go the same way", async () => {
  const { token } = await newApp();
  const task = await send(token, { task: "example", payload: { words: ["job"] }, priority: 5 });
  expect(task.body.data).toMatchObject({ executionType: "task", executionConfig: { jobType: "example", priority: 5 } });
  expect(await endOf(token, task.body.data.id)).toMatchObject({ status: "SUCCEEDED" });
  const invoked = await send(token, { function: "nothing", body: { a: 1 } });
  expect(invoked.body.data.lambdaProxyMessage).toMatchObject({ body: '{"a":1}', path: "/", headers: {} });
  const sent = await send(token, { url: `${target.url}/sqs`, mode: "sqs", body: { a: 1 } });
  expect([sent.status, sent.body]).toEqual([202, null]);
  expect((await at("/sqs")).body.toString()).toBe('{"a":1}');
});
