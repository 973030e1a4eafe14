import { iso, type EpochMs } from "../clock.ts";
import { NO_POLICY, backoffDelay } from "./backoff.ts";
import type { FanIn } from "./group.ts";
import { SCHEDULE, isPaused, isSchedule, isTask, lastHttpStatus, type Job } from "./job.ts";
import { LOST } from "./attempt.ts";
import type { Callback, Execution, FollowUpJob, FollowUps, Message, ProxyMessage } from "./message.ts";
import type { Attempt, Timings } from "./attempt.ts";
import { masked, maskedAddress, maskedJson } from "./masking.ts";
import { decodeMessage } from "./payload.ts";
import { requestLine } from "./request-line.ts";
import type { Waiting } from "./waiting.ts";

// The view of a job in the unified API and in callbacks. Credentials are masked.

/** `JobEntity` of the specification. Lists leave the message out. */
export function entityOf(job: Job, message?: Message): object {
  const retrying = job.status === "RETRYING" ? iso(job.startAt) : null;
  return {
    id: job.id,
    appId: job.appId,
    executionType: job.executionType,
    status: job.status,
    ...(message && messageView(message)),
    messageGroupId: message?.metadata.messageGroupId ?? job.lane ?? job.executionType,
    idempotencyKey: job.idempotencyKey ?? null,
    retryCount: job.retryCount,
    maxRetries: job.maxRetries,
    nextRetryAt: job.status === "PENDING" ? iso(firstStartOf(job)) : retrying,
    lastError: job.lastError ?? null,
    ...(job.reason !== undefined && { reason: job.reason }),
    ...(job.scheduledAt !== undefined && { notBefore: iso(job.scheduledAt) }),
    ...(job.notAfter !== undefined && { notAfter: iso(job.notAfter) }),
    ...(job.labels && { labels: job.labels }),
    ...rowOf(job, message),
    scheduleArn: job.scheduleArn ?? null,
    ...(isSchedule(job) && scheduleView(job)),
    ...(job.fanIn && groupView(job.fanIn)),
    ...(job.memberOf && { group: job.memberOf.id }),
    createdBy: job.createdBy ?? null,
    ...(job.parentJobId !== undefined && { parentJobId: job.parentJobId }),
    ...(job.resentFrom !== undefined && { resentFrom: job.resentFrom }),
    ...(job.owes && { followUpJobIds: job.followUpJobIds ?? [] }),
    ...(job.stopRequestedAt !== undefined && { stopRequestedAt: iso(job.stopRequestedAt) }),
    createdAt: iso(job.createdAt),
    updatedAt: iso(job.updatedAt),
  };
}

function firstStartOf({ createdAt, scheduledAt = createdAt }: Job): EpochMs {
  return Math.max(createdAt, scheduledAt);
}

function responseView({ success }: Job): object {
  if (!success?.response) return {};
  const { bytes, contentType, missing } = success.response;
  return {
    response: {
      bytes: bytes ?? null,
      contentType: contentType ?? null,
      excerpt: success.responseExcerpt ?? null,
      missing: missing ?? null,
    },
  };
}

/** What a row of a list tells of the work. */
function rowOf(job: Job, given: Message | undefined): object {
  const message = given ?? (job.payload.at === "inline" ? decodeMessage(job.payload.bytes) : undefined);
  const line = message ? requestLine(message) : job.requestLine;
  const [method, ...path] = line?.split(" ") ?? [];
  return {
    destination: job.destination ?? null,
    method: method ?? null,
    path: method === undefined ? null : path.join(" "),
    ...(isTask(job) && { jobType: job.jobType ?? null, progress: job.progress ?? null }),
    attemptsStarted: job.attempts,
    lastHttpStatus: lastHttpStatus(job) ?? null,
  };
}

/** The request of an attempt, where the view shows it. */
type SentBy = (attempt: Attempt) => object | undefined;

/** With its attempts and planned retries, as `GET /v1/admin/jobs/{id}` shows it. */
export function wholeEntityOf(
  job: Job,
  message: Message,
  recorded: ReadonlyMap<number, Attempt>,
  sentBy?: SentBy,
): object {
  return {
    ...entityOf(job, message),
    ...responseView(job),
    retry: job.retry ?? NO_POLICY,
    ...(job.status === "RETRYING" && { nextRetries: nextRetries(job).map(iso) }),
    attempts: attemptsOf(job, recorded).map((attempt) => ({
      ...attemptView(attempt),
      ...(sentBy && { request: sentBy(attempt) ?? null }),
    })),
  };
}

const MOST_PLANNED = 10;

/** When the retries that are left start, if each attempt fails at once and nothing keeps it from starting. */
function nextRetries({ startAt, retryCount, maxRetries, retry }: Job): EpochMs[] {
  const planned = [startAt];
  // The retry that is planned already is counted.
  for (let n = retryCount + 1; n <= maxRetries && planned.length < MOST_PLANNED; n += 1) {
    planned.push((planned.at(-1) ?? startAt) + backoffDelay(n, retry));
  }
  return planned;
}

/** Why a job waits; null if it does not. */
export function waitingView(waiting: Waiting | undefined): object | null {
  if (!waiting) return null;
  const { reason, since, until, detail } = waiting;
  return { reason, since: iso(since), until: until === undefined ? null : iso(until), detail };
}

/** The entity without the large parts of its request, for an answer that would be too large. */
export function withoutRequest(entity: object): object {
  const parts = ["lambdaProxyMessage", "executionConfig", "onSuccess", "onFailure", "payload"] as const;
  const shown = entity as Partial<Record<(typeof parts)[number], unknown>>;
  const omitted = parts.filter((part) => (JSON.stringify(shown[part])?.length ?? 0) > LARGEST_PART);
  return { ...entity, ...Object.fromEntries(omitted.map((part) => [part, null])), omitted };
}

