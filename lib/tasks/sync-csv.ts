import type { Columns, Row } from "../datasets/dataset.ts";
import type { Import } from "./import-payload.ts";
import { Reading } from "./import-rows.ts";
import { csvSource } from "./import-source.ts";
import type { Sync } from "./sync-payload.ts";
import type { LogDetail } from "./task.ts";

/** What is told of the rows while they are read. */
export interface CsvEvents {
  /** The problem of a row that is left out. The header is row 1. */
  readonly rejected: (problem: string, detail: LogDetail) => Promise<void>;
  readonly noted: (message: string, detail?: LogDetail) => Promise<void>;
  /** The columns of the header with their types. */
  readonly began: (columns: Columns) => void;
}

/** The rows below a header, as `import_csv` reads them. Without types, all cells are text. Throws `BadFile`. */
export async function* csvRows(
  bytes: AsyncIterable<Uint8Array>,
  { dataset, csv = { delimiter: "," } }: Pick<Sync, "dataset" | "csv">,
  events: CsvEvents,
): AsyncGenerator<Row> {
  const { columns = {}, ...notation } = csv;
  const isTyped = csv.columns !== undefined;
  const asked: Import = { dataset, mode: "append", columns, ...notation };
  if (!isTyped) asked.extraColumns = "keep";
  const source = await csvSource(asked, bytes, () => 0);
  if (source.note !== undefined) await events.noted(source.note);
  const reading = new Reading(asked, source);
  for await (const rows of source.rows) {
    for (const sourceRow of rows) {
      const { header, note, problem, row } = reading.next(sourceRow);
      if (header) {
        events.began(header.columns);
        // Without types, all columns are kept, which is no news.
        if (isTyped) for (const each of header.notes) await events.noted(each);
      }
      if (note !== undefined) await events.noted(note.message, { rowNumber: note.rowNumber });
      if (problem !== undefined) await events.rejected(problem, { rowNumber: sourceRow.number });
      if (row) yield row;
    }
  }
  for (const { message, rowNumber } of reading.lastNotes()) await events.noted(message, { rowNumber });
}
