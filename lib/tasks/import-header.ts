import { BadFile, textOf, type SourceCell } from "../datasets/source-row.ts";
import { MOST_COLUMNS, type Columns } from "../datasets/dataset.ts";
import { isColumnName, quoted } from "./columns.ts";
import type { Import } from "./import-payload.ts";

// The columns of a file by its header. Names that differ in case and spaces alone are the same.

/** What becomes of the cells of a column. */
export type Field =
  | { readonly kind: "column"; readonly name: string }
  | { readonly kind: "ignored" }
  /** A column without a name, which is expected to be empty. */
  | { readonly kind: "empty" };

export interface Header {
  readonly fields: readonly Field[];
  /** Up to the last column with a name. */
  readonly width: number;
  /** Whether columns that the job does not name may have values. */
  readonly isIgnoring: boolean;
  /** With those that are kept although the job does not name them. */
  readonly columns: Columns;
  /** What was not taken as it is, for the log. */
  readonly notes: readonly string[];
}

/** Throws `BadFile` for a header that does not fit the job. */
export function headerOf(cells: readonly SourceCell[], asked: Import, advice: string | undefined): Header {
  const names = cells.map((cell) => textOf(cell).trim());
  const width = names.findLastIndex((name) => name !== "") + 1;
  const targets = targetsOf(names, asked);
  const isIgnoring = asked.extraColumns === "ignore";
  const fields = names.map((name, index): Field => {
    const target = targets[index] ?? (asked.extraColumns === "keep" ? name : "");
    if (name !== "" && target !== "") return { kind: "column", name: target };
    return { kind: name === "" && !isIgnoring ? "empty" : "ignored" };
  });
  const extra = names.filter((name, index) => name !== "" && targets[index] === undefined);
  refuseWrong({ names: names.slice(0, width), fields, extra }, asked, advice);
  const kept = asked.extraColumns === "keep" ? extra.map((name) => [name, "string"] as const) : [];
  const columns: Columns = { ...asked.columns, ...Object.fromEntries(kept) };
  const renamed = names.flatMap((name, index) => {
    const target = targets[index];
    return target === undefined || target === name ? [] : [`${quoted(name)} as ${target}`];
  });
  const notes = [
    ...(renamed.length > 0 ? [`Of the header, these names are read as columns of the job: ${few(renamed)}`] : []),
    ...(isIgnoring && extra.length > 0 ? [`Columns that the job does not name are left out: ${listed(extra)}`] : []),
    ...(kept.length > 0 ? [`Columns that the job does not name are kept as text: ${listed(extra)}`] : []),
    ...(width < names.length ? [`Columns without a name at the end are left out: ${names.length - width}`] : []),
  ];
  return { fields, width, isIgnoring, columns, notes };
}

/** Without case, spaces and line breaks, and what is not seen. */
export function foldedName(name: string): string {
  return name
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[\s\p{Cf}]+/gu, "");
}

/** The job's column of each name in the file; `undefined` if there is none. */
function targetsOf(names: readonly string[], { columns, headerMap = {} }: Import): readonly (string | undefined)[] {
  const renamed = new Map(Object.entries(headerMap).map(([name, target]) => [foldedName(name), target]));
  const folded = new Map<string, string | undefined>();
  // Columns of the job that differ in case and spaces alone are found by their exact names.
  for (const name of Object.keys(columns)) {
    const key = foldedName(name);
    folded.set(key, folded.has(key) ? undefined : name);
  }
  const exact = new Set(names);
  return names.map((name) => {
    const key = foldedName(name);
    if (renamed.has(key)) return renamed.get(key);
    if (Object.hasOwn(columns, name)) return name;
    const target = folded.get(key);
    // Another column of the file has that very name.
    return target !== undefined && exact.has(target) ? undefined : target;
  });
}

interface Found {
  readonly names: readonly string[];
  readonly fields: readonly Field[];
  /** Names that are none of the job's. */
  readonly extra: readonly string[];
}

function refuseWrong({ names, fields, extra }: Found, { columns, extraColumns }: Import, advice?: string): void {
  const taken = fields.flatMap((field) => (field.kind === "column" ? [field.name] : []));
  const distinct = new Set<string>();
  const repeated = taken.find((name) => distinct.size === distinct.add(name).size);
  const found = new Set(taken);
  const missing = Object.keys(columns).filter((name) => !found.has(name));
  const unnamed = names.findIndex((name, index) => name === "" && fields[index]?.kind === "empty");
  const unfit = extraColumns === "keep" ? extra.filter((name) => !isColumnName(name)) : [];
  const wrong = [
    ...(repeated === undefined ? [] : [`it names ${quoted(repeated)} twice`]),
    ...(missing.length > 0 ? [`it lacks ${listed(missing)}`] : []),
    ...(extraColumns === undefined && extra.length > 0 ? [`it names ${listed(extra)}, which the job does not`] : []),
    ...(unnamed < 0 ? [] : [`its column ${unnamed + 1} has no name`]),
    ...(unfit.length > 0 ? [`it names ${listed(unfit)}, which can't be a column's name`] : []),
    ...(found.size > MOST_COLUMNS ? [`it has more than ${MOST_COLUMNS} columns`] : []),
  ];
  if (wrong.length === 0) return;
  const isExtra = missing.length === 0 && repeated === undefined && (extra.length > 0 || unnamed >= 0);
  const agree = `make the file's header and the job's columns agree${isExtra ? ', or submit it with extraColumns "ignore"' : ""}`;
  const expected = Object.keys(columns);
  // A sync may take all columns.
  const wanted =
    expected.length === 0
      ? `Expected each column with a name of its own; ${advice ?? TAKE_SOME}`
      : `Expected ${listed(expected)}; ${advice ?? agree}`;
  throw new BadFile(`The header is wrong: ${wrong.join("; ")}. ${wanted}`);
}

const TAKE_SOME = 'name those to take by "columns", with extraColumns "ignore"';

function listed(names: readonly string[]): string {
  return few(names.map(quoted));
}

function few(texts: readonly string[]): string {
  const shown = texts.slice(0, 10).join(", ");
  return texts.length > 10 ? `${shown} and ${texts.length - 10} more` : shown;
}
