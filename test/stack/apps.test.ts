// Over 300 lines: all tests share one stack, and each start of a stack takes a second of the gate.

import { createTable } from "../../lib/store/table.ts";
import { TransactWriteItemsCommand, TransactionCanceledException, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytes, randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../../lib/store/app-settings.ts";
import { createAppStores } from "../../lib/store/app-store.ts";
import { createClock } from "../../lib/clock.ts";
import { createSealer } from "../../lib/store/sealer.ts";
import {
  endStacks,
  jobIn,
  newApp,
  sharedStack,
  startStack,
  tokenFor,
  until,
  webhook,
  type Stack,
} from "../support/stack.ts";
import { startTarget, type Received, type Target } from "../support/target.ts";

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const settingsOf = async (appId: string, token: string) =>
  (await stack.call("GET", `/v1/admin/apps/${appId}`, { token })).body.data;

async function put(appId: string, token: string, body: object) {
  return stack.call("PUT", `/v1/admin/apps/${appId}`, { token, body });
}

async function deliver(token: string, path: string): Promise<Received> {
  const body = webhook({ url: target.url, path });
  await stack.call("POST", "/v1/jobs/create", { token, body });
  return until(() => target.received.find(({ url }) => url === path));
}

function verified(received: Received, secret: string): boolean {
  try {
    new Webhook(secret).verify(received.body.toString(), received.headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}

test("an app has defaults until somebody changes its settings", async () => {
  const { appId, token } = await newApp();
  expect(await settingsOf(appId, token)).toEqual({
    appId,
    version: 0,
    name: null,
    allowedCallbackUrls: [],
    allowedFunctions: [],
    followRedirects: false,
    onComplete: null,
    requestsPerSecond: null,
    maxConcurrentTasks: 5,
    waitersPerApp: null,
    pdfPagesPerDay: null,
    userWebhooks: "any",
    retry: null,
    idempotency: "request",
    destinations: [],
    paused: false,
    limits: { ...DEFAULT_LIMITS, version: 0 },
    inForce: { ...DEFAULT_LIMITS, maxConcurrentTasks: 5 },
    signingSecrets: [],
  });
  const changed = await put(appId, token, {
    version: 0,
    name: "Shop",
    allowedCallbackUrls: ["https://*.shop.example"],
  });
  expect([changed.status, changed.body.data.version]).toEqual([200, 1]);
  expect(await settingsOf(appId, token)).toMatchObject({ name: "Shop", version: 1 });
  // A setting that is left out gets its default.
  await put(appId, token, { version: 1, name: "Shop 2" });
  expect(await settingsOf(appId, token)).toMatchObject({ name: "Shop 2", allowedCallbackUrls: [], version: 2 });
});

test("of two changes at the same version, one wins and the other is told the current one", async () => {
  const { appId, token } = await newApp();
  const answers = await Promise.all(["a", "b", "c", "d"].map(async (name) => put(appId, token, { version: 0, name })));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  const refused = answers.filter(({ status }) => status === 409);
  expect(refused).toHaveLength(3);
  for (const { body } of refused) expect(body.error.message).toContain("the settings are at 1");
});

test("the audit log says who changed what and when, newest first, page by page", async () => {
  const { appId } = await newApp();
  const token = await tokenFor({ appId, sub: "ann@example.com" });
  await put(appId, token, { version: 0, name: "one" });
  await put(appId, token, { version: 1, name: "two", allowedFunctions: ["reward-*"] });
  const { body } = await stack.call("POST", `/v1/admin/apps/${appId}/signing-secrets`, { token });
  const entries: { action: string; by: string; at: string; changes: unknown }[] = [];
  let cursor = "";
  do {
    const path = `/v1/admin/apps/${appId}/audit?limit=2${cursor}`;
    const { data } = (await stack.call("GET", path, { token })).body;
    entries.push(...data.items);
    cursor = data.nextCursor === null ? "" : `&cursor=${data.nextCursor}`;
  } while (cursor !== "");
  expect(entries.map(({ action, changes }) => [action, changes])).toEqual([
    ["signing-secret.created", [{ field: "signingSecrets", from: null, to: body.data.id }]],
    [
      "settings.changed",
      [
        { field: "name", from: "one", to: "two" },
        { field: "allowedFunctions", from: [], to: ["reward-*"] },
      ],
    ],
    ["settings.changed", [{ field: "name", from: null, to: "one" }]],
  ]);
  for (const { by, at } of entries) expect([by, Date.parse(at)]).toEqual(["ann@example.com", expect.any(Number)]);
  expect((await stack.call("GET", `/v1/admin/apps/${appId}/audit?cursor=eA`, { token })).status).toBe(400);
});

test("what jobs may call is checked when they are accepted, and names the rule", async () => {
  const { appId, token } = await newApp();
  const { origin } = new URL(target.url);
  await put(appId, token, { version: 0, allowedCallbackUrls: [`${origin}/hooks`], allowedFunctions: ["reward-*"] });
  const refusal = async (body: object) => {
    const answer = await stack.call("POST", "/v1/jobs/create", { token, body });
    return answer.status === 400 ? answer.body.error.details[0] : answer.status;
  };
  expect(await refusal(webhook({ url: target.url, path: "/hooks/paid" }))).toBe(201);
  for (const path of ["/other", "/hooksandmore", "/hooks/../other", "/hooks/%2e%2e/other"]) {
    expect(await refusal(webhook({ url: target.url, path }))).toEqual({
      field: "message.execution.baseUrl",
      message: expect.stringContaining("allowedCallbackUrls"),
    });
  }
  const callback = { ...webhook({ url: target.url, path: "/hooks" }), onComplete: { url: `${origin}/elsewhere` } };
  expect(await refusal(callback)).toMatchObject({ field: "onComplete.url" });
  const invoke = (functionName: string) => ({
    message: { ...webhook({ url: target.url }).message, execution: { type: "lambda-invoke", functionName } },
  });
  expect(await refusal(invoke("reward-grant"))).toBe(201);
  expect(await refusal(invoke("arn:aws:lambda:us-east-1:123456789012:function:reward-grant:live"))).toBe(201);
  // A partial ARN does not match the pattern of a name.
  for (const name of ["123456789012:echo", "us-east-1:123456789012:echo"]) {
    expect(await refusal(invoke(name))).toMatchObject({ message: expect.stringContaining("allowedFunctions") });
  }
  const functionUrl = "https://abcdefghij.lambda-url.eu-west-1.on.aws";
  const signed = {
    message: { ...webhook({ url: target.url }).message, execution: { type: "lambda-url", functionUrl } },
  };
  expect(await refusal(signed)).toMatchObject({ field: "message.execution.functionUrl" });
  expect(await refusal(invoke("echo"))).toEqual({
    field: "message.execution.functionName",
    message: expect.stringContaining("allowedFunctions"),
  });
});

test("what jobs may call is checked again at each attempt", async () => {
  const strict = await startStack({ env: { ROLE: "gateway" } });
  const { appId, token } = await newApp();
  const created = await strict.call("POST", "/v1/jobs/create", {
    token,
    body: webhook({ url: target.url, path: "/late" }),
  });
  const settings = { version: 0, allowedCallbackUrls: ["https://elsewhere.example"] };
  await strict.call("PUT", `/v1/admin/apps/${appId}`, { token, body: settings });
  const worker = await startStack({ dir: strict.dir, env: { ROLE: "worker" } });
  const job = await jobIn(strict, token, created.body.data.id, "FAILED");
  expect(job.lastError).toContain("allowedCallbackUrls");
  expect(target.received.some(({ url }) => url === "/late")).toBe(false);
  await worker.end();
  await strict.end();
});

test("jobs that ask for no callback get the app's", async () => {
  const { appId, token } = await newApp();
  const onComplete = { url: `${target.url}/app-wide`, headers: { authorization: "Bearer app" }, on: ["SUCCEEDED"] };
  const { body } = await put(appId, token, { version: 0, onComplete });
  expect(body.data.onComplete).toMatchObject({ url: onComplete.url, headers: { authorization: "***" } });
  await deliver(token, "/with-app-callback");
  const called = await until(() => target.received.find(({ url }) => url === "/app-wide"));
  expect(called.headers.authorization).toBe("Bearer app");
  // Neither the settings nor the audit log shows the credential, and its mask that is written back keeps it.
  const { body: log } = await stack.call("GET", `/v1/admin/apps/${appId}/audit`, { token });
  expect(JSON.stringify([log, await settingsOf(appId, token)])).not.toContain("Bearer app");
  expect((await put(appId, token, await settingsOf(appId, token))).status).toBe(200);
  await deliver(token, "/with-app-callback-again");
  await until(() => target.received.filter(({ url }) => url === "/app-wide").length === 2);
  expect(target.received.findLast(({ url }) => url === "/app-wide")?.headers.authorization).toBe("Bearer app");
  const refused = await put(appId, token, { version: 2, onComplete: { url: "ftp://a.example" } });
  expect([refused.status, refused.body.error.details[0].field]).toEqual([400, "onComplete.url"]);
});

test("over its requests per second an app gets 429 with Retry-After, and nobody else does", async () => {
  const [mine, other] = await Promise.all([newApp(), newApp()]);
  await put(mine.appId, mine.token, { version: 0, requestsPerSecond: 3 });
  const list = async (token: string) => stack.call("GET", "/v1/jobs", { token });
  // On a slow machine, twenty requests take more than a second or two.
  const refused = await until(async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => list(mine.token)));
    const tooMany = answers.filter(({ status }) => status === 429);
    return tooMany.length >= 10 && answers.some(({ status }) => status === 200) && tooMany;
  });
  expect(refused[0]?.headers.get("retry-after")).toBe("1");
  expect(refused[0]?.body.error).toEqual({
    code: "TOO_MANY_REQUESTS",
    message: expect.stringContaining("requestsPerSecond of 3"),
    reason: "rate_limited",
  });
  // The limit does not apply to the request that changes it.
  const settings = { version: 99, requestsPerSecond: 3 };
  expect(
    (await Promise.all(Array.from({ length: 10 }, async () => put(mine.appId, mine.token, settings)))).map(
      ({ status }) => status,
    ),
  ).toEqual(Array.from({ length: 10 }, () => 409));
  const jobs = Array.from({ length: 50 }, () => webhook({ url: target.url }));
  expect((await stack.call("POST", "/v1/jobs/batch", { token: mine.token, body: { jobs } })).status).toBe(429);
  const others = await Promise.all(Array.from({ length: 10 }, async () => list(other.token)));
  expect(others.every(({ status }) => status === 200)).toBe(true);
  await until(async () => (await list(mine.token)).status === 200);
});

