import { SignJWT, exportJWK, generateKeyPair, type JWTPayload } from "jose";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { claimAt } from "../../lib/api/http/claims.ts";
import { appOf, createAuthenticator } from "../../lib/api/http/auth.ts";

// Tokens as the documents of issuers show them, signed by RS256 and verified with keys that come over HTTP.

const APP = "550e8400-e29b-41d4-a716-446655440000";
const SUB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const CLIENT = "1example23456789";
const now = Math.floor(Date.now() / 1_000);
const times = { iat: now, exp: now + 3_600 };

let server: Server;
let url: string;
let sign: (claims: JWTPayload) => Promise<string>;

beforeAll(async () => {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  // Without `alg`, as Entra ID publishes its keys.
  const keys = [{ ...(await exportJWK(publicKey)), kid: "1", use: "sig" }];
  server = createServer((_, response) => response.end(JSON.stringify({ keys })));
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  sign = async (claims) =>
    new SignJWT({ ...times, ...claims }).setProtectedHeader({ alg: "RS256", kid: "1" }).sign(privateKey);
});
afterAll(() => server.close());

interface Names {
  readonly JWT_APP_CLAIM?: string;
  readonly JWT_ROLES_CLAIM?: string;
  readonly JWT_PERMISSIONS_CLAIM?: string;
}

/** The callers that the tokens stand for; undefined for those that are refused. */
async function callers(iss: string, audience: string, names: Names, tokens: readonly JWTPayload[]) {
  const env = { JWKS_URL: url, JWT_ISSUER: iss, JWT_AUDIENCE: audience, ...names };
  const authenticate = createAuthenticator(env);
  return Promise.all(
    tokens.map(async (claims) => {
      const known = await authenticate(`Bearer ${await sign({ iss, ...claims })}`, Date.now()).catch(() => undefined);
      if (!known) return undefined;
      const { sub, appId, roles, permissions } = known;
      return { sub, appId, roles, permissions };
    }),
  );
}

test("Cognito: id tokens by their audience, access tokens by their client", async () => {
  const iss = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example";
  const names = { JWT_APP_CLAIM: "custom:appId", JWT_ROLES_CLAIM: "cognito:groups", JWT_PERMISSIONS_CLAIM: "scope" };
  const about = {
    sub: SUB,
    "cognito:groups": ["APP_ADMIN", "test-group"],
    "custom:appId": APP,
    jti: SUB,
    event_id: SUB,
  };
  const id = { ...about, aud: CLIENT, token_use: "id", "cognito:username": "janedoe", email: "janedoe@example.com" };
  const access = {
    ...about,
    client_id: CLIENT,
    token_use: "access",
    version: 2,
    scope: "jobs/jobs.view_jobs openid",
    username: "janedoe",
  };
  const machine = { sub: CLIENT, client_id: CLIENT, token_use: "access", scope: "jobs.create_jobs job:Read" };
  const other = { ...access, client_id: "another" };
  const roles = ["APP_ADMIN", "test-group"];
  const tokens = [id, access, machine, other, { ...access, token_use: "id" }, { ...access, aud: "another" }];
  expect(await callers(iss, `another-client, ${CLIENT}`, names, tokens)).toEqual([
    { sub: SUB, appId: APP, roles, permissions: [] },
    { sub: SUB, appId: APP, roles, permissions: ["jobs/jobs.view_jobs", "openid"] },
    { sub: CLIENT, appId: undefined, roles: [], permissions: ["jobs.create_jobs", "job:Read"] },
    undefined,
    undefined,
    undefined,
  ]);
});

test("Auth0: claims whose names are URLs, permissions of the API", async () => {
  const iss = "https://acme.eu.auth0.com/";
  const names = { JWT_APP_CLAIM: "https://acme.example/appId", JWT_ROLES_CLAIM: "https://acme.example/roles" };
  const about = {
    sub: "auth0|6087d1a2b3",
    "https://acme.example/appId": APP.toUpperCase(),
    "https://acme.example/roles": ["APP_VIEWER"],
  };
  const access = {
    ...about,
    aud: ["https://jobs.example/api", "https://acme.eu.auth0.com/userinfo"],
    azp: CLIENT,
    scope: "openid profile",
    permissions: ["jobs.create_jobs", "jobs.view_jobs"],
  };
  const id = { ...about, aud: CLIENT, sid: "s", nonce: "n", name: "Jane" };
  const machine = {
    sub: `${CLIENT}@clients`,
    aud: "https://jobs.example/api",
    gty: "client-credentials",
    permissions: [],
  };
  const roles = ["APP_VIEWER"];
  expect(await callers(iss, `https://jobs.example/api,${CLIENT}`, names, [access, id, machine])).toEqual([
    { sub: about.sub, appId: APP, roles, permissions: ["jobs.create_jobs", "jobs.view_jobs"] },
    { sub: about.sub, appId: APP, roles, permissions: [] },
    { sub: `${CLIENT}@clients`, appId: undefined, roles: [], permissions: [] },
  ]);
});

