import { SCHEDULE } from "../job/job.ts";
import { jobFieldsOf, messageFields, type ExecutionSchemas } from "./message-schema.ts";
import type { ExecutionType, Executor, ExecutorOf } from "./executor.ts";
import { lambdaInvoke } from "./lambda-invoke.ts";
import { lambdaUrl } from "./lambda-url.ts";
import { restApi } from "./rest-api.ts";
import { scheduleOf } from "./schedule.ts";
import { task } from "./task.ts";

/** Every execution type that runs by itself: validation and dispatch follow from this list. */
const executors: readonly Executor[] = [restApi, lambdaInvoke, lambdaUrl];

export const runnable = [...executors, task].map(({ schema }) => schema) as unknown as ExecutionSchemas;
/** Of a job that stands within another one: any but a schedule. */
const inner = jobFieldsOf(runnable);
export const schedule = scheduleOf(inner);

/** Every execution type there is: also tasks, which need more than a request, and the schedule, which fires one. */
export const executionTypes: readonly ExecutionType[] = [...executors, task, schedule];
export const EXECUTION_TYPES = executionTypes.map(({ type }) => type);

/** The schema of a message, and of the follow-ups that can be asked for beside it. */
export const jobFields = {
  message: messageFields([...runnable, schedule.schema]),
  followUps: inner.followUps,
};

/** The type of a name. Its schema has checked what it then trusts. */
export function executionTypeOf(type: string): ExecutionType {
  const found = executionTypes.find((each) => each.type === type);
  if (!found) throw new Error(`No execution type ${type}; known: ${EXECUTION_TYPES.join(", ")}`);
  return found;
}

/** The executor of a job whose type runs by itself. */
export const executorOf: ExecutorOf = ({ executionType: type }) => {
  const found = executors.find((executor) => executor.type === type);
  if (!found)
    throw new Error(`No executor for execution type ${type}${type === SCHEDULE ? ": a schedule is fired" : ""}`);
  return found;
};
