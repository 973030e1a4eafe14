import { useLocation } from "preact-iso/router";
import { useEffect, useState } from "preact/hooks";
import { api } from "../api/http.ts";
import type { Job } from "../api/shapes.ts";
import { told } from "../actions.ts";
import { quoted } from "../curl.ts";
import { me, mayChange, ofApp } from "../me.ts";
import { Code } from "../parts/json.tsx";
import { sentenceOf } from "../parts/notices.tsx";
import { API, pathOf } from "../root.ts";
import { configText } from "../what.ts";
import { Choice } from "./schedules.tsx";

// A form for each kind of job, with the curl that does the same beside it. `from` is a job to send again, changed.

type Kind = "url" | "function" | "functionUrl" | "task" | "schedule";

const KINDS: Readonly<Record<Kind, string>> = {
  url: "Webhook",
  function: "Lambda function",
  functionUrl: "Lambda function's URL",
  task: "Built-in task",
  schedule: "Schedule of a webhook",
};
const TASKS = ["export_report", "import_csv", "data_processing", "notification", "sync", "cleanup", "generate_pdf"];
const METHODS = ["POST", "PUT", "PATCH", "GET", "DELETE", "HEAD"];

interface Form {
  readonly kind: Kind;
  readonly target: string;
  readonly method: string;
  readonly headers: string;
  readonly body: string;
  readonly key: string;
  readonly delay: string;
  readonly maxRetries: string;
  readonly order: string;
  readonly expression: string;
  readonly timezone: string;
}

export default function New() {
  const { query, route } = useLocation();
  const from = query["from"];
  const [form, setForm] = useState<Form>(() => ({
    kind: (query["type"] as Kind | undefined) ?? "url",
    target: me.value?.local?.echoUrl ?? "https://",
    method: "POST",
    headers: "",
    body: '{ "hello": "world" }',
    key: "",
    delay: "",
    maxRetries: "",
    order: "",
    expression: "0 9 * * 1-5",
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  }));
  const [original, setOriginal] = useState<Job | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    if (from === undefined) return;
    void told(async () => api<Job>(`v1/admin/jobs/${from}`)).then((job) => {
      if (!job) return;
      setOriginal(job);
      setForm((now) => ({ ...now, ...formOf(job) }));
    });
  }, [from]);
  const set = (some: Partial<Form>) => setForm({ ...form, ...some });
  const checked = requestOf(form, original);
  const send = async (event: Event) => {
    event.preventDefault();
    if (checked.problem !== undefined) {
      setProblem(checked.problem);
      return;
    }
    setBusy(true);
    setProblem(undefined);
    try {
      const { method, path, body } = checked;
      const made = await api<Job | { id: string }>(path, {
        method,
        body: { ...body, ...(original ? {} : ofApp()) },
      });
      route(pathOf(`/jobs/${made.id}`));
    } catch (error) {
      setProblem(sentenceOf(error));
    } finally {
      setBusy(false);
    }
  };
  if (!mayChange.value) return <div class="empty">Your token may look at this app, and send nothing.</div>;
  const hasBody = form.kind !== "task" ? !/^(?:GET|HEAD)$/.test(form.method) : true;
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>{original ? "Edit and send again" : "New job"}</h1>
      </div>
      {original && (
        <p class="muted">
          A new job with a key of its own; the old one stays as it is. What is shown as *** stays on the server.
        </p>
      )}
      <div class="cards">
        <form class="form" onSubmit={(event) => void send(event)}>
          {!original && (
            <Choice
              id="kind"
              label="Kind"
              value={form.kind}
              options={KINDS}
              onChange={(kind) => set({ kind: kind as Kind, target: defaultTarget(kind as Kind) })}
            />
          )}
          {form.kind === "schedule" && (
            <>
              <Field
                id="expression"
                label="Times"
                hint="0 9 * * 1-5, cron(0 9 ? * MON-FRI *) or rate(5 minutes)"
                value={form.expression}
                onChange={(expression) => set({ expression })}
              />
              <Field id="timezone" label="Time zone" value={form.timezone} onChange={(timezone) => set({ timezone })} />
            </>
          )}
          {form.kind === "task" ? (
            <Choice
              id="target"
              label="Task"
              value={form.target}
              options={Object.fromEntries(TASKS.map((each) => [each, each]))}
              onChange={(target) => set({ target })}
            />
          ) : (
            <Field
              id="target"
              label={form.kind === "function" ? "Function" : "URL"}
              value={form.target}
              onChange={(target) => set({ target })}
            />
          )}
          {(form.kind === "url" || form.kind === "functionUrl" || form.kind === "schedule") && (
            <Choice
              id="method"
              label="Method"
              value={form.method}
              options={Object.fromEntries(METHODS.map((each) => [each, each]))}
              onChange={(method) => set({ method })}
            />
          )}
          {form.kind !== "task" && (
            <Area
              id="headers"
              label="Headers"
              hint="One a line: name: value"
              value={form.headers}
              onChange={(headers) => set({ headers })}
            />
          )}
          {hasBody && (
            <Area
              id="body"
              label={form.kind === "task" ? "Payload" : "Body"}
              hint={form.kind === "task" ? "JSON, as the task wants it" : "JSON, or any text"}
              value={form.body}
              onChange={(body) => set({ body })}
            />
          )}
          <Field
            id="key"
            label={form.kind === "schedule" ? "Key" : "Idempotency key"}
            hint={form.kind === "schedule" ? "The schedule's name" : "The same key is the same job. Empty: none"}
            value={form.key}
            onChange={(key) => set({ key })}
          />
          {form.kind !== "schedule" && (
            <Field
              id="delay"
              label="Start after"
              hint="Seconds. Empty: now"
              value={form.delay}
              onChange={(delay) => set({ delay })}
            />
          )}
          {!original && (
            <Field
              id="maxRetries"
              label="Retries at most"
              hint="0 to 50. Empty: 10"
              value={form.maxRetries}
              onChange={(maxRetries) => set({ maxRetries })}
            />
          )}
          {problem !== undefined && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <div class="row">
            <button type="submit" class="button primary" aria-busy={isBusy} disabled={isBusy}>
              {isBusy
                ? "Sending…"
                : original
                  ? "Send the copy"
                  : form.kind === "schedule"
                    ? "Make the schedule"
                    : "Send"}
            </button>
          </div>
        </form>
        <section class="stack tight" aria-label="The same by curl">
          <h2>The same by curl</h2>
          {checked.problem === undefined ? (
            <Code text={curlText(checked)} isJson={false} label="curl" />
          ) : (
            <p class="muted">{checked.problem}</p>
          )}
        </section>
      </div>
    </div>
  );
}

