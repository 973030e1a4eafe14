import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonBody } from "../../lib/api/http/body.ts";
import { checkAnswer } from "../support/api-document.ts";
import { endStacks, newApp, sharedStack, tokenFor, until, webhook, type Answer, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

// Numbers, bytes, base64, texts and times of requests: what the service keeps is what came, or the request is refused.

let stack: Stack;
let target: Target;
beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const CREATE = "/v1/jobs/create";
const ODD = ["1234567890123456789", "1e400", "0.1000000000000000055", "-0"];
/** Stands for a number in JSON. */
const HERE = "number goes here";
const withNumber = (body: unknown, number: string) => JSON.stringify(body).replaceAll(`"${HERE}"`, number);

/** Sends bytes, and checks the answer against the API document. */
async function post(
  path: string,
  token: string,
  body: NonNullable<RequestInit["body"]>,
  type?: string,
): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, ...(type !== undefined && { "content-type": type }) };
  const response = await fetch(stack.url + path, { method: "POST", body, headers });
  const text = await response.text();
  checkAnswer({ method: "POST", path, status: response.status, headers: response.headers, text });
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

function expectRefused({ status, body }: Answer, field: string, message: string): void {
  expect(status).toBe(400);
  expect(body.error.details).toEqual([{ field, message: expect.stringContaining(message) }]);
}

const task = (jobType: string, payload: object) => ({ message: { execution: { type: "task", jobType, payload } } });

test("a number that would change is refused wherever JSON is posted, and its place is named", async () => {
  const { token } = await newApp();
  const notice = { webhook: { url: target.url, body: { orders: [{ id: HERE }] } } };
  const variables = { webhook: { url: target.url, body: {} }, variables: { total: HERE } };
  const requestContext = { account: HERE };
  const cases: [path: string, body: unknown, field: string][] = [
    [CREATE, task("notification", notice), "message.execution.payload.webhook.body.orders.0.id"],
    [CREATE, task("notification", variables), "message.execution.payload.variables.total"],
    [
      CREATE,
      webhook({ url: target.url, proxy: { requestContext } }),
      "message.lambdaProxyMessage.requestContext.account",
    ],
    ["/v1/jobs", { jobType: "notification", payload: notice }, "payload.webhook.body.orders.0.id"],
    ["/v1/jobs/callback-http", { url: target.url, body: { id: HERE } }, "body.id"],
  ];
  for (const [path, body, field] of cases) {
    for (const number of ODD) {
      const answer = await post(path, token, withNumber(body, number), "application/json");
      expectRefused(answer, field, `is the number ${number}, which would not be kept as it is`);
    }
  }
});

test("what JavaScript numbers keep goes through, and so does any number within a text", async () => {
  const { token } = await newApp();
  const body = '{"id":1234567890123456789,"total":-0}';
  expect(
    (await stack.call("POST", CREATE, { token, body: webhook({ url: target.url, path: "/text", body }) })).status,
  ).toBe(201);
  const kept = withNumber({ url: `${target.url}/json`, body: { id: HERE } }, "[9007199254740991,1.50,1e2,-0.1]");
  expect((await post("/v1/jobs/callback-http", token, kept, "application/json")).status).toBe(201);
  await until(() => target.received.length === 2);
  const received = Object.fromEntries(target.received.map(({ url, body: sent }) => [url, sent.toString()]));
  expect(received).toEqual({ "/text": body, "/json": '{"id":[9007199254740991,1.5,100,-0.1]}' });
});

test("in a batch, a number that would change is the problem of its own job", async () => {
  const { token } = await newApp();
  const jobs = [webhook({ url: target.url }), webhook({ url: target.url, execution: { timeoutSeconds: HERE } })];
  const { status, body } = await post("/v1/jobs/batch", token, withNumber({ jobs }, "30.000000000000000001"));
  expect(status).toBe(207);
  expect(body.data.results).toMatchObject([
    { status: 201 },
    { status: 400, error: { details: [{ field: "message.execution.timeoutSeconds" }] } },
  ]);
});

function formWith(fields: Record<string, string | Uint8Array>): { body: Buffer; type: string } {
  const bytes = Object.entries({ jobType: "example", ...fields }).flatMap(([name, value]) => [
    Buffer.from(`--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`),
    Buffer.from(value),
    Buffer.from("\r\n"),
  ]);
  const file = 'Content-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv';
  return {
    body: Buffer.concat([...bytes, Buffer.from(`--b\r\n${file}\r\n\r\na\r\n--b--\r\n`)]),
    type: "multipart/form-data; boundary=b",
  };
}

test("the JSON of a form is read as strictly", async () => {
  const token = await tokenFor({ appId: randomUUID(), roles: [], permissions: ["job:Create"] });
  const create = async (fields: Record<string, string | Uint8Array>) => {
    const { body, type } = formWith(fields);
    return post("/api/jobs", token, new Uint8Array(body), type);
  };
  const payload = '{"words":["\uFFFD"]}';
  expect((await create({ payload, meta: '{"from":"\uFFFD"}' })).status).toBe(201);
  expectRefused(await create({ payload, meta: '{"id":[1e400]}' }), "meta.id.0", "is the number 1e400");
  const latin1 = Buffer.from('{"name":"M\u00fcller"}', "latin1");
  expectRefused(await create({ payload, meta: latin1 }), "meta", "bytes that are not UTF-8");
});

