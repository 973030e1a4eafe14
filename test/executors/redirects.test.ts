import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { RunningAttempt } from "../../lib/executors/executor.ts";
import { lambdaUrl } from "../../lib/executors/lambda-url.ts";
import { restApi } from "../../lib/executors/rest-api.ts";
import { webhookSignature } from "../../lib/outbound/webhook-signature.ts";
import { isSigned } from "../../local/signature.ts";
import { CERTIFICATE, trustCertificate } from "../support/certificate.ts";

const KEYS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const SIGNING_KEY = Buffer.alloc(32, 7);

interface Received {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

const received: Received[] = [];
const server = createServer(CERTIFICATE, (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { url: path = "", method = "", headers } = request;
    received.push({ path, method, headers, body: Buffer.concat(chunks) });
    answer(path, response);
  });
});
let origin = "";
let distrust: () => void;

/** Each for one request, before the others. */
const answers: ((response: ServerResponse) => void)[] = [];

/** `/307/next` leads to `/next`, and `/loop` to itself. */
function answer(path: string, response: ServerResponse): void {
  const own = answers.shift();
  if (own) return own(response);
  const [, status = "200", rest = ""] = /^(?:\/lambda-url)?\/(3\d\d)\/(.*)$/.exec(path) ?? [];
  if (path === "/loop") return void response.writeHead(308, { location: "/loop" }).end();
  if (status === "200") return void response.end("there");
  const location = rest.startsWith("http") ? decodeURIComponent(rest) : `/${rest}`;
  return void response.writeHead(Number(status), { location }).end();
}

