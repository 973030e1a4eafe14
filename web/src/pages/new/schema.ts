// Forms from JSON schemas: which field a schema gets, its texts from a value, and the value from its texts.

export interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema | boolean;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** What people have written, by the paths of fields: `retry.baseDelaySeconds`. */
export type Texts = Readonly<Record<string, string>>;
/** What is wrong, by the paths of fields. */
export type Wrong = Record<string, string>;

/** `free`: JSON, or text where it begins like none. */
export type Kind = "text" | "area" | "number" | "flag" | "choice" | "lines" | "pairs" | "object" | "free";

const LONG_TEXT = 1_000;

export function kindOf(schema: Schema): Kind {
  const { type, properties, additionalProperties, items, maxLength = 0 } = plain(schema);
  if (choicesOf(schema)) return "choice";
  switch (type) {
    case "string":
      // An address is long, but one line.
      return maxLength > LONG_TEXT && maxLength !== 2_048 ? "area" : "text";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "flag";
    case "array":
      return typeof items === "object" && isLeaf(items) ? "lines" : "free";
    case "object":
      if (properties) return "object";
      return typeof additionalProperties === "object" && isText(additionalProperties) ? "pairs" : "free";
    case undefined:
    default:
      return "free";
  }
}

/** The schema without the null that it may also be. */
function plain(schema: Schema): Schema {
  const either = (schema.anyOf ?? schema.oneOf)?.filter(({ type }) => type !== "null");
  if (either?.length === 1) return { ...schema, ...either[0] };
  if (!Array.isArray(schema.type)) return schema;
  const [type, ...others] = schema.type.filter((each: string) => each !== "null");
  return { ...schema, type: others.length === 0 ? type : schema.type };
}

/** A text, or texts where a name may come several times. */
const isText = ({ type, anyOf, items }: Schema): boolean =>
  type === "string" ||
  (Array.isArray(type) && type.includes("string")) ||
  (type === "array" && typeof items === "object" && isText(items)) ||
  anyOf?.every(isText) === true;
const isLeaf = ({ type, enum: values, anyOf, oneOf }: Schema): boolean =>
  values !== undefined ||
  type === "string" ||
  type === "integer" ||
  type === "number" ||
  (anyOf ?? oneOf)?.every(isLeaf) === true;

/** The words to choose from, if these are all. */
export function choicesOf(schema: Schema): readonly string[] | undefined {
  const { enum: values, const: only } = plain(schema);
  const all = values ?? (only === undefined ? undefined : [only]);
  return all?.every((each) => typeof each === "string") ? all : undefined;
}

export const pathTo = (path: string, name: string) => (path === "" ? name : `${path}.${name}`);

/** The texts that make a value, below a path. */
export function textsOf(schema: Schema, value: unknown, path = ""): Texts {
  if (value === undefined || value === null) return {};
  switch (kindOf(schema)) {
    case "object": {
      const { properties = {} } = plain(schema);
      const fields = Object.entries(properties).map(([name, of]) =>
        textsOf(of, (value as Record<string, unknown>)[name], pathTo(path, name)),
      );
      return Object.assign({}, ...fields) as Texts;
    }
    case "lines":
      return { [path]: (value as readonly unknown[]).map(String).join("\n") };
    case "pairs":
      return { [path]: pairsText(value as Readonly<Record<string, unknown>>) };
    case "free":
      return { [path]: typeof value === "string" ? value : JSON.stringify(value, null, 2) };
    case "choice":
    case "flag":
    case "number":
    case "text":
    case "area":
    default:
      return { [path]: typeof value === "string" ? value : JSON.stringify(value) };
  }
}

export function pairsText(pairs: Readonly<Record<string, unknown>>): string {
  return Object.entries(pairs)
    .flatMap(([name, value]) => [value].flat().map((each) => `${name}: ${String(each)}`))
    .join("\n");
}

/** The value of the texts below a path; what is wrong with them is put into `wrong`. */
export function valueOf(schema: Schema, texts: Texts, wrong: Wrong, path = "", isRequired = false): unknown {
  if (kindOf(schema) === "object") return objectOf(plain(schema), texts, wrong, { path, isRequired });
  const text = texts[path] ?? "";
  if (text.trim() === "") {
    if (isRequired && schema.default === undefined) wrong[path] = "is missing";
    return undefined;
  }
  const read = readAs(kindOf(schema), text, plain(schema));
  if (read.problem !== undefined) wrong[path] = read.problem;
  return read.value;
}

