import { reportPayload } from "./report-payload.ts";
import { defineTask } from "./task.ts";

/** Writes a file of an app's jobs, or of one of its datasets. */
export const exportReport = defineTask({
  jobType: "export_report",
  summary: "Exports jobs or a dataset as CSV, JSON or XLSX",
  permission: "reports.export_reports",
  payload: reportPayload,

  async run(asked, context) {
    const { runReport } = await import("./report-run.ts");
    return runReport(asked, context);
  },
});
