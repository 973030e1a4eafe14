import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { fetchWhole, send } from "../../lib/outbound/send.ts";

// Answers as no tidy server writes them, byte by byte.

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that has `answer` write to the socket of each request. */
async function serverOf(answer: (socket: Socket) => unknown, when: "request" | "connection" = "request") {
  const seen = { requests: 0, connections: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    seen.connections += 1;
    sockets.add(socket.on("error", () => {}));
    if (when === "connection") answer(socket);
    socket.on("data", (chunk) => {
      if (!chunk.includes("HTTP/1.1\r\n")) return;
      seen.requests += 1;
      if (when === "request") answer(socket);
    });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  servers.push({
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), seen };
}

const request = (url: URL, method = "POST", body: Uint8Array | null = Buffer.from("{}")) => ({
  appId: "an app",
  url,
  method,
  headers: {},
  body,
  signal: AbortSignal.timeout(5_000),
  allowPrivateTargets: true,
});

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const padding = (bytes: number) => `X-Padding: ${"p".repeat(bytes)}\r\n`;
const manyCookies = Array.from({ length: 50 }, (_, n) => `Set-Cookie: c${n}=${"v".repeat(1_000)}\r\n`).join("");

const COUNTS: readonly [name: string, answer: string | readonly string[], status: number, excerpt?: string][] = [
  ["a plain answer", OK, 200],
  ["100 Continue that nobody asked for", `HTTP/1.1 100 Continue\r\n\r\n${OK}`, 200],
  ["100 Continue in a packet of its own", ["HTTP/1.1 100 Continue\r\n\r\n", OK], 200],
  [
    "several interim answers",
    `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`,
    200,
  ],
  ["headers of 20 KB", `HTTP/1.1 200 OK\r\n${padding(20_000)}Content-Length: 2\r\n\r\nok`, 200],
  ["headers of almost 64 KB", `HTTP/1.1 200 OK\r\n${padding(65_400)}Content-Length: 2\r\n\r\nok`, 200],
  ["50 KB of cookies", `HTTP/1.1 200 OK\r\n${manyCookies}Content-Length: 2\r\n\r\nok`, 200],
  ["the same Content-Length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200],
  ["… in packets of their own", ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConte", "nt-Length: 2\r\n", "\r\nok"], 200],
  ["the same Content-Length in a list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 200],
  ["two other Content-Lengths", "HTTP/1.1 500 No\r\nContent-Length: 4\r\nContent-Length: 2\r\n\r\nok", 500, "ok"],
  ["a Content-Length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", 200, ""],
  ["folded headers", "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok", 200],
  ["headers that come in letters", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok".split(""), 200],
  [
    "Transfer-Encoding and Content-Length",
    `HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    200,
  ],
  [
    "Transfer-Encoding twice",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    200,
  ],
  ["Transfer-Encoding: identity", `HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok`, 200],
  ["no reason phrase", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200],
  ["an accent in the reason phrase", "HTTP/1.1 200 Créé\r\nContent-Length: 2\r\n\r\nok", 200],
  ["two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", 200],
  ["http in lower case", "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200],
  ["HTTP/2.0 on a connection of HTTP/1.1", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200],
  ["line ends without carriage return", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200],
  ["line ends of both kinds", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok", 200],
  ["empty lines before the status line", `\r\n\r\n${OK}`, 200],
  ["a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", 200],
  ["a header without colon", "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok", 200],
  ["a header's name with a space", "HTTP/1.1 200 OK\r\nMy Header: x\r\nContent-Length: 2\r\n\r\nok", 200],
  ["control characters in a header", "HTTP/1.1 200 OK\r\nX-Odd: a\0b\x01\r\nContent-Length: 2\r\n\r\nok", 200],
  ["a body longer than its Content-Length", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nok and more", 500, "ok"],
  ["a status outside of the classes", "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok", 799],
  ["204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", 204, ""],
  ["304 with a Content-Length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", 304, ""],
];

test.each(COUNTS)("%s counts as the answer that it is", async (_, answer, status, excerpt = "ok") => {
  const { url, seen } = await serverOf(async (socket) => {
    for (const part of typeof answer === "string" ? [answer] : answer) {
      await new Promise((written) => void socket.setNoDelay().write(part, "latin1", written));
      await new Promise(setImmediate);
    }
  });
  expect(await send(request(url))).toMatchObject({ kind: "answered", status, excerpt });
  // The next request gets its own answer, whatever is left of this one.
  expect(await send(request(url))).toMatchObject({ kind: "answered", status });
  expect(seen.requests).toBe(2);
});

const ENDS: readonly [name: string, answer: string, status: number, excerpt: string][] = [
  ["HTTP/1.0 without length", "HTTP/1.0 200 OK\r\n\r\nok", 200, "ok"],
  ["HTTP/1.1 without length", "HTTP/1.1 200 OK\r\n\r\nok", 200, "ok"],
  ["a body shorter than its Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 200, "ok"],
  ["chunks that are cut", "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok", 500, "ok"],
  ["chunks that are none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nok", 200, ""],
];

test.each(ENDS)(
  "%s, and then the end of the connection, counts as the answer that it is",
  async (...[, answer, status, excerpt]) => {
    const { url, seen } = await serverOf((socket) => socket.end(answer));
    expect(await send(request(url))).toMatchObject({ kind: "answered", status, excerpt });
    expect(seen.requests).toBe(1);
  },
);

test("what was cut is no whole answer", async () => {
  const { url } = await serverOf((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"));
  expect(await fetchWhole(request(url, "GET", null), 1_000)).toEqual({
    kind: "failed",
    reason: "the connection ended before a complete answer",
  });
});

test("an answer that comes before the request was read counts, even if the connection is reset", async () => {
  const { url } = await serverOf((socket) => {
    socket.pause();
    socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large", () => socket.resetAndDestroy());
  });
  for (let n = 0; n < 5; n += 1) {
    expect(await send(request(url, "POST", Buffer.alloc(6 * 1_024 * 1_024)))).toMatchObject({ status: 413 });
  }
});

const REFUSED: readonly [name: string, answer: string, reason: string][] = [
  [
    "another protocol",
    "SSH-2.0-OpenSSH_9.2\r\n",
    'the answer is not HTTP: expected a status line such as "HTTP/1.1 200 OK", came "SSH-2.0-OpenSSH_9.2"',
  ],
  [
    "a page without status line",
    "<html>ok</html>\n",
    'the answer is not HTTP: expected a status line such as "HTTP/1.1 200 OK", came "<html>ok</html>"',
  ],
  ["binary", "\0\0\x12\x04é", 'the answer is not HTTP: expected a status line such as "HTTP/1.1 200 OK", came "....."'],
  [
    "a status line without status",
    "HTTP/1.1 OK\r\n\r\n",
    'the answer is not HTTP: expected a status line such as "HTTP/1.1 200 OK", came "HTTP/1.1 OK"',
  ],
  ["an alert of TLS", "\x15\x03\x03\0\x02\x02\x46", "the answer is not HTTP but TLS; try https"],
  ["headers over 64 KB", `HTTP/1.1 200 OK\r\n${padding(70_000)}\r\n`, "the headers of the answer are over 64 KB"],
  [
    "a change of protocols",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "the target changed to another protocol (HTTP 101)",
  ],
  ["headers without end", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "the connection ended before a complete answer"],
];

test.each(REFUSED)("%s is no answer, and the error says so", async (_, answer, reason) => {
  const { url } = await serverOf((socket) => socket.end(answer, "latin1"));
  expect(await send(request(url))).toEqual({ kind: "failed", reason });
});

test("a server that speaks first is no HTTP server", async () => {
  const { url } = await serverOf((socket) => socket.write("220 mail.example ESMTP\r\n"), "connection");
  expect(await send(request(url))).toMatchObject({ kind: "failed", reason: expect.stringContaining('came "220 mail') });
});

test("https to a server without TLS says so, and does not blame a certificate", async () => {
  const { url } = await serverOf((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"), "connection");
  expect(await send(request(new URL(url.href.replace("http:", "https:"))))).toEqual({
    kind: "failed",
    reason: "the target does not speak TLS; try http",
  });
});

test("connections are shared after plain answers, and closed after odd ones", async () => {
  const plain = await serverOf((socket) => socket.write(OK));
  for (let n = 0; n < 4; n += 1) {
    await send(request(plain.url));
    // The client takes a connection again in the next round of the event loop.
    await new Promise(setImmediate);
  }
  expect(plain.seen.connections).toBe(1);
  // Bytes behind an answer with two lengths must not be taken for the answer to another tenant's request.
  const odd = await serverOf(
    (socket) =>
      void socket.write(
        `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\nHTTP/1.1 500 Forged\r\n\r\n`,
      ),
  );
  for (let n = 0; n < 4; n += 1) expect(await send(request(odd.url))).toMatchObject({ status: 200 });
  expect(odd.seen.connections).toBe(4);
});

test("each Retry-After of an answer is told", async () => {
  const { url } = await serverOf(
    (socket) =>
      void socket.write("HTTP/1.1 503 No\r\nRetry-After: 120\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n"),
  );
  expect(await send(request(url))).toMatchObject({ status: 503, retryAfter: ["120", "300"] });
});
