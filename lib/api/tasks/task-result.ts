import { GENERATE_PDF, type Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import { linkOf } from "../../pdf/view.ts";
import type { TaskResult } from "../../tasks/task.ts";

/** The result for an answer: a file has a new link in place of its key. */
export async function shownResult(job: Job, { fileStore, clock }: ServiceParts): Promise<object | null> {
  if (job.success?.result === undefined) return null;
  const { fileKey, ...result } = JSON.parse(job.success.result) as TaskResult;
  if (fileKey === undefined) return result;
  const { link } = fileStore;
  if (job.jobType === GENERATE_PDF) {
    return { downloadUrl: (await linkOf(job, { clock, link }))?.url ?? null, ...result };
  }
  return { downloadUrl: await link(fileKey, fileKey.slice(fileKey.lastIndexOf("/") + 1)), ...result };
}
