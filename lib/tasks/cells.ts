import { textOf, type SourceCell } from "../datasets/source-row.ts";
import { dateOfSerial } from "../datasets/excel-dates.ts";
import type { ColumnType } from "../datasets/dataset.ts";
import { numberOf, type AnyNumber } from "../job/exact-json.ts";
import { dateFormatsOf, dateIn, isDay, type DateFormat } from "./date-formats.ts";
import { EXCEL } from "./date-patterns.ts";

// The value of a cell by the type of its column.

export type Cell = { readonly value: string | AnyNumber | boolean | null } | { readonly expected: string };

type Words = readonly string[] | undefined;

/** How a file writes what is not text. */
export interface Notation {
  /** Default: `.`, and no separator of thousands. */
  readonly decimal?: "." | "," | undefined;
  /** Default: with `decimal`, the other one of the two, a space or an apostrophe. */
  readonly thousands?: "." | "," | " " | "'" | undefined;
  /** Beside ISO 8601: patterns, examples, and `excel` for its numbers of days. */
  readonly dateFormats?: readonly string[] | undefined;
  /** Beside the usual ones. */
  readonly booleans?: { readonly true?: Words; readonly false?: Words } | undefined;
  /** Beside a cell without text; in columns of text too. */
  readonly nulls?: Words;
}

export type Reader = (type: ColumnType, cell: SourceCell) => Cell;

/** Reads cells. Those without text are null, except in a column of text. */
export function cellReader(notation: Notation): Reader {
  const plainNumber = numberReader(notation);
  const words = wordsOf(notation);
  const dateOf = dateReader(notation);
  const nulls = new Set(notation.nulls);
  const reading: Record<ColumnType, (cell: SourceCell) => Cell> = {
    string: (cell) => ({ value: textOf(cell) }),
    any: (cell) => ({ value: textOf(cell) }),
    number: (cell) => numberIn(cell, plainNumber),
    integer: (cell) => integerIn(cell, plainNumber),
    boolean: (cell) => {
      const value = isOf(cell, "date", "time") ? undefined : words.get(textOf(cell).trim().toLowerCase());
      return value === undefined ? { expected: EXPECTED.boolean } : { value };
    },
    date: dateOf,
  };
  return (type, cell) => {
    if (nulls.has(textOf(cell).trim())) return { value: null };
    if (isOf(cell, "error")) return { expected: EXPECTED[type] };
    if (type !== "string" && type !== "any" && textOf(cell).trim() === "") return { value: null };
    return reading[type](cell);
  };
}

const EXPECTED: Readonly<Record<ColumnType, string>> = {
  string: "text",
  any: "a value",
  number: "a number such as 12.5",
  integer: "a whole number up to 2^53",
  boolean: "true or false",
  date: "a date such as 2026-01-31 or 2026-01-31T12:00:00Z",
};

function isOf(cell: SourceCell, ...kinds: readonly string[]): boolean {
  return typeof cell !== "string" && kinds.includes(cell.kind);
}

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?$/i;
const LONGEST_NUMBER = 400;

/** A number in the notation of the file, as JSON writes it; `undefined` for other text. */
type ReadNumber = { readonly read: (text: string) => string | undefined; readonly expected: string };

function numberIn(cell: SourceCell, { read, expected }: ReadNumber): Cell {
  if (isOf(cell, "number")) return { value: numberOf(inJson(textOf(cell))) };
  const text = isOf(cell, "date", "time", "boolean") ? undefined : read(textOf(cell).trim());
  return text === undefined ? { expected } : { value: numberOf(text) };
}

/** Excel shortens a long number to `1.23457E+15`, so that one with an exponent is no integer. */
function integerIn(cell: SourceCell, { read }: ReadNumber): Cell {
  const isNumber = isOf(cell, "number");
  const text = isNumber ? inJson(textOf(cell)) : isOf(cell, "date", "time", "boolean") ? "" : read(textOf(cell).trim());
  const [, whole] = /^(-?\d+)(?:\.0*)?$/.exec(text ?? "") ?? [];
  const isSafe = whole !== undefined && Number.isSafeInteger(Number(whole));
  return isSafe ? { value: numberOf(whole) } : { expected: EXPECTED.integer };
}

function numberReader({ decimal, thousands }: Notation): ReadNumber {
  const point = decimal ?? (thousands === "." ? "," : ".");
  const between = thousands ?? (decimal === undefined ? "" : point === "," ? ". '" : ", '");
  const groups = between === "" ? undefined : groupsBy(between);
  const separators = new RegExp(`[${setOf(between)}]`, "g");
  const expected = point === "," ? "a number such as 12,5" : "a number such as 12.5";
  const read = (given: string): string | undefined => {
    if (given.length > LONGEST_NUMBER) return undefined;
    const text = withMinus(given);
    const grouped = groups?.exec(text)?.[0] ?? "";
    const number = grouped.replace(separators, "") + text.slice(grouped.length);
    const plain = point === "," ? commaAsPoint(number) : number;
    return plain !== undefined && NUMBER.test(plain) ? inJson(plain) : undefined;
  };
  return { read, expected };
}