test("Keycloak: roles of the realm, or of a client whose name has dots", async () => {
  const iss = "https://sso.example/realms/acme";
  const about = { sub: SUB, appId: APP, azp: "web", sid: SUB, scope: "openid email" };
  const access = {
    ...about,
    typ: "Bearer",
    aud: ["jobs.api", "account"],
    realm_access: { roles: ["offline_access", "APP_ADMIN"] },
    resource_access: { "jobs.api": { roles: ["jobs.view_jobs"] }, account: { roles: ["manage-account"] } },
  };
  const id = { ...about, typ: "ID", aud: "web", preferred_username: "jane" };
  const names = {
    JWT_ROLES_CLAIM: "realm_access.roles",
    JWT_PERMISSIONS_CLAIM: "resource_access.jobs.api.roles",
  };
  expect(await callers(iss, "jobs.api,web", names, [access, id])).toEqual([
    { sub: SUB, appId: APP, roles: ["offline_access", "APP_ADMIN"], permissions: ["jobs.view_jobs"] },
    { sub: SUB, appId: APP, roles: [], permissions: [] },
  ]);
});

test("a setting that names several claims is refused, since no token has a claim of that name", () => {
  expect(() => createAuthenticator({ JWT_ROLES_CLAIM: "realm_access.roles,roles" })).toThrow(
    'JWT_ROLES_CLAIM is "realm_access.roles,roles": expected one claim',
  );
});

test("a token without an app is refused by the name that its claim has here", () => {
  vi.stubEnv("JWT_APP_CLAIM", "custom:appId");
  try {
    expect(() => appOf({ sub: SUB, roles: [], permissions: [] })).toThrow("names no app (claim custom:appId)");
  } finally {
    vi.unstubAllEnvs();
  }
});

test("Entra ID: app roles, scopes as a text, the tenant as the app", async () => {
  const iss = `https://login.microsoftonline.com/${APP}/v2.0`;
  const names = { JWT_APP_CLAIM: "tid", JWT_PERMISSIONS_CLAIM: "scp" };
  const about = { aud: SUB, sub: "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", tid: APP, ver: "2.0", oid: SUB };
  const user = { ...about, azp: CLIENT, roles: ["APP_ADMIN"], scp: "jobs.view_jobs jobs.create_jobs" };
  const daemon = { ...about, idtyp: "app", azpacr: "1", roles: ["APP_VIEWER"] };
  const id = { ...about, name: "Jane", preferred_username: "jane@example.com" };
  expect(await callers(iss, SUB, names, [user, daemon, id])).toEqual([
    { sub: about.sub, appId: APP, roles: ["APP_ADMIN"], permissions: ["jobs.view_jobs", "jobs.create_jobs"] },
    { sub: about.sub, appId: APP, roles: ["APP_VIEWER"], permissions: [] },
    { sub: about.sub, appId: APP, roles: [], permissions: [] },
  ]);
});

test("a claim is a list, or a text of words; what is neither is refused", async () => {
  const of = async (claims: JWTPayload) => (await callers("i", "a", {}, [{ sub: SUB, aud: "a", ...claims }]))[0];
  expect((await of({ roles: "APP_ADMIN" }))?.roles).toEqual(["APP_ADMIN"]);
  expect((await of({ roles: " A, B  C,,D " }))?.roles).toEqual(["A", "B", "C", "D"]);
  // An entry of a list is one role, whatever it holds.
  expect((await of({ roles: ["APP_ADMIN OTHER", "APP_ADMIN,"] }))?.roles).toEqual(["APP_ADMIN OTHER", "APP_ADMIN,"]);
  expect(await of({ roles: null, permissions: null, appId: null })).toEqual({
    sub: SUB,
    appId: undefined,
    roles: [],
    permissions: [],
  });
  for (const roles of [1, true, [1], [["APP_ADMIN"]], { APP_ADMIN: true }]) expect(await of({ roles })).toBeUndefined();
  for (const appId of ["mine", 1, [APP], ""]) expect(await of({ appId })).toBeUndefined();
});

test("a claim is found by its whole name first, then as a path, and never in what every object has", () => {
  expect(claimAt({ "a.b": 1, a: { b: 2 } }, "a.b")).toBe(1);
  expect(claimAt({ a: { "b.c": { d: 3 } } }, "a.b.c.d")).toBe(3);
  expect(claimAt({ a: { b: 2 }, "a.b": { c: 4 } }, "a.b.c")).toBe(4);
  for (const name of ["constructor", "__proto__", "a.constructor.name", "a.length", "a.", ".a", ".", "missing.b"]) {
    expect(claimAt({ a: "text" }, name)).toBeUndefined();
  }
});
