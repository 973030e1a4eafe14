import { randomUUID } from "node:crypto";
import { createSecureServer, performServerHandshake, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { createServer as createTls } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { fetchWhole, send } from "../../lib/outbound/send.ts";
import { CERTIFICATE, trustCertificate } from "../support/certificate.ts";

// Targets that speak HTTP/2 alone.

let distrust: () => void;
beforeAll(() => {
  distrust = trustCertificate();
});
afterAll(() => distrust());

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listening(server: Server, port = 0): Promise<URL> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})));
  await new Promise<void>((done) => {
    server.listen(port, "127.0.0.1", done);
  });
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=1+2`);
}

type Answering = (stream: ServerHttp2Stream, body: Buffer) => unknown;

interface Seen {
  readonly requests: { readonly headers: Record<string, unknown>; readonly body: string }[];
  connections: number;
  refused: number;
}

/** Answers a request once its body has come, or at once. */
async function http2Server(answer: Answering, when: "whole" | "head" = "whole") {
  const seen: Seen = { requests: [], connections: 0, refused: 0 };
  const server = createSecureServer({ ...CERTIFICATE, maxSendHeaderBlockLength: 1_000_000 });
  server.on("tlsClientError", () => (seen.refused += 1));
  server.on("session", () => (seen.connections += 1));
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (when === "head") return void answer(stream, Buffer.alloc(0));
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    return stream.on("end", () => {
      const body = Buffer.concat(chunks);
      seen.requests.push({ headers, body: body.toString() });
      answer(stream, body);
    });
  });
  return { url: await listening(server), seen };
}

const request = (url: URL, more: Partial<Parameters<typeof send>[0]> = {}) => ({
  appId: "an app",
  url,
  method: "POST",
  headers: { "content-type": "application/json", "x-tag": ["a", "b"] },
  body: Buffer.from("{}"),
  signal: AbortSignal.timeout(60_000),
  allowPrivateTargets: true,
  now: () => performance.now(),
  ...more,
});

const ok: Answering = (stream) => {
  stream.respond({ ":status": 200, "x-answer": "one", "content-length": "2" });
  stream.end("ok");
};

test("a target that speaks HTTP/2 alone gets each request once, and after the first without a try by HTTP/1.1", async () => {
  const { url, seen } = await http2Server(ok);
  for (let n = 0; n < 3; n += 1) {
    expect(await send(request(url))).toMatchObject({
      kind: "answered",
      status: 200,
      excerpt: "ok",
      headers: { "x-answer": "one" },
      timings: { tls: expect.any(Number), answer: expect.any(Number) },
    });
  }
  expect(seen).toMatchObject({ connections: 3, refused: 1 });
  expect(seen.requests.map(({ body }) => body)).toEqual(["{}", "{}", "{}"]);
  expect(seen.requests[0]?.headers).toMatchObject({
    ":method": "POST",
    ":path": "/hook?a=1+2",
    ":authority": url.host,
    "content-type": "application/json",
    "content-length": "2",
    "x-tag": "a, b",
  });
  expect(await fetchWhole(request(url, { method: "GET", body: null }), 10)).toEqual({
    kind: "answered",
    status: 200,
    body: Buffer.from("ok"),
  });
  expect(await fetchWhole(request(url), 1)).toEqual({ kind: "too large" });
});

test("the way to an address that must not be called is closed for HTTP/2 too", async () => {
  const { url, seen } = await http2Server(ok);
  await send(request(url));
  expect(await send(request(url, { allowPrivateTargets: false }))).toEqual({ kind: "blocked" });
  const named = new URL(url);
  named.hostname = "localhost";
  expect(await send(request(named, { allowPrivateTargets: false }))).toEqual({ kind: "blocked" });
  expect(seen.connections).toBe(1);
});

const CUT: readonly [name: string, end: Answering][] = [
  ["is reset without an error", (stream) => stream.close(0)],
  ["is cancelled", (stream) => stream.close(8)],
  ["is reset with an error", (stream) => stream.close(2)],
  ["ends with its connection", (stream) => stream.session?.destroy()],
  ["is shorter than its content-length", (stream) => stream.end()],
];

test.each(CUT)("an answer that %s counts by its status, and not as whole", async (_, end) => {
  const { url, seen } = await http2Server((stream, body) => {
    stream.respond({ ":status": 200, "content-length": "9" });
    stream.write("ok", () => void setImmediate().then(() => end(stream, body)));
  });
  expect(await send(request(url))).toMatchObject({ kind: "answered", status: 200 });
  expect(await fetchWhole(request(url), 1_000)).toMatchObject({
    kind: "failed",
    reason: "the connection ended before a complete answer",
  });
  expect(seen.requests).toHaveLength(2);
});

const NONE: readonly [name: string, answer: Answering][] = [
  ["refuses the stream", (stream) => stream.close(7)],
  ["goes away", (stream) => stream.session?.goaway(13, 0)],
  ["closes the connection", (stream) => stream.session?.destroy()],
  [
    "answers with more headers than any",
    (stream) => stream.respond(Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`x-${n}`, "p"]))),
  ],
];

test.each(NONE)("a target that %s has not answered, and is not asked again by itself", async (_, answer) => {
  const { url, seen } = await http2Server(answer);
  expect(await send(request(url))).toMatchObject({
    kind: "failed",
    reason: "the connection ended before a complete answer",
  });
  expect(seen.requests).toHaveLength(1);
});

test("headers over 64 KB are no answer, and the error says so", async () => {
  const { url } = await http2Server((stream) => stream.respond({ ":status": 200, "x-much": "p".repeat(70_000) }));
  expect(await send(request(url))).toMatchObject({ reason: "the headers of the answer are over 64 KB" });
});

test("an answer without end is read to 64 KB, and one that does not come is waited for until the time-out", async () => {
  let written = 0;
  let closed = Promise.withResolvers<void>();
  const endless = await http2Server((stream) => {
    stream.respond({ ":status": 500 });
    stream.once("close", () => closed.resolve());
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(16_384, "x"))) written += 16_384;
      if (!stream.destroyed) stream.once("drain", more);
    };
    more();
  });
  expect(await send(request(endless.url))).toMatchObject({ status: 500, excerpt: "x".repeat(1_024) });
  await closed.promise;
  expect(written).toBeLessThan(4 * 1_024 * 1_024);
  closed = Promise.withResolvers<void>();
  const silent = await http2Server((stream) => void stream.once("close", () => closed.resolve()));
  const inTime = { signal: AbortSignal.timeout(300) };
  expect(await send(request(silent.url, inTime))).toMatchObject({ reason: "no complete answer in time" });
  await closed.promise;
  expect(silent.seen.requests).toHaveLength(1);
});

test("an answer that comes before the request was read counts", async () => {
  const { url } = await http2Server((stream) => {
    stream.respond({ ":status": 413 });
    stream.end("too large");
  }, "head");
  const large = { body: Buffer.alloc(1_024 * 1_024) };
  expect(await send(request(url, large))).toMatchObject({ kind: "answered", status: 413, excerpt: "too large" });
});

test("a target that speaks HTTP/2 without saying so is understood, and one that changes to HTTP/1.1 too", async () => {
  const paths: unknown[] = [];
  const server = createTls(CERTIFICATE, (socket) => {
    socket.on("error", () => {});
    performServerHandshake(socket)
      .on("error", () => {})
      .on("stream", (stream, headers) => {
        paths.push(headers[":path"]);
        stream.on("error", () => {});
        ok(stream, Buffer.alloc(0));
      });
  });
  const url = await listening(server);
  for (let n = 0; n < 2; n += 1) expect(await send(request(url))).toMatchObject({ status: 200, excerpt: "ok" });
  expect(paths).toHaveLength(2);
  for (const close of closing.splice(0)) close();
  await new Promise((closed) => void server.once("close", closed));
  let requests = 0;
  const changed = createHttps(CERTIFICATE, (_, response) => {
    requests += 1;
    response.end("by 1.1");
  });
  await listening(changed, Number(url.port));
  const appId = randomUUID();
  expect(await send(request(url, { appId }))).toMatchObject({ status: 200, excerpt: "by 1.1" });
  expect(await send(request(url, { appId }))).toMatchObject({ status: 200, excerpt: "by 1.1" });
  expect(requests).toBe(2);
});

test.each([
  [464, {}],
  [505, {}],
  [426, { upgrade: "foo, h2" }],
])("a target that refuses HTTP/1.1 by HTTP %i is asked by HTTP/2", async (status, headers) => {
  let refused = 0;
  let answered = 0;
  const server = createSecureServer({ ...CERTIFICATE, allowHTTP1: true }, (asked, response) => {
    if (asked.httpVersion === "2.0") {
      answered += 1;
      response.end("by 2");
    } else {
      refused += 1;
      response.writeHead(status, headers).end("no");
    }
  });
  const url = await listening(server);
  for (let n = 0; n < 2; n += 1) expect(await send(request(url))).toMatchObject({ status: 200, excerpt: "by 2" });
  expect([refused, answered]).toEqual([1, 2]);
});

test("a target that refuses HTTP/1.1 and knows no HTTP/2 has answered", async () => {
  const server = createHttps(CERTIFICATE, (_, response) => response.writeHead(505).end("old"));
  expect(await send(request(await listening(server)))).toMatchObject({ kind: "answered", status: 505, excerpt: "old" });
});

test("a target without a choice of protocols that refuses HTTP/1.1 has answered", async () => {
  let asked = 0;
  const server = createTls({ ...CERTIFICATE, ALPNProtocols: undefined }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      asked += 1;
      socket.end("HTTP/1.1 505 Old\r\nContent-Length: 3\r\n\r\nold");
    });
  });
  expect(await send(request(await listening(server)))).toMatchObject({ kind: "answered", status: 505, excerpt: "old" });
  expect(asked).toBe(1);
});

const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

test.each([
  ["an interim answer", "HTTP/1.1 103 Early Hints\r\n\r\n", 1],
  ["an answer on the same connection", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 2],
])("a target that has spoken HTTP/1.1 by %s gets no request again by HTTP/2", async (_, first, times) => {
  let came = 0;
  let connections = 0;
  const server = createTls({ ...CERTIFICATE, ALPNProtocols: ["http/1.1"] }, (socket) => {
    connections += 1;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      // The body is last.
      if (!chunk.toString().endsWith("{}")) return;
      came += 1;
      if (came === 1) socket.write(first);
      if (came === times) socket.write(SETTINGS);
    });
  });
  const url = await listening(server);
  const appId = randomUUID();
  // After a turn of the loop, the connection is free for the next one.
  for (let n = 1; n < times; n += 1) await send(request(url, { appId })).then(() => setImmediate());
  expect(await send(request(url, { appId }))).toMatchObject({
    kind: "failed",
    reason: expect.stringContaining("not HTTP"),
  });
  expect([came, connections]).toEqual([times, 1]);
});

test("a target that speaks neither says so", async () => {
  const url = await listening(createTls({ ...CERTIFICATE, ALPNProtocols: ["spdy/1"] }, (socket) => socket.destroy()));
  expect(await send(request(url))).toMatchObject({ reason: "the target speaks neither HTTP/1.1 nor HTTP/2" });
});
