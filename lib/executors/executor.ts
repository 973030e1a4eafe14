import * as z from "../zod.ts";
import type { EpochMs } from "../clock.ts";
import type { Terms } from "../job/accept.ts";
import type { ErrorDetail } from "../errors.ts";
import type { Job, RunningJob, Mode, Progress } from "../job/job.ts";
import type { Execution, Message } from "../job/message.ts";
import type { Rules } from "../outbound/rules.ts";
import type { Outcome } from "../job/attempt.ts";

/** The time-out of one attempt, for the execution types that call a target. */
export const timeoutSeconds = z
  ._default(z.int().check(z.minimum(1), z.maximum(600)), 30)
  .check(z.describe("For the whole exchange. Over 60: not in mode sqs, and not with a messageGroupId of its own."));

/** The request side of an execution type, beside the schema of its `message.execution`. */
export interface ExecutionType<E extends Execution = Execution> {
  readonly type: E["type"];
  readonly proxyMessage: "required" | "optional";
  /** The terms of a job of this type. */
  terms(execution: E, now: EpochMs): Terms;
  /** The problems of a well-formed message; empty if it can be accepted. */
  refuse(
    message: Message & { readonly execution: E },
    asked: Asked,
  ): readonly ErrorDetail[] | Promise<readonly ErrorDetail[]>;
}

/** The circumstances of a request for a job. */
export interface Asked {
  readonly appId: string;
  readonly rules: Rules;
  readonly mode: Mode;
  readonly now: EpochMs;
}

/** The run side of an execution type. */
export interface Runner<E extends Execution = Execution> {
  /** Runs one attempt. A throw counts as `retry`. */
  execute(attempt: RunningAttempt<E>, rules: Rules): Promise<Outcome>;
}

/** An execution type that runs by itself. Each has one file. */
export interface Executor<E extends Execution = Execution> extends ExecutionType<E>, Runner<E> {
  /** For `message.execution`, with its `type`. */
  readonly schema: z.ZodMiniObject;
}

/** What runs a job. */
export type ExecutorOf = (job: Pick<Job, "executionType" | "quick">) => Runner;

export interface RunningAttempt<E extends Execution = Execution> {
  /** The job in its claimed state. */
  readonly job: RunningJob;
  /** Set for tasks. */
  readonly lease?: Lease;
  readonly jobId: string;
  readonly number: number;
  readonly message: Message & { readonly execution: E };
  readonly timeoutMs: number;
  /** Real seconds since 1970, for headers that a target checks against its own clock. */
  readonly realTimeSeconds: number;
  /** Real milliseconds, for durations. */
  readonly realNow: () => number;
  /** The header `webhook-signature`, made with the app's signing secrets. */
  readonly sign: (body: Uint8Array) => Promise<string>;
  /** Aborts at the attempt's time-out. */
  readonly signal: AbortSignal;
}

/** The lease of a running task, kept alive while it runs. */
export interface Lease {
  /** Aborts at the attempt's time-out, when the job is stopped, and when the lease is lost. */
  readonly signal: AbortSignal;
  /** Writes the progress at most once a second. */
  progress(progress: Progress): Promise<void>;
  /** Stores the checkpoint of the next attempt before it returns. */
  save(saved: string): Promise<void>;
  /** Stops the renewal of the lease. Returns the job as last seen. */
  release(): Promise<RunningJob>;
}
