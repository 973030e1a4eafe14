import * as z from "../zod.ts";
import { DAY, type EpochMs } from "../clock.ts";
import { isNumber } from "../job/exact-json.ts";
import { COLUMN_TYPES, MOST_COLUMNS, type ColumnType, type Columns } from "../datasets/dataset.ts";

// The names of datasets and columns in payloads, and their types.

/** `jobs` is reserved: it is the name of a report. */
export const datasetName = z
  .string()
  .check(
    z.regex(/^(?!jobs$)[a-z0-9][a-z0-9_-]{0,63}$/, "expected a-z, 0-9, _ and - (at most 64), and not the name jobs"),
    z.meta({ description: "A dataset of the app." }),
  );

const NOT_A_NAME = /^(__proto__|constructor|prototype)$|[\p{Cc}]/u;

export const columnName = z
  .string()
  .check(
    z.minLength(1),
    z.maxLength(100),
    z.refine(isColumnName, "must not hold control characters or be a name that JavaScript reserves"),
  );

export function isColumnName(name: string): boolean {
  return name !== "" && name.length <= 100 && name.isWellFormed() && !NOT_A_NAME.test(name);
}

const given = () => z.enum(COLUMN_TYPES.filter((type) => type !== "any"));

export const columnTypes = z.lazy(() =>
  z.record(columnName, given()).check(
    z.refine((columns) => {
      const count = Object.keys(columns).length;
      return count >= 1 && count <= MOST_COLUMNS;
    }, `expected 1 to ${MOST_COLUMNS} columns`),
  ),
);

/** Days of UTC, both included. */
export interface Days {
  readonly dateFrom?: string | undefined;
  readonly dateTo?: string | undefined;
}

export function timeRangeOf({ dateFrom, dateTo }: Days): { from?: EpochMs; to?: EpochMs } {
  return {
    ...(dateFrom !== undefined && { from: Date.parse(dateFrom) }),
    ...(dateTo !== undefined && { to: Date.parse(dateTo) + DAY - 1 }),
  };
}

/** The column type of a value. */
export function typeOf(value: unknown): ColumnType {
  if (typeof value === "string") return "string";
  if (isNumber(value)) return "number";
  return typeof value === "boolean" ? "boolean" : "any";
}

/** The reason why a dataset can't be filtered by a column; `undefined` if it can. */
export function dateFieldProblem(dateField: string | undefined, columns: Columns): string | undefined {
  if (dateField === undefined || (Object.hasOwn(columns, dateField) && columns[dateField] === "date")) return undefined;
  return `dateField is ${dateField}: expected one of the columns, of type date`;
}

/** Text from a file or an answer, cut to fit a log line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
