import { isUtf8 } from "node:buffer";
import { pipeline } from "node:stream/promises";
import * as z from "zod";
import type { FileInfo } from "../files/file-store.ts";
import { cellOf, columnName, columnTypes, dateFieldProblem, datasetName, quoted } from "./columns.ts";
import { defineTask, done, failed, type TaskContext, type TaskJob, type TaskOutcome } from "./task.ts";
import type { Columns, PartWriter, Row } from "../datasets/dataset.ts";

const payload = z
  .strictObject({
    dataset: datasetName,
    columns: columnTypes.describe("What the header names, each with its type."),
    mode: z.enum(["append", "replace"]).default("append"),
    delimiter: z.enum([",", ";", "\t", "|"]).default(","),
    dateField: columnName.optional().describe("The column, of type date, that reports are filtered by."),
  })
  .superRefine(({ dateField, columns }, context) => {
    const message = dateFieldProblem(dateField, columns);
    if (message !== undefined) context.addIssue({ code: "custom", path: ["dateField"], message });
  });

type Import = z.infer<typeof payload>;

const LARGEST_ROW = 1_000_000;

/** Adds the valid rows of a CSV file to a dataset: all at once or none. */
export const importCsv = defineTask({
  jobType: "import_csv",
  summary: "Imports a CSV file into a dataset of the app",
  payload,
  writes: ({ dataset: name, mode }) => ({ name, mode }),

  async run(asked, context) {
    const { datasets, files, job } = context;
    const before = await datasets.committed(asked.dataset);
    if (before) return done(before);
    const file = job.file && (await files.head(job.file.key));
    if (!file) return failed("There is no file: expected a CSV file, uploaded with the job; submit it with one");
    const problem = problemOf(file, job) ?? (await conflictOf(asked, context));
    if (problem !== undefined) return failed(problem);
    const part = datasets.part(asked.dataset);
    try {
      return await importRows(asked, file, part, context);
    } catch (error) {
      const told = problemIn(error);
      if (told === undefined) {
        await part.abort();
        throw error;
      }
      await part.discard();
      return failed(told);
    }
  },
});

async function importRows(asked: Import, file: FileInfo, part: PartWriter, context: TaskContext): Promise<TaskOutcome> {
  const { log, signal, files } = context;
  let bytesRead = 0;
  let shown = 0;
  async function* content() {
    for await (const chunk of textOnly(files.read(file.key))) {
      bytesRead += chunk.length;
      yield chunk;
    }
  }
  const { parse } = await import("csv-parse");
  const parser = parse({
    bom: true,
    delimiter: asked.delimiter,
    // Without this the parser takes the first line break of the file for all of them.
    record_delimiter: ["\r\n", "\n", "\r"],
    max_record_size: LARGEST_ROW,
    // A row of another length is an error of the row, not of the file.
    relax_column_count: true,
  });
  const feeding = pipeline(content, parser, { signal });
  // The loop throws the errors of the pipeline.
  feeding.catch(() => {});

  let header: readonly string[] | undefined;
  let rows = 0;
  let imported = 0;
  let rowNumber = 0;
  for await (const cells of parser as AsyncIterable<string[]>) {
    rowNumber += 1;
    if (cells.length === 1 && cells[0] === "") continue;
    if (!header) {
      header = headerOf(cells, asked);
      continue;
    }
    rows += 1;
    const read = rowOf(cells, header, asked.columns);
    if ("problem" in read) await log.warning(read.problem, { rowNumber });
    else {
      imported += 1;
      await part.write(read.row);
    }
    const percent = Math.min(99, Math.floor((100 * bytesRead) / file.bytes));
    if (percent > shown) {
      shown = percent;
      await context.progress(percent, 100, { label: `${rows} rows` });
    }
  }
  await feeding;
  if (!header) throw new BadFile("The file has no rows: expected a header and rows below it");
  if (rows > 0 && imported === 0) {
    throw new BadFile(`None of the ${rows} rows could be imported; the log says of each what was expected`);
  }
  const { dataset, mode, columns, dateField } = asked;
  const result = { dataset, rows, imported, rejected: rows - imported };
  const committed = await part.commit({ mode, columns, dateField, otherType: "refuse", result });
  if (committed.kind === "refused") throw new BadFile(`Dataset ${dataset} can't take the rows: ${committed.problem}`);
  await context.progress(100, 100);
  return done(committed.result);
}

/** The problem of the file, in words for its uploader. */
class BadFile extends Error {}

const CSV_TYPES =
  /^(text\/(csv|plain|x-csv|comma-separated-values|tab-separated-values)|application\/(csv|x-csv|vnd\.ms-excel|octet-stream)|binary\/octet-stream)\s*(;|$)/i;
const EXPECTED = "expected CSV, as text/csv in UTF-8; export it as CSV and upload that";

function problemOf(file: FileInfo, { file: announced }: TaskJob): string | undefined {
  const type = announced?.mimeType ?? file.contentType;
  if (type !== undefined && !CSV_TYPES.test(type)) return `The file is ${quoted(type)}: ${EXPECTED}`;
  if (announced?.bytes !== undefined && announced.bytes !== file.bytes) {
    return `The file has ${file.bytes} bytes, expected ${announced.bytes} as announced: the upload was cut short; upload it again`;
  }
  return file.bytes === 0 ? "The file is empty: expected a header and rows below it; upload it again" : undefined;
}