test("JSON that is not UTF-8 is refused, whatever its content type", async () => {
  const { token } = await newApp();
  const body = JSON.stringify(webhook({ url: target.url, body: "M\u00fcller" }));
  for (const type of ["application/json", "application/json; charset=iso-8859-1", "application/octet-stream"]) {
    for (const encoding of ["latin1", "utf16le"] as const) {
      const { status, body: answer } = await post(CREATE, token, new Uint8Array(Buffer.from(body, encoding)), type);
      expect([status, answer.error.details[0].field]).toEqual([400, "body"]);
    }
    expectRefused(await post(CREATE, token, new Uint8Array(Buffer.from(body, "latin1")), type), "body", "not UTF-8");
    const own = body.replace("M\u00fcller", "\uFFFD");
    expect((await post(CREATE, token, new Uint8Array(Buffer.from(own)), type)).status).toBe(201);
  }
});

const CUT = ["A", "aGVsb", "aGVsbG", "aGVsbA", "aGVsbB==", "aGVsbA=", "aGVs\nbG8=", "aGVsbG8_", "=", "===="];

test("base64 that is cut, or is none, is refused in requests, in jobs within jobs, and in events", async () => {
  const { token } = await newApp();
  const job = (body: string) => webhook({ url: target.url, path: "/base64", body, proxy: { isBase64Encoded: true } });
  for (const body of CUT) {
    const answer = await stack.call("POST", CREATE, { token, body: job(body) });
    expectRefused(answer, "message.lambdaProxyMessage.body", "is not base64, though isBase64Encoded is true: expected");
    const event = { body, isBase64Encoded: true, headers: {} };
    const { before } = jsonBody(
      () => true,
      () => undefined,
    );
    const details = [{ field: "body", message: expect.stringContaining("expected base64") as string }];
    expect(() => before({ event: event as never })).toThrow(expect.objectContaining({ details }));
  }
  const within = { ...webhook({ url: target.url }), onSuccess: job("aGVsb") };
  expectRefused(
    await stack.call("POST", CREATE, { token, body: within }),
    "onSuccess.message.lambdaProxyMessage.body",
    "base64",
  );
  expect((await stack.call("POST", CREATE, { token, body: job("aGVsbA==") })).status).toBe(201);
  const delivered = await until(() => target.received.find(({ url }) => url === "/base64"));
  expect(delivered.body.toString()).toBe("hell");
});

test("times are accepted without seconds and with an offset without a colon", async () => {
  const { appId, token } = await newApp();
  const user = await tokenFor({ appId, roles: [], permissions: ["jobs.create_jobs", "jobs.view_jobs"] });
  const targetJob = webhook({ url: target.url }).message;
  const instants = {
    "2027-01-15T10:00Z": "10:00",
    "2027-01-15T10:00+0530": "04:30",
    "2027-01-15T10:00:00-0530": "15:30",
  };
  for (const [scheduledAt, clock] of Object.entries(instants)) {
    const at = `2027-01-15T${clock}:00.000Z`;
    const execution = { type: "schedule", scheduledAt, targetJob };
    const created = await stack.call("POST", CREATE, { token, body: { message: { execution } } });
    expect([created.status, created.body.data?.nextRunAt]).toEqual([201, at]);
    const ends = { type: "schedule", scheduleExpression: "rate(1 day)", endsAt: scheduledAt, targetJob };
    const metadata = { createdAt: scheduledAt };
    expect((await stack.call("POST", CREATE, { token, body: { message: { execution: ends, metadata } } })).status).toBe(
      201,
    );
    const typed = { jobType: "example", payload: { words: ["a"] }, scheduledAt };
    const { jobId } = (await stack.call("POST", "/v1/jobs", { token: user, body: typed })).body;
    expect((await stack.call("GET", `/v1/jobs/${jobId}/status`, { token: user })).body.job.scheduledAt).toBe(at);
    const bulk = { createdAfter: scheduledAt, createdBefore: scheduledAt };
    expect((await stack.call("POST", "/v1/admin/jobs/cancel", { token, body: bulk })).status).toBe(202);
    // A + that is not escaped arrives as a space.
    for (const text of [scheduledAt, encodeURIComponent(scheduledAt)]) {
      expect((await stack.call("GET", `/v1/admin/jobs?createdAfter=${text}`, { token })).status).toBe(200);
    }
  }
});

test("the error of a filter names no other filter than was sent", async () => {
  const { token } = await newApp();
  const asked = async (query: string) => stack.call("GET", `/v1/admin/jobs?${query}`, { token });
  expect((await asked("createdBefore=1960-01-01T00:00Z")).body.error.details).toEqual([
    { field: "createdBefore", message: "must not be earlier than 1970" },
  ]);
  expect((await asked("createdBefore=2026-01-01T00:00Z&createdAfter=2026-01-02T00:00Z")).body.error.details).toEqual([
    { field: "createdBefore", message: "must not be earlier than createdAfter" },
  ]);
  expect((await asked("createdAfter=9999-12-31T00:00Z")).status).toBe(200);
  const filters = { dateFrom: "9999-12-31" };
  const report = task("export_report", { reportType: "jobs", format: "csv", filters });
  expect((await stack.call("POST", CREATE, { token, body: report })).status).toBe(201);
});

