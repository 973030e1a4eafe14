import * as z from "zod";
import { columnName, dateFieldProblem, datasetName } from "./columns.ts";
import { defineTask, done, failed } from "./task.ts";
import { MOST_COLUMNS, type ColumnType, type Columns, type Dataset, type Row } from "../datasets/dataset.ts";

const value = z.union([z.string().max(1_000), z.number(), z.boolean(), z.null()]);

const condition = z.union([
  z.strictObject({
    field: columnName,
    op: z.enum(["eq", "ne", "lt", "lte", "gt", "gte", "contains", "startsWith"]),
    value,
  }),
  z.strictObject({ field: columnName, op: z.literal("in"), value: z.array(value).max(100) }),
]);

const operand = z.union([columnName, z.number()]);
const operands = z.array(operand).min(2).max(10);

const expression = z.union([
  columnName,
  z.strictObject({ add: operands }),
  z.strictObject({ subtract: operands }),
  z.strictObject({ multiply: operands }),
  z.strictObject({ divide: operands }),
]);

const aggregate = z.union([
  z.strictObject({ op: z.literal("count") }),
  z.strictObject({ op: z.enum(["sum", "avg", "min", "max"]), field: columnName }),
]);

const payload = z.strictObject({
  source: datasetName,
  target: datasetName,
  mode: z.enum(["append", "replace"]).default("replace"),
  where: z.array(condition).max(20).default([]).describe("Conditions of which a row must meet all."),
  select: z
    .record(columnName, expression)
    .refine((given) => Object.keys(given).length <= MOST_COLUMNS, `expected at most ${MOST_COLUMNS} columns`)
    .optional()
    .describe("The columns of a row: a field of the source, or arithmetic on fields and numbers. Default: all fields."),
  groupBy: z
    .strictObject({
      fields: z.array(columnName).max(10),
      aggregates: z
        .record(columnName, aggregate)
        .refine((given) => Object.keys(given).length <= 20, "expected at most 20"),
    })
    .optional()
    .describe("Makes one row of all that have the same values in these columns, after `select`."),
  dateField: columnName.optional(),
});

type Asked = z.infer<typeof payload>;
type Expression = z.infer<typeof expression>;
type Aggregate = z.infer<typeof aggregate>;

/** What is kept in memory: a group takes about 1 KB with its key. */
const MOST_GROUPS = 100_000;
const MOST_CHARACTERS = 16 * 1_024 * 1_024;

/** Filters, maps and groups the rows of a dataset into another. It is described by data: no code is run. */
export const dataProcessing = defineTask({
  jobType: "data_processing",
  summary: "Filters, maps and groups a dataset into another",
  payload,

  async run(asked, context) {
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
      await part.abort();
      throw error;
    }
  },
});

const TOO_MANY_GROUPS = `There are more than ${MOST_GROUPS} groups, or their values are too long: expected fewer; group by fields with fewer values, or filter the rows`;

interface Plan {
  readonly columns: Columns;
  readonly dateField: string | undefined;
  matches(row: Row): boolean;
  select(row: Row): Row;
  readonly groups?: Groups;
}

/** What is to be done with each row, or why it can't be done with these columns. */
function planOf({ where, select, groupBy, dateField }: Asked, source: Dataset): Plan | string {
  const available = (columns: Columns, names: readonly string[]) => names.find((name) => !Object.hasOwn(columns, name));
  const selects = Object.entries(select ?? {});
  const read = [...where.map(({ field }) => field), ...selects.flatMap(([, each]) => fieldsOf(each))];
  const missing = available(source.columns, read);
  if (missing !== undefined) return notThere(missing, source.columns, `dataset ${source.name}`);

  const selected: Columns = select
    ? Object.fromEntries(selects.map(([name, each]) => [name, typeOfExpression(each, source.columns)]))
    : source.columns;
  const calculated = groupBy ? groupFieldsOf(groupBy) : [];
  const absent = available(selected, calculated);
  if (absent !== undefined) return notThere(absent, selected, "the selected columns");
  const twice = groupBy?.fields.find((name) => Object.hasOwn(groupBy.aggregates, name));
  if (twice !== undefined) return `groupBy has ${twice} as a field and as an aggregate: expected different names`;

  const columns = groupBy ? groupedColumns(groupBy, selected) : selected;
  const problem = dateFieldProblem(dateField, columns);
  if (problem !== undefined) return problem;
  const inherited = source.dateField;
  return {
    columns,
    dateField: inherited !== null && dateFieldProblem(inherited, columns) === undefined ? inherited : undefined,
    matches: (row) => where.every((each) => meets(own(row, each.field), each)),
    select: select
      ? (row) => Object.fromEntries(selects.map(([name, each]) => [name, valueOf(each, row)]))
      : (row) => row,
    ...(groupBy && { groups: createGroups(groupBy) }),
  };
}

function notThere(name: string, columns: Columns, where: string): string {
  return `There is no column ${name} in ${where}: expected one of ${Object.keys(columns).slice(0, 20).join(", ")}`;
}

function own(row: Row, name: string): unknown {
  return Object.hasOwn(row, name) ? (row[name] ?? null) : null;
}

// ---- Conditions ----

type Condition = z.infer<typeof condition>;

