import { dateOfSerial, styleOf, timeOfSerial, type NumberStyle } from "./excel-dates.ts";
import { unescaped, type SharedTexts } from "./shared-texts.ts";
import { BadFile, LARGEST_ROW, textOf, type SourceCell, type SourceRow } from "./source-row.ts";
import { xmlParser, type Attributes } from "./xml.ts";

export interface SheetContext {
  readonly texts: SharedTexts;
  /** By the index of a cell's style. */
  readonly styles: readonly NumberStyle[];
  /** Whether dates are counted from 1904, as in older workbooks of a Mac. */
  readonly is1904: boolean;
  /** Of all cells: by texts that they share, a small sheet may stand for any size. */
  readonly mostCharacters: number;
}

/** A cell while it is read. */
interface OpenCell {
  readonly column: number;
  readonly type: string;
  readonly style: number;
  value: string;
  text: string;
  hasValue: boolean;
  hasFormula: boolean;
}

/** Of Excel. */
const MOST_COLUMNS = 16_384;

/** The rows of a sheet that have a cell with content, those of a chunk at a time. */
export async function* sheetRows(
  chunks: AsyncIterable<Uint8Array>,
  context: SheetContext,
): AsyncGenerator<readonly SourceRow[]> {
  const reader = new SheetReader(context);
  const parser = xmlParser({
    open: (name, attributes) => reader.open(name, attributes),
    text: (text) => reader.text(text),
    close: (name) => reader.close(name),
  });
  for await (const chunk of chunks) {
    for (const piece of piecesOf(chunk, context.texts)) {
      parser.write(piece);
      yield reader.taken();
    }
  }
  parser.end();
  yield reader.taken();
}

/** In characters. */
const LONG_TEXT = 10_000;
/** In bytes. */
const SMALL_PIECE = 1_024;

/** Few cells at a time where each may stand for a long text: the rows of a piece are in memory together. */
function piecesOf(chunk: Uint8Array, { longest }: SharedTexts): readonly Uint8Array[] {
  if (longest <= LONG_TEXT) return [chunk];
  const count = Math.ceil(chunk.length / SMALL_PIECE);
  return Array.from({ length: count }, (_, n) => chunk.subarray(n * SMALL_PIECE, (n + 1) * SMALL_PIECE));
}

class SheetReader {
  readonly #context: SheetContext;
  #rows: SourceRow[] = [];
  #number = 0;
  #cells: SourceCell[] = [];
  #size = 0;
  #total = 0;
  #column = -1;
  #cell: OpenCell | undefined;
  #within: "value" | "text" | undefined;
  #isSpoken = false;

  constructor(context: SheetContext) {
    this.#context = context;
  }

