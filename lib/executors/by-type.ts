import { atFirstUse } from "../job/at-first-use.ts";
import { GROUP } from "../job/group.ts";
import { SCHEDULE, TASK, type Job } from "../job/job.ts";
import type { Execution } from "../job/message.ts";
import type { ExecutionType, Executor, Runner } from "./executor.ts";
import type { TaskExecution } from "./task.ts";

// The execution types, each loaded with the first job of it: who runs a job of one needs neither the others nor the
// schema of a request.

const EXECUTORS: ReadonlyMap<string, () => Promise<Executor>> = new Map([
  ["rest-api", atFirstUse(async () => (await import("./rest-api.ts")).restApi as Executor)],
  ["lambda-invoke", atFirstUse(async () => (await import("./lambda-invoke.ts")).lambdaInvoke as Executor)],
  ["lambda-url", atFirstUse(async () => (await import("./lambda-url.ts")).lambdaUrl as Executor)],
]);

/** Those that do not run by themselves. */
const OTHERS: ReadonlyMap<string, (execution: Execution) => Promise<ExecutionType>> = new Map([
  [TASK, async (execution: Execution) => taskOf(execution as TaskExecution)],
  [SCHEDULE, atFirstUse(async () => (await import("./schedule.ts")).schedule as ExecutionType)],
  [GROUP, atFirstUse(async () => (await import("./group.ts")).group as ExecutionType)],
]);

async function taskOf({ jobType }: TaskExecution): Promise<ExecutionType> {
  const [{ taskBy }, { definitionOf }] = await Promise.all([import("./task.ts"), import("../tasks/index.ts")]);
  return taskBy(await definitionOf(jobType));
}

/** Runs jobs whose type runs by itself. */
export const executor: Runner = {
  execute: async (attempt, rules) => (await executorFor(attempt.job)).execute(attempt, rules),
};

async function executorFor({ executionType: type }: Pick<Job, "executionType">): Promise<Executor> {
  const load = EXECUTORS.get(type);
  if (!load)
    throw new Error(`No executor for execution type ${type}${type === SCHEDULE ? ": a schedule is fired" : ""}`);
  return load();
}

/** For messages that the schema has accepted. */
export async function executionTypeFor(execution: Execution): Promise<ExecutionType> {
  const { type } = execution;
  const load = EXECUTORS.get(type) ?? OTHERS.get(type);
  if (!load) throw new Error(`No execution type ${type}; known: ${[...EXECUTORS.keys(), ...OTHERS.keys()].join(", ")}`);
  return load(execution);
}
