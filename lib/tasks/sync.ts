import { payload } from "./sync-payload.ts";
import { defineTask } from "./task.ts";

/** Reads all pages of a source into a dataset. */
export const sync = defineTask({
  jobType: "sync",
  summary: "Pulls a source of JSON, NDJSON or CSV, page by page, into a dataset of the app",
  payload,
  writes: ({ dataset: name, mode }) => ({ name, mode }),

  async run(asked, context) {
    const { runSync } = await import("./sync-run.ts");
    return runSync(asked, context);
  },
});
