import * as fc from "fast-check";
import { DOCUMENT } from "../support/api-document.ts";

// Values by the schemas of the API document, and values that get further than random text. A value that is known
// only when a request is sent has a placeholder: `@job:3` is one of the app's own jobs.

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly additionalProperties?: Schema | boolean;
}

export type Value = fc.Arbitrary<unknown>;

export const one = (...values: readonly unknown[]): Value => fc.constantFrom(...values);

// ---- Values that a schema can't tell ----

export const soon = fc
  .date({ min: new Date("2099-01-01"), max: new Date("2100-01-01"), noInvalidDate: true })
  .map((date) => date.toISOString());
const uuid = one("@self", "@other", "@job:0", "550e8400-e29b-41d4-a716-446655440000");

/** By a field's name. Jobs go to this machine alone. */
const BY_NAME: Readonly<Record<string, Value>> = {
  appId: fc.oneof({ weight: 6, arbitrary: one("@self") }, { weight: 1, arbitrary: uuid }),
  baseUrl: one("@stack/echo", "@stack/echo", "http://127.0.0.1:9", "http://[::1]:9/a/b"),
  url: one("@stack/echo/called", "@stack/echo?token=x", "http://127.0.0.1:9/"),
  // The first is where nothing listens, so that there are outages to resume from.
  group: fc.oneof({ weight: 8, arbitrary: fc.nat(9).map((n) => `@group:${n}`) }, { weight: 1, arbitrary: uuid }),
  sealBy: one("24h", "90s", "30d", "31d", "0h", "2099-01-01T00:00:00Z"),
  destination: one("http://127.0.0.1:9", "http://127.0.0.1:9", "@stack", "fail", "https://hooks.example.com"),
  functionUrl: one("@stack/lambda-url/echo/", "@stack/lambda-url/fail/", "https://example.com"),
  notBefore: fc.oneof(one("2020-01-01T00:00:00Z"), soon),
  delaySeconds: one(0, 1, 30, 31_536_001),
  functionName: one("echo", "fail", "nothing", "arn:aws:lambda:us-east-1:000000000000:function:echo"),
  scheduleExpression: one("rate(5 minutes)", "cron(0 9 ? * MON-FRI *)", "cron(0 0 31 2 ? *)", "rate(0 days)"),
  scheduleExpressionTimezone: one("UTC", "Asia/Seoul", "America/St_Johns"),
  scheduledAt: soon,
  endsAt: soon,
  version: fc.oneof({ weight: 9, arbitrary: one("@version") }, { weight: 1, arbitrary: fc.nat() }),
  allowedCallbackUrls: one([], [], ["@stack"], ["https://*.example.com:8443/a"]),
  cursor: fc.oneof(
    fc.nat(9).map((n) => `@cursor:${n}`),
    fc.base64String(),
    fc.string(),
  ),
  idempotencyKey: fc.oneof(
    fc.nat(30).map((n) => `key-${n}`),
    fc.stringMatching(/^[ -~]{1,255}$/),
  ),
  limit: fc.integer({ min: 1, max: 5 }),
  // A long wait takes as long as a thousand other requests.
  seconds: one(0, 0, 0, 1),
  createdAfter: one(
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00Z",
    "2026-01-01T00:00-0530",
    "2000-01-01T00:00:00.123456+09:00",
  ),
  createdBefore: one("2099-01-01T00:00:00Z", "1969-01-01T00:00:00Z"),
};

const EXAMPLE = {
  jobType: one("example"),
  payload: fc.record({ words: fc.array(fc.string(), { minLength: 1, maxLength: 5 }) }),
};
const fileKey = fc.oneof({ weight: 8, arbitrary: fc.nat(9).map((n) => `@file:${n}`) }, one("@foreignFile:0", "../a"));

/** Few are rendered: each of those takes as long as a hundred other requests. */
const page = fc.oneof(
  { weight: 1, arbitrary: fc.record({ input_type: one("html"), html: one("<p>a page") }) },
  {
    weight: 9,
    arbitrary: fc.record({
      input_type: one("html", "markdown", "pdf"),
      html: fc.string(),
      markdown: one(" "),
      options: fc.record({ margin: fc.record({ top: one("20mm", "9m", -1, "90cm") }), scale: one(0, 1, 3) }),
    }),
  },
);

