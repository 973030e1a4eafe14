import { isExactNumber, significantDigits, type ExactNumber } from "../job/exact-json.ts";
import type { ColumnType, Row } from "../datasets/dataset.ts";
import { own } from "./expressions.ts";
import { LONGEST_CELL, SEPARATOR, csvText, excelText } from "./spreadsheet-text.ts";
import type { TaskContext } from "./task.ts";

// The files of a report.

export interface ReportColumn {
  readonly name: string;
  readonly title?: string | undefined;
  readonly type: ColumnType;
}

export interface Report {
  readonly columns: readonly ReportColumn[];
  /** The columns are those that somebody has asked for, and no others may come. */
  readonly isSelected: boolean;
  readonly rows: AsyncIterable<readonly Row[]>;
  /** An estimate. */
  readonly bytes: number;
  readonly csv: CsvOptions;
}

export interface CsvOptions {
  /** A byte order mark, without which Excel reads UTF-8 as Windows-1252. */
  readonly bom: boolean;
  readonly delimiter: string;
  readonly decimal: "." | ",";
}

type Writer = (report: Report, context: Pick<TaskContext, "log">) => AsyncIterable<Uint8Array>;

export const formats = { csv, json, xlsx } satisfies Record<string, Writer>;

async function* csv({ columns, rows, csv: { bom, delimiter, decimal } }: Report): AsyncGenerator<Uint8Array> {
  const { stringify } = await import("csv-stringify/sync");
  const options = { delimiter, quoted_match: SEPARATOR, record_delimiter: "windows" } as const;
  const local = (text: string) => (decimal === "." ? text : text.replace(".", decimal));
  const cast = {
    boolean: String,
    number: (value: number) => local(String(value)),
    object: (value: object) => local((value as ExactNumber).rawJSON),
  };
  const titles = columns.map((column) => csvText(titleOf(column), delimiter));
  yield Buffer.from((bom ? "\uFEFF" : "") + stringify([titles], options));
  for await (const batch of rows) {
    const cells = batch.map((row) => columns.map(({ name }) => csvCell(own(row, name), delimiter)));
    yield Buffer.from(stringify(cells, { ...options, cast }));
  }
}

function csvCell(value: unknown, delimiter: string): ReturnType<typeof cellOf> | ExactNumber {
  if (isExactNumber(value)) return value;
  const cell = cellOf(value);
  return typeof cell === "string" ? csvText(cell, delimiter) : cell;
}

async function* json({ columns, isSelected, rows }: Report): AsyncGenerator<Uint8Array> {
  // Written by hand, since an object has names that are numbers before all others.
  const selected = (row: Row) =>
    `{${columns.map(({ name }) => `${JSON.stringify(name)}:${JSON.stringify(own(row, name))}`).join(",")}}`;
  const text = isSelected ? selected : (row: Row) => JSON.stringify(row);
  let before = "[";
  for await (const batch of rows) {
    yield Buffer.from(batch.map((row, index) => `${index === 0 ? before : ","}\n${text(row)}`).join(""));
    before = ",";
  }
  yield Buffer.from(before === "[" ? "[]\n" : "\n]\n");
}

/** In characters: Excel shows ##### for a date in a narrower column. */
const DATE_WIDTH = 24;
const DAY_FORMAT = "yyyy-mm-dd";
const TIME_FORMAT = "yyyy-mm-dd hh:mm:ss";
const TIME_FORMAT_MS = "yyyy-mm-dd hh:mm:ss.000";

async function* xlsx(report: Report, { log }: Pick<TaskContext, "log">): AsyncGenerator<Uint8Array> {
  const { writeXlsxStream } = await import("./write-xlsx.ts");
  const { columns, rows, bytes } = report;
  const sheetColumns: { header: string; width?: number; numFmt?: string | undefined }[] = columns.map((column) => ({
    header: excelText(titleOf(column)),
    ...(column.type === "date" && { width: DATE_WIDTH }),
  }));
  let number = 1;
  async function* sheetRows() {
    for await (const batch of rows) {
      for (const row of batch) {
        number += 1;
        const cells = columns.map(({ name, type }) => excelCell(own(row, name), type));
        const long = cells.findIndex((cell) => typeof cell === "string" && cell.length > LONGEST_CELL);
        if (long >= 0)
          await log.warning(`${columns[long]?.name} is cut off: Excel takes ${LONGEST_CELL} characters`, {
            rowNumber: number,
          });
        // The writer knows formats of columns alone, and looks at them as it writes each row.
        for (const [index, column] of sheetColumns.entries())
          column.numFmt = formatOf(cells[index], row, columns[index]);
        yield cells.map((cell) => (typeof cell === "string" ? excelText(cell) : cell));
      }
    }
  }
  // ZIP64 lifts the limit of 4 GiB, which a wide sheet's XML can reach; some readers lack it.
  const options = { name: "Report", columns: sheetColumns as { header: string }[], zip64: bytes > LARGEST_ZIP };
  yield* writeXlsxStream(sheetRows(), options) as unknown as AsyncIterable<Uint8Array>;
}

/** A column of dates may hold days and instants. */
function formatOf(cell: unknown, row: Row, column: ReportColumn | undefined): string | undefined {
  if (!(cell instanceof Date)) return undefined;
  if (isDay(String(own(row, column?.name ?? "")))) return DAY_FORMAT;
  return cell.getTime() % 1_000 === 0 ? TIME_FORMAT : TIME_FORMAT_MS;
}

function isDay(text: string): boolean {
  return text.length === "2026-01-31".length;
}

/** Excel keeps 15 digits of a number, so that a longer whole number is text. */
function excelCell(value: unknown, type: ColumnType): string | number | boolean | Date | null {
  const cell = cellOf(value);
  if (typeof cell === "string") return type === "date" ? (excelDate(cell) ?? cell) : cell;
  const isLong = typeof cell === "number" && Number.isInteger(cell) && significantDigits(cell) > EXCEL_DIGITS;
  return isLong ? String(cell) : cell;
}

const EXCEL_DIGITS = 15;

/** As ISO 8601. Excel knows no dates before 1900. */
const EXCEL_DATE = /^(?:19|[2-9]\d)\d{2}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z)?$/;

/** A day, or an instant in UTC. Excel's dates have no time zone. */
function excelDate(text: string): Date | undefined {
  const at = EXCEL_DATE.test(text) ? new Date(text) : undefined;
  return at === undefined || Number.isNaN(at.getTime()) ? undefined : at;
}

/** The value as a cell can hold it. Text in an XLSX cell is never a formula. */
function cellOf(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return JSON.stringify(value);
}

/** In bytes of rows; their XML takes up to five times as many. */
const LARGEST_ZIP = 512 * 1_024 * 1_024;

function titleOf({ name, title }: ReportColumn): string {
  return title ?? name;
}
