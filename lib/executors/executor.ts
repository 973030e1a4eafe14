import type { ZodObject } from "zod";
import type { ErrorDetail } from "../errors.ts";
import type { Execution, Message, Outcome } from "../job.ts";

/** What one execution type is: how it is asked for, and how it is run. One file each. */
export interface Executor<E extends Execution = Execution> {
  readonly type: E["type"];
  /** Of `message.execution`, its `type` included. */
  readonly schema: ZodObject;
  readonly proxyMessage: "required" | "optional";
  /** Where the job goes, as flow control sees it. */
  destination(execution: E): string;
  /** Real milliseconds an attempt may take. */
  timeoutMs(execution: E): number;
  /** Why a well-formed message can't be accepted; nothing if it can. */
  refuse(message: Message & { readonly execution: E }, rules: Rules): readonly ErrorDetail[];
  /** Runs one attempt. A throw counts as `retry`. */
  execute(attempt: RunningAttempt<E>, rules: Rules): Promise<Outcome>;
}

/** What whoever deploys the service allows. */
export interface Rules {
  /** Whether loopback and private addresses may be called. */
  readonly allowPrivateTargets: boolean;
  /** Names of functions that jobs may invoke; `*` stands for any characters. */
  readonly invokableFunctions: readonly string[];
  /** What the names of the service's own functions begin with: jobs never invoke those. */
  readonly ownFunctions: string;
  /** What the function URLs of the local stack begin with; empty when deployed. */
  readonly localFunctionUrls: string;
}

export interface RunningAttempt<E extends Execution = Execution> {
  readonly jobId: string;
  readonly number: number;
  readonly message: Message & { readonly execution: E };
  readonly timeoutMs: number;
  /** Real seconds since 1970, for headers that a target checks against its own clock. */
  readonly realTimeSeconds: number;
  /** Aborts when the attempt's time is up. */
  readonly signal: AbortSignal;
}

/** For a type that is understood already but does not run: every job of it is refused, with this reason. */
export function notAvailableYet(type: string): Pick<Executor, "refuse" | "execute"> {
  const message = `execution.type ${type} is not available yet; use another one`;
  return {
    refuse: () => [{ field: "message.execution.type", message }],
    execute: async () => ({ kind: "rejected", error: message }),
  };
}
