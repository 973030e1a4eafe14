import type { EpochMs } from "../clock.ts";

/** Milliseconds of an exchange by HTTP. A connection that was open already has no `dns`, `connect` or `tls`. */
export interface Timings {
  readonly dns?: number;
  readonly connect?: number;
  readonly tls?: number;
  /** From the open connection to the headers of the answer. */
  readonly answer?: number;
}

/** What an attempt keeps of its exchange as far as there is room. */
export interface Detail {
  /** Real seconds since 1970, as its request says, where they are not those of the attempt's start. */
  readonly sentAt?: number;
  readonly timings?: Timings;
  /** Without credentials. */
  readonly responseHeaders?: Readonly<Record<string, string>>;
  readonly responseExcerpt?: string;
}

/** The outcome of an attempt. Only `retry` may be tried again. `result`: of a task, as JSON. */
export type Outcome =
  | {
      readonly kind: "succeeded";
      readonly httpStatus?: number;
      readonly responseExcerpt?: string;
      readonly detail?: Detail;
      readonly result?: string;
      /** Set for jobs that keep it. `body` is stored by itself. */
      readonly response?: KeptResponse;
      readonly body?: Uint8Array;
      /** Set for quick jobs: the file for the caller who waits. It is not stored. */
      readonly file?: Uint8Array;
    }
  | (Failure & {
      readonly kind: "retry";
      readonly retryAfterMs?: number;
      /** The service failed, not the target. */
      readonly isOurs?: true;
      /** The service had no room for the attempt, which uses up no retry. */
      readonly isUncounted?: true;
    })
  | (Failure & { readonly kind: "rejected"; readonly timedOut?: true })
  | (Failure & { readonly kind: "lost" });

/** The answer that a job keeps. `missing`: why its body was not kept; else its size. */
export interface KeptResponse {
  readonly bytes?: number;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly missing?: "too large" | "incomplete";
}

interface Failure {
  readonly error: string;
  readonly httpStatus?: number;
  /** The first 1 KB of the target's answer. */
  readonly responseExcerpt?: string;
  readonly detail?: Detail;
}

/** An attempt as recorded. `durationMs` is real time. */
export interface Attempt extends Detail {
  readonly number: number;
  /** Unknown for a lost attempt, which leaves no record. */
  readonly startedAt?: EpochMs;
  readonly durationMs?: number;
  readonly outcome: Outcome["kind"] | "running";
  readonly httpStatus?: number;
  readonly error?: string;
}

/** An attempt that is to start, as a queue message names it. */
export type AttemptRef = CallRef | TaskRef;

interface RefFields {
  readonly id: string;
  readonly appId: string;
  readonly attempt: number;
  readonly timeoutMs: number;
  /** No attempt starts after this. */
  readonly notAfter?: EpochMs;
  /** Its message takes so much memory that a function runs few such attempts at once. */
  readonly isLarge?: true;
}

/**
 * The time at which an attempt may start at a destination with limits. `step`: the service time between two turns of
 * the rate by which it was given, 0 where none was set; `place`: its number in the row of the destination's turns, by which
 * it is found when the rate has changed. `share`: the app's share of a queue that has a slot for it; `both`: it has waited
 * for one of its destination, too.
 */
export interface Turn {
  readonly at: EpochMs;
  readonly step: number;
  readonly place?: number;
  readonly share?: string;
  readonly both?: true;
}

/** An attempt that calls a destination. */
export interface CallRef extends RefFields {
  readonly destination: string;
  /** Set for jobs in a lane: those behind it wait for it. */
  readonly ordered?: true;
  /** The turn that the job has at a destination with limits. */
  readonly turn?: Turn;
  /** The slots that are kept for it. */
  readonly slots?: string;
  readonly rank?: never;
  readonly isUrgent?: never;
}

/** An attempt of a task, which takes a slot of its app. */
export interface TaskRef extends RefFields {
  /** Its place in line, as text that sorts. */
  readonly rank: string;
  /** It waits for no slot. */
  readonly isUrgent?: true;
  readonly destination?: never;
  readonly ordered?: never;
  readonly turn?: never;
  readonly slots?: never;
}

/** For jobs that are no tasks. Throws for a task's reference. */
export function asCall(ref: AttemptRef): CallRef {
  if (ref.rank === undefined) return ref;
  throw new Error(`Expected an attempt that calls a destination; job ${ref.id} is a task`);
}

/** A run of a schedule that is to come. */
export interface RunRef {
  readonly id: string;
  readonly run: number;
}

export const LOST = {
  kind: "lost",
  error: "The attempt was lost: nothing was heard of it before its lease ended",
} as const satisfies Outcome;
