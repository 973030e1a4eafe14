import * as z from "zod";
import { MOST_COLUMNS } from "../datasets/dataset.ts";
import { columnName } from "./columns.ts";

const day = () => z.iso.date();

const column = () =>
  z.strictObject({
    name: columnName,
    title: z
      .string()
      .min(1)
      .max(200)
      .refine((title) => title.isWellFormed() && !/\p{Cc}/u.test(title), "must not hold control characters")
      .optional()
      .describe("In the header of CSV and XLSX. Default: the name."),
  });

export const reportPayload = z.lazy(() =>
  z
    .strictObject({
      reportType: z.string().min(1).max(64).describe("`jobs`, or the name of a dataset."),
      format: z.enum(["csv", "json", "xlsx"]),
      filters: z
        .strictObject({ dateFrom: day().optional(), dateTo: day().optional() })
        .refine(({ dateFrom = "", dateTo = dateFrom }) => dateFrom <= dateTo, "dateFrom must not be after dateTo")
        .default({})
        .describe("Days in UTC, both included."),
      columns: z.array(column()).min(1).max(MOST_COLUMNS).optional().describe("These alone, in this order."),
      bom: z.boolean().optional().describe("Of CSV, a byte order mark. Default: true."),
      delimiter: z
        .enum([",", ";", "\t", "|"])
        .optional()
        .describe("Of CSV. Default: a comma, or with decimal `,` a semicolon."),
      decimal: z.enum([".", ","]).optional().describe("Of CSV, in numbers. Default: a point."),
    })
    .superRefine((asked, context) => {
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
);

export type AskedReport = z.infer<typeof reportPayload>;
