import { afterAll, beforeAll, expect, test } from "vitest";
import { mergePatch } from "../../lib/api/http/merge-patch.ts";
import { endStacks, newApp, sharedStack, tokenFor, type Stack } from "../support/stack.ts";

// Changes of an app's settings that lose nothing.

let stack: Stack;

beforeAll(async () => {
  stack = await sharedStack({ ROLE: "gateway" });
});
afterAll(endStacks);

async function newSettings() {
  const { appId, token } = await newApp();
  const app = `/v1/admin/apps/${appId}`;
  const call = async (method: string, below = "", body?: unknown, headers: Record<string, string> = {}) =>
    stack.call(method, app + below, { token, headers, ...(body !== undefined && { body }) });
  const get = async () => (await call("GET")).body.data;
  return { appId, call, get };
}

const onComplete = {
  url: "https://hooks.example/ended?tenant=1&token=s3cret",
  headers: { authorization: "Bearer s3cret", "x-team": "a" },
  on: ["DEAD"],
};

test("what GET shows can be edited and sent back whole, with its masks", async () => {
  const { call, get } = await newSettings();
  const whole = { version: 0, name: "Shop", onComplete, allowedFunctions: ["reward-*"], maxConcurrentTasks: 3 };
  await call("PUT", "", whole);
  const shown = await get();
  expect(shown.onComplete).toMatchObject({
    url: expect.stringContaining("token=***"),
    headers: { authorization: "***" },
  });
  const back = await call("PUT", "", { ...shown, name: "Shop 2" });
  expect([back.status, back.body.data]).toEqual([200, { ...shown, name: "Shop 2", version: 2 }]);
  // The audit log has the change alone: what was hidden has stayed.
  const { items } = (await call("GET", "/audit?limit=1")).body.data;
  expect(items[0].changes).toEqual([{ field: "name", from: "Shop", to: "Shop 2" }]);
});

test("a mask is refused in words where nothing is stored, and where the callback moves to another host", async () => {
  const { call } = await newSettings();
  const first = await call("PUT", "", {
    version: 0,
    onComplete: { url: "https://a.example", headers: { "x-key": "***" } },
  });
  expect([first.status, first.body.error.details]).toEqual([
    400,
    [{ field: "onComplete.headers.x-key", message: expect.stringContaining("give the credential") }],
  ]);
  await call("PUT", "", { version: 0, onComplete });
  const moved = await call("PATCH", "", { onComplete: { url: "https://other.example/ended" } });
  expect([moved.status, moved.body.error.details]).toEqual([
    400,
    [{ field: "onComplete.headers.authorization", message: expect.stringContaining("another place") }],
  ]);
  const given = { url: "https://other.example/ended", headers: { authorization: null } };
  const patched = await call("PATCH", "", { onComplete: given });
  expect(patched.body.data.onComplete).toEqual({ ...given, headers: { "x-team": "a" }, on: ["DEAD"] });
});

test("a patch changes what it names; null gives a setting its default", async () => {
  const { call, get } = await newSettings();
  await call("PUT", "", { version: 0, name: "Shop", maxConcurrentTasks: 3, onComplete, allowedFunctions: ["a"] });
  const before = await get();
  const patch = { maxConcurrentTasks: null, paused: true, onComplete: { headers: { "x-team": "b" } } };
  const type = { "content-type": "application/merge-patch+json" };
  const { status, body } = await call("PATCH", "", patch, type);
  expect(status).toBe(200);
  expect(body.data).toMatchObject({ name: "Shop", maxConcurrentTasks: 5, paused: true, allowedFunctions: ["a"] });
  expect(body.data.onComplete).toEqual({ ...before.onComplete, headers: { authorization: "***", "x-team": "b" } });
  // What is shown beside the settings is passed over.
  expect((await call("PATCH", "", await get())).status).toBe(200);
  for (const [wrong, field] of [
    [{ paused: "yes" }, "paused"],
    [{ color: "red" }, "color"],
    [{ onComplete: { url: null } }, "onComplete.url"],
    [{ maxConcurrentTasks: 99 }, "maxConcurrentTasks"],
  ] as const) {
    const refused = await call("PATCH", "", wrong);
    expect([refused.status, refused.body.error.details[0].field]).toEqual([400, field]);
  }
});

