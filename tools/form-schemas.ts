import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "../lib/zod.ts";
import { apiDocument } from "../lib/api/docs/site.ts";
import { JOB_TYPES, definitionOf } from "../lib/tasks/index.ts";

// `npm run client:types`, second half: writes the schemas of the dashboard's forms (web/src/pages/new/schemas.json) from
// the API document and from what the tasks accept. The example of a task is the one of its page.

type Json = Readonly<Record<string, unknown>>;

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly requestBody: { readonly content: Json } }>>>
  >;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

export const FORMS_FILE = "web/src/pages/new/schemas.json";

/** What the service submits by itself. */
const INTERNAL: readonly string[] = ["bulk_action", "group_audit"];

/** A job of it is made with a file, by another form. */
const FILE_TASKS: readonly string[] = ["import_csv"];

export const TASKS_PAGE = "docs/built-in-tasks.md";

/** The payloads that the page of the built-in tasks shows, by the task. */
export function payloadsIn(page: string): Readonly<Record<string, object>> {
  const blocks = [...page.matchAll(/```json (\w+)\n([\s\S]*?)```/g)];
  return Object.fromEntries(blocks.map(([, task = "", text = ""]) => [task, JSON.parse(text) as object]));
}

/** The examples that are better to begin with than those of the page, and the one that has another page. */
export const SAMPLES: Readonly<Record<string, object>> = {
  example: { words: ["job", "attempt"] },
  export_report: { reportType: "jobs", format: "csv", filters: { dateFrom: "2026-01-01", dateTo: "2026-01-31" } },
  cleanup: { olderThanDays: 90, dryRun: true },
  notification: {
    email: { to: ["ada@example.com"], subject: "Hello {{name}}", text: "Dear {{name}}, …" },
    variables: { name: "Ada" },
  },
  generate_pdf: { input_type: "markdown", markdown: "# Invoice A-1000\n\nTotal: **47 EUR**" },
};

const NOTED = ["SendJob", "PutSchedule", "CreateGroup", "Resend"] as const;

/** The text of the file. */
export async function formsOf(document: object): Promise<string> {
  const { paths, components } = document as Document;
  const [job, schedule, group, resend] = NOTED.map((name) => shortened(components.schemas[name] ?? {}));
  const examplesOf = (path: string, method: string) => {
    const { content } = paths[path]?.[method]?.requestBody ?? { content: {} };
    const { examples = {} } = (content["application/json"] ?? {}) as { examples?: Readonly<Record<string, Json>> };
    return Object.fromEntries(
      Object.entries(examples).flatMap(([name, { value }]) => (Array.isArray(value) ? [] : [[name, value] as const])),
    );
  };
  const asked = await Promise.all(JOB_TYPES.filter((jobType) => !INTERNAL.includes(jobType)).map(definitionOf));
  const shown = payloadsIn(readFileSync(join(import.meta.dirname, "..", TASKS_PAGE), "utf8"));
  const samples = asked.flatMap(({ jobType }) => {
    const sample = SAMPLES[jobType] ?? (FILE_TASKS.includes(jobType) ? undefined : shown[jobType]);
    return sample ? [[jobType, sample] as const] : [];
  });
  const forms = {
    job,
    schedule,
    group,
    resend,
    tasks: Object.fromEntries(
      asked.map(({ jobType, summary, payload }) => [jobType, { ...ofPayload(payload), description: summary }]),
    ),
    examples: {
      job: examplesOf("/v1/send", "post"),
      schedule: examplesOf("/v1/schedules/{key}", "put"),
      group: examplesOf("/v1/groups", "post"),
      tasks: Object.fromEntries(samples),
    },
  };
  return `${JSON.stringify(forms)}\n`;
}

function ofPayload(payload: z.ZodMiniType): Json {
  return asOne(shortened(z.toJSONSchema(payload, { io: "input", unrepresentable: "any", reused: "inline" })));
}

interface Variant {
  readonly properties: Readonly<Record<string, Json>>;
  readonly required: readonly string[];
}

/** One form for what is one of several objects: with the fields of all, and the words that tell them apart to choose from. */
function asOne(schema: Json): Json {
  const variants = schema["oneOf"] as readonly Variant[] | undefined;
  if (!variants) return schema;
  const all = Object.assign({}, ...variants.map(({ properties }) => properties)) as Record<string, Json>;
  for (const name of Object.keys(all)) {
    const words = variants.flatMap(({ properties }) => properties[name]?.["const"] ?? []);
    if (words.length > 0) all[name] = { type: "string", enum: words };
  }
  const required = Object.keys(all).filter((name) => variants.every((each) => each.required.includes(name)));
  return { type: "object", properties: all, required };
}

const UNREAD: readonly string[] = ["$ref", "$schema", "$defs", "id"];

/** Leaves out what no form reads. A schema that is named elsewhere is free JSON here. */
function shortened(schema: Json): Json {
  const text = JSON.stringify(schema, (name, value: unknown) => {
    // A field may have such a name, and its value is a schema.
    if (UNREAD.includes(name) && (typeof value === "string" || name === "$defs")) return undefined;
    if (typeof value !== "object" || value === null || !("format" in value)) return value;
    return { ...value, pattern: undefined };
  });
  return JSON.parse(text) as Json;
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, "..", FORMS_FILE), await formsOf(await apiDocument()));
  process.stdout.write(`${FORMS_FILE} is written\n`);
}
