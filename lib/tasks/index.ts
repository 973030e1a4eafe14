import { reasonOf } from "../errors.ts";
import { atFirstUse } from "../job/at-first-use.ts";
import type { Task } from "./task.ts";

/**
 * Every task by its job type, each loaded when it is first asked for: validation, the API document and dispatch follow
 * from this list.
 */
const TASKS: ReadonlyMap<string, () => Promise<Task>> = new Map(
  Object.entries({
    example: async () => (await import("./example.ts")).example,
    import_csv: async () => (await import("./import-csv.ts")).importCsv,
    export_report: async () => (await import("./export-report.ts")).exportReport,
    data_processing: async () => (await import("./data-processing.ts")).dataProcessing,
    notification: async () => (await import("./notification.ts")).notification,
    cleanup: async () => (await import("./cleanup.ts")).cleanup,
    sync: async () => (await import("./sync.ts")).sync,
    bulk_action: async () => (await import("./bulk-action.ts")).bulkAction,
    group_audit: async () => (await import("./group-audit.ts")).groupAudit,
    generate_pdf: async () => (await import("./generate-pdf.ts")).generatePdf,
  }).map(([jobType, load]) => [jobType, atFirstUse(load)]),
);

export const JOB_TYPES = [...TASKS.keys()];

/** The task of a name. Throws when there is none, or when its file can't be loaded. */
export async function definitionOf(jobType: string): Promise<Task> {
  const load = TASKS.get(jobType);
  if (!load) throw new Error(`No task ${jobType}; known: ${JOB_TYPES.join(", ")}`);
  const task = await load().catch((error: unknown) => {
    throw new Error(`The task ${jobType} can't be loaded: ${reasonOf(error)}`, { cause: error });
  });
  if (task.jobType !== jobType)
    throw new Error(`The task of ${jobType} in lib/tasks/index.ts has the job type ${task.jobType}: name both alike`);
  return task;
}