test("every webhook is signed; after a rotation both secrets verify, after a deletion one", async () => {
  const { appId, token } = await newApp();
  const unseen = await deliver(token, "/signed-first");
  // An app's first send makes a secret that is never shown.
  expect(unseen.headers["webhook-signature"]).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  expect((await settingsOf(appId, token)).signingSecrets).toHaveLength(1);

  const rotate = async () => (await stack.call("POST", `/v1/admin/apps/${appId}/signing-secrets`, { token })).body.data;
  const [first, second] = [await rotate(), await rotate()];
  expect(first).toEqual({
    id: expect.any(String),
    createdAt: expect.any(String),
    secret: expect.stringMatching(/^whsec_/),
  });
  // The stack's worker caches the secrets for up to ten seconds.
  const both = await until(async () => {
    const received = await deliver(token, `/signed-${randomUUID()}`);
    return verified(received, second.secret) && received;
  });
  expect(verified(both, first.secret)).toBe(true);
  expect(both.headers["webhook-signature"]?.toString().split(" ")).toHaveLength(3);
  const { signingSecrets } = await settingsOf(appId, token);
  expect(signingSecrets.map(({ id, expiresAt }: { id: string; expiresAt: string | null }) => [id, expiresAt])).toEqual([
    [second.id, null],
    [first.id, expect.any(String)],
    [expect.any(String), expect.any(String)],
  ]);
  expect(Date.parse(signingSecrets[1].expiresAt) - Date.now()).toBeGreaterThan(23 * 3_600_000);

  const gone = await stack.call("DELETE", `/v1/admin/apps/${appId}/signing-secrets/${first.id}`, { token });
  expect(gone.status).toBe(200);
  expect((await stack.call("DELETE", `/v1/admin/apps/${appId}/signing-secrets/${first.id}`, { token })).status).toBe(
    404,
  );
  await until(async () => !verified(await deliver(token, `/signed-${randomUUID()}`), first.secret));

  for (const secret of [first.secret, second.secret]) {
    const bytes = Buffer.from(secret.slice("whsec_".length), "base64");
    const files = ["dynamodb.sqlite", "dynamodb.sqlite-wal"].map((file) => readFileSync(join(stack.dir, file)));
    for (const file of files) expect(file.includes(bytes) || file.includes(secret.slice(6))).toBe(false);
    expect(stack.lines.join("\n")).not.toContain(secret.slice("whsec_".length));
  }
});

