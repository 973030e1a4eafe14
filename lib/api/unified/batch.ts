import { ClientError, type ErrorDetail } from "../../errors.ts";
import type { Job } from "../../job/job.ts";
import type { Message } from "../../job/message.ts";
import { entityOf } from "../../job/view.ts";
import type { ServiceParts } from "../../parts.ts";
import type { Caller } from "../http/auth.ts";
import { envelope, type Answer } from "../http/http.ts";
import { explain } from "../http/refusal.ts";
import type { Accepted } from "./accept-job.ts";

// Many jobs in one request, each accepted or refused by itself.

export const MOST_JOBS_IN_A_BATCH = 100;
/** Accepting a job takes two calls; this many jobs at a time keep all connections busy. */
const ACCEPTED_AT_ONCE = 10;

/** Accepts jobs, and answers what each would have been answered alone. `route`: of the request, for the log. */
export async function acceptEach(
  jobs: readonly unknown[],
  accept: (job: unknown) => Promise<Accepted>,
  { caller, route }: { readonly caller: Caller; readonly route: string },
  service: ServiceParts,
): Promise<Answer> {
  // Each job counts as a request, and the first is counted already.
  if (caller.appId !== undefined) await service.apps.admit(caller.appId, "requests", jobs.length - 1);
  const results: BatchResult[] = [];
  for (let from = 0; from < jobs.length; from += ACCEPTED_AT_ONCE) {
    const some = jobs.slice(from, from + ACCEPTED_AT_ONCE);
    results.push(...(await Promise.all(some.map(async (job) => accept(job).catch(refused)))));
    shorten(results);
  }
  const answer = (show: (result: BatchResult) => object) => envelope({ results: results.map(show) });
  return {
    status: 207,
    body: answer((result) => shown(result, result.message)),
    ifTooLarge: () => answer((result) => shown(result)),
  };

  function refused(error: unknown): BatchResult {
    return explain(error, { method: "POST", route });
  }
}

function shown({ status, job, error, differs = [] }: BatchResult, message?: Message): object {
  if (error) return { status, error };
  return { status, data: job ? entityOf(job, message) : null, ...(differs.length > 0 && { differs }) };
}

/** In characters. The key of a stored job is short, and names a message of up to 4 MB. */
const LARGEST_REPLAYED = 4 * 1_024 * 1_024;

/** Drops the messages of replayed jobs once there is more of them than an answer holds. */
function shorten(results: BatchResult[]): void {
  let characters = 0;
  for (const [index, { message, ...rest }] of results.entries()) {
    if (rest.status !== 200 || !message) continue;
    characters += JSON.stringify(message).length;
    if (characters > LARGEST_REPLAYED) results[index] = rest;
  }
}

interface BatchResult {
  readonly status: number;
  readonly job?: Job;
  readonly message?: Message;
  readonly differs?: readonly string[];
  readonly error?: object;
}

/** The same refusal, its fields named as another endpoint names them. */
export function renamed(error: unknown, name: (detail: ErrorDetail) => ErrorDetail): unknown {
  if (!(error instanceof ClientError) || error.details.length === 0) return error;
  const { code, message, details, retryAfterSeconds, reason } = error;
  const more = {
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(reason !== undefined && { reason }),
  };
  return new ClientError(code, message, details.map(name), more);
}
