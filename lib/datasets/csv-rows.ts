import { LARGEST_ROW, type SourceRow } from "./source-row.ts";

// The rows of CSV. RFC 4180, and beyond it what spreadsheets agree on: a quote within a cell that does not begin with
// one is text. A cell that begins with a quote and does not end with one is read by each spreadsheet in its own way, so
// that its line is left out.

interface Cells {
  readonly cells: readonly string[];
  /** The position behind the row. */
  readonly next: number;
}

interface Broken {
  readonly problem: string;
}

/** `"more"`: the row goes on behind the text that there is. */
type Read = Cells | Broken | "more";

/** Rows a chunk of text at a time. Lines without a character are counted and left out. */
export async function* csvRows(text: AsyncIterable<string>, delimiter: string): AsyncGenerator<readonly SourceRow[]> {
  const reader = new CsvReader(delimiter);
  for await (const chunk of text) {
    const rows = reader.read(chunk, false);
    if (rows.length > 0) yield rows;
  }
  yield reader.read("", true);
}

/** The rows of a text that may go on. */
export function csvRowsIn(text: string, delimiter: string, isWhole: boolean): readonly SourceRow[] {
  return new CsvReader(delimiter).read(text, isWhole);
}

/** Programs of DOS end a file with Ctrl+Z, some of mainframes with NUL. */
function withoutEndMarks(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === "\x1a" || text[end - 1] === "\0")) end -= 1;
  return text.slice(0, end);
}

const GROWTH = 1.25;

class CsvReader {
  readonly #delimiter: string;
  #text = "";
  #at = 0;
  #number = 0;
  /** The length of the text from which a row that goes on is read again: by small pieces, it would be read for each. */
  #enough = 0;
  /** Within a line that is too long. */
  #isSkipping = false;
  /** The next breaks from `#at` on; those of the whole text are not looked for again in each row. */
  #feed = -1;
  #return = -1;

  constructor(delimiter: string) {
    this.#delimiter = delimiter;
  }

