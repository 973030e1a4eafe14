import * as fc from "fast-check";
import { Agent } from "node:http";
import { parseArgs } from "node:util";
import { startEmulators } from "../../local/emulators.ts";
import { checkAnswer, routeOf } from "../support/api-document.ts";
import { endStacks, startStack } from "../support/stack.ts";
import { CANARY, OPERATOR, createWorld } from "./apps.ts";
import { clocksCommand } from "./clocks.ts";
import { plans, plansByRoute, wire, type Plan, type Wire } from "./requests.ts";
import { NO_ANSWER, send, type Received } from "./send.ts";

export { CANARY };

// Requests that the API document describes, and twisted ones, against the local stack: no answer may be an
// error of ours, differ from the document, show our code, or hold what belongs to another app.

export interface Report {
  readonly seed: number;
  readonly requests: number;
  /** By route and status, how many answers there were. */
  readonly answers: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Routes that never answered 2xx. */
  readonly unreached: readonly string[];
  /** The first request whose answer has a problem, as small as it could be made. */
  readonly failure?: string;
}

export interface Options {
  readonly requests: number;
  readonly seed: number;
  /** Asks each route, beside these requests, until it answers 2xx. Default: true. */
  readonly reach?: boolean;
  readonly progress?: (done: number) => void;
}

/** Each lot has a stack of its own, since a stack slows down as it fills, and the next seed. */
const LOT = 20_000;
/** Enough to keep the stack busy while answers are checked. */
const IN_FLIGHT = 24;
/** How many more requests a route gets that has not answered 2xx by the end of a lot. */
const MOST_FOR_A_ROUTE = 200;

type Answers = Map<string, Map<number, number>>;

export async function fuzz({ requests, seed, reach = true, progress }: Options): Promise<Report> {
  const answers: Answers = new Map();
  for (let done = 0, lot = 0; done < requests; lot += 1) {
    const numRuns = Math.min(LOT, requests - done);
    const failure = await fuzzLot({ seed: seed + lot, numRuns }, reach, answers);
    done += numRuns;
    if (failure !== undefined) return { seed: seed + lot, requests: done, answers, unreached: [], failure };
    progress?.(done);
  }
  return { seed, requests, answers, unreached: unreached(answers) };
}

/** The failure, if there is one. */
async function fuzzLot(
  drawn: { seed: number; numRuns: number },
  reach: boolean,
  answers: Answers,
): Promise<string | undefined> {
  // In memory, which is faster.
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
    if (reach && unreached(answers).length > 0) await world.provideJobs();
    const rest = reach ? await reachRest(drawn.seed, answers, askAndCount) : undefined;
    return rest ?? (await world.foreignChanges());
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

/** Asks some at a time, until one has a problem. */
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

/** For a stack that `npm start` runs, since this one has ended by then. */
function curl({ method, path, headers, body }: Wire): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const given = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const isText = body?.toString("utf8").match(/^[\t\n\x20-\x7e]*$/);
  const data = isText ? `--data-raw ${quoted(body?.toString() ?? "")}` : "--data-binary @-";
  const piped = body && !isText ? `echo ${body.toString("base64")} | base64 -d | ` : "";
  return `${piped}curl -sg --path-as-is -X ${method} ${quoted(`http://127.0.0.1:3000${path}`)} ${[...given, ...(body ? [data] : [])].join(" ")}`;
}

// ---- The judgement of answers ----

const OUR_CODE = /\n\s+at |node_modules\/|node:internal|\b(?:lib|functions|local)\/[\w/-]+\.ts\b/;

/** The problem of an answer; undefined if there is none. */
export function problemOf({ method, path }: Wire, { status, headers, text }: Received): string | undefined {
  const told = `${method} ${path} answered ${status}:\n${text.slice(0, 2_000)}`;
  if (status === NO_ANSWER) return `No answer. ${told}`;
  if (status >= 500) return `An error of ours. ${told}`;
  // Only the platform's administrators are answered the list of all apps.
  const isOfAll = method === "GET" && /^\/v1\/admin\/apps(?:\?|$)/.test(path);
  if (text.includes(CANARY) && !isOfAll) return `What belongs to another app. ${told}`;
  // The document and the viewer name files.
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

// ---- npm run fuzz ----

const USAGE = `Asks the local stack odd things, and says what it answered.
  npm run fuzz -- --requests 1000000 --seed 1
  --requests: how many, default 20000; --seed: draws the same ones again, default by chance
  npm run fuzz -- --clocks --seed 1 --from 2027 --expressions 10
  --clocks: schedules instead, where clocks change; --from: the first of ten years, default 2011;
  --expressions: how many for each of 40 time zones, default 10; --changes: only the three days around each change,
  and as many expressions, default 1, for each of them
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
  const number = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parseArgs({
    options: { requests: number, seed: number, clocks: flag, changes: flag, from: number, expressions: number },
  });
  const requests = Number(values.requests ?? 20_000);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const clocks = {
    seed,
    from: Number(values.from ?? 2011),
    expressions: Number(values.expressions ?? (values.changes ? 1 : 10)),
  };
  const counts = [requests, clocks.from, clocks.expressions];
  if (!Number.isInteger(seed) || !counts.every((count) => Number.isInteger(count) && count >= 1)) {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  const began = performance.now();
  const say = (line: string) => process.stdout.write(`${line}\n`);
  if (values.clocks === true) {
    process.exitCode = clocksCommand(clocks, { changes: values.changes === true }, say);
    return;
  }
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
