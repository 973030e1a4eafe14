import { DAY, MINUTE, SECOND, type EpochMs } from "../clock.ts";
import { FINAL_STATUSES, type FinalStatus, type Status, type StopStatus, type WaitingStatus } from "./status.ts";
import type { FollowUp, RetryPolicy } from "./message.ts";
import type { AttemptRef, RunRef } from "./attempt.ts";

/** How a job is kept: sent only, stored only, or stored and then sent. Default `both`. */
export type Mode = "sqs" | "db" | "both";

/**
 * Where the message of a job is kept, compressed: in the job's own item, in an item beside it, or
 * in S3. The latter two are named by a hash of the content and of when the job was accepted, so that neither
 * a losing replay nor the deletion of an earlier job of the key touches them.
 */
export type Payload =
  | { readonly at: "inline"; readonly bytes: Uint8Array }
  | { readonly at: "item" | "s3"; readonly hash: string };

/** What only a running job has. */
interface AttemptFields {
  /** When the attempt started. */
  readonly startedAt: EpochMs;
  /** Until when the attempt is believed alive. */
  readonly leaseUntil: EpochMs;
  /** The final status of the job if the attempt does not succeed, and since when. */
  readonly stopAs?: StopStatus;
  readonly stopRequestedAt?: EpochMs;
}

interface NoAttempt {
  readonly leaseUntil?: never;
  readonly stopAs?: never;
  readonly stopRequestedAt?: never;
}

/** A job before an attempt, or a schedule before a run. */
export interface WaitingJob extends JobFields, NoAttempt {
  readonly status: WaitingStatus;
  readonly success?: never;
}

export interface RunningJob extends JobFields, AttemptFields {
  readonly status: "RUNNING";
  readonly startedAt: EpochMs;
  readonly success?: never;
}

/** A job whose last attempt succeeded, or a schedule after its last run. It ended at `updatedAt`. */
export type SucceededJob = JobFields &
  NoAttempt & { readonly status: "SUCCEEDED" } & (
    | { readonly success: Success }
    | { readonly success?: never; readonly targetJobId: string }
  );

/** A job that ended without success, at `updatedAt`: by its last attempt, or by a person. */
export interface FailedJob extends JobFields, NoAttempt {
  readonly status: "FAILED" | "DEAD" | "CANCELLED";
  readonly success?: never;
}

export type EndedJob = SucceededJob | FailedJob;

/** One accepted request, as stored. */
export type Job = WaitingJob | RunningJob | EndedJob;

/** A job in one of these statuses. */
export type JobIn<S extends Status> = S extends WaitingStatus
  ? WaitingJob
  : S extends "RUNNING"
    ? RunningJob
    : S extends "SUCCEEDED"
      ? SucceededJob
      : FailedJob;

/** Every field that a job of any status may have, but its status. */
export type Fields = JobFields & Partial<AttemptFields> & { readonly success?: Success };

/** The attempt that succeeded; failed ones are kept as attempts of their own. */
export interface Success {
  readonly durationMs: number;
  readonly httpStatus?: number;
  readonly responseExcerpt?: string;
  readonly result?: string;
}

/** What a job is about: a destination that it calls, the type of a task, or, for a schedule, neither. */
export interface Kind {
  /** An origin or a function's name. */
  readonly destination?: string;
  /** The type of a task, such as `import_csv`. */
  readonly jobType?: string;
}

