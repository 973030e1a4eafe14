import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { accept } from "../../lib/job/accept.ts";
import { maskedAddress, maskedJson, maskedText } from "../../lib/job/masking.ts";
import type { Message } from "../../lib/job/message.ts";
import { callbackView, entityOf } from "../../lib/job/view.ts";
import { createLogWriter } from "../../lib/tasks/log-writer.ts";
import { EMPTY_INDEX, type Chunk } from "../../lib/tasks/log-items.ts";
import { createClock } from "../../lib/clock.ts";

/** Names under which clients of the field's common services send credentials. */
const CREDENTIALS = `
  Authorization Proxy-Authorization Cookie Set-Cookie X-Api-Key api_key apikey X-Auth-Token X-Auth-Key X-Access-Token
  sig signature code key pwd pass password passwd passphrase passcode user_pass dbPassword
  x-functions-key ocp-apim-subscription-key subscription-key SharedAccessKey x-ms-authorization-auxiliary x-zumo-auth
  X-Amz-Security-Token X-Amz-Signature X-Amz-Credential AWSAccessKeyId aws_secret_access_key
  X-Goog-Signature X-Goog-Api-Key access_token id_token refresh_token client_secret client_assertion SAMLResponse jwt
  X-CSRF-Token X-XSRF-TOKEN PRIVATE-TOKEN X-Hub-Signature-256 X-Slack-Signature Stripe-Signature X-Vault-Token
  X-Shopify-Hmac-Sha256 DD-API-KEY DD-APPLICATION-KEY X-RapidAPI-Key X-Parse-Master-Key X-Hasura-Admin-Secret
  X-Telegram-Bot-Api-Secret-Token X-Honeycomb-Team hapikey routing_key license_key otp session_id PHPSESSID connect.sid
  webhookSecret basicAuth verification_code privateKey credentials appKey userPass smtpPass dbPwd consumerKey SMTPPass
  DBPwd SASKey AWSKey backupCodes recovery_codes userKeys otp-code mfacode resetCode
  CB-ACCESS-SIGN x-sign sign sas access_tkn pswd dsn connectionString connection_str code_verifier
`
  .trim()
  .split(/\s+/);

/** Names that resemble those of credentials. */
const ORDINARY = `
  author authorId authority design assign signal compass bypass passenger countryCode zip_code statusCode barcode
  idempotency-key partitionKey primary_key fileKey monkey keyboard keyword pinned decoder pwdless user page limit
  hockey whiskey turkey trespass keys foreignKeys codes countryCodes zipcode unicode decode geocode
  signIn signedAt
`
  .trim()
  .split(/\s+/);

const spellings = (name: string) => [name, name.toLowerCase(), name.toUpperCase()];

function shown(message: Message): string {
  const payload = { at: "inline", bytes: new Uint8Array() } as const;
  const terms = { destination: "https://a.example", timeoutMs: 1 };
  return JSON.stringify(entityOf(accept({ appId: "app", mode: "both", message }, terms, payload, 0, "id"), message));
}

/** A webhook and a task, each with a value under a name wherever it may hold one. */
function messagesWith(name: string, value: string): Message[] {
  const named = { [name]: value };
  const proxy = {
    body: null,
    resource: "/",
    path: `/hook?a=1&${encodeURIComponent(name)}=${value}#x&${name}=${value}`,
    httpMethod: "POST",
    isBase64Encoded: false,
    pathParameters: named,
    queryStringParameters: named,
    headers: { ...named, link: `<https://a.example/?${name}=${value}>` },
    requestContext: { path: `/hook?${name}=${value}`, authorizer: { claims: named } },
  };
  const callback = { url: `https://a.example/?${name}=${value}`, headers: named, on: ["DEAD"] } as const;
  const webhook = { lambdaProxyMessage: proxy, execution: { type: "rest-api" }, metadata: {} };
  const payload = {
    ...named,
    inner: [
      { [name]: [value, { deep: value }] },
      { name, value },
      { key: name, value },
      { Name: name, Value: value },
      [name, value],
    ],
    text: `see https://a.example/?${name}=${value}, please`,
  };
  return [
    { ...webhook, onComplete: callback, onFailure: { message: webhook, onComplete: callback } },
    { execution: { type: "schedule", targetJob: webhook }, metadata: {} },
    { execution: { type: "task", jobType: "sync", payload }, metadata: {} },
  ];
}

test("more than 60 names of credentials are masked in queries, headers and JSON, however they are spelled", () => {
  expect(CREDENTIALS.length).toBeGreaterThan(60);
  for (const name of CREDENTIALS.flatMap(spellings)) {
    for (const message of messagesWith(name, "canary")) expect(shown(message), name).not.toContain("canary");
  }
});

test("names that only resemble those of credentials are shown", () => {
  for (const name of ORDINARY.flatMap(spellings)) {
    for (const message of messagesWith(name, "canary")) expect(shown(message), name).toContain("canary");
    expect(maskedJson({ [name]: "shown" })).toEqual({ [name]: "shown" });
    expect(maskedAddress(`/p?${name}=shown`)).toBe(`/p?${name}=shown`);
  }
});

