import type * as z from "zod/mini";

/** The codes of errors that clients see. `api/http/refusal.ts` maps each one to its HTTP status. */
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

/** The only error whose message clients see. */
export class ClientError extends Error {
  readonly code: ErrorCode;
  readonly details: readonly ErrorDetail[];
  /** When a further try makes sense, where that is known. */
  readonly retryAfterSeconds: number | undefined;
  /** A stable word for programs, such as `group_sealed`, where the code alone says too little. */
  readonly reason: string | undefined;
  /** What the log says and the client does not hear. */
  readonly why: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: readonly ErrorDetail[] = [],
    {
      retryAfterSeconds,
      reason,
      why,
    }: { readonly retryAfterSeconds?: number; readonly reason?: string; readonly why?: string } = {},
  ) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
    this.reason = reason;
    this.why = why;
    this.name = "ClientError";
    this.code = code;
    this.details = details;
  }
}

const MOST_DETAILS = 20;
const LONGEST_FIELD_NAME = 200;

/** An error with details of the first 20 fields, so that the answer's size doesn't grow with the request's. */
export function badRequest(details: readonly ErrorDetail[]): ClientError {
  const told = details
    .slice(0, MOST_DETAILS)
    .map(({ field, message }) => ({ field: field.slice(0, LONGEST_FIELD_NAME), message }));
  return new ClientError("BAD_REQUEST", "Validation failed", told);
}

/** The problem of text from outside, whose bytes must not be replaced by U+FFFD. */
export const NOT_UTF8 = "holds bytes that are not UTF-8: expected text in UTF-8; encode it as such";

/** A dependency (table, queue, bucket) failed or gave no answer. */
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

/** Says where an unknown field belongs; undefined if nowhere. */
export type Misplaced = (path: readonly (string | number)[], name: string) => string | undefined;

/** The problems that a schema found, by field; `whole` names the parsed value. */
export function problemsIn(error: z.core.$ZodError, whole: string, misplaced?: Misplaced): ErrorDetail[] {
  return error.issues.flatMap((issue) => detailsOf(issue, whole, misplaced));
}

/** Whether a value is of another kind than the member of a union wants, such as a list. */
function isOfAnotherKind({ code, path }: z.core.$ZodIssue): boolean {
  return code === "invalid_type" && path.length === 0;
}

export function detailsOf(issue: z.core.$ZodIssue, whole: string, misplaced?: Misplaced): ErrorDetail[] {
  if (issue.code === "unrecognized_keys") {
    const path = issue.path.filter((part) => typeof part !== "symbol");
    return issue.keys.slice(0, MOST_DETAILS).map((key) => ({
      field: [...path, key].join("."),
      message: misplaced?.(path, key) ?? "is not a known field; remove it or check its spelling",
    }));
  }
  const nearest = issue.code === "invalid_union" && issue.errors.find((errors) => !errors.some(isOfAnotherKind));
  if (nearest)
    return nearest.flatMap((each) => detailsOf({ ...each, path: [...issue.path, ...each.path] }, whole, misplaced));
  // For a record's key that is not allowed, the problem is one level down.
  const message = (issue.code === "invalid_key" && issue.issues[0]?.message) || issue.message;
  return [{ field: issue.path.join(".") || whole, message }];
}
