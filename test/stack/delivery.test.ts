import { randomBytes } from "node:crypto";
import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, jobIn, newApp, sharedStack, webhook, type JobOptions, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

/** Submits a webhook to its own path, and waits for the end of the first attempt. */
async function deliver(options: Partial<JobOptions>, status = "SUCCEEDED", app = newApp()) {
  const { token } = await app;
  const path = `/${randomBytes(6).toString("hex")}`;
  const body = webhook({ url: target.url, path, ...options });
  const created = await stack.call("POST", "/v1/jobs/create", { token, body });
  expect(created.status).toBe(201);
  const job = await jobIn(stack, token, created.body.data.id, status);
  return { job, request: target.received.find(({ url }) => url.startsWith(path)) };
}

test("a delivered job has one attempt with its start, duration, outcome and HTTP status", async () => {
  const { job, request } = await deliver({});
  expect(request?.body.toString()).toBe('{"orderId":"123"}');
  expect(job.attempts).toEqual([
    {
      number: 1,
      startedAt: expect.stringMatching(/Z$/),
      durationMs: expect.any(Number),
      outcome: "succeeded",
      httpStatus: 200,
      error: null,
      responseExcerpt: null,
      responseHeaders: { "content-length": "0" },
      timings: expect.objectContaining({ dnsMs: null, tlsMs: null, answerMs: expect.any(Number) }),
      request: {
        method: "POST",
        url: request && target.url + request.url,
        headers: expect.objectContaining({ "x-job-attempt": "1", "webhook-signature": "***" }),
        bodyBytes: 17,
      },
    },
  ]);
  expect(job).toMatchObject({ retryCount: 0, nextRetryAt: null, lastError: null });
  expect(Date.parse(job.attempts[0].startedAt)).toBeGreaterThanOrEqual(Date.parse(job.createdAt));
});

test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])("%s is sent as asked", async (method) => {
  const { request } = await deliver({ method, body: method === "GET" || method === "HEAD" ? null : "text" });
  expect(request?.method).toBe(method);
  expect(request?.body.toString()).toBe(method === "GET" || method === "HEAD" ? "" : "text");
});

test("every attempt says which job and attempt it is, and when", async () => {
  const began = Math.floor(Date.now() / 1_000);
  const { job, request } = await deliver({ headers: { "x-job-attempt": "7", "webhook-id": "forged" } });
  const own = { "x-job-id": job.id, "x-job-attempt": "1", "webhook-id": job.id, "user-agent": "unified-job-api" };
  expect(request?.headers).toMatchObject(own);
  const seconds = Number(request?.headers["webhook-timestamp"]);
  expect(seconds).toBeGreaterThanOrEqual(began);
  expect(seconds).toBeLessThanOrEqual(Date.now() / 1_000);
});

test("the caller's headers arrive, but not those of a connection or of a proxy", async () => {
  const { request } = await deliver({
    headers: {
      "Content-Type": "application/json",
      "X-Custom-Header": "kept",
      Host: "evil.example",
      Connection: "close, X-Hop",
      "X-Hop": "gone",
      "Transfer-Encoding": "chunked",
      "Content-Length": "9999",
      Expect: "100-continue",
      "Proxy-Authorization": "Basic x",
      "X-Forwarded-For": "10.0.0.1",
      Forwarded: "for=10.0.0.1",
      "X-Amz-Security-Token": "x",
      "webhook-signature": "forged",
      webhook_signature: "forged",
      "http2-settings": "x",
    },
  });
  expect(request?.headers).toMatchObject({
    "content-type": "application/json",
    "x-custom-header": "kept",
    host: new URL(target.url).host,
    "content-length": "17",
  });
  for (const name of [
    "x-hop",
    "expect",
    "proxy-authorization",
    "x-forwarded-for",
    "forwarded",
    "x-amz-security-token",
    "webhook_signature",
    "http2-settings",
  ]) {
    expect(request?.headers).not.toHaveProperty(name);
  }
  expect(request?.headers["webhook-signature"]).not.toContain("forged");
});

