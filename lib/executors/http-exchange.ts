import { SECOND } from "../clock.ts";
import { keeps, keptOf, LARGEST_KEPT } from "./kept-response.ts";
import type { RunningAttempt } from "./executor.ts";
import type { Exchange, OutgoingRequest } from "../outbound/send.ts";
import { maskedAddress } from "../job/masking.ts";
import type { ProxyMessage } from "../job/message.ts";
import { isFinal } from "../job/status-policy.ts";
import { childOf } from "../job/trace.ts";
import { DEFAULT_HEADERS, forwardable } from "../outbound/headers.ts";
import { retryAfterMs } from "../outbound/retry-after.ts";
import type { Outcome } from "../job/attempt.ts";

// An attempt by HTTP: `lambdaProxyMessage` becomes the request, and the answer becomes the outcome.

/** What of an attempt is in its request. */
type Sending = Pick<RunningAttempt, "jobId" | "number" | "message" | "realTimeSeconds">;

/** The request to `url`, in its final form. */
export function requestOf(attempt: Sending, url: URL): Pick<OutgoingRequest, "url" | "method" | "headers" | "body"> {
  const { lambdaProxyMessage } = attempt.message;
  if (!lambdaProxyMessage) throw new Error(`Job ${attempt.jobId} has no lambdaProxyMessage`);
  const { headers, httpMethod } = lambdaProxyMessage;
  return {
    url,
    method: httpMethod,
    headers: {
      ...DEFAULT_HEADERS,
      ...contentTypeOf(lambdaProxyMessage),
      ...traceOf(attempt),
      ...forwardable(headers),
      ...ownHeaders(attempt),
    },
    body: bodyOf(lambdaProxyMessage),
  };
}

/** Any 2xx is a success. */
export async function exchange(
  attempt: RunningAttempt,
  request: ReturnType<typeof requestOf>,
  allowPrivateTargets: boolean,
): Promise<Outcome> {
  const { send } = await sender();
  const { job, signal, timeoutMs, realNow: now } = attempt;
  const keepBytes = keeps(attempt) ? LARGEST_KEPT : undefined;
  const asked = { ...request, appId: job.appId, signal, allowPrivateTargets, keepBytes, now };
  const exchanged: Exchange = await send(asked);
  switch (exchanged.kind) {
    case "blocked":
      return { kind: "rejected", error: "The target is a private, loopback or otherwise reserved address" };
    case "failed":
      return {
        kind: "retry",
        error: `${exchanged.reason}${signal.aborted ? ` (${timeoutMs / SECOND} s)` : ""}`,
        ...(exchanged.timings && { detail: { timings: exchanged.timings } }),
      };
    case "answered":
      return outcomeOf(exchanged, request.url, attempt);
    default:
      return exchanged satisfies never;
  }
}

let sending: Promise<typeof import("../outbound/send.ts")> | undefined;

// Imported at the first send, so that functions that only accept jobs start 70 ms sooner.
const sender = () => (sending ??= import("../outbound/send.ts"));

type Answered = Extract<Exchange, { kind: "answered" }>;

function outcomeOf(answer: Answered, url: URL, { message, realTimeSeconds }: RunningAttempt): Outcome {
  const { status, retryAfter, excerpt, kept, headers: responseHeaders, timings } = answer;
  const detail = { ...(timings && { timings }), responseHeaders };
  if (status >= 200 && status < 300) {
    if (kept) return { kind: "succeeded", httpStatus: status, responseExcerpt: excerpt, ...keptOf(kept), detail };
    return { kind: "succeeded", httpStatus: status, detail: { ...detail, responseExcerpt: excerpt } };
  }
  const failure = { error: errorOf(answer, url), httpStatus: status, responseExcerpt: excerpt, detail };
  if (isFinal(status, answer.isFinal === true, message.metadata.retry)) return { kind: "rejected", ...failure };
  const asked = status === 429 || status === 503 ? retryAfterMs(retryAfter, realTimeSeconds) : undefined;
  return { kind: "retry", ...failure, ...(asked !== undefined && { retryAfterMs: asked }) };
}

const LONGEST_LOCATION = 500;

/** A redirect is not followed, so the error says where it leads. */
function errorOf({ status, location }: Answered, url: URL): string {
  if (status < 300 || status > 399 || location === undefined) return `HTTP ${status}`;
  const to = URL.canParse(location, url.href) ? new URL(location, url.href).href : location;
  return `HTTP ${status}, a redirect to ${maskedAddress(to).slice(0, LONGEST_LOCATION)}: redirects are not followed`;
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
function contentTypeOf({ body, isBase64Encoded, headers }: ProxyMessage): Record<string, string> {
  const isNamed = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
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