test("patches at the same time are all made; with a version, a stale one is told the current one", async () => {
  const { call, get } = await newSettings();
  const patches = [{ name: "Shop" }, { paused: true }, { requestsPerSecond: 900 }, { allowedFunctions: ["a"] }];
  const answers = await Promise.all(patches.map(async (patch) => call("PATCH", "", patch)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect(await get()).toMatchObject({ ...Object.assign({}, ...patches), version: 4 });
  const stale = await call("PATCH", "", { version: 3, name: "Other" });
  expect([stale.status, stale.body.error.message]).toEqual([409, expect.stringContaining("the settings are at 4")]);
});

test("destinations are set and taken out one by one, and each has entries of its own", async () => {
  const { call, get } = await newSettings();
  const answers = await Promise.all(
    ["a.example", "b.example:8443", "reward-grant"].map(async (name, at) =>
      call("PUT", `/destinations/${name}`, { maxConcurrency: at + 1 }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  for (const name of ["127.0.0.1:3412", "localhost:3412", "[::1]:3412", "10.0.0.7", "target:8080"]) {
    const { status, body } = await call("PUT", `/destinations/${encodeURIComponent(name)}`, { maxConcurrency: 1 });
    const [detail] = body.error.details;
    expect([name, status, detail.message]).toEqual([name, 400, expect.stringContaining(`expected http://${name} or`)]);
  }
  const whole = encodeURIComponent("https://a.example");
  const shown = (await get()).destinations.find(({ destination }: { destination: string }) =>
    /a\.ex/.test(destination),
  );
  await call("PUT", `/destinations/${whole}`, { ...shown, rateLimitPerSecond: 5 });
  const { destinations, version } = await get();
  expect(destinations).toHaveLength(3);
  expect(destinations).toEqual(
    expect.arrayContaining([
      { destination: "https://a.example", rateLimitPerSecond: 5, maxConcurrency: 1 },
      { destination: "https://b.example:8443", rateLimitPerSecond: null, maxConcurrency: 2 },
      { destination: "reward-grant", rateLimitPerSecond: null, maxConcurrency: 3 },
    ]),
  );
  expect((await call("DELETE", `/destinations/${whole}?version=${version - 1}`)).status).toBe(409);
  const left = (await call("DELETE", `/destinations/${whole}?version=${version}`)).body.data;
  expect([left.destinations.length, left.version]).toEqual([2, version + 1]);
  expect((await call("DELETE", `/destinations/${whole}`)).status).toBe(404);

  const { items } = (await call("GET", `/audit?object=destination:https://a.example`)).body.data;
  expect(items.map(({ action, changes }: { action: string; changes: unknown }) => [action, changes])).toEqual([
    [
      "destination.deleted",
      [
        { field: "rateLimitPerSecond", from: 5, to: null },
        { field: "maxConcurrency", from: 1, to: null },
      ],
    ],
    ["destination.changed", [{ field: "rateLimitPerSecond", from: null, to: 5 }]],
    ["destination.changed", [{ field: "maxConcurrency", from: null, to: 1 }]],
  ]);
  for (const [name, body] of [
    ["a.example%2Fpath", {}],
    ["a%20b", {}],
    ["a.example", { destination: "https://b.example" }],
    ["a.example", { maxConcurrency: 0 }],
  ] as const)
    expect((await call("PUT", `/destinations/${name}`, body)).status).toBe(400);
});

test("a host with a port stands for its origin by https, also where it has no dot", async () => {
  const { call, get } = await newSettings();
  expect((await call("PUT", "/destinations/localhost%3A8443", { maxConcurrency: 1 })).status).toBe(200);
  expect((await get()).destinations).toMatchObject([{ destination: "https://localhost:8443" }]);
});

test("changes of settings and secrets have a budget of their own", async () => {
  const { appId, call } = await newSettings();
  const operator = await tokenFor({ roles: ["PLATFORM_ADMIN"] });
  const limits = { changesPerSecond: 3, requestsPerSecond: 1 };
  await stack.call("PUT", `/v1/admin/apps/${appId}/limits`, { token: operator, body: limits });
  const answers = await Promise.all(
    Array.from({ length: 12 }, async (_, at) =>
      at % 2 === 0 ? call("PUT", "", { version: 9 }) : call("DELETE", "/signing-secrets/none"),
    ),
  );
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThanOrEqual(6);
  expect(refused[0]?.body.error.message).toContain("changesPerSecond of 3");
  expect((await call("GET")).status).toBe(200);
});

test("an entry of the audit log that would be too large names its fields without their values", async () => {
  const { call } = await newSettings();
  const urls = (of: string) => Array.from({ length: 100 }, (_, at) => `https://a.example/${of.repeat(400)}${at}`);
  for (const [version, of] of ["a", "b"].entries()) {
    const body = { version, name: `Shop ${version}`, allowedCallbackUrls: urls(of) };
    expect((await call("PUT", "", body)).status).toBe(200);
  }
  const { items } = (await call("GET", "/audit?object=settings&limit=1")).body.data;
  expect(items[0].changes).toEqual([
    { field: "name", from: "Shop 0", to: "Shop 1" },
    { field: "allowedCallbackUrls", from: null, to: null, omitted: true },
  ]);
});

// The examples of RFC 7396, appendix A.
test.each([
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])("%j patched by %j is %j", (target, patch, result) => {
  expect(mergePatch(target, patch)).toEqual(result);
});

test("a patch of limits changes what it names, from whatever they are, and null gives a default back", async () => {
  const { appId } = await newApp();
  const token = await tokenFor({ appId, sub: "operator", roles: ["PLATFORM_ADMIN"] });
  const ask = async (method: string, body: object) =>
    stack.call(method, `/v1/admin/apps/${appId}/limits`, { token, body });
  const set = { requestsPerSecond: 50, concurrencyPerApp: 5, maxConcurrentTasks: 2, pdfPagesPerDay: 100 };
  await ask("PUT", { ...set, readsPerSecond: null });
  const paused = await ask("PATCH", { paused: true });
  expect(paused.body.data).toMatchObject({ ...set, readsPerSecond: null, paused: true, version: 2 });
  // Of two at once, neither undoes the other.
  await Promise.all([
    ask("PATCH", { concurrencyPerApp: 4 }),
    ask("PATCH", { requestsPerSecond: 40, readsPerSecond: null }),
  ]);
  const { data } = (await ask("PATCH", { paused: null, version: 4 })).body;
  const changed = { ...set, concurrencyPerApp: 4, requestsPerSecond: 40, readsPerSecond: 50, paused: false };
  expect(data).toMatchObject({ ...changed, version: 5 });
  const stale = await ask("PATCH", { version: 4, paused: true });
  expect([stale.status, stale.body.error.message]).toEqual([409, expect.stringContaining("the limits are at 5")]);
  expect((await ask("PATCH", { requestsPerSecond: 0 })).status).toBe(400);
  const { items } = (await stack.call("GET", `/v1/admin/apps/${appId}/audit?object=limits`, { token })).body.data;
  expect(items[0]).toMatchObject({ action: "limits.changed", changes: [{ field: "paused", from: true, to: false }] });
});
