import type { AppSettings } from "../../api/shapes.ts";

// The settings as texts of a form, and back.

export type Value = AppSettings[Name];
export type Texts = Readonly<Record<string, string>>;

type Name = Exclude<keyof AppSettings, "version" | "appId" | "limits" | "inForce" | "signingSecrets" | "paused">;

export interface Setting {
  readonly name: Name;
  readonly label: string;
  readonly hint: string;
  readonly kind: "text" | "number" | "lines" | "json" | "choice" | "flag";
  readonly options?: Readonly<Record<string, string>>;
}

export const SETTINGS: readonly Setting[] = [
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
    hint: '{ "url": …, "headers": {…}, "on": ["DEAD"] }. What is shown as *** stays as it is.',
    kind: "json",
  },
  {
    name: "retry",
    label: "Which answers are final",
    hint: '{ "final": ["4xx"], "retryOn": [409] }. Empty: as the service does it.',
    kind: "json",
  },
  {
    name: "idempotency",
    label: "What a repeated key must not change",
    hint: "Else the repeat is refused.",
    kind: "choice",
    options: { request: "the request, but for its times", target: "only where it goes" },
  },
  {
    name: "followRedirects",
    label: "Redirects to the same host",
    hint: "With 307 or 308, by https, at most five in a row.",
    kind: "flag",
    options: { false: "are failures", true: "are followed" },
  },
  {
    name: "requestsPerSecond",
    label: "Requests a second",
    hint: "More are answered 429. Empty: no limit.",
    kind: "number",
  },
  { name: "maxConcurrentTasks", label: "Tasks at once", hint: "Others wait in line. Empty: 5.", kind: "number" },
  { name: "pdfPagesPerDay", label: "PDF pages a day", hint: "Empty: no limit.", kind: "number" },
  { name: "waitersPerApp", label: "Long polls at once", hint: "Empty: the deployment's.", kind: "number" },
  {
    name: "userWebhooks",
    label: "Who may have the ends of long PDF jobs told",
    hint: "",
    kind: "choice",
    options: { any: "any user", permission: "those who may create jobs" },
  },
  {
    name: "destinations",
    label: "Limits of destinations",
    hint: '[{ "destination": "https://hooks.example.com", "rateLimitPerSecond": 5, "maxConcurrency": 10 }]',
    kind: "json",
  },
];

export function textsOf(app: AppSettings): Texts {
  return Object.fromEntries(SETTINGS.map(({ name, kind }) => [name, textOf(app[name], kind)]));
}

export function textOf(value: Value, kind: Setting["kind"]): string {
  if (value === null) return "";
  if (kind === "lines") return (value as readonly string[]).join("\n");
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Throws for what it can't be. */
export function valueOf({ kind, label, name }: Setting, text: string): unknown {
  const trimmed = text.trim();
  if (kind === "lines")
    return trimmed
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  if (trimmed === "") return name === "destinations" ? [] : null;
  if (kind === "number") {
    if (!/^\d+$/.test(trimmed)) throw new Error(`${label}: expected a whole number, got “${trimmed}”`);
    return Number(trimmed);
  }
  if (kind === "flag") return trimmed === "true";
  if (kind !== "json") return trimmed;
  try {
    return JSON.parse(trimmed) as unknown;
  } catch {
    throw new Error(`${label}: expected JSON`);
  }
}