beforeAll(async () => {
  distrust = trustCertificate();
  vi.stubEnv("AWS_ACCESS_KEY_ID", KEYS.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", KEYS.secretAccessKey);
  vi.stubEnv("AWS_SESSION_TOKEN", undefined);
  vi.stubEnv("AWS_REGION", "eu-west-1");
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  vi.unstubAllEnvs();
  distrust();
  server.closeAllConnections();
  server.close();
});

const RULES = {
  allowPrivateTargets: true,
  allowedCallbackUrls: [] as string[],
  allowedFunctions: [],
  followRedirects: true,
  invokableFunctions: [],
  home: undefined,
  ownFunctions: "",
  localFunctionUrls: "",
};

async function run(path: string, rules: Partial<typeof RULES> = {}, type: "rest-api" | "lambda-url" = "rest-api") {
  received.length = 0;
  const at = Math.floor(Date.now() / 1_000);
  const attempt = {
    job: { appId: "an app" },
    jobId: "a job",
    number: 1,
    message: {
      lambdaProxyMessage: {
        path,
        httpMethod: "PUT",
        headers: { "X-Own": "1" },
        body: '{"a":1}',
        isBase64Encoded: false,
      },
      execution: { type, baseUrl: origin, functionUrl: origin },
      metadata: {},
    },
    timeoutMs: 10_000,
    realTimeSeconds: at,
    realNow: () => performance.now(),
    sign: async (body: Uint8Array) => webhookSignature([SIGNING_KEY], { id: "a job", timestamp: at, body }),
    signal: AbortSignal.timeout(10_000),
  } as unknown as RunningAttempt<never>;
  const executor = type === "rest-api" ? restApi : lambdaUrl;
  return executor.execute(attempt, { ...RULES, ...rules });
}

test.each([307, 308])(
  "a %i to the same origin is followed with method, headers, body and a signature",
  async (status) => {
    expect(await run(`/${status}/there?x=1+1`)).toMatchObject({ kind: "succeeded", httpStatus: 200 });
    expect(received.map(({ path }) => path)).toEqual([`/${status}/there?x=1+1`, "/there?x=1+1"]);
    const [, last] = received;
    expect(last).toMatchObject({ method: "PUT", headers: { "x-own": "1", "webhook-id": "a job" } });
    expect(last?.body.toString()).toBe('{"a":1}');
    const timestamp = Number(last?.headers["webhook-timestamp"]);
    const signature = webhookSignature([SIGNING_KEY], { id: "a job", timestamp, body: Buffer.from('{"a":1}') });
    expect(last?.headers["webhook-signature"]).toBe(signature);
  },
);

test.each([
  ["/a b/%C3%BC?x={1}", "/a%20b/%C3%BC?x={1}"],
  [Buffer.from("/café/日本").toString("latin1"), "/caf%C3%A9/%E6%97%A5%E6%9C%AC"],
  ["/caf\xe9", "/caf%C3%A9"],
  ["there?y=1#part", "/there?y=1"],
  ["//127.0.0.1:0/there", undefined],
])("a Location of %j is read as browsers read it", async (location, path) => {
  answers.push((response) =>
    response.writeHead(308, { location: location.replace(":0", `:${new URL(origin).port}`) }).end(),
  );
  expect(await run("/308/x")).toMatchObject({ kind: "succeeded" });
  expect(received.at(-1)?.path).toBe(path ?? "/there");
});

test("each request to a function's URL has a signature of its own", async () => {
  const rules = { localFunctionUrls: `${origin}/lambda-url/` };
  expect(await run("/lambda-url/307/lambda-url/there?x=a+b", rules, "lambda-url")).toMatchObject({ httpStatus: 200 });
  expect(received.map(({ path }) => path)).toEqual([
    "/lambda-url/307/lambda-url/there?x=a%20b",
    "/lambda-url/there?x=a%20b",
  ]);
  for (const { path: target, ...request } of received)
    expect(isSigned({ ...request, target }, KEYS, Date.now())).toBe(true);
  expect(await run("/lambda-url/307/elsewhere", rules, "lambda-url")).toMatchObject({
    httpStatus: 307,
    error: expect.stringMatching(/not followed\. The function's URL: expected https/),
  });
  expect(received).toHaveLength(1);
});

const elsewhere = (url: string) => `/307/${encodeURIComponent(url)}`;

test.each([
  ["to another host", () => elsewhere("https://127.0.0.2/there"), "only 307 and 308 to the same host by https"],
  ["to another port", () => elsewhere("https://127.0.0.1/there"), "only 307 and 308 to the same host by https"],
  ["to http", () => elsewhere(`${origin.replace("https", "http")}/x`), "only 307 and 308 to the same host by https"],
  ["with a user", () => elsewhere(origin.replace("//", "//a:b@")), "only 307 and 308 to the same host by https"],
  ["that may change the method", () => "/302/there", "only 307 and 308 to the same host by https"],
])("a redirect %s is not followed, and the error says why", async (_, path, why) => {
  expect(await run(path())).toMatchObject({ kind: "retry", error: expect.stringContaining(why) });
  expect(received).toHaveLength(1);
});

test("nothing is followed unless the app says so", async () => {
  const outcome = await run("/307/there", { followRedirects: false });
  expect(outcome).toMatchObject({ error: `HTTP 307, a redirect to ${origin}/there: redirects are not followed` });
  expect(received).toHaveLength(1);
});

test("a redirect is held to the app's list of targets", async () => {
  const allowedCallbackUrls = [`${origin}/307`];
  expect(await run("/307/there", { allowedCallbackUrls })).toMatchObject({
    kind: "retry",
    httpStatus: 307,
    error: expect.stringContaining("/there: not followed. The target is not among the app's allowedCallbackUrls"),
  });
  expect(received).toHaveLength(1);
  expect(await run("/307/307/there", { allowedCallbackUrls })).toMatchObject({
    error: expect.stringContaining(", after a redirect to"),
  });
  expect(received.map(({ path }) => path)).toEqual(["/307/307/there", "/307/there"]);
});

test("five redirects in a row are followed, and no sixth", async () => {
  expect(await run("/307/307/307/307/307/there")).toMatchObject({ kind: "succeeded" });
  expect(received).toHaveLength(6);
  expect(await run("/loop")).toMatchObject({
    httpStatus: 308,
    error: `HTTP 308, a redirect to ${origin}/loop: not followed. It is the 6th in a row, after a redirect to ${origin}/loop`,
  });
  expect(received).toHaveLength(6);
});
