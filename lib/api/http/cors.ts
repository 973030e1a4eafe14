import { corsOrigins } from "../../config.ts";

// The web pages of CORS_ORIGINS may call the API from a browser.

const EXPOSED =
  "Retry-After, x-request-id, Idempotent-Replayed, Idempotent-Differs, Link, ETag, X-PDF-Pages, X-PDF-Truncated, X-PDF-Warnings, X-Job-Id";
const METHODS = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS =
  "authorization, content-encoding, content-type, idempotency-key, if-match, if-none-match, x-request-id";
const PREFLIGHT_SECONDS = 600;

type Headers = Readonly<Record<string, string | undefined>>;

/** The headers that let a page read the answer; none for other origins. */
export function corsHeaders({ origin }: Headers): Record<string, string> {
  const origins = corsOrigins(process.env);
  if (origin === undefined || !origins.some((allowed) => allowed === "*" || allowed === origin)) return {};
  return { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, vary: "origin" };
}

/** The headers of the answer to a preflight request; `undefined` for other requests and origins. */
export function preflight(method: string, headers: Headers): Record<string, string> | undefined {
  if (method !== "OPTIONS" || headers["access-control-request-method"] === undefined) return undefined;
  const allowed = corsHeaders(headers);
  if (!allowed["access-control-allow-origin"]) return undefined;
  return {
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": REQUEST_HEADERS,
    "access-control-max-age": String(PREFLIGHT_SECONDS),
  };
}
