import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { compareValues, sameValue, sizeOf, stored, typeOf, type Item } from "./dynamodb-value.ts";
import { UnfitItem, invalid } from "./dynamodb-errors.ts";

// DynamoDB's expressions as far as lib/ uses them: attributes of the item itself, no paths into them, no
// sets. What goes beyond is an error of the model's own, so that it can't be taken for an answer of AWS.

/** An expression as parsed once; its placeholders are filled in at every use. */
export interface Parsed<Tree> {
  readonly tree: Tree;
  /** Every `#name` and `:value` in it. */
  readonly placeholders: readonly string[];
}

type Operand =
  | { readonly kind: "attribute"; readonly name: string }
  | { readonly kind: "value"; readonly name: string }
  | { readonly kind: "size"; readonly name: string };

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";

export type Condition =
  | { readonly kind: "and" | "or"; readonly left: Condition; readonly right: Condition }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "compare"; readonly left: Operand; readonly by: Comparison; readonly right: Operand }
  | { readonly kind: "between"; readonly of: Operand; readonly low: Operand; readonly high: Operand }
  | { readonly kind: "in"; readonly of: Operand; readonly among: readonly Operand[] }
  | { readonly kind: "exists"; readonly name: string; readonly wanted: boolean }
  | { readonly kind: "begins"; readonly of: Operand; readonly prefix: Operand }
  | { readonly kind: "contains"; readonly name: string; readonly part: Operand };

type Term =
  | Operand
  | { readonly kind: "ifNotExists"; readonly name: string; readonly otherwise: Term }
  | { readonly kind: "append"; readonly left: Term; readonly right: Term }
  | { readonly kind: "sum"; readonly left: Term; readonly sign: 1 | -1; readonly right: Term };

interface Update {
  readonly set: readonly { readonly name: string; readonly to: Term }[];
  readonly remove: readonly string[];
  readonly add: readonly { readonly name: string; readonly by: Operand }[];
  /** From sets. */
  readonly delete: readonly { readonly name: string; readonly by: Operand }[];
}

/** What the placeholders of one call stand for. */
export interface Substitutes {
  readonly ExpressionAttributeNames?: Record<string, string> | undefined;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue> | undefined;
}

// ---- Parsing ----

export const parseCondition = once((source) => anyOf(source));
export const parseUpdate = once(update);
export const parseProjection = once((source) => list(source, attributeName));

