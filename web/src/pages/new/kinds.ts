import type { Schema, Texts, Wrong } from "./schema.ts";
import { textsOf, valueOf } from "./schema.ts";
import generated from "./schemas.json";

// The kinds of jobs that people send, each with the fields that it has. The schemas are written by
// `npm run client:types` from the API document and from what the tasks accept.

interface Schemas {
  readonly job: Schema;
  readonly schedule: Schema;
  readonly group: Schema;
  readonly resend: Schema;
  readonly tasks: Readonly<Record<string, Schema>>;
  readonly examples: {
    readonly job: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly schedule: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly group: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly tasks: Readonly<Record<string, object>>;
  };
}

export const SCHEMAS = generated as unknown as Schemas;

export type Target = "url" | "function" | "functionUrl" | "task";
export type Kind = Target | "group";

export const KINDS: Readonly<Record<Kind, string>> = {
  url: "Webhook",
  function: "Lambda function",
  functionUrl: "URL of a Lambda function",
  task: "Built-in task",
  group: "Group of jobs",
};
export const WHEN = { once: "At once, or later", schedule: "Again and again: a schedule" } as const;
export type When = keyof typeof WHEN;

/** First those that every job of the kind wants, then the rest. */
export const FIRST: Readonly<Record<Target, readonly string[]>> = {
  url: ["url", "method", "headers", "body"],
  function: ["function", "headers", "body"],
  functionUrl: ["functionUrl", "method", "headers", "body"],
  task: ["task"],
};
export const ONCE = ["key", "delaySeconds"];
const MORE = ["labels", "maxRetries", "retry", "onComplete", "onSuccess", "onFailure"];
const MORE_ONCE = ["notBefore", "notAfter", "group", "order", "keepResponse", "idempotencyIgnore"];

export function moreOf(kind: Target, when: When): readonly string[] {
  const own = kind === "task" ? ["priority"] : ["timeoutSeconds"];
  return [...own, ...MORE, ...(when === "once" ? MORE_ONCE : [])];
}

export const SCHEDULE_MORE = [
  "overlap",
  "missed",
  "missedWithinSeconds",
  "startsAt",
  "endsAt",
  "maxRuns",
  "windowSeconds",
];

export interface Form {
  readonly kind: Kind;
  readonly when: When;
  /** Of a schedule: its key. */
  readonly name: string;
  readonly texts: Texts;
}

export interface Request {
  readonly method: "POST" | "PUT";
  readonly path: string;
  readonly body: object;
}

export interface Made {
  readonly request: Request;
  readonly wrong: Wrong;
}

/** A schema with only these fields. */
function only(schema: Schema, names: readonly string[], required: readonly string[]): Schema {
  const { properties = {} } = schema;
  const kept = names.flatMap((name) => (properties[name] ? [[name, properties[name]] as const] : []));
  return { ...schema, properties: Object.fromEntries(kept), required };
}

/** The schema of a job of this kind; that of a task has the payload of its type. */
export function jobSchema(kind: Target, when: When, task: string): Schema {
  const names = [...FIRST[kind], ...(when === "once" ? ONCE : []), ...moreOf(kind, when)];
  const schema = only(SCHEMAS.job, names, [kind]);
  const payload = kind === "task" ? SCHEMAS.tasks[task] : undefined;
  return payload ? { ...schema, properties: { ...schema.properties, payload }, required: [kind, "payload"] } : schema;
}

export function requestOf({ kind, when, name, texts }: Form): Made {
  const wrong: Wrong = {};
  if (kind === "group") {
    const body = valueOf(SCHEMAS.group, { ...texts, appId: "" }, wrong) as object;
    return { request: { method: "POST", path: "v1/groups", body }, wrong };
  }
  const hasNoBody = /^(?:GET|HEAD)$/.test(texts["method"] ?? "");
  const shown = hasNoBody ? { ...texts, body: "" } : texts;
  const schema = jobSchema(kind, when, texts["task"] ?? "");
  const job = valueOf(schema, shown, wrong) as Readonly<Record<string, unknown>>;
  const url = job["url"] ?? job["functionUrl"];
  if (typeof url === "string" && !(/^https?:\/\//i.test(url) && URL.canParse(url)))
    wrong[kind] = "expected an address such as https://hooks.example.com/orders";
  if (when === "once") return { request: { method: "POST", path: "v1/send", body: job }, wrong };
  const terms = only(SCHEMAS.schedule, ["expression", "timezone", ...SCHEDULE_MORE], ["expression"]);
  const body = { ...(valueOf(terms, texts, wrong) as object), job };
  if (name === "") wrong["name"] = "is missing";
  else if (!/^[\w.:@~-]{1,255}$/.test(name)) wrong["name"] = "expected letters, digits, and . _ : @ ~ -";
  return { request: { method: "PUT", path: `v1/schedules/${encodeURIComponent(name)}`, body }, wrong };
}

/** A form as an example of the API document fills it. */
export function formOf(example: Readonly<Record<string, unknown>>, now: Form): Form {
  if (now.kind === "group") return { ...now, texts: textsOf(SCHEMAS.group, example) };
  const of = (now.when === "schedule" ? (example["job"] ?? {}) : example) as Readonly<Record<string, unknown>>;
  const kind = (["url", "function", "functionUrl", "task"] as const).find((each) => of[each] !== undefined) ?? "url";
  const job = textsOf(jobSchema(kind, now.when, typeof of["task"] === "string" ? of["task"] : ""), of);
  const terms = now.when === "schedule" ? textsOf(SCHEMAS.schedule, { ...example, job: undefined }) : {};
  return { ...now, kind, texts: { ...terms, ...job } };
}
