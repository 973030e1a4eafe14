import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isPublicAddress } from "../lib/executors/public-address.ts";
import { send } from "../lib/executors/send.ts";
import { targetUrl } from "../lib/executors/target-url.ts";
import { endStacks, newApp, startStack, webhook, type Stack } from "./support/stack.ts";

let connections = 0;
let port = 0;
const canaries = ["127.0.0.1", "::1"].map((host) => ({
  host,
  server: createServer((socket) => {
    connections += 1;
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  }),
}));
let stack: Stack;

beforeAll(async () => {
  for (const { host, server } of canaries) {
    await new Promise<void>((listening) => {
      // A machine without IPv6 has only the first, whose port the second takes too.
      server.once("error", () => listening()).listen(port, host, listening);
    });
    port ||= (server.address() as AddressInfo).port;
  }
  stack = await startStack({ env: { ALLOW_PRIVATE_TARGETS: "false" } });
});
afterAll(async () => {
  await endStacks();
  for (const { server } of canaries) server.close();
});

const request = (url: string, allowPrivateTargets: boolean) => ({
  url: new URL(url),
  method: "GET",
  headers: {},
  body: null,
  signal: AbortSignal.timeout(10_000),
  allowPrivateTargets,
});

const LOOPBACK = [
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0x7f000001",
  "0177.0.0.1",
  "0.0.0.0",
  "[::1]",
  "[::ffff:127.0.0.1]",
  "localhost",
  "a.localhost",
];

test.each(LOOPBACK)("nothing connects to this machine by way of %s", async (host) => {
  const before = connections;
  expect(await send(request(`http://${host}:${port}/`, false))).toEqual({ kind: "blocked" });
  expect(connections).toBe(before);
});

test("the local stack may call this machine, on whose behalf the canary answers", async () => {
  const before = connections;
  expect(await send(request(`http://127.0.0.1:${port}/`, true))).toMatchObject({ kind: "answered", status: 200 });
  expect(connections).toBe(before + 1);
});

test.each([
  [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "168.63.129.16",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
  ],
  [
    "::",
    "::1",
    "::7f00:1",
    "4000::1",
    "8000::1",
    "100:0:0:1::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
  ],
  ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "2001::1", "not an address", ""],
])("addresses that are not public: %s and so on", (...addresses) => {
  for (const address of addresses) expect([address, isPublicAddress(address)]).toEqual([address, false]);
});

test("public addresses are public", () => {
  for (const address of ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"]) {
    expect([address, isPublicAddress(address)]).toEqual([address, true]);
  }
});

test("with private targets off, a literal private address is refused when the job is created", async () => {
  const { token } = await newApp();
  for (const url of [
    `http://127.0.0.1:${port}`,
    "http://[::1]/",
    "http://169.254.169.254/latest",
    "http://localhost",
  ]) {
    const answer = await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url }) });
    expect(answer.status).toBe(400);
    expect(answer.body.error.details).toEqual([
      { field: "message.execution.baseUrl", message: "must not be a private, loopback or otherwise reserved address" },
    ]);
  }
  const named = await stack.call("POST", "/v1/jobs/create", {
    token,
    body: webhook({ url: "https://service.example" }),
  });
  expect(named.status).toBe(201);
});

test.each([
  ["https://api.com", "/webhooks/pay", undefined, "https://api.com/webhooks/pay"],
  ["https://api.com/", "/webhooks/pay", undefined, "https://api.com/webhooks/pay"],
  ["https://api.com/v1", "/pay", { a: "b" }, "https://api.com/v1/pay?a=b"],
  ["https://api.com", "/pay?x=1", { a: "ü&" }, "https://api.com/pay?x=1&a=%C3%BC%26"],
  ["https://api.com", "//evil.com/", undefined, "https://api.com//evil.com/"],
  ["https://api.com", "/\\evil.com", undefined, "https://api.com//evil.com"],
  ["https://api.com", "@evil.com/", undefined, "https://api.com/@evil.com/"],
  ["https://api.com", ".evil.com/", undefined, "https://api.com/.evil.com/"],
  ["https://api.com", ":8080/", undefined, "https://api.com/:8080/"],
  ["https://api.com", "/a/../../b", undefined, "https://api.com/b"],
  ["https://api.com", "/a b", undefined, "https://api.com/a%20b"],
])("%s and %s make a URL of the same host", (baseUrl, path, queryStringParameters, expected) => {
  expect(targetUrl(baseUrl, { path, queryStringParameters }).href).toBe(expected);
});
