import { useState } from "preact/hooks";
import { ApiError, api } from "../api/http.ts";
import { useQuery } from "../api/query.ts";
import { refresh, told } from "../actions.ts";
import { appId, mayChange } from "../me.ts";
import { Refreshing, Skeleton, sentenceOf } from "../parts/notices.tsx";
import { toast } from "../parts/toasts.tsx";

type Value = string | number | boolean | null | readonly unknown[] | object;

export interface AppSettings {
  readonly appId: string;
  readonly version: number;
  readonly name: string | null;
  readonly paused: boolean;
  readonly signingSecrets: readonly {
    readonly id: string;
    readonly createdAt: string;
    readonly expiresAt: string | null;
  }[];
  readonly limits: Readonly<Record<string, Value>>;
  readonly inForce: Readonly<Record<string, Value>>;
  readonly [name: string]: Value;
}

interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint: string;
  readonly kind: "text" | "number" | "lines" | "json";
}

const FIELDS: readonly Field[] = [
  { name: "name", label: "Name", hint: "Shown at the top of these pages.", kind: "text" },
  {
    name: "allowedCallbackUrls",
    label: "Where jobs may go",
    hint: "One pattern a line: https://hooks.example.com or https://*.example.com/in. None: anywhere public by https.",
    kind: "lines",
  },
  {
    name: "allowedFunctions",
    label: "Which functions jobs may invoke",
    hint: "One name or pattern a line.",
    kind: "lines",
  },
  {
    name: "onComplete",
    label: "Callback of all jobs",
    hint: "{ url, headers, on }. What is shown as *** stays as it is.",
    kind: "json",
  },
  {
    name: "requestsPerSecond",
    label: "Requests a second",
    hint: "More are answered 429. Empty: no limit.",
    kind: "number",
  },
  { name: "maxConcurrentTasks", label: "Tasks at once", hint: "Others wait in line.", kind: "number" },
  { name: "pdfPagesPerDay", label: "PDF pages a day", hint: "Empty: no limit.", kind: "number" },
  { name: "waitersPerApp", label: "Long polls at once", hint: "Empty: the deployment's.", kind: "number" },
  {
    name: "destinations",
    label: "Limits of destinations",
    hint: "[{ destination, rateLimitPerSecond, maxConcurrency }]",
    kind: "json",
  },
];

export default function Settings() {
  const path = `v1/admin/apps/${appId.value}`;
  const app = useQuery({
    key: ["app", appId.value],
    ask: async (signal) => api<AppSettings>(path, { signal }),
    enabled: appId.value !== undefined,
  });
  if (app.isPending) return <Skeleton title="Settings" rows={8} />;
  const setPaused = async (paused: boolean) => {
    const done = await told(async () => api(path, { method: "PATCH", body: { paused } }));
    if (done !== undefined)
      toast(
        paused ? "Paused. Jobs are kept, none starts." : "Jobs start again.",
        paused ? { action: { word: "Undo", act: () => void setPaused(false) } } : {},
      );
    await refresh();
  };
  return (
    <div class="stack">
      <div class="title">
        <h1 tabIndex={-1}>Settings</h1>
        <div class="actions">
          {app.data && mayChange.value && (
            <button type="button" class="button" onClick={() => void setPaused(!app.data.paused)}>
              {app.data.paused ? "Let jobs start" : "Pause all jobs"}
            </button>
          )}
        </div>
      </div>
      <Refreshing query={app} />
      {app.data && <Form key={app.data.version} app={app.data} path={path} />}
    </div>
  );
}

function Form({ app, path }: { readonly app: AppSettings; readonly path: string }) {
  const [texts, setTexts] = useState(() => textsOf(app));
  const [problem, setProblem] = useState<unknown>(undefined);
  const [theirs, setTheirs] = useState<AppSettings | undefined>(undefined);
  const before = textsOf(app);
  const changed = FIELDS.filter(({ name }) => texts[name] !== before[name]);
  const save = async (event: Event) => {
    event.preventDefault();
    setProblem(undefined);
    try {
      const body = Object.fromEntries(changed.map((field) => [field.name, valueOf(field, texts[field.name] ?? "")]));
      await api(path, { method: "PATCH", body: { version: app.version, ...body } });
      toast("Saved");
      await refresh();
    } catch (error) {
      setProblem(error);
      if (error instanceof ApiError && error.status === 409) setTheirs(await told(async () => api<AppSettings>(path)));
    }
  };
  const details = problem instanceof ApiError ? problem.details : [];
  return (
    <form class="form" onSubmit={(event) => void save(event)}>
      {FIELDS.map((field) => {
        const { name, label, hint, kind } = field;
        const of = details.filter((detail) => detail.field === name || detail.field.startsWith(`${name}.`));
        const inForce = app.inForce[name];
        const common = {
          id: name,
          class: kind === "json" ? "input mono" : "input",
          value: texts[name] ?? "",
          disabled: !mayChange.value,
          "aria-invalid": of.length > 0,
          "aria-describedby": `${name}-hint`,
          onInput: (event: Event) => setTexts({ ...texts, [name]: (event.currentTarget as HTMLInputElement).value }),
        };
        return (
          <div class="field" key={name}>
            <label for={name}>{label}</label>
            {kind === "lines" || kind === "json" ? (
              <textarea rows={3} {...common} />
            ) : (
              <input inputMode={kind === "number" ? "numeric" : "text"} {...common} />
            )}
            <span class="hint" id={`${name}-hint`}>
              {hint}
              {inForce !== undefined &&
                inForce !== null &&
                JSON.stringify(inForce) !== JSON.stringify(app[name]) &&
                ` The operator's limit holds: ${JSON.stringify(inForce)}.`}
            </span>
            {of.map(({ message }) => (
              <span class="problem" key={message}>
                {message}
              </span>
            ))}
            {theirs && JSON.stringify(theirs[name]) !== JSON.stringify(app[name]) && (
              <span class="problem">Meanwhile it has become {textsOf(theirs)[name] || "empty"}.</span>
            )}
          </div>
        );
      })}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {sentenceOf(problem)}
        </p>
      )}
      {theirs && (
        <button type="button" class="button" onClick={() => void refresh()}>
          Take over their version
        </button>
      )}
      {mayChange.value && (
        <div class="row">
          <button type="submit" class="button primary" disabled={changed.length === 0}>
            {changed.length === 0
              ? "Nothing is changed"
              : `Save ${changed.map(({ label }) => label.toLowerCase()).join(", ")}`}
          </button>
        </div>
      )}
    </form>
  );
}

function textsOf(app: AppSettings): Record<string, string> {
  return Object.fromEntries(FIELDS.map(({ name, kind }) => [name, textOf(app[name] ?? null, kind)]));
}

function textOf(value: Value, kind: Field["kind"]): string {
  if (value === null) return "";
  if (kind === "lines") return (value as readonly string[]).join("\n");
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function valueOf({ kind, label }: Field, text: string): Value {
  const trimmed = text.trim();
  if (kind === "lines")
    return trimmed
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  if (trimmed === "") return kind === "json" && label.startsWith("Limits") ? [] : null;
  if (kind === "number") {
    if (!/^\d+$/.test(trimmed)) throw new Error(`${label}: expected a whole number, got “${trimmed}”`);
    return Number(trimmed);
  }
  if (kind === "text") return trimmed;
  try {
    return JSON.parse(trimmed) as Value;
  } catch {
    throw new Error(`${label}: expected JSON`);
  }
}
