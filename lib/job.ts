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
export interface Message extends FollowUps {
  readonly lambdaProxyMessage?: ProxyMessage;
  readonly execution: Execution;
  readonly metadata: Metadata;
}

/** What is to be submitted when a job ends: a callback with its final view, or another job. */
export interface FollowUps {
  readonly onComplete?: Callback;
  readonly onSuccess?: FollowUpJob;
  readonly onFailure?: FollowUpJob;
}

export type FollowUp = keyof FollowUps;

export interface FollowUpJob extends FollowUps {
  readonly message: Omit<Message, FollowUp>;
}

export interface Callback {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** At which ends. */
  readonly on: readonly FinalStatus[];
}

export const FINAL_STATUSES = ["SUCCEEDED", "FAILED", "DEAD", "CANCELLED"] as const satisfies readonly Status[];

export type FinalStatus = (typeof FINAL_STATUSES)[number];

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
  /** The job whose follow-up or target this one is. */
  readonly parentJobId?: string;
  /** At which ends a follow-up is to be submitted. */
  readonly owes?: Readonly<Partial<Record<FollowUp, readonly FinalStatus[]>>>;
  /** How often a job that may owe has ended: a person's retry makes it more than once. */
  readonly endings?: number;
  readonly followUpJobIds?: readonly string[];
  /** Of a schedule in EventBridge. */
  readonly scheduleArn?: string;
  /** Of a schedule: it has more runs than one. Its next run is at `startAt`. */
  readonly recurring?: true;
  /** Of a schedule: how many runs it has had, which is also the number of the last one. */
  readonly runs?: number;
  readonly lastRunAt?: EpochMs;
  /** The job that the last run created, or found under its key. */
  readonly targetJobId?: string;
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

/** One run of a schedule that is to come. */
export interface RunRef {
  readonly id: string;
  readonly run: number;
}

export const DEFAULT_MAX_RETRIES = 10;
export const DEFAULT_TIMEOUT_MS = 30 * SECOND;
/** What an attempt gets on top of its timeout, to write down how it ended. */
export const LEASE_MARGIN_MS = 15 * SECOND;
/** The head start a queue has before the sweep believes a message lost. */
export const HEAD_START = 5 * MINUTE;
/** What whoever ends a job has to do what that leaves to do, before the sweep does. */
const SETTLE_HEAD_START = MINUTE;
/** The longest delay an SQS message can have. */
export const LONGEST_MESSAGE_DELAY = 15 * MINUTE;
/** Two machines' clocks may differ by this; nothing starts earlier, to the second. */
export const CLOCK_SKEW = SECOND - 1;
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
  return {
    from: ["PENDING", "RETRYING"],
    to: as,
    when: [...when, ...(job.owes ? [unchanged(job, "endings")] : [])],
    ...ended(job, as, now, retention),
  };
}

/** Starts a new generation of a job that failed, with fresh retries; attempt numbers go on. */
export function retry(job: Job, now: EpochMs): Move {
  // A schedule keeps its time, and the sweep fires it, at once if it has missed that.
  const startAt = isSchedule(job) ? job.startAt : now;
  const dueAt = isSchedule(job) ? Math.max(startAt, now) : now + HEAD_START;
  return {
    from: ["FAILED", "DEAD"],
    to: "PENDING",
    when: [
      ["attempts", "=", job.attempts],
      // What its end has left to do comes first.
      ["dueAt", "absent"],
    ],
    set: { retryCount: 0, startAt, dueAt, updatedAt: now },
    remove: ["expiresAt"],
  };
}

/** A run of a schedule: `targetJobId` is created along with it. `next`: when the run after it comes, if one does. */
export interface Run {
  readonly now: EpochMs;
  readonly targetJobId: string;
  readonly next: EpochMs | undefined;
  readonly retention: number;
}

/** Fires a schedule; the run number is the fence. */
export function fire(schedule: Job, { now, targetJobId, next, retention }: Run): Move {
  const ran = { runs: (schedule.runs ?? 0) + 1, lastRunAt: now, targetJobId };
  const move = {
    from: ["PENDING"],
    when: [unchanged(schedule, "runs"), ["startAt", "<=", now + CLOCK_SKEW]],
  } as const satisfies Partial<Move>;
  if (next !== undefined) {
    return { ...move, to: "PENDING", set: { ...ran, startAt: next, dueAt: next, updatedAt: now }, remove: [] };
  }
  const { set, remove } = ended(schedule, "SUCCEEDED", now, retention);
  return { ...move, to: "SUCCEEDED", set: { ...ran, ...set }, remove };
}