function objectOf(
  { properties = {}, required = [] }: Schema,
  texts: Texts,
  wrong: Wrong,
  { path, isRequired }: { readonly path: string; readonly isRequired: boolean },
): unknown {
  const begun = Object.keys(texts).some((each) => each.startsWith(`${path}.`) && texts[each]?.trim() !== "");
  // An object that nobody has begun is left out, with what it would need.
  if (path !== "" && !begun && !isRequired) return undefined;
  const fields = Object.entries(properties).map(([name, of]) => [
    name,
    valueOf(of, texts, wrong, pathTo(path, name), required.includes(name)),
  ]);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

interface Read {
  readonly value?: unknown;
  readonly problem?: string | undefined;
}

function readAs(kind: Kind, text: string, schema: Schema): Read {
  switch (kind) {
    case "number":
      return numberIn(text.trim(), schema);
    case "flag":
      return { value: text === "true" };
    case "lines":
      return linesIn(text, schema);
    case "pairs":
      return pairsIn(text, schema);
    case "free":
      return freeIn(text, schema);
    case "choice":
      return { value: text };
    case "object":
    case "text":
    case "area":
    default:
      return textIn(kind === "text" ? text.trim() : text, schema);
  }
}

function numberIn(text: string, { type, minimum, maximum }: Schema): Read {
  const isWhole = type === "integer";
  if (!(isWhole ? /^-?\d+$/ : /^-?\d+(?:\.\d+)?$/).test(text))
    return { problem: `expected a ${isWhole ? "whole " : ""}number, got “${text}”` };
  const value = Number(text);
  if (minimum !== undefined && value < minimum) return { value, problem: `expected at least ${minimum}` };
  if (maximum !== undefined && value > maximum) return { value, problem: `expected at most ${maximum}` };
  return { value };
}

function textIn(value: string, { minLength = 0, maxLength = Number.MAX_SAFE_INTEGER, pattern, format }: Schema): Read {
  if (value.length < minLength) return { value, problem: `expected at least ${minLength} characters` };
  if (value.length > maxLength) return { value, problem: `expected at most ${maxLength} characters` };
  if (format === "date-time" && Number.isNaN(Date.parse(value)))
    return { value, problem: "expected a time such as 2026-01-31T09:00:00Z" };
  if (format === "date" && !/^\d{4}-\d\d-\d\d$/.test(value))
    return { value, problem: "expected a day such as 2026-01-31" };
  if (format === undefined && pattern !== undefined && !new RegExp(pattern, "u").test(value))
    return { value, problem: `expected it to fit ${pattern}` };
  return { value };
}

function linesIn(text: string, { items, minItems = 0, maxItems = Number.MAX_SAFE_INTEGER }: Schema): Read {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const isNumber = (line: string) => /^-?\d+$/.test(line) && takesNumbers(items);
  const value = lines.map((line) => (isNumber(line) ? Number(line) : line));
  if (lines.length < minItems) return { value, problem: `expected at least ${minItems} lines` };
  return lines.length > maxItems ? { value, problem: `expected at most ${maxItems} lines` } : { value };
}

function takesNumbers(items: Schema["items"]): boolean {
  if (typeof items !== "object") return false;
  return items.type === "integer" || items.type === "number" || (items.anyOf ?? items.oneOf ?? []).some(takesNumbers);
}

function pairsIn(text: string, { additionalProperties }: Schema): Read {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const bad = lines.find((line) => line.indexOf(":") < 1);
  if (bad !== undefined) return { problem: `expected “name: value”, got “${bad}”` };
  const pairs: Record<string, string | string[]> = {};
  for (const line of lines) {
    const at = line.indexOf(":");
    const [name, value] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    const before = pairs[name];
    pairs[name] = before === undefined ? value : [before, value].flat();
  }
  const twice = Object.keys(pairs).find((name) => Array.isArray(pairs[name]));
  const takesLists = typeof additionalProperties === "object" && additionalProperties.anyOf !== undefined;
  if (twice !== undefined && !takesLists) return { problem: `names “${twice}” twice: expected one value` };
  return { value: pairs };
}

/** JSON with its numbers as they are written, or text; only JSON where the schema wants an object or a list. */
function freeIn(text: string, { type }: Schema): Read {
  const isJson = /^\s*[[{"]/.test(text) || type === "object" || type === "array";
  if (!isJson) return { value: text };
  try {
    const value: unknown = JSON.parse(text, exactly);
    const wanted = type === "array" ? Array.isArray(value) : type !== "object" || isObject(value);
    return wanted ? { value } : { problem: `expected ${type === "array" ? "a list" : "an object"} as JSON` };
  } catch {
    const isBound = type === "object" || type === "array";
    return isBound ? { problem: "expected JSON" } : { value: text };
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const { rawJSON } = JSON as unknown as { rawJSON?: (text: string) => unknown };

/** A number that JavaScript would change stays as its source. Throws where the browser can't keep it. */
function exactly(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || context?.source === undefined || String(value) === context.source) return value;
  if (!rawJSON) throw new SyntaxError("a number that this browser would change");
  return rawJSON(context.source);
}

/** `Base delay, seconds`, for `baseDelaySeconds`. */
export function labelOf(name: string): string {
  const words = name
    .replaceAll("_", " ")
    .replaceAll(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
  const unit = words.replace(/ (seconds|days)$/, ", $1");
  return (unit[0]?.toUpperCase() ?? "") + unit.slice(1);
}
