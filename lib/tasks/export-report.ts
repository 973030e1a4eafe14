import * as z from "zod";
import { iso } from "../clock.ts";
import type { Job } from "../job/job.ts";
import { isExactNumber, significantDigits, type ExactNumber } from "../job/exact-json.ts";
import { timeRangeOf, type Days } from "./columns.ts";
import { LONGEST_CELL, SEPARATOR, csvText, excelText } from "./spreadsheet-text.ts";
import { defineTask, done, failed, type TaskContext } from "./task.ts";
import type { Dataset, Row } from "../datasets/dataset.ts";

const day = z.iso.date();

const payload = z.strictObject({
  reportType: z.string().min(1).max(64).describe("`jobs`, or the name of a dataset."),
  format: z.enum(["csv", "json", "xlsx"]),
  filters: z
    .strictObject({ dateFrom: day.optional(), dateTo: day.optional() })
    .refine(({ dateFrom = "", dateTo = dateFrom }) => dateFrom <= dateTo, "dateFrom must not be after dateTo")
    .default({})
    .describe("Days in UTC, both included."),
});

type Format = z.infer<typeof payload>["format"];

/** The steps of spec/typed-jobs-report.md, with the percentage of each. */
const STEPS = [
  { label: "Validate parameters", percent: 20 },
  { label: "Query data", percent: 40 },
  { label: "Process results", percent: 60 },
  { label: "Format output", percent: 80 },
  { label: "Generate file", percent: 95 },
  { label: "Finalize", percent: 100 },
] as const;

const ROWS_BETWEEN_LABELS = 25_000;

/** Writes a file of an app's jobs, or of one of its datasets. */
export const exportReport = defineTask({
  jobType: "export_report",
  summary: "Exports jobs or a dataset as CSV, JSON or XLSX",
  permission: "reports.export_reports",
  payload,

  async run({ reportType, format, filters }, context) {
    const { files, signal } = context;
    const step = async (number: number, detail?: string) => {
      const { label, percent } = STEPS[number - 1] ?? STEPS[0];
      await context.progress(number, STEPS.length, { percent, label: detail ?? label });
    };

    await step(1);
    const source = await sourceOf(reportType, filters, context);
    if (source === undefined) return failed("Invalid export job payload");
    if ("problem" in source) return failed(source.problem);

    await step(2);
    const file = files.create(`${reportType}_${iso(context.now()).slice(0, 10)}.${format}`, CONTENT_TYPES[format]);
    try {
      let recordCount = 0;
      let labelled = 0;
      async function* counted(rows: AsyncIterable<readonly Row[]>) {
        for await (const batch of rows) {
          signal.throwIfAborted();
          recordCount += batch.length;
          if (recordCount - labelled >= ROWS_BETWEEN_LABELS) {
            labelled = recordCount;
            await step(3, `${recordCount} records`);
          }
          yield batch;
        }
      }
      await step(3);
      const write = formats[format];
      for await (const chunk of write(source.columns, counted(source.rows), context, source.bytes))
        await file.write(chunk);
      await step(4);
      await step(5);
      const fileSize = await file.complete();
      await step(6);
      return done({ fileKey: file.key, fileSize, recordCount, generatedAt: iso(context.now()), reportType, format });
    } finally {
      await file.abort();
    }
  },
});

interface Source {
  readonly columns: readonly string[];
  readonly rows: AsyncIterable<readonly Row[]>;
  /** An estimate, for the progress. */
  readonly bytes: number;
}

/** The rows and columns of a report; `undefined` if there is no such report. */
async function sourceOf(
  reportType: string,
  filters: Days,
  { datasets, jobs }: TaskContext,
): Promise<Source | { problem: string } | undefined> {
  const created = timeRangeOf(filters);
  if (reportType === "jobs") return { columns: JOB_COLUMNS, rows: jobRows(jobs.pages({ created })), bytes: 0 };
  const dataset = await datasets.get(reportType);
  if (!dataset) return undefined;
  const columns = Object.keys(dataset.columns);
  const { bytes, dateField } = dataset;
  const rows = datasets.rows(reportType);
  if (created.from === undefined && created.to === undefined) return { columns, rows, bytes };
  if (dateField === null) return { problem: noDateField(dataset) };
  return { columns, rows: within(rows, dateField, created), bytes };
}

function noDateField({ name }: Dataset): string {
  return `Dataset ${name} has no dateField, so that it can't be filtered by days: import it with one, or leave out filters`;
}

const JOB_COLUMNS = [
  "id",
  "executionType",
  "destination",
  "status",
  "attempts",
  "retryCount",
  "maxRetries",
  "createdAt",
  "startedAt",
  "updatedAt",
  "lastError",
  "idempotencyKey",
  "parentJobId",
] as const satisfies readonly (keyof Job)[];