/** The fields of every job, whatever its status. */
interface JobFields extends Kind {
  readonly id: string;
  readonly appId: string;
  readonly executionType: string;
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
  /** Who asked for it, where users have jobs of their own. */
  readonly userId?: string;
  /** Where it was asked for, if only that dialect's lists show it. */
  readonly dialect?: Dialect;
  /** When it was to start, where somebody asked for that. */
  readonly scheduledAt?: EpochMs;
  /** Of one that was asked for as a PDF. */
  readonly pdf?: PdfJob;
  /** Run within the request that asks for it: it has one attempt, and no slot. */
  readonly quick?: true;
  /** Of a task: those with a higher one start first. Default 0. */
  readonly priority?: number;
  /** Of a task: it runs where there is a browser. */
  readonly needsBrowser?: true;
  /** Of a task: it takes no slot of its app's, and starts while the app is paused. */
  readonly isUrgent?: true;
  /** Of a task: how far its last attempt has come, and what the next one may go on from, as JSON. */
  readonly progress?: Progress;
  readonly saved?: string;
  readonly idempotencyKey?: string;
  /** When the last attempt started. */
  readonly startedAt?: EpochMs;
  readonly lastError?: string;
  /** Of a quick job: it was stopped because its time was over. */
  readonly timedOut?: true;
  /** Its next attempt's turn at a destination that has a rate. */
  readonly turnAt?: EpochMs;
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

/** `files`: through `/api/jobs`; `pdf`: through `/quickjob` and `/longjob`, and the webhooks of the latter. */
export type Dialect = "files" | "pdf";

/** What is shown of a PDF job beside its state: its message may be large, and is not read for that. */
export interface PdfJob {
  readonly inputType: "html" | "markdown";
  readonly webhookUrl?: string;
}

/** How far a task is: `step` of `totalSteps`. */
export interface Progress {
  readonly percent: number;
  readonly step: number;
  readonly totalSteps: number;
  readonly label?: string;
}

export const DEFAULT_MAX_RETRIES = 10;
export const DEFAULT_TIMEOUT_MS = 30 * SECOND;
/** What an attempt gets on top of its timeout, to write down how it ended. */
export const LEASE_MARGIN_MS = 15 * SECOND;
/** Of a task: it is extended as long as its attempt lives. */
export const TASK_LEASE_MS = MINUTE;
/** Attempts that may take longer run where tasks do. */
export const LONG_ATTEMPT_MS = MINUTE;
/** The head start a queue has before the sweep believes a message lost. */
export const HEAD_START = 5 * MINUTE;
/** The longest delay an SQS message can have. */
export const LONGEST_MESSAGE_DELAY = 15 * MINUTE;
/** Two machines' clocks may differ by this; nothing starts earlier, to the second. */
export const CLOCK_SKEW = SECOND - 1;
export const LONGEST_BACKOFF = DAY;

// ---- Rules that the moves and the engine share. ----

export function isFinished(job: Job): job is EndedJob {
  return FINAL_STATUSES.some((final) => final === job.status);
}

/** For what a move to RUNNING has returned. Throws for a job in another status. */
export function asRunning(job: Job): RunningJob {
  if (job.status === "RUNNING") return job;
  throw new Error(`Expected job ${job.id} to be RUNNING; it is ${job.status}`);
}

export function isWaiting(job: Job): job is WaitingJob {
  return job.status === "PENDING" || job.status === "RETRYING";
}

/** Whether an end still has work: follow-ups to submit, or attachments without an expiry date. */
export function isUnsettled(job: Job): boolean {
  return isFinished(job) && job.dueAt !== undefined;
}

/** The follow-ups of a finished job that are not known to be submitted. */
export function owed(job: Job): FollowUp[] {
  return isUnsettled(job) ? owedAt(job, job.status) : [];
}

/** Whether a job that ends in this status has items with an expiry date of their own: attempts, or a payload. */
export function hasAttachments(job: Job, to: FinalStatus): boolean {
  return job.payload.at === "item" || job.attempts > (to === "SUCCEEDED" ? 1 : 0);
}

/** The follow-ups that an end owes. */
export function owedAt({ owes = {} }: Job, status: Status): FollowUp[] {
  const names = Object.keys(owes) as FollowUp[];
  return names.filter((name) => owes[name]?.some((each) => each === status));
}

export function isSchedule({ executionType }: Pick<Job, "executionType">): boolean {
  return executionType === SCHEDULE;
}

/** The execution type that is fired, not run. */
export const SCHEDULE = "schedule";

/** The execution type of built-in work. */
export const TASK = "task";

/** The job type that makes PDFs. */
export const GENERATE_PDF = "generate_pdf";

export function isTask({ executionType }: Pick<Job, "executionType">): boolean {
  return executionType === TASK;
}

/** Whether its attempts take one of its app's slots for tasks. */
export function takesSlot(job: Pick<Job, "executionType" | "quick">): boolean {
  return isTask(job) && !job.quick;
}

/** Whether an attempt runs where there is time for it. */
export function isLong(job: Pick<Job, "executionType" | "timeoutMs">): boolean {
  return isTask(job) || job.timeoutMs > LONG_ATTEMPT_MS;
}

/** Orders the tasks of an app as text: highest priority first, then oldest. */
export function rankOf({ priority = 0, createdAt, id }: Job): string {
  return `${String(HIGHEST_PRIORITY - priority).padStart(2, "0")}#${String(createdAt).padStart(15, "0")}#${id}`;
}

export const HIGHEST_PRIORITY = 10;

export function nextRunOf(schedule: Job): RunRef {
  return { id: schedule.id, run: (schedule.runs ?? 0) + 1 };
}

export function nextAttempt(job: Job): AttemptRef {
  const { id, appId, timeoutMs, destination, lane, turnAt, isUrgent } = job;
  const ref = { id, appId, timeoutMs, attempt: job.attempts + 1 };
  if (isTask(job)) return { ...ref, rank: rankOf(job), ...(isUrgent && { isUrgent }) };
  if (destination === undefined) throw new Error(`Job ${id} of type ${job.executionType} has no destination`);
  return {
    ...ref,
    destination,
    ...(lane !== undefined && { ordered: true }),
    ...(turnAt !== undefined && { turnAt }),
  };
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
