// Over 300 lines: every field of a job, and the words for what it is, in one place.
import { MINUTE, SECOND, type EpochMs } from "../clock.ts";
import { FINAL_STATUSES, type FinalStatus, type Status, type StopStatus, type WaitingStatus } from "./status.ts";
import type { FollowUp, RetryPolicy } from "./message.ts";
import type { AttemptRef, Detail, KeptResponse, RunRef, Turn } from "./attempt.ts";
import type { BacklogName, LimitLetter } from "./backlog.ts";
import type { Dialect, PdfJob } from "./dialect.ts";
import { COUNT_MISMATCH, SEAL_TIMEOUT, isGroup, type FanIn, type GroupFields } from "./group.ts";
import { stepsOf, type ScheduleFields } from "./schedule.ts";

/** `sqs`: sent only; `db`: stored only; `both`: stored and then sent. Default `both`. */
export type Mode = "sqs" | "db" | "both";

/**
 * The place of a job's compressed message: its own item, an item beside it, or S3. The name of the latter two is a
 * hash of the content and of the one operation that put it there: no two jobs share a payload, and none is put again.
 */
export type Payload =
  | { readonly at: "inline"; readonly bytes: Uint8Array }
  | { readonly at: "item"; readonly hash: string }
  /** `version`: the object's, where the bucket keeps versions. */
  | { readonly at: "s3"; readonly hash: string; readonly version?: string };