/** Notes that what a job's end has left to do is done: these follow-ups are submitted. From now on it may be forgotten. */
export function settleEnd(job: Job, submitted: readonly string[], now: EpochMs, retention: number): Move {
  return {
    from: [job.status],
    to: job.status,
    when: [unchanged(job, "endings"), ["dueAt", "=", job.dueAt ?? 0]],
    set: {
      ...(job.owes && { followUpJobIds: [...(job.followUpJobIds ?? []), ...submitted] }),
      ...expiry(now, retention),
    },
    remove: ["dueAt"],
  };
}

/** Whether an end has left something to do: follow-ups to submit, or parts that are to expire. */
export function isUnsettled(job: Job): boolean {
  return isFinished(job) && job.dueAt !== undefined;
}

/** The follow-ups that a finished job has not been known to have submitted. */
export function owed(job: Job): FollowUp[] {
  return isUnsettled(job) ? owedAt(job, job.status) : [];
}

/** Whether something hangs on a job that has an expiry date of its own: attempts, or a payload. */
function hasParts(job: Job, to: FinalStatus): boolean {
  return job.payload.at === "item" || job.attempts > (to === "SUCCEEDED" ? 1 : 0);
}

function owedAt({ owes = {} }: Job, status: Status): FollowUp[] {
  const names = Object.keys(owes) as FollowUp[];
  return names.filter((name) => owes[name]?.some((each) => each === status));
}

/** What every end sets and removes: a job that leaves something to do stays due, and is not forgotten, until that is done. */
function ended(job: Job, to: FinalStatus, now: EpochMs, retention: number): Pick<Move, "set" | "remove"> {
  const isUnsettledEnd = owedAt(job, to).length > 0 || (retention > 0 && hasParts(job, to));
  return {
    set: {
      updatedAt: now,
      ...(job.owes && { endings: (job.endings ?? 0) + 1 }),
      ...(isUnsettledEnd ? { dueAt: now + SETTLE_HEAD_START } : expiry(now, retention)),
    },
    remove: isUnsettledEnd ? [] : ["dueAt"],
  };
}

function expiry(now: EpochMs, retention: number): Pick<Job, "expiresAt"> {
  return retention > 0 ? { expiresAt: now + retention } : {};
}

function unchanged(job: Job, field: "endings" | "runs"): Condition {
  const seen = job[field];
  return seen === undefined ? [field, "absent"] : [field, "=", seen];
}

function finish(job: Job, to: FinalStatus, ending: Ending, outcome: Partial<Job>): Move {
  const { set, remove } = ended(job, to, ending.now, ending.retention);
  return {
    ...ofThisAttempt(job, to === "SUCCEEDED"),
    to,
    set: { ...outcome, ...set },
    remove: [...remove, "leaseUntil", ...(job.stopAs ? STOP_FIELDS : [])],
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
  return FINAL_STATUSES.some((final) => final === status);
}

export function isSchedule({ executionType }: Pick<Job, "executionType">): boolean {
  return executionType === SCHEDULE;
}

/** The execution type that is fired, not run. */
export const SCHEDULE = "schedule";

/** What a job is made of, when it is asked for by a client, by a schedule or by a job that has ended. */
export interface NewJob {
  readonly appId: string;
  readonly mode: Mode;
  readonly message: Message;
  readonly parentJobId?: string;
}

/** What its execution type says about it. */
export interface Terms {
  readonly destination: string;
  readonly timeoutMs: number;
  /** Of a schedule: its first run. */
  readonly startAt?: EpochMs;
  readonly recurring?: boolean;
}

/** A job as it is when accepted. `freshId` is taken when there is no idempotency key. */
export function accept(request: NewJob, terms: Terms, payload: Payload, now: EpochMs, freshId: string): Job {
  const { metadata, execution } = request.message;
  const owes = endsOf(request.message);
  const { idempotencyKey, messageGroupId } = metadata;
  const isFired = execution.type === SCHEDULE;
  const ordered =
    request.mode !== "sqs" && !isFired && messageGroupId !== undefined && messageGroupId !== execution.type;
  const startAt = terms.startAt ?? now;
  // A queue has a head start on the sweep, and so has EventBridge, which fires what runs once.
  const isSent = isFired ? !terms.recurring : request.mode !== "db";
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
    maxRetries: metadata.maxRetries ?? DEFAULT_MAX_RETRIES,
    ...(metadata.retry && { retry: metadata.retry }),
    timeoutMs: terms.timeoutMs,
    ...(ordered && { lane: messageGroupId }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(request.parentJobId !== undefined && { parentJobId: request.parentJobId }),
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

export function nextRunOf(schedule: Job): RunRef {
  return { id: schedule.id, run: (schedule.runs ?? 0) + 1 };
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
