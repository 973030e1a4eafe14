// What the pages use of the API's answers. The API's document is the contract; these are the parts of it that are shown.

export type Status = "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
  readonly lookedBackTo?: string | null;
}

export interface Waiting {
  readonly reason: string;
  readonly since: string;
  readonly until: string | null;
  readonly detail: string;
}

export interface Progress {
  readonly percent: number;
  readonly step: number;
  readonly totalSteps: number;
  readonly label?: string;
}

export interface Attempt {
  readonly number: number;
  readonly startedAt: string | null;
  readonly durationMs: number | null;
  readonly outcome: string;
  readonly httpStatus: number | null;
  readonly error: string | null;
  readonly responseExcerpt: string | null;
  readonly request?: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly bodyBytes: number;
  } | null;
  readonly responseHeaders?: Readonly<Record<string, string>> | null;
  readonly timings?: Readonly<Record<string, number>> | null;
}

export interface Job {
  readonly id: string;
  readonly appId: string;
  readonly executionType: string;
  readonly jobType?: string | null;
  readonly status: Status;
  readonly destination?: string | null;
  readonly method?: string | null;
  readonly path?: string | null;
  readonly attemptsStarted?: number;
  readonly lastHttpStatus?: number | null;
  readonly progress?: Progress | null;
  readonly waiting?: Waiting | null;
  readonly labels?: readonly string[];
  readonly reason?: string | null;
  readonly idempotencyKey: string | null;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly nextRetryAt: string | null;
  readonly nextRetries?: readonly string[];
  readonly lastError: string | null;
  readonly createdBy: string | null;
  readonly parentJobId?: string;
  readonly followUpJobIds?: readonly string[];
  readonly stopRequestedAt?: string;
  readonly nextRunAt?: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly attempts?: readonly Attempt[];
  readonly lambdaProxyMessage?: {
    readonly body: string | null;
    readonly path: string;
    readonly httpMethod: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly isBase64Encoded: boolean;
  } | null;
  readonly executionConfig?: Readonly<Record<string, unknown>>;
  readonly onComplete?: object;
  readonly onSuccess?: object;
  readonly onFailure?: object;
}

export interface Me {
  readonly sub: string;
  readonly appId: string | null;
  readonly appName: string | null;
  readonly roles: readonly string[];
  readonly may: { readonly read: boolean; readonly change: boolean; readonly operate: boolean };
  readonly expiresAt: string;
  readonly service: { readonly name: string; readonly version: string; readonly stage: string };
  readonly local: {
    readonly speed: number;
    readonly offsetSeconds: number;
    readonly echoUrl: string;
    readonly mailboxUrl: string;
  } | null;
}

export interface BulkAction {
  readonly id: string;
  readonly action: "redrive" | "cancel";
  readonly filter: Readonly<Record<string, unknown>>;
  readonly status: Status;
  readonly looked: number;
  readonly matched: number;
  readonly changed: number;
  readonly error: string | null;
  readonly createdAt: string;
  readonly completedAt: string | null;
}
