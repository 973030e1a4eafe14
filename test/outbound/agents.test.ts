import { randomUUID } from "node:crypto";
import dns from "node:dns";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test, vi } from "vitest";
import type { OutgoingRequest } from "../../lib/outbound/outgoing.ts";
import { fetchWhole, send } from "../../lib/outbound/send.ts";
import { until } from "../support/stack.ts";

// Targets that answer without reading the body: what they take for the next request is the body of the one before.

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Answers each head of a request with its path, whether or not the bytes were meant as one. */
async function startCareless(holds: (path: string) => Promise<void> | undefined = () => undefined) {
  const sockets = new Set<Socket>();
  const seen = { connections: 0, open: () => [...sockets].filter(({ destroyed }) => !destroyed).length };
  const server = createServer((socket) => {
    seen.connections += 1;
    sockets.add(socket.on("error", () => {}));
    let came = "";
    let before = Promise.resolve();
    socket.on("data", (chunk) => {
      came += chunk.toString();
      for (let end = came.indexOf("\r\n\r\n"); end !== -1; end = came.indexOf("\r\n\r\n")) {
        const [, path = "?"] = /\w+ (\S+) HTTP/.exec(came.slice(0, end)) ?? [];
        came = came.slice(end + 4);
        before = before.then(async () => {
          await holds(path);
          socket.write(`HTTP/1.1 200 OK\r\nKeep-Alive: timeout=600\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
        });
      }
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
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const requestOf = (appId: string, url: string, body: string | null = null): OutgoingRequest => ({
  appId,
  url: new URL(url),
  method: body === null ? "GET" : "POST",
  headers: {},
  body: body === null ? null : Buffer.from(body),
  signal: AbortSignal.timeout(60_000),
  allowPrivateTargets: true,
});

/** A connection is free for the next request a turn of the event loop after its answer. */
async function sent(request: OutgoingRequest) {
  const answer = await send(request);
  await turn();
  return answer;
}

const WAYS = {
  webhook: send,
  task: async (request: OutgoingRequest) => fetchWhole(request, 1_000),
};

test.each([
  ["the beginning of a request", "webhook", "GET /forged HTTP/1.1\r\nX: "],
  ["the beginning of a request", "task", "GET /forged HTTP/1.1\r\nX: "],
  ["a request that is answered late", "webhook", "GET /late HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a request that is answered late", "task", "GET /late HTTP/1.1\r\nHost: a\r\n\r\n"],
] as const)("%s in one app's body gives no answer to another app's %s", async (_, way, smuggled) => {
  const late = Promise.withResolvers<void>();
  const { origin } = await startCareless((path) => (path === "/late" ? late.promise : undefined));
  await sent(requestOf(randomUUID(), `${origin}/one`, smuggled));
  const answering = WAYS[way](requestOf(randomUUID(), `${origin}/other`));
  await turn();
  late.resolve();
  const answer = await answering;
  expect("excerpt" in answer ? answer.excerpt : "body" in answer && Buffer.from(answer.body).toString()).toBe("/other");
});

test("an app's connection is kept for its next request, and only for that app's", async () => {
  const { origin, seen } = await startCareless();
  const [one, other] = [randomUUID(), randomUUID()];
  for (let round = 0; round < 3; round += 1) await sent(requestOf(one, `${origin}/`));
  expect(seen.connections).toBe(1);
  for (let round = 0; round < 3; round += 1) await sent(requestOf(other, `${origin}/`));
  expect(seen.connections).toBe(2);
});

test("a connection is kept for four seconds at most, however long the target would keep it", async () => {
  const { origin } = await startCareless();
  const timers = vi.spyOn(globalThis, "setTimeout");
  await sent(requestOf(randomUUID(), `${origin}/`));
  const longest = Math.max(...timers.mock.calls.map(([, ms = 0]) => ms));
  timers.mockRestore();
  expect(longest).toBe(4_000);
});

test("of a name's addresses, one that takes its time to connect is waited for", async () => {
  const held = new SharedArrayBuffer(4);
  const worker = new Worker(HOLDING, { eval: true, workerData: held });
  const [port] = (await once(worker, "message")) as [number];
  // They fill the queue of connections. What comes then is dropped, and comes again a second later.
  const fillers = Array.from({ length: 4 }, () => connect(port, "127.0.0.2").on("error", () => {}));
  const lookup = vi.spyOn(dns, "lookup").mockImplementation(((_: string, __: object, answer: Answer) => {
    answer(null, [
      { address: "127.0.0.2", family: 4 },
      { address: "127.0.0.3", family: 4 },
    ]);
  }) as typeof dns.lookup);
  await once(fillers[0] as Socket, "connect");
  const letGo = setTimeout(() => {
    Atomics.store(new Int32Array(held), 0, 1);
    Atomics.notify(new Int32Array(held), 0);
  }, 400);
  const answer = await send(requestOf(randomUUID(), `http://two.example:${port}/`));
  clearTimeout(letGo);
  lookup.mockRestore();
  for (const filler of fillers) filler.destroy();
  await worker.terminate();
  expect(answer).toMatchObject({ kind: "answered", status: 200 });
});

type Answer = (error: null, addresses: readonly dns.LookupAddress[]) => void;

/** Listens, and takes no connection until it is told to. */
const HOLDING = `
  const { createServer } = require("node:net");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((socket) => {
    socket.on("error", () => {}).on("data", () => socket.end("HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n"));
  });
  server.listen({ port: 0, host: "127.0.0.2", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(workerData), 0, 0);
  });`;

test("a process keeps connections for a hundred apps, and ends what is under way in the others", async () => {
  const held = Promise.withResolvers<void>();
  const { origin, seen } = await startCareless((path) => (path === "/held" ? held.promise : undefined));
  const oldest = send(requestOf(randomUUID(), `${origin}/held`));
  for (let app = 0; app < 120; app += 1) await send(requestOf(randomUUID(), `${origin}/`));
  await until(() => seen.open() <= 101);
  held.resolve();
  expect(await oldest).toMatchObject({ kind: "answered", status: 200, excerpt: "/held" });
  await until(() => seen.open() <= 100);
});