test("no header arrives by which a proxy tells who is calling, however it is spelt", async () => {
  const forged = `
    X-Amzn-Oidc-Identity x-amzn-trace-id X-Real-IP Via X-Original-URL X-Rewrite-URL True-Client-IP X-Forwarded-Host
    X-Forwarded x_forwarded_for X.Forwarded.For x~real~ip X-Original-Forwarded-For Client-IP X-Client-IP
    X-Cluster-Client-IP X-Remote-User Remote-Addr Proxy CF-Connecting-IP Fastly-Client-IP Fly-Client-IP
    X-Azure-SocketIP X-MS-Client-Principal-Name X-Goog-IAP-JWT-Assertion X-Envoy-External-Address
    X-SSL-Client-Verify X-Middleware-Subrequest CloudFront-Viewer-Address CDN-Loop WL-Proxy-Client-IP
    Incap-Client-IP DO-Connecting-IP X-Custom-IP-Authorization HTTP_X_FORWARDED_FOR X-Consumer-Username
    X-Authenticated-Userid X-WebAuth-User Tailscale-User-Login X-ProxyUser-IP X-ClientIP X_RemoteIP X-True-IP
    X-ForwardedFor X-Client-Verify X-SSL X-Replaced-Path X-WAWS-Unencoded-URL Disguised-Host X-Endpoint-API-UserInfo
    X-JWT-Assertion X-MS-Token-AAD-Access-Token EO-Connecting-IP Cdn-Src-IP X-Shopify-Client-IP Z-Forwarded-For OIDC_CLAIM_sub
    l5d-client-id X-SPIFFE-ID CF-IPCity
  `
    .trim()
    .split(/\s+/);
  const own = ["X-Client-Id", "CF-Access-Client-Id", "Fastly-Key", "traceparent", "X-Realm", "X-Request-Id", "Viable"];
  const { request } = await deliver({
    headers: Object.fromEntries([...forged, ...own].map((name) => [name, "10.0.0.1"])),
  });
  const arrived = Object.entries(request?.headers ?? {}).filter(([, value]) => value === "10.0.0.1");
  expect(arrived.map(([name]) => name)).toEqual(own.map((name) => name.toLowerCase()));
});

test("a base64 body is decoded", async () => {
  const bytes = randomBytes(300);
  const { request } = await deliver({ body: bytes.toString("base64"), proxy: { isBase64Encoded: true } });
  expect(request?.body.equals(bytes)).toBe(true);
});

test("text of any script, and control characters, arrive unchanged", async () => {
  const body = JSON.stringify({ text: "한국어 ✓ 😀 \u0000 \ufffe \u2028" });
  const { request } = await deliver({ body });
  expect(request?.body.toString()).toBe(body);
  const { token } = await newApp();
  const sent = webhook({ url: target.url, path: "/scripts", body, mode: "sqs" });
  expect((await stack.call("POST", "/v1/jobs/create", { token, body: sent })).status).toBe(202);
  await stack.logged(() => target.received.some(({ url }) => url === "/scripts"));
  expect(target.received.find(({ url }) => url === "/scripts")?.body.toString()).toBe(body);
});

test("baseUrl, path and query make the URL", async () => {
  const { request } = await deliver({
    url: `${target.url}/prefix/`,
    path: "/a b/ü?x=1",
    proxy: { queryStringParameters: { q: "a&b", r: "ü" } },
    method: "GET",
    body: null,
  });
  expect(request).toBeUndefined();
  const found = target.received.find(({ url }) => url.startsWith("/prefix"));
  expect(found?.url).toBe("/prefix/a%20b/%C3%BC?x=1&q=a%26b&r=%C3%BC");
});

test("headers and parameters with several values arrive, and a + in a query as it was written", async () => {
  const { job } = await deliver({
    path: "/lists?a=1+2&b=%2B",
    method: "GET",
    body: null,
    proxy: {
      queryStringParameters: { c: "2" },
      multiValueQueryStringParameters: { c: ["1", "2"], d: ["x+y z"] },
      headers: { "X-Tag": "b" },
      multiValueHeaders: { "x-tag": ["a", "b"], Authorization: ["Bearer secret"] },
    },
  });
  const request = target.received.find(({ url }) => url.startsWith("/lists"));
  expect(request?.url).toBe("/lists?a=1+2&b=%2B&c=1&c=2&d=x%2By%20z");
  expect(request?.headers["x-tag"]).toBe("a, b");
  expect(request?.headers.authorization).toBe("Bearer secret");
  expect(job.lambdaProxyMessage).toMatchObject({ multiValueHeaders: { "x-tag": ["a", "b"], Authorization: ["***"] } });
  expect(job.attempts[0].request).toMatchObject({ headers: { "x-tag": "a, b", authorization: "***" } });
});

test("a failed attempt keeps the status and the first 1 KB of the answer", async () => {
  target.answer((_, response) => {
    response.statusCode = 422;
    response.end(`no such order ${"é".repeat(2_000)}`);
  });
  const { job } = await deliver({}, "RETRYING");
  target.answer((_, response) => response.end());
  expect(job).toMatchObject({ lastError: "HTTP 422", retryCount: 1 });
  expect(job.attempts[0]).toMatchObject({ number: 1, outcome: "retry", httpStatus: 422, error: "HTTP 422" });
  expect(job.attempts[0].responseExcerpt).toMatch(/^no such order é+$/);
  expect(Buffer.byteLength(job.attempts[0].responseExcerpt)).toBeLessThanOrEqual(1_024);
  expect(Date.parse(job.nextRetryAt) - Date.parse(job.updatedAt)).toBe(60_000);
});

