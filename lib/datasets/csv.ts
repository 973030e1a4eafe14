import { csvRows, csvRowsIn } from "./csv-rows.ts";
import { BadFile, peeked, textOf, type SourceRow } from "./source-row.ts";
import { decoded } from "./text-encoding.ts";

// CSV in any encoding, with its own line on the delimiter or without.

export const DELIMITERS = [",", ";", "\t", "|"] as const;

export interface CsvOptions {
  /** Of a file without a byte order mark. Default: UTF-8. */
  readonly encoding?: string | undefined;
  /** `auto`: the one that fits the header and the first rows best. A line `sep=;` at the top of the file is stronger. */
  readonly delimiter: (typeof DELIMITERS)[number] | "auto";
  /** Whether the first row is expected to have a cell of this text. */
  readonly isExpected?: (name: string) => boolean;
}

/** What was taken for the reading of the file, and what each was taken from. */
export interface CsvTaken {
  readonly encoding: string;
  readonly encodingBy: "byte order mark" | "option" | "default";
  readonly delimiter: string;
  readonly delimiterBy: "sep line" | "content" | "option";
}

/** In characters. */
const SAMPLE = 64 * 1_024;

/** Throws `BadFile`, also while the rows are read. */
export async function readCsv(
  bytes: AsyncIterable<Uint8Array>,
  { encoding: asked, delimiter, isExpected = () => false }: CsvOptions,
): Promise<{ readonly taken: CsvTaken; readonly rows: AsyncIterable<readonly SourceRow[]> }> {
  const { encoding, by: encodingBy, text } = await decoded(bytes, asked);
  const isEnough = (parts: readonly string[]) => parts.reduce((sum, { length }) => sum + length, 0) >= SAMPLE;
  const { head, all, close } = await peeked(text, isEnough);
  const sample = head.join("");
  if (MARKUP.test(sample)) {
    await close();
    throw new BadFile(
      "The file is HTML or XML, perhaps the page of a login or an error: expected CSV or XLSX; export it as one of them",
    );
  }
  const line = SEPARATOR_LINE.exec(sample);
  const rest = line ? without(all, line[0].length) : all;
  const separator = line?.[1];
  const isWhole = !isEnough(head);
  const found =
    separator ?? (delimiter === "auto" ? delimiterOf(sample.slice(0, SAMPLE), isWhole, isExpected) : delimiter);
  const delimiterBy = separator === undefined ? (delimiter === "auto" ? "content" : "option") : "sep line";
  return { taken: { encoding, encodingBy, delimiter: found, delimiterBy }, rows: csvRows(rest, found) };
}

/** What sources answer with 200 where they want a login, and what some programs save as `.xls`. It would be a header. */
const MARKUP = /^\s{0,1000}<(?:!--|(?:!doctype|\?xml|html|head|body|table)[\s>])/i;

/** The first line by which Excel is told the delimiter. */
const SEPARATOR_LINE = /^"?sep=([^\w\s"]|\t)"?[ ,;\t]*(?:\r\n|\r|\n|$)/i;

async function* without(text: AsyncIterable<string>, count: number): AsyncGenerator<string> {
  let left = count;
  for await (const part of text) {
    yield part.slice(left);
    left = Math.max(0, left - part.length);
  }
}

const SAMPLE_ROWS = 20;

/** By how many cells of the header are expected, then by how many rows have as many cells, then by how many they have. */
function delimiterOf(sample: string, isWhole: boolean, isExpected: (name: string) => boolean): string {
  const scored = DELIMITERS.map((delimiter) => {
    const [header, ...rows] = csvRowsIn(sample, delimiter, isWhole).slice(0, SAMPLE_ROWS).map(width);
    if (!header) return { delimiter, score: [0, 0, 0] as const };
    const known = header.names.filter(isExpected).length;
    const alike = rows.filter(
      ({ count, names }) => count === header.count || names.length === header.names.length,
    ).length;
    const share = header.count > 1 || known > 0 ? (alike + 1) / (rows.length + 1) : 0;
    return { delimiter, score: [known, share, header.count] as const };
  });
  const [best] = scored.toSorted(({ score: a }, { score: b }) => b[0] - a[0] || b[1] - a[1] || b[2] - a[2]);
  return best?.delimiter ?? ",";
}

/** The cells of a row, without the empty ones at its end. */
function width({ cells }: SourceRow): { readonly names: readonly string[]; readonly count: number } {
  const names = cells.map((cell) => textOf(cell).trim());
  return { names, count: names.findLastIndex((name) => name !== "") + 1 };
}
