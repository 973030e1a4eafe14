import type { EpochMs } from "../clock.ts";
import { executionTypeFor } from "../executors/by-type.ts";
import { accept, type NewJob, type Terms } from "../job/accept.ts";
import type { WaitingJob } from "../job/job.ts";
import { encode } from "../job/payload.ts";
import { requestLine } from "../job/request-line.ts";

/** The terms of the job that a request asks for: those of its execution, unless the request has them. */
export async function termsOf({ message: { execution }, terms }: NewJob, now: EpochMs): Promise<Terms> {
  return terms?.(now) ?? (await executionTypeFor(execution)).terms(execution, now);
}

/** The job that a request asks for. Its id is `freshId` unless it has an idempotency key. */
export function newJob(request: NewJob, terms: Terms, now: EpochMs, freshId: string): WaitingJob {
  const text = JSON.stringify(request.message);
  const payload = { at: "inline", bytes: encode(text) } as const;
  const line =
    payload.bytes.length > (request.mode === "sqs" ? 2 : 1) * MOSTLY_INLINE ? requestLine(request.message) : undefined;
  return {
    ...accept(request, terms, payload, now, freshId),
    ...(line !== undefined && { requestLine: line }),
    ...(text.length > LARGE && { isLarge: true }),
  };
}

/** In characters, however small they are packed. */
const LARGE = 512 * 1_024;

/**
 * In bytes: smaller payloads stand in their job's item, from which lists read the method and path. A message that
 * carries its job is charged by its size, and few of those jobs are stored.
 */
const MOSTLY_INLINE = 512;
