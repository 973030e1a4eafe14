import type { EpochMs } from "../../lib/clock.ts";
import { newJob as newJobOn } from "../../lib/engine/new-job.ts";
import { executionTypeFor } from "../../lib/executors/by-type.ts";
import { EXECUTION_TYPES } from "../../lib/executors/index.ts";
import type { NewJob } from "../../lib/job/accept.ts";
import { TASK, type WaitingJob } from "../../lib/job/job.ts";

// Loaded at once, so that `newJob` has nothing to wait for. Tasks have the terms of the example.
const types = new Map(
  await Promise.all(
    EXECUTION_TYPES.map(
      async (type) => [type, await executionTypeFor({ type, ...(type === TASK && { jobType: "example" }) })] as const,
    ),
  ),
);

/** The job that a request asks for, on the terms of its execution. */
export function newJob(request: NewJob, now: EpochMs, freshId: string): WaitingJob {
  const { execution } = request.message;
  const type = types.get(execution.type);
  if (!type) throw new Error(`No execution type ${execution.type}`);
  return newJobOn(request, type.terms(execution, now), now, freshId);
}
