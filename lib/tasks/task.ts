import type * as z from "zod";
import { MINUTE, type EpochMs } from "../clock.ts";
import type { TaskFile } from "../files/uploads.ts";
import type { TaskServices } from "./services.ts";

// What a task is: work that lives here. docs/tasks.md shows how to add one.

/** A built-in piece of work; `P` is what its payload is parsed to. */
export interface Task<P = unknown> {
  readonly jobType: string;
  /** One line for the API document. */
  readonly summary: string;
  /** What a caller may ask for. What only the run can decide, it answers with `failed`. */
  readonly payload: z.ZodType<P>;
  /** What a caller of `/v1/jobs` needs beside `jobs.create_jobs`. */
  readonly permission?: string;
  readonly maxRetries: number;
  /** Starts at once, also when its app is paused or has no slot left: people want it to end such a state. */
  readonly isUrgent?: true;
  /** It runs in the function that has one. */
  readonly needsBrowser?: true;
  /** Real milliseconds that an attempt may take. */
  readonly timeoutMs: number;
  run(payload: P, context: TaskContext): Promise<TaskOutcome>;
}

/** What came of a run: a result of JSON, or why there is none. Whatever is thrown counts as `again`. */
export type TaskOutcome =
  | { readonly kind: "done"; readonly result: TaskResult }
  /** `again`: another attempt may help; `failed`: none would. The error is shown to the caller. */
  | { readonly kind: "again" | "failed"; readonly error: string };

/** At most 16 KB as JSON. A file is named by its key: whoever reads the job gets a link to it. */
export interface TaskResult {
  readonly fileKey?: string;
  readonly [field: string]: unknown;
}

/** What a run is given: what it can reach of its app, and what follows. */
export interface TaskContext extends TaskServices {
  readonly job: TaskJob;
  /** A line of the job's log. Await it: it waits when lines come faster than they can be kept. */
  readonly log: Readonly<Record<LogLevel, (message: string, detail?: LogDetail) => Promise<void>>>;
  /** How far it is: `step` of `totalSteps`, which is also the percentage unless that is given. */
  readonly progress: (step: number, totalSteps: number, shown?: { percent?: number; label?: string }) => Promise<void>;
  /** Aborts when the job is cancelled, when the attempt has lost its lease, and when its time is up. */
  readonly signal: AbortSignal;
  /** What an earlier attempt has saved last; undefined at the first. */
  readonly saved: unknown;
  /** Keeps at most 4 KB of JSON for the next attempt, should this one be lost. */
  readonly checkpoint: (value: unknown) => Promise<void>;
  /** Submits another task of the same app, once per `name` and job however often this is run. Returns its id. */
  readonly submit: (name: string, jobType: string, payload: unknown) => Promise<string>;
  /** Service time. */
  readonly now: () => EpochMs;
}

/** The job that is run, as its task may know it. */
export interface TaskJob {
  readonly id: string;
  readonly appId: string;
  /** Who asked for it; nobody if another job or a schedule did. */
  readonly userId?: string;
  readonly attempt: number;
  readonly createdAt: EpochMs;
  /** The uploaded file of a file job, with the size and type that the uploader has announced. */
  readonly file?: TaskFile;
}

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogDetail {
  /** Of a file's row, from 1. */
  readonly rowNumber?: number;
  readonly meta?: Readonly<Record<string, unknown>>;
}

const DEFAULT_MAX_RETRIES = 3;
/** What Lambda's fifteen minutes leave for taking the job and for writing down how it ended. */
const LONGEST_RUN = 14 * MINUTE;

type Definition<P> = Omit<Task<P>, "maxRetries" | "timeoutMs"> & {
  /** Default 3. */
  readonly maxRetries?: number;
  /** Real milliseconds; default and most: 14 minutes. */
  readonly timeout?: number;
};

export function defineTask<P>({ maxRetries = DEFAULT_MAX_RETRIES, timeout, ...task }: Definition<P>): Task {
  const timeoutMs = Math.min(timeout ?? LONGEST_RUN, LONGEST_RUN);
  // Its payload has been parsed by its own schema whenever it is run.
  return { ...task, maxRetries, timeoutMs };
}

export function done(result: TaskResult = {}): TaskOutcome {
  return { kind: "done", result };
}

/** Trying again would not help. */
export function failed(error: string): TaskOutcome {
  return { kind: "failed", error };
}

export function again(error: string): TaskOutcome {
  return { kind: "again", error };
}