test("the user's part of a URL is masked wherever a URL may stand", () => {
  const url = "https://ann:c@nary@a.example:8443/p?q=ann@b.example";
  const safe = "https://***@a.example:8443/p?q=ann@b.example";
  expect(maskedText(`GET ${url} and redis://:c@nary@cache:6379/0`)).toBe(`GET ${safe} and redis://***@cache:6379/0`);
  expect(maskedJson({ source: { at: url } })).toEqual({ source: { at: safe } });
  expect(callbackView({ url, headers: { referer: url }, on: [] })).toEqual({
    url: safe,
    headers: { referer: safe },
    on: [],
  });
  expect(maskedText("mail ann@b.example or https://b.example/@ann")).toBe(
    "mail ann@b.example or https://b.example/@ann",
  );
});

test("a value ends where its parameter does, also where ; parts parameters or a name is encoded", () => {
  expect(maskedAddress("/p?a=1;sig=canary;b=2&%73ig=can;ary&c=3")).toBe("/p?a=1;sig=***;b=2&%73ig=***&c=3");
  expect(maskedAddress("https://a.example/#access_token=canary&state=1")).toBe(
    "https://a.example/#access_token=***&state=1",
  );
  expect(maskedAddress("/p?%=1&sig=canary?x=1")).toBe("/p?%=1&sig=***");
});

test("an address within an address shows no credential either, plain or encoded", () => {
  const inner = "https://ann:canary@b.example/?sig=canary&a=1";
  for (const nested of [
    "/p?to=https://b.example/x?sig=canary?more&b=2",
    "/p?to=a;/x?b=1?token=canary;c=3&b=2",
    `/p?to=${encodeURIComponent(inner)}&b=2`,
    `/p?to=${encodeURIComponent(encodeURIComponent("x"))}&b=2&to=${encodeURIComponent(inner)}`,
  ]) {
    expect(maskedAddress(nested)).not.toContain("canary");
    expect(maskedAddress(nested)).toContain("b=2");
  }
  expect(maskedAddress(`/p?to=${encodeURIComponent(inner)}`)).toBe(
    `/p?to=${encodeURIComponent("https://***@b.example/?sig=***&a=1")}`,
  );
  const ordinary = `/p?to=${encodeURIComponent("https://b.example/?a=1&mail=ann@b.example")}&next=/x?a=b?c=d`;
  expect(maskedAddress(ordinary)).toBe(ordinary);
});

test("what is hidden in JSON keeps its shape, and columns keep their types", () => {
  expect(maskedJson({ pin: 1234, auth: { user: "ann", isOn: true, none: null }, tokens: ["a"] })).toEqual({
    pin: "***",
    auth: { user: "***", isOn: true, none: null },
    tokens: ["***"],
  });
  const columns = { code: "string", token: "string" };
  const groupBy = { fields: ["code", "country"], aggregates: { key: { op: "sum", field: "price" } } };
  const shaped = { columns, select: { code: { field: "code" } }, groupBy };
  expect(maskedJson(shaped)).toEqual(shaped);
});

test("the log of a task holds no credential that its lines name", async () => {
  const chunks: Chunk[] = [];
  const items = { putChunk: async (_: unknown, chunk: Chunk) => void chunks.push(chunk), putIndex: async () => {} };
  const job = { id: "id", createdAt: 0 };
  const parts = { clock: createClock(), items: items as never };
  const log = createLogWriter(parts, { job, attempt: 1, before: EMPTY_INDEX });
  await log.line("info", "GET https://ann:canary@a.example/?sig=canary", { meta: { headers: { "x-key": "canary" } } });
  await log.line("info", `${"x".repeat(1_980)} https://ann:canary-canary@a.example`);
  await log.flush();
  expect(JSON.stringify(chunks[0]?.lines)).toContain("https://***@a.example/?sig=***");
  expect(JSON.stringify(chunks[0]?.lines)).not.toContain("canary");
});

test("long texts made against a pattern are masked in one pass", () => {
  for (const text of [
    "a".repeat(1e6),
    "://".repeat(3e5),
    "?".repeat(1e6),
    "://a@".repeat(2e5),
    "?a;".repeat(3e5),
    `?a=%3d${"%25".repeat(3e5)}`,
    `?a=${"?b=;".repeat(3e5)}`,
  ]) {
    expect(maskedText(text)).toBeTypeOf("string");
    expect(maskedAddress(text)).toBeTypeOf("string");
  }
});

test("a name is remembered without the text that it stood in", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heldMb = () => {
    collect();
    return process.memoryUsage().heapUsed / 1e6;
  };
  const before = heldMb();
  // No name that can be decoded: it stays a piece of its text.
  for (let n = 0; n < 300; n += 1) {
    const text = `http://a/?%zparameterName${n}=1 ${"x ".repeat(100_000)}${n}`;
    maskedText(text.slice(0, 4_000));
  }
  expect(heldMb() - before).toBeLessThan(20);
});