/** The fields of a running job alone. */
interface AttemptFields {
  /** When the attempt started. */
  readonly startedAt: EpochMs;
  /** The attempt counts as alive until then. */
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

/** A job whose last attempt succeeded, a schedule after its last run, or a group. It ended at `updatedAt`. */
export type SucceededJob = JobFields &
  NoAttempt & { readonly status: "SUCCEEDED" } & (
    | { readonly success: Success }
    | { readonly success?: never; readonly targetJobId: string }
    | { readonly success?: never; readonly fanIn: FanIn }
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

/** The fields of a job of any status, without the status. */
export type Fields = JobFields & Partial<AttemptFields> & { readonly success?: Success };

/** The attempt that succeeded; failed ones are kept as attempts of their own. */
export interface Success extends Detail {
  readonly durationMs: number;
  readonly httpStatus?: number;
  readonly result?: string;
  readonly response?: KeptResponse;
}

/** The subject of a job: a destination that it calls, the type of a task, or, for a schedule, neither. */
export interface Kind {
  /** An origin or a function's name. */
  readonly destination?: string;
  /** The type of a task, such as `import_csv`. */
  readonly jobType?: string;
}

/** The fields of every job, whatever its status. */
interface JobFields extends Kind, GroupFields, ScheduleFields {
  readonly id: string;
  readonly appId: string;
  readonly executionType: string;
  readonly payload: Payload;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** No attempt starts before this. */
  readonly startAt: EpochMs;
  /** The time of the next look by the sweep. Every unfinished job has one. In a backlog, the job's place by age. */
  readonly dueAt?: EpochMs;
  /** The backlog in which the job waits. The sweep looks at the backlog instead of the job. */
  readonly backlog?: BacklogName;
  /** The time at which the job left its last backlog. */
  readonly releasedAt?: EpochMs;
  /** The number of attempts that have started, and of the last one. */
  readonly attempts: number;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly retry?: RetryPolicy;
  /** The longest duration of an attempt, in real milliseconds. */
  readonly timeoutMs: number;
  /** The messageGroupId of a job that keeps an order. */
  readonly lane?: string;
  /** The owner, in dialects whose users have jobs of their own. */
  readonly userId?: string;
  /** The `sub` of the token that asked for the job, or for the one that this one follows from. */
  readonly createdBy?: string;
  /** Set if only the lists of this dialect show the job. */
  readonly dialect?: Dialect;
  /** The start that the caller asked for. */
  readonly scheduledAt?: EpochMs;
  /** No attempt starts after this. */
  readonly notAfter?: EpochMs;
  /** The words of its sender, by which lists find it. */
  readonly labels?: readonly string[];
  /** Why a job ended without success, where the status alone does not say it. */
  readonly reason?: EndReason;
  /** Set for PDF jobs. */
  readonly pdf?: PdfJob;
  /** The job runs within its request, with one attempt and no slot. */
  readonly quick?: true;
  /** Set for tasks: a higher priority starts first. Default 0. */
  readonly priority?: number;
  /** Set for tasks that run in the function with a browser. */
  readonly needsBrowser?: true;
  /** Its message takes so much memory that a function runs few such jobs at once. */
  readonly isLarge?: true;
  /** Set for tasks that take no slot of their app, and start while it is paused. */
  readonly isUrgent?: true;
  /** Set for tasks: the progress of the last attempt, and its checkpoint as JSON. */
  readonly progress?: Progress;
  readonly saved?: string;
  readonly idempotencyKey?: string;
  /** The start of the last attempt. */
  readonly startedAt?: EpochMs;
  readonly lastError?: string;
  /** What the last failed attempt was answered, where it was. */
  readonly httpStatus?: number;
  /** The method and path of the request, for lists, where its message is not in the job's item. */
  readonly requestLine?: string;
  /** Set for quick jobs that ran out of time. */
  readonly timedOut?: true;
  /** That of the next attempt, at a destination with limits. */
  readonly turn?: Turn;
  /** The slots that are kept for the next attempt, as text: see `lib/flow/kept-slots.ts`. */
  readonly slots?: string;
  /** Set for a job that was put off to a later start: the first one, which remains its place in a backlog. */
  readonly waitsSince?: EpochMs;
  /** The limit for which the job was put off, or went into its last backlog. */
  readonly waitsFor?: LimitLetter;
  /** The expiry date of a finished job. */
  readonly expiresAt?: EpochMs;
  /** The job that this one follows, or the schedule that created it. */
  readonly parentJobId?: string;
  /** The job of which a person made this one, with changes or without. */
  readonly resentFrom?: string;
  /** The final statuses at which each follow-up is submitted. */
  readonly owes?: Readonly<Partial<Record<FollowUp, readonly FinalStatus[]>>>;
  /** Set for a job that keeps the answer that ends it well, in an item of its own. */
  readonly keepsResponse?: true;
  /** The number of ends of a job with follow-ups: a person's retry leads to another one. */
  readonly endings?: number;
  readonly followUpJobIds?: readonly string[];
  /** Set for jobs that a schedule has made. */
  readonly isRun?: true;
  /** Set for those whose end the next run of the schedule waits for. */
  readonly holds?: true;
}

/** `final`: another attempt would fail too; `expired`: none was started by its `notAfter`. */
export const END_REASONS = ["final", "expired", SEAL_TIMEOUT, COUNT_MISMATCH] as const;
export type EndReason = (typeof END_REASONS)[number];

/** The progress of a task: `step` of `totalSteps`. */
export interface Progress {
  readonly percent: number;
  readonly step: number;
  readonly totalSteps: number;
  readonly label?: string;
}

export const DEFAULT_MAX_RETRIES = 10;
export const DEFAULT_TIMEOUT_MS = 30 * SECOND;
/** The time that an attempt has beyond its timeout to write its outcome. */
export const LEASE_MARGIN_MS = 15 * SECOND;
/** The lease of a task, extended while its attempt lives. */
export const TASK_LEASE_MS = MINUTE;
/** Attempts with a longer timeout run in the function of tasks. */
export const LONG_ATTEMPT_MS = MINUTE;
/** The head start of a queue, after which the sweep counts a message as lost. */
export const HEAD_START = 5 * MINUTE;
/** The longest delay an SQS message can have. */
export const LONGEST_MESSAGE_DELAY = 15 * MINUTE;
/** The difference that two clocks may have. To the second, nothing starts early. */
export const CLOCK_SKEW = SECOND - 1;

export function isFinished(job: Job): job is EndedJob {
  return FINAL_STATUSES.some((final) => final === job.status);
}

/** For the job that a move to RUNNING returned. Throws for another status. */
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

/** Whether a job that ends in this status has items with an expiry date of their own: attempts, a payload, members. */
export function hasAttachments(job: Job, to: FinalStatus): boolean {
  return job.payload.at === "item" || isGroup(job) || job.attempts > (to === "SUCCEEDED" ? 1 : 0);
}

/** The follow-ups that an end owes. */
export function owedAt({ owes = {} }: Job, status: Status): FollowUp[] {
  const names = Object.keys(owes) as FollowUp[];
  return names.filter((name) => owes[name]?.some((each) => each === status));
}

export function isSchedule({ executionType }: Pick<Job, "executionType">): boolean {
  return executionType === SCHEDULE;
}

/** The execution type of schedules, which are fired, not run. */
export const SCHEDULE = "schedule";

/** The execution type of built-in work. */
export const TASK = "task";

/** The job types that more than their task knows: bulk actions, walks over groups, and PDFs. */
export const BULK_ACTION = "bulk_action";
export const GROUP_AUDIT = "group_audit";
export const GENERATE_PDF = "generate_pdf";

export function isTask({ executionType }: Pick<Job, "executionType">): boolean {
  return executionType === TASK;
}

/** Whether its attempts take a task slot of the app. */
export function takesSlot(job: Pick<Job, "executionType" | "quick">): boolean {
  return isTask(job) && !job.quick;
}

/** Whether an attempt runs in the function of tasks, which has more time. */
export function isLong(job: Pick<Job, "executionType" | "timeoutMs">): boolean {
  return isTask(job) || job.timeoutMs > LONG_ATTEMPT_MS;
}

/** Orders the tasks of an app as text: highest priority first, then oldest. */
export function rankOf({ priority = 0, createdAt, id }: Job): string {
  return `${String(HIGHEST_PRIORITY - priority).padStart(2, "0")}#${String(createdAt).padStart(15, "0")}#${id}`;
}

export const HIGHEST_PRIORITY = 10;

/** Stale as soon as the schedule has run, has skipped a run, or was edited. */
export function nextRunOf(schedule: Job): RunRef {
  return { id: schedule.id, run: stepsOf(schedule) + 1 };
}

/** Whether a schedule that has not ended is paused. */
export function isPaused(schedule: Pick<Job, "status" | "pausedAt">): boolean {
  return schedule.status === "PENDING" && schedule.pausedAt !== undefined;
}

export function nextAttempt(job: Job): AttemptRef {
  const { id, appId, timeoutMs, destination, lane, turn, slots, isUrgent, notAfter, payload } = job;
  const isLarge = job.isLarge ?? payload.at === "s3";
  const ref = {
    id,
    appId,
    timeoutMs,
    attempt: job.attempts + 1,
    ...(notAfter !== undefined && { notAfter }),
    ...(isLarge && { isLarge }),
  };
  if (isTask(job)) return { ...ref, rank: rankOf(job), ...(isUrgent && { isUrgent }) };
  if (destination === undefined) throw new Error(`Job ${id} of type ${job.executionType} has no destination`);
  return {
    ...ref,
    destination,
    ...(lane !== undefined && { ordered: true }),
    ...(turn && { turn }),
    ...(slots !== undefined && { slots }),
  };
}

/**
 * The next look at a job whose message is sent now: after 5, 10, 20, 40 … minutes of waiting, so that a message that
 * still lies in its queue is repeated ever less often. In a lane too, though its head may move: who is behind it would
 * know that only by a write for each job that goes, and a job's repeats are no more than the logarithm of its wait.
 */
export function nextLook({ startAt, releasedAt = 0 }: Job, now: EpochMs): EpochMs {
  return now + Math.max(HEAD_START, now - Math.max(startAt, releasedAt));
}

/** Whether it is too late for an attempt of a job to start. */
export function isLate({ notAfter = Infinity }: Pick<Job, "notAfter">, now: EpochMs): boolean {
  return now > notAfter;
}

/** Whether a delayed message can carry the wait. A FIFO queue has no delay per message. */
export function travels(job: Pick<Job, "lane">, delay: number): boolean {
  return job.lane === undefined && delay <= LONGEST_MESSAGE_DELAY;
}

/** Whether the message of an attempt is sent now: it may start at once, or be delayed as long. Else the sweep sends it. */
export function isSentNow(job: Pick<Job, "lane">, delay: number): boolean {
  return delay <= 0 || travels(job, delay);
}

/** The status of the last answer: of the attempt that succeeded, or of the last one that failed. */
export function lastHttpStatus({ success, httpStatus }: Job): number | undefined {
  return success?.httpStatus ?? httpStatus;
}