  read(chunk: string, isEnd: boolean): readonly SourceRow[] {
    this.#text = this.#text.slice(this.#at) + chunk;
    if (isEnd) this.#text = withoutEndMarks(this.#text);
    this.#at = 0;
    this.#feed = -1;
    this.#return = -1;
    const rows: SourceRow[] = [];
    if (!isEnd && this.#text.length < this.#enough) return rows;
    this.#enough = 0;
    while (this.#at < this.#text.length) {
      if (this.#isSkipping && !this.#skip(isEnd)) break;
      if (this.#at === this.#text.length) break;
      const row = this.#row(isEnd);
      if (row === "more") {
        this.#enough = GROWTH * (this.#text.length - this.#at);
        break;
      }
      if (row) rows.push(row);
    }
    return rows;
  }

  /** The next row; `undefined` for an empty line. */
  #row(isEnd: boolean): SourceRow | "more" | undefined {
    const from = this.#at;
    const text = this.#text;
    const end = this.#lineEnd(isEnd);
    if (end === undefined) {
      if (text.length - from <= LARGEST_ROW) return "more";
      this.#isSkipping = true;
      return this.#leftOut(`The line is longer than ${LARGEST_ROW} characters`, text.length);
    }
    const line = text.slice(from, end);
    const next = behindBreak(text, end);
    if (line.length > LARGEST_ROW) return this.#leftOut(`The line is longer than ${LARGEST_ROW} characters`, next);
    if (line === "") return this.#move(next);
    if (!line.includes('"')) {
      this.#move(next);
      return { number: this.#number, cells: line.split(this.#delimiter) };
    }
    const read = quotedRow(text, from, this.#delimiter, isEnd);
    if (read === "more") return "more";
    if ("problem" in read) return this.#leftOut(read.problem, next);
    this.#move(read.next);
    return { number: this.#number, cells: read.cells };
  }

  #move(next: number): undefined {
    this.#at = next;
    this.#number += 1;
  }

  #leftOut(problem: string, next: number): SourceRow {
    this.#move(next);
    return { number: this.#number, cells: [], problem };
  }

  /** Goes to the next line. False if the text ends before. */
  #skip(isEnd: boolean): boolean {
    const end = this.#lineEnd(isEnd);
    this.#at = end === undefined ? this.#text.length : behindBreak(this.#text, end);
    this.#isSkipping = end === undefined;
    return !this.#isSkipping;
  }

  /** The position of the line's break, or of the end; `undefined` if it is not there yet. */
  #lineEnd(isEnd: boolean): number | undefined {
    const { length } = this.#text;
    if (this.#feed < this.#at) this.#feed = positionOf(this.#text, "\n", this.#at);
    if (this.#return < this.#at) this.#return = positionOf(this.#text, "\r", this.#at);
    const end = Math.min(this.#feed, this.#return);
    // A line feed may follow.
    if (end === length - 1 && this.#text[end] === "\r" && !isEnd) return undefined;
    if (end < length) return end;
    return isEnd ? length : undefined;
  }
}

/** Beyond the text if it is not there. */
function positionOf(text: string, part: string, from: number): number {
  const found = text.indexOf(part, from);
  return found < 0 ? Infinity : found;
}

function behindBreak(text: string, end: number): number {
  return text[end] === "\r" && text[end + 1] === "\n" ? end + 2 : end + 1;
}

function isBreak(char: string | undefined): boolean {
  return char === "\n" || char === "\r";
}

/** A row with quotes, which may take several lines. */
function quotedRow(text: string, from: number, delimiter: string, isEnd: boolean): Read {
  const cells: string[] = [];
  let at = from;
  for (;;) {
    const quote = behindBlanks(text, at, delimiter);
    const quoted = text[quote] === '"' ? quotedCell(text, quote, delimiter, isEnd) : undefined;
    if (quoted === "more") return "more";
    let end: number;
    if (quoted && "value" in quoted) {
      cells.push(withoutFormula(quoted.value));
      end = quoted.end;
    } else {
      // Tab-separated values know no quotes, and blanks before a quote make it one of text.
      if (quoted && quote === at && delimiter !== "\t") return quoted;
      end = at;
      while (end < text.length && text[end] !== delimiter && !isBreak(text[end])) end += 1;
      cells.push(withoutFormula(text.slice(at, end)));
    }
    if (end - from > LARGEST_ROW) return { problem: `The row is longer than ${LARGEST_ROW} characters` };
    const isOpen = end === text.length || (end === text.length - 1 && text[end] === "\r");
    if (isOpen && !isEnd) return "more";
    if (text[end] !== delimiter) return { cells, next: Math.min(text.length, behindBreak(text, end)) };
    at = end + 1;
  }
}

/** `="007"` is how programs have spreadsheets take digits for text. */
function withoutFormula(cell: string): string {
  if (cell.length < 3 || !cell.startsWith('="') || !cell.endsWith('"')) return cell;
  const digits = cell.slice(2, -1);
  return digits.replaceAll('""', "").includes('"') ? cell : digits.replaceAll('""', '"');
}

function behindBlanks(text: string, from: number, delimiter: string): number {
  const blanks = delimiter === "\t" ? BLANKS : BLANKS_AND_TABS;
  let at = from;
  while (blanks.includes(text[at] ?? "x")) at += 1;
  return at;
}

/** A byte order mark is one where files were joined, or it was written twice. */
const BLANKS = " \u00a0\uFEFF";
const BLANKS_AND_TABS = `${BLANKS}\t`;

/** The cell of the quote at `from`, and the position of the delimiter or break behind it. */
function quotedCell(
  text: string,
  from: number,
  delimiter: string,
  isEnd: boolean,
): { readonly value: string; readonly end: number } | Broken | "more" {
  for (let at = from + 1; ;) {
    const quote = text.indexOf('"', at);
    if (quote < 0 && !isEnd && text.length - from <= LARGEST_ROW) return "more";
    if (quote < 0 || quote - from > LARGEST_ROW) return { problem: `${begun(text, from)} does not end with one` };
    if (quote === text.length - 1 && !isEnd) return "more";
    if (text[quote + 1] === '"') {
      at = quote + 2;
      continue;
    }
    const end = behindBlanks(text, quote + 1, delimiter);
    if (end === text.length && !isEnd) return "more";
    if (end === text.length || text[end] === delimiter || isBreak(text[end])) {
      const value = text.slice(from + 1, quote);
      return { value: value.includes('"') ? value.replaceAll('""', '"') : value, end };
    }
    return { problem: `${begun(text, from)} has another quote within: expected "" for it` };
  }
}

function begun(text: string, from: number): string {
  const [line = ""] = text.slice(from + 1, from + 41).split(/[\r\n]/);
  return `The cell that begins with a quote and ${JSON.stringify(line)}`;
}
