import { errorOf, type ErrorBody } from "./errors.ts";
import { flat } from "./flat.ts";
import { pauseMs, sleep, type CallOptions, type Send } from "./transport.ts";
import type { Job, NewJob, Sent, SentJob } from "./types.ts";

// Many jobs, in as many requests as they need.

const MOST_JOBS = 100;
/** The service takes 4 MB. */
const MOST_BYTES = 3_900_000;
const MOST_TRIES = 4;

/** A job with the key that every try repeats. */
export function keyed<Job extends { readonly key?: string | undefined }>(job: Job): Job {
  return { ...job, key: job.key ?? crypto.randomUUID() };
}

/** A job as JSON. `hasKey`: one of its own, which a job of an earlier call may have. */
interface Written {
  readonly text: string;
  readonly hasKey: boolean;
}

/** Jobs, as many together as one request takes. */
export async function* chunksOf(jobs: Iterable<NewJob> | AsyncIterable<NewJob>): AsyncGenerator<Written[]> {
  let chunk: Written[] = [];
  let bytes = 0;
  for await (const job of jobs) {
    const text = JSON.stringify(flat(keyed(job)));
    const size = new TextEncoder().encode(text).length + 1;
    if (chunk.length > 0 && (chunk.length === MOST_JOBS || bytes + size > MOST_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push({ text, hasKey: job.key !== undefined });
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

interface Result {
  readonly status: number;
  readonly data?: Job | null;
  readonly error?: ErrorBody;
}

/** `hasKey`: without one of its own, a job is new whatever became of the tries before. */
export function sentJob(job: Job | null, isReplay: boolean, hasKey: boolean): SentJob | null {
  return job ? { ...job, isReplay: isReplay && hasKey } : null;
}

/** What came of each. Those for which the service had no room or no time are sent again, with their keys. */
export async function sendChunk(send: Send, chunk: readonly Written[], { signal }: CallOptions): Promise<Sent[]> {
  const sent: Sent[] = [];
  let left = chunk.map((job, at) => ({ ...job, at }));
  for (let n = 1; left.length > 0; n += 1) {
    const body = `[${left.map(({ text }) => text).join()}]`;
    const { data } = await send("POST", "/v1/send", { body, signal });
    const { results } = data as { results: readonly Result[] };
    left = left.filter(({ at, hasKey }, index) => {
      const { status = 500, data: job = null, error } = results[index] ?? {};
      if (!error) {
        sent[at] = { job: sentJob(job, status === 200, hasKey) };
        return false;
      }
      const refused = errorOf(status, error);
      sent[at] = { error: refused };
      return refused.isRetryable && n < MOST_TRIES;
    });
    if (left.length > 0) await sleep(pauseMs(n, undefined), signal);
  }
  return sent;
}
