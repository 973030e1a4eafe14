import { expect, test } from "vitest";
import { sentRequest } from "../../lib/executors/sent-request.ts";
import { proxyMessage } from "../../lib/executors/message-schema.ts";
import { changedRequest } from "../../lib/api/unified/resent-request.ts";
import { flatJob, postedOf } from "../../lib/api/unified/flat-job.ts";
import { flatOf, flatView } from "../../lib/api/unified/flat-view.ts";
import type { Message } from "../../lib/job/message.ts";
import { targetUrl } from "../../lib/outbound/target-url.ts";

const base = { path: "/hook", httpMethod: "GET", body: null };

function messageOf(more: object): Message {
  const execution = { type: "rest-api", baseUrl: "https://a.example" };
  return { lambdaProxyMessage: proxyMessage.parse({ ...base, ...more }), execution, metadata: {} };
}

/** The request that a webhook would make. */
function sent(more: object) {
  const message = messageOf(more);
  const clock = { now: () => 0, realNow: () => 0, waitFor: (ms: number) => ms };
  return sentRequest("a job", { number: 1, startedAt: 0, outcome: "succeeded", httpStatus: 200 }, message, clock);
}

test.each([
  [{ multiValueQueryStringParameters: { a: ["1", "2"], "b[]": ["x y", "+"] } }, "?a=1&a=2&b%5B%5D=x%20y&b%5B%5D=%2B"],
  // As API Gateway has it: the last value in the one field, all of them in the other.
  [
    { queryStringParameters: { a: "2", b: "3" }, multiValueQueryStringParameters: { a: ["1", "2"], b: ["3"] } },
    "?a=1&a=2&b=3",
  ],
  [{ queryStringParameters: { z: "0", a: "2" }, multiValueQueryStringParameters: { a: ["2", "1"] } }, "?z=0&a=2&a=1"],
  [
    { multiValueQueryStringParameters: { constructor: ["1"] }, queryStringParameters: { toString: "2" } },
    "?toString=2&constructor=1",
  ],
  [{ multiValueQueryStringParameters: null, multiValueHeaders: null }, ""],
  [{ path: "/hook?a=1+2&b=%2B&c=%20", queryStringParameters: { d: "1+2 3" } }, "?a=1+2&b=%2B&c=%20&d=1%2B2%203"],
  [{ path: "/hook?a=1&&b=&c&d==", queryStringParameters: {} }, "?a=1&&b=&c&d=="],
])("the query of %j is %s", (more, query) => {
  expect(targetUrl("https://a.example", proxyMessage.parse({ ...base, ...more })).href).toBe(
    `https://a.example/hook${query}`,
  );
});

test.each([
  [{ multiValueHeaders: { "X-Tag": ["a", "b"], accept: ["text/html"] } }, { "x-tag": "a, b", accept: "text/html" }],
  [
    { headers: { "X-TAG": "b", "X-One": "1" }, multiValueHeaders: { "x-tag": ["a", "b"] } },
    { "x-tag": "a, b", "x-one": "1" },
  ],
  [{ headers: { "X-Same": "1", "x-same": "1" } }, { "x-same": "1" }],
  [{ multiValueHeaders: { Cookie: ["a=1", "b=2"] } }, { cookie: "***" }],
  [{ multiValueHeaders: { "content-type": ["text/csv"] }, body: "[1]" }, { "content-type": "text/csv" }],
])("the headers of %j are sent", (more, headers) => {
  expect(sent(more)?.headers).toMatchObject(headers);
});

test("headers of a proxy, of a connection and of this service are left out of lists too", () => {
  const multiValueHeaders = {
    Connection: ["close", "x-hop"],
    "X-Hop": ["1"],
    "X-Forwarded-For": ["1"],
    "webhook-id": ["a"],
  };
  const headers = sent({ multiValueHeaders })?.headers ?? {};
  expect(Object.keys(headers).toSorted()).toEqual([
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-job-attempt",
    "x-job-id",
  ]);
  expect(headers["webhook-id"]).toBe("a job");
});

