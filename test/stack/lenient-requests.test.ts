import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonBody } from "../../lib/api/http/body.ts";
import { checkAnswer } from "../support/api-document.ts";
import { endStacks, newApp, sharedStack, tokenFor, webhook, type Answer, type Stack } from "../support/stack.ts";

// Requests that are written as other standards and tools write them: packed, with a byte order mark, with quotes.

let stack: Stack;
beforeAll(async () => {
  stack = await sharedStack();
});
afterAll(endStacks);

const CREATE = "/v1/jobs/create";
const URL_OF_NOBODY = "http://127.0.0.1:9/";
const job = (key?: string) =>
  webhook({
    url: URL_OF_NOBODY,
    body: "\uFEFFMüller",
    mode: "db",
    ...(key !== undefined && { metadata: { idempotencyKey: key } }),
  });

interface Asked {
  readonly path?: string;
  readonly body: string | Buffer;
  readonly headers?: Record<string, string>;
}

/** Checks the answer against the API document. */
async function post(token: string, { path = CREATE, body, headers = {} }: Asked): Promise<Answer> {
  const bytes = new Uint8Array(Buffer.from(body as string));
  const all = { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers };
  const response = await fetch(stack.url + path, { method: "POST", body: bytes, headers: all });
  const text = await response.text();
  checkAnswer({ method: "POST", path, status: response.status, headers: response.headers, text });
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

const GZIP = { "content-encoding": "gzip" };

test("JSON may begin with a byte order mark, which stays in texts", async () => {
  const { token } = await newApp();
  const { status, body } = await post(token, { body: `\uFEFF${JSON.stringify(job())}` });
  expect([status, body.data.lambdaProxyMessage.body]).toEqual([201, "\uFEFFMüller"]);
});

test("bodies may be packed by gzip, of any content type, in several members, and as forms", async () => {
  const { token } = await newApp();
  const json = JSON.stringify(job());
  const parts = Buffer.concat([gzipSync(json.slice(0, 20)), gzipSync(json.slice(20))]);
  const asked: Asked[] = [
    { body: gzipSync(json), headers: GZIP },
    { body: gzipSync(`\uFEFF${json}`), headers: { ...GZIP, "content-type": "application/octet-stream" } },
    { body: parts, headers: { "content-encoding": "X-GZIP" } },
    { body: json, headers: { "content-encoding": "identity" } },
  ];
  for (const each of asked) expect((await post(token, each)).status).toBe(201);
  const user = await tokenFor({ appId: randomUUID(), roles: [], permissions: ["job:Create"] });
  const field = (name: string, more: string, value: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
  const form = `${field("jobType", "", "example")}${field("payload", "", '{"words":["a"]}')}${field("file", '; filename="a.csv"', "a")}--b--\r\n`;
  const headers = { ...GZIP, "content-type": "multipart/form-data; boundary=b" };
  expect((await post(user, { path: "/api/jobs", body: gzipSync(form), headers })).status).toBe(201);
});

const JSON_OF_JOB = Buffer.from(JSON.stringify(job()));

test.each([
  ...["br", "deflate", "zstd", "gzip, gzip", "aws-chunked"].map(
    (coding) => [coding, JSON_OF_JOB, "Content-Encoding", `is ${coding}: expected gzip, or no coding`] as const,
  ),
  ["gzip", JSON_OF_JOB, "body", "is not whole gzip"],
  ["gzip", gzipSync(JSON_OF_JOB).subarray(0, -9), "body", "is not whole gzip"],
  ["gzip", gzipSync(JSON_OF_JOB.subarray(1)), "body", "expected JSON"],
  ["gzip", gzipSync(Buffer.from('{"a":"\xe9"}', "latin1")), "body", "not UTF-8"],
] as const)("a body of the coding %s that can't be read is refused in words", async (coding, body, field, message) => {
  const { token } = await newApp();
  const answer = await post(token, { body, headers: { "content-encoding": coding } });
  expect([answer.status, answer.body.error.details]).toEqual([
    400,
    [{ field, message: expect.stringContaining(message) }],
  ]);
});

test("a body that unpacks to more than 4 MB is unpacked no further", async () => {
  const { token } = await newApp();
  const bomb = await post(token, { body: gzipSync(Buffer.alloc(5 * 1_024 * 1_024, " ")), headers: GZIP });
  const message = expect.stringContaining("bytes unpacked; at most 4194304");
  expect([bomb.status, bomb.body.error.message]).toEqual([413, message]);
});

test("packed bytes that a gateway took for text are refused with what to do", () => {
  const event = { body: gzipSync(JSON_OF_JOB).toString(), isBase64Encoded: false, headers: GZIP };
  const { before } = jsonBody(
    () => true,
    () => undefined,
  );
  const details = [{ field: "body", message: expect.stringContaining("application/octet-stream") as string }];
  expect(() => before({ event: event as never })).toThrow(expect.objectContaining({ details }));
});

test("quotes around an Idempotency-Key are no part of it", async () => {
  const { token } = await newApp();
  const body = JSON.stringify(job("paid-1"));
  const first = await post(token, { body });
  for (const key of ['"paid-1"', "paid-1"]) {
    const again = await post(token, { body, headers: { "idempotency-key": key } });
    expect([again.status, again.body.data.id]).toEqual([200, first.body.data.id]);
  }
  const keyOf = async (key: string) => {
    const answer = await post(token, { body: JSON.stringify(job()), headers: { "idempotency-key": key } });
    return answer.body.data.idempotencyKey as string;
  };
  expect(await keyOf(String.raw`"a \"b\" \\c"`)).toBe(String.raw`a "b" \c`);
  expect(await keyOf('"half')).toBe('"half');
  const empty = await post(token, { body: JSON.stringify(job()), headers: { "idempotency-key": '""' } });
  expect([empty.status, empty.body.error.details[0].field]).toEqual([400, "Idempotency-Key"]);
});
