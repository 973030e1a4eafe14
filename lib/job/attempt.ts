import type { EpochMs } from "../clock.ts";

/** What an attempt yields. Only `retry` may be tried again. `result`: of a task, as JSON. */
export type Outcome =
  | {
      readonly kind: "succeeded";
      readonly httpStatus?: number;
      readonly responseExcerpt?: string;
      readonly result?: string;
      /** Of a quick job: the file for the caller who waits. It is not stored. */
      readonly file?: Uint8Array;
    }
  /** `isOurs`: it failed inside the service, and says nothing of the target. */
  | (Failure & { readonly kind: "retry"; readonly retryAfterMs?: number; readonly isOurs?: true })
  | (Failure & { readonly kind: "rejected"; readonly timedOut?: true })
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
  /** Unknown of a lost attempt, which leaves no record. */
  readonly startedAt?: EpochMs;
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
  /** Of a job in a lane: those behind it wait for it. */
  readonly ordered?: true;
  readonly turnAt?: EpochMs;
  /** Of a task, which needs a slot of its app: its place among those that wait for one. */
  readonly rank?: string;
  /** Of a task that waits for no slot. */
  readonly isUrgent?: true;
}

/** One run of a schedule that is to come. */
export interface RunRef {
  readonly id: string;
  readonly run: number;
}
