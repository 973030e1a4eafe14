import type { Job } from "../job.ts";
import type { ServiceParts } from "../parts.ts";
import type { TaskResult } from "../tasks/task.ts";

/** A task's result as it is shown: a file by a fresh link, never by its key. */
export async function shownResult({ success }: Job, { fileStore }: ServiceParts): Promise<object | null> {
  if (success?.result === undefined) return null;
  const { fileKey, ...result } = JSON.parse(success.result) as TaskResult;
  if (fileKey === undefined) return result;
  return { downloadUrl: await fileStore.link(fileKey, fileKey.slice(fileKey.lastIndexOf("/") + 1)), ...result };
}
