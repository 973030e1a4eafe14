import type { EpochMs } from "../clock.ts";
import { executionTypeOf } from "../executors/index.ts";
import { firstRun, type ScheduleExecution } from "../executors/schedule.ts";
import { SCHEDULE, type WaitingJob } from "../job/job.ts";
import { encodeMessage } from "../job/payload.ts";
import { accept, type NewJob } from "../job/accept.ts";

/** A job that is asked for, on the terms of its execution type. Its id is `freshId` unless it has a key. */
export function newJob(request: NewJob, now: EpochMs, freshId: string): WaitingJob {
  const { execution } = request.message;
  const type = executionTypeOf(execution.type);
  const terms = {
    destination: type.destination(execution),
    timeoutMs: type.timeoutMs(execution),
    ...(type.priority && { priority: type.priority(execution) }),
    ...(type.needsBrowser && { needsBrowser: type.needsBrowser(execution) }),
    ...(type.isUrgent && { isUrgent: type.isUrgent(execution) }),
    ...(type.maxRetries && { maxRetries: type.maxRetries(execution) }),
    ...(execution.type === SCHEDULE && firstRun(execution as ScheduleExecution, now)),
  };
  const payload = { at: "inline", bytes: encodeMessage(request.message) } as const;
  return accept(request, terms, payload, now, freshId);
}
