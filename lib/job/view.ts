import { iso } from "../clock.ts";
import { SCHEDULE, isSchedule, type Job } from "./job.ts";
import { LOST } from "./moves.ts";
import type { Callback, Execution, FollowUpJob, FollowUps, Message, ProxyMessage } from "./message.ts";
import type { Attempt } from "./attempt.ts";

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
    nextRetryAt: job.status === "PENDING" ? iso(job.createdAt) : retrying,
    lastError: job.lastError ?? null,
    scheduleArn: job.scheduleArn ?? null,
    ...(isSchedule(job) && scheduleView(job)),
    ...(job.parentJobId !== undefined && { parentJobId: job.parentJobId }),
    ...(job.owes && { followUpJobIds: job.followUpJobIds ?? [] }),
    ...(job.stopRequestedAt !== undefined && { stopRequestedAt: iso(job.stopRequestedAt) }),
    createdAt: iso(job.createdAt),
    updatedAt: iso(job.updatedAt),
  };
}

/** With its attempts, as `GET /v1/admin/jobs/{id}` shows it. */
export function wholeEntityOf(job: Job, message: Message, recorded: ReadonlyMap<number, Attempt>): object {
  return { ...entityOf(job, message), attempts: attemptsOf(job, recorded).map(attemptView) };
}

/** The entity without the large parts of its request, for an answer that would be too large. */
export function withoutRequest(entity: object): object {
  const parts = ["lambdaProxyMessage", "executionConfig", "onSuccess", "onFailure", "payload"] as const;
  const shown = entity as Partial<Record<(typeof parts)[number], unknown>>;
  const omitted = parts.filter((part) => (JSON.stringify(shown[part])?.length ?? 0) > LARGEST_PART);
  return { ...entity, ...Object.fromEntries(omitted.map((part) => [part, null])), omitted };
}

const LARGEST_PART = 16 * 1_024;

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
  return payload === undefined ? execution : { ...execution, payload: payloadView(payload) };
}

/** A task's payload without the credentials in the headers and addresses that it names. */
export function payloadView(payload: unknown): unknown {
  if (Array.isArray(payload)) return payload.map(payloadView);
  if (typeof payload !== "object" || payload === null) return payload;
  const shown = Object.entries(payload).map(([name, value]: [string, unknown]) => {
    if (name === "headers" && isNamed(value)) return [name, masked(value)];
    return [name, name === "url" && typeof value === "string" ? maskedQuery(value) : payloadView(value)];
  });
  return Object.fromEntries(shown) as unknown;
}

function isNamed(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string");
}

function requestView(message: ProxyMessage | undefined): object {
  return { lambdaProxyMessage: message ? withoutCredentials(message) : null };
}

function followUpsView({ onComplete, onSuccess, onFailure }: FollowUps): object {
  const followUp = ({ message, ...further }: FollowUpJob) => ({
    message: targetView(message),
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
  return { ...callback, url: maskedQuery(callback.url), headers: masked(callback.headers) };
}

function scheduleView(job: Job): object {
  return {
    nextRunAt: job.status === "PENDING" ? iso(job.startAt) : null,
    lastRunAt: job.lastRunAt === undefined ? null : iso(job.lastRunAt),
    runCount: job.runs ?? 0,
    targetJobId: job.targetJobId ?? null,
  };
}

/** The replacement of a credential. */
export const MASK = "***";
const CREDENTIAL = /auth|cookie|token|secret|passw|signature|credential|session|jwt|(api|access|private)[-_]?key/i;

function withoutCredentials(message: ProxyMessage): ProxyMessage {
  const { headers, path, queryStringParameters: query, requestContext } = message;
  const { path: contextPath } = requestContext;
  return {
    ...message,
    path: maskedQuery(path),
    headers: masked(headers),
    ...(query && { queryStringParameters: masked(query) }),
    requestContext: {
      ...requestContext,
      ...(typeof contextPath === "string" && { path: maskedQuery(contextPath) }),
    },
  };
}

/** Named values, with a mask for those whose name is that of a credential. */
export function masked(named: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [name, CREDENTIAL.test(name) ? MASK : value]));
}

/** A path or URL whose query shows no credentials. */
export function maskedQuery(address: string): string {
  const [before = "", ...query] = address.split("?");
  if (query.length === 0) return address;
  const parameters = query.join("?").split("&");
  const shown = parameters.map((parameter) => {
    const [name = ""] = parameter.split("=");
    return CREDENTIAL.test(decodeURIComponentSafely(name)) ? `${name}=***` : parameter;
  });
  return `${before}?${shown.join("&")}`;
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
  const { number, startedAt, durationMs, outcome, httpStatus, error, responseExcerpt } = attempt;
  return {
    number,
    startedAt: startedAt === undefined ? null : iso(startedAt),
    durationMs: durationMs ?? null,
    outcome,
    httpStatus: httpStatus ?? null,
    error: error ?? null,
    responseExcerpt: responseExcerpt ?? null,
  };
}
