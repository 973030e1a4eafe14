import type { EpochMs } from "../../lib/clock.ts";
import { newJob as newJobOn } from "../../lib/engine/new-job.ts";
import { executionTypeOf } from "../../lib/executors/index.ts";
import type { NewJob } from "../../lib/job/accept.ts";
import type { WaitingJob } from "../../lib/job/job.ts";

/** The job that a request asks for, on the terms of its execution. */
export function newJob(request: NewJob, now: EpochMs, freshId: string): WaitingJob {
  const { execution } = request.message;
  return newJobOn(request, executionTypeOf(execution.type).terms(execution, now), now, freshId);
}
