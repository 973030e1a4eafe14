import { DAY, MINUTE, SECOND, derivedUuid, type EpochMs } from "./clock.ts";

export type Status = "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";

export const STATUSES = [
  "PENDING",
  "RUNNING",
  "RETRYING",
  "SUCCEEDED",
  "FAILED",
  "DEAD",
  "CANCELLED",
] as const satisfies readonly Status[];

/** What a person can stop a job as: by a cancel, or by putting it among the dead letters. */
export type StopStatus = "CANCELLED" | "DEAD";

/** How a job is kept: sent only, stored only, or stored and then sent. Default `both`. */
export type Mode = "sqs" | "db" | "both";

/** What the caller asked for, with every default filled in. */
export interface Message {
  readonly lambdaProxyMessage?: ProxyMessage;
  readonly execution: Execution;
  readonly metadata: Metadata;
}

/** The request to make, in the shape of a Lambda proxy event. */
export interface ProxyMessage {
  readonly body: string | null;
  readonly resource: string;
  readonly path: string;
  readonly httpMethod: string;
  readonly isBase64Encoded: boolean;
  readonly pathParameters: Readonly<Record<string, string>> | null;
  readonly queryStringParameters?: Readonly<Record<string, string>> | null | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestContext: Readonly<Record<string, unknown>>;
}

