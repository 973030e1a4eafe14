import * as fc from "fast-check";
import { DOCUMENT, type Operation } from "../support/api-document.ts";
import { BODIES, ID, object, one, valueOf, type Value } from "./values.ts";

// Requests made from the API document: such as it describes, and then twisted.

/**
 * What a request is made of: plain data, so that it can be shrunk. What is known only when it is sent
 * has a placeholder: `@job:3` is one of the app's own jobs.
 */
export interface Plan {
  readonly key: string;
  readonly caller: string;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly twist: Twist;
}

export interface Wire {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: Buffer;
}

// ---- Twists ----

/** What is done to a request that is otherwise as it should be. */
export type Twist =
  | { readonly kind: "none" }
  | { readonly kind: "replace"; readonly place: number; readonly by: unknown }
  | { readonly kind: "drop"; readonly place: number }
  | { readonly kind: "add"; readonly place: number; readonly name: string; readonly value: unknown }
  | { readonly kind: "nest"; readonly levels: number }
  | { readonly kind: "cut"; readonly after: number }
  | { readonly kind: "body"; readonly bytes: string; readonly encoding: "utf8" | "latin1" }
  | { readonly kind: "header"; readonly name: string; readonly value: string }
  | { readonly kind: "id"; readonly text: string }
  | { readonly kind: "query"; readonly text: string }
  | { readonly kind: "path"; readonly text: string }
  | { readonly kind: "method"; readonly method: string };

const place = fc.nat(200);
const ODD_NAMES = [
  "__proto__",
  "constructor",
  "toString",
  "",
  "a.b",
  "\u0000",
  "\ud800",
  "then",
  "length",
  "$ref",
  "#c0",
];
const ODD_TEXTS = [
  "",
  "\u0000",
  "\ud800",
  "\udfff\ud800",
  "\ufffe\uffff",
  "\u202e",
  "null",
  "-0",
  "1e309",
  "\r\nx: y",
  "../../etc/passwd",
  "'; --",
  "${jndi:x}",
  "{{7*7}}",
  "%00",
  "%",
  "%c0%ae",
  "x".repeat(300),
  "x".repeat(70_000),
  "\ud83d\ude00".repeat(2_000),
  "http://",
  "https://user:pass@127.0.0.1:9/",
  "javascript:alert(1)",
  "file:///etc/passwd",
  "http://[::ffff:127.0.0.1]:9",
  "9999-12-31T23:59:59.999999999Z",
  "2026-02-30T00:00:00Z",
  "+275760-09-13T00:00:00.000Z",
  "-000001-01-01T00:00:00Z",
  "cron(* * * * ? *)",
  "cron(0 0 29 2 ? 2199)",
  "rate(999999999999999999999 days)",
  "at(0000-00-00T00:00:00)",
];
const oddText = fc.oneof(one(...ODD_TEXTS), fc.string({ unit: "binary", maxLength: 40 }));
const oddNumber = one(-1, -0, 0.5, 1e21, 1e308, -1e308, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 5e-324);
const odd = fc.oneof(oddText, oddNumber, one(null, true, [], {}, [[]], [{}]), fc.jsonValue());
/** What can stand in a path or a query without Node refusing to send it. */
const urlText = fc.oneof(
  one(
    "%",
    "%00",
    "%2F",
    "%2e%2e%2f",
    "..%5c",
    "%ff%fe",
    "%u0041",
    "+",
    "a+b",
    "a,b",
    "[]",
    "{id}",
    "~",
    "a%0d%0ab:%20c",
    ";",
    "@",
  ),
  fc.string({ unit: "binary", maxLength: 20 }).map((value) => encodeURIComponent(value.toWellFormed())),
  fc.string({ unit: "binary-ascii", maxLength: 20 }).map((value) => value.replaceAll(/[^!-~]|[?#]/g, "%")),
);
const headerText = fc.oneof(
  fc.string({ maxLength: 60 }),
  one("", " ", "x".repeat(256), "x".repeat(9_000), "\u00e9\u00ff", "\t", '"', "a,b", "gzip", "*", "null"),
);
const HEADERS = [
  "authorization",
  "content-type",
  "content-encoding",
  "idempotency-key",
  "x-request-id",
  "origin",
  "accept-encoding",
  "x-forwarded-for",
  "cookie",
  "x-http-method-override",
  "access-control-request-method",
];

const kind = (name: Twist["kind"], weight: number, fields: Record<string, Value> = {}) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constant(name), ...fields }) as fc.Arbitrary<Twist>,
});