test("a redirect is not followed", async () => {
  target.answer((_, response) => response.writeHead(302, { location: "/elsewhere" }).end());
  const { job } = await deliver({}, "RETRYING");
  target.answer((_, response) => response.end());
  expect(job.lastError).toMatch(/^HTTP 302, a redirect to http.*: redirects are not followed$/);
  expect(target.received.some(({ url }) => url === "/elsewhere")).toBe(false);
});

test("an answer without end is cut off after 64 KB", async () => {
  let written = 0;
  target.answer((_, response) => {
    response.statusCode = 500;
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384, "x"))) written += 16_384;
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  });
  const { job } = await deliver({}, "RETRYING");
  target.answer((_, response) => response.end());
  expect(job.attempts[0].responseExcerpt).toHaveLength(1_024);
  expect(written).toBeLessThan(64 * 1_024 * 1_024);
});

test("a slow target ends at the job's own timeout, even while its answer trickles", async () => {
  target.answer((_, response) => {
    const drip = setInterval(() => response.write("."), 50);
    response.on("close", () => clearInterval(drip));
  });
  const { job } = await deliver({ execution: { timeoutSeconds: 1 } }, "RETRYING");
  target.answer((_, response) => response.end());
  expect(job.lastError).toBe("no complete answer in time (1 s)");
  expect(job.attempts[0].durationMs).toBeGreaterThanOrEqual(1_000);
});

test("a target that is down, or closes the connection, is retried", async () => {
  const closed = await startTarget();
  await closed.close();
  expect((await deliver({ url: closed.url }, "RETRYING")).job.lastError).toBe("could not connect to the target");
  target.answer((_, response) => response.destroy());
  const { job } = await deliver({}, "RETRYING");
  target.answer((_, response) => response.end());
  expect(job.lastError).toBe("the connection ended before a complete answer");
});

test("what answers in another protocol is a failed attempt", async () => {
  const server = createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-OpenSSH_9.2\r\n"));
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { job } = await deliver({ url }, "RETRYING");
  server.close();
  expect(job.lastError).toContain("the answer is not HTTP");
});

test("attempts of an app share connections, and none with those of another", async () => {
  const ports: Set<number | undefined>[] = [];
  for (const app of [newApp(), newApp()]) {
    const ofApp = new Set<number | undefined>();
    for (let n = 0; n < 4; n += 1) ofApp.add((await deliver({}, "SUCCEEDED", app)).request?.remotePort);
    ports.push(ofApp);
  }
  const [first, second] = ports;
  // A slow machine may let a connection be idle for too long.
  expect([first?.size, second?.size].every((size = 0) => size < 4)).toBe(true);
  expect([...(first ?? [])].some((port) => second?.has(port))).toBe(false);
});

test("a job of any size arrives whole: inline, beside the job, or in S3", async () => {
  for (const bytes of [10, 3_000, 200_000, 600_000]) {
    const body = randomBytes(bytes).toString("base64");
    const { job, request } = await deliver({ body });
    expect(request?.body.toString()).toBe(body);
    expect(job.lambdaProxyMessage.body).toBe(body);
  }
});

test("a job in mode sqs of any size arrives whole", async () => {
  const { token } = await newApp();
  for (const bytes of [10, 100_000, 600_000]) {
    const body = randomBytes(bytes).toString("base64");
    const sent = webhook({ url: target.url, path: `/sqs-${bytes}`, body, mode: "sqs" });
    expect((await stack.call("POST", "/v1/jobs/create", { token, body: sent })).status).toBe(202);
    await stack.logged(() => target.received.some(({ url }) => url === `/sqs-${bytes}`));
    expect(target.received.find(({ url }) => url === `/sqs-${bytes}`)?.body.toString()).toBe(body);
  }
});

test("jobs of one message group are delivered in the order in which they were accepted", async () => {
  const { token } = await newApp();
  // The first job takes longest, so without a lane the others would overtake it.
  target.answer(({ url }, response) => setTimeout(() => response.end(), url.endsWith("/0") ? 200 : 0));
  for (let n = 0; n < 8; n += 1) {
    const body = webhook({ url: target.url, path: `/lane/${n}`, metadata: { messageGroupId: "orders" } });
    expect((await stack.call("POST", "/v1/jobs/create", { token, body })).body.data.messageGroupId).toBe("orders");
  }
  const inLane = () => target.received.filter(({ url }) => url.startsWith("/lane/"));
  await stack.logged(() => inLane().length === 8);
  target.answer((_, response) => response.end());
  expect(inLane().map(({ url }) => url)).toEqual(Array.from({ length: 8 }, (_, n) => `/lane/${n}`));
});