const TOKEN = /\s*([#:][\w-]+|\w+|<=|>=|<>|[=<>(),+-])/y;
/** More would be a leak: expressions are made of parts of the code, not of data. */
const MOST_CACHED = 10_000;

interface Source {
  readonly text: string;
  readonly tokens: readonly string[];
  at: number;
}

function once<Tree>(parse: (source: Source) => Tree): (text: string) => Parsed<Tree> {
  const known = new Map<string, Parsed<Tree>>();
  return (text) => {
    const found = known.get(text);
    if (found) return found;
    const source = { text, tokens: tokensOf(text), at: 0 };
    const tree = parse(source);
    if (source.at < source.tokens.length) throw unknown(source);
    const placeholders = [...new Set(source.tokens.filter((token) => /^[#:]/.test(token)))];
    const parsed = { tree, placeholders };
    if (known.size >= MOST_CACHED) known.clear();
    known.set(text, parsed);
    return parsed;
  };
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let end = 0; text.slice(end).trim() !== ""; end = TOKEN.lastIndex) {
    const [, token] = TOKEN.exec(text) ?? [];
    if (token === undefined) throw unknown({ text, tokens: [text.slice(end)], at: 0 });
    tokens.push(token);
  }
  return tokens;
}

function unknown({ text, tokens, at }: Source): Error {
  return new Error(`The model of DynamoDB does not know what to make of ${tokens[at] ?? "the end"} in "${text}"`);
}

function accepts(source: Source, word: string): boolean {
  if (source.tokens[source.at]?.toUpperCase() !== word) return false;
  source.at += 1;
  return true;
}

function expects(source: Source, word: string): void {
  if (!accepts(source, word)) throw unknown(source);
}

function list<Part>(source: Source, parse: (source: Source) => Part): Part[] {
  const parts = [parse(source)];
  while (accepts(source, ",")) parts.push(parse(source));
  return parts;
}

function inParentheses<Part>(source: Source, parse: (source: Source) => Part): Part {
  expects(source, "(");
  const part = parse(source);
  expects(source, ")");
  return part;
}

function anyOf(source: Source): Condition {
  let left = allOf(source);
  while (accepts(source, "OR")) left = { kind: "or", left, right: allOf(source) };
  return left;
}

function allOf(source: Source): Condition {
  let left = negated(source);
  while (accepts(source, "AND")) left = { kind: "and", left, right: negated(source) };
  return left;
}

function negated(source: Source): Condition {
  if (accepts(source, "NOT")) return { kind: "not", of: negated(source) };
  return source.tokens[source.at] === "(" ? inParentheses(source, anyOf) : predicate(source);
}

function predicate(source: Source): Condition {
  if (isCall(source)) {
    if (accepts(source, "ATTRIBUTE_EXISTS")) return existence(source, true);
    if (accepts(source, "ATTRIBUTE_NOT_EXISTS")) return existence(source, false);
    if (accepts(source, "CONTAINS")) {
      return inParentheses(source, () => {
        const name = attributeName(source);
        expects(source, ",");
        return { kind: "contains", name, part: operand(source) };
      });
    }
    if (accepts(source, "BEGINS_WITH")) {
      return inParentheses(source, () => {
        const of = operand(source);
        expects(source, ",");
        return { kind: "begins", of, prefix: operand(source) };
      });
    }
  }
  const left = operand(source);
  if (accepts(source, "BETWEEN")) {
    const low = operand(source);
    expects(source, "AND");
    return { kind: "between", of: left, low, high: operand(source) };
  }
  if (accepts(source, "IN")) {
    return { kind: "in", of: left, among: inParentheses(source, () => list(source, operand)) };
  }
  return { kind: "compare", left, by: comparison(source), right: operand(source) };
}

function existence(source: Source, wanted: boolean): Condition {
  return { kind: "exists", name: inParentheses(source, attributeName), wanted };
}

function comparison(source: Source): Comparison {
  const token = source.tokens[source.at] ?? "";
  if (!["=", "<>", "<", "<=", ">", ">="].includes(token)) throw unknown(source);
  source.at += 1;
  return token as Comparison;
}

function isCall(source: Source): boolean {
  return source.tokens[source.at + 1] === "(";
}

function operand(source: Source): Operand {
  if (isCall(source)) {
    expects(source, "SIZE");
    return { kind: "size", name: inParentheses(source, attributeName) };
  }
  if (!source.tokens[source.at]?.startsWith(":")) return { kind: "attribute", name: attributeName(source) };
  return { kind: "value", name: source.tokens[source.at++] ?? "" };
}

function attributeName(source: Source): string {
  const token = source.tokens[source.at] ?? "";
  if (!/^(#[\w-]+|[a-z]\w*)$/i.test(token)) throw unknown(source);
  source.at += 1;
  return token;
}

function update(source: Source): Update {
  const parsed: { -readonly [Clause in keyof Update]: Update[Clause] } = {
    set: [],
    remove: [],
    add: [],
    delete: [],
  };
  while (source.at < source.tokens.length) {
    if (parsed.set.length === 0 && accepts(source, "SET")) parsed.set = list(source, assignment);
    else if (parsed.remove.length === 0 && accepts(source, "REMOVE")) parsed.remove = list(source, attributeName);
    else if (parsed.add.length === 0 && accepts(source, "ADD")) parsed.add = list(source, addition);
    else if (parsed.delete.length === 0 && accepts(source, "DELETE")) parsed.delete = list(source, addition);
    else throw unknown(source);
  }
  return parsed;
}

function assignment(source: Source): Update["set"][number] {
  const name = attributeName(source);
  expects(source, "=");
  const left = term(source);
  if (accepts(source, "+")) return { name, to: { kind: "sum", left, sign: 1, right: term(source) } };
  if (accepts(source, "-")) return { name, to: { kind: "sum", left, sign: -1, right: term(source) } };
  return { name, to: left };
}

function term(source: Source): Term {
  if (isCall(source) && accepts(source, "IF_NOT_EXISTS")) {
    return inParentheses(source, () => {
      const name = attributeName(source);
      expects(source, ",");
      return { kind: "ifNotExists", name, otherwise: term(source) };
    });
  }
  if (isCall(source) && accepts(source, "LIST_APPEND")) {
    return inParentheses(source, () => {
      const left = term(source);
      expects(source, ",");
      return { kind: "append", left, right: term(source) };
    });
  }
  return operand(source);
}

function addition(source: Source): Update["add"][number] {
  return { name: attributeName(source), by: operand(source) };
}

// ---- Evaluation ----

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
  // An attribute that is not there differs from everything.
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

/** The item after an update. Everything is taken from the item before it. */
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
