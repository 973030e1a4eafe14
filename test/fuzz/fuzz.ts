import * as fc from "fast-check";
import { SignJWT, UnsecuredJWT } from "jose";
import { randomUUID } from "node:crypto";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { startEmulators } from "../../local/emulators.ts";
import { LOCAL_JWT_SECRET } from "../../local/token.ts";
import { checkAnswer, routeOf } from "../support/api-document.ts";
import { endStacks, startStack, tokenFor, type Stack } from "../support/stack.ts";
import { plans, plansByRoute, wire, type Plan, type Wire } from "./requests.ts";

// Requests that the API document describes, and twisted ones, against the local stack: no answer may be an
// error of ours, differ from the document, show our code, or hold what belongs to another app.

export interface Report {
  readonly seed: number;
  readonly requests: number;
  /** By route and status, how many answers there were. */
  readonly answers: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Routes that never answered 2xx. */
  readonly unreached: readonly string[];
  /** The first request that was answered as it must not be, as small as it could be made. */
  readonly failure?: string;
}

export interface Options {
  readonly requests: number;
  readonly seed: number;
  readonly progress?: (done: number) => void;
}

/** Each lot has a stack of its own, which would slow down as it fills, and a seed of its own, the next number. */
const LOT = 20_000;
/** Enough to keep the stack busy while answers are checked. */
const IN_FLIGHT = 24;
/** How many more requests a route gets that has not answered 2xx by the end of a lot. */
const MOST_FOR_A_ROUTE = 200;

type Answers = Map<string, Map<number, number>>;

export async function fuzz({ requests, seed, progress }: Options): Promise<Report> {
  const answers: Answers = new Map();
  for (let done = 0, lot = 0; done < requests; lot += 1) {
    const numRuns = Math.min(LOT, requests - done);
    const failure = await fuzzLot({ seed: seed + lot, numRuns }, answers);
    done += numRuns;
    if (failure !== undefined) return { seed: seed + lot, requests: done, answers, unreached: [], failure };
    progress?.(done);
  }
  return { seed, requests, answers, unreached: unreached(answers) };
}

/** What was found, if anything was. */
async function fuzzLot(drawn: { seed: number; numRuns: number }, answers: Answers): Promise<string | undefined> {
  // In memory: a disk would only slow them down.
  const emulators = await startEmulators();
  const { dynamodb, sqs, s3 } = emulators.endpoints;
  const endpoints = { AWS_ENDPOINT_URL_DYNAMODB: dynamodb, AWS_ENDPOINT_URL_SQS: sqs, AWS_ENDPOINT_URL_S3: s3 };
  const stack = await startStack({ env: { ROLE: "gateway", INTERNAL_JWT_TOKEN: OPERATOR, ...endpoints } });
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  try {
    const world = await createWorld(stack);
    const ask: Ask = async (plan) => {
      const asked = world.authorized(plan, wire(plan, world.known));
      const answer = await send(agent, stack.url, asked);
      const problem = problemOf(asked, answer);
      if (problem === undefined) world.learn(plan, answer);
      return { asked, answer, ...(problem !== undefined && { problem }) };
    };
    const askAndCount = async (plan: Plan) => {
      const { asked, answer, problem } = await ask(plan);
      const key = routeOf(asked.method, asked.path)?.key ?? "no route";
      const counts = answers.get(key) ?? new Map<number, number>();
      answers.set(key, counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1));
      return problem;
    };
    const found = await askAll(fc.sample(plans, drawn), askAndCount);
    if (found) return await smallest(drawn.seed, found, ask, stack.url);
    return (await reachRest(drawn.seed, answers, askAndCount)) ?? (await world.foreignChanges());
  } finally {
    agent.destroy();
    await stack.end();
    await emulators.stop();
  }
}

