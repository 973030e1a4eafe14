import type { Job } from "../job.ts";
import type { ServiceParts } from "../parts.ts";

/** A task's result as it is shown: a file by a fresh link, never by its key. */
export async function shownResult(job: Job, _service: ServiceParts): Promise<object | null> {
  const { result } = job.success ?? {};
  return result === undefined ? null : (JSON.parse(result) as object);
}
