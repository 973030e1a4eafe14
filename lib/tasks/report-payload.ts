import * as z from "../zod.ts";
import { MOST_COLUMNS } from "../datasets/dataset.ts";
import { columnName } from "./columns.ts";

const day = () => z.iso.date();

const column = () =>
  z.strictObject({
    name: columnName,
    title: z
      .optional(
        z.string().check(
          z.minLength(1),
          z.maxLength(200),
          z.refine((title) => title.isWellFormed() && !/\p{Cc}/u.test(title), "must not hold control characters"),
        ),
      )
      .check(z.describe("In the header of CSV and XLSX. Default: the name.")),
  });

export const reportPayload = z.lazy(() =>
  z
    .strictObject({
      reportType: z.string().check(z.minLength(1), z.maxLength(64), z.describe("`jobs`, or the name of a dataset.")),
      format: z.enum(["csv", "json", "xlsx"]),
      filters: z
        ._default(
          z
            .strictObject({ dateFrom: z.optional(day()), dateTo: z.optional(day()) })
            .check(
              z.refine(
                ({ dateFrom = "", dateTo = dateFrom }) => dateFrom <= dateTo,
                "dateFrom must not be after dateTo",
              ),
            ),
          {},
        )
        .check(z.describe("Days in UTC, both included.")),
      columns: z
        .optional(z.array(column()).check(z.minLength(1), z.maxLength(MOST_COLUMNS)))
        .check(z.describe("These alone, in this order.")),
      bom: z.optional(z.boolean()).check(z.describe("Of CSV, a byte order mark. Default: true.")),
      delimiter: z
        .optional(z.enum([",", ";", "\t", "|"]))
        .check(z.describe("Of CSV. Default: a comma, or with decimal `,` a semicolon.")),
      decimal: z.optional(z.enum([".", ","])).check(z.describe("Of CSV, in numbers. Default: a point.")),
    })
    .check(
      z.superRefine((asked, context) => {
        const refuse = (path: (string | number)[], message: string) =>
          context.addIssue({ code: "custom", path, message });
        for (const name of ["bom", "delimiter", "decimal"] as const)
          if (asked.format !== "csv" && asked[name] !== undefined)
            refuse([name], "is of CSV: leave it out, or set format to csv");
        const names = new Set<string>();
        for (const [index, { name, title }] of (asked.columns ?? []).entries()) {
          if (names.has(name)) refuse(["columns", index, "name"], "is there twice");
          if (asked.format === "json" && title !== undefined)
            refuse(["columns", index, "title"], "is of CSV and XLSX: leave it out, or set another format");
          names.add(name);
        }
      }),
    ),
);

export type AskedReport = z.infer<typeof reportPayload>;
