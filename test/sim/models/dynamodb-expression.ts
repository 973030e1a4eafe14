import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { UnfitItem, invalid } from "./dynamodb-errors.ts";
import type { Comparison, Condition, Operand, Parsed, Term, Update } from "./dynamodb-syntax.ts";
import { compareValues, sameValue, sizeOf, stored, typeOf, type Item } from "./dynamodb-value.ts";

// The evaluation of DynamoDB's expressions: conditions against an item, and updates of one.

/** The names and values that the placeholders of one call stand for. */
export interface Substitutes {
  readonly ExpressionAttributeNames?: Record<string, string> | undefined;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue> | undefined;
}

/** Every placeholder must be given, and every one given must be used: DynamoDB refuses both. */
export function checkPlaceholders(expressions: readonly (Parsed<unknown> | undefined)[], given: Substitutes): void {
  const used = new Set<string>();
  for (const expression of expressions) for (const name of expression?.placeholders ?? []) used.add(name);
  for (const kind of ["ExpressionAttributeNames", "ExpressionAttributeValues"] as const) {
    const mark = kind === "ExpressionAttributeNames" ? "#" : ":";
    const substitutes = given[kind];
    for (const name of used) {
      if (name.startsWith(mark) && substitutes?.[name] === undefined) {
        throw invalid(`An expression placeholder used in an expression is not defined: ${name}`);
      }
    }
    for (const name in substitutes) {
      if (!used.has(name)) throw invalid(`Value provided in ${kind} unused in expressions: keys: {${name}}`);
    }
    if (substitutes && used.size === 0) throw invalid(`${kind} can only be specified when using expressions`);
  }
}

export function nameOf(placeholder: string, given: Substitutes): string {
  return placeholder.startsWith("#") ? (given.ExpressionAttributeNames?.[placeholder] ?? "") : placeholder;
}

export function valueOf(operand: Operand, item: Item, given: Substitutes): AttributeValue | undefined {
  switch (operand.kind) {
    case "value":
      return given.ExpressionAttributeValues?.[operand.name];
    case "attribute":
      return item[nameOf(operand.name, given)];
    case "size": {
      const attribute = item[nameOf(operand.name, given)];
      return attribute && { N: String(sizeOf(attribute)) };
    }
    default:
      return operand satisfies never;
  }
}

export function holds(condition: Condition, item: Item, given: Substitutes): boolean {
  switch (condition.kind) {
    case "and":
      return holds(condition.left, item, given) && holds(condition.right, item, given);
    case "or":
      return holds(condition.left, item, given) || holds(condition.right, item, given);
    case "not":
      return !holds(condition.of, item, given);
    case "exists":
      return (item[nameOf(condition.name, given)] !== undefined) === condition.wanted;
    case "compare":
      return compares(condition.by, valueOf(condition.left, item, given), valueOf(condition.right, item, given));
    case "between": {
      const of = valueOf(condition.of, item, given);
      const [low, high] = [valueOf(condition.low, item, given), valueOf(condition.high, item, given)];
      return compares(">=", of, low) && compares("<=", of, high);
    }
    case "in": {
      const of = valueOf(condition.of, item, given);
      return condition.among.some((one) => compares("=", of, valueOf(one, item, given)));
    }
    case "begins": {
      const [of, prefix] = [valueOf(condition.of, item, given), valueOf(condition.prefix, item, given)];
      return of?.S !== undefined && prefix?.S !== undefined && of.S.startsWith(prefix.S);
    }
    case "contains": {
      const [of, part] = [item[nameOf(condition.name, given)], valueOf(condition.part, item, given)];
      if (part?.S === undefined) return false;
      return of?.SS?.includes(part.S) ?? of?.S?.includes(part.S) ?? false;
    }
    default:
      return condition satisfies never;
  }
}

function compares(by: Comparison, left: AttributeValue | undefined, right: AttributeValue | undefined): boolean {
  // A missing attribute differs from everything.
  if (!left || !right || typeOf(left) !== typeOf(right)) return by === "<>";
  switch (by) {
    case "=":
      return sameValue(left, right);
    case "<>":
      return !sameValue(left, right);
    case "<":
      return compareValues(left, right) < 0;
    case "<=":
      return compareValues(left, right) <= 0;
    case ">":
      return compareValues(left, right) > 0;
    case ">=":
      return compareValues(left, right) >= 0;
    default:
      return by satisfies never;
  }
}

/** The attributes that an update names, none of them twice. */
export function attributesOf({ set, remove, ...sets }: Update, given: Substitutes): string[] {
  const names = [...remove, ...[...set, ...sets.add, ...sets.delete].map(({ name }) => name)];
  const attributes = names.map((name) => nameOf(name, given));
  const twice = attributes.find((name, at) => attributes.indexOf(name) !== at);
  if (twice !== undefined) throw invalid(`Two document paths overlap with each other: [${twice}]`);
  return attributes;
}

/** The item after an update. Every term is evaluated on the item before it. */
export function updated({ set, remove, add, ...rest }: Update, item: Item, given: Substitutes): Item {
  const after: Record<string, AttributeValue> = { ...item };
  for (const { name, to } of set) after[nameOf(name, given)] = termValue(to, item, given);
  for (const name of remove) delete after[nameOf(name, given)];
  for (const { name, by } of add) {
    const attribute = nameOf(name, given);
    const added = valueOf(by, item, given) ?? ZERO;
    after[attribute] = added.SS ? union(item[attribute], added.SS) : sum(item[attribute] ?? ZERO, added, 1);
  }
  for (const { name, by } of rest.delete) {
    const attribute = nameOf(name, given);
    const taken = valueOf(by, item, given)?.SS;
    const left = setIn(item[attribute]).filter((one) => !taken?.includes(one));
    // No set is empty.
    if (left.length > 0) after[attribute] = { SS: left };
    else delete after[attribute];
  }
  return after;
}

function union(value: AttributeValue | undefined, added: readonly string[]): AttributeValue {
  return { SS: [...new Set([...setIn(value), ...added])] };
}

function setIn(value: AttributeValue | undefined): readonly string[] {
  if (value && !value.SS) throw wrongType();
  return value?.SS ?? [];
}

const ZERO: AttributeValue = { N: "0" };

function termValue(term: Term, item: Item, given: Substitutes): AttributeValue {
  switch (term.kind) {
    case "ifNotExists":
      return item[nameOf(term.name, given)] ?? termValue(term.otherwise, item, given);
    case "append": {
      const [left, right] = [termValue(term.left, item, given), termValue(term.right, item, given)];
      if (!left.L || !right.L) throw wrongType();
      return { L: [...left.L, ...right.L] };
    }
    case "sum":
      return sum(termValue(term.left, item, given), termValue(term.right, item, given), term.sign);
    case "size":
      throw invalid("Invalid UpdateExpression: The function is not allowed in an update expression: size");
    case "value":
    case "attribute": {
      const value = valueOf(term, item, given);
      if (!value) throw new UnfitItem("The provided expression refers to an attribute that does not exist in the item");
      return stored(value);
    }
    default:
      return term satisfies never;
  }
}

function sum(left: AttributeValue, right: AttributeValue, sign: 1 | -1): AttributeValue {
  if (left.N === undefined || right.N === undefined) throw wrongType();
  const result = Number(left.N) + sign * Number(right.N);
  if (!Number.isSafeInteger(result)) throw new Error("The model of DynamoDB adds whole numbers only");
  return { N: String(result) };
}

function wrongType(): Error {
  return new UnfitItem("An operand in the update expression has an incorrect data type");
}
