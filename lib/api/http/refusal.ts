import { ClientError, Unavailable, reasonOf, type ErrorCode, type ErrorDetail } from "../../errors.ts";
import { parts } from "../../parts.ts";

// The answers to requests that failed: their status, and the text that a client may see.

export const STATUS_OF: Record<ErrorCode, number> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  REQUEST_TIMEOUT: 408,
  CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNPROCESSABLE_ENTITY: 422,
  TOO_MANY_REQUESTS: 429,
  INTERNAL_SERVER_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
};

interface Explanation {
  readonly status: number;
  readonly error: { code: ErrorCode; message: string; reason?: string; details?: readonly ErrorDetail[] };
  readonly retryAfterSeconds?: number | undefined;
}

/** The content type of an error by RFC 9457, for clients that accept it. */
export const PROBLEM = "application/problem+json";

/** An error by RFC 9457. */
export function problemOf(status: number, { code, message, reason, details }: Explanation["error"]): object {
  const words = code.toLowerCase().replaceAll("_", " ");
  return {
    type: "about:blank",
    title: words.charAt(0).toUpperCase() + words.slice(1),
    status,
    detail: message,
    code,
    ...(reason !== undefined && { reason }),
    ...(details && { errors: details }),
  };
}

/** Logs the error, unless it is meant for clients. */
export function explain(error: unknown, about: { method: string; route: string; requestId?: string }): Explanation {
  const { code, message, details, retryAfterSeconds, reason, why } = toldToClient(error, about.method);
  const { method: _, ...fields } = about;
  if (code === "UNAUTHORIZED") parts().log("warn", "request.unauthorized", { ...fields, ...(why && { why }) });
  if (!(error instanceof ClientError)) parts().log("error", "request.failed", { ...fields, error: reasonOf(error) });
  const told = { code, message, ...(reason !== undefined && { reason }), ...(details.length > 0 && { details }) };
  return { status: STATUS_OF[code], error: told, retryAfterSeconds };
}

function toldToClient(error: unknown, method: string): ClientError {
  if (error instanceof ClientError) return error;
  if (error instanceof Unavailable) {
    const [message, reason] =
      method === "GET"
        ? ["The service cannot answer now; try again in a few seconds", "unavailable"]
        : [
            "The service cannot say now whether the request took effect; repeat it with the same idempotency key",
            "outcome_unknown",
          ];
    return new ClientError("SERVICE_UNAVAILABLE", message, [], { reason });
  }
  return new ClientError("INTERNAL_SERVER_ERROR", "An unexpected error occurred");
}

/** When to come again: as the error says, or shortly where its status makes sense of that. */
export function retryAfter(status: number, seconds: number | undefined): Record<string, string> {
  if (seconds !== undefined) return { "retry-after": String(seconds) };
  if (status === 503) return { "retry-after": "5" };
  return status === 429 ? { "retry-after": "1" } : {};
}
