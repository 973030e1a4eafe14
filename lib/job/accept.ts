import { derivedUuid, type EpochMs } from "../clock.ts";
import {
  DEFAULT_MAX_RETRIES,
  HEAD_START,
  LONGEST_MESSAGE_DELAY,
  SCHEDULE,
  type Mode,
  type Payload,
  type Job,
  type WaitingJob,
  type Dialect,
  type PdfJob,
} from "./job.ts";
import type { Message, FollowUps } from "./message.ts";

/** What a job is made of, when it is asked for by a client, by a schedule or by a job that has ended. */
export interface NewJob {
  readonly appId: string;
  readonly mode: Mode;
  readonly message: Message;
  readonly parentJobId?: string;
  readonly userId?: string;
  readonly dialect?: Dialect;
  readonly pdf?: PdfJob;
  /** When its first attempt may start, if not at once. */
  readonly startAt?: EpochMs;
}

/** What its execution type says about it. */
export interface Terms {
  readonly destination: string;
  readonly timeoutMs: number;
  /** Of a schedule: its first run. */
  readonly startAt?: EpochMs;
  readonly recurring?: boolean;
  /** Of a task. */
  readonly priority?: number;
  /** Of a task that runs where there is a browser. */
  readonly needsBrowser?: boolean;
  /** Of a task that takes no slot of its app's, and starts while the app is paused. */
  readonly isUrgent?: boolean;
  /** Unless the job itself says so; default 10. */
  readonly maxRetries?: number;
}

/** A job as it is when accepted. `freshId` is taken when there is no idempotency key. */
export function accept(request: NewJob, terms: Terms, payload: Payload, now: EpochMs, freshId: string): WaitingJob {
  const { metadata, execution } = request.message;
  const owes = endsOf(request.message);
  const { idempotencyKey, messageGroupId } = metadata;
  const isFired = execution.type === SCHEDULE;
  const ordered =
    request.mode !== "sqs" && !isFired && messageGroupId !== undefined && messageGroupId !== execution.type;
  const startAt = terms.startAt ?? Math.max(request.startAt ?? now, now);
  // A queue has a head start on the sweep, and so has EventBridge, which fires what runs once.
  const isSent = isFired ? !terms.recurring : request.mode !== "db" && startAt - now <= LONGEST_MESSAGE_DELAY;
  return {
    id: idempotencyKey === undefined ? freshId : jobIdForKey(request.appId, idempotencyKey),
    appId: request.appId,
    executionType: execution.type,
    destination: terms.destination,
    status: "PENDING",
    payload,
    createdAt: now,
    updatedAt: now,
    startAt,
    dueAt: isSent ? startAt + HEAD_START : startAt,
    attempts: 0,
    retryCount: 0,
    maxRetries: metadata.maxRetries ?? terms.maxRetries ?? DEFAULT_MAX_RETRIES,
    ...(metadata.retry && { retry: metadata.retry }),
    timeoutMs: terms.timeoutMs,
    ...(ordered && { lane: messageGroupId }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(request.parentJobId !== undefined && { parentJobId: request.parentJobId }),
    ...(request.userId !== undefined && { userId: request.userId }),
    ...(request.dialect !== undefined && { dialect: request.dialect }),
    ...(request.pdf && { pdf: request.pdf }),
    ...(request.startAt !== undefined && { scheduledAt: request.startAt }),
    ...(terms.priority && { priority: terms.priority }),
    ...(terms.needsBrowser && { needsBrowser: true }),
    ...(terms.isUrgent && { isUrgent: true }),
    ...(terms.recurring && { recurring: true }),
    ...(Object.keys(owes).length > 0 && { owes }),
  };
}

/** At which ends each follow-up is owed. */
function endsOf({ onComplete, onSuccess, onFailure }: FollowUps): NonNullable<Job["owes"]> {
  return {
    ...(onComplete && { onComplete: onComplete.on }),
    ...(onSuccess && { onSuccess: ["SUCCEEDED"] }),
    ...(onFailure && { onFailure: ["FAILED", "DEAD"] }),
  };
}

/** The one id that a key has in an app: idempotency is then one conditional put. */
export function jobIdForKey(appId: string, idempotencyKey: string): string {
  return derivedUuid(appId, idempotencyKey);
}
