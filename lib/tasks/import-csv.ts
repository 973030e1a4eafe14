import { importPayload } from "./import-payload.ts";
import { defineTask, done, failed } from "./task.ts";

/** Adds the valid rows of a CSV or XLSX file to a dataset: all at once or none. */
export const importCsv = defineTask({
  jobType: "import_csv",
  summary: "Imports a CSV or XLSX file into a dataset of the app",
  payload: importPayload,
  writes: ({ dataset: name, mode }) => ({ name, mode }),

  async run(asked, context) {
    const { datasets, files, job } = context;
    const before = await datasets.committed(asked.dataset);
    if (before) return done(before);
    const file = job.file && (await files.head(job.file.key));
    if (!file)
      return failed("There is no file: expected a CSV or XLSX file, uploaded with the job; submit it with one");
    const { importFile } = await import("./import-file.ts");
    return importFile(asked, file, context);
  },
});
