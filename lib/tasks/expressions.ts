import * as z from "zod";
import type { ColumnType, Columns, Row } from "../datasets/dataset.ts";
import { columnName } from "./columns.ts";

// The conditions and expressions of data processing: data that is evaluated on one row. No code is run.

const value = z.union([z.string().max(1_000), z.number(), z.boolean(), z.null()]);

export const condition = z.union([
  z.strictObject({
    field: columnName,
    op: z.enum(["eq", "ne", "lt", "lte", "gt", "gte", "contains", "startsWith"]),
    value,
  }),
  z.strictObject({ field: columnName, op: z.literal("in"), value: z.array(value).max(100) }),
]);

const operand = z.union([columnName, z.number()]);
const operands = z.array(operand).min(2).max(10);

export const expression = z.union([
  columnName,
  z.strictObject({ add: operands }),
  z.strictObject({ subtract: operands }),
  z.strictObject({ multiply: operands }),
  z.strictObject({ divide: operands }),
]);

type Condition = z.infer<typeof condition>;
type Expression = z.infer<typeof expression>;

/** Null where the row has no such field; a name that every object inherits is no field. */
export function own(row: Row, name: string): unknown {
  return Object.hasOwn(row, name) ? (row[name] ?? null) : null;
}

/** Values of different types are never equal, less or greater; null is only ever equal or not. */
export function meets(found: unknown, { op, value }: Condition): boolean {
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

export function compares(found: unknown, op: "lt" | "lte" | "gt" | "gte", value: unknown): boolean {
  const comparable =
    (typeof found === "number" && typeof value === "number") ||
    (typeof found === "string" && typeof value === "string");
  if (!comparable) return false;
  const [a, b] = [found, value] as [number, number];
  if (op === "lt") return a < b;
  if (op === "lte") return a <= b;
  return op === "gt" ? a > b : a >= b;
}

function operationIn(each: Exclude<Expression, string>) {
  const [[op, operands]] = Object.entries(each) as [[keyof typeof ARITHMETIC, (string | number)[]]];
  return { op, operands };
}

const ARITHMETIC = {
  add: (a: number, b: number) => a + b,
  subtract: (a: number, b: number) => a - b,
  multiply: (a: number, b: number) => a * b,
  divide: (a: number, b: number) => a / b,
};

export function fieldsOf(each: Expression): string[] {
  if (typeof each === "string") return [each];
  return operationIn(each).operands.filter((operand) => typeof operand === "string");
}

export function typeOfExpression(each: Expression, columns: Columns): ColumnType {
  return typeof each === "string" ? (columns[each] ?? "any") : "number";
}

/** Null where an operand is no number, or the result is none. */
export function valueOf(each: Expression, row: Row): unknown {
  if (typeof each === "string") return own(row, each);
  const { op, operands } = operationIn(each);
  const numbers = operands.map((operand) => (typeof operand === "number" ? operand : own(row, operand)));
  if (!numbers.every((number) => typeof number === "number")) return null;
  const result = numbers.reduce(ARITHMETIC[op]);
  return Number.isFinite(result) ? result : null;
}