test("no more than five secrets sign at a time", async () => {
  const { appId, token } = await newApp();
  const rotate = async () => stack.call("POST", `/v1/admin/apps/${appId}/signing-secrets`, { token });
  for (let n = 0; n < 5; n += 1) expect((await rotate()).status).toBe(201);
  expect((await rotate()).status).toBe(409);
  const { signingSecrets } = await settingsOf(appId, token);
  await stack.call("DELETE", `/v1/admin/apps/${appId}/signing-secrets/${signingSecrets[4].id}`, { token });
  expect((await rotate()).status).toBe(201);
  const { body } = await stack.call("GET", `/v1/admin/apps/${appId}/audit?limit=2`, { token });
  expect(body.data.items[1]).toMatchObject({
    action: "signing-secret.deleted",
    changes: [{ field: "signingSecrets", from: signingSecrets[4].id, to: null }],
  });
});

test("settings, secrets and audit are for the app's administrators; others' apps are 404", async () => {
  const [mine, other] = await Promise.all([newApp(), newApp()]);
  const user = await tokenFor({ appId: mine.appId, roles: ["USER"] });
  const platform = await tokenFor({ roles: ["PLATFORM_ADMIN"] });
  const calls = [
    ["GET", ""],
    ["PUT", ""],
    ["PATCH", ""],
    ["POST", "/signing-secrets"],
    ["DELETE", `/signing-secrets/${randomUUID()}`],
    ["GET", "/audit"],
  ] as const;
  for (const [method, below] of calls) {
    const body = method === "PUT" || method === "PATCH" ? { body: { version: 0 } } : {};
    const call = async (appId: string, token?: string) =>
      stack.call(method, `/v1/admin/apps/${appId}${below}`, { ...(token !== undefined && { token }), ...body });
    expect((await call(mine.appId)).status).toBe(401);
    expect((await call(mine.appId, user)).status).toBe(403);
    for (const appId of [other.appId, randomUUID(), "nonsense"]) {
      const { status, body: answer } = await call(appId, mine.token);
      expect([status, answer.error]).toEqual([404, { code: "NOT_FOUND", message: "No such app" }]);
    }
  }
  expect((await stack.call("GET", `/v1/admin/apps/${other.appId}`, { token: platform })).status).toBe(200);
});