  taken(): readonly SourceRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  open(name: string, attributes: Attributes): void {
    switch (name) {
      case "row":
        this.#number = /^\d{1,7}$/.test(attributes["r"] ?? "") ? Number(attributes["r"]) : this.#number + 1;
        this.#cells = [];
        this.#size = 0;
        this.#column = -1;
        return;
      case "c":
        this.#cell = this.#begun(attributes);
        return;
      case "f":
        if (this.#cell) this.#cell.hasFormula = true;
        return;
      case "v":
        if (this.#cell) this.#cell.hasValue = true;
        this.#within = "value";
        return;
      case "t":
        this.#within = this.#isSpoken ? undefined : "text";
        return;
      case "rPh":
        this.#isSpoken = true;
        return;
      default:
    }
  }

  text(part: string): void {
    if (!this.#cell || this.#within === undefined) return;
    // What is longer than a row may be is not kept.
    if (this.#cell[this.#within].length + part.length > LARGEST_ROW) this.#size = Infinity;
    else this.#cell[this.#within] += part;
  }

  close(name: string): void {
    if (name === "v" || name === "t") this.#within = undefined;
    if (name === "rPh") this.#isSpoken = false;
    if (name === "c" && this.#cell) {
      // The cells of a row that is left out are not looked up.
      if (this.#size <= LARGEST_ROW) this.#take(this.#cell);
      this.#cell = undefined;
    }
    if (name !== "row") return;
    const number = this.#number;
    if (this.#size > LARGEST_ROW)
      this.#rows.push({ number, cells: [], problem: `The row is longer than ${LARGEST_ROW} characters` });
    else if (this.#cells.length > 0) this.#rows.push({ number, cells: this.#cells });
  }

  #take(cell: OpenCell): void {
    const content = contentOf(cell, this.#context);
    const { length } = textOf(content);
    this.#size += length;
    this.#total += length;
    if (this.#total > this.#context.mostCharacters)
      throw new BadFile(
        `The sheet holds more than ${this.#context.mostCharacters} characters: divide it, and upload the parts`,
      );
    if (content === "" || this.#size > LARGEST_ROW) return;
    while (this.#cells.length < cell.column) this.#cells.push("");
    this.#cells[cell.column] = content;
  }

  #begun({ r: place, t: type = "n", s: style }: Attributes): OpenCell {
    this.#column = place === undefined ? this.#column + 1 : columnOf(place);
    if (!(this.#column < MOST_COLUMNS))
      throw new BadFile(`The workbook has a cell ${place?.slice(0, 20)}, which no sheet has`);
    return {
      column: this.#column,
      type,
      style: Number(style ?? 0),
      value: "",
      text: "",
      hasValue: false,
      hasFormula: false,
    };
  }
}

/** 0 for A, 26 for AA. */
function columnOf(place: string): number {
  let number = 0;
  for (let at = 0; at < 4; at += 1) {
    // Also of a small letter.
    const letter = (place.charCodeAt(at) & 0xdf) - 64;
    if (!(letter >= 1 && letter <= 26)) break;
    number = 26 * number + letter;
  }
  return number === 0 ? Number.NaN : number - 1;
}

function contentOf({ type, style, value, text, hasValue, hasFormula }: OpenCell, context: SheetContext): SourceCell {
  if (type === "inlineStr") return unescaped(text === "" ? value : text);
  if (hasFormula && !hasValue)
    return error("a formula without its result: open the workbook in Excel and save it there");
  if (value === "") return "";
  switch (type) {
    case "s":
      return context.texts.at(Number(value)) ?? error("a text that the workbook lacks");
    case "str":
      return unescaped(value);
    case "b":
      return { kind: "boolean", text: /^(1|true)$/i.test(value.trim()) ? "true" : "false" };
    case "e":
      return error(value);
    case "d":
      return isoDate(value.trim());
    default:
      return numberOf(value, context.styles[style] ?? PLAIN, context.is1904);
  }
}

function error(text: string): SourceCell {
  return { kind: "error", text };
}

function isoDate(text: string): SourceCell {
  if (/^\d\d:/.test(text)) return { kind: "time", text };
  return { kind: "date", text: text.replace(/T00:00(:00(\.0+)?)?Z?$/, "") };
}

const PLAIN = styleOf("number");

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const LONG_WHOLE = /^-?[1-9]\d{15,}$/;

function numberOf(value: string, { kind, digits }: NumberStyle, is1904: boolean): SourceCell {
  const number = NUMBER.test(value) ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) return value;
  if (kind === "number") {
    // A whole number that a double would change, which other programs than Excel write.
    const text = LONG_WHOLE.test(value) && !Number.isSafeInteger(number) ? value : String(number);
    // A postal code of the format 00000, for columns of text.
    return { kind: "number", text: /^\d+$/.test(text) ? text.padStart(digits, "0") : text };
  }
  if (kind === "time" && number >= 0 && number < 1) return { kind: "time", text: timeOfSerial(number) };
  const date = dateOfSerial(number, is1904);
  return date === undefined ? error(`the number ${value} as a date, which is none`) : { kind: "date", text: date };
}
