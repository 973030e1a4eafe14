import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { time } from "../http/answers.ts";
import { appOf, requirePermission } from "../http/auth.ts";
import { route, type Answer } from "../http/http.ts";
import { COLUMN_TYPES } from "../../datasets/dataset.ts";

// The datasets of an app, which tasks import.

const datasetShown = z
  .strictObject({
    name: z.string(),
    rows: z.int(),
    bytes: z.int(),
    columns: z.record(z.string(), z.enum(COLUMN_TYPES)).check(z.describe("Empty where the answer would be too large.")),
    dateField: z.nullable(z.string()).check(z.describe("By which reports are filtered.")),
    updatedAt: time,
  })
  .register(z.globalRegistry, { id: "Dataset" });

export const listDatasets = route({
  key: "GET /v1/datasets",
  id: "listDatasets",
  summary: "Lists the app's datasets by name",
  answers: { 200: z.strictObject({ datasets: z.array(datasetShown) }).check(z.describe("All of them.")) },
  access: (caller) => requirePermission(caller, "jobs.view_jobs"),

  async handle({ caller }, { datasets }): Promise<Answer> {
    const found = await (await datasets()).list(appOf(caller));
    const shown = found.map(({ updatedAt, ...dataset }) => ({ ...dataset, updatedAt: iso(updatedAt) }));
    const ifTooLarge = () => ({ datasets: shown.map((dataset) => ({ ...dataset, columns: {} })) });
    return { status: 200, body: { datasets: shown }, ifTooLarge };
  },
});
