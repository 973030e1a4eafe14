import type { FinalStatus } from "./status.ts";

/** The caller's request, with every default filled in. */
export interface Message extends FollowUps {
  readonly lambdaProxyMessage?: ProxyMessage;
  readonly execution: Execution;
  readonly metadata: Metadata;
  /** The trace of the request that asked for the job, where it named one. */
  readonly traceparent?: string;
  /** Why the job can't be run: its parent does not have the body that it was to get. */
  readonly refusal?: string;
}

/** The follow-ups of a job: a callback with its final view, or another job. */
export interface FollowUps {
  readonly onComplete?: Callback;
  readonly onSuccess?: FollowUpJob;
  readonly onFailure?: FollowUpJob;
}

export type FollowUp = keyof FollowUps;

export interface FollowUpJob extends FollowUps {
  readonly message: Omit<Message, FollowUp>;
  /** What the job gets as its body. Default: what its message says. */
  readonly bodyFrom?: BodyFrom | undefined;
}

/** The answer that the parent has kept, the result of a task, or the parent as the API shows it. */
export const BODIES_FROM = ["parent.response", "parent.result", "parent"] as const;
export type BodyFrom = (typeof BODIES_FROM)[number];

export interface Callback {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The final statuses that are reported. */
  readonly on: readonly FinalStatus[];
}

/** The request of an attempt, in the shape of a Lambda proxy event. */
export interface ProxyMessage {
  readonly body: string | null;
  readonly resource: string;
  readonly path: string;
  readonly httpMethod: string;
  readonly isBase64Encoded: boolean;
  readonly pathParameters: Readonly<Record<string, string>> | null;
  readonly queryStringParameters?: Readonly<Record<string, string>> | null | undefined;
  readonly multiValueQueryStringParameters?: Readonly<Record<string, readonly string[]>> | null | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>> | null | undefined;
  readonly requestContext: Readonly<Record<string, unknown>>;
}

/** The fields of one execution type; its executor knows their schema. */
export interface Execution {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Metadata {
  readonly messageGroupId?: string;
  readonly idempotencyKey?: string;
  readonly createdAt?: string;
  readonly maxRetries?: number;
  readonly retry?: RetryPolicy & StatusPolicy;
  /** Until the start, from the acceptance. */
  readonly delaySeconds?: number;
  /** RFC 3339. */
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly labels?: readonly string[];
  /** The id of the group that the job is a member of. */
  readonly group?: string;
  /** Pointers into the body, as JSON, or into the payload: what may differ when the job is asked for again. */
  readonly idempotencyIgnore?: readonly string[];
  /** The body of the answer that ends the job well is kept. */
  readonly keepResponse?: boolean;
}

/** A status of an answer, or all of a class. */
export type StatusPattern = number | (typeof STATUS_CLASSES)[number];

export const STATUS_CLASSES = ["3xx", "4xx", "5xx"] as const;

/** The answers that end a job, and those after which it is tried again. */
export interface StatusPolicy {
  readonly final?: readonly StatusPattern[] | undefined;
  readonly retryOn?: readonly StatusPattern[] | undefined;
}

/** Defaults: 60 s, 86,400 s, no jitter. */
export interface RetryPolicy {
  readonly baseDelaySeconds: number;
  readonly maxDelaySeconds: number;
  /** 0 to 1: the share of the delay that chance may remove. */
  readonly jitter: number;
}
