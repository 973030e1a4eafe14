import { GENERATE_PDF, type Job } from "../job.ts";
import type { ServiceParts } from "../parts.ts";
import { isGone } from "../pdf/view.ts";
import type { TaskResult } from "../tasks/task.ts";

/** A task's result as it is shown: a file by a fresh link, never by its key. */
export async function shownResult(job: Job, { fileStore, clock }: ServiceParts): Promise<object | null> {
  if (job.success?.result === undefined) return null;
  const { fileKey, ...result } = JSON.parse(job.success.result) as TaskResult;
  if (fileKey === undefined) return result;
  if (job.destination === GENERATE_PDF && isGone(job, clock.now())) return { downloadUrl: null, ...result };
  return { downloadUrl: await fileStore.link(fileKey, fileKey.slice(fileKey.lastIndexOf("/") + 1)), ...result };
}