/** A short run may miss a rare route by chance: it is asked until it answers 2xx. What was found, if anything was. */
async function reachRest(
  seed: number,
  answers: Answers,
  ask: (plan: Plan) => Promise<string | undefined>,
): Promise<string | undefined> {
  for (const [route, arbitrary] of plansByRoute) {
    for (const plan of fc.sample(arbitrary, { seed, numRuns: MOST_FOR_A_ROUTE })) {
      if (isReached(answers, route)) break;
      const problem = await ask(plan);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

interface Found {
  readonly index: number;
  readonly problem: string;
}

/** Some at a time; the first that has a problem ends it. */
async function askAll(
  lot: readonly Plan[],
  ask: (plan: Plan) => Promise<string | undefined>,
): Promise<Found | undefined> {
  let next = 0;
  let found: Found | undefined;
  const worker = async () => {
    while (next < lot.length && !found) {
      const index = next;
      next += 1;
      const problem = await ask(lot[index] as Plan);
      if (problem !== undefined) found ??= { index, problem };
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return found;
}

interface Exchange {
  readonly asked: Wire;
  readonly answer: Received;
  readonly problem?: string;
}

type Ask = (plan: Plan) => Promise<Exchange>;

/** Draws the plan again and makes it smaller as long as the answer stays wrong. */
async function smallest(seed: number, { index, problem }: Found, ask: Ask, url: string): Promise<string> {
  let last: Exchange | undefined;
  const property = fc.asyncProperty(plans, async (plan) => {
    const asked = await ask(plan);
    if (asked.problem !== undefined) last = asked;
    return asked.problem === undefined;
  });
  await fc.check(property, { seed, path: String(index), numRuns: 1 });
  const again = `Again: npm run fuzz -- --seed ${seed} --requests ${index + 1}`;
  if (!last) return `${problem}\n\nIt was not so when sent once more: it takes other requests too. ${again}`;
  return `${last.problem}\n\n${curl(last.asked).replaceAll(url, "http://127.0.0.1:3000")}\n\n${again}`;
}

/** For a stack that `npm start` runs: this one is gone by then. */
function curl({ method, path, headers, body }: Wire): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const given = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const isText = body?.toString("utf8").match(/^[\t\n\x20-\x7e]*$/);
  const data = isText ? `--data-raw ${quoted(body?.toString() ?? "")}` : "--data-binary @-";
  const piped = body && !isText ? `echo ${body.toString("base64")} | base64 -d | ` : "";
  return `${piped}curl -sg --path-as-is -X ${method} ${quoted(`http://127.0.0.1:3000${path}`)} ${[...given, ...(body ? [data] : [])].join(" ")}`;
}

// ---- What no answer may be ----

interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const NO_ANSWER = 0;
/** Held by everything that the other app owns. */
export const CANARY = "canary-of-another-app";
const OUR_CODE = /\n\s+at |node_modules\/|node:internal|\b(?:lib|functions|local)\/[\w/-]+\.ts\b/;

/** What is wrong with an answer; nothing if it may be so. */
export function problemOf({ method, path }: Wire, { status, headers, text }: Received): string | undefined {
  const told = `${method} ${path} answered ${status}:\n${text.slice(0, 2_000)}`;
  if (status === NO_ANSWER) return `No answer. ${told}`;
  if (status >= 500) return `An error of ours. ${told}`;
  if (text.includes(CANARY)) return `What belongs to another app. ${told}`;
  // The document and the viewer speak of files.
  if (OUR_CODE.test(text) && !/^\/(api-docs|openapi)/.test(path)) return `Our code shows. ${told}`;
  try {
    checkAnswer({ method, path, status, headers, text });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function unreached(answers: Report["answers"]): string[] {
  return [...plansByRoute.keys()].filter((route) => !isReached(answers, route));
}

function isReached(answers: Report["answers"], route: string): boolean {
  return [...(answers.get(route)?.keys() ?? [])].some((status) => status < 300);
}

/** Not by `fetch`, which tidies up what it sends. */
async function send(agent: Agent, url: string, { method, path, headers, body }: Wire): Promise<Received> {
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve({ status: NO_ANSWER, headers: new Headers(), text: error.message });
    const length = body && { "content-length": body.length };
    const { hostname, port } = new URL(url);
    const outgoing = httpRequest({ agent, hostname, port, method, path, headers: { ...headers, ...length } });
    outgoing.on("error", fail);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", fail);
      incoming.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: incoming.statusCode ?? 0, headers: headersOf(incoming.headers), text });
      });
    });
    outgoing.end(body);
  });
}

