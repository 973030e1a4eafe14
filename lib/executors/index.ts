import { SCHEDULE, type Job } from "../job/job.ts";
import { jobFieldsOf, messageFields, type ExecutionSchemas } from "./message-schema.ts";
import type { ExecutionType, Executor } from "./executor.ts";
import { group } from "./group.ts";
import { lambdaInvoke } from "./lambda-invoke.ts";
import { lambdaUrl } from "./lambda-url.ts";
import { restApi } from "./rest-api.ts";
import { scheduleOf } from "./schedule.ts";
import { task } from "./task.ts";

/** Every execution type that runs by itself: validation and dispatch follow from this list. */
const executors: readonly Executor[] = [restApi, lambdaInvoke, lambdaUrl];

export const runnable = [...executors, task].map(({ schema }) => schema) as unknown as ExecutionSchemas;
/** The types of a job within another one: all but the schedule. */
const inner = jobFieldsOf(runnable);
export const schedule = scheduleOf(inner);

/** Every execution type: also tasks, which task-executor.ts runs, the schedule, which is fired, and the group. */
export const executionTypes: readonly ExecutionType[] = [...executors, task, schedule, group];
export const EXECUTION_TYPES = executionTypes.map(({ type }) => type);

/** The schema of a message and of its follow-ups. */
export const jobFields = {
  message: messageFields([...runnable, schedule.schema]),
  followUps: inner.followUps,
};

/** For messages that the schema has accepted. */
export function executionTypeOf(type: string): ExecutionType {
  const found = executionTypes.find((each) => each.type === type);
  if (!found) throw new Error(`No execution type ${type}; known: ${EXECUTION_TYPES.join(", ")}`);
  return found;
}

/** For jobs whose type runs by itself. */
export function executorOf({ executionType: type }: Pick<Job, "executionType">): Executor {
  const found = executors.find((executor) => executor.type === type);
  if (!found)
    throw new Error(`No executor for execution type ${type}${type === SCHEDULE ? ": a schedule is fired" : ""}`);
  return found;
}