/** Values of different types are never equal, less or greater; null is only ever equal or not. */
function meets(found: unknown, { op, value }: Condition): boolean {
  switch (op) {
    case "eq":
      return found === value;
    case "ne":
      return found !== value;
    case "in":
      return value.some((each) => each === found);
    case "contains":
      return typeof found === "string" && typeof value === "string" && found.includes(value);
    case "startsWith":
      return typeof found === "string" && typeof value === "string" && found.startsWith(value);
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      return compares(found, op, value);
    default:
      return op satisfies never;
  }
}

function compares(found: unknown, op: "lt" | "lte" | "gt" | "gte", value: unknown): boolean {
  const comparable =
    (typeof found === "number" && typeof value === "number") ||
    (typeof found === "string" && typeof value === "string");
  if (!comparable) return false;
  const [a, b] = [found, value] as [number, number];
  if (op === "lt") return a < b;
  if (op === "lte") return a <= b;
  return op === "gt" ? a > b : a >= b;
}

// ---- Expressions ----

function partsOf(each: Exclude<Expression, string>) {
  const [[op, operands]] = Object.entries(each) as [[keyof typeof ARITHMETIC, (string | number)[]]];
  return { op, operands };
}

const ARITHMETIC = {
  add: (a: number, b: number) => a + b,
  subtract: (a: number, b: number) => a - b,
  multiply: (a: number, b: number) => a * b,
  divide: (a: number, b: number) => a / b,
};

function fieldsOf(each: Expression): string[] {
  if (typeof each === "string") return [each];
  return partsOf(each).operands.filter((operand) => typeof operand === "string");
}

function typeOfExpression(each: Expression, columns: Columns): ColumnType {
  return typeof each === "string" ? (columns[each] ?? "any") : "number";
}

/** Null where an operand is no number, or the result is none. */
function valueOf(each: Expression, row: Row): unknown {
  if (typeof each === "string") return own(row, each);
  const { op, operands } = partsOf(each);
  const numbers = operands.map((operand) => (typeof operand === "number" ? operand : own(row, operand)));
  if (!numbers.every((number) => typeof number === "number")) return null;
  const result = numbers.reduce(ARITHMETIC[op]);
  return Number.isFinite(result) ? result : null;
}

// ---- Groups ----

type GroupBy = NonNullable<Asked["groupBy"]>;

interface Groups {
  /** False when it would be one too many. */
  add(row: Row): boolean;
  rows(): Iterable<Row>;
}

interface Sum {
  count: number;
  sum: number;
  min: unknown;
  max: unknown;
}

function createGroups({ fields, aggregates }: GroupBy): Groups {
  const wanted = Object.entries(aggregates);
  const groups = new Map<string, { values: unknown[]; sums: Sum[] }>();
  let characters = 0;
  return {
    add: (row) => {
      const values = fields.map((name) => own(row, name));
      const key = JSON.stringify(values);
      let group = groups.get(key);
      if (!group) {
        characters += key.length;
        if (groups.size === MOST_GROUPS) return false;
        group = { values, sums: wanted.map(() => ({ count: 0, sum: 0, min: null, max: null })) };
        groups.set(key, group);
      }
      for (const [index, [, each]] of wanted.entries()) {
        const sum = group.sums[index];
        if (sum) characters += addTo(sum, each, row);
      }
      return characters <= MOST_CHARACTERS;
    },
    *rows() {
      for (const { values, sums } of groups.values()) {
        const grouped = fields.map((name, index) => [name, values[index]]);
        const summed = wanted.map(([name, { op }], index) => [name, resultOf(op, sums[index])]);
        yield Object.fromEntries([...grouped, ...summed]) as Row;
      }
    },
  };
}

/** Rows without a value count for `count` alone. Answers how many more characters are kept. */
function addTo(sum: Sum, each: Aggregate, row: Row): number {
  const value = each.op === "count" ? true : own(row, each.field);
  if (value === null) return 0;
  if (each.op === "min" || each.op === "max") {
    const kept = sum[each.op];
    if (kept !== null && !compares(value, each.op === "min" ? "lt" : "gt", kept)) return 0;
    sum[each.op] = value;
    return charactersOf(value) - charactersOf(kept);
  }
  if (each.op !== "count" && typeof value !== "number") return 0;
  sum.count += 1;
  sum.sum += Number(value);
  return 0;
}

function charactersOf(value: unknown): number {
  return typeof value === "string" ? value.length : 0;
}

function resultOf(op: Aggregate["op"], sum: Sum | undefined): unknown {
  if (!sum) return null;
  switch (op) {
    case "count":
      return sum.count;
    case "sum":
      return finite(sum.sum);
    case "avg":
      return sum.count === 0 ? null : finite(sum.sum / sum.count);
    case "min":
    case "max":
      return sum[op];
    default:
      return op satisfies never;
  }
}

/** JSON knows no other numbers. */
function finite(number: number): number | null {
  return Number.isFinite(number) ? number : null;
}

function groupFieldsOf({ fields, aggregates }: GroupBy): string[] {
  return [...fields, ...Object.values(aggregates).flatMap((each) => (each.op === "count" ? [] : each.field))];
}

function groupedColumns({ fields, aggregates }: GroupBy, selected: Columns): Columns {
  const kept = fields.map((name) => [name, selected[name] ?? "any"] as const);
  const calculated = Object.entries(aggregates).map(([name, each]) => [name, typeOfAggregate(each, selected)] as const);
  return Object.fromEntries([...kept, ...calculated]);
}

function typeOfAggregate(each: Aggregate, selected: Columns): ColumnType {
  if (each.op === "count") return "integer";
  return each.op === "min" || each.op === "max" ? (selected[each.field] ?? "any") : "number";
}
