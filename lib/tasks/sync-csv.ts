import { pipeline } from "node:stream/promises";
import type { Row } from "../datasets/dataset.ts";
import { cellOf, isColumnName, quoted } from "./columns.ts";
import type { Sync } from "./sync-payload.ts";

/** The reason why a text is no CSV, in words for people. */
export class BadCsv extends Error {}

/** Takes the problem of a row that is left out, and its number; the header is row 1. */
export type Reject = (problem: string, rowNumber: number) => Promise<void>;

const LARGEST_ROW = 1_000_000;

/** The rows below a header. Without types, all cells are text. */
export async function* csvRows(
  chunks: AsyncIterable<Uint8Array>,
  { delimiter, columns }: NonNullable<Sync["csv"]>,
  reject: Reject,
): AsyncGenerator<Row> {
  const { parse } = await import("csv-parse");
  const parser = parse({
    bom: true,
    delimiter,
    record_delimiter: ["\r\n", "\n", "\r"],
    max_record_size: LARGEST_ROW,
    relax_column_count: true,
  });
  const feeding = pipeline(chunks, parser);
  // The loop throws the errors of the pipeline.
  feeding.catch(() => {});
  let header: readonly string[] | undefined;
  let number = 0;
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      number += 1;
      if (cells.length === 1 && cells[0] === "") continue;
      if (!header) {
        header = headerOf(cells, columns);
        continue;
      }
      const row = rowOf(cells, header, columns);
      if (typeof row === "string") await reject(row, number);
      else yield row;
    }
    await feeding;
  } catch (error) {
    const { code = "", message, lines } = error as { code?: string; message: string; lines?: number };
    throw /^(CSV|INVALID)_/.test(code) ? new BadCsv(`line ${lines} is no CSV: ${message}`) : error;
  }
}

function headerOf(cells: readonly string[], columns: NonNullable<Sync["csv"]>["columns"]): readonly string[] {
  const names = cells.map((name) => name.trim());
  const missing = Object.keys(columns ?? {}).find((name) => !names.includes(name));
  if (missing !== undefined) throw new BadCsv(`the header lacks ${quoted(missing)}, which csv.columns names`);
  const bad = names.find((name, index) => !isColumnName(name) || names.indexOf(name) !== index);
  if (bad !== undefined) throw new BadCsv(`the header has ${quoted(bad)}, which can't be a column's name, or is twice`);
  return names;
}

function rowOf(
  cells: readonly string[],
  header: readonly string[],
  columns: NonNullable<Sync["csv"]>["columns"],
): Row | string {
  if (cells.length !== header.length) return `Expected ${header.length} cells, got ${cells.length}`;
  const row: Record<string, unknown> = {};
  for (const [index, name] of header.entries()) {
    const type = columns ? columns[name] : "string";
    if (type === undefined) continue;
    const text = cells[index] ?? "";
    const cell = cellOf(type, text);
    if ("expected" in cell) return `Column ${name}: expected ${cell.expected}, got ${quoted(text)}`;
    row[name] = cell.value;
  }
  return row;
}
