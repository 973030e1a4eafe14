import { API } from "../root.ts";
import { isRefused, token } from "./session.ts";
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
    const seconds = Number(headers?.get("retry-after") ?? Number.NaN);
    this.retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : undefined;
  }
}

export interface Asked {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** `path` is below the root of the API: `v1/admin/jobs?limit=50`. */
export async function api<T>(path: string, asked: Asked = {}): Promise<T> {
  const response = await send(path, asked);
  const parsed = parse(await response.text());
  if (typeof parsed["timestamp"] === "string") noteServiceTime(Date.parse(parsed["timestamp"]));
  if (response.ok) return (parsed["success"] === true ? parsed["data"] : parsed) as T;
  throw refused(response, parsed);
}

/** An answer that is no JSON of the API's own. */
export async function bytesOf(path: string): Promise<Blob> {
  const response = await send(path, {});
  if (response.ok) return response.blob();
  throw refused(response, parse(await response.text()));
}

function refused(response: Response, parsed: Record<string, unknown>): ApiError {
  if (response.status === 401) isRefused.value = true;
  return new ApiError(response.status, parsed["error"] ?? {}, response.headers);
}

async function send(path: string, { method = "GET", body, headers = {}, signal: abort }: Asked): Promise<Response> {
  return answerOf(path, {
    method,
    headers: {
      accept: "application/json",
      ...(token.value !== undefined && { authorization: `Bearer ${token.value}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(abort && { signal: abort }),
    credentials: "omit",
    cache: "no-cache",
  });
}

async function answerOf(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(new URL(path, API), init);
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
