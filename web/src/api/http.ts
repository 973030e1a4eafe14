import { API } from "../root.ts";
import { refuse, token } from "./session.ts";
import { noteServiceTime } from "../time.ts";

// Requests to the API. An answer is its `data`; everything else is an ApiError.

export interface Detail {
  readonly field: string;
  readonly message: string;
}

export class ApiError extends Error {
  /** 0 if no answer came. */
  readonly status: number;
  readonly code: string;
  readonly reason: string | undefined;
  readonly details: readonly Detail[];
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, error: Partial<ApiError>, headers?: Headers) {
    super(error.message ?? `The service answered ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.code = error.code ?? "";
    this.reason = error.reason;
    this.details = error.details ?? [];
    this.requestId = headers?.get("x-request-id") ?? undefined;
    this.retryAfterMs = waitIn(headers?.get("retry-after") ?? "");
  }
}

/** Seconds or a date, by RFC 9110. */
function waitIn(text: string): number | undefined {
  if (/^\d+$/.test(text.trim())) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

export interface Asked {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** API Gateway answers within 30 s, whatever happens behind it. */
const LONGEST_REQUEST_MS = 35_000;

/** `path` is below the root of the API: `v1/admin/jobs?limit=50`. */
export async function api<T>(path: string, asked: Asked = {}): Promise<T> {
  const used = token.peek();
  const response = await send(path, asked);
  const parsed = parse(await answered(response.text()));
  if (typeof parsed["timestamp"] === "string") noteServiceTime(Date.parse(parsed["timestamp"]));
  if (response.ok) return (parsed["success"] === true ? parsed["data"] : parsed) as T;
  throw refused(response, parsed, used);
}

/** An answer that is no JSON of the API's own. */
export async function bytesOf(path: string): Promise<Blob> {
  const used = token.peek();
  const response = await send(path, {});
  if (response.ok) return answered(response.blob());
  throw refused(response, parse(await answered(response.text())), used);
}

function refused(response: Response, parsed: Record<string, unknown>, used: string | undefined): ApiError {
  if (response.status === 401) refuse(used);
  return new ApiError(response.status, parsed["error"] ?? {}, response.headers);
}

async function send(path: string, { method = "GET", body, headers = {}, signal: abort }: Asked): Promise<Response> {
  const late = AbortSignal.timeout(LONGEST_REQUEST_MS);
  const used = token.peek();
  const asked = fetch(new URL(path, API), {
    method,
    headers: {
      accept: "application/json",
      ...(used !== undefined && { authorization: `Bearer ${used}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    signal: abort ? AbortSignal.any([abort, late]) : late,
    credentials: "omit",
    cache: "no-cache",
  });
  return answered(asked);
}

/** What comes of a request, or why no answer did: whoever asked has lost interest, or it is told. */
async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, { message: navigator.onLine ? "The service did not answer" : "This device is offline" });
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text, exactly);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : { data: value };
  } catch {
    return {};
  }
}

/** A number that a JavaScript number would change is kept as its source wrote it. */
function exactly(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || context?.source === undefined || context.source.length < 16) return value;
  return String(value) === context.source ? value : raw(context.source);
}

const { rawJSON } = JSON as unknown as { rawJSON?: (text: string) => unknown };
const raw = (source: string) => rawJSON?.(source) ?? source;

/** A query string of the values that are there; a list becomes one parameter for each. */
export function queryOf(values: Readonly<Record<string, string | number | readonly string[] | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === "") continue;
    if (typeof value === "object") for (const each of value) query.append(name, each);
    else query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