const TIMES = new Set<keyof Job>(["createdAt", "startedAt", "updatedAt"]);

async function* jobRows(pages: ReturnType<TaskContext["jobs"]["pages"]>): AsyncGenerator<readonly Row[]> {
  for await (const { jobs } of pages) {
    yield jobs.map((job) =>
      Object.fromEntries(
        JOB_COLUMNS.map((name) => {
          // The column of a job that calls no destination shows its kind.
          const value = name === "destination" ? (job.destination ?? job.jobType ?? job.executionType) : job[name];
          return [name, value === undefined ? null : TIMES.has(name) ? iso(Number(value)) : value];
        }),
      ),
    );
  }
}

/** A row without a valid date belongs to no day. */
async function* within(
  rows: AsyncIterable<readonly Row[]>,
  dateField: string,
  { from = -Infinity, to = Infinity }: { from?: number; to?: number },
): AsyncGenerator<readonly Row[]> {
  for await (const batch of rows) {
    const found = batch.filter((row) => {
      const at = Date.parse(String(own(row, dateField)));
      return at >= from && at <= to;
    });
    if (found.length > 0) yield found;
  }
}

function own(row: Row, name: string): unknown {
  return Object.hasOwn(row, name) ? row[name] : undefined;
}

const CONTENT_TYPES: Record<Format, string> = {
  csv: "text/csv; charset=utf-8",
  json: "application/json",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};

type Writer = (
  columns: readonly string[],
  rows: AsyncIterable<readonly Row[]>,
  context: TaskContext,
  bytes: number,
) => AsyncIterable<Uint8Array>;

const formats: Record<Format, Writer> = {
  async *csv(columns, rows) {
    const { stringify } = await import("csv-stringify/sync");
    const options = { quoted_match: SEPARATOR, record_delimiter: "windows" } as const;
    yield Buffer.from(stringify([columns.map(csvText)], options));
    for await (const batch of rows) {
      const cells = batch.map((row) => columns.map((name) => csvCell(own(row, name))));
      yield Buffer.from(stringify(cells, { ...options, cast: { boolean: String, object: numberText } }));
    }
  },

  async *json(_, rows) {
    let before = "[";
    for await (const batch of rows) {
      yield Buffer.from(batch.map((row, index) => `${index === 0 ? before : ","}\n${JSON.stringify(row)}`).join(""));
      before = ",";
    }
    yield Buffer.from(before === "[" ? "[]\n" : "\n]\n");
  },

  async *xlsx(columns, rows, { log }, bytes) {
    const { writeXlsxStream } = await import("./write-xlsx.ts");
    let number = 1;
    async function* sheetRows() {
      for await (const batch of rows) {
        for (const row of batch) {
          number += 1;
          const cells = columns.map((name) => cellOf(own(row, name)));
          const long = cells.findIndex((cell) => typeof cell === "string" && cell.length > LONGEST_CELL);
          if (long >= 0)
            await log.warning(`${columns[long]} is cut off: Excel takes ${LONGEST_CELL} characters`, {
              rowNumber: number,
            });
          yield cells.map(excelCell);
        }
      }
    }
    const named = columns.map((header) => ({ header: excelText(header) }));
    // ZIP64 lifts the limit of 4 GiB, which a wide sheet's XML can reach; some readers lack it.
    const options = { name: "Report", columns: named, zip64: bytes > LARGEST_ZIP };
    yield* writeXlsxStream(sheetRows(), options) as unknown as AsyncIterable<Uint8Array>;
  },
};

function csvCell(value: unknown): ReturnType<typeof cellOf> | ExactNumber {
  if (isExactNumber(value)) return value;
  const cell = cellOf(value);
  return typeof cell === "string" ? csvText(cell) : cell;
}

function numberText(value: object): string {
  return (value as ExactNumber).rawJSON;
}

/** Excel keeps 15 digits of a number, so that a longer whole number is text. */
function excelCell(value: unknown): string | number | boolean | null {
  const cell = cellOf(value);
  if (typeof cell === "string") return excelText(cell);
  const isLong = typeof cell === "number" && Number.isInteger(cell) && significantDigits(cell) > EXCEL_DIGITS;
  return isLong ? String(cell) : cell;
}

const EXCEL_DIGITS = 15;

/** The value as a cell can hold it. Text in an XLSX cell is never a formula. */
function cellOf(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return JSON.stringify(value);
}

/** In bytes of rows; their XML takes up to five times as many. */
const LARGEST_ZIP = 512 * 1_024 * 1_024;
