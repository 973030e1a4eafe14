import { BadFile, textOf, type SourceCell, type SourceRow } from "../datasets/source-row.ts";
import type { Columns, PartWriter, Row } from "../datasets/dataset.ts";
import type { FileInfo } from "../files/file-store.ts";
import { BadZip } from "../files/zip.ts";
import { cellReader, type Reader } from "./cells.ts";
import { quoted } from "./columns.ts";
import { headerOf, type Header } from "./import-header.ts";
import type { Import } from "./import-payload.ts";
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

interface Note {
  readonly message: string;
  readonly rowNumber: number;
}

/** What became of a row of the file. */
interface Outcome {
  readonly header?: Header;
  readonly row?: Row;
  readonly problem?: string;
  /** Of the rows before it. */
  readonly note?: Note | undefined;
}

/** The rows of a file so far. */
class Reading {
  rows = 0;
  #imported = 0;
  #header: Header | undefined;
  /** Rows without a value that follow on each other. */
  #empty: { readonly first: number; last: number } | undefined;
  #longer: { readonly first: number; count: number } | undefined;
  readonly #asked: Import;
  readonly #source: Source;
  readonly #read: Reader;

  constructor(asked: Import, source: Source) {
    this.#asked = asked;
    this.#source = source;
    this.#read = cellReader(asked);
  }

  next(source: SourceRow): Outcome {
    if (source.problem === undefined && isEmpty(source.cells, this.#header)) {
      if (this.#header) this.#empty = { first: this.#empty?.first ?? source.number, last: source.number };
      return {};
    }
    if (!this.#header) {
      if (source.problem !== undefined) throw new BadFile(`The header can't be read: ${source.problem}`);
      this.#header = headerOf(source.cells, this.#asked, this.#source.advice(source));
      return { header: this.#header };
    }
    const note = this.#endOfEmpty();
    this.rows += 1;
    if (source.problem !== undefined) return { problem: source.problem, note };
    const read = rowOf(source.cells, this.#header, this.#read, this.#source.isSparse);
    if ("problem" in read) return { ...read, note };
    this.#imported += 1;
    if (source.cells.length > this.#header.fields.length)
      this.#longer = { first: this.#longer?.first ?? source.number, count: (this.#longer?.count ?? 0) + 1 };
    return { ...read, note };
  }

  #endOfEmpty(): Note | undefined {
    const empty = this.#empty;
    this.#empty = undefined;
    if (!empty) return undefined;
    const { first, last } = empty;
    const which =
      first === last ? `Row ${first} holds no value and was` : `Rows ${first} to ${last} hold no value and were`;
    return { message: `${which} left out`, rowNumber: first };
  }

  /** Throws `BadFile` for a file without a row that could be imported. */
  ended() {
    if (!this.#header) throw new BadFile("The file has no rows: expected a header and rows below it");
    if (this.rows > 0 && this.#imported === 0) {
      throw new BadFile(`None of the ${this.rows} rows could be imported; the log says of each what was expected`);
    }
    return { rows: this.rows, imported: this.#imported, columns: this.#header.columns };
  }

  lastNotes(): readonly Note[] {
    const empty = this.#endOfEmpty();
    const longer = this.#longer && {
      message: `Empty cells behind the last column were left out, in ${this.#longer.count} rows from row ${this.#longer.first} on`,
      rowNumber: this.#longer.first,
    };
    return [...(empty ? [empty] : []), ...(longer ? [longer] : [])];
  }
}

/** Of a single column, `""` is a value. */
function isEmpty(cells: readonly SourceCell[], header: Header | undefined): boolean {
  const isValue = cells.length === 1 && header?.width === 1 && cells[0] === "";
  return !isValue && cells.every((cell) => textOf(cell).trim() === "");
}

function rowOf(
  cells: readonly SourceCell[],
  { fields, width, columns, isIgnoring }: Header,
  read: Reader,
  isSparse: boolean,
): { row: Row } | { problem: string } {
  const beyond = cells.findLastIndex((cell) => textOf(cell).trim() !== "") + 1;
  // A workbook may have notes beside its table.
  if ((cells.length < width && !isSparse) || (beyond > fields.length && !(isSparse && isIgnoring))) {
    return { problem: `Expected ${width} cells, got ${Math.min(cells.length, Math.max(beyond, width))}` };
  }
  const row: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [index, field] of fields.entries()) {
    const content = cells[index] ?? "";
    const text = textOf(content);
    if (text.includes("\0"))
      problems.push(`Column ${index + 1}: expected text without the character NUL, got ${quoted(text)}`);
    else if (field.kind === "column") {
      const cell = read(columns[field.name] ?? "any", content);
      if ("expected" in cell) problems.push(`Column ${field.name}: expected ${cell.expected}, got ${shown(content)}`);
      else row[field.name] = cell.value;
    } else if (field.kind === "empty" && text.trim() !== "") {
      problems.push(`Column ${index + 1}: expected no value, since the header does not name it, got ${quoted(text)}`);
    }
  }
  return problems.length > 0 ? { problem: problems.slice(0, 5).join("; ") } : { row };
}

function shown(cell: SourceCell): string {
  if (typeof cell === "string") return quoted(cell);
  return cell.kind === "error" ? cell.text : `the ${cell.kind} ${cell.text}`;
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