test.each([
  [{ version: -1 }, "version"],
  [{}, "version"],
  [{ version: 0, allowedCallbackUrls: ["example.com"] }, "allowedCallbackUrls.0"],
  [{ version: 0, allowedCallbackUrls: ["https://a.example/?q=1"] }, "allowedCallbackUrls.0"],
  [{ version: 0, allowedFunctions: ["a b"] }, "allowedFunctions.0"],
  [{ version: 0, color: "red" }, "color"],
])("settings %j are refused at %s", async (body, field) => {
  const { appId, token } = await newApp();
  const answer = await put(appId, token, body);
  expect([answer.status, answer.body.error.details[0].field]).toEqual([400, field]);
});

test("signing secrets that others keep changing answer 409, since nothing is out of order", async () => {
  const lost = new TransactionCanceledException({
    $metadata: { httpStatusCode: 400 },
    message: "",
    CancellationReasons: [{ Code: "ConditionalCheckFailed" }],
  });
  const send = async (command: unknown) => {
    if (command instanceof TransactWriteItemsCommand) throw lost;
    return {};
  };
  const sealer = createSealer({ kind: "local", key: randomBytes(32) });
  const client = { send } as unknown as DynamoDBClient;
  const { secrets } = createAppStores({
    table: createTable({ name: "jobs", clock: createClock(), client }),
    clock: createClock(),
    sealer,
  });
  await expect(secrets.rotate("app", "me")).rejects.toMatchObject({ code: "CONFLICT" });
});
