// A row of a file, before its cells have the types of a dataset's columns.

/**
 * The content of a cell. Text is read by the type of its column. A workbook knows the types of its cells: the text of a
 * number is as JSON writes it, of a date as ISO 8601, of a time as HH:MM:SS; of an error, it is what is wrong.
 */
export type SourceCell =
  | string
  | { readonly kind: "number" | "date" | "time" | "boolean" | "error"; readonly text: string };

export interface SourceRow {
  /** As a spreadsheet shows it, from 1. */
  readonly number: number;
  readonly cells: readonly SourceCell[];
  /** The reason why the row can't be read; then it has no cells. */
  readonly problem?: string;
}

/** In characters. */
export const LARGEST_ROW = 1_000_000;

/** The problem of a file, in words for the person who uploaded it. */
export class BadFile extends Error {}

export function textOf(cell: SourceCell): string {
  return typeof cell === "string" ? cell : cell.text;
}

/** The first parts of a stream until `isEnough`, and all of it. `close` ends a stream that is not read any further. */
export async function peeked<T>(
  parts: AsyncIterable<T>,
  isEnough: (head: readonly T[]) => boolean,
): Promise<{ readonly head: readonly T[]; readonly all: AsyncIterable<T>; readonly close: () => Promise<void> }> {
  const iterator = parts[Symbol.asyncIterator]();
  const close = async () => void (await iterator.return?.());
  const head: T[] = [];
  while (!isEnough(head)) {
    const next = await iterator.next();
    if (next.done) break;
    head.push(next.value);
  }
  async function* all(): AsyncGenerator<T> {
    try {
      yield* head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await close();
    }
  }
  return { head, all: all(), close };
}
