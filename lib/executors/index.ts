import { GROUP } from "../job/group.ts";
import { SCHEDULE, TASK } from "../job/job.ts";
import type { Execution } from "../job/message.ts";
import { jobFieldsOf, messageFields, type ExecutionSchemas } from "./message-schema.ts";
import { executionTypeFor } from "./by-type.ts";
import type { ExecutionType, Executor } from "./executor.ts";
import { lambdaInvoke } from "./lambda-invoke.ts";
import { lambdaUrl } from "./lambda-url.ts";
import { restApi } from "./rest-api.ts";
import { scheduleSchemaOf } from "./schedule-schema.ts";
import { taskSchema } from "./task.ts";

// The schemas of all execution types. What few requests need beside them, lib/executors/by-type.ts loads.

/** Every execution type that runs by itself: the schema of a request follows from this list. */
const executors: readonly Executor[] = [restApi, lambdaInvoke, lambdaUrl];

/** Every execution type: also tasks, which task-executor.ts runs, the schedule, which is fired, and the group. */
export const EXECUTION_TYPES: readonly string[] = [...executors.map(({ type }) => type), TASK, SCHEDULE, GROUP];

/** For messages that the schema has accepted. Those above are here with the schema: to load one anew takes a millisecond. */
export async function executionTypeOf(execution: Execution): Promise<ExecutionType> {
  const found = executors.find(({ type }) => type === execution.type);
  return found ?? executionTypeFor(execution);
}

export const runnable = [...executors.map(({ schema }) => schema), taskSchema] as unknown as ExecutionSchemas;
/** The types of a job within another one: all but the schedule. */
const inner = jobFieldsOf(runnable);
export const scheduleSchema = scheduleSchemaOf(inner);

/** The schema of a message and of its follow-ups. */
export const jobFields = {
  message: messageFields([...runnable, scheduleSchema]),
  followUps: inner.followUps,
};