/** By an operation's id, where the document allows anything, or too much. */
const flatTarget = fc.oneof(
  fc.record(
    {
      url: one("@stack/echo/called?a=1", "@stack/echo/x", "http://127.0.0.1:9/"),
      body: fc.jsonValue(),
      method: one("PUT"),
    },
    { requiredKeys: ["url"] },
  ),
  fc.record({ url: one("@stack/echo/bytes"), bodyBase64: one("", "AA==", "AAEC") }),
  fc.record({ function: one("echo", "fail", "nothing"), body: fc.jsonValue() }),
  fc.record({ functionUrl: one("@stack/lambda-url/echo/a?b=c") }),
  fc.record(
    { task: one("example"), payload: one({ words: ["job"] }), priority: fc.nat(10) },
    { requiredKeys: ["task"] },
  ),
);
const flatTerms = fc.record(
  {
    key: one("k1", "k2", "k3"),
    delaySeconds: one(0, 1, 30),
    notAfter: soon,
    labels: fc.array(fc.string({ minLength: 1, maxLength: 64 }), { maxLength: 11 }),
    maxRetries: fc.nat(3),
    retry: one({ final: ["4xx"], retryOn: [409] }, { jitter: 1 }, { final: [200] }),
    order: one("lane"),
    mode: one("both", "db", "sqs"),
    idempotencyIgnore: one(["/body/a"], ["/payload/words"], ["/url"]),
    onComplete: one("@stack/echo/done", { url: "@stack/echo/done", on: ["DEAD"] }),
    onFailure: flatTarget,
  },
  { requiredKeys: [] },
);
const flatJob = fc.tuple(flatTarget, flatTerms).map(([target, terms]) => ({ ...terms, ...target }));

/** Within which the rest of the run has room. A PUT gives what it leaves out its default, which is less. */
const wideLimits = fc.record(
  {
    changesPerSecond: one(1_000),
    requestsPerSecond: one(null, 1_000),
    pdfPagesPerDay: one(null, 1_000_000),
    paused: one(false),
    version: fc.nat(9),
  },
  { requiredKeys: ["changesPerSecond"] },
);

export const BODIES: Readonly<Record<string, Value>> = {
  sendJobs: fc.oneof(
    { weight: 4, arbitrary: flatJob },
    { weight: 1, arbitrary: fc.array(flatJob, { minLength: 1, maxLength: 3 }) },
  ),
  createTypedJob: fc.record(
    { ...EXAMPLE, priority: fc.nat(10), maxRetries: fc.nat(50), scheduledAt: soon },
    { requiredKeys: ["jobType", "payload"] },
  ),
  createFileJob: fc.record(
    { ...EXAMPLE, fileKey, meta: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }) },
    { requiredKeys: ["jobType", "payload", "fileKey"] },
  ),
  // Each part's URL is signed.
  createUpload: fc.record({
    fileName: fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }),
    contentType: one("text/csv", "application/octet-stream", "text/plain; charset=utf-8"),
    size: fc.integer({ min: 1, max: 20_000_000 }),
  }),
  signUploadParts: fc.record({
    fileKey: fc.oneof({ weight: 8, arbitrary: fc.nat(9).map((n) => `@upload:${n}`) }, fileKey),
  }),
  completeUpload: fc.record({
    fileKey,
    parts: fc.array(
      fc.record({ partNumber: fc.integer({ min: 1, max: 640 }), etag: fc.stringMatching(/^[0-9a-f]{32}$/) }),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  }),
  createQuickJob: page,
  createLongJob: page,
  // Without destinations, so that there are limits to take out.
  patchApp: fc.record(
    {
      name: one("A name", null, ""),
      onComplete: one(null, { url: "@stack/echo/called", headers: { "x-key": "***" } }),
      requestsPerSecond: one(null, 1_000),
      version: one("@version", "@version", 99),
    },
    { requiredKeys: [] },
  ),
  putLimits: wideLimits,
  patchLimits: wideLimits,
  processScheduledMessage: fc.record({
    fire: fc.record({ id: fc.nat(9).map((n) => `@schedule:${n}`), run: fc.integer({ min: 0, max: 3 }) }),
  }),
};

