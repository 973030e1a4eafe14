import type { EpochMs } from "../clock.ts";
import { executionTypeOf } from "../executors/index.ts";
import { accept, type NewJob } from "../job/accept.ts";
import type { WaitingJob } from "../job/job.ts";
import { encodeMessage } from "../job/payload.ts";

/** The job that a request asks for. Its id is `freshId` unless it has an idempotency key. */
export function newJob(request: NewJob, now: EpochMs, freshId: string): WaitingJob {
  const { execution } = request.message;
  const terms = request.terms?.(now) ?? executionTypeOf(execution.type).terms(execution, now);
  const payload = { at: "inline", bytes: encodeMessage(request.message) } as const;
  return accept(request, terms, payload, now, freshId);
}