function defaultTarget(kind: Kind): string {
  if (kind === "task") return "export_report";
  return kind === "url" || kind === "schedule" ? (me.value?.local?.echoUrl ?? "https://") : "";
}

type Checked =
  | { readonly problem?: undefined; readonly method: "POST" | "PUT"; readonly path: string; readonly body: object }
  | { readonly problem: string };

function requestOf(form: Form, original: Job | undefined): Checked {
  try {
    const job = jobOf(form);
    if (original) {
      const {
        url,
        function: _,
        functionUrl: __,
        task: ___,
        maxRetries: ____,
        method: _____,
        ...patch
      } = job as Record<string, unknown>;
      const isSame = url === undefined || url === formOf(original).target;
      const { delaySeconds, ...rest } = patch;
      const notBefore =
        typeof delaySeconds === "number"
          ? { notBefore: new Date(Date.now() + delaySeconds * 1_000).toISOString() }
          : {};
      return {
        method: "POST",
        path: `v1/admin/jobs/${original.id}/resend`,
        body: { ...(!isSame && { url }), ...rest, ...notBefore },
      };
    }
    if (form.kind !== "schedule") return { method: "POST", path: "v1/send", body: job };
    if (form.key.trim() === "") return { problem: "A schedule wants a key, its name" };
    return {
      method: "PUT",
      path: `v1/schedules/${encodeURIComponent(form.key.trim())}`,
      body: { expression: form.expression, timezone: form.timezone, job },
    };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function jobOf(form: Form): object {
  const { kind, target, method, key, delay, maxRetries } = form;
  const headers = headersIn(form.headers);
  const common = {
    ...(key.trim() !== "" && kind !== "schedule" && { key: key.trim() }),
    ...(delay.trim() !== "" && kind !== "schedule" && { delaySeconds: whole(delay, "Start after") }),
    ...(maxRetries.trim() !== "" && { maxRetries: whole(maxRetries, "Retries at most") }),
  };
  if (kind === "task") return { task: target, payload: jsonIn(form.body), ...common };
  const name = kind === "schedule" ? "url" : kind;
  const takesBody = !/^(?:GET|HEAD)$/.test(method) && form.body !== "";
  return {
    [name]: target,
    ...(name !== "function" && method !== "POST" && { method }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(takesBody && { body: jsonOrText(form.body) }),
    ...common,
  };
}

function whole(text: string, label: string): number {
  if (!/^\d+$/.test(text.trim())) throw new Error(`${label}: expected a whole number, got “${text}”`);
  return Number(text);
}

function headersIn(text: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(":");
      if (at < 1) throw new Error(`Headers: expected “name: value”, got “${line}”`);
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text === "" ? "{}" : text) as unknown;
  } catch {
    throw new Error("Payload: expected JSON");
  }
}

/** JSON whose numbers JavaScript would change goes as text, which is sent as it is. */
function jsonOrText(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" &&
      value !== null &&
      JSON.stringify(value) === text.replaceAll(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, "")
      ? value
      : text;
  } catch {
    return text;
  }
}

function formOf(job: Job): Partial<Form> {
  const { lambdaProxyMessage: request, executionConfig: config, executionType } = job;
  const kind: Kind =
    executionType === "task"
      ? "task"
      : executionType === "lambda-invoke"
        ? "function"
        : executionType === "lambda-url"
          ? "functionUrl"
          : "url";
  const base = configText(job, "baseUrl", "functionUrl").replace(/\/$/, "");
  return {
    kind,
    target:
      kind === "task"
        ? configText(job, "jobType")
        : kind === "function"
          ? configText(job, "functionName")
          : base + (request?.path ?? ""),
    method: request?.httpMethod ?? "POST",
    headers: Object.entries(request?.headers ?? {})
      .map(([name, value]) => `${name}: ${value}`)
      .join("\n"),
    body: kind === "task" ? JSON.stringify(config?.["payload"] ?? {}, null, 2) : (request?.body ?? ""),
  };
}

function curlText({ method, path, body }: Exclude<Checked, { problem: string }>): string {
  return [
    `curl -X ${method} ${quoted(new URL(path, API).href)}`,
    `  -H "Authorization: Bearer $TOKEN"`,
    `  -H 'content-type: application/json'`,
    `  -d ${quoted(JSON.stringify(body))}`,
  ].join(" \\\n");
}

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Field({ id, label, hint, value, onChange }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} class="input" value={value} onInput={(event) => onChange(event.currentTarget.value)} />
      {hint !== undefined && <span class="hint">{hint}</span>}
    </div>
  );
}

function Area({ id, label, hint, value, onChange }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        class="input"
        rows={id === "headers" ? 2 : 6}
        spellcheck={false}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      {hint !== undefined && <span class="hint">{hint}</span>}
    </div>
  );
}