function headersOf(incoming: IncomingHttpHeaders): Headers {
  return new Headers(Object.entries(incoming).map(([name, value]): [string, string] => [name, String(value)]));
}

// ---- Two apps: the one that asks, and the one that nobody may hear of ----

const OPERATOR = "an-internal-token-of-32-characters-or-more";
/** Few enough that requests meet in the same job. */
const MOST_KEPT = 50;

async function createWorld(stack: Stack) {
  const [self, other] = [randomUUID(), randomUUID()];
  const tokens = await tokensOf(self);
  const foreign = await ownedBy(other, stack);
  const files = [await uploadedFile(stack, tokens["admin"] ?? "", "a.csv")];
  const page = { input_type: "html", html: "<p>a page" };
  const pdf = await stack.call("POST", "/longjob", { token: tokens["admin"] ?? "", body: page });
  const owned = { foreign: foreign.ids, foreignFile: [foreign.fileKey], file: files, pdf: [pdf.body.job_id] };
  const none = { job: [], task: [], bulk: [], fileJob: [], secret: [], schedule: [], cursor: [] };
  const kept: Record<string, unknown[]> = { ...owned, ...none };
  let version = 0;

  const keep = (kind: string, value: unknown) => {
    kept[kind]?.unshift(value);
    kept[kind]?.splice(MOST_KEPT);
  };

  return {
    known: (name: string): unknown => {
      const [kind = "", at] = name.split(":");
      if (at !== undefined) return kept[kind]?.[Number(at) % kept[kind].length] ?? randomUUID();
      return { self, other, version, stack: stack.url }[kind];
    },

    authorized: ({ caller, twist }: Plan, asked: Wire): Wire => {
      const token = tokens[caller];
      if (token === undefined || (twist.kind === "header" && twist.name === "authorization")) return asked;
      return { ...asked, headers: { ...asked.headers, authorization: `Bearer ${token}` } };
    },

    /** Takes what later requests can ask for. */
    learn: ({ key }: Plan, { status, text }: Received): void => {
      if (status >= 300) return;
      if (/^POST \/(v1|api)\/jobs$/.test(key)) {
        const { jobId, id = jobId } = JSON.parse(text) as { jobId?: string; id?: string };
        for (const kind of ["job", "task"]) keep(kind, id);
        if (key.includes("/api/")) keep("fileJob", id);
      }
      if (key === "POST /longjob") {
        const { job_id: id } = JSON.parse(text) as { job_id: string };
        for (const kind of ["job", "task", "pdf"]) keep(kind, id);
      }
      if (!key.includes(" /v1/")) return;
      const { data } = (JSON.parse(text) ?? {}) as { data?: Record<string, unknown> };
      if (typeof data?.["executionType"] === "string" && status === 201) {
        keep("job", data["id"]);
        if (data["executionType"] === "schedule") keep("schedule", data["id"]);
      }
      if (status === 202 && data) keep("bulk", data["id"]);
      if (typeof data?.["secret"] === "string") keep("secret", data["id"]);
      if (typeof data?.["nextCursor"] === "string") keep("cursor", data["nextCursor"]);
      if (typeof data?.["version"] === "number") version = data["version"];
    },

    /** What has become of the other app's things, if anything has. */
    foreignChanges: async (): Promise<string | undefined> => {
      const now = await foreign.look();
      const changed = now.filter((part, at) => !isDeepStrictEqual(part, foreign.before[at]));
      return changed.length === 0 ? undefined : `Another app's things have changed: ${JSON.stringify(changed)}`;
    },
  };
}

