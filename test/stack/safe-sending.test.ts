import { lookup } from "node:dns/promises";
import { createServer, type AddressInfo } from "node:net";
import { hostname } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isPublicAddress } from "../../lib/outbound/public-address.ts";
import { send } from "../../lib/outbound/send.ts";
import { targetProblem, targetUrl } from "../../lib/outbound/target-url.ts";
import { endStacks, newApp, sharedStack, webhook, type Stack } from "../support/stack.ts";

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
      // Both use the first one's port. On a machine without IPv6, only the first one listens.
      server.once("error", () => listening()).listen(port, host, listening);
    });
    port ||= (server.address() as AddressInfo).port;
  }
  stack = await sharedStack({ ALLOW_PRIVATE_TARGETS: "false" });
});
afterAll(async () => {
  await endStacks();
  for (const { server } of canaries) server.close();
});

const request = (url: string, allowPrivateTargets: boolean) => ({
  appId: "an app",
  url: new URL(url),
  method: "GET",
  headers: {},
  body: null,
  signal: AbortSignal.timeout(10_000),
  allowPrivateTargets,
});

/** Addresses that must not be called: this machine, private networks, the metadata services of clouds. */
const FORBIDDEN = [
  "127.0.0.1",
  "127.255.255.254",
  "0.0.0.0",
  "10.0.0.1",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.0.1",
  "169.254.169.254",
  "169.254.170.2",
  "100.64.0.1",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "198.18.0.1",
];

/** All spellings of an IPv4 address in a URL. */
function notations(address: string): string[] {
  const parts = address.split(".").map(Number);
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number, length = 0) => value.toString(16).padStart(length, "0");
  const octal = (value: number) => `0${value.toString(8)}`;
  const words = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
  const wide = (text: string) => text.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));
  return [
    address,
    `${address}.`,
    String(number),
    `0x${hex(number)}`,
    `0X${hex(number, 8).toUpperCase()}`,
    `0x000000000${hex(number)}`,
    `0${number.toString(8)}`,
    parts.map((part) => `0x${hex(part)}`).join("."),
    parts.map(octal).join("."),
    parts.map((part) => `000${octal(part)}`).join("."),
    `${a}.${(b * 256 + c) * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `0x${hex(a)}.${b}.${octal(c)}.${d}`,
    wide(address),
    address.replaceAll(".", "。"),
    address.replaceAll(".", "%2e"),
    `%3${address[0]}${address.slice(1)}`,
    `[::ffff:${address}]`,
    `[::ffff:${words}]`,
    `[0:0:0:0:0:FFFF:${words}]`,
    `[::${address}]`,
    `[64:ff9b::${address}]`,
    `[64:ff9b:1::${address}]`,
    `[2002:${words}::]`,
    `[2002:${words}::1]`,
    `[2001:0:${words}::1]`,
    `[fe80::5efe:${address}]`,
  ];
}

const VECTORS = [
  ...FORBIDDEN.flatMap(notations),
  "127.1",
  "127.0.1",
  "0",
  "0x0",
  "localhost",
  "LOCALHOST",
  "localhost.",
  "a.localhost",
  "a.b.localhost.",
  "[::]",
  "[::1]",
  "[0:0:0:0:0:0:0:1]",
  "[0000:0000:0000:0000:0000:0000:0000:0001]",
  "[fe80::1]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[fec0::1]",
  "[ff02::1]",
  "[100::1]",
  "[2001:db8::1]",
  "[2001:10::1]",
  "[4000::1]",
  "[8000::1]",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "192.0.2.1",
  "198.51.100.1",
  "203.0.113.1",
];

test(`none of ${VECTORS.length} spellings of forbidden addresses leads to a connection`, async () => {
  expect(new Set(VECTORS).size).toBeGreaterThanOrEqual(300);
  const rules = { allowPrivateTargets: false, allowedCallbackUrls: [] };
  const before = connections;
  for (const host of VECTORS) {
    const url = `http://${host}:${port}/`;
    // Some spellings give no valid URL.
    if (!URL.canParse(url)) continue;
    expect([host, await targetProblem(new URL(url), rules)]).toEqual([
      host,
      expect.stringContaining("must not be a private"),
    ]);
    expect([host, await send(request(url, false))]).toEqual([host, { kind: "blocked" }]);
  }
  expect(connections).toBe(before);
});

test("a name that leads to this machine is blocked when its address is known", async () => {
  const before = connections;
  const name = hostname();
  const found = await lookup(name).catch(() => undefined);
  if (found) expect(await send(request(`http://${name}:${port}/`, false))).toEqual({ kind: "blocked" });
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

test("deployed, jobs go by https on port 443, unless the app's settings name others; private ones never", async () => {
  const { appId, token } = await newApp();
  const accepts = async (url: string) => {
    const { status, body } = await stack.call("POST", "/v1/jobs/create", { token, body: webhook({ url }) });
    return status === 201 || body.error.details[0].message;
  };
  const rule = "must be https on port 443, unless the app's allowedCallbackUrls name it";
  expect(await accepts("http://service.example")).toBe(rule);
  expect(await accepts("https://service.example:8443")).toBe(rule);
  expect(await accepts("https://service.example:443")).toBe(true);
  const allowedCallbackUrls = [`http://127.0.0.1:${port}`, "http://service.example", "https://service.example:8443"];
  const body = { version: 0, allowedCallbackUrls };
  await stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body });
  expect(await accepts("http://service.example")).toBe(true);
  expect(await accepts("https://service.example:8443")).toBe(true);
  expect(await accepts("https://service.example")).toContain("allowedCallbackUrls");
  expect(await accepts(`http://127.0.0.1:${port}`)).toContain("must not be a private");
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
