import * as z from "zod";
import { MOST_COLUMNS } from "../datasets/dataset.ts";
import { columnName, datasetName } from "./columns.ts";
import { condition, expression } from "./expressions.ts";
import { groupBy } from "./groups.ts";
import { defineTask } from "./task.ts";

const payload = z.lazy(() =>
  z.strictObject({
    source: datasetName,
    target: datasetName,
    mode: z.enum(["append", "replace"]).default("replace"),
    where: z.array(condition).max(20).default([]).describe("Conditions of which a row must meet all."),
    select: z
      .record(columnName, expression)
      .refine((given) => Object.keys(given).length <= MOST_COLUMNS, `expected at most ${MOST_COLUMNS} columns`)
      .optional()
      .describe(
        "The columns of a row: a field of the source, or arithmetic on fields and numbers. Default: all fields.",
      ),
    groupBy: groupBy
      .optional()
      .describe("Makes one row of all that have the same values in these columns, after `select`."),
    dateField: columnName.optional(),
  }),
);

export type Processing = z.infer<typeof payload>;

/** Filters, maps and groups the rows of a dataset into another. */
export const dataProcessing = defineTask({
  jobType: "data_processing",
  summary: "Filters, maps and groups a dataset into another",
  payload,
  writes: ({ target: name, mode }) => ({ name, mode }),

  run: async (asked, context) => (await import("./process-rows.ts")).processRows(asked, context),
});
