import type { Columns, Dataset, Row } from "../datasets/dataset.ts";
import { dateFieldProblem } from "./columns.ts";
import type { Processing } from "./data-processing.ts";
import { Inexact, fieldsOf, meets, own, typeOfExpression, valueOf } from "./expressions.ts";
import { MOST_GROUPS, createGroups, groupFieldsOf, groupedColumns, type Groups } from "./groups.ts";
import { done, failed, type TaskContext, type TaskOutcome } from "./task.ts";

// The run of the task `data_processing`, which functions that only accept jobs don't load.

export async function processRows(asked: Processing, context: TaskContext): Promise<TaskOutcome> {
  const { datasets, signal } = context;
  const before = await datasets.committed(asked.target);
  if (before) return done(before);
  const source = await datasets.get(asked.source);
  if (!source) return failed(`There is no dataset ${asked.source}: import it first`);
  const planned = planOf(asked, source);
  if (typeof planned === "string") return failed(planned);

  const part = datasets.part(asked.target);
  let rowsRead = 0;
  let rowsMatched = 0;
  let rowsWritten = 0;
  let shown = 0;
  try {
    for await (const batch of datasets.rows(asked.source)) {
      signal.throwIfAborted();
      rowsRead += batch.length;
      for (const row of batch) {
        if (!planned.matches(row)) continue;
        rowsMatched += 1;
        if (planned.grows(row)) {
          await part.discard();
          return failed(tooLong(rowsMatched));
        }
        const selected = planned.select(row);
        if (!planned.groups) {
          rowsWritten += 1;
          await part.write(selected);
        } else if (!planned.groups.add(selected)) {
          await part.discard();
          return failed(TOO_MANY_GROUPS);
        }
      }
      const percent = Math.min(99, Math.floor((100 * rowsRead) / Math.max(1, source.rows)));
      if (percent > shown) await context.progress((shown = percent), 100, { label: `${rowsRead} rows` });
    }
    for (const row of planned.groups?.rows() ?? []) {
      rowsWritten += 1;
      await part.write(row);
    }
    const result = { dataset: asked.target, rowsRead, rowsMatched, rowsWritten };
    const { mode, dateField = planned.dateField } = asked;
    const committed = await part.commit({ mode, columns: planned.columns, dateField, otherType: "refuse", result });
    if (committed.kind === "committed") {
      await context.progress(100, 100);
      return done(committed.result);
    }
    await part.discard();
    return failed(`Dataset ${asked.target} can't take the rows: ${committed.problem}`);
  } catch (error) {
    if (error instanceof Inexact) {
      await part.discard();
      return failed(error.message);
    }
    await part.abort();
    throw error;
  }
}

const TOO_MANY_GROUPS = `There are more than ${MOST_GROUPS} groups, or their values are too long: expected fewer; group by fields with fewer values, or filter the rows`;

/** In characters: a row whose long field stands in many columns would take the memory of the process. */
const LONGEST_ROW = 8 * 1_024 * 1_024;

function tooLong(row: number): string {
  return `Row ${row} of those that match would have more than ${LONGEST_ROW} characters: expected fewer; select its long fields once`;
}

interface Plan {
  readonly columns: Columns;
  readonly dateField: string | undefined;
  matches(row: Row): boolean;
  select(row: Row): Row;
  /** True if copies of fields make the row too long. */
  grows(row: Row): boolean;
  readonly groups?: Groups;
}

/** How each row is processed, or why these columns don't allow it. */
function planOf({ where, select, groupBy: grouping, dateField }: Processing, source: Dataset): Plan | string {
  const available = (columns: Columns, names: readonly string[]) => names.find((name) => !Object.hasOwn(columns, name));
  const selects = Object.entries(select ?? {});
  const read = [...where.map(({ field }) => field), ...selects.flatMap(([, each]) => fieldsOf(each))];
  const missing = available(source.columns, read);
  if (missing !== undefined) return notThere(missing, source.columns, `dataset ${source.name}`);

  const selected: Columns = select
    ? Object.fromEntries(selects.map(([name, each]) => [name, typeOfExpression(each, source.columns)]))
    : source.columns;
  const calculated = grouping ? groupFieldsOf(grouping) : [];
  const absent = available(selected, calculated);
  if (absent !== undefined) return notThere(absent, selected, "the selected columns");
  const twice = grouping?.fields.find((name) => Object.hasOwn(grouping.aggregates, name));
  if (twice !== undefined) return `groupBy has ${twice} as a field and as an aggregate: expected different names`;

  const columns = grouping ? groupedColumns(grouping, selected) : selected;
  const problem = dateFieldProblem(dateField, columns);
  if (problem !== undefined) return problem;
  const inherited = source.dateField;
  const copies = selects.flatMap(([, each]) => (typeof each === "string" ? [each] : []));
  const uses = Map.groupBy(copies, (name) => name);
  return {
    columns,
    dateField: inherited !== null && dateFieldProblem(inherited, columns) === undefined ? inherited : undefined,
    matches: (row) => where.every((each) => meets(own(row, each.field), each)),
    select: select
      ? (row) => Object.fromEntries(selects.map(([name, each]) => [name, valueOf(each, row)]))
      : (row) => row,
    // Without a field that is selected twice, a row is not much longer than the one that it is made of.
    grows: uses.size === copies.length ? () => false : (row) => lengthOf(row, uses) > LONGEST_ROW,
    ...(grouping && { groups: createGroups(grouping) }),
  };
}

/** Of the copied fields, as JSON. */
function lengthOf(row: Row, uses: ReadonlyMap<string, readonly string[]>): number {
  return [...uses].reduce((sum, [name, { length }]) => sum + length * JSON.stringify(own(row, name)).length, 0);
}

function notThere(name: string, columns: Columns, where: string): string {
  return `There is no column ${name} in ${where}: expected one of ${Object.keys(columns).slice(0, 20).join(", ")}`;
}
