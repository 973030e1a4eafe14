import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiDocument } from "../lib/api/docs/site.ts";

// `npm run client:types`: writes the types of the client (client/src/api-types.ts) from the API document.

interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly type?: string | readonly string[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export const TYPES_FILE = "client/src/api-types.ts";

const HEAD = `// Over 300 lines: npm run client:types writes this file from the API document (lib/api/docs/openapi.ts).
// Change the schemas of the routes instead.
`;

/** The module of types: an interface for each named schema, and one that lists the operations by their ids. */
export function typesOf(document: object): string {
  const { paths, components } = document as Document;
  const named = new Map(Object.entries(components.schemas).map(([name, schema]) => [name, declared(name, schema)]));
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationOf(`${method.toUpperCase()} ${path}`, operation)),
  );
  const list = `/** By the ids of the API document. \`answer\`: the JSON of a success. */\nexport interface Operations {\n${operations.join("\n")}\n}\n`;
  return [HEAD, ...usedOf(named, list), list].join("\n");
}

/** The answer of everything that is refused. */
const ERROR = "Error";

/** The declarations that the operations need, in their order. */
function usedOf(named: ReadonlyMap<string, string>, operations: string): string[] {
  const used = new Set<string>([ERROR]);
  const add = (text: string): void => {
    for (const [name, declaration] of named) {
      if (used.has(name) || !new RegExp(`\\b${name}\\b`).test(text)) continue;
      used.add(name);
      add(declaration);
    }
  };
  add(operations + (named.get(ERROR) ?? ""));
  return [...named].flatMap(([name, declaration]) => (used.has(name) ? [declaration] : []));
}

function declared(name: string, schema: Schema): string {
  const type = typeOf(schema, "");
  const isObject = schema.type === "object" && schema.properties && !(schema.anyOf ?? schema.oneOf ?? schema.allOf);
  const declaration = isObject ? `export interface ${name} ${type}` : `export type ${name} = ${type};`;
  return `${commentOf(schema, "")}${declaration}\n`;
}

function operationOf(key: string, { operationId, summary, parameters, requestBody, responses }: Operation): string {
  const placed = (place: string) => ({
    type: "object",
    properties: Object.fromEntries(
      parameters.filter((each) => each.in === place).map((each) => [each.name, each.schema]),
    ),
    required: place === "path" ? parameters.filter((each) => each.in === place).map(({ name }) => name) : [],
  });
  const [path, query] = [placed("path"), placed("query")];
  const body = requestBody?.content["application/json"]?.schema;
  const answers = Object.entries(responses)
    .filter(([status]) => status.startsWith("2"))
    .flatMap(([, { content }]) => content?.["application/json"]?.schema ?? []);
  const isEmpty = ({ properties }: Schema) => Object.keys(properties ?? {}).length === 0;
  const parts = {
    type: "object",
    properties: {
      ...(!isEmpty(path) && { path }),
      ...(!isEmpty(query) && { query }),
      ...(body && { body }),
      ...(answers.length > 0 && { answer: { anyOf: answers } }),
    },
    required: ["path", "query", "answer", ...(requestBody?.required === true ? ["body"] : [])],
  };
  return `  /** \`${key}\`: ${summary}. */\n  ${operationId}: ${typeOf(parts, "  ")};`;
}

function typeOf(schema: Schema, indent: string): string {
  const { $ref, anyOf, oneOf, allOf, type } = schema;
  if ($ref !== undefined) return $ref.split("/").at(-1) ?? "unknown";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return unionOf(schema.enum.map((each) => JSON.stringify(each)));
  const either = anyOf ?? oneOf;
  if (either) return unionOf(either.map((each) => typeOf(each, indent)));
  if (allOf) return allOf.map((each) => `(${typeOf(each, indent)})`).join(" & ");
  if (Array.isArray(type)) return unionOf(type.map((each: string) => typeOf({ ...schema, type: each }, indent)));
  switch (type) {
    case "array":
      return `ReadonlyArray<${schema.items ? typeOf(schema.items, indent) : "unknown"}>`;
    case "object":
      return objectOf(schema, indent);
    case "integer":
      return "number";
    case "string":
    case "number":
    case "boolean":
    case "null":
      return type;
    case undefined:
    default:
      return "unknown";
  }
}

function objectOf({ properties, required = [], additionalProperties }: Schema, indent: string): string {
  const others = typeof additionalProperties === "object" ? typeOf(additionalProperties, indent) : "unknown";
  if (!properties) return `Readonly<Record<string, ${others}>>`;
  const inner = `${indent}  `;
  const fields = Object.entries(properties).map(([name, schema]) => {
    const shown = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
    const type = typeOf(schema, inner);
    const field = required.includes(name) ? `${shown}: ${type}` : `${shown}?: ${unionOf([type, "undefined"])}`;
    return `${commentOf(schema, inner)}${inner}readonly ${field};`;
  });
  // A schema that allows anything beside its fields says so by `{}`.
  if (typeof additionalProperties === "object") fields.push(`${inner}readonly [field: string]: unknown;`);
  return fields.length === 0 ? "Readonly<Record<string, never>>" : `{\n${fields.join("\n")}\n${indent}}`;
}

function unionOf(types: readonly string[]): string {
  // A union within this one may have the same members.
  const all = [...new Set(types.flatMap((type) => (/[{<]/.test(type) ? [type] : type.split(" | "))))];
  return all.includes("unknown") ? "unknown" : all.join(" | ");
}

function commentOf({ description, default: value }: Schema, indent: string): string {
  const isPlain = value !== undefined && (typeof value !== "object" || value === null);
  const said = description === undefined ? [] : [/[.!?]$/.test(description) ? description : `${description}.`];
  const text = [...said, ...(isPlain ? [`Default: ${JSON.stringify(value)}.`] : [])].join(" ");
  return text === "" ? "" : `${indent}/** ${text.replaceAll("*/", "*\\/").replaceAll("\n", " ")} */\n`;
}

if (import.meta.main) {
  const file = join(import.meta.dirname, "..", TYPES_FILE);
  writeFileSync(file, typesOf(await apiDocument()));
  process.stdout.write(`${TYPES_FILE} is written\n`);
}
