import * as z from "../zod.ts";
import { MOST_COLUMNS } from "../datasets/dataset.ts";
import { columnName, datasetName } from "./columns.ts";
import { condition, expression } from "./expressions.ts";
import { groupBy } from "./groups.ts";
import { defineTask } from "./task.ts";

const payload = z.lazy(() =>
  z.strictObject({
    source: datasetName,
    target: datasetName,
    mode: z._default(z.enum(["append", "replace"]), "replace"),
    where: z
      ._default(z.array(condition).check(z.maxLength(20)), [])
      .check(z.describe("Conditions of which a row must meet all.")),
    select: z
      .optional(
        z
          .record(columnName, expression)
          .check(
            z.refine((given) => Object.keys(given).length <= MOST_COLUMNS, `expected at most ${MOST_COLUMNS} columns`),
          ),
      )
      .check(
        z.describe(
          "The columns of a row: a field of the source, or arithmetic on fields and numbers. Default: all fields.",
        ),
      ),
    groupBy: z
      .optional(groupBy)
      .check(z.describe("Makes one row of all that have the same values in these columns, after `select`.")),
    dateField: z.optional(columnName),
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
