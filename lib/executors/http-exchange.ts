import { atFirstUse } from "../job/at-first-use.ts";
import { SECOND } from "../clock.ts";
import { keeps, keptOf, LARGEST_KEPT } from "./kept-response.ts";
import type { RunningAttempt } from "./executor.ts";
import type { OutgoingRequest } from "../outbound/outgoing.ts";
import type { Exchange } from "../outbound/send.ts";
import { MOST_REDIRECTS, followable, locationOf } from "../outbound/redirects.ts";
import type { Rules } from "../outbound/rules.ts";
import { maskedAddress } from "../job/masking.ts";
import type { ProxyMessage } from "../job/message.ts";
import { namedHeaders } from "../job/multi-values.ts";
import { isFinal } from "../job/status-policy.ts";
import { childOf } from "../job/trace.ts";
import { DEFAULT_HEADERS, forwardable } from "../outbound/headers.ts";
import { BUSY, retryAfterMs } from "../outbound/retry-after.ts";
import type { Outcome, Timings } from "../job/attempt.ts";

// An attempt by HTTP: `lambdaProxyMessage` becomes the request, and the answer becomes the outcome.

/** What of an attempt is in its request. */
type Sending = Pick<RunningAttempt, "jobId" | "number" | "message" | "realTimeSeconds">;

type Request = Pick<OutgoingRequest, "url" | "method" | "headers" | "body">;

/** The request to `url`, in its final form but for its signature. */
export function requestOf(attempt: Sending, url: URL): Request {
  const { lambdaProxyMessage } = attempt.message;
  if (!lambdaProxyMessage) throw new Error(`Job ${attempt.jobId} has no lambdaProxyMessage`);
  return {
    url,
    method: lambdaProxyMessage.httpMethod,
    headers: {
      ...DEFAULT_HEADERS,
      ...contentTypeOf(lambdaProxyMessage),
      ...traceOf(attempt),
      ...forwardable(namedHeaders(lambdaProxyMessage)),
      ...ownHeaders(attempt),
    },
    body: bodyOf(lambdaProxyMessage),
  };
}

type Asked = Request | { readonly refused: string };

/** The signed request to a URL, or why it may not go there. */
export type RequestTo = (url: URL) => Promise<Asked>;

/** Any 2xx is a success. A redirect that is followed is a request like the first: checked, and signed by itself. */
export async function exchange(
  attempt: RunningAttempt,
  first: URL,
  requestTo: RequestTo,
  { allowPrivateTargets, followRedirects }: Pick<Rules, "allowPrivateTargets" | "followRedirects">,
): Promise<Outcome> {
  const { job, signal, realNow: now } = attempt;
  const asked = await requestTo(first);
  if ("refused" in asked) return { kind: "rejected", error: asked.refused };
  const { send } = await sender();
  const keepBytes = keeps(attempt) ? LARGEST_KEPT : undefined;
  let request: Request = asked;
  let timings: Timings | undefined;
  for (let redirects = 0; ; redirects += 1) {
    const { url }: Request = request;
    const answer: Exchange = await send({ ...request, appId: job.appId, signal, allowPrivateTargets, keepBytes, now });
    if (answer.kind !== "blocked" && answer.timings) timings = sumOf(timings, answer.timings);
    const exchanged = timings && answer.kind !== "blocked" ? { ...answer, timings } : answer;
    const to = followRedirects && answer.kind === "answered" ? followable(answer, url) : undefined;
    if (!to) return ended(exchanged, attempt, { url, redirects, why: followRedirects ? NOT_THIS : NOT_ANY });
    const next: Asked = redirects < MOST_REDIRECTS ? await requestTo(to) : TOO_MANY;
    if ("refused" in next) return ended(exchanged, attempt, { url, redirects, why: `not followed. ${next.refused}` });
    request = next;
  }
}

const TOO_MANY = { refused: `It is the ${MOST_REDIRECTS + 1}th in a row` };
const NOT_ANY = "redirects are not followed";
const NOT_THIS = "only 307 and 308 to the same host by https are followed";

/** Of all requests of an attempt. */
function sumOf(before: Timings = {}, after: Timings): Timings {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])] as (keyof Timings)[];
  return Object.fromEntries(names.map((name) => [name, (before[name] ?? 0) + (after[name] ?? 0)]));
}

// Imported at the first send, so that functions that only accept jobs start 70 ms sooner.
const sender = atFirstUse(async () => import("../outbound/send.ts"));

