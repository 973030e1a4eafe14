import addFormats from "ajv-formats";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { apiDocument } from "../../lib/api/docs/site.ts";

// Checks answers against the API document.

export interface Documented {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export interface Operation {
  readonly operationId: string;
  readonly security: readonly object[];
  readonly parameters?: readonly { name: string; in: string; schema: object }[];
  readonly requestBody?: { content: Record<string, { schema: object; examples?: Record<string, { value: unknown }> }> };
  readonly responses: Readonly<Record<string, object>>;
}

export const DOCUMENT = (await apiDocument()) as Documented;

/** An answer as it came over the wire. */
export interface Raw {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema(DOCUMENT, "api");
const compiled = new Map<string, ValidateFunction>();

const routes = Object.entries(DOCUMENT.paths).flatMap(([path, operations]) =>
  Object.keys(operations).map((method) => ({
    method: method.toUpperCase(),
    key: `${method.toUpperCase()} ${path}`,
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replace(/\{\w+\}/g, "[^/]+")}$`),
    at: `/paths/${escaped(path)}/${method}/responses`,
    responses: operations[method]?.responses ?? {},
  })),
);

/** The route that serves a path, as the document writes it. */
export function routeOf(method: string, path: string): (typeof routes)[number] | undefined {
  // A slash behind the dashboard's path leads to it, too.
  const pathname = new URL(`http://stack${path}`).pathname.replace(/^\/dashboard\/$/, "/dashboard");
  return routes.find((route) => route.method === method && route.pattern.test(pathname));
}

/** Throws when an answer is not as the document says. */
export function checkAnswer(answer: Raw): void {
  const { method, path, status } = answer;
  // The targets of jobs are not the service's own.
  if (/^\/(echo|lambda-url)\b/.test(path)) return;
  const found = routeOf(method, path);
  const problems = problemsOf(answer, found);
  if (problems.length === 0) return;
  const route = found?.key ?? "no route";
  throw new Error(
    `${method} ${path} (${route}) answered ${status}, which the API document does not allow:\n${problems.join("\n")}\n${answer.text.slice(0, 2_000)}`,
  );
}

function problemsOf({ method, status, headers, text }: Raw, route: (typeof routes)[number] | undefined): string[] {
  const range = `${String(status)[0]}XX`;
  const isOurs = headers.has("x-request-id");
  if (!isOurs)
    return /^[45]XX$/.test(range)
      ? invalid("/components/responses/Gateway", "application/json", text)
      : ["x-request-id is missing"];
  if (method === "OPTIONS" && status === 204) return [];
  if (!route) {
    const isUnknown = status === 404 && invalid("/components/responses/NOT_FOUND", "application/json", text);
    return isUnknown || [`the document knows no such route, so the status should be 404`];
  }
  if (!route.responses[status]) return [`the status is none of ${Object.keys(route.responses).join(", ")}`];
  const { $ref } = route.responses[status] as { $ref?: string };
  const at = $ref?.slice(1) ?? `${route.at}/${status}`;
  const type = headers.get("content-type")?.split(";")[0] ?? "none";
  const missing = headersOf(at).filter((name) => !name.startsWith("Idempotent-") && !headers.has(name));
  if (status === 304)
    return [...missing.map((name) => `the header ${name} is missing`), ...(text ? ["it has a body"] : [])];
  return [...missing.map((name) => `the header ${name} is missing`), ...invalid(at, type, text)];
}

function headersOf(at: string): string[] {
  return Object.keys((within(at) as { headers?: object }).headers ?? {});
}

/** The problems of a body, by the response at this place of the document. */
function invalid(at: string, type: string, text: string): string[] {
  const { content } = within(at) as { content: Record<string, object> };
  if (content["*/*"]) return [];
  if (!content[type]) return [`content-type is ${type}, not ${Object.keys(content).join(" or ")}`];
  if (type !== "application/json") return [];
  const pointer = `${at}/content/${escaped(type)}/schema`;
  const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `api#${encodeURI(pointer)}` });
  compiled.set(pointer, validate);
  if (validate(JSON.parse(text))) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `body${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

function within(pointer: string): unknown {
  const steps = pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  return steps.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], DOCUMENT);
}

function escaped(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
