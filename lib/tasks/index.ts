import { bulkAction } from "./bulk-action.ts";
import { cleanup } from "./cleanup.ts";
import { dataProcessing } from "./data-processing.ts";
import { example } from "./example.ts";
import { exportReport } from "./export-report.ts";
import { generatePdf } from "./generate-pdf.ts";
import { groupAudit } from "./group-audit.ts";
import { importCsv } from "./import-csv.ts";
import { notification } from "./notification.ts";
import { sync } from "./sync.ts";
import type { Task } from "./task.ts";

/** Every task: validation, the API document and dispatch follow from this list. */
export const tasks: readonly Task[] = [
  example,
  importCsv,
  exportReport,
  dataProcessing,
  notification,
  cleanup,
  sync,
  bulkAction,
  groupAudit,
  generatePdf,
];

export function taskOf(jobType: string): Task | undefined {
  return tasks.find((task) => task.jobType === jobType);
}
