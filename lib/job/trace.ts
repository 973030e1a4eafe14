import { derivedUuid } from "../clock.ts";

// The trace that a job belongs to, as W3C Trace Context has it: https://www.w3.org/TR/trace-context/.

/** `version-traceId-spanId-flags`. A later version may have more fields; its first four mean the same. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/;

/** The header of a request, in the form of version 00. Undefined without one, or for one that is not valid. */
export function traceparentIn(header: string | undefined): string | undefined {
  if (header === undefined || (header.startsWith("00-") && header.length !== 55)) return undefined;
  return TRACEPARENT.test(header) ? `00-${header.slice(3, 55)}` : undefined;
}

/** The header that an attempt sends: the trace of the job, in a span of the attempt's own. */
export function childOf(traceparent: string, jobId: string, attempt: number): string {
  const [version, traceId, , flags] = traceparent.split("-");
  return [version, traceId, spanOf(jobId, attempt), flags].join("-");
}

export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/** It follows from the attempt, so that nothing needs to keep it. */
function spanOf(jobId: string, attempt: number): string {
  return derivedUuid(jobId, "span", String(attempt)).replaceAll("-", "").slice(0, 16);
}