const LARGEST_PART = 16 * 1_024;

/** With the first characters of the request's body; `bodyLength` says how many a longer one has. */
export function withBodyUpTo(entity: object, most: number): object {
  const { lambdaProxyMessage: request } = entity as { readonly lambdaProxyMessage?: ProxyMessage | null };
  const length = request?.body?.length ?? 0;
  if (!request?.body || length <= most) return entity;
  // No character is cut in two.
  const end = /[\uD800-\uDBFF]/.test(request.body[most - 1] ?? "") ? most - 1 : most;
  return { ...entity, lambdaProxyMessage: { ...request, body: request.body.slice(0, end) }, bodyLength: length };
}

function messageView({ lambdaProxyMessage, execution, ...followUps }: Message): object {
  const { targetJob, ...config } = executionView(execution);
  const target = execution.type === SCHEDULE && { targetJob: targetView(targetJob as Message) };
  return { ...requestView(lambdaProxyMessage), executionConfig: { ...config, ...target }, ...followUpsView(followUps) };
}

function targetView({ lambdaProxyMessage, execution, metadata, ...followUps }: Message): object {
  return {
    ...requestView(lambdaProxyMessage),
    execution: executionView(execution),
    metadata,
    ...followUpsView(followUps),
  };
}

function executionView(execution: Execution): Execution {
  const { payload } = execution;
  return payload === undefined ? execution : { ...execution, payload: maskedJson(payload) };
}

function requestView(message: ProxyMessage | undefined): object {
  return { lambdaProxyMessage: message ? withoutCredentials(message) : null };
}

function followUpsView({ onComplete, onSuccess, onFailure }: FollowUps): object {
  const followUp = ({ message, bodyFrom, ...further }: FollowUpJob) => ({
    message: targetView(message),
    ...(bodyFrom !== undefined && { bodyFrom }),
    ...followUpsView(further),
  });
  return {
    ...(onComplete && { onComplete: callbackView(onComplete) }),
    ...(onSuccess && { onSuccess: followUp(onSuccess) }),
    ...(onFailure && { onFailure: followUp(onFailure) }),
  };
}

/** A callback without the credentials in its URL and headers. */
export function callbackView(callback: Callback): Callback {
  return { ...callback, url: maskedAddress(callback.url), headers: masked(callback.headers) };
}

function scheduleView(job: Job): object {
  return {
    nextRunAt: job.status === "PENDING" && !isPaused(job) ? iso(job.startAt) : null,
    lastRunAt: job.lastRunAt === undefined ? null : iso(job.lastRunAt),
    runCount: job.runs ?? 0,
    targetJobId: job.targetJobId ?? null,
  };
}

function groupView({ sealBy, sealedAt, expected, members, failedJobIds }: FanIn): object {
  return {
    expected: expected ?? null,
    sealBy: iso(sealBy),
    sealedAt: sealedAt === undefined ? null : iso(sealedAt),
    members: members ?? null,
    failedJobIds: failedJobIds ?? [],
  };
}

function withoutCredentials(message: ProxyMessage): ProxyMessage {
  const { headers, path, pathParameters, queryStringParameters: query, requestContext } = message;
  const { multiValueHeaders: headerLists, multiValueQueryStringParameters: queryLists } = message;
  return {
    ...message,
    path: maskedAddress(path),
    headers: masked(headers),
    pathParameters: pathParameters && masked(pathParameters),
    ...(query && { queryStringParameters: masked(query) }),
    ...(queryLists && { multiValueQueryStringParameters: masked(queryLists) }),
    ...(headerLists && { multiValueHeaders: masked(headerLists) }),
    requestContext: Object.fromEntries(Object.entries(requestContext).map(shownContext)),
  };
}

function shownContext([name, value]: [string, unknown]): [string, unknown] {
  const shown = maskedJson({ [name]: value }) as Record<string, unknown>;
  return [name, name === "path" && typeof value === "string" ? maskedAddress(value) : shown[name]];
}

/** All attempts that have started. An attempt that left no record and is not the current one was lost. */
export function attemptsOf(job: Job, recorded: ReadonlyMap<number, Attempt>): Attempt[] {
  return Array.from({ length: job.attempts }, (_, index): Attempt => {
    const number = index + 1;
    const startedAt = job.startedAt ?? job.updatedAt;
    const last = number === job.attempts;
    if (last && job.status === "RUNNING") return { number, startedAt, outcome: "running" };
    if (last && job.success) return { number, startedAt, outcome: "succeeded", ...job.success };
    return recorded.get(number) ?? { number, outcome: "lost", error: LOST.error };
  });
}

function attemptView(attempt: Attempt): object {
  const { number, startedAt, durationMs, outcome, httpStatus, error, responseExcerpt, responseHeaders } = attempt;
  return {
    number,
    startedAt: startedAt === undefined ? null : iso(startedAt),
    durationMs: durationMs ?? null,
    outcome,
    httpStatus: httpStatus ?? null,
    error: error ?? null,
    responseExcerpt: responseExcerpt ?? null,
    responseHeaders: responseHeaders ?? null,
    timings: timingsView(attempt.timings),
  };
}

function timingsView(timings: Timings | undefined): object | null {
  if (!timings) return null;
  const { dns = null, connect = null, tls = null, answer = null } = timings;
  return { dnsMs: dns, connectMs: connect, tlsMs: tls, answerMs: answer };
}
