import type { EpochMs } from "../clock.ts";

export const COLUMN_TYPES = ["string", "number", "integer", "boolean", "date", "any"] as const;

/** `number`: one that a JavaScript number would change is an `ExactNumber`. `date`: text of ISO 8601, a day or an instant in UTC. `any`: any JSON value. */
export type ColumnType = (typeof COLUMN_TYPES)[number];

export type Columns = Readonly<Record<string, ColumnType>>;

/** A column without a value is null or absent. */
export type Row = Readonly<Record<string, unknown>>;

export interface Dataset {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly columns: Columns;
  /** The column by which reports are filtered. */
  readonly dateField: string | null;
  readonly updatedAt: EpochMs;
}

export interface Commit {
  /** `replace`: the dataset then holds this part alone. */
  readonly mode: "append" | "replace";
  readonly columns: Columns;
  readonly dateField?: string | undefined;
  /** For a column that already has another type: refuse the part, or widen the column to `any`. */
  readonly otherType: "refuse" | "widen";
  /** Of all rows. It is forgotten as soon as others come. */
  readonly origin?: Origin | undefined;
  /** The job's result. It is stored, so that a repeated run returns the same one. */
  readonly result: Readonly<Record<string, unknown>>;
}

export type Committed =
  /** `result`: from the run that added the part, this one or an earlier one. */
  | { readonly kind: "committed"; readonly result: Readonly<Record<string, unknown>> }
  | { readonly kind: "refused"; readonly problem: string };

/** Where the rows of a dataset came from, and how to ask whether they have changed there since. */
export interface Origin {
  /** The same for the same question. */
  readonly key: string;
  /** The headers of a conditional request. */
  readonly conditions: Readonly<Record<string, string>>;
}

/** The progress of a part, for a checkpoint: how many files each attempt has written. */
export interface SavedPart {
  readonly rows: number;
  readonly bytes: number;
  readonly files: readonly (readonly [attempt: number, count: number])[];
}

/** Writes a job's rows into its part of a dataset. */
export interface PartWriter {
  write(row: Row): Promise<void>;
  /** Completes a file of the rows written so far. A later attempt can resume from there. */
  flush(): Promise<SavedPart>;
  /** The rows of the checkpoint that this part was resumed from. */
  earlier(): AsyncIterable<readonly Row[]>;
  commit(commit: Commit): Promise<Committed>;
  /** Drops the rows that this attempt has not flushed. */
  abort(): Promise<void>;
  /** Deletes all rows that this attempt has written. */
  discard(): Promise<void>;
}

/** The datasets of one app, for a run of one of its jobs. */
export interface AppDatasets {
  list(): Promise<readonly Dataset[]>;
  get(name: string): Promise<Dataset | undefined>;
  /** All rows, some hundred at a time, in the order of their commits. */
  rows(name: string): AsyncIterable<readonly Row[]>;
  /** The origin of the rows that the dataset holds, if its last commit named one. */
  origin(name: string): Promise<(Origin & Pick<Dataset, "rows" | "updatedAt">) | undefined>;
  /** This job's result, if it has already committed its part. */
  committed(name: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** This job's part, from the beginning or from an earlier flush. */
  part(name: string, saved?: SavedPart): PartWriter;
  /** Whether all files of an uncommitted part still exist. */
  has(name: string, saved: SavedPart): Promise<boolean>;
  /** Deletes old files of parts that were never committed and whose job has finished. Returns how many. */
  removeLost(before: EpochMs, isUnfinished: (jobId: string) => Promise<boolean>, dryRun: boolean): Promise<number>;
}

/** The columns of both, or the reason why they can't be merged. */
export function mergedColumns(there: Columns, added: Columns, otherType: Commit["otherType"]): Columns | string {
  const merged: Record<string, ColumnType> = { ...there };
  for (const [name, type] of Object.entries(added)) {
    const known = Object.hasOwn(there, name) ? there[name] : undefined;
    if (known !== undefined && known !== type && otherType === "refuse") {
      return `its column ${name} holds ${known}, expected ${type}: use that type, or mode replace, or another dataset`;
    }
    merged[name] = known === undefined || known === type ? type : "any";
  }
  const count = Object.keys(merged).length;
  return count > MOST_COLUMNS ? `it would have ${count} columns, expected at most ${MOST_COLUMNS}` : merged;
}

export const MOST_COLUMNS = 200;
