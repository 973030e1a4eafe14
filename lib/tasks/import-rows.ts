import type { Row } from "../datasets/dataset.ts";
import { BadFile, textOf, type SourceCell, type SourceRow } from "../datasets/source-row.ts";
import { cellReader, type Reader } from "./cells.ts";
import { quoted } from "./columns.ts";
import { headerOf, type Header } from "./import-header.ts";
import type { Import } from "./import-payload.ts";
import type { Source } from "./import-source.ts";

// The rows of a file as rows of a dataset, by its header.

interface Note {
  readonly message: string;
  readonly rowNumber: number;
}

type Layout = Pick<Source, "advice" | "isSparse">;

/** What became of a row of the file. */
interface Outcome {
  readonly header?: Header;
  readonly row?: Row;
  readonly problem?: string;
  /** Of the rows before it. */
  readonly note?: Note | undefined;
}

/** The rows of a file so far, one after the other. */
export class Reading {
  rows = 0;
  #imported = 0;
  #header: Header | undefined;
  /** Rows without a value that follow on each other. */
  #empty: { readonly first: number; last: number } | undefined;
  #longer: { readonly first: number; count: number } | undefined;
  readonly #asked: Import;
  readonly #source: Layout;
  readonly #read: Reader;

  constructor(asked: Import, source: Layout) {
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
