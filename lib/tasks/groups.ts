import * as z from "../zod.ts";
import type { ColumnType, Columns, Row } from "../datasets/dataset.ts";
import { columnName } from "./columns.ts";
import { isExactNumber, valueKey } from "../job/exact-json.ts";
import { calculated, compares, operandOf, own } from "./expressions.ts";

// Groups of rows in memory: one for all rows that have the same values in some fields, with aggregates of the others.

const aggregate = () =>
  z.union([
    z.strictObject({ op: z.literal("count") }),
    z.strictObject({ op: z.enum(["sum", "avg", "min", "max"]), field: columnName }),
  ]);

export const groupBy = z.lazy(() =>
  z.strictObject({
    fields: z.array(columnName).check(z.maxLength(10)),
    aggregates: z
      .record(columnName, aggregate())
      .check(z.refine((given) => Object.keys(given).length <= 20, "expected at most 20")),
  }),
);

type Aggregate = z.infer<ReturnType<typeof aggregate>>;
type GroupBy = z.infer<typeof groupBy>;

/** The most that is kept in memory: a group takes about 1 KB with its key. */
export const MOST_GROUPS = 100_000;
const MOST_CHARACTERS = 16 * 1_024 * 1_024;

export interface Groups {
  /** False when there are too many groups, or their values are too long. */
  add(row: Row): boolean;
  rows(): Iterable<Row>;
}

interface Sum {
  count: number;
  sum: number;
  min: unknown;
  max: unknown;
}

export function createGroups({ fields, aggregates }: GroupBy): Groups {
  const wanted = Object.entries(aggregates);
  const groups = new Map<string, { values: unknown[]; sums: Sum[] }>();
  let characters = 0;
  return {
    add: (row) => {
      const values = fields.map((name) => own(row, name));
      const key = valueKey(values);
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

/** Rows without a value count for `count` alone. Returns the growth of the characters that are kept. */
function addTo(sum: Sum, each: Aggregate, row: Row): number {
  const value = each.op === "count" ? true : own(row, each.field);
  if (value === null) return 0;
  if (each.op === "min" || each.op === "max") {
    const kept = sum[each.op];
    if (kept !== null && !compares(value, each.op === "min" ? "lt" : "gt", kept)) return 0;
    sum[each.op] = value;
    return charactersOf(value) - charactersOf(kept);
  }
  const number = each.op === "count" ? 0 : operandOf(value);
  if (number === undefined) return 0;
  sum.count += 1;
  sum.sum = calculated("add", sum.sum, number);
  return 0;
}

function charactersOf(value: unknown): number {
  if (isExactNumber(value)) return value.rawJSON.length;
  return typeof value === "string" ? value.length : 0;
}

function resultOf(op: Aggregate["op"], sum: Sum | undefined): unknown {
  if (!sum) return null;
  switch (op) {
    case "count":
      return sum.count;
    case "sum":
      return sum.sum;
    case "avg":
      return sum.count === 0 ? null : sum.sum / sum.count;
    case "min":
    case "max":
      return sum[op];
    default:
      return op satisfies never;
  }
}

export function groupFieldsOf({ fields, aggregates }: GroupBy): string[] {
  return [...fields, ...Object.values(aggregates).flatMap((each) => (each.op === "count" ? [] : each.field))];
}

export function groupedColumns({ fields, aggregates }: GroupBy, selected: Columns): Columns {
  const kept = fields.map((name) => [name, selected[name] ?? "any"] as const);
  const calculated = Object.entries(aggregates).map(([name, each]) => [name, typeOfAggregate(each, selected)] as const);
  return Object.fromEntries([...kept, ...calculated]);
}

function typeOfAggregate(each: Aggregate, selected: Columns): ColumnType {
  if (each.op === "count") return "integer";
  return each.op === "min" || each.op === "max" ? (selected[each.field] ?? "any") : "number";
}
