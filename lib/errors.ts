import type * as z from "zod";

/** What a client can be told; `api/http.ts` maps each code to its HTTP status, once. */
export const ERROR_CODES = [
  "BAD_REQUEST",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "NOT_FOUND",
  "REQUEST_TIMEOUT",
  "CONFLICT",
  "PAYLOAD_TOO_LARGE",
  "UNPROCESSABLE_ENTITY",
  "TOO_MANY_REQUESTS",
  "SERVICE_UNAVAILABLE",
  "INTERNAL_SERVER_ERROR",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ErrorDetail {
  readonly field: string;
  readonly message: string;
}

/** The only error whose message a client gets to see. */
export class ClientError extends Error {
  readonly code: ErrorCode;
  readonly details: readonly ErrorDetail[];

  constructor(code: ErrorCode, message: string, details: readonly ErrorDetail[] = []) {
    super(message);
    this.name = "ClientError";
    this.code = code;
    this.details = details;
  }
}

const MOST_DETAILS = 20;
const LONGEST_FIELD_NAME = 200;

/** Says what is wrong, field by field: of the first 20, so that no answer grows with a bad request. */
export function badRequest(details: readonly ErrorDetail[]): ClientError {
  const told = details
    .slice(0, MOST_DETAILS)
    .map(({ field, message }) => ({ field: field.slice(0, LONGEST_FIELD_NAME), message }));
  return new ClientError("BAD_REQUEST", "Validation failed", told);
}

/** A part this service stands on (table, queue, bucket) did not answer as it should. */
export class Unavailable extends Error {
  constructor(part: string, cause: unknown) {
    super(`${part} is not available: ${reasonOf(cause)}`, { cause });
    this.name = "Unavailable";
  }
}

export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message && cause.message !== cause.name ? `${cause.name}: ${cause.message}` : cause.name;
}

/** What a schema finds wrong, field by field; `whole` names what was parsed. */
export function problemsIn(error: z.ZodError, whole: string): ErrorDetail[] {
  return error.issues.flatMap((issue) => detailsOf(issue, whole));
}

export function detailsOf(issue: z.core.$ZodIssue, whole: string): ErrorDetail[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      field: [...issue.path, key].join("."),
      message: "is not a known field; remove it or check its spelling",
    }));
  }
  // A record's key that is not allowed: what is wrong with it stands one level down.
  const message = (issue.code === "invalid_key" && issue.issues[0]?.message) || issue.message;
  return [{ field: issue.path.join(".") || whole, message }];
}
