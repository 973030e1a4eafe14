// The syntax of DynamoDB's expressions as far as lib/ uses them: attributes of the item itself, no paths into
// them. Anything else throws a plain error, so that it can't be taken for an answer of AWS.

/** An expression as parsed once; its placeholders are filled in at every use. */
export interface Parsed<Tree> {
  readonly tree: Tree;
  /** Every `#name` and `:value` in it. */
  readonly placeholders: readonly string[];
}

export type Operand =
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

export type Term =
  | Operand
  | { readonly kind: "ifNotExists"; readonly name: string; readonly otherwise: Term }
  | { readonly kind: "append"; readonly left: Term; readonly right: Term }
  | { readonly kind: "sum"; readonly left: Term; readonly sign: 1 | -1; readonly right: Term };

export interface Update {
  readonly set: readonly { readonly name: string; readonly to: Term }[];
  readonly remove: readonly string[];
  readonly add: readonly { readonly name: string; readonly by: Operand }[];
  /** From sets. */
  readonly delete: readonly { readonly name: string; readonly by: Operand }[];
}

export const parseCondition = once((source) => anyOf(source));
export const parseUpdate = once(update);
export const parseProjection = once((source) => list(source, attributeName));

const TOKEN = /\s*([#:][\w-]+|\w+|<=|>=|<>|[=<>(),+-])/y;
/** Expressions are made of parts of the code, not of data: more would be a leak. */
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
