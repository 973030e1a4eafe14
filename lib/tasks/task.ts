import type * as z from "../zod.ts";
import { MINUTE, type EpochMs } from "../clock.ts";
import type { TaskFile } from "../files/uploads.ts";
import type { TaskServices } from "./services.ts";

// A task is a built-in piece of work. docs/tasks.md shows how to add one.

/** `P` is the type of the parsed payload. */
export interface Task<P = unknown> {
  readonly jobType: string;
  /** One line for the API document. */
  readonly summary: string;
  /** Refuses bad payloads at the submission. The run returns `failed` for problems that it finds later. */
  readonly payload: z.ZodMiniType<P>;
  /** The permission that a caller of `/v1/jobs` needs beside `jobs.create_jobs`. */
  readonly permission?: string;
  /** The dataset that a run writes. */
  readonly writes?: (payload: P) => { readonly name: string; readonly mode: "append" | "replace" };
  readonly maxRetries: number;
  /** Starts at once, even when its app is paused or has no free slot, since people use it to end such a state. */
  readonly isUrgent?: true;
  /** Runs in the function that has a browser. */
  readonly needsBrowser?: true;
  /** Real milliseconds that an attempt may take. */
  readonly timeoutMs: number;
  run(payload: P, context: TaskContext): Promise<TaskOutcome>;
}

/**
 * The outcome of a run: a result as JSON, or an error, which is shown to the caller. `again`: another attempt may help;
 * `failed`: no attempt would. A throw counts as `again`.
 */
export type TaskOutcome =
  | { readonly kind: "done"; readonly result: TaskResult }
  | { readonly kind: "failed"; readonly error: string }
  /** `retryAfterMs`: no attempt starts sooner. */
  | { readonly kind: "again"; readonly error: string; readonly retryAfterMs?: number };

/** At most 16 KB as JSON. A file is given by its key; readers of the job get a link to it. */
export interface TaskResult {
  readonly fileKey?: string;
  readonly [field: string]: unknown;
}

/** The argument of a run: the services of its app, and the functions below. */
export interface TaskContext extends TaskServices {
  readonly job: TaskJob;
  /** Writes a line of the job's log. The promise resolves late while lines come faster than they can be kept. */
  readonly log: Readonly<Record<LogLevel, (message: string, detail?: LogDetail) => Promise<void>>>;
  /** Shows the progress: `step` of `totalSteps`, from which the percentage follows unless it is given. */
  readonly progress: (step: number, totalSteps: number, shown?: { percent?: number; label?: string }) => Promise<void>;
  /** Aborts when the job is cancelled, when the attempt has lost its lease, and at its time-out. */
  readonly signal: AbortSignal;
  /** The last checkpoint of earlier attempts; undefined if there is none. */
  readonly saved: unknown;
  /** Stores at most 4 KB of JSON for the next attempt. */
  readonly checkpoint: (value: unknown) => Promise<void>;
  /** Submits another task of the same app, once per `name` and job, also over several attempts. Returns its id. */
  readonly submit: (name: string, jobType: string, payload: unknown) => Promise<string>;
  /** Waits so many real milliseconds, and throws when the signal aborts. */
  readonly pause: (ms: number) => Promise<void>;
  /** Service time. */
  readonly now: () => EpochMs;
}

/** The job of a run, as the task sees it. */
export interface TaskJob {
  readonly id: string;
  readonly appId: string;
  /** The user who submitted it; absent if another job or a schedule did. */
  readonly userId?: string;
  readonly attempt: number;
  readonly createdAt: EpochMs;
  /** The uploaded file of a file job, with the size and type that the uploader has announced. */
  readonly file?: TaskFile;
}

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogDetail {
  /** The row of the file, from 1. */
  readonly rowNumber?: number;
  readonly meta?: Readonly<Record<string, unknown>>;
}

const DEFAULT_MAX_RETRIES = 3;
/** Lambda's fifteen minutes, less the time to claim the job and to write its end. */
const LONGEST_RUN = 14 * MINUTE;

type Definition<P> = Omit<Task<P>, "maxRetries" | "timeoutMs"> & {
  /** Default: 3. */
  readonly maxRetries?: number;
  /** Real milliseconds; default and most: 14 minutes. */
  readonly timeout?: number;
};

export function defineTask<P>({ maxRetries = DEFAULT_MAX_RETRIES, timeout, ...task }: Definition<P>): Task {
  const timeoutMs = Math.min(timeout ?? LONGEST_RUN, LONGEST_RUN);
  // The cast is sound: every run gets a payload that this schema has parsed.
  return { ...task, maxRetries, timeoutMs } as Task;
}

export function done(result: TaskResult = {}): TaskOutcome {
  return { kind: "done", result };
}

/** For errors that another attempt would repeat. */
export function failed(error: string): TaskOutcome {
  return { kind: "failed", error };
}

export function again(error: string, retryAfterMs?: number): TaskOutcome {
  return { kind: "again", error, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