test.each([
  [{ headers: { "X-A": "1", "x-a": "2" } }, "headers.x-a", /is the header X-A with another value.*give it once/],
  [
    { multiValueHeaders: { "X-A": ["1"], "x-a": ["2"] } },
    "multiValueHeaders.x-a",
    /is the header X-A with another value/,
  ],
  [
    { multiValueHeaders: { "Content-Type": ["a/b", "c/d"] } },
    "multiValueHeaders.Content-Type",
    /has 2 values: expected one/,
  ],
  [{ headers: { a: "3" }, multiValueHeaders: { A: ["1", "2"] } }, "headers.a", /not among those in multiValueHeaders/],
  [
    { queryStringParameters: { a: "3" }, multiValueQueryStringParameters: { a: ["1"] } },
    "queryStringParameters.a",
    /not among those in multiValueQueryStringParameters/,
  ],
  [{ multiValueHeaders: { a: [] } }, "multiValueHeaders.a", /./],
  [{ multiValueHeaders: { a: ["b\r\nc: d"] } }, "multiValueHeaders.a.0", /must be Latin-1 text without line breaks/],
  [
    { multiValueHeaders: { a: Array.from({ length: 20 }, () => "v".repeat(1_000)) } },
    "multiValueHeaders",
    /16 KB with headers/,
  ],
  [{ multiValueQueryStringParameters: { a: "1" } }, "multiValueQueryStringParameters.a", /array/],
])("%j is refused at %s", (more, path, message) => {
  const { issues = [] } = proxyMessage.safeParse({ ...base, ...more }).error ?? {};
  expect(issues.map((issue) => issue.path.join("."))).toContain(path);
  expect(issues.map((issue) => issue.message).join()).toMatch(message);
});

test("a job on one level has lists of headers, comes back as it was written, and shows no credentials", () => {
  const headers = { "X-Tag": ["a", "b"], "X-One": "1", "X-Api-Key": ["k1", "k2"] };
  const job = flatJob.parse({ url: "https://a.example/hook?a=1+2&a=3", headers, body: { n: 1 } });
  const posted = postedOf(job) as { message: Message };
  const message = { ...posted.message, lambdaProxyMessage: proxyMessage.parse(posted.message.lambdaProxyMessage) };
  expect(message.lambdaProxyMessage.multiValueHeaders).toEqual({ "X-Tag": ["a", "b"], "X-Api-Key": ["k1", "k2"] });
  const written = { "content-type": "application/json", ...headers };
  expect(flatOf(message)).toMatchObject({ url: "https://a.example/hook?a=1+2&a=3", headers: written });
  expect(flatView(message)).toMatchObject({ headers: { ...written, "X-Api-Key": ["***"] } });
  const twins = flatJob.safeParse({ url: "https://a.example", headers: { a: "1", A: ["1", "2"] } });
  expect(twins.error?.issues[0]).toMatchObject({ path: ["headers", "A"] });
});

test("a job is sent again with its lists, which changes replace, take away and keep", () => {
  const { execution, lambdaProxyMessage: request } = messageOf({
    multiValueQueryStringParameters: { a: ["1", "2"] },
    headers: { "X-One": "1" },
    multiValueHeaders: { "X-Tag": ["a", "b"], "X-Api-Key": ["k1", "k2"], "X-Gone": ["c"] },
  });
  const again = (asked: object) => changedRequest({ execution, request }, asked).lambdaProxyMessage;
  expect(again({})).toEqual(request);
  const changed = again({ headers: { "x-tag": "d", "X-API-Key": "***", "x-gone": null } });
  expect(changed).toMatchObject({ headers: { "X-One": "1", "x-tag": "d" } });
  expect(changed.multiValueHeaders).toEqual({ "X-API-Key": ["k1", "k2"] });
  const moved = again({ url: "https://a.example/other?b=1" });
  expect(targetUrl("https://a.example", moved).href).toBe("https://a.example/other?b=1");
  expect(() => again({ url: "https://b.example/" })).toThrow(
    expect.objectContaining({ details: [expect.objectContaining({ field: "headers.X-Api-Key" })] }),
  );
});
