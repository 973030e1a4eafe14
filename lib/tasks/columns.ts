import * as z from "zod";
import { DAY, type EpochMs } from "../clock.ts";
import { isNumber, numberOf, type AnyNumber } from "../job/exact-json.ts";
import { COLUMN_TYPES, MOST_COLUMNS, type ColumnType, type Columns } from "../datasets/dataset.ts";

// The names of datasets and columns in payloads, and the conversion of text by a column's type.

/** `jobs` is reserved: it is the name of a report. */
export const datasetName = z
  .string()
  .regex(/^(?!jobs$)[a-z0-9][a-z0-9_-]{0,63}$/, "expected a-z, 0-9, _ and - (at most 64), and not the name jobs")
  .meta({ description: "A dataset of the app." });

const NOT_A_NAME = /^(__proto__|constructor|prototype)$|[\p{Cc}]/u;

export const columnName = z
  .string()
  .min(1)
  .max(100)
  .refine(isColumnName, "must not hold control characters or be a name that JavaScript reserves");

export function isColumnName(name: string): boolean {
  return name !== "" && name.length <= 100 && name.isWellFormed() && !NOT_A_NAME.test(name);
}

const given = z.enum(COLUMN_TYPES.filter((type) => type !== "any"));

export const columnTypes = z.record(columnName, given).refine((columns) => {
  const count = Object.keys(columns).length;
  return count >= 1 && count <= MOST_COLUMNS;
}, `expected 1 to ${MOST_COLUMNS} columns`);

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?$/i;
const LONGEST_NUMBER = 400;

export type Cell = { readonly value: string | AnyNumber | boolean | null } | { readonly expected: string };

/** Empty text is null, except in a column of text. */
export function cellOf(type: ColumnType, text: string): Cell {
  if (type === "string" || type === "any") return { value: text };
  const trimmed = text.trim();
  if (trimmed === "") return { value: null };
  switch (type) {
    case "number": {
      const isNumber = trimmed.length <= LONGEST_NUMBER && NUMBER.test(trimmed);
      return isNumber ? { value: numberOf(inJson(trimmed)) } : { expected: "a number such as 12.5" };
    }
    case "integer": {
      const value = /^[+-]?\d+$/.test(trimmed) ? Number(trimmed) : NaN;
      return Number.isSafeInteger(value)
        ? { value: numberOf(inJson(trimmed)) }
        : { expected: "a whole number up to 2^53" };
    }
    case "boolean": {
      const value = BOOLEANS.get(trimmed.toLowerCase());
      return value === undefined ? { expected: "true or false" } : { value };
    }
    case "date": {
      const value = dateOf(trimmed);
      return value === undefined ? { expected: "a date such as 2026-01-31 or 2026-01-31T12:00:00Z" } : { value };
    }
    default:
      return type satisfies never;
  }
}

/** A number as JSON writes it: JSON knows neither +5 nor 007, 5. or .5. */
function inJson(number: string): string {
  const [, minus = "", whole = "", rest = ""] = /^\+?(-?)0*(\d*)(.*)$/s.exec(number) ?? [];
  return `${minus}${whole || "0"}${rest.replace(/^\.(?!\d)/, "")}`;
}

const BOOLEANS = new Map([
  ["true", true],
  ["1", true],
  ["yes", true],
  ["false", false],
  ["0", false],
  ["no", false],
]);

const DATE = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** A day stays as it is; an instant is converted to UTC, the default offset. `undefined` for other text. */
function dateOf(text: string): string | undefined {
  const [, day = "", time, offset = "Z"] = DATE.exec(text) ?? [];
  const midnight = day === "" ? NaN : Date.parse(`${day}T00:00:00Z`);
  // Date.parse reads February 30 as March 2.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return undefined;
  if (time === undefined) return day;
  const instant = Date.parse(`${day}T${time}${offset.replace(/^(.\d{2})(\d{2})$/, "$1:$2").toUpperCase()}`);
  return Number.isNaN(instant) ? undefined : new Date(instant).toISOString();
}

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