type Answered = Extract<Exchange, { kind: "answered" }>;

/** The last request of an attempt. */
interface Last {
  readonly url: URL;
  /** That were followed before. */
  readonly redirects: number;
  /** What is said of a redirect that was not followed. */
  readonly why: string;
}

/** The outcome, with the time that its request says where the start of the attempt does not tell it. */
function ended(exchanged: Exchange, attempt: RunningAttempt, last: Last): Outcome {
  const outcome = outcomeOf(exchanged, attempt, last);
  const { job, realTimeSeconds: sentAt } = attempt;
  return Math.floor(job.startedAt / SECOND) === sentAt
    ? outcome
    : { ...outcome, detail: { ...outcome.detail, sentAt } };
}

function outcomeOf(exchanged: Exchange, attempt: RunningAttempt, last: Last): Outcome {
  const where = last.redirects === 0 ? "" : `, after a redirect to ${shown(last.url)}`;
  switch (exchanged.kind) {
    case "blocked":
      return { kind: "rejected", error: `The target is a private, loopback or otherwise reserved address${where}` };
    case "failed": {
      const { reason, timings } = exchanged;
      const inTime = attempt.signal.aborted ? ` (${attempt.timeoutMs / SECOND} s)` : "";
      return { kind: "retry", error: `${reason}${inTime}${where}`, ...(timings && { detail: { timings } }) };
    }
    case "answered":
      return outcomeOfAnswer(exchanged, attempt, last, where);
    default:
      return exchanged satisfies never;
  }
}

function outcomeOfAnswer(
  answer: Answered,
  { message, realTimeSeconds }: RunningAttempt,
  last: Last,
  where: string,
): Outcome {
  const { status, retryAfter, excerpt, kept, headers: responseHeaders, timings } = answer;
  const detail = { ...(timings && { timings }), responseHeaders };
  if (status >= 200 && status < 300) {
    if (kept) return { kind: "succeeded", httpStatus: status, responseExcerpt: excerpt, ...keptOf(kept), detail };
    return { kind: "succeeded", httpStatus: status, detail: { ...detail, responseExcerpt: excerpt } };
  }
  const error = errorOf(answer, last) + where;
  const failure = { error, httpStatus: status, responseExcerpt: excerpt, detail };
  if (isFinal(status, answer.isFinal === true, message.metadata.retry)) return { kind: "rejected", ...failure };
  const asked = BUSY.has(status) ? retryAfterMs(retryAfter, realTimeSeconds) : undefined;
  return { kind: "retry", ...failure, ...(asked !== undefined && { retryAfterMs: asked }) };
}

const LONGEST_LOCATION = 500;

/** Of a redirect that is not followed, the error says where it leads. */
function errorOf({ status, location }: Answered, { url, why }: Last): string {
  if (status < 300 || status > 399 || location === undefined) return `HTTP ${status}`;
  return `HTTP ${status}, a redirect to ${shown(locationOf(location, url) ?? location)}: ${why}`;
}

function shown(url: URL | string): string {
  return maskedAddress(String(url)).slice(0, LONGEST_LOCATION);
}

/** `webhook-id` is the job's id, the same at every attempt, so that a receiver can detect a replay. */
function ownHeaders({ jobId, number, realTimeSeconds }: Sending): Record<string, string> {
  return {
    "x-job-id": jobId,
    "x-job-attempt": String(number),
    "webhook-id": jobId,
    "webhook-timestamp": String(realTimeSeconds),
  };
}

/** A `traceparent` among the job's own headers stands before the one of the request for the job. */
function traceOf({ jobId, number, message: { traceparent } }: Sending): Record<string, string> {
  return traceparent === undefined ? {} : { traceparent: childOf(traceparent, jobId, number) };
}

/** Of a JSON object or array, unless the job's own headers name one. */
function contentTypeOf(request: ProxyMessage): Record<string, string> {
  const { body, isBase64Encoded } = request;
  const isNamed = Object.keys(namedHeaders(request)).some((name) => name.toLowerCase() === "content-type");
  if (isNamed || isBase64Encoded || body === null || !/^\s*[[{]/.test(body)) return {};
  try {
    JSON.parse(body);
    return { "content-type": "application/json" };
  } catch {
    return {};
  }
}

function bodyOf({ body, isBase64Encoded }: ProxyMessage): Uint8Array | null {
  if (body === null || body === "") return null;
  return Buffer.from(body, isBase64Encoded ? "base64" : "utf8");
}
