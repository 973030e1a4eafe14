import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { invalid } from "./dynamodb-errors.ts";
import { nameOf, valueOf, type Substitutes } from "./dynamodb-expression.ts";
import { compareRange, rangeOf, type Keys, type Place } from "./dynamodb-index.ts";
import type { Condition } from "./dynamodb-syntax.ts";

/** The range of a table or an index that a query reads. */
export interface Bounds {
  readonly partition: string;
  readonly low?: Bound;
  readonly high?: Bound;
}

interface Bound {
  readonly range: string | number;
  readonly isIncluded: boolean;
}

/** Reads a key condition: the partition, and if need be a part of its order. */
export function boundsOf(condition: Condition, keys: Keys, given: Substitutes): Bounds {
  const parts = condition.kind === "and" ? [condition.left, condition.right] : [condition];
  const isOnHash = (part: Condition) =>
    part.kind === "compare" && part.left.kind === "attribute" && nameOf(part.left.name, given) === keys.hash;
  const [onHash, ...others] = parts.filter(isOnHash);
  const [onRange] = parts.filter((part) => !isOnHash(part));
  if (onHash?.kind !== "compare" || onHash.by !== "=" || others.length > 0) {
    throw invalid(`Query condition missed key schema element: ${keys.hash}`);
  }
  const partition = keyValue(valueOf(onHash.right, {}, given), keys.hash, "S").S ?? "";
  return { partition, ...(onRange && rangeBounds(onRange, keys, given)) };
}

function rangeBounds(condition: Condition, keys: Keys, given: Substitutes): Omit<Bounds, "partition"> {
  if (condition.kind !== "compare" && condition.kind !== "between") throw unknown(condition);
  const of = condition.kind === "compare" ? condition.left : condition.of;
  if (of.kind !== "attribute" || nameOf(of.name, given) !== keys.range) {
    throw invalid(`Query key condition not supported: expected one on ${keys.range}`);
  }
  const bound = (operand: Parameters<typeof valueOf>[0], isIncluded: boolean): Bound => {
    const value = keyValue(valueOf(operand, {}, given), keys.range, keys.rangeType);
    return { range: rangeOf(value), isIncluded };
  };
  if (condition.kind === "between") {
    const [low, high] = [bound(condition.low, true), bound(condition.high, true)];
    if (compareRange(low.range, high.range) <= 0) return { low, high };
    throw invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound");
  }
  switch (condition.by) {
    case "=":
      return { low: bound(condition.right, true), high: bound(condition.right, true) };
    case "<":
    case "<=":
      return { high: bound(condition.right, condition.by === "<=") };
    case ">":
    case ">=":
      return { low: bound(condition.right, condition.by === ">=") };
    case "<>":
      throw invalid("Unsupported operator on KeyCondition: operator: <>");
    default:
      return condition.by satisfies never;
  }
}

function unknown({ kind }: Condition): Error {
  return new Error(`The model of DynamoDB knows no key condition with ${kind}`);
}

function keyValue(value: AttributeValue | undefined, name: string, type: "S" | "N"): AttributeValue {
  if (value?.[type] !== undefined && value.S !== "") return value;
  throw invalid(
    `One or more parameter values were invalid: Condition parameter type does not match schema type: ${name}`,
  );
}

export function isBefore(range: string | number, { low }: Bounds): boolean {
  if (!low) return false;
  const order = compareRange(range, low.range);
  return order < 0 || (order === 0 && !low.isIncluded);
}

export function isAfter(range: string | number, { high }: Bounds): boolean {
  if (!high) return false;
  const order = compareRange(range, high.range);
  return order > 0 || (order === 0 && !high.isIncluded);
}

/** Where a page goes on: the keys of an item, which need not be there any more, within the range that the query reads. */
export function startOf(key: Record<string, AttributeValue>, keys: Keys, bounds: Bounds): Place {
  const { pk, sk, [keys.hash]: hash, [keys.range]: range } = key;
  const names = new Set(["pk", "sk", keys.hash, keys.range]);
  const isComplete = pk?.S !== undefined && sk?.S !== undefined && hash?.S !== undefined;
  if (!isComplete || range?.[keys.rangeType] === undefined || Object.keys(key).some((name) => !names.has(name))) {
    throw invalid("The provided starting key is invalid");
  }
  const place = { range: rangeOf(range), pk: pk.S ?? "", sk: sk.S ?? "" };
  if (hash.S !== bounds.partition || isBefore(place.range, bounds) || isAfter(place.range, bounds)) {
    throw invalid("The provided starting key is outside query boundaries based on provided conditions");
  }
  return place;
}
