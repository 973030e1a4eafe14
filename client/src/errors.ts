import type { Error as ErrorAnswer, JobEntity } from "./api-types.ts";

/** The body of an error answer; empty if a proxy has answered in its own form. */
export type ErrorBody = Partial<Omit<ErrorAnswer["error"], "code"> & { readonly code: string }>;

/** What the service says is wrong with a field. */
export type ErrorDetail = NonNullable<ErrorBody["details"]>[number];

export interface ErrorOptions {
  /** 0: no answer came. */
  readonly status: number;
  readonly code: string;
  readonly reason?: string | undefined;
  readonly details?: readonly ErrorDetail[] | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** A request that was refused or failed. */
export class JobsError extends Error {
  override name = "JobsError";
  /** The HTTP status; 0 if no answer came. */
  readonly status: number;
  /** `NOT_FOUND`, `CONFLICT` … */
  readonly code: string;
  /** What exactly, where one code has several: `idempotency_conflict`, `group_sealed` … */
  readonly reason: string | undefined;
  readonly details: readonly ErrorDetail[];
  /** Stands in the log of the service. */
  readonly requestId: string | undefined;
  /** The same call may succeed later. */
  readonly isRetryable: boolean;

  constructor(message: string, { status, code, reason, details = [], requestId, cause }: ErrorOptions) {
    super(message, cause === undefined ? {} : { cause });
    this.status = status;
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.requestId = requestId;
    this.isRetryable = isRetryable(status);
  }
}

const UUID = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/;

/** What is there now doesn't allow it (409), or the key belongs to a job that asks for something else (422). */
export class ConflictError extends JobsError {
  override name = "ConflictError";
  /** The job or schedule that is in the way, where the service names it. */
  readonly jobId: string | undefined;
  /** Where the job of this key differs, as JSON pointers: `/body/amount`. */
  readonly differs: readonly string[];

  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.jobId = UUID.exec(message)?.[0];
    this.differs = this.details.flatMap(({ field }) => (field.startsWith("/") ? [field] : []));
  }
}

/** The app asks for more than it may (429). */
export class RateLimitError extends JobsError {
  override name = "RateLimitError";
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** No answer, or 502 to 504: the request may have taken effect. */
export class UnavailableError extends JobsError {
  override name = "UnavailableError";
}

/** The job that was waited for has ended, and not as `SUCCEEDED`. */
export class JobFailedError extends Error {
  override name = "JobFailedError";
  readonly job: JobEntity;

  constructor(job: JobEntity) {
    super(`Job ${job.id} is ${job.status}${job.lastError === null ? "" : `: ${job.lastError}`}`);
    this.job = job;
  }
}

export function isRetryable(status: number): boolean {
  return status === 0 || status === 429 || (status >= 502 && status <= 504);
}

/** The error of an answer, or of one job in the answer to a batch. */
export function errorOf(status: number, body: ErrorBody, more: Partial<ErrorOptions> = {}): JobsError {
  const { code = `HTTP_${status}`, message = `HTTP ${status}`, reason, details } = body;
  const said = [message, ...(details ?? []).map((each) => `${each.field}: ${each.message}`)].join("\n  ");
  const options = { ...more, status, code, reason, details };
  if (status === 409 || reason === "idempotency_conflict") return new ConflictError(said, options);
  if (status === 429) return new RateLimitError(said, options);
  return isRetryable(status) ? new UnavailableError(said, options) : new JobsError(said, options);
}
