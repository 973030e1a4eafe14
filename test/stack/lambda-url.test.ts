import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signRequest } from "../../lib/outbound/sign-request.ts";
import { isSigned } from "../../local/signature.ts";
import { endStacks, jobIn, newApp, sharedStack, type Stack } from "../support/stack.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack();
  const sources = {
    "called-echo.mjs": `export const handler = async (event) => ({ statusCode: 203, body: JSON.stringify(event) });`,
    "called-refuse.mjs": `export const handler = async () => ({ statusCode: 422, body: "no such order" });`,
    "called-fail.mjs": `export const handler = async () => { throw new Error("no"); };`,
  };
  for (const [name, source] of Object.entries(sources)) writeFileSync(join(stack.dir, "functions", name), source);
});
afterAll(endStacks);

// ---- The signature: AWS's own vectors (Signature Version 4 test suite) ----

const KEYS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const SCOPE = { region: "us-east-1", service: "service", signedAt: new Date("2015-08-30T12:36:00Z") };

test.each([
  [
    "get-vanilla",
    "GET",
    "/",
    {},
    "",
    "host;x-amz-date",
    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  ],
  [
    "get-vanilla-query-order-key-case",
    "GET",
    "/?Param2=value2&Param1=value1",
    {},
    "",
    "host;x-amz-date",
    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  ],
  [
    "get-header-key-duplicate",
    "GET",
    "/",
    { "my-header1": "value2,value2,value1" },
    "",
    "host;my-header1;x-amz-date",
    "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
  ],
  [
    "get-header-value-multiline",
    "GET",
    "/",
    { "my-header1": "value1,value2,value3" },
    "",
    "host;my-header1;x-amz-date",
    "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790",
  ],
  [
    "post-x-www-form-urlencoded",
    "POST",
    "/",
    { "content-type": "application/x-www-form-urlencoded" },
    "Param1=value1",
    "content-type;host;x-amz-date",
    "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
  ],
])("the published vector %s", async (_, method, target, headers, body, names, signature) => {
  const request = {
    url: new URL(`https://example.amazonaws.com${target}`),
    method,
    headers,
    body: body === "" ? null : Buffer.from(body),
  };
  const signed = await signRequest(request, KEYS, SCOPE);
  expect(signed["authorization"]).toBe(
    `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${names}, Signature=${signature}`,
  );
});

test("the receiving side computes the same signature, and any change breaks it", async () => {
  const scope = { region: "eu-west-1", service: "lambda", signedAt: new Date("2026-01-01T00:00:00Z") };
  const now = scope.signedAt.getTime();
  const url = new URL("https://abc.lambda-url.eu-west-1.on.aws/a%20b/%C3%BC?q=a%26b%20c&r=%C3%BC&q=2&empty=");
  const body = Buffer.from('{"orderId":"123"}');
  const headers = { "content-type": "application/json", "x-job-id": "1" };
  const signed = await signRequest({ url, method: "PUT", headers, body }, KEYS, scope);
  const request = { method: "PUT", target: url.pathname + url.search, headers: { ...signed, host: url.host }, body };
  expect(isSigned(request, KEYS, now)).toBe(true);

  const changed = {
    method: { ...request, method: "POST" },
    path: { ...request, target: request.target.replace("/a%20b", "/a") },
    query: { ...request, target: `${request.target}&more=1` },
    body: { ...request, body: Buffer.from("{}") },
    host: { ...request, headers: { ...request.headers, host: "other.lambda-url.eu-west-1.on.aws" } },
    "a signed header": { ...request, headers: { ...request.headers, "x-job-id": "2" } },
    "no signature": { ...request, headers: { ...request.headers, authorization: undefined } },
  };
  for (const [what, other] of Object.entries(changed))
    expect([what, isSigned(other, KEYS, now)]).toEqual([what, false]);
  expect(isSigned(request, { ...KEYS, secretAccessKey: "another" }, now)).toBe(false);
  expect(isSigned(request, KEYS, now + 6 * 60_000)).toBe(false);
});

// ---- The execution type ----

function call(functionUrl: string, proxy: Record<string, unknown> = {}) {
  const lambdaProxyMessage = { path: "/events/order", httpMethod: "POST", body: '{"orderId":"order-789"}', ...proxy };
  return { message: { lambdaProxyMessage, execution: { type: "lambda-url", functionUrl } } };
}

async function run(name: string, proxy: Record<string, unknown>, status: string) {
  const { token } = await newApp();
  const body = call(`${stack.url}/lambda-url/${name}/`, proxy);
  const created = await stack.call("POST", "/v1/jobs/create", { token, body });
  expect(created.status).toBe(201);
  return jobIn(stack, token, created.body.data.id, status);
}

test("a function's URL is called with path, query, method, headers and body, and takes the signature", async () => {
  const proxy = {
    path: "/events/ü b",
    httpMethod: "PATCH",
    headers: { "Content-Type": "application/json", "X-Custom": "kept" },
    queryStringParameters: { q: "a&b c", ü: "+" },
  };
  const job = await run("called-echo", proxy, "SUCCEEDED");
  expect(job.attempts).toMatchObject([{ outcome: "succeeded", httpStatus: 203 }]);
});

test("what the function answers decides", async () => {
  const refused = await run("called-refuse", {}, "RETRYING");
  expect(refused.attempts).toMatchObject([{ httpStatus: 422, responseExcerpt: "no such order" }]);
  expect((await run("called-fail", {}, "RETRYING")).lastError).toBe("HTTP 502");
  expect((await run("nobody", {}, "RETRYING")).lastError).toBe("HTTP 404");
});

test("without a signature a function's URL answers 403", async () => {
  const answer = await stack.call("POST", "/lambda-url/called-echo/events", { body: {} });
  expect(answer.status).toBe(403);
  expect(answer.body).toEqual({ Message: "Forbidden" });
});

test.each([
  "https://example.com/",
  "https://lambda-url.eu-west-1.on.aws/",
  "https://abc.lambda-url.eu-west-1.on.aws.evil.example/",
  "https://abc.lambda-url.eu-west-1.on.aws:8443/",
  "http://abc.lambda-url.eu-west-1.on.aws/",
  "https://evil.example/?x=.lambda-url.eu-west-1.on.aws",
  "http://127.0.0.1:1/lambda-url/echo/",
])("requests to %s are refused, not signed", async (functionUrl) => {
  const { token } = await newApp();
  const { status, body } = await stack.call("POST", "/v1/jobs/create", { token, body: call(functionUrl) });
  expect(status).toBe(400);
  expect(body.error.details[0].field).toBe("message.execution.functionUrl");
});

test("a real function URL is accepted", async () => {
  const { token } = await newApp();
  const body = call("https://xyz789abc.lambda-url.ap-northeast-2.on.aws/");
  expect((await stack.call("POST", "/v1/jobs/create", { token, body })).status).toBe(201);
});
