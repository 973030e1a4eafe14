import * as z from "zod";
import { encodingOf } from "../datasets/encoding-names.ts";
import { columnName, columnTypes, dateFieldProblem, datasetName } from "./columns.ts";
import { EXCEL, datePatternOf } from "./date-patterns.ts";

// What an import is asked for. Options that say how a file writes its values are the same for CSV and XLSX.

const word = () => z.string().min(1).max(100);

const dateFormat = () =>
  z
    .string()
    .min(1)
    .max(40)
    .superRefine((text, context) => {
      const format = text === EXCEL ? undefined : datePatternOf(text);
      if (format && "problem" in format) context.addIssue({ code: "custom", message: format.problem });
    });

/** How CSV is written, beside the types of its columns. */
export const csvFields = () => ({
  delimiter: z.enum([",", ";", "\t", "|", "auto"]).default(",").describe("Of CSV."),
  encoding: z
    .string()
    .max(40)
    .refine((name) => encodingOf(name) !== undefined, "expected an encoding such as utf-8, utf-16le or windows-1252")
    .optional()
    .describe("Of CSV without a byte order mark. Default: UTF-8."),
  decimal: z.enum([".", ","]).optional(),
  thousands: z.enum([".", ",", " ", "'"]).optional(),
  dateFormats: z
    .array(dateFormat())
    .max(10)
    .optional()
    .describe("Beside ISO 8601: patterns (DD.MM.YYYY), examples (31.01.2026), or excel for its numbers of days."),
  booleans: z
    .strictObject({ true: z.array(word()).max(20).optional(), false: z.array(word()).max(20).optional() })
    .optional()
    .describe("Words beside the usual ones."),
  nulls: z
    .array(z.string().trim().min(1).max(100))
    .max(20)
    .optional()
    .describe("What stands for no value in a cell of any type, as the file writes it: NULL, NA."),
  extraColumns: z
    .enum(["ignore", "keep"])
    .optional()
    .describe("Columns of the file that the job does not name. Default: they are an error."),
  headerMap: z
    .record(word(), columnName)
    .optional()
    .describe("The job's column for each name in the file that differs from it in more than case and spaces."),
});

export const importPayload = z.lazy(() =>
  z
    .strictObject({
      dataset: datasetName,
      columns: columnTypes.describe("What the header names, each with its type."),
      mode: z.enum(["append", "replace"]).default("append"),
      dateField: columnName.optional().describe("The column, of type date, that reports are filtered by."),
      ...csvFields(),
      sheet: z.string().min(1).max(100).optional().describe("Of XLSX. Default: the first one that is shown."),
    })
    .superRefine((asked, context) => {
      const told = { dateField: dateFieldProblem(asked.dateField, asked.columns), ...notationProblems(asked) };
      for (const [field, message] of Object.entries(told))
        if (message !== undefined) context.addIssue({ code: "custom", path: [field], message });
    }),
);

export type Import = z.infer<typeof importPayload>;

type Notation = Pick<Import, "columns" | "decimal" | "thousands" | "dateFormats" | "booleans" | "headerMap">;

/** The problem of each field that does not fit the others. */
export function notationProblems(asked: Notation): Readonly<Record<string, string | undefined>> {
  const { columns, decimal, thousands, dateFormats = [], booleans = {}, headerMap = {} } = asked;
  const falseWords = new Set(booleans.false?.map(folded));
  const both = booleans.true?.find((each) => falseWords.has(folded(each)));
  const unknown = Object.values(headerMap).find((name) => !Object.hasOwn(columns, name));
  return {
    thousands: decimal !== undefined && decimal === thousands ? "expected another sign than decimal" : undefined,
    dateFormats: contradiction(dateFormats),
    booleans: both === undefined ? undefined : `has ${JSON.stringify(both)} for true and for false: expected it once`,
    headerMap: unknown === undefined ? undefined : `names ${JSON.stringify(unknown)}: expected one of the columns`,
  };
}

function folded(text: string): string {
  return text.trim().toLowerCase();
}

/** Of two formats that would read one text as two dates. */
function contradiction(formats: readonly string[]): string | undefined {
  const orders = new Map<string, readonly [order: string, text: string]>();
  for (const text of formats) {
    const format = text === EXCEL ? undefined : datePatternOf(text);
    if (!format || "problem" in format) continue;
    const [order, other] = orders.get(format.shape) ?? [format.order, text];
    if (order !== format.order) return `${other} and ${text} read one text as two dates: expected one of them`;
    orders.set(format.shape, [order, other]);
  }
  return undefined;
}
