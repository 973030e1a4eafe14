import { iso } from "../clock.ts";
import type { Job } from "../job/job.ts";
import { quoted, timeRangeOf } from "./columns.ts";
import { own } from "./expressions.ts";
import { formats, type CsvOptions, type Report, type ReportColumn } from "./report-formats.ts";
import type { AskedReport } from "./report-payload.ts";
import { done, failed, type TaskContext, type TaskOutcome } from "./task.ts";
import type { Dataset, Row } from "../datasets/dataset.ts";

// The steps of a report, and where its rows come from.

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

export async function runReport(asked: AskedReport, context: TaskContext): Promise<TaskOutcome> {
  const { reportType, format } = asked;
  const { files, signal } = context;
  const step = async (number: number, detail?: string) => {
    const { label, percent } = STEPS[number - 1] ?? STEPS[0];
    await context.progress(number, STEPS.length, { percent, label: detail ?? label });
  };

  await step(1);
  const source = await sourceOf(asked, context);
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
    const report: Report = { ...source, rows: counted(source.rows), csv: csvOptions(asked) };
    for await (const chunk of formats[format](report, context)) await file.write(chunk);
    await step(4);
    await step(5);
    const fileSize = await file.complete();
    await step(6);
    return done({ fileKey: file.key, fileSize, recordCount, generatedAt: iso(context.now()), reportType, format });
  } finally {
    await file.abort();
  }
}

function csvOptions({ bom = true, decimal = ".", delimiter = decimal === "," ? ";" : "," }: AskedReport): CsvOptions {
  return { bom, decimal, delimiter };
}

type Source = Omit<Report, "csv">;

/** The rows and columns of a report; `undefined` if there is no such report. */
async function sourceOf(asked: AskedReport, context: TaskContext): Promise<Source | { problem: string } | undefined> {
  const source = await wholeSource(asked, context);
  if (source === undefined || "problem" in source || !asked.columns) return source;
  const columns: ReportColumn[] = [];
  for (const { name, title } of asked.columns) {
    const found = source.columns.find((each) => each.name === name);
    if (!found) return { problem: noColumn(asked.reportType, name, source.columns) };
    columns.push({ ...found, title });
  }
  return { ...source, columns, isSelected: true };
}

async function wholeSource(
  { reportType, filters }: AskedReport,
  { datasets, jobs }: TaskContext,
): Promise<Source | { problem: string } | undefined> {
  const created = timeRangeOf(filters);
  if (reportType === "jobs") {
    const columns = JOB_COLUMNS.map((name) => ({ name, type: TIMES.has(name) ? "date" : "any" }) as const);
    return { columns, isSelected: false, rows: jobRows(jobs.pages({ created })), bytes: 0 };
  }
  const dataset = await datasets.get(reportType);
  if (!dataset) return undefined;
  const columns = Object.entries(dataset.columns).map(([name, type]) => ({ name, type }));
  const { bytes, dateField } = dataset;
  const rows = datasets.rows(reportType);
  const source = { columns, isSelected: false, bytes };
  if (created.from === undefined && created.to === undefined) return { ...source, rows };
  if (dateField === null) return { problem: noDateField(dataset) };
  return { ...source, rows: within(rows, dateField, created) };
}

const MOST_NAMED = 20;

function noColumn(report: string, name: string, columns: readonly ReportColumn[]): string {
  const known = columns.slice(0, MOST_NAMED).map((each) => quoted(each.name));
  const more = columns.length > MOST_NAMED ? ` and ${columns.length - MOST_NAMED} more` : "";
  return `Report ${report} has no column ${quoted(name)}: expected some of ${known.join(", ")}${more}`;
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

const CONTENT_TYPES: Record<AskedReport["format"], string> = {
  csv: "text/csv; charset=utf-8",
  json: "application/json",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};