/** The fields of one execution type; its executor knows their schema. */
export interface Execution {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Metadata {
  readonly messageGroupId?: string;
  readonly idempotencyKey?: string;
  readonly createdAt?: string;
  readonly maxRetries?: number;
  readonly retry?: RetryPolicy;
}

/** Defaults: 60 s, 86,400 s, no jitter. */
export interface RetryPolicy {
  readonly baseDelaySeconds: number;
  readonly maxDelaySeconds: number;
  /** 0 to 1: how much of the delay chance may take away. */
  readonly jitter: number;
}

/**
 * Where the message of a job is kept, compressed: in the job's own item, in an item beside it, or
 * in S3. The latter two are named by the content's hash, so a losing replay overwrites nothing.
 */
export type Payload =
  | { readonly at: "inline"; readonly bytes: Uint8Array }
  | { readonly at: "item" | "s3"; readonly hash: string };

/** One accepted request, as stored. */
export interface Job {
  readonly id: string;
  readonly appId: string;
  readonly executionType: string;
  /** Where it goes, as flow control sees it: an origin or a function's name. */
  readonly destination: string;
  readonly status: Status;
  readonly payload: Payload;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** No attempt starts before this. */
  readonly startAt: EpochMs;
  /** When the sweep looks at it next; set as long as the job is unfinished. */
  readonly dueAt?: EpochMs;
  /** How many attempts have started, which is also the number of the last one. */
  readonly attempts: number;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly retry?: RetryPolicy;
  /** Real milliseconds an attempt may take. */
  readonly timeoutMs: number;
  /** The caller's messageGroupId where it asks for an order. */
  readonly lane?: string;
  readonly idempotencyKey?: string;
  /** When the last attempt started. */
  readonly startedAt?: EpochMs;
  /** Until when the running attempt is believed alive. */
  readonly leaseUntil?: EpochMs;
  /** What the running attempt's job becomes when it ends other than by success, and since when. */
  readonly stopAs?: StopStatus;
  readonly stopRequestedAt?: EpochMs;
  readonly lastError?: string;
  /** The attempt that succeeded; failed ones are kept as attempts of their own. */
  readonly success?: { readonly durationMs: number; readonly httpStatus?: number; readonly responseExcerpt?: string };
  /** When a finished job may be forgotten. */
  readonly expiresAt?: EpochMs;
}

/** What an attempt yields. Only `retry` may be tried again. */
export type Outcome =
  | { readonly kind: "succeeded"; readonly httpStatus?: number; readonly responseExcerpt?: string }
  | (Failure & { readonly kind: "retry"; readonly retryAfterMs?: number })
  | (Failure & { readonly kind: "rejected" })
  | (Failure & { readonly kind: "lost" });

interface Failure {
  readonly error: string;
  readonly httpStatus?: number;
  /** The first 1 KB of what the target answered. */
  readonly responseExcerpt?: string;
}

/** One run of a job, as recorded. `durationMs` is real time. */
export interface Attempt {
  readonly number: number;
  readonly startedAt: EpochMs;
  readonly durationMs?: number;
  readonly outcome: Outcome["kind"] | "running";
  readonly httpStatus?: number;
  readonly error?: string;
  readonly responseExcerpt?: string;
}

/** One run of a job that is to start, as a queue message names it. */
export interface AttemptRef {
  readonly id: string;
  readonly appId: string;
  readonly attempt: number;
  readonly destination: string;
  readonly timeoutMs: number;
}

export const DEFAULT_MAX_RETRIES = 10;
export const DEFAULT_TIMEOUT_MS = 30 * SECOND;
/** What an attempt gets on top of its timeout, to write down how it ended. */
export const LEASE_MARGIN_MS = 15 * SECOND;
/** The head start a queue has before the sweep believes a message lost. */
export const HEAD_START = 5 * MINUTE;
/** The longest delay an SQS message can have. */
export const LONGEST_MESSAGE_DELAY = 15 * MINUTE;
/** Two machines' clocks may differ by this; nothing starts earlier, to the second. */
const CLOCK_SKEW = SECOND - 1;
const LONGEST_BACKOFF = DAY;

// ---- The moves: from which statuses, under which condition, to what. ----

type Comparison = "=" | "<=" | "<" | ">=" | ">";

/** `[field, comparison, value]` holds for a stored job only if it has the field; `absent` if it has not. */
export type Condition =
  | readonly [field: keyof Job, comparison: Comparison, value: number | string]
  | readonly [field: keyof Job, comparison: "absent"];

export interface Move {
  readonly from: readonly Status[];
  readonly to: Status;
  readonly when: readonly Condition[];
  readonly set: Partial<Job>;
  readonly remove: readonly (keyof Job)[];
}

/** Starts attempt `ref.attempt`. Only this move changes the attempt number. */
export function claim(ref: AttemptRef, now: EpochMs, leaseUntil: EpochMs): Move {
  return {
    from: ["PENDING", "RETRYING"],
    to: "RUNNING",
    when: [
      ["attempts", "=", ref.attempt - 1],
      ["startAt", "<=", now + CLOCK_SKEW],
    ],
    set: { attempts: ref.attempt, startedAt: now, updatedAt: now, leaseUntil },
    remove: [],
  };
}

/** How an attempt ends; `job` is the job as claimed. */
export interface Ending {
  readonly outcome: Outcome;
  readonly now: EpochMs;
  /** Real milliseconds the attempt took. */
  readonly durationMs: number;
  /** From 0 to 1, for jitter. */
  readonly chance: number;
  /** How long finished jobs are kept; 0 keeps them for good. */
  readonly retention: number;
}

/** Ends the attempt that holds the fence: succeed, retry later or reject. */
export function end(job: Job, ending: Ending): Move {
  const { outcome, now, durationMs } = ending;
  const retriesLeft = job.retryCount < job.maxRetries;
  // A success stays a success; everything else gives way to a person's wish.
  if (job.stopAs && outcome.kind !== "succeeded") return finish(job, job.stopAs, ending, { lastError: outcome.error });
  switch (outcome.kind) {
    case "succeeded": {
      const { kind: _, ...answer } = outcome;
      const success = { durationMs, ...answer };
      return finish(job, "SUCCEEDED", ending, { success });
    }
    case "rejected":
      return finish(job, retriesLeft ? "FAILED" : "DEAD", ending, { lastError: outcome.error });
    case "lost":
    case "retry": {
      if (!retriesLeft) return finish(job, "DEAD", ending, { lastError: outcome.error });
      const backoff = backoffDelay(job.retryCount + 1, job.retry, ending.chance);
      const asked = outcome.kind === "retry" ? (outcome.retryAfterMs ?? 0) : 0;
      return retryAt(job, now + Math.max(backoff, Math.min(asked, LONGEST_BACKOFF)), now, outcome.error);
    }
    default:
      return outcome satisfies never;
  }
}

/** Ends an attempt whose lease is over, as retry later: a crash uses up a retry too. */
export function expire(job: Job, ending: Omit<Ending, "outcome" | "durationMs">): Move {
  const move = end(job, { ...ending, outcome: LOST, durationMs: 0 });
  return { ...move, when: [...move.when, ["leaseUntil", "<=", ending.now]] };
}

/** A job that was carried by its message alone goes on at once after a lost first attempt. */
export function resume(job: Job, ending: Omit<Ending, "outcome" | "durationMs">): Move {
  const move = end(job, { ...ending, outcome: LOST, durationMs: 0 });
  return move.to === "RETRYING" ? retryAt(job, ending.now, ending.now, LOST.error) : move;
}

export const LOST = {
  kind: "lost",
  error: "The attempt was lost: nothing was heard of it before its lease ended",
} as const satisfies Outcome;

/** Sets when the sweep looks at the job next; fenced on the state in which it was seen. */
export function becomeDue(job: Job, dueAt: EpochMs): Move {
  return {
    from: [job.status],
    to: job.status,
    when: [
      ["attempts", "=", job.attempts],
      ["dueAt", "=", job.dueAt ?? 0],
    ],
    set: { dueAt },
    remove: [],
  };
}

/** Stops a job by a person's wish: at once while it waits, or when its running attempt ends. */
export function stop(job: Job, as: StopStatus, now: EpochMs, retention: number): Move {
  const when: Condition[] = [["attempts", "=", job.attempts]];
  if (job.status === "RUNNING") {
    return { from: ["RUNNING"], to: "RUNNING", when, set: { stopAs: as, stopRequestedAt: now }, remove: [] };
  }
  const expiry = retention > 0 ? { expiresAt: now + retention } : {};
  return { from: ["PENDING", "RETRYING"], to: as, when, set: { ...expiry, updatedAt: now }, remove: ["dueAt"] };
}

/** Starts a new generation of a job that failed, with fresh retries; attempt numbers go on. */
export function retry(job: Job, now: EpochMs): Move {
  return {
    from: ["FAILED", "DEAD"],
    to: "PENDING",
    when: [["attempts", "=", job.attempts]],
    set: { retryCount: 0, startAt: now, dueAt: now + HEAD_START, updatedAt: now },
    remove: ["expiresAt"],
  };
}

function finish(job: Job, to: Status, ending: Ending, set: Partial<Job>): Move {
  const expiry = ending.retention > 0 ? { expiresAt: ending.now + ending.retention } : {};
  return {
    ...ofThisAttempt(job, to === "SUCCEEDED"),
    to,
    set: { ...set, ...expiry, updatedAt: ending.now },
    remove: ["dueAt", "leaseUntil", ...(job.stopAs ? STOP_FIELDS : [])],
  };
}

function retryAt(job: Job, startAt: EpochMs, now: EpochMs, lastError: string): Move {
  const retryCount = job.retryCount + 1;
  const dueAt = travels(job, startAt - now) ? startAt + HEAD_START : startAt;
  return {
    ...ofThisAttempt(job),
    to: "RETRYING",
    set: { retryCount, startAt, dueAt, lastError, updatedAt: now },
    remove: ["leaseUntil"],
  };
}

const STOP_FIELDS = ["stopAs", "stopRequestedAt"] as const;

/**
 * The fence: whoever ends an attempt names it, and must still hold it. And must know whether the job
 * is to stop, if that makes a difference.
 */
function ofThisAttempt(job: Job, regardlessOfStop = false): Pick<Move, "from" | "when"> {
  const stop: Condition = job.stopAs ? ["stopAs", "=", job.stopAs] : ["stopAs", "absent"];
  return { from: ["RUNNING"], when: [["attempts", "=", job.attempts], ...(regardlessOfStop ? [] : [stop])] };
}

/** The job as the move leaves it. */
export function after(job: Job, move: Move): Job {
  const moved: Partial<Record<keyof Job, unknown>> = { ...job, ...move.set, status: move.to };
  for (const field of move.remove) delete moved[field];
  return moved as unknown as Job;
}

// ---- Rules that the moves and the engine share. ----

export function isFinished({ status }: Job): boolean {
  return status === "SUCCEEDED" || status === "FAILED" || status === "DEAD" || status === "CANCELLED";
}

export interface NewJob {
  readonly appId: string;
  readonly mode: Mode;
  readonly message: Message;
  readonly destination: string;
  readonly timeoutMs: number;
}

/** A job as it is when accepted. `freshId` is taken when there is no idempotency key. */
export function accept(request: NewJob, payload: Payload, now: EpochMs, freshId: string): Job {
  const { metadata, execution } = request.message;
  const { idempotencyKey, messageGroupId } = metadata;
  const ordered = request.mode !== "sqs" && messageGroupId !== undefined && messageGroupId !== execution.type;
  return {
    id: idempotencyKey === undefined ? freshId : jobIdForKey(request.appId, idempotencyKey),
    appId: request.appId,
    executionType: execution.type,
    destination: request.destination,
    status: "PENDING",
    payload,
    createdAt: now,
    updatedAt: now,
    startAt: now,
    dueAt: request.mode === "db" ? now : now + HEAD_START,
    attempts: 0,
    retryCount: 0,
    maxRetries: metadata.maxRetries ?? DEFAULT_MAX_RETRIES,
    ...(metadata.retry && { retry: metadata.retry }),
    timeoutMs: request.timeoutMs,
    ...(ordered && { lane: messageGroupId }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/** The one id that a key has in an app: idempotency is then one conditional put. */
export function jobIdForKey(appId: string, idempotencyKey: string): string {
  return derivedUuid(appId, idempotencyKey);
}

export function nextAttempt(job: Job): AttemptRef {
  const { id, appId, destination, timeoutMs } = job;
  return { id, appId, destination, timeoutMs, attempt: job.attempts + 1 };
}

/** Whether a wait is spent in the queue. A FIFO queue takes no delay per message. */
export function travels(job: Job, delay: number): boolean {
  return job.lane === undefined && delay <= LONGEST_MESSAGE_DELAY;
}

/**
 * Milliseconds until retry `n` (1-based): 60 s · 2^(n−1), at most 24 h.
 * Jitter j takes away up to j of it. Source: spec/unified-job-api.md §6.
 */
export function backoffDelay(n: number, policy: RetryPolicy = NO_POLICY, chance = 0): number {
  const full = Math.min(policy.baseDelaySeconds * SECOND * 2 ** (n - 1), policy.maxDelaySeconds * SECOND);
  return Math.round(full * (1 - policy.jitter * chance));
}

export const NO_POLICY: RetryPolicy = {
  baseDelaySeconds: 60,
  maxDelaySeconds: LONGEST_BACKOFF / SECOND,
  jitter: 0,
};
