import { ClientError, type ErrorDetail } from "../../errors.ts";
import { isExactNumber, isSameScalar, parseExactly } from "../../job/exact-json.ts";
import { SCHEDULE, TASK, type Job, type Kind } from "../../job/job.ts";
import type { Message, Metadata, ProxyMessage } from "../../job/message.ts";
import { lowerCase, namedHeaders, parametersOf } from "../../job/multi-values.ts";
import { isTooDeep } from "../http/body.ts";

// A request whose idempotency key belongs to a job already: whether it asks for that job. It is compared with the
// stored message, so that a first request costs nothing.

/** How a request is written, by which the differing parts are named. */
export type Shape = "nested" | "flat";

/** The most differences that are named. */
const MOST_NAMED = 20;

/** Throws UNPROCESSABLE_ENTITY for another job. Returns the names of what else differs, which the stored job keeps. */
export function compared(job: Job, asked: Message, stored: Message, shape: Shape): string[] {
  const differing = new Set(differingIn(asked, stored, shape === "flat" ? FLAT : nested("/message")));
  if (differing.size === 0) return othersIn(asked, stored);
  const details = [...differing].slice(0, MOST_NAMED).map((field): ErrorDetail => ({ field, message: DIFFERS }));
  throw conflict(
    job,
    details.map(({ field }) => field),
    details,
  );
}

const DIFFERS = "differs from the job that has the key";

export function conflict(job: Job, differing: readonly string[], details: readonly ErrorDetail[] = []): ClientError {
  const message = `The idempotency key belongs to job ${job.id}, which differs in ${differing.join(", ")}; use another key`;
  return new ClientError("UNPROCESSABLE_ENTITY", message, details, { reason: "idempotency_conflict" });
}

/** The rule of earlier versions, for apps that ask for it: the kind of job, and where it goes. */
export function comparedByTarget(job: Job, asked: Message, stored: Message, terms: Kind): void {
  const { lambdaProxyMessage: now } = asked;
  const { lambdaProxyMessage: then } = stored;
  const differing = [
    job.executionType !== asked.execution.type && "execution.type",
    // A task's type stands for its destination.
    (job.destination ?? job.jobType) !== (terms.destination ?? terms.jobType) && "destination",
    then?.httpMethod !== now?.httpMethod && "httpMethod",
    then?.path !== now?.path && "path",
  ].filter((field) => field !== false);
  if (differing.length > 0) throw conflict(job, differing);
}

/** What is called: an origin, a function or a type of task. */
function targetOf({ baseUrl, functionUrl, functionName, jobType }: Message["execution"]): unknown {
  const address = baseUrl ?? functionUrl;
  return typeof address === "string" ? new URL(address).origin : (functionName ?? jobType);
}

// ---- What makes it another job ----

/** The part of a message, as a pointer into the request. */
type NameOf = (part: string, execution: Message["execution"]) => string;

const nested =
  (at: string): NameOf =>
  (part, { type }) => {
    const [first = "", ...rest] = part.split("/");
    const name = first === "target" ? (TARGETS[type] ?? "type") : first;
    const place = PLACES[name] ?? "execution/";
    return [`${at}/${place}${name}`, ...rest].join("/");
  };

const TARGETS: Readonly<Record<string, string>> = {
  "rest-api": "baseUrl",
  "lambda-url": "functionUrl",
  "lambda-invoke": "functionName",
  [TASK]: "jobType",
};

const PLACES: Readonly<Record<string, string>> = {
  httpMethod: "lambdaProxyMessage/",
  path: "lambdaProxyMessage/",
  queryStringParameters: "lambdaProxyMessage/",
  body: "lambdaProxyMessage/",
  group: "metadata/",
};

const FLAT: NameOf = (part, { type }) => {
  const [first = "", ...rest] = part.split("/");
  const target = FLAT_TARGETS[type] ?? "url";
  const name = FLAT_NAMES[first] ?? (["body", "payload", "group"].includes(first) ? first : target);
  return ["", name, ...rest].join("/");
};

const FLAT_NAMES: Readonly<Record<string, string>> = { httpMethod: "method" };
const FLAT_TARGETS: Readonly<Record<string, string>> = {
  "lambda-url": "functionUrl",
  "lambda-invoke": "function",
  [TASK]: "task",
};

function* differingIn(asked: Message, stored: Message, nameOf: NameOf): Generator<string> {
  const { execution } = asked;
  const name = (part: string) => nameOf(part, execution);
  if (execution.type !== stored.execution.type) {
    yield name("type");
    return;
  }
  const [now, then] = [partsOf(asked), partsOf(stored)];
  for (const part of Object.keys(now)) {
    if (!same(now[part], then[part])) yield name(part);
  }
  const ignored = new Set([asked, stored].flatMap(({ metadata }) => metadata.idempotencyIgnore ?? []));
  if (execution.type === TASK) {
    const ofPayload = differingTrees(execution["payload"], stored.execution["payload"], "", ignored);
    for (const pointer of ofPayload) yield name(`payload${pointer}`);
  }
  const bodies = differingBodies(asked.lambdaProxyMessage, stored.lambdaProxyMessage, ignored);
  for (const pointer of bodies) yield name(`body${pointer}`);
  if (execution.type !== SCHEDULE) return;
  const [target, before] = [execution["targetJob"], stored.execution["targetJob"]] as [Message, Message];
  yield* differingIn(target, before, nested("/message/execution/targetJob"));
}