export const ID: Readonly<Record<string, (path: string) => Value>> = {
  appId: () => one("@self", "@self", "@self", "@self", "@other", "550e8400-e29b-41d4-a716-446655440000"),
  id: (path) => {
    const own = ownKind(path);
    const mine = fc.nat(49).map((n) => `@${own}:${n}`);
    return fc.oneof({ weight: 8, arbitrary: mine }, { weight: 2, arbitrary: fc.nat(9).map((n) => `@foreign:${n}`) });
  },
  name: () => one("a.example", "a.example", "https://a.example", "http://127.0.0.1:9", "a b"),
  key: (path) =>
    path.startsWith("PUT ")
      ? one("nightly-0", "nightly-1", "nightly-2", "nightly-3", "key-1")
      : fc.oneof({ weight: 8, arbitrary: fc.nat(9).map((n) => `@schedule:${n}`) }, one("nightly-0", "nothing")),
  file: () => one("start.js", "start.js", "start.js", "swagger-ui.css", "swagger-ui-bundle.js", "package.json"),
};

function ownKind(path: string): string {
  if (path.endsWith("/response")) return "kept";
  if (path.includes("/api/jobs/")) return "fileJob";
  if (path.includes("/v1/jobs/")) return "task";
  if (path.endsWith(" /jobs/{id}")) return "pdf";
  if (path.includes("/bulk-actions/")) return "bulk";
  if (path.includes("/groups/")) return "group";
  return path.includes("signing-secrets") ? "secret" : "job";
}

// ---- Values by their schemas ----

/** How often a schema may stand within itself: follow-ups have follow-ups. */
const DEEPEST = 2;

export function valueOf(given: Schema, within: readonly string[] = []): Value {
  const { $ref } = given;
  if ($ref !== undefined) return valueOf(at(DOCUMENT, $ref) as Schema, [...within, $ref]);
  const variants = given.oneOf ?? given.anyOf ?? variantsOf(given);
  if (variants) return fc.oneof(...variants.map((variant) => valueOf(variant, within)));
  if ("const" in given) return one(given.const);
  if (given.enum) return one(...given.enum);
  switch (given.type) {
    case "string":
      return text(given);
    case "integer":
      return fc.integer({ min: given.minimum ?? 0, max: given.maximum ?? 1_000 });
    case "number":
      return fc.double({ min: given.minimum ?? 0, max: given.maximum ?? 1_000, noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return one(null);
    case "array": {
      const { minItems: minLength = 0, maxItems = FEW } = given;
      return fc.array(valueOf(given.items ?? {}, within), { minLength, maxLength: Math.min(maxItems, FEW) });
    }
    case "object":
      return object(given, within);
    case undefined:
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

/** Of `{type: ["string", "null"]}`, one for each. */
function variantsOf({ type, ...rest }: Schema): Schema[] | undefined {
  return typeof type === "object" ? type.map((each) => ({ ...rest, type: each })) : undefined;
}

const FEW = 4;

function text({ format, pattern, minLength = 0, maxLength = 60 }: Schema): fc.Arbitrary<string> {
  if (format === "date-time") return soon;
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return fc.string({ unit: "grapheme", minLength, maxLength: Math.min(maxLength, 60) });
}

export function object(schema: Schema, within: readonly string[]): Value {
  const { properties = {}, required = [], propertyNames = {}, additionalProperties } = schema;
  if (typeof additionalProperties === "object") {
    return fc.dictionary(text(propertyNames), valueOf(additionalProperties, within), { maxKeys: FEW });
  }
  const isTooDeep = ({ $ref }: Schema) => within.filter((ref) => ref === $ref).length >= DEEPEST;
  const fields = Object.entries(properties).filter(([, field]) => !isTooDeep(field));
  const values = fields.map(([name, field]) => {
    const value = BY_NAME[name] ?? valueOf(field, within);
    return required.includes(name) || LIKELY.has(name) ? value : sometimes(value);
  });
  return fc.tuple(...values).map((made) => {
    const entries = fields.map(([name], index) => [name, made[index]] as const);
    return Object.fromEntries(entries.filter(([, value]) => value !== LEFT_OUT));
  });
}

/** Fields without which few requests are accepted, though the schema does not require them. */
const LIKELY = new Set(["lambdaProxyMessage", "scheduleExpression"]);
const LEFT_OUT = "left out";

function sometimes(value: Value): Value {
  return fc.oneof({ weight: 3, arbitrary: one(LEFT_OUT) }, { weight: 1, arbitrary: value });
}

function at(value: unknown, pointer: string): unknown {
  const steps = pointer.slice("#/".length).split("/");
  return steps.reduce((found, step) => (found as Record<string, unknown>)[step], value);
}
