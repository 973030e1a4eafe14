import { SignJWT, exportJWK, exportSPKI, generateKeyPair, type JWTPayload } from "jose";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthenticator } from "../../lib/api/http/auth.ts";
import { PERMISSIONS } from "../../lib/api/http/rights.ts";
import { internalToken, tokenConfig } from "../../lib/config.ts";
import type { ClientError } from "../../lib/errors.ts";
import { JOB_TYPES, definitionOf } from "../../lib/tasks/index.ts";
import { LOCAL_JWT_SECRET } from "../../local/token.ts";
import { ROOT } from "../support/root.ts";
import { cleanEnv } from "../support/clean-env.ts";
import { endStacks, newApp, sharedStack, startStack, tokenFor, webhook, type Stack } from "../support/stack.ts";

let stack: Stack;
const appId = randomUUID();

beforeAll(async () => {
  stack = await sharedStack({ ROLE: "gateway" });
});
afterAll(endStacks);

const ROUTES = [
  ["POST", "/v1/jobs/create"],
  ["POST", "/v1/jobs/batch"],
  ["GET", "/v1/admin/jobs"],
  ["GET", `/v1/admin/jobs/${randomUUID()}`],
] as const;

const HOUR_S = 3_600;
const now = () => Math.floor(Date.now() / 1_000);

async function signed(claims: JWTPayload, secret = LOCAL_JWT_SECRET, alg = "HS256"): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
}

const good = () => ({ sub: "me", appId, roles: ["APP_ADMIN"], exp: now() + HOUR_S });

