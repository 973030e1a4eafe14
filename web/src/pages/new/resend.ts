import type { JobDetail } from "../../api/shapes.ts";
import { configText } from "../../what.ts";
import type { Made } from "./kinds.ts";
import { SCHEMAS } from "./kinds.ts";
import { pairsText, textsOf, valueOf, type Schema, type Texts, type Wrong } from "./schema.ts";

// A job sent again as a new one. Only what differs is sent, so that what is shown as *** stays on the server.

type Headers = Readonly<Record<string, string>>;

/** The fields of a copy of this job. */
export function resendSchema({ executionType, executionConfig }: JobDetail): Schema {
  const { url, headers, body, notBefore, key } = SCHEMAS.resend.properties ?? {};
  const all = { url, headers, body, key, notBefore };
  if (executionType !== "task") {
    const { url: _, ...invoked } = all;
    return { ...SCHEMAS.resend, properties: defined(executionType === "lambda-invoke" ? invoked : all) };
  }
  const type = (executionConfig as { readonly jobType?: string } | null)?.jobType ?? "";
  const payload = SCHEMAS.tasks[type] ?? SCHEMAS.resend.properties?.["payload"];
  return { ...SCHEMAS.resend, properties: defined({ payload, key, notBefore }) };
}

function defined(properties: Readonly<Record<string, Schema | undefined>>): Readonly<Record<string, Schema>> {
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, schema]) => (schema ? [[name, schema] as const] : [])),
  );
}

/** The job as texts. The new one has a key of its own, if the old one has one. */
export function resendTexts(job: JobDetail, schema: Schema): Texts {
  const { lambdaProxyMessage: request, executionConfig } = job;
  const base = configText(job, "baseUrl", "functionUrl").replace(/\/$/, "");
  const payload = (executionConfig as { readonly payload?: object } | null)?.payload;
  const { payload: of } = schema.properties ?? {};
  return {
    ...(schema.properties?.["url"] && { url: base + (request?.path ?? "") }),
    ...(schema.properties?.["headers"] && { headers: pairsText(request?.headers ?? {}) }),
    ...(schema.properties?.["body"] && { body: request?.body ?? "" }),
    ...(of && payload && textsOf(of, payload, "payload")),
  };
}

/** A key that no job has. */
export function newKey({ idempotencyKey }: JobDetail): string {
  return idempotencyKey === null ? "" : `${idempotencyKey.slice(0, 230)}-again-${Date.now().toString(36)}`;
}

export function resendOf(job: JobDetail, schema: Schema, texts: Texts): Made {
  const wrong: Wrong = {};
  const before = valueOf(schema, resendTexts(job, schema), {}) as Readonly<Record<string, unknown>>;
  const after = valueOf(schema, texts, wrong) as Readonly<Record<string, unknown>>;
  const isSame = (name: string) => JSON.stringify(before[name]) === JSON.stringify(after[name]);
  const body = {
    ...(!isSame("url") && { url: after["url"] }),
    ...changedHeaders((before["headers"] ?? {}) as Headers, (after["headers"] ?? {}) as Headers),
    // As text, an unchanged body is the same, however it would be written as JSON.
    ...((texts["body"] ?? "") !== (job.lambdaProxyMessage?.body ?? "") && { body: after["body"] ?? null }),
    ...(!isSame("payload") && { payload: after["payload"] }),
    ...(after["key"] !== undefined && { key: after["key"] }),
    ...(after["notBefore"] !== undefined && { notBefore: after["notBefore"] }),
  };
  return { request: { method: "POST", path: `v1/admin/jobs/${job.id}/resend`, body }, wrong };
}

/** Those that are new or other; null for those that are gone. */
function changedHeaders(
  before: Headers,
  after: Headers,
): { readonly headers?: Readonly<Record<string, string | null>> } {
  const gone = Object.keys(before).filter((name) => after[name] === undefined);
  const changed = Object.entries(after).filter(([name, value]) => before[name] !== value);
  if (gone.length + changed.length === 0) return {};
  return { headers: Object.fromEntries([...gone.map((name) => [name, null] as const), ...changed]) };
}