/** No group begins with a zero: 0.123 is of the other notation. In India, the groups before the last have two digits. */
function groupsBy(separators: string): RegExp {
  const indian = separators.includes(",") ? String.raw`|\d?(?:,\d{2})+,\d{3}` : "";
  return new RegExp(String.raw`^[+-]?[1-9](?:\d{0,2}([${setOf(separators)}])\d{3}(?:\1\d{3})*${indian})(?!\d)`);
}

/** Some spreadsheets have a minus sign of their own, accountants write (12), and SAP 12-. */
function withMinus(number: string): string {
  const [, bracketed, trailing] = /^(?:\(\s*(\d.*?)\s*\)|(\d.*)[-\u2212])$/.exec(number) ?? [];
  const absolute = bracketed ?? trailing;
  return absolute === undefined ? number.replace(/^\u2212/, "-") : `-${absolute}`;
}

/** In a class of a pattern: each kind of space and of apostrophe. */
function setOf(separators: string): string {
  return separators.replace(" ", String.raw` \u00a0\u2009\u202f`).replace("'", "'’");
}

function commaAsPoint(number: string): string | undefined {
  return number.includes(".") ? undefined : number.replace(",", ".");
}

/** A number as JSON writes it: JSON knows neither +5 nor 007, 5. or .5. */
function inJson(number: string): string {
  const [, minus = "", whole = "", rest = ""] = /^\+?(-?)0*(\d*)(.*)$/s.exec(number) ?? [];
  return `${minus}${whole || "0"}${rest.replace(/^\.(?!\d)/, "")}`;
}

export const TRUE_WORDS = ["true", "1", "yes", "y", "on", "t"];
export const FALSE_WORDS = ["false", "0", "no", "n", "off", "f"];

function wordsOf({ booleans = {} }: Notation): ReadonlyMap<string, boolean> {
  const entries = (words: Words = [], value: boolean) =>
    words.map((word) => [word.trim().toLowerCase(), value] as const);
  return new Map([
    ...entries(TRUE_WORDS, true),
    ...entries(FALSE_WORDS, false),
    ...entries(booleans.true, true),
    ...entries(booleans.false, false),
  ]);
}

/** As databases and languages write it, too: `2026-01-31 14:30:00.5+01`, `… +0100`, `… UTC`, and a comma in the seconds. */
const ISO =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)(?: ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?$/i;

function dateReader({ dateFormats = [] }: Notation): (cell: SourceCell) => Cell {
  const isExcel = dateFormats.includes(EXCEL);
  const formats = dateFormatsOf(dateFormats.filter((text) => text !== EXCEL));
  const named = dateFormats.length > 0 ? `a date as ${dateFormats.join(" or ")}, or ` : "";
  const expected = named + EXPECTED.date;
  return (cell) => {
    const text = isOf(cell, "time", "boolean") ? "" : textOf(cell).trim();
    const value = isoDate(text) ?? inFormats(text, formats) ?? (isExcel ? excelDate(text) : undefined);
    return value === undefined ? { expected } : { value };
  };
}

function inFormats(text: string, formats: readonly DateFormat[]): string | undefined {
  for (const format of formats) {
    const date = dateIn(text, format);
    if (date !== undefined) return date;
  }
  return undefined;
}

function excelDate(text: string): string | undefined {
  return /^\d{1,7}([.,]\d+)?$/.test(text) ? dateOfSerial(Number(text.replace(",", ".")), false) : undefined;
}

/** A day stays as it is; an instant is converted to UTC, the default offset. `undefined` for other text. */
function isoDate(text: string): string | undefined {
  const [, day = "", time, offset = "Z"] = ISO.exec(text) ?? [];
  if (day === "" || !isDay(day)) return undefined;
  if (time === undefined) return day;
  const instant = Date.parse(`${day}T${time.replace(",", ".")}${extendedOffset(offset)}`);
  const date = Number.isNaN(instant) ? "" : new Date(instant).toISOString();
  // An offset may lead beyond the years of four digits.
  return /^\d/.test(date) ? date : undefined;
}

/** `Z` or `+01:00`, as Date.parse promises to read it. */
function extendedOffset(offset: string): string {
  const [, hours, minutes = "00"] = /^([+-]\d{2}):?(\d{2})?$/.exec(offset) ?? [];
  return hours === undefined ? "Z" : `${hours}:${minutes}`;
}
