import { DELIMITERS, readCsv, type CsvTaken } from "../datasets/csv.ts";
import { BadFile, peeked, type SourceRow } from "../datasets/source-row.ts";
import type { FileInfo } from "../files/file-store.ts";
import { quoted } from "./columns.ts";
import { foldedName } from "./import-header.ts";
import type { Import } from "./import-payload.ts";
import type { AppFiles } from "./services.ts";

/** The rows of an uploaded file, whatever its format. */
export interface Source {
  readonly rows: AsyncIterable<readonly SourceRow[]>;
  /** What was taken for the reading: the part of the result. */
  readonly taken: Readonly<Record<string, unknown>>;
  /** The same for the log, if it was found out; `undefined` if all of it was asked for. */
  readonly note: string | undefined;
  /** A workbook leaves out cells without content. */
  readonly isSparse: boolean;
  /** The part of the file that has been read, in percent. */
  readonly percent: () => number;
  /** What may be wrong if the header does not fit. */
  readonly advice: (first: SourceRow) => string | undefined;
}

const BEGINNING = 8;

/** Throws `BadFile` for a file of another format. */
export async function sourceOf(asked: Import, file: FileInfo, files: AppFiles): Promise<Source> {
  let read = 0;
  async function* counted(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      read += chunk.length;
      yield chunk;
    }
  }
  const percent = (of: number) => Math.min(99, Math.floor((100 * read) / of));
  const isEnough = (parts: readonly Uint8Array[]) => parts.reduce((sum, { length }) => sum + length, 0) >= BEGINNING;
  const { head, all, close } = await peeked(counted(files.read(file.key)), isEnough);
  const format = formatOf(Buffer.concat(head));
  if (format === undefined) return csvSource(asked, all, () => percent(file.bytes));
  await close();
  if (format !== "zip") throw new BadFile(`The file is ${format}: ${EXPECTED}`);
  read = 0;
  const part = (from: number, to: number) => counted(files.read(file.key, { from, to }));
  const { readXlsx } = await import("../datasets/xlsx.ts");
  const { taken, rows, bytes } = await readXlsx(part, file.bytes, asked.sheet);
  const sheets = taken.sheets.length > 1 ? ` of ${taken.sheets.length}` : "";
  return {
    rows,
    taken: { format: "xlsx", sheet: taken.sheet },
    note: `Read as XLSX: sheet ${quoted(taken.sheet)}${sheets}`,
    isSparse: true,
    percent: () => percent(bytes),
    advice: () => undefined,
  };
}

/** Throws `BadFile` for binary data. */
export async function csvSource(
  asked: Import,
  bytes: AsyncIterable<Uint8Array>,
  percent: () => number,
): Promise<Source> {
  const expected = new Set([...Object.keys(asked.columns), ...Object.keys(asked.headerMap ?? {})].map(foldedName));
  const { taken, rows } = await readCsv(bytes, {
    encoding: asked.encoding,
    delimiter: asked.delimiter,
    isExpected: (name) => expected.has(foldedName(name)),
  });
  const { encoding, delimiter } = taken;
  return {
    rows,
    taken: { format: "csv", encoding, delimiter },
    note: noteOf(taken),
    isSparse: false,
    percent,
    advice: (first) => otherDelimiter(first, delimiter),
  };
}

function noteOf({ encoding, encodingBy, delimiter, delimiterBy }: CsvTaken): string | undefined {
  const isAsAsked = encodingBy === "default" || encodingBy === "option" || encoding === "utf-8";
  if (isAsAsked && delimiterBy === "option") return undefined;
  return `Read as CSV: in ${encoding}, by its ${encodingBy}; delimited by ${quoted(delimiter)}, by its ${delimiterBy}`;
}

function otherDelimiter({ cells }: SourceRow, delimiter: string): string | undefined {
  const [name] = cells;
  const other = DELIMITERS.find(
    (char) => char !== delimiter && cells.length === 1 && typeof name === "string" && name.includes(char),
  );
  return other && `it seems to be delimited by ${quoted(other)}: submit the job with that delimiter, or with "auto"`;
}

export const EXPECTED = "expected CSV or XLSX; save it as one of them and upload that";

const FORMATS: readonly (readonly [string, readonly number[]])[] = [
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["an empty zip archive", [0x50, 0x4b, 0x05, 0x06]],
  ["an old Excel workbook (.xls), or one with a password", [0xd0, 0xcf, 0x11, 0xe0]],
  ["a PDF", [0x25, 0x50, 0x44, 0x46]],
  ["compressed with gzip", [0x1f, 0x8b]],
];

function formatOf(bytes: Uint8Array): string | undefined {
  return FORMATS.find(([, first]) => first.every((byte, index) => bytes[index] === byte))?.[0];
}
