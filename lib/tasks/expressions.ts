import * as z from "../zod.ts";
import type { ColumnType, Columns, Row } from "../datasets/dataset.ts";
import { compareNumbers, isExactNumber, isNumber } from "../job/exact-json.ts";
import { columnName } from "./columns.ts";

// The conditions and expressions of data processing: data that is evaluated on one row. No code is run.

const value = () => z.union([z.string().check(z.maxLength(1_000)), z.number(), z.boolean(), z.null()]);

export const condition = z.lazy(() =>
  z.union([
    z.strictObject({
      field: columnName,
      op: z.enum(["eq", "ne", "lt", "lte", "gt", "gte", "contains", "startsWith"]),
      value: value(),
    }),
    z.strictObject({ field: columnName, op: z.literal("in"), value: z.array(value()).check(z.maxLength(100)) }),
  ]),
);

const operands = () => z.array(z.union([columnName, z.number()])).check(z.minLength(2), z.maxLength(10));

export const expression = z.lazy(() =>
  z.union([
    columnName,
    z.strictObject({ add: operands() }),
    z.strictObject({ subtract: operands() }),
    z.strictObject({ multiply: operands() }),
    z.strictObject({ divide: operands() }),
  ]),
);

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
      return equals(found, value);
    case "ne":
      return !equals(found, value);
    case "in":
      return value.some((each) => equals(found, each));
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

function equals(found: unknown, value: unknown): boolean {
  return found === value || (isNumber(found) && isNumber(value) && compareNumbers(found, value) === 0);
}

export function compares(found: unknown, op: "lt" | "lte" | "gt" | "gte", value: unknown): boolean {
  const order = orderOf(found, value);
  if (order === undefined) return false;
  if (op === "lt") return order < 0;
  if (op === "lte") return order <= 0;
  return op === "gt" ? order > 0 : order >= 0;
}

/** Less than 0, 0, or more than 0; `undefined` for values of different types. */
function orderOf(a: unknown, b: unknown): number | undefined {
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b);
  if (typeof a !== "string" || typeof b !== "string") return undefined;
  return a === b ? 0 : a < b ? -1 : 1;
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

/** A number that arithmetic would change; the message is for the job's owner. */
export class Inexact extends Error {}

/** The result of one operation. Throws `Inexact` where whole numbers leave the range in which each has its own value. */
export function calculated(op: keyof typeof ARITHMETIC, a: number, b: number): number {
  const result = ARITHMETIC[op](a, b);
  const isWhole = op !== "divide" && Number.isSafeInteger(a) && Number.isSafeInteger(b);
  if (isWhole && !Number.isSafeInteger(result)) throw new Inexact(`${op} of ${a} and ${b} is beyond 2^53: ${ADVICE}`);
  const isOver = !Number.isFinite(result) && b !== 0;
  if (isOver) throw new Inexact(`${op} of ${a} and ${b} is beyond 1.8e308: ${ADVICE}`);
  return result;
}

/** The number as arithmetic takes it; `undefined` for other values. Throws `Inexact` where it would be another number. */
export function operandOf(value: unknown): number | undefined {
  if (!isExactNumber(value)) return typeof value === "number" ? value : undefined;
  const number = Number(value.rawJSON);
  if (number === 0 && compareNumbers(value, 0) === 0) return 0;
  throw new Inexact(`${value.rawJSON.slice(0, 60)} has more digits than arithmetic keeps: ${ADVICE}`);
}

const ADVICE =
  "expected whole numbers up to 2^53, and others of up to 15 digits; leave such rows out by a condition, or the arithmetic";

/** Null where an operand is no number, or at a division by zero. */
export function valueOf(each: Expression, row: Row): unknown {
  if (typeof each === "string") return own(row, each);
  const { op, operands } = operationIn(each);
  const numbers = operands.map((operand) => operandOf(typeof operand === "number" ? operand : own(row, operand)));
  if (!numbers.every((number) => number !== undefined)) return null;
  const result = numbers.reduce((a, b) => calculated(op, a, b));
  return Number.isFinite(result) ? result : null;
}
