import { BadFile } from "../datasets/source-row.ts";
import type { Columns, PartWriter } from "../datasets/dataset.ts";
import type { FileInfo } from "../files/file-store.ts";
import { BadZip } from "../files/zip.ts";
import { quoted } from "./columns.ts";
import type { Header } from "./import-header.ts";
import type { Import } from "./import-payload.ts";
import { Reading } from "./import-rows.ts";
import { EXPECTED, sourceOf, type Source } from "./import-source.ts";
import { done, failed, type TaskContext, type TaskJob, type TaskOutcome } from "./task.ts";

// An import from the first byte of its file to the commit of its rows.

export async function importFile(asked: Import, file: FileInfo, context: TaskContext): Promise<TaskOutcome> {
  const problem = problemOf(file, context.job) ?? (await conflictOf(asked.columns, asked, context));
  if (problem !== undefined) return failed(problem);
  const part = context.datasets.part(asked.dataset);
  try {
    return await importRows(asked, await sourceOf(asked, file, context.files), part, context);
  } catch (error) {
    const told = problemIn(error);
    if (told === undefined) {
      await part.abort();
      throw error;
    }
    await part.discard();
    return failed(told);
  }
}

/** The text of an error in the file; `undefined` for every other error. */
function problemIn(error: unknown): string | undefined {
  if (error instanceof BadZip) return `The file ${error.message}`;
  return error instanceof BadFile ? error.message : undefined;
}

async function importRows(asked: Import, source: Source, part: PartWriter, context: TaskContext): Promise<TaskOutcome> {
  const { log } = context;
  const reading = new Reading(asked, source);
  let shown = 0;
  if (source.note !== undefined) await log.info(source.note);
  for await (const rows of source.rows) {
    for (const sourceRow of rows) {
      const { header, note, problem, row } = reading.next(sourceRow);
      if (header) await beginRows(header, asked, context);
      if (note !== undefined) await log.info(note.message, { rowNumber: note.rowNumber });
      if (problem !== undefined) await log.warning(problem, { rowNumber: sourceRow.number });
      if (row) await part.write(row);
    }
    const percent = source.percent();
    if (percent > shown) {
      shown = percent;
      await context.progress(percent, 100, { label: `${reading.rows} rows` });
    }
  }
  const { rows, imported, columns } = reading.ended();
  for (const note of reading.lastNotes()) await log.info(note.message, { rowNumber: note.rowNumber });
  const { dataset, mode, dateField } = asked;
  const result = { dataset, rows, imported, rejected: rows - imported, read: source.taken };
  const committed = await part.commit({ mode, columns, dateField, otherType: "refuse", result });
  if (committed.kind === "refused") throw new BadFile(`Dataset ${dataset} can't take the rows: ${committed.problem}`);
  await context.progress(100, 100);
  return done(committed.result);
}

async function beginRows(header: Header, asked: Import, context: TaskContext): Promise<void> {
  // The columns that are kept may be others there.
  const conflict = await conflictOf(header.columns, asked, context);
  if (conflict !== undefined) throw new BadFile(conflict);
  for (const note of header.notes) await context.log.info(note);
}

const TYPES =
  /^(text\/(csv|plain|x-csv|comma-separated-values|tab-separated-values)|application\/(csv|x-csv|vnd\.ms-excel(\.sheet\.macroenabled\.12)?|vnd\.openxmlformats-officedocument\.spreadsheetml\.(sheet|template)|zip|x-zip-compressed|octet-stream)|binary\/octet-stream)\s*(;|$)/i;

function problemOf(file: FileInfo, { file: announced }: TaskJob): string | undefined {
  const type = announced?.mimeType ?? file.contentType;
  if (type !== undefined && !TYPES.test(type)) return `The file is ${quoted(type)}: ${EXPECTED}`;
  if (announced?.bytes !== undefined && announced.bytes !== file.bytes) {
    return `The file has ${file.bytes} bytes, expected ${announced.bytes} as announced: the upload was cut short; upload it again`;
  }
  return file.bytes === 0 ? "The file is empty: expected a header and rows below it; upload it again" : undefined;
}

/** Checked before the rows are read, so that a million of them are not read in vain. */
async function conflictOf(
  columns: Columns,
  { dataset, mode }: Pick<Import, "dataset" | "mode">,
  { datasets }: TaskContext,
): Promise<string | undefined> {
  if (mode === "replace") return undefined;
  const there = (await datasets.get(dataset))?.columns ?? {};
  const other = Object.keys(columns).find((name) => Object.hasOwn(there, name) && there[name] !== columns[name]);
  if (other === undefined) return undefined;
  return `Dataset ${dataset} has column ${other} as ${there[other]}, expected ${columns[other]}: use its type, mode replace, or another dataset`;
}
