import { atFirstUse } from "../job/at-first-use.ts";
import { TASK, type Job } from "../job/job.ts";
import type { Execution } from "../job/message.ts";
import type { ExecutionType, Executor } from "./executor.ts";

// The execution types, each loaded alone: who runs a job of one needs neither the others nor the schema of a request.

const EXECUTORS: ReadonlyMap<string, () => Promise<Executor>> = new Map([
  ["rest-api", atFirstUse(async () => (await import("./rest-api.ts")).restApi as Executor)],
  ["lambda-invoke", atFirstUse(async () => (await import("./lambda-invoke.ts")).lambdaInvoke as Executor)],
  ["lambda-url", atFirstUse(async () => (await import("./lambda-url.ts")).lambdaUrl as Executor)],
]);

/** For jobs whose type runs by itself. */
export async function executorFor({ executionType }: Pick<Job, "executionType">): Promise<Executor> {
  const load = EXECUTORS.get(executionType);
  return load ? load() : (await import("./index.ts")).executorOf({ executionType });
}

/** For messages that the schema has accepted. */
export async function executionTypeFor({ type }: Execution): Promise<ExecutionType> {
  if (EXECUTORS.has(type)) return executorFor({ executionType: type });
  if (type === TASK) return (await import("./task.ts")).task;
  return (await import("./index.ts")).executionTypeOf(type);
}