const twist: fc.Arbitrary<Twist> = fc.oneof(
  kind("none", 12),
  kind("replace", 10, { place, by: odd }),
  kind("drop", 4, { place }),
  kind("add", 3, { place, name: fc.oneof(one(...ODD_NAMES), fc.string()), value: odd }),
  kind("nest", 1, { levels: one(31, 32, 33, 500, 20_000) }),
  kind("cut", 1, { after: fc.nat(2_000) }),
  kind("body", 2, {
    bytes: fc.oneof(fc.json(), fc.string({ unit: "binary" }), one("", "null", "[]", "{", '"', "NaN", "\ufeff{}")),
    encoding: one("utf8", "latin1"),
  }),
  kind("header", 3, { name: one(...HEADERS), value: headerText }),
  kind("id", 2, { text: urlText }),
  kind("query", 3, { text: urlText }),
  kind("path", 1, { text: urlText }),
  kind("method", 1, { method: one("PATCH", "PUT", "DELETE", "POST", "GET", "OPTIONS", "TRACE", "PROPFIND") }),
);

// ---- Plans ----

/** Who asks: mostly who may. The names are those of the fuzzer's tokens. */
function callerOf({ security }: Operation): fc.Arbitrary<string> {
  const isInternal = security.some((scheme) => "internalToken" in scheme);
  const right = isInternal ? "operator" : "admin";
  const wrong = [
    "nobody",
    "garbage",
    "expired",
    "forged",
    "unsigned",
    "user",
    "appless",
    isInternal ? "admin" : "operator",
  ];
  return fc.oneof({ weight: 12, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });
}

/** How often an operation comes, by how much it takes in; others: 2. */
const WEIGHTS: Readonly<Record<string, number>> = {
  createJob: 36,
  createCallbackJob: 20,
  putApp: 16,
  listJobs: 8,
  processScheduledMessage: 8,
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
    ...(schema && { body: BODIES[operationId] ?? valueOf(schema) }),
    twist,
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
      ...plan.headers,
      ...(body && { "content-type": "application/json" }),
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

function bodyOf({ body, twist }: Plan, known: (name: string) => unknown): Buffer | undefined {
  if (twist.kind === "body") return Buffer.from(twist.bytes, twist.encoding);
  if (twist.kind === "nest") return Buffer.from("[".repeat(twist.levels) + "]".repeat(twist.levels));
  if (body === undefined) return undefined;
  const text = JSON.stringify(filledIn(twisted(body, twist), known));
  return Buffer.from(twist.kind === "cut" ? text.slice(0, twist.after) : text);
}

/** A copy with one change somewhere within. */
function twisted(body: unknown, change: Twist): unknown {
  if (change.kind !== "replace" && change.kind !== "drop" && change.kind !== "add") return body;
  const root = { body: structuredClone(body) };
  const places = placesIn(root);
  const [container, name] = places[change.place % places.length] ?? [root, "body"];
  const value: unknown = Reflect.get(container, name);
  if (change.kind === "drop") Reflect.deleteProperty(container, name);
  // Defined and not set: `__proto__` must become a field like any other.
  if (change.kind === "replace") Object.defineProperty(container, name, { ...PLAIN, value: change.by });
  if (change.kind === "add" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    Object.defineProperty(value, change.name, { ...PLAIN, value: change.value });
  }
  return root.body ?? null;
}

const PLAIN = { enumerable: true, configurable: true, writable: true };

function placesIn(container: object): [container: object, name: string][] {
  return Object.entries(container).flatMap(([name, value]) => [
    [container, name] as [object, string],
    ...(typeof value === "object" && value !== null ? placesIn(value as object) : []),
  ]);
}

/** With what is known by now instead of placeholders. */
function filledIn(value: unknown, known: (name: string) => unknown): unknown {
  if (typeof value === "string") {
    const [whole, name = ""] =
      /^@(self|other|version|(?:job|task|bulk|fileJob|pdf|file|foreignFile|foreign|secret|schedule|cursor):\d+)$/.exec(
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