/** The parts that are compared whole. */
function partsOf({ execution, lambdaProxyMessage: request, metadata }: Message): Record<string, unknown> {
  const { scheduleExpression, scheduleExpressionTimezone } = execution as Record<string, string | undefined>;
  const isOnce = scheduleExpression === undefined || scheduleExpression.startsWith("at(");
  const { path, query } = addressOf(execution, request);
  return {
    target: targetOf(execution),
    ...(request && { httpMethod: request.httpMethod }),
    path,
    queryStringParameters: query,
    group: metadata.group,
    ...(execution.type === SCHEDULE && {
      scheduleExpression: isOnce ? undefined : scheduleExpression,
      scheduleExpressionTimezone,
    }),
  };
}

/** The path and the query of the request as a whole: a base URL and a path may be written as one. */
function addressOf(execution: Message["execution"], request: ProxyMessage | undefined) {
  if (!request) return { path: undefined, query: undefined };
  const base = (execution["baseUrl"] ?? execution["functionUrl"] ?? "") as string;
  const before = base === "" ? "" : new URL(base).pathname.replace(/\/$/, "");
  const [path = "", ...inPath] = request.path.split("?");
  const query = new URLSearchParams(inPath.join("?"));
  for (const [name, value] of parametersOf(request)) query.append(name, value);
  query.sort();
  return { path: before + path, query: query.toString() };
}

/** As JSON if both are, otherwise by their bytes. */
function* differingBodies(
  asked: ProxyMessage | undefined,
  stored: ProxyMessage | undefined,
  ignored: ReadonlySet<string>,
): Generator<string> {
  const [now, then] = [bytesOf(asked), bytesOf(stored)];
  if (now.equals(then)) return;
  const trees = [treeOf(now), treeOf(then)] as const;
  if (trees[0] === undefined || trees[1] === undefined) yield "";
  else yield* differingTrees(trees[0].value, trees[1].value, "", ignored);
}

function bytesOf(request: ProxyMessage | undefined): Buffer {
  return Buffer.from(request?.body ?? "", request?.isBase64Encoded ? "base64" : "utf8");
}

function treeOf(bytes: Buffer): { readonly value: unknown } | undefined {
  try {
    const text = bytes.toString();
    const value = parseExactly(text);
    // Of a name that an object has twice, receivers take one or the other.
    return isTooDeep(value) || namesIn(value) < colonsIn(text) ? undefined : { value };
  } catch {
    return undefined;
  }
}

/** The names of all objects. */
function namesIn(value: unknown): number {
  if (!isTree(value)) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, each) => sum + namesIn(each), own);
}

/** The colons outside the strings of JSON: one for each name as it is written. */
function colonsIn(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === ":") count += 1;
    if (text[at] !== '"') continue;
    for (at += 1; text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
  }
  return count;
}

/** The pointers at which two values of JSON differ. Two times are alike: a sender writes when it sends. */
function* differingTrees(now: unknown, then: unknown, at: string, ignored: ReadonlySet<string>): Generator<string> {
  if (ignored.has(at)) return;
  if (isTree(now) && isTree(then) && Array.isArray(now) === Array.isArray(then)) {
    for (const name of new Set([...Object.keys(now), ...Object.keys(then)])) {
      const below = `${at}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      yield* differingTrees(now[name], then[name], below, ignored);
    }
  } else if (!isSameScalar(now, then) && !(isTime(now) && isTime(then))) {
    yield at;
  }
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !isExactNumber(value);
}

const DAY_AND_TIME = String.raw`\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?`;
/** A date and time by RFC 3339, or one within `at(…)`. */
const TIME = new RegExp(String.raw`^(?:${DAY_AND_TIME}(?:[Zz]|[+-]\d\d:?\d\d)|at\(${DAY_AND_TIME}\))$`);

function isTime(value: unknown): boolean {
  return typeof value === "string" && value.length < 64 && TIME.test(value);
}

// ---- What else may differ ----

/** The names of what differs and does not make another job, as both shapes call it. */
function othersIn(asked: Message, stored: Message): string[] {
  const [now, then] = [othersOf(asked), othersOf(stored)];
  return Object.keys(now).filter((name) => !same(now[name], then[name]));
}

function othersOf(message: Message): Record<string, unknown> {
  const { execution, metadata, lambdaProxyMessage: request, onComplete, onSuccess, onFailure } = message;
  const { timeoutSeconds, priority, invocationType, scheduledAt, endsAt, maxRuns, meta, file } = execution;
  const { scheduleExpression: expression = "" } = execution as { scheduleExpression?: string };
  return {
    ...policyOf(message.metadata),
    order: metadata.messageGroupId === execution.type ? undefined : metadata.messageGroupId,
    headers: request && lowerCase(namedHeaders(request)),
    timeoutSeconds,
    priority,
    invocationType,
    scheduledAt,
    scheduleExpression: expression.startsWith("at(") ? expression : undefined,
    endsAt,
    maxRuns,
    meta,
    file,
    onComplete,
    onSuccess,
    onFailure,
  };
}

function policyOf(metadata: Metadata): Record<string, unknown> {
  const { delaySeconds, notBefore, notAfter, maxRetries, retry, labels, keepResponse } = metadata;
  return { delaySeconds, notBefore, notAfter, maxRetries, retry, labels, keepResponse };
}

/** Whether two values are the same JSON; what is undefined is left out. */
function same(now: unknown, then: unknown): boolean {
  if (!isTree(now) || !isTree(then)) return isSameScalar(now, then);
  const names = [...new Set([...Object.keys(now), ...Object.keys(then)])];
  return Array.isArray(now) === Array.isArray(then) && names.every((name) => same(now[name], then[name]));
}