async function tokensOf(appId: string): Promise<Record<string, string | undefined>> {
  const sign = async (secret: string, expires: string) =>
    new SignJWT({ appId, roles: ["APP_ADMIN"] })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("fuzzer")
      .setExpirationTime(expires)
      .sign(new TextEncoder().encode(secret));
  return {
    admin: await sign(LOCAL_JWT_SECRET, "7d"),
    expired: await sign(LOCAL_JWT_SECRET, "-1h"),
    forged: await sign("another-secret-of-32-characters-or-more", "1h"),
    unsigned: new UnsecuredJWT({ appId, roles: ["PLATFORM_ADMIN"], sub: "x" }).setExpirationTime("1h").encode(),
    user: await tokenFor({ appId, roles: ["USER"] }),
    appless: await tokenFor({}),
    garbage: "a.b.c",
    operator: OPERATOR,
  };
}

/** An app whose jobs, settings, secrets and audit log hold the canary. Nothing of it is due within a run. */
async function ownedBy(appId: string, stack: Stack) {
  const token = await tokenFor({ appId });
  const url = `${stack.url}/echo/${CANARY}`;
  const message = {
    lambdaProxyMessage: { path: `/${CANARY}`, httpMethod: "POST", body: CANARY },
    execution: { type: "rest-api", baseUrl: url },
  };
  const execution = { type: "schedule", scheduledAt: "2098-01-01T00:00:00Z", targetJob: message };
  const ids: string[] = [];
  for (let n = 0; n < 10; n += 1) {
    const metadata = { idempotencyKey: n === 0 ? "key-0" : `${CANARY}-${n}` };
    const { body } = await stack.call("POST", "/v1/jobs/create", { token, body: { message: { execution, metadata } } });
    ids.push(body.data.id);
  }
  const fileKey = await uploadedFile(stack, token, `${CANARY}.csv`);
  const about = { jobType: "example", payload: { words: [CANARY] }, fileKey, meta: { CANARY } };
  ids.push((await stack.call("POST", "/api/jobs", { token, body: about })).body.id);
  const app = `/v1/admin/apps/${appId}`;
  await stack.call("PUT", app, { token, body: { version: 0, name: CANARY, onComplete: { url } } });
  await stack.call("POST", `${app}/signing-secrets`, { token });
  const look = async (): Promise<unknown[]> => {
    const asked = ["/v1/admin/jobs", app, `${app}/audit`].map(async (path) => stack.call("GET", path, { token }));
    return (await Promise.all(asked)).map(({ body }) => body.data);
  };
  return { ids, fileKey, look, before: await look() };
}

/** The key of a file of one byte. */
async function uploadedFile(stack: Stack, token: string, fileName: string): Promise<string> {
  const announced = { fileName, size: 1, contentType: "text/csv" };
  const { fileKey, parts } = (await stack.call("POST", "/api/jobs/uploads", { token, body: announced })).body;
  const { headers } = await fetch(parts[0].url, { method: "PUT", body: "a" });
  const body = { fileKey, parts: [{ partNumber: 1, etag: headers.get("etag") }] };
  await stack.call("POST", "/api/jobs/uploads/complete", { token, body });
  return fileKey;
}

// ---- npm run fuzz ----

const USAGE = `Asks the local stack odd things, and says what it answered.
  npm run fuzz -- --requests 1000000 --seed 1
  --requests: how many, default 20000; --seed: draws the same ones again, default by chance
`;

export function table({ answers }: Report): string {
  const rows = [...answers]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([key, counts]) => {
      const shown = [...counts].toSorted(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
      return `${key.padEnd(60)} ${shown.join("  ")}`;
    });
  return rows.join("\n");
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { requests: { type: "string" }, seed: { type: "string" } } });
  const requests = Number(values.requests ?? 20_000);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  if (!Number.isInteger(requests) || requests < 1 || !Number.isInteger(seed)) {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  const began = performance.now();
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const rate = (done: number) =>
    `${done} requests, ${Math.round((done * 1_000) / (performance.now() - began))} a second`;
  say(`seed ${seed}`);
  const report = await fuzz({ requests, seed, progress: (done) => say(rate(done)) });
  say(table(report));
  if (report.unreached.length > 0) say(`never answered 2xx: ${report.unreached.join(", ")}`);
  say(report.failure ?? `${rate(requests)}: nothing found`);
  if (report.failure !== undefined) process.exitCode = 1;
  await endStacks();
}

if (import.meta.main) await main();
