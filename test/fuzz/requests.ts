import * as fc from "fast-check";
import { DOCUMENT, type Operation } from "../support/api-document.ts";
import { formBytes, formType, forms, type FormPlan } from "./forms.ts";
import { PLAIN, twisted, twists, type Twist } from "./twists.ts";
import { SCHEDULE_BODIES } from "./schedules.ts";
import { BODIES, ID, object, valueOf } from "./values.ts";

// Requests made from the API document: valid ones, which are then twisted.

/**
 * The parts of a request: plain data, so that it can be shrunk. A value that is known only when it is sent has a
 * placeholder: `@job:3` is one of the app's own jobs.
 */
export interface Plan {
  readonly key: string;
  readonly caller: string;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** In place of the body, where the route takes forms. */
  readonly form?: FormPlan | undefined;
  readonly twist: Twist;
}

export interface Wire {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: Buffer;
}

// ---- Plans ----

/** The caller, mostly one who may. The names are those of the fuzzer's tokens. */
function callerOf({ security, operationId }: Operation): fc.Arbitrary<string> {
  const isInternal = security.some((scheme) => "internalToken" in scheme);
  const isForOperators = ["putLimits", "patchLimits", "listApps"].includes(operationId);
  const right = isInternal ? "operator" : isForOperators ? "platform" : "admin";
  const wrong = [
    "nobody",
    "garbage",
    "expired",
    "forged",
    "unsigned",
    "user",
    "viewer",
    "appless",
    isInternal ? "admin" : "operator",
  ];
  return fc.oneof({ weight: 12, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });
}

/** How often an operation comes, by the size of its input; others: 2. */
const WEIGHTS: Readonly<Record<string, number>> = {
  createJob: 36,
  createCallbackJob: 20,
  putApp: 16,
  listJobs: 8,
  processScheduledMessage: 8,
  createFileJob: 12,
  runJobs: 1,
  runDbJobs: 1,
  pollSqs: 1,
  getHealth: 1,
  getDocument: 1,
  getDocsPage: 1,
  getDocsAsset: 1,
};

const routes = Object.entries(DOCUMENT.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => {
    const key = `${method.toUpperCase()} ${path}`;
    return { key, weight: WEIGHTS[operation.operationId] ?? 2, arbitrary: planOf(key, operation) };
  }),
);

export const plans: fc.Arbitrary<Plan> = fc.oneof(...routes.map(({ weight, arbitrary }) => ({ weight, arbitrary })));

/** Requests of each route alone. */
export const plansByRoute: ReadonlyMap<string, fc.Arbitrary<Plan>> = new Map(
  routes.map(({ key, arbitrary }) => [key, arbitrary]),
);

function planOf(key: string, operation: Operation): fc.Arbitrary<Plan> {
  const { parameters = [], requestBody, operationId } = operation;
  const inPath = [...key.matchAll(/\{(\w+)\}/g)].map(
    ([, name = ""]) => [name, ID[name]?.(key) ?? fc.string()] as const,
  );
  const inQuery = parameters.filter((parameter) => parameter.in === "query");
  const schema = requestBody?.content["application/json"]?.schema;
  return fc.record({
    key: fc.constant(key),
    caller: callerOf(operation),
    path: fc.record(Object.fromEntries(inPath)) as fc.Arbitrary<Record<string, string>>,
    query: object(
      { properties: Object.fromEntries(inQuery.map(({ name, schema: of }) => [name, of])) },
      [],
    ) as fc.Arbitrary<Record<string, unknown>>,
    headers: operationId.startsWith("create")
      ? fc.oneof(
          fc.constant({}),
          fc.nat(30).map((n) => ({ "idempotency-key": `key-${n}` })),
        )
      : fc.constant({}),
    ...(schema && { body: BODIES[operationId] ?? SCHEDULE_BODIES[operationId] ?? valueOf(schema) }),
    ...(requestBody?.content["multipart/form-data"] && { form: fc.option(forms, { nil: undefined }) }),
    twist: twists,
  });
}

// ---- On the wire ----

/** The request of a plan; `known` gives what placeholders stand for. */
export function wire(plan: Plan, known: (name: string) => unknown): Wire {
  const { key, twist } = plan;
  const [method = "", template = ""] = key.split(" ");
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    twist.kind === "id" ? twist.text || "%20" : encodeURIComponent(String(filledIn(plan.path[name], known))),
  );
  const body = bodyOf(plan, known);
  return {
    method: twist.kind === "method" ? twist.method : method,
    path: filled + (twist.kind === "path" ? `/${twist.text}` : "") + queryOf(plan, known),
    headers: {
      // The root of the service is a page, for those who ask for one.
      ...(template === "/" && { accept: "text/html" }),
      ...plan.headers,
      ...(body && { "content-type": plan.form ? formType(plan.form) : "application/json" }),
      ...(twist.kind === "header" && { [twist.name]: twist.value }),
    },
    ...(body && { body }),
  };
}

function queryOf({ query, twist }: Plan, known: (name: string) => unknown): string {
  const pairs = Object.entries(query).map(
    ([name, value]) => `${name}=${encodeURIComponent(String(filledIn(value, known)).toWellFormed())}`,
  );
  if (twist.kind === "query") {
    // Instead of a value, or as one more parameter.
    if (pairs.length > 0) pairs[0] = `${pairs[0]?.split("=")[0]}=${twist.text}`;
    else pairs.push(twist.text);
  }
  return pairs.length > 0 ? `?${pairs.join("&")}` : "";
}

function bodyOf({ body, form, twist }: Plan, known: (name: string) => unknown): Buffer | undefined {
  if (twist.kind === "body") return Buffer.from(twist.bytes, twist.encoding);
  if (twist.kind === "nest") return Buffer.from("[".repeat(twist.levels) + "]".repeat(twist.levels));
  if (form) {
    const bytes = formBytes({ ...form, fields: twisted(form.fields, twist) as FormPlan["fields"] });
    return twist.kind === "cut" ? bytes.subarray(0, twist.after) : bytes;
  }
  if (body === undefined) return undefined;
  const text = JSON.stringify(filledIn(twisted(body, twist), known));
  return Buffer.from(twist.kind === "cut" ? text.slice(0, twist.after) : text);
}

/** A copy with values for its placeholders. */
function filledIn(value: unknown, known: (name: string) => unknown): unknown {
  if (typeof value === "string") {
    const [whole, name = ""] =
      /^@(self|other|version|(?:job|kept|task|bulk|fileJob|pdf|file|upload|foreignFile|foreign|secret|schedule|cursor|group):\d+)$/.exec(
        value,
      ) ?? [];
    return whole ? known(name) : value.replace(/^@stack\b/, () => String(known("stack")));
  }
  if (Array.isArray(value)) return value.map((item) => filledIn(item, known));
  if (typeof value !== "object" || value === null) return value;
  const made = {};
  for (const [name, inner] of Object.entries(value)) {
    Object.defineProperty(made, name, { ...PLAIN, value: filledIn(inner, known) });
  }
  return made;
}