function unsigned(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part(claims)}.`;
}

test("a request without a valid token leaves a line in the log, which holds no token", async () => {
  const headers = { "x-request-id": randomUUID() };
  expect((await stack.call("GET", "/v1/admin/jobs", { token: "not-a-token", headers })).status).toBe(401);
  const line = await stack.logged(({ requestId }) => requestId === headers["x-request-id"]);
  expect(line).toEqual({
    time: expect.any(String),
    level: "warn",
    event: "request.unauthorized",
    route: "GET /v1/admin/jobs",
    requestId: headers["x-request-id"],
    why: "ERR_JWS_INVALID",
  });
});

test("the log says why a token was refused, in words of its own, and the client hears the same of each", async () => {
  const { sub: _, ...nobody } = good();
  const reasons: [token: string | undefined, why: string][] = [
    [undefined, "no bearer token"],
    [await signed(good(), "x".repeat(40)), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"],
    [await signed(nobody), "ERR_JWT_CLAIM_VALIDATION_FAILED sub"],
    [
      await signed({ ...good(), appId: "mine" }),
      "one of the claims sub, appId (a UUID), roles and permissions has another shape",
    ],
  ];
  for (const [token, why] of reasons) {
    const headers = { "x-request-id": randomUUID() };
    const answer = await stack.call("GET", "/v1/me", { headers, ...(token !== undefined && { token }) });
    expect(answer.body.error.message).toBe("Invalid or missing authentication token");
    expect(await stack.logged(({ requestId }) => requestId === headers["x-request-id"])).toMatchObject({ why });
  }
});

test("every way in which a token can be wrong is the same 401", async () => {
  const { exp: _, ...endless } = good();
  const { sub: __, ...nobody } = good();
  const valid = await signed(good());
  const tokens = {
    none: undefined,
    garbage: "abc",
    "two parts": valid.split(".").slice(0, 2).join("."),
    "another secret": await signed(good(), "x".repeat(40)),
    "another algorithm": await signed(good(), LOCAL_JWT_SECRET.padEnd(64, "x"), "HS512"),
    "no algorithm": unsigned(good()),
    "no expiry": await signed(endless),
    "no subject": await signed(nobody),
    "an app that is no UUID": await signed({ ...good(), appId: "mine" }),
    "roles as numbers": await signed({ ...good(), roles: [1] }),
    "over 8 KB": await signed({ ...good(), padding: "x".repeat(9_000) }),
  };
  for (const [method, path] of ROUTES) {
    for (const [name, token] of Object.entries(tokens)) {
      const answer = await stack.call(method, path, token === undefined ? {} : { token });
      // API Gateway itself refuses headers of more than 10 KB.
      expect([name, answer.status]).toEqual([name, name === "over 8 KB" ? expect.any(Number) : 401]);
      if (answer.status === 431) continue;
      expect(answer.body).toEqual({
        success: false,
        error: { code: "UNAUTHORIZED", message: "Invalid or missing authentication token" },
        timestamp: expect.any(String),
      });
    }
  }
});

test("the local stack says when a token has expired, and the command for another one", async () => {
  const exp = now() - 2 * HOUR_S;
  const token = await signed({ ...good(), sub: "it's me", roles: ["APP_ADMIN", "OTHER"], exp });
  const { status, body } = await stack.call("GET", "/v1/admin/jobs", { token });
  expect([status, body.error.reason]).toEqual([401, "token_expired"]);
  const [, at, command = ""] =
    /^The token expired at (\S+); make another one: npm run --silent token -- (.*)$/.exec(body.error.message) ?? [];
  expect(at).toBe(new Date(exp * 1_000).toISOString());
  const run = `${process.execPath} local/token.ts ${command}`;
  const another = execFileSync("sh", ["-c", run], { cwd: ROOT, env: cleanEnv(), encoding: "utf8" }).trim();
  const me = (await stack.call("GET", "/v1/me", { token: another })).body.data;
  expect(me).toMatchObject({ sub: "it's me", appId, roles: ["APP_ADMIN"] });
  // One that is invalid in another way too is told nothing.
  const forged = await stack.call("GET", "/v1/admin/jobs", { token: await signed({ ...good(), exp }, "x".repeat(40)) });
  expect(forged.body.error).toEqual({ code: "UNAUTHORIZED", message: "Invalid or missing authentication token" });
});

test("without APP_ADMIN the answer is 403 that names the role", async () => {
  const token = await tokenFor({ appId, roles: ["USER"], permissions: ["jobs.create_jobs"] });
  for (const [method, path] of ROUTES) {
    const answer = await stack.call(method, path, { token });
    expect(answer.status).toBe(403);
    const role = method === "GET" ? "APP_ADMIN or APP_VIEWER" : "APP_ADMIN";
    expect(answer.body.error).toEqual({ code: "FORBIDDEN", message: `Access denied: ${role} role required` });
  }
});

test("another app in body or query is 403, and so is a token without an app", async () => {
  const { token } = await newApp();
  const body = { ...webhook({ url: "https://a.example" }), appId: randomUUID() };
  expect((await stack.call("POST", "/v1/jobs/create", { token, body })).status).toBe(403);
  expect((await stack.call("GET", `/v1/admin/jobs?appId=${randomUUID()}`, { token })).status).toBe(403);
  const appless = await tokenFor({});
  expect((await stack.call("GET", "/v1/admin/jobs", { token: appless })).status).toBe(403);
  expect((await stack.call("GET", `/v1/admin/jobs/${randomUUID()}`, { token: appless })).status).toBe(403);
});

test("an app's UUID is the same in any case of letters", async () => {
  const { token, appId: own } = await newApp();
  const answer = await stack.call("GET", `/v1/admin/jobs?appId=${own.toUpperCase()}`, { token });
  expect(answer.status).toBe(200);
});

test("a token skewed by less than a minute is accepted", async () => {
  const token = await signed({ ...good(), exp: now() - 30 });
  expect((await stack.call("GET", "/v1/admin/jobs", { token })).status).toBe(200);
});

const command = (...args: string[]) =>
  spawnSync(process.execPath, ["local/token.ts", ...args], { cwd: ROOT, env: cleanEnv(), encoding: "utf8" });

test("the token command prints a token that works", async () => {
  const claims = { sub: "me", roles: ["APP_ADMIN", "APP_VIEWER"], permissions: ["job:Read", "jobs.view_jobs"] };
  const [role, permission] = [claims.roles.join(","), claims.permissions.join(", ")];
  const options = ["--app", appId, "--sub", "me", "--role", role, "--permission", permission, "--expires", "90m"];
  const { stdout } = command(...options);
  const me = (await stack.call("GET", "/v1/me", { token: stdout.trim() })).body.data;
  expect(me).toMatchObject({ ...claims, appId });
  expect(Date.parse(me.expiresAt) - Date.now()).toBeGreaterThan(80 * 60_000);
});

test("the token command says what is wrong with each option, and how it is used", () => {
  const wrong = command("--app", "mine", "--role", "ADMIN,USER", "--permission", "jobs.view", "--expires", "5x");
  expect([wrong.status, wrong.stdout]).toEqual([2, ""]);
  expect(wrong.stderr.split("\n").slice(0, 4)).toEqual([
    '--app is "mine": expected a UUID',
    '--role names "ADMIN": expected some of PLATFORM_ADMIN, APP_ADMIN, APP_VIEWER, USER',
    expect.stringContaining('--permission names "jobs.view": expected some of jobs.create_jobs, jobs.view_jobs'),
    '--expires is "5x": expected a number and s, m, h or d, such as 90m',
  ]);
  expect(wrong.stderr).toContain("npm run --silent token -- --app UUID");
  expect(command().stderr).toContain("--app is missing: expected the app's UUID; only a PLATFORM_ADMIN needs none");
  expect(command("--apps", appId).stderr).toContain("Unknown option '--apps'");
  const help = command("--help");
  expect([help.status, help.stderr, help.stdout]).toEqual([0, "", expect.stringContaining("--expires")]);
});

test("the token command knows every permission that a task asks for", async () => {
  const tasks = await Promise.all(JOB_TYPES.map(definitionOf));
  const asked = tasks.flatMap(({ permission }) => permission ?? []);
  expect(asked.filter((permission) => !(PERMISSIONS as readonly string[]).includes(permission))).toEqual([]);
});

test("the public keys of an issuer verify tokens, with its name and audience", async () => {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const key = { ...(await exportJWK(publicKey)), kid: "1", alg: "RS256", use: "sig" };
  const server: Server = createServer((_, response) => response.end(JSON.stringify({ keys: [key] })));
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  const env = {
    ROLE: "gateway",
    JWKS_URL: url,
    JWT_ISSUER: "https://issuer.example",
    JWT_AUDIENCE: "jobs",
  };
  const issued = await startStack({ env });
  const of = async (claims: JWTPayload) =>
    new SignJWT({ ...good(), ...claims }).setProtectedHeader({ alg: "RS256", kid: "1" }).sign(privateKey);
  const status = async (token: string) => (await issued.call("GET", "/v1/admin/jobs", { token })).status;

  expect(await status(await of({ iss: "https://issuer.example", aud: "jobs" }))).toBe(200);
  expect(await status(await of({ iss: "https://other.example", aud: "jobs" }))).toBe(401);
  expect(await status(await of({ iss: "https://issuer.example", aud: "other" }))).toBe(401);
  // The public key must not serve as a shared secret.
  const confused = { ...good(), iss: "https://issuer.example", aud: "jobs" };
  expect(await status(await signed(confused, await exportSPKI(publicKey)))).toBe(401);
  server.close();
  // Without the issuer's keys the token may still be valid, so the client gets a 503 and may try again.
  const keyless = await startStack({ env });
  const token = await of({ iss: "https://issuer.example", aud: "jobs" });
  expect((await keyless.call("GET", "/v1/admin/jobs", { token })).status).toBe(503);
});

test("a configuration that would not protect is refused with what to do", () => {
  const secret = "s".repeat(32);
  expect(() => tokenConfig({})).toThrow("set one of them");
  expect(() => tokenConfig({ JWT_SECRET: "short" })).toThrow("at least 32 characters");
  expect(() => tokenConfig({ JWT_SECRET: `-----BEGIN PUBLIC KEY-----\n${secret}` })).toThrow("PEM");
  expect(() => tokenConfig({ JWT_SECRET: secret, JWKS_URL: "https://a.example" })).toThrow("both set");
  expect(() => tokenConfig({ JWKS_URL: "https://a.example" })).toThrow("JWT_ISSUER and JWT_AUDIENCE");
  expect(tokenConfig({ JWT_SECRET: secret })).toEqual({ kind: "secret", secret });
  const before = (JWT_SECRET_PREVIOUS: string) => tokenConfig({ JWT_SECRET: secret, JWT_SECRET_PREVIOUS });
  expect(() => before("short")).toThrow("JWT_SECRET_PREVIOUS is too short");
  expect(() => before(`-----BEGIN PUBLIC KEY-----\n${secret}`)).toThrow("JWT_SECRET_PREVIOUS is a PEM key");
  expect(() => before(LOCAL_JWT_SECRET)).toThrow("has published");
  expect(before("")).toEqual({ kind: "secret", secret });
});

test("while a rotation lasts, tokens of the secret before are taken, and others are refused as ever", async () => {
  const [current, before, other] = ["c", "b", "o"].map((letter) => letter.repeat(32));
  const env = { JWT_SECRET: current, JWT_SECRET_PREVIOUS: before };
  const why = async (authenticate: ReturnType<typeof createAuthenticator>, token: string) =>
    authenticate(`Bearer ${token}`, Date.now()).then(
      () => "",
      (error: unknown) => (error as ClientError).why,
    );
  const [rotating, done] = [createAuthenticator(env), createAuthenticator({ JWT_SECRET: current })];
  const late = { ...good(), exp: now() - HOUR_S };
  for (const [token, reason] of [
    [await signed(good(), current), ""],
    [await signed(good(), before), ""],
    [await signed(good(), other), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"],
    [await signed(late, current), "it has expired"],
    [await signed(late, before), "it has expired"],
    [unsigned(good()), "ERR_JOSE_ALG_NOT_ALLOWED"],
  ] as const)
    expect(await why(rotating, token)).toBe(reason);
  expect(await why(done, await signed(good(), before))).toBe("ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
});

test("a deployed stack refuses the secrets that this project has published, and the local stack works with them", () => {
  const local = { LOCAL_SECRETS_KEY: Buffer.alloc(32).toString("base64") };
  const examples = [...readFileSync(join(ROOT, ".env.example"), "utf8").matchAll(/(?:JWT_SECRET|JWT_TOKEN)=(\S+)/g)];
  expect(examples).toHaveLength(2);
  for (const secret of [LOCAL_JWT_SECRET, `${LOCAL_JWT_SECRET}\n`, ...examples.map(([, value = ""]) => value)]) {
    expect(() => tokenConfig({ JWT_SECRET: secret })).toThrow("has published");
    expect(() => internalToken({ INTERNAL_JWT_TOKEN: secret })).toThrow("has published");
    expect(tokenConfig({ JWT_SECRET: secret, ...local })).toEqual({ kind: "secret", secret });
    expect(internalToken({ INTERNAL_JWT_TOKEN: secret, ...local })).toBe(secret);
  }
});
