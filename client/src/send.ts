import { errorOf, type ErrorBody } from "./errors.ts";
import { flat } from "./flat.ts";
import { pauseMs, sleep, type CallOptions, type Send } from "./transport.ts";
import type { Job, NewJob, Sent } from "./types.ts";

// Many jobs, in as many requests as they need.

const MOST_JOBS = 100;
/** The service takes 4 MB. */
const MOST_BYTES = 3_900_000;
const MOST_TRIES = 4;

/** A job with the key that every try repeats. */
export function keyed<Job extends { readonly key?: string | undefined }>(job: Job): Job {
  return { ...job, key: job.key ?? crypto.randomUUID() };
}

/** The JSON of jobs, as many together as one request takes. */
export async function* chunksOf(jobs: Iterable<NewJob> | AsyncIterable<NewJob>): AsyncGenerator<string[]> {
  let chunk: string[] = [];
  let bytes = 0;
  for await (const job of jobs) {
    const text = JSON.stringify(flat(keyed(job)));
    const size = new TextEncoder().encode(text).length + 1;
    if (chunk.length > 0 && (chunk.length === MOST_JOBS || bytes + size > MOST_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(text);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

interface Result {
  readonly status: number;
  readonly data?: Job | null;
  readonly error?: ErrorBody;
}

/** What came of each. Those for which the service had no room or no time are sent again, with their keys. */
export async function sendChunk(send: Send, chunk: readonly string[], { signal }: CallOptions): Promise<Sent[]> {
  const sent: Sent[] = [];
  let left = chunk.map((text, at) => ({ text, at }));
  for (let n = 1; left.length > 0; n += 1) {
    const body = `[${left.map(({ text }) => text).join()}]`;
    const { data } = await send("POST", "/v1/send", { body, signal });
    const { results } = data as { results: readonly Result[] };
    left = left.filter(({ at }, index) => {
      const { status = 500, data: job = null, error } = results[index] ?? {};
      if (!error) {
        sent[at] = { job };
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
