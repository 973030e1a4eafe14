import { DAY, SECOND, derivedUuid, type EpochMs } from "../clock.ts";
import {
  DEFAULT_MAX_RETRIES,
  HEAD_START,
  SCHEDULE,
  isSentNow,
  type Kind,
  type Mode,
  type Payload,
  type Job,
  type WaitingJob,
} from "./job.ts";
import type { Dialect, PdfJob } from "./dialect.ts";
import type { FanIn, GroupRef } from "./group.ts";
import type { Message, Metadata, FollowUps, RetryPolicy } from "./message.ts";
import { NEVER } from "./schedule.ts";

/** A request for a job, by a client, a schedule or a job that has ended. */
export interface NewJob {
  readonly appId: string;
  readonly mode: Mode;
  readonly message: Message;
  readonly parentJobId?: string;
  /** The job of which this one is a copy. */
  readonly resentFrom?: string;
  readonly userId?: string;
  /** The `sub` of the token, or the `createdBy` of the job that this one follows from. Default: `userId`. */
  readonly createdBy?: string | undefined;
  readonly dialect?: Dialect;
  readonly pdf?: PdfJob;
  /** The open group that the job becomes a member of. */
  readonly memberOf?: GroupRef;
  /** The start of the first attempt. Default: now. */
  readonly startAt?: EpochMs;
  /** Set for a schedule that is paused from the start. */
  readonly pause?: { readonly reason?: string | undefined };
  /** The terms of its execution type at its acceptance, where that type has been looked up. */
  readonly terms?: (now: EpochMs) => Terms;
}

/** The terms on which a job is run, by its execution type. */
export interface Terms extends Kind {
  readonly timeoutMs: number;
  /** Set for schedules: the first run. */
  readonly startAt?: EpochMs;
  readonly recurring?: boolean;
  /** Set for groups: their state, and the first look at them. */
  readonly fanIn?: FanIn;
  readonly lookAt?: EpochMs;
  /** Set for tasks. */
  readonly priority?: number;
  readonly needsBrowser?: true;
  readonly isUrgent?: true;
  /** For jobs that name none. Default 10. */
  readonly maxRetries?: number;
}

/** The job at its acceptance. `freshId` is its id if it has no idempotency key. */
export function accept(request: NewJob, terms: Terms, payload: Payload, now: EpochMs, freshId: string): WaitingJob {
  const { metadata, execution } = request.message;
  const owes = endsOf(request.message);
  const { idempotencyKey, messageGroupId } = metadata;
  const { createdBy = request.userId } = request;
  const isFired = execution.type === SCHEDULE;
  const ordered =
    request.mode !== "sqs" && !isFired && messageGroupId !== undefined && messageGroupId !== execution.type;
  const asked = request.startAt ?? startAskedFor(metadata, now);
  const startAt = terms.startAt ?? Math.max(asked ?? now, now);
  // A FIFO queue takes no delay per message: a job of a lane joins it when it is due.
  const lane = ordered ? { lane: messageGroupId } : {};
  // A queue has a head start on the sweep, and so has EventBridge, which fires one-off schedules.
  const isSent = isFired ? !terms.recurring : request.mode !== "db" && isSentNow(lane, startAt - now);
  return {
    id: idempotencyKey === undefined ? freshId : jobIdForKey(request.appId, idempotencyKey),
    appId: request.appId,
    executionType: execution.type,
    ...(terms.destination !== undefined && { destination: terms.destination }),
    ...(terms.jobType !== undefined && { jobType: terms.jobType }),
    status: "PENDING",
    payload,
    createdAt: now,
    updatedAt: now,
    startAt,
    dueAt: request.pause ? NEVER : (terms.lookAt ?? (isSent ? startAt + HEAD_START : startAt)),
    ...(request.pause && { pausedAt: now }),
    ...(request.pause?.reason !== undefined && { pauseReason: request.pause.reason }),
    attempts: 0,
    retryCount: 0,
    maxRetries: metadata.maxRetries ?? terms.maxRetries ?? DEFAULT_MAX_RETRIES,
    ...(metadata.retry && backoffOf(metadata.retry)),
    timeoutMs: terms.timeoutMs,
    ...lane,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(request.parentJobId !== undefined && { parentJobId: request.parentJobId }),
    ...(metadata.keepResponse && { keepsResponse: true }),
    ...(request.resentFrom !== undefined && { resentFrom: request.resentFrom }),
    ...(request.userId !== undefined && { userId: request.userId }),
    ...(createdBy !== undefined && { createdBy }),
    ...(request.dialect !== undefined && { dialect: request.dialect }),
    ...(request.pdf && { pdf: request.pdf }),
    ...(asked !== undefined && { scheduledAt: asked }),
    ...(metadata.labels && metadata.labels.length > 0 && { labels: metadata.labels }),
    ...(metadata.notAfter !== undefined && { notAfter: Date.parse(metadata.notAfter) }),
    ...(terms.priority && { priority: terms.priority }),
    ...(terms.needsBrowser && { needsBrowser: true }),
    ...(terms.isUrgent && { isUrgent: true }),
    ...(terms.recurring && { recurring: true }),
    ...(terms.fanIn && { fanIn: terms.fanIn, checks: 0 }),
    ...(request.memberOf && { memberOf: request.memberOf }),
    ...(Object.keys(owes).length > 0 && { owes }),
  };
}

/** The attempts themselves read the rest of the policy, in the message. */
function backoffOf({ baseDelaySeconds, maxDelaySeconds, jitter }: RetryPolicy): Pick<Job, "retry"> {
  return { retry: { baseDelaySeconds, maxDelaySeconds, jitter } };
}

/** A later start is taken for a mistake in the year. */
export const LONGEST_DELAY = 365 * DAY;

/** The start that a request names; undefined if it names none. */
export function startAskedFor({ delaySeconds, notBefore }: Metadata, now: EpochMs): EpochMs | undefined {
  if (notBefore !== undefined) return Date.parse(notBefore);
  return delaySeconds === undefined ? undefined : now + delaySeconds * SECOND;
}

/** The final statuses at which each follow-up is owed. */
function endsOf({ onComplete, onSuccess, onFailure }: FollowUps): NonNullable<Job["owes"]> {
  return {
    ...(onComplete && { onComplete: onComplete.on }),
    ...(onSuccess && { onSuccess: ["SUCCEEDED"] }),
    ...(onFailure && { onFailure: ["FAILED", "DEAD"] }),
  };
}

/** A key has one id in an app, so that idempotency is one conditional put. */
export function jobIdForKey(appId: string, idempotencyKey: string): string {
  return derivedUuid(appId, idempotencyKey);
}
