import * as z from "zod";
import type { EpochMs } from "../clock.ts";
import type { ErrorDetail } from "../errors.ts";
import type { Job, RunningJob, Mode, Outcome, Progress } from "../job/job.ts";
import type { Execution, Message } from "../job/message.ts";
import type { Rules } from "../outbound/rules.ts";

/** Of the execution types that call something: how long one attempt may take. */
export const timeoutSeconds = z
  .int()
  .min(1)
  .max(600)
  .default(30)
  .describe("For the whole exchange. Over 60: not in mode sqs, and not with a messageGroupId of its own.");

/** How an execution type is asked for. One file each. */
export interface ExecutionType<E extends Execution = Execution> {
  readonly type: E["type"];
  /** Of `message.execution`, its `type` included. */
  readonly schema: z.ZodObject;
  readonly proxyMessage: "required" | "optional";
  /** Where the job goes, as flow control sees it. */
  destination(execution: E): string;
  /** Real milliseconds an attempt may take. */
  timeoutMs(execution: E): number;
  /** Of a task; default 0. */
  priority?(execution: E): number;
  /** Of a task: it runs where there is a browser. */
  needsBrowser?(execution: E): boolean;
  /** Of a task: it takes no slot of its app's, and starts while the app is paused. */
  isUrgent?(execution: E): boolean;
  /** Unless a job says so itself; default 10. */
  maxRetries?(execution: E): number;
  /** Why a well-formed message can't be accepted, by its fields; nothing if it can. */
  refuse(message: Message & { readonly execution: E }, asked: Asked): readonly ErrorDetail[];
}

/** Under which circumstances a job is asked for. */
export interface Asked {
  readonly appId: string;
  readonly rules: Rules;
  readonly mode: Mode;
  readonly now: EpochMs;
}

/** How an execution type is run. */
export interface Executor<E extends Execution = Execution> extends ExecutionType<E> {
  /** Runs one attempt. A throw counts as `retry`. */
  execute(attempt: RunningAttempt<E>, rules: Rules): Promise<Outcome>;
}

/** The executor that runs a job. */
export type ExecutorOf = (job: Pick<Job, "executionType" | "quick">) => Executor;

export interface RunningAttempt<E extends Execution = Execution> {
  /** As it was claimed. */
  readonly job: RunningJob;
  /** Of a task. */
  readonly lease?: Lease;
  readonly jobId: string;
  readonly number: number;
  readonly message: Message & { readonly execution: E };
  readonly timeoutMs: number;
  /** Real seconds since 1970, for headers that a target checks against its own clock. */
  readonly realTimeSeconds: number;
  /** The header `webhook-signature` for what is sent, by the app's secrets. */
  readonly sign: (body: Uint8Array) => Promise<string>;
  /** Aborts when the attempt's time is up. */
  readonly signal: AbortSignal;
}

/** The lease of a running task, kept alive while it runs. */
export interface Lease {
  /** Aborts when the attempt's time is up, when somebody has asked to stop the job, and when the lease is lost. */
  readonly signal: AbortSignal;
  /** Shows how far the attempt is; not more often than once a second. */
  progress(progress: Progress): Promise<void>;
  /** Keeps what the next attempt may go on from, before it returns. */
  save(saved: string): Promise<void>;
  /** Stops keeping it. Answers with the job as it was last seen. */
  release(): Promise<RunningJob>;
}
