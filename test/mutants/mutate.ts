import { createHash } from "node:crypto";
import { parseSync, visitorKeys } from "oxc-parser";

/** One small change of a source file. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** The line as it stands, which finds the place again when lines have moved. */
  readonly code: string;
  readonly start: number;
  readonly end: number;
  readonly was: string;
  readonly becomes: string;
  /** The same for the same change at the same code, however lines have moved. */
  readonly id: string;
}

/** A node of ESTree with its place in the text. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

type Edit = readonly [start: number, end: number, becomes: string];

const OTHER_OPERATOR: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "**": "*",
  "+=": "-=",
  "-=": "+=",
  "&&": "||",
  "||": "&&",
};

const OTHER_METHOD: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  max: "min",
  min: "max",
  ceil: "floor",
  floor: "ceil",
  round: "floor",
};

/** Methods that can be removed from a chain without a change of type. */
const REMOVABLE_METHODS = new Set(["filter", "slice", "toSorted", "catch"]);

/** Calls and fields with text for people, whose words no test checks. */
const TELLS = new Set(["log", "Error", "Unavailable", "badRequest"]);
const TOLD_FIELDS = new Set(["error", "message"]);

/** Every change that this makes to a file, in the order of the text. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const parsed = parseSync(file, text);
  if (parsed.errors.length > 0) throw new Error(`${file} can't be parsed: ${parsed.errors[0]?.message}`);
  const edits = [...editsOf(parsed.program as unknown as Node, text)];
  const seen = new Map<string, number>();
  return edits
    .toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
    .map(([start, end, becomes]) => {
      const line = text.slice(0, start).split("\n").length;
      const code = text.split("\n")[line - 1]?.trim() ?? "";
      const was = text.slice(start, end);
      const what = [file, code, was, becomes].join("\n");
      const nth = (seen.get(what) ?? 0) + 1;
      seen.set(what, nth);
      const id = createHash("sha256").update(`${what}\n${nth}`).digest("hex").slice(0, 10);
      return { file, line, code, start, end, was, becomes, id };
    });
}

export function applied(text: string, { start, end, becomes }: Mutant): string {
  return text.slice(0, start) + becomes + text.slice(end);
}

function* editsOf(node: Node, text: string): Generator<Edit> {
  if (isLeftAlone(node)) return;
  yield* editsHere(node, text);
  for (const child of childrenOf(node)) yield* editsOf(child, text);
}

function isLeftAlone(node: Node): boolean {
  if (node.type.startsWith("TS")) return !["TSAsExpression", "TSSatisfiesExpression"].includes(node.type);
  if (node.type === "ImportDeclaration" || node.type === "ExportAllDeclaration") return true;
  if (node.type === "CallExpression" || node.type === "NewExpression") return TELLS.has(nameOf(node["callee"]));
  return node.type === "Property" && node["kind"] === "init" && TOLD_FIELDS.has(nameOf(node["key"])) && isText(node);
}

function isText(property: Node): boolean {
  const value = property["value"] as Node;
  return value.type === "TemplateLiteral" || typeof value["value"] === "string";
}

function* childrenOf(node: Node): Generator<Node> {
  for (const key of visitorKeys[node.type] ?? []) {
    // A name is no value.
    if (key === "key" && !node["computed"]) continue;
    const value = node[key];
    for (const each of Array.isArray(value) ? value : [value]) if (isNode(each)) yield each;
  }
}

function* editsHere(node: Node, text: string): Generator<Edit> {
  const { start, end } = node;
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
    case "AssignmentExpression": {
      const [left, right] = [node["left"] as Node, node["right"] as Node];
      const operator = String(node["operator"]);
      if (operator === "??") {
        yield [start, end, text.slice(left.start, left.end)];
        yield [start, end, `(${text.slice(right.start, right.end)})`];
      }
      const other = OTHER_OPERATOR[operator];
      const at = text.indexOf(operator, left.end);
      if (other) yield [at, at + operator.length, other];
      return;
    }
    case "IfStatement":
    case "ConditionalExpression":
    case "WhileStatement":
    case "DoWhileStatement": {
      const test = node["test"] as Node;
      if (node.type !== "WhileStatement") yield [test.start, test.end, "true"];
      yield [test.start, test.end, "false"];
      return;
    }
    case "UnaryExpression":
      if (node["operator"] === "!") yield [start, start + 1, ""];
      if (node["operator"] === "-") yield [start, start + 1, ""];
      return;
    case "Literal":
      yield* otherLiterals(node);
      return;
    case "TemplateLiteral":
      if (end - start > 2) yield [start, end, "``"];
      return;
    case "ExpressionStatement":
      if (!tells(node["expression"] as Node)) yield [start, end, ";"];
      return;
    case "ArrayExpression":
      yield* withoutOne(node["elements"] as readonly (Node | null)[], text);
      return;
    case "ObjectExpression":
      yield* withoutOne(node["properties"] as readonly Node[], text);
      return;
    case "CallExpression":
      yield* otherCalls(node);
      return;
    default:
  }
}

function* otherLiterals({ start, end, value }: Node): Generator<Edit> {
  if (typeof value === "boolean") yield [start, end, String(!value)];
  if (typeof value === "number") yield [start, end, String(value + 1)];
  if (typeof value === "string") yield [start, end, value === "" ? '"x"' : '""'];
}

function* otherCalls(call: Node): Generator<Edit> {
  const callee = call["callee"] as Node;
  if (callee.type !== "MemberExpression" || callee["computed"]) return;
  const [object, property] = [callee["object"] as Node, callee["property"] as Node];
  const other = OTHER_METHOD[nameOf(property)];
  if (other) yield [property.start, property.end, other];
  if (REMOVABLE_METHODS.has(nameOf(property))) yield [object.end, call.end, ""];
}

function* withoutOne(entries: readonly (Node | null)[], text: string): Generator<Edit> {
  for (const entry of entries) {
    if (!entry || isToldField(entry)) continue;
    const comma = /^\s*,/.exec(text.slice(entry.end))?.[0].length ?? 0;
    yield [entry.start, entry.end + comma, ""];
  }
}

function isToldField(entry: Node): boolean {
  return entry.type === "Property" && TOLD_FIELDS.has(nameOf(entry["key"])) && isText(entry);
}

function tells(expression: Node): boolean {
  return expression.type === "CallExpression" && TELLS.has(nameOf(expression["callee"]));
}

function nameOf(node: unknown): string {
  return isNode(node) && typeof node["name"] === "string" ? node["name"] : "";
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