const HALF = "a\ud800b";
const HALF_PAIR = "has half a surrogate pair";

test("half a surrogate pair is refused wherever it stands, and its place is named", async () => {
  const { token, appId } = await newApp();
  const file = { key: `files/${appId}/a.csv`, name: `${HALF}.csv` };
  const sent = webhook({ url: target.url });
  const cases: [method: string, path: string, body: object, field: string][] = [
    ["PUT", `/v1/admin/apps/${appId}`, { version: 0, name: HALF }, "name"],
    ["PUT", `/v1/admin/apps/${appId}`, { version: 0, [HALF]: 1 }, HALF],
    ["POST", CREATE, { ...sent, onComplete: { url: `${target.url}/${HALF}` } }, "onComplete.url"],
    [
      "POST",
      CREATE,
      { message: { execution: { type: "task", jobType: "example", payload: {}, file } } },
      "message.execution.file.name",
    ],
    ["POST", CREATE, webhook({ url: target.url, proxy: { resource: HALF } }), "message.lambdaProxyMessage.resource"],
    [
      "POST",
      CREATE,
      webhook({ url: target.url, proxy: { pathParameters: { [HALF]: "x" } } }),
      `message.lambdaProxyMessage.pathParameters.${HALF}`,
    ],
    [
      "POST",
      CREATE,
      webhook({ url: target.url, proxy: { requestContext: { a: [1, { b: HALF }] } } }),
      "message.lambdaProxyMessage.requestContext.a.1.b",
    ],
    ["POST", "/v1/jobs", { jobType: "example", payload: { words: ["x", HALF] } }, "payload.words.1"],
    ["POST", "/api/jobs", { jobType: "example", payload: {}, fileKey: "x", meta: { a: HALF } }, "meta.a"],
    ["POST", "/api/jobs/uploads", { fileName: `${HALF}.csv`, size: 1, contentType: "text/csv" }, "fileName"],
    ["POST", "/longjob", { input_type: "html", html: HALF }, "html"],
    [
      "POST",
      "/quickjob",
      { input_type: "markdown", markdown: "x", options: { headerTemplate: HALF } },
      "options.headerTemplate",
    ],
    ["PUT", "/accounts/me/webhook", { webhook_url: `https://a.example/${HALF}` }, "webhook_url"],
    ["POST", "/v1/jobs/callback-http", { url: target.url, body: { a: HALF } }, "body.a"],
  ];
  for (const [method, path, body, field] of cases) {
    const answer = await stack.call(method, path, { token, body });
    expect([path, answer.status, answer.body.error.details]).toEqual([path, 400, [{ field, message: HALF_PAIR }]]);
  }
  // Both halves are a character.
  const whole = JSON.stringify({ version: 0, name: "\u{1F600}" }).replace("\u{1F600}", "\\ud83d\\ude00");
  const named = await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body: whole });
  expect([named.status, named.body.data.name]).toEqual([200, "\u{1F600}"]);
  const jobs = [sent, webhook({ url: target.url, proxy: { resource: HALF } })];
  const { body } = await stack.call("POST", "/v1/jobs/batch", { token, body: { jobs } });
  expect(body.data.results.map(({ status }: { status: number }) => status)).toEqual([201, 400]);
  const nameless = await tokenFor({ appId, sub: HALF });
  expect((await stack.call("POST", CREATE, { token: nameless, body: sent })).status).toBe(401);
});

test("half a surrogate pair is refused in forms, which may be in UTF-16", async () => {
  const { token } = await newApp();
  const parts: [string, string, string][] = [
    ["file", `name="file"; filename*=utf-16le''%00%d8a%00`, "x"],
    ["jobType", `name="jobType"\r\ncontent-type: text/plain; charset=utf-16le`, "\u0000\u00d8"],
    ["payload.words.0", `name="payload"`, JSON.stringify({ words: [HALF] })],
    ["meta.a", `name="meta"`, JSON.stringify({ a: HALF })],
  ];
  const usual = { jobType: `name="jobType"`, file: `name="file"; filename="a.csv"` };
  for (const [field, head, content] of parts) {
    const given = {
      jobType: [usual.jobType, "example"],
      file: [usual.file, "x"],
      [field.split(".")[0] ?? ""]: [head, content],
    };
    const lines = Object.values(given).map(
      ([name = "", text = ""]) => `--b\r\ncontent-disposition: form-data; ${name}\r\n\r\n${text}\r\n`,
    );
    const bytes = Buffer.from(`${lines.join("")}--b--\r\n`, "latin1");
    const answer = await post("/api/jobs", token, bytes, "multipart/form-data; boundary=b");
    expectRefused(answer, field, HALF_PAIR);
  }
});
