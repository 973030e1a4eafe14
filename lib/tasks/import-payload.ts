import * as z from "../zod.ts";
import { encodingOf } from "../datasets/encoding-names.ts";
import { columnName, columnTypes, dateFieldProblem, datasetName } from "./columns.ts";
import { EXCEL, datePatternOf } from "./date-patterns.ts";

// What an import is asked for. Options that say how a file writes its values are the same for CSV and XLSX.

const word = () => z.string().check(z.minLength(1), z.maxLength(100));

const dateFormat = () =>
  z.string().check(
    z.minLength(1),
    z.maxLength(40),
    z.superRefine((text, context) => {
      const format = text === EXCEL ? undefined : datePatternOf(text);
      if (format && "problem" in format) context.addIssue({ code: "custom", message: format.problem });
    }),
  );

/** How CSV is written, beside the types of its columns. */
export const csvFields = () => ({
  delimiter: z._default(z.enum([",", ";", "\t", "|", "auto"]), ",").check(z.describe("Of CSV.")),
  encoding: z
    .optional(
      z.string().check(
        z.maxLength(40),
        z.refine(
          (name) => encodingOf(name) !== undefined,
          "expected an encoding such as utf-8, utf-16le or windows-1252",
        ),
      ),
    )
    .check(z.describe("Of CSV without a byte order mark. Default: UTF-8.")),
  decimal: z.optional(z.enum([".", ","])),
  thousands: z.optional(z.enum([".", ",", " ", "'"])),
  dateFormats: z
    .optional(z.array(dateFormat()).check(z.maxLength(10)))
    .check(
      z.describe("Beside ISO 8601: patterns (DD.MM.YYYY), examples (31.01.2026), or excel for its numbers of days."),
    ),
  booleans: z
    .optional(
      z.strictObject({
        true: z.optional(z.array(word()).check(z.maxLength(20))),
        false: z.optional(z.array(word()).check(z.maxLength(20))),
      }),
    )
    .check(z.describe("Words beside the usual ones.")),
  nulls: z
    .optional(z.array(z.string().check(z.trim(), z.minLength(1), z.maxLength(100))).check(z.maxLength(20)))
    .check(z.describe("What stands for no value in a cell of any type, as the file writes it: NULL, NA.")),
  extraColumns: z
    .optional(z.enum(["ignore", "keep"]))
    .check(z.describe("Columns of the file that the job does not name. Default: they are an error.")),
  headerMap: z
    .optional(z.record(word(), columnName))
    .check(z.describe("The job's column for each name in the file that differs from it in more than case and spaces.")),
});

export const importPayload = z.lazy(() =>
  z
    .strictObject({
      dataset: datasetName,
      columns: columnTypes.check(z.describe("What the header names, each with its type.")),
      mode: z._default(z.enum(["append", "replace"]), "append"),
      dateField: z.optional(columnName).check(z.describe("The column, of type date, that reports are filtered by.")),
      ...csvFields(),
      sheet: z
        .optional(z.string().check(z.minLength(1), z.maxLength(100)))
        .check(z.describe("Of XLSX. Default: the first one that is shown.")),
    })
    .check(
      z.superRefine((asked, context) => {
        const told = { dateField: dateFieldProblem(asked.dateField, asked.columns), ...notationProblems(asked) };
        for (const [field, message] of Object.entries(told))
          if (message !== undefined) context.addIssue({ code: "custom", path: [field], message });
      }),
    ),
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