/** Checked before the rows are read, so that a million of them are not read in vain. */
async function conflictOf({ dataset, mode, columns }: Import, { datasets }: TaskContext): Promise<string | undefined> {
  if (mode === "replace") return undefined;
  const there = (await datasets.get(dataset))?.columns ?? {};
  const other = Object.keys(columns).find((name) => Object.hasOwn(there, name) && there[name] !== columns[name]);
  if (other === undefined) return undefined;
  return `Dataset ${dataset} has column ${other} as ${there[other]}, expected ${columns[other]}: use its type, mode replace, or another dataset`;
}

/** Passes UTF-8 on and throws at other bytes. */
async function* textOnly(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let carried: Uint8Array = new Uint8Array();
  let at = 0;
  for await (const chunk of chunks) {
    const bytes = carried.length > 0 ? Buffer.concat([carried, chunk]) : chunk;
    if (at === 0) refuseOtherFormats(bytes);
    if (bytes.includes(0)) throw new BadFile(`The file holds binary data: ${EXPECTED}`);
    const end = bytes.length - cutOff(bytes);
    if (!isUtf8(bytes.subarray(0, end))) throw notUtf8(at);
    carried = bytes.slice(end);
    at += end;
    yield bytes.subarray(0, end);
  }
  if (carried.length > 0) throw notUtf8(at);
}

function notUtf8(at: number): BadFile {
  return new BadFile(
    `The file is not UTF-8, somewhere after byte ${at}: expected CSV in UTF-8; save it as "CSV UTF-8"`,
  );
}

const FORMATS: readonly (readonly [string, readonly number[]])[] = [
  ["a zip archive or an Excel workbook", [0x50, 0x4b, 0x03, 0x04]],
  ["an old Excel workbook", [0xd0, 0xcf, 0x11, 0xe0]],
  ["a PDF", [0x25, 0x50, 0x44, 0x46]],
  ["compressed with gzip", [0x1f, 0x8b]],
  ["in UTF-16", [0xff, 0xfe]],
  ["in UTF-16", [0xfe, 0xff]],
];

function refuseOtherFormats(bytes: Uint8Array): void {
  const found = FORMATS.find(([, first]) => first.every((byte, index) => bytes[index] === byte));
  if (found) throw new BadFile(`The file is ${found[0]}: ${EXPECTED}`);
}

/** The count of bytes at the end that belong to a character which continues in the next chunk. */
function cutOff(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
}

/** The names of the columns in the order of the file. */
function headerOf(cells: readonly string[], { columns, delimiter }: Import): readonly string[] {
  const names = cells.map((name) => name.trim());
  const expected = Object.keys(columns);
  const distinct = new Set<string>();
  const repeated = names.find((name) => distinct.size === distinct.add(name).size);
  const missing = expected.filter((name) => !names.includes(name));
  const unknown = names.filter((name) => !Object.hasOwn(columns, name));
  if (repeated === undefined && missing.length === 0 && unknown.length === 0) return names;
  const other = [",", ";", "\t", "|"].find(
    (char) => char !== delimiter && names.length === 1 && names[0]?.includes(char),
  );
  const wrong = [
    ...(repeated === undefined ? [] : [`it names ${quoted(repeated)} twice`]),
    ...(missing.length > 0 ? [`it lacks ${listed(missing)}`] : []),
    ...(unknown.length > 0 ? [`it names ${listed(unknown)}, which the job does not`] : []),
  ];
  const advice =
    other === undefined
      ? "make the file's header and the job's columns agree"
      : `it seems to be delimited by ${quoted(other)}: submit the job with that delimiter`;
  throw new BadFile(`The header is wrong: ${wrong.join("; ")}. Expected ${listed(expected)}; ${advice}`);
}

function listed(names: readonly string[]): string {
  const few = names.slice(0, 10).map(quoted).join(", ");
  return names.length > 10 ? `${few} and ${names.length - 10} more` : few;
}

function rowOf(
  cells: readonly string[],
  header: readonly string[],
  columns: Columns,
): { row: Row } | { problem: string } {
  if (cells.length !== header.length) {
    return { problem: `Expected ${header.length} cells, got ${cells.length}` };
  }
  const row: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [index, name] of header.entries()) {
    const text = cells[index] ?? "";
    const cell = cellOf(columns[name] ?? "any", text);
    if ("expected" in cell) problems.push(`Column ${name}: expected ${cell.expected}, got ${quoted(text)}`);
    else row[name] = cell.value;
  }
  return problems.length > 0 ? { problem: problems.slice(0, 5).join("; ") } : { row };
}

/** The text of an error in the file; `undefined` for every other error. */
function problemIn(error: unknown): string | undefined {
  if (error instanceof BadFile) return error.message;
  const { code, lines } = error as { code?: string; lines?: number };
  if (code === "CSV_MAX_RECORD_SIZE") {
    return `Line ${lines} is longer than ${LARGEST_ROW} characters, or has a quote that is not closed: expected one row a line`;
  }
  if (code !== undefined && /^(CSV|INVALID)_/.test(code)) {
    return `Line ${lines} has a quote where none can be, or that is not closed: expected "" for a quote within quotes; correct the file`;
  }
  return undefined;
}
