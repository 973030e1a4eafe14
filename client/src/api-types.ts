// Over 300 lines: npm run client:types writes this file from the API document (lib/api/docs/openapi.ts).
// Change the schemas of the routes instead.

/** A job as it stands. Lists leave the message out. */
export interface JobEntity {
  readonly id: string;
  readonly appId: string;
  readonly executionType: string;
  readonly status: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";
  readonly lambdaProxyMessage?: ShownRequest | null | undefined;
  readonly executionConfig?: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution | ShownScheduleExecution | GroupExecution | null | undefined;
  readonly onComplete?: ShownCallback | undefined;
  readonly onSuccess?: ShownFollowUpJob | null | undefined;
  readonly onFailure?: ShownFollowUpJob | null | undefined;
  readonly messageGroupId: string;
  readonly idempotencyKey: string | null;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly nextRetryAt: string | null;
  readonly lastError: string | null;
  /** Why it failed. `final`: another attempt would fail too; `expired`: none was started by its notAfter; `seal_timeout`, `count_mismatch`: a group that had other members than it was to have. */
  readonly reason?: "final" | "expired" | "seal_timeout" | "count_mismatch" | undefined;
  /** The start that was asked for. */
  readonly notBefore?: string | undefined;
  /** No attempt starts later. */
  readonly notAfter?: string | undefined;
  readonly labels?: ReadonlyArray<string> | undefined;
  /** An origin or a function's name; null for tasks and schedules. */
  readonly destination: string | null;
  /** Null for tasks and schedules. */
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | null;
  /** Up to 256 characters; credentials are masked by ***. */
  readonly path: string | null;
  /** Of a task. */
  readonly jobType?: string | null | undefined;
  /** Of a task. */
  readonly progress?: {
    readonly percent: number;
    readonly step: number;
    readonly totalSteps: number;
    readonly label?: string | undefined;
  } | null | undefined;
  readonly attemptsStarted: number;
  /** Of the last attempt that has ended, if it was answered. */
  readonly lastHttpStatus: number | null;
  readonly scheduleArn: string | null;
  /** Of a schedule. */
  readonly nextRunAt?: string | null | undefined;
  /** Of a schedule. */
  readonly lastRunAt?: string | null | undefined;
  /** Of a schedule. */
  readonly runCount?: number | undefined;
  /** Of a schedule: the job of the last run. */
  readonly targetJobId?: string | null | undefined;
  /** Of a group: how many members it has; null while nobody knows. */
  readonly expected?: number | null | undefined;
  /** Of a group. */
  readonly sealBy?: string | undefined;
  /** Of a group: since when nothing becomes a member any more. */
  readonly sealedAt?: string | null | undefined;
  /** Of a group that has ended. */
  readonly members?: MemberCounts | null | undefined;
  /** Of a group: the first 1,000 members that were FAILED or DEAD. */
  readonly failedJobIds?: ReadonlyArray<string> | undefined;
  /** The group that the job is a member of. */
  readonly group?: string | undefined;
  /** The `sub` of the token; of follow-ups and runs of a schedule, that of the job behind them. */
  readonly createdBy: string | null;
  /** The job whose follow-up or target this one is. */
  readonly parentJobId?: string | undefined;
  /** The job of which this one is a copy, with changes or without. */
  readonly resentFrom?: string | undefined;
  /** Of a job that has asked for follow-ups. */
  readonly followUpJobIds?: ReadonlyArray<string> | undefined;
  /** Since when it is to stop; a running attempt is let end first. */
  readonly stopRequestedAt?: string | undefined;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Null unless it is PENDING or RETRYING. Lists have it with `include=waiting`. */
  readonly waiting?: Waiting | null | undefined;
  /** Parts shown as null because the answer would be too large. */
  readonly omitted?: ReadonlyArray<string> | undefined;
  /** The characters of the body of which `bodyUpTo` shows the first. */
  readonly bodyLength?: number | undefined;
}

/** A ProxyMessage with its defaults; credentials are masked by ***. */
export interface ShownRequest {
  readonly body: string | null;
  readonly resource: string;
  readonly path: string;
  readonly httpMethod: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
  readonly isBase64Encoded: boolean;
  readonly pathParameters: Readonly<Record<string, string>> | null;
  readonly queryStringParameters?: Readonly<Record<string, string>> | null | undefined;
  readonly multiValueQueryStringParameters?: Readonly<Record<string, ReadonlyArray<string>>> | null | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly multiValueHeaders?: Readonly<Record<string, ReadonlyArray<string>>> | null | undefined;
  readonly requestContext: Readonly<Record<string, unknown>>;
}

/** Sends the request to baseUrl + path; any 2xx is a success. */
export interface RestApiExecution {
  readonly type: "rest-api";
  readonly baseUrl: string;
  /** For the whole exchange. Over 60: not in mode sqs, and not with a messageGroupId of its own. Default: 30. */
  readonly timeoutSeconds?: number | undefined;
}

/** Invokes a function with the whole lambdaProxyMessage as its event; requestContext.job names app, job and attempt. */
export interface LambdaInvokeExecution {
  readonly type: "lambda-invoke";
  readonly functionName: string;
  /** Default: "Event". */
  readonly invocationType?: "Event" | "RequestResponse" | undefined;
  /** For the whole exchange. Over 60: not in mode sqs, and not with a messageGroupId of its own. Default: 30. */
  readonly timeoutSeconds?: number | undefined;
}

/** Sends the request, signed with SigV4, to the URL of a function. */
export interface LambdaUrlExecution {
  readonly type: "lambda-url";
  readonly functionUrl: string;
  /** For the whole exchange. Over 60: not in mode sqs, and not with a messageGroupId of its own. Default: 30. */
  readonly timeoutSeconds?: number | undefined;
}

/** Runs a piece of work that is built in. */
export interface TaskExecution {
  readonly type: "task";
  readonly jobType: "example" | "import_csv" | "export_report" | "data_processing" | "notification" | "cleanup" | "sync" | "bulk_action" | "group_audit" | "generate_pdf";
  /** As the job type wants it. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
  /** Tasks with a higher one start first. Default: 0. */
  readonly priority?: number | undefined;
  /** An uploaded file: its key, and what its uploader says of it. */
  readonly file?: {
    readonly key: string;
    readonly name: string;
    readonly bytes?: number | undefined;
    readonly mimeType?: string | undefined;
  } | undefined;
  /** The caller's own: kept, and shown as it came. */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

export interface ShownScheduleExecution {
  readonly type: "schedule";
  readonly scheduledAt?: string | undefined;
  readonly scheduleExpression?: string | undefined;
  /** Default: "UTC". */
  readonly scheduleExpressionTimezone?: string | undefined;
  /** No run before; a rate counts from then. With rate(...) and cron(...) only. */
  readonly startsAt?: string | undefined;
  /** No run after. With rate(...) and cron(...) only. */
  readonly endsAt?: string | undefined;
  /** With rate(...) and cron(...) only. */
  readonly maxRuns?: number | undefined;
  /** A run that is due while the job of the last one is unfinished: `allow` (default) makes it, `skip` leaves it out, `queue` makes one of them when that job has ended, `replace` cancels that job first. */
  readonly overlap?: "allow" | "skip" | "queue" | "replace" | undefined;
  /** Runs that were missed: `once` (default) makes one for all of them, `skip` none, `all` up to 100. */
  readonly missed?: "once" | "skip" | "all" | undefined;
  /** Runs that are later are not made up for. Default: 600 with `missed: skip`, else no limit. */
  readonly missedWithinSeconds?: number | undefined;
  /** The job of a run starts within so many seconds of its time, each run with a delay of its own. */
  readonly windowSeconds?: number | undefined;
  readonly targetJob: {
    readonly lambdaProxyMessage: ShownRequest | null;
    readonly execution: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution;
    readonly metadata: Metadata;
    readonly onComplete?: ShownCallback | undefined;
    readonly onSuccess?: ShownFollowUpJob | null | undefined;
    readonly onFailure?: ShownFollowUpJob | null | undefined;
  };
}

export interface Metadata {
  /** Ignored: the service sets it. */
  readonly jobId?: string | undefined;
  /** Ignored: the service sets it. */
  readonly retryCount?: number | undefined;
  /** The app of the request, or left out. */
  readonly appId?: string | undefined;
  /** Other than the execution type: jobs of the group are first attempted in the order of acceptance. */
  readonly messageGroupId?: string | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly idempotencyKey?: string | undefined;
  /** The id of an open group (`POST /v1/groups`), of which the job becomes a member. Not in mode sqs. */
  readonly group?: string | undefined;
  readonly createdAt?: string | undefined;
  /** Default 10. */
  readonly maxRetries?: number | undefined;
  /** Retry n waits baseDelaySeconds · 2^(n−1), at most maxDelaySeconds; chance takes away up to jitter of it. */
  readonly retry?: {
    /** Default: 60. */
    readonly baseDelaySeconds?: number | undefined;
    /** Default: 86400. */
    readonly maxDelaySeconds?: number | undefined;
    readonly jitter?: number | undefined;
    /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
    readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
    /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
    readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
  } | undefined;
  /** Starts so long after its acceptance, at most a year; a follow-up, after the end of the job before it. */
  readonly delaySeconds?: number | undefined;
  /** Starts then, at most a year ahead; a time that has passed is now. */
  readonly notBefore?: string | undefined;
  /** No attempt starts later: a job that has not ended by then is FAILED, its reason `expired`. */
  readonly notAfter?: string | undefined;
  /** Words by which jobs are found in lists: at most 10, of at most 64 characters. */
  readonly labels?: ReadonlyArray<string> | undefined;
  /** JSON pointers into the body, read as JSON, or the payload: what may differ in a repeat of the key. */
  readonly idempotencyIgnore?: ReadonlyArray<string> | undefined;
  /** Keep up to 256 KB of the answer that ends the job well, for people and for follow-ups. */
  readonly keepResponse?: boolean | undefined;
}

/** A Callback with its defaults; credentials are masked by ***. */
export interface ShownCallback {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly on: ReadonlyArray<"SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED">;
}

export interface ShownFollowUpJob {
  readonly message: {
    readonly lambdaProxyMessage: ShownRequest | null;
    readonly execution: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution;
    readonly metadata: Metadata;
  };
  /** The whole body of the job: the answer that its parent has kept (`keepResponse`), the result of a task, or the parent as `GET /v1/admin/jobs/{id}` shows it. */
  readonly bodyFrom?: "parent.response" | "parent.result" | "parent" | undefined;
  readonly onComplete?: ShownCallback | undefined;
  readonly onSuccess?: ShownFollowUpJob | undefined;
  readonly onFailure?: ShownFollowUpJob | undefined;
}

/** Ends once all its members have ended. */
export interface GroupExecution {
  readonly type: "group";
  /** How many members the group has: distinct jobs, so that a replayed request counts once. */
  readonly expected?: number | undefined;
  readonly sealBy: string;
  /** The first member that is FAILED or DEAD seals the group and has the others cancelled. Default: false. */
  readonly cancelOnFailure?: boolean | undefined;
}

/** Members of a group, and how many of them have ended in which status. */
export interface MemberCounts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly dead: number;
  readonly cancelled: number;
}

/** Why a job waits, worked out when it is read. */
export interface Waiting {
  /** `delayed`: for the start that was asked for, or a schedule's next run; `backoff`: for its next try; `queued`: for a worker; `order`: for the jobs before it in its message group; `rate`, `concurrency`: for a limit; `outage`, `held`: for its destination; `paused`: for its app; `slot`: for other tasks. */
  readonly reason: "delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot";
  readonly since: string;
  /** When it ends, or may end; null where nothing tells it. */
  readonly until: string | null;
  readonly detail: string;
}

/** A job on one level: what to call, with what, and how. */
export interface SendJob {
  /** The whole URL of a webhook, with its query. */
  readonly url?: string | undefined;
  /** The name or ARN of a Lambda function, which gets the request as event. */
  readonly function?: string | undefined;
  /** The URL of a Lambda function, called with SigV4. */
  readonly functionUrl?: string | undefined;
  /** The type of a built-in task, such as `export_report`. */
  readonly task?: string | undefined;
  /** Of a task, as its type wants it. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
  readonly priority?: number | undefined;
  /** Default: POST. */
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | undefined;
  /** Each a text, or a list of values. A JSON body has `content-type: application/json` unless named here. */
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined;
  /** Text goes out as it is, anything else as JSON, with its numbers as written. */
  readonly body?: unknown;
  /** Bytes, instead of `body`. */
  readonly bodyBase64?: string | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly key?: string | undefined;
  /** Starts so long after its acceptance, at most a year; a follow-up, after the end of the job before it. */
  readonly delaySeconds?: number | undefined;
  /** Starts then, at most a year ahead; a time that has passed is now. */
  readonly notBefore?: string | undefined;
  /** No attempt starts later: a job that has not ended by then is FAILED, its reason `expired`. */
  readonly notAfter?: string | undefined;
  /** Words by which jobs are found in lists: at most 10, of at most 64 characters. */
  readonly labels?: ReadonlyArray<string> | undefined;
  /** Default 10. */
  readonly maxRetries?: number | undefined;
  /** Retry n waits baseDelaySeconds · 2^(n−1), at most maxDelaySeconds; chance takes away up to jitter of it. */
  readonly retry?: {
    /** Default: 60. */
    readonly baseDelaySeconds?: number | undefined;
    /** Default: 86400. */
    readonly maxDelaySeconds?: number | undefined;
    readonly jitter?: number | undefined;
    /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
    readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
    /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
    readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
  } | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** Jobs of the same order are first attempted one after another, as accepted. */
  readonly order?: string | undefined;
  /** JSON pointers to what may differ when the key comes again, such as `/body/nonce`. */
  readonly idempotencyIgnore?: ReadonlyArray<string> | undefined;
  /** The id of an open group (`POST /v1/groups`), of which the job becomes a member. Not in mode sqs. */
  readonly group?: string | undefined;
  /** Keep up to 256 KB of the answer that ends the job well, for people and for follow-ups. */
  readonly keepResponse?: boolean | undefined;
  /** Of a follow-up, instead of `body`: `parent.response`, `parent.result` or `parent`. */
  readonly bodyFrom?: "parent.response" | "parent.result" | "parent" | undefined;
  /** Where the job is posted as it ended. */
  readonly onComplete?: string | Callback | undefined;
  /** Default: the token's. Another one is for PLATFORM_ADMIN. */
  readonly appId?: string | undefined;
  /** `both`, the default, stores the job and sends it, `db` stores it, `sqs` only sends it. */
  readonly mode?: "sqs" | "db" | "both" | undefined;
  readonly onSuccess?: FlatJob | undefined;
  readonly onFailure?: FlatJob | undefined;
}

/** Where the job is posted as it ended, and at which ends. */
export interface Callback {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly on?: ReadonlyArray<"SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED"> | undefined;
}

/** A job on one level: what to call, with what, and how. */
export interface FlatJob {
  /** The whole URL of a webhook, with its query. */
  readonly url?: string | undefined;
  /** The name or ARN of a Lambda function, which gets the request as event. */
  readonly function?: string | undefined;
  /** The URL of a Lambda function, called with SigV4. */
  readonly functionUrl?: string | undefined;
  /** The type of a built-in task, such as `export_report`. */
  readonly task?: string | undefined;
  /** Of a task, as its type wants it. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
  readonly priority?: number | undefined;
  /** Default: POST. */
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | undefined;
  /** Each a text, or a list of values. A JSON body has `content-type: application/json` unless named here. */
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined;
  /** Text goes out as it is, anything else as JSON, with its numbers as written. */
  readonly body?: unknown;
  /** Bytes, instead of `body`. */
  readonly bodyBase64?: string | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly key?: string | undefined;
  /** Starts so long after its acceptance, at most a year; a follow-up, after the end of the job before it. */
  readonly delaySeconds?: number | undefined;
  /** Starts then, at most a year ahead; a time that has passed is now. */
  readonly notBefore?: string | undefined;
  /** No attempt starts later: a job that has not ended by then is FAILED, its reason `expired`. */
  readonly notAfter?: string | undefined;
  /** Words by which jobs are found in lists: at most 10, of at most 64 characters. */
  readonly labels?: ReadonlyArray<string> | undefined;
  /** Default 10. */
  readonly maxRetries?: number | undefined;
  /** Retry n waits baseDelaySeconds · 2^(n−1), at most maxDelaySeconds; chance takes away up to jitter of it. */
  readonly retry?: {
    /** Default: 60. */
    readonly baseDelaySeconds?: number | undefined;
    /** Default: 86400. */
    readonly maxDelaySeconds?: number | undefined;
    readonly jitter?: number | undefined;
    /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
    readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
    /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
    readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
  } | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** Jobs of the same order are first attempted one after another, as accepted. */
  readonly order?: string | undefined;
  /** JSON pointers to what may differ when the key comes again, such as `/body/nonce`. */
  readonly idempotencyIgnore?: ReadonlyArray<string> | undefined;
  /** The id of an open group (`POST /v1/groups`), of which the job becomes a member. Not in mode sqs. */
  readonly group?: string | undefined;
  /** Keep up to 256 KB of the answer that ends the job well, for people and for follow-ups. */
  readonly keepResponse?: boolean | undefined;
  /** Of a follow-up, instead of `body`: `parent.response`, `parent.result` or `parent`. */
  readonly bodyFrom?: "parent.response" | "parent.result" | "parent" | undefined;
  /** Where the job is posted as it ended. */
  readonly onComplete?: string | Callback | undefined;
  readonly onSuccess?: FlatJob | undefined;
  readonly onFailure?: FlatJob | undefined;
}

export interface CreateJob {
  /** Default: the token's. Another one is for PLATFORM_ADMIN. */
  readonly appId?: string | undefined;
  /** `both` stores the job and sends it, `db` stores it, `sqs` only sends it. Default: "both". */
  readonly mode?: "sqs" | "db" | "both" | undefined;
  readonly message: {
    readonly lambdaProxyMessage?: ProxyMessage | undefined;
    readonly execution: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution | ScheduleExecution;
    readonly metadata?: Metadata | undefined;
  };
  readonly onComplete?: Callback | undefined;
  readonly onSuccess?: FollowUpJob | undefined;
  readonly onFailure?: FollowUpJob | undefined;
}

/** The request to make, in the shape of a Lambda proxy event. */
export interface ProxyMessage {
  /** Sent as it is, or decoded if isBase64Encoded, then with its padding; null for none. */
  readonly body: string | null;
  /** Default: "/{proxy+}". */
  readonly resource?: string | undefined;
  /** Put behind the target's URL, with queryStringParameters. */
  readonly path: string;
  readonly httpMethod: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
  /** Default: false. */
  readonly isBase64Encoded?: boolean | undefined;
  readonly pathParameters?: Readonly<Record<string, string>> | null | undefined;
  readonly queryStringParameters?: Readonly<Record<string, string>> | null | undefined;
  /** Parameters with several values, which are sent one after another. */
  readonly multiValueQueryStringParameters?: Readonly<Record<string, ReadonlyArray<string>>> | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Headers with several values: a line for each. A name in both fields has its value in the list too. */
  readonly multiValueHeaders?: Readonly<Record<string, ReadonlyArray<string>>> | null | undefined;
  readonly requestContext?: Readonly<Record<string, unknown>> | undefined;
}

/** Submits another job: once, or at every time of an expression. */
export interface ScheduleExecution {
  readonly type: "schedule";
  readonly scheduledAt?: string | undefined;
  readonly scheduleExpression?: string | undefined;
  /** Default: "UTC". */
  readonly scheduleExpressionTimezone?: string | undefined;
  /** No run before; a rate counts from then. With rate(...) and cron(...) only. */
  readonly startsAt?: string | undefined;
  /** No run after. With rate(...) and cron(...) only. */
  readonly endsAt?: string | undefined;
  /** With rate(...) and cron(...) only. */
  readonly maxRuns?: number | undefined;
  /** A run that is due while the job of the last one is unfinished: `allow` (default) makes it, `skip` leaves it out, `queue` makes one of them when that job has ended, `replace` cancels that job first. */
  readonly overlap?: "allow" | "skip" | "queue" | "replace" | undefined;
  /** Runs that were missed: `once` (default) makes one for all of them, `skip` none, `all` up to 100. */
  readonly missed?: "once" | "skip" | "all" | undefined;
  /** Runs that are later are not made up for. Default: 600 with `missed: skip`, else no limit. */
  readonly missedWithinSeconds?: number | undefined;
  /** The job of a run starts within so many seconds of its time, each run with a delay of its own. */
  readonly windowSeconds?: number | undefined;
  readonly targetJob: TargetJob;
}

export interface TargetJob {
  readonly lambdaProxyMessage?: ProxyMessage | undefined;
  readonly execution: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution;
  readonly metadata?: Metadata | undefined;
  readonly onComplete?: Callback | undefined;
  readonly onSuccess?: FollowUpJob | undefined;
  readonly onFailure?: FollowUpJob | undefined;
}

/** A job that is submitted when the one it stands beside has ended. */
export interface FollowUpJob {
  readonly message: {
    readonly lambdaProxyMessage?: ProxyMessage | undefined;
    readonly execution: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution;
    readonly metadata?: Metadata | undefined;
  };
  /** The whole body of the job: the answer that its parent has kept (`keepResponse`), the result of a task, or the parent as `GET /v1/admin/jobs/{id}` shows it. */
  readonly bodyFrom?: "parent.response" | "parent.result" | "parent" | undefined;
  readonly onComplete?: Callback | undefined;
  readonly onSuccess?: FollowUpJob | undefined;
  readonly onFailure?: FollowUpJob | undefined;
}

export interface CreateTypedJob {
  readonly jobType: "example" | "import_csv" | "export_report" | "data_processing" | "notification" | "cleanup" | "sync" | "bulk_action" | "group_audit" | "generate_pdf";
  /** As the job type wants it. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
  /** Tasks with a higher one start first. Default: 0. */
  readonly priority?: number | undefined;
  /** Default: the job type's, mostly 3. */
  readonly maxRetries?: number | undefined;
  /** When it may start at the earliest; a time that has passed is now. */
  readonly scheduledAt?: string | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly idempotencyKey?: string | undefined;
}

/** A task as it stands. */
export interface TypedJob {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string | null;
  readonly jobType: string;
  readonly status: "queued" | "running" | "retrying" | "succeeded" | "failed" | "cancelled";
  readonly priority: number;
  readonly retryCount: number;
  readonly maxRetries: number;
  /** Null where the answer would be too large. */
  readonly payload: Readonly<Record<string, unknown>> | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly errorMessage: string | null;
  /** Percent. */
  readonly progress: number;
  readonly totalSteps: number | null;
  readonly currentStep: number;
  readonly startedAt: string | null;
  readonly completedAt: string | null;
  readonly scheduledAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface Dataset {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  /** Empty where the answer would be too large. */
  readonly columns: Readonly<Record<string, "string" | "number" | "integer" | "boolean" | "date" | "any">>;
  /** By which reports are filtered. */
  readonly dateField: string | null;
  readonly updatedAt: string;
}

/** A file job as it stands. */
export interface FileJob {
  readonly id: string;
  /** The same as `id`. */
  readonly taskId: string;
  readonly jobType: string;
  readonly status: "PENDING" | "RUNNING" | "RETRYING" | "COMPLETED" | "FAILED";
  readonly queue: "jobs-tasks";
  readonly attempts: number;
  readonly maxAttempts: number;
  /** Of the last attempt; `cancelled` if somebody has cancelled it. */
  readonly errorReason: string | null;
  /** A link to the file, good for an hour. */
  readonly fileUrl: string | null;
  readonly fileKey: string | null;
  readonly fileName: string | null;
  /** Null where the answer would be too large. */
  readonly payload: Readonly<Record<string, unknown>> | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  /** Null if there is none, and where the answer would be too large. */
  readonly meta: Readonly<Record<string, unknown>> | null;
  readonly userId: string | null;
  /** When the last attempt started. */
  readonly startedAt: string | null;
  readonly completedAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface CreateFileJob {
  readonly jobType: "example" | "import_csv" | "export_report" | "data_processing" | "notification" | "cleanup" | "sync" | "bulk_action" | "group_audit" | "generate_pdf";
  /** As the job type wants it. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
  /** The caller's own: kept, and shown as it came. */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly idempotencyKey?: string | undefined;
  /** Of an upload of the same user that is complete. */
  readonly fileKey: string;
}

export interface CreateUpload {
  /** Without folders. */
  readonly fileName: string;
  /** Bytes: up to 5 GB. */
  readonly size: number;
  readonly contentType: string;
}

export interface SignUploadParts {
  readonly fileKey: string;
}

export interface CompleteUpload {
  readonly fileKey: string;
  readonly parts: ReadonlyArray<{
    readonly partNumber: number;
    /** As the part was answered, with or without quotes. */
    readonly etag: string;
  }>;
}

/** A line that a job has logged. */
export interface FileJobLog {
  readonly jobId: string;
  readonly level: "DEBUG" | "INFO" | "WARNING" | "ERROR";
  readonly message: string;
  /** Of the file, from 1. */
  readonly rowNumber: number | null;
  readonly meta: Readonly<Record<string, unknown>> | null;
  readonly createdAt: string;
}

export type QuickJob = {
  readonly input_type: "html";
  readonly html: string;
  readonly options?: {
    /** Default: A4. What `@page` in the document says stands instead of it. */
    readonly format?: "Letter" | "Legal" | "Tabloid" | "Ledger" | "A0" | "A1" | "A2" | "A3" | "A4" | "A5" | "A6" | "letter" | "legal" | "tabloid" | "ledger" | "a0" | "a1" | "a2" | "a3" | "a4" | "a5" | "a6" | undefined;
    /** Of the page, together with `height`, in place of `format`. */
    readonly width?: number | string | undefined;
    /** Of the page, together with `width`, in place of `format`. */
    readonly height?: number | string | undefined;
    /** Each side's default: 0 for HTML, 20mm for Markdown. `@page` in the document stands instead of it. */
    readonly margin?: {
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly top?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly right?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly bottom?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly left?: number | string | undefined;
    } | undefined;
    /** Backgrounds and their colours. Default: true. */
    readonly printBackground?: boolean | undefined;
    /** Default: 1. */
    readonly scale?: number | undefined;
    /** Swaps width and height. Default: false. */
    readonly landscape?: boolean | undefined;
    /** The pages that are kept: `1-3, 5`; `8-` to the end. Default: all. */
    readonly pageRanges?: string | undefined;
    /** Bookmarks made of the headings. Default: false. */
    readonly outline?: boolean | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly headerTemplate?: string | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly footerTemplate?: string | undefined;
    /** How headers and footers write the date. Default: en-US. */
    readonly locale?: string | undefined;
    /** Of the date in headers and footers. Default: UTC. */
    readonly timezone?: string | undefined;
    /** The file's name for those who save it; `.pdf` is added. Default: the job's id. */
    readonly filename?: string | undefined;
  } | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly idempotency_key?: string | undefined;
} | {
  readonly input_type: "markdown";
  readonly markdown: string;
  readonly options?: {
    /** Default: A4. What `@page` in the document says stands instead of it. */
    readonly format?: "Letter" | "Legal" | "Tabloid" | "Ledger" | "A0" | "A1" | "A2" | "A3" | "A4" | "A5" | "A6" | "letter" | "legal" | "tabloid" | "ledger" | "a0" | "a1" | "a2" | "a3" | "a4" | "a5" | "a6" | undefined;
    /** Of the page, together with `height`, in place of `format`. */
    readonly width?: number | string | undefined;
    /** Of the page, together with `width`, in place of `format`. */
    readonly height?: number | string | undefined;
    /** Each side's default: 0 for HTML, 20mm for Markdown. `@page` in the document stands instead of it. */
    readonly margin?: {
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly top?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly right?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly bottom?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly left?: number | string | undefined;
    } | undefined;
    /** Backgrounds and their colours. Default: true. */
    readonly printBackground?: boolean | undefined;
    /** Default: 1. */
    readonly scale?: number | undefined;
    /** Swaps width and height. Default: false. */
    readonly landscape?: boolean | undefined;
    /** The pages that are kept: `1-3, 5`; `8-` to the end. Default: all. */
    readonly pageRanges?: string | undefined;
    /** Bookmarks made of the headings. Default: false. */
    readonly outline?: boolean | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly headerTemplate?: string | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly footerTemplate?: string | undefined;
    /** How headers and footers write the date. Default: en-US. */
    readonly locale?: string | undefined;
    /** Of the date in headers and footers. Default: UTC. */
    readonly timezone?: string | undefined;
    /** The file's name for those who save it; `.pdf` is added. Default: the job's id. */
    readonly filename?: string | undefined;
  } | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly idempotency_key?: string | undefined;
};

export type LongJob = {
  readonly input_type: "html";
  readonly html: string;
  readonly options?: {
    /** Default: A4. What `@page` in the document says stands instead of it. */
    readonly format?: "Letter" | "Legal" | "Tabloid" | "Ledger" | "A0" | "A1" | "A2" | "A3" | "A4" | "A5" | "A6" | "letter" | "legal" | "tabloid" | "ledger" | "a0" | "a1" | "a2" | "a3" | "a4" | "a5" | "a6" | undefined;
    /** Of the page, together with `height`, in place of `format`. */
    readonly width?: number | string | undefined;
    /** Of the page, together with `width`, in place of `format`. */
    readonly height?: number | string | undefined;
    /** Each side's default: 0 for HTML, 20mm for Markdown. `@page` in the document stands instead of it. */
    readonly margin?: {
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly top?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly right?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly bottom?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly left?: number | string | undefined;
    } | undefined;
    /** Backgrounds and their colours. Default: true. */
    readonly printBackground?: boolean | undefined;
    /** Default: 1. */
    readonly scale?: number | undefined;
    /** Swaps width and height. Default: false. */
    readonly landscape?: boolean | undefined;
    /** The pages that are kept: `1-3, 5`; `8-` to the end. Default: all. */
    readonly pageRanges?: string | undefined;
    /** Bookmarks made of the headings. Default: false. */
    readonly outline?: boolean | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly headerTemplate?: string | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly footerTemplate?: string | undefined;
    /** How headers and footers write the date. Default: en-US. */
    readonly locale?: string | undefined;
    /** Of the date in headers and footers. Default: UTC. */
    readonly timezone?: string | undefined;
    /** The file's name for those who save it; `.pdf` is added. Default: the job's id. */
    readonly filename?: string | undefined;
  } | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly idempotency_key?: string | undefined;
  /** Where the end is told, instead of the account's own `webhook_url`; null: nowhere. */
  readonly webhook_url?: string | null | undefined;
} | {
  readonly input_type: "markdown";
  readonly markdown: string;
  readonly options?: {
    /** Default: A4. What `@page` in the document says stands instead of it. */
    readonly format?: "Letter" | "Legal" | "Tabloid" | "Ledger" | "A0" | "A1" | "A2" | "A3" | "A4" | "A5" | "A6" | "letter" | "legal" | "tabloid" | "ledger" | "a0" | "a1" | "a2" | "a3" | "a4" | "a5" | "a6" | undefined;
    /** Of the page, together with `height`, in place of `format`. */
    readonly width?: number | string | undefined;
    /** Of the page, together with `width`, in place of `format`. */
    readonly height?: number | string | undefined;
    /** Each side's default: 0 for HTML, 20mm for Markdown. `@page` in the document stands instead of it. */
    readonly margin?: {
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly top?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly right?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly bottom?: number | string | undefined;
      /** `20mm`, `2cm`, `0.5in`, `48px`; a number alone is pixels. */
      readonly left?: number | string | undefined;
    } | undefined;
    /** Backgrounds and their colours. Default: true. */
    readonly printBackground?: boolean | undefined;
    /** Default: 1. */
    readonly scale?: number | undefined;
    /** Swaps width and height. Default: false. */
    readonly landscape?: boolean | undefined;
    /** The pages that are kept: `1-3, 5`; `8-` to the end. Default: all. */
    readonly pageRanges?: string | undefined;
    /** Bookmarks made of the headings. Default: false. */
    readonly outline?: boolean | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly headerTemplate?: string | undefined;
    /** HTML on every page, within the margin: text, tables, styles, links to https:, http:, mailto: and #, and images as `<img>` with a `data:` URI. Elements of class `pageNumber`, `totalPages`, `title` and `date` are filled in. */
    readonly footerTemplate?: string | undefined;
    /** How headers and footers write the date. Default: en-US. */
    readonly locale?: string | undefined;
    /** Of the date in headers and footers. Default: UTC. */
    readonly timezone?: string | undefined;
    /** The file's name for those who save it; `.pdf` is added. Default: the job's id. */
    readonly filename?: string | undefined;
  } | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly idempotency_key?: string | undefined;
  /** Where the end is told, instead of the account's own `webhook_url`; null: nowhere. */
  readonly webhook_url?: string | null | undefined;
};

/** A PDF job as it stands. */
export interface PdfJob {
  readonly job_id: string;
  readonly job_type: "quick" | "long";
  readonly status: "queued" | "processing" | "completed" | "failed" | "timeout";
  /** What it is made of. */
  readonly mode: "html" | "markdown" | null;
  /** Of the whole document. */
  readonly pages: number | null;
  /** Whether the file holds only the first 100 pages. */
  readonly truncated: boolean | null;
  /** What the file lacks of its document: what was left out, and characters that no font has. */
  readonly warnings: ReadonlyArray<string>;
  readonly created_at: string;
  readonly completed_at: string | null;
  /** What making it took. */
  readonly duration_ms: number | null;
  /** A link to the file, made for this answer. */
  readonly s3_url: string | null;
  readonly s3_url_expires_at: string | null;
  /** Why there is no link to a file that was made. */
  readonly message: string | null;
  readonly error_message: string | null;
  /** Whether a quick job took longer than a request may. */
  readonly timeout_occurred: boolean;
  readonly webhook_url: string | null;
  /** Null without a webhook, and once its job is deleted. */
  readonly webhook_delivered: boolean | null;
  readonly webhook_delivered_at: string | null;
  readonly webhook_retry_count: number | null;
  readonly webhook_retry_log: ReadonlyArray<{
    readonly attempt: number;
    /** Null if the try was lost: its worker left no record. */
    readonly at: string | null;
    readonly delivered: boolean;
    readonly http_status: number | null;
    readonly error: string | null;
  }> | null;
}

export interface AccountWebhook {
  /** Null: nowhere. */
  readonly webhook_url: string | null;
}

export interface Me {
  readonly sub: string;
  /** The app of requests that name none; null if the token names none. */
  readonly appId: string | null;
  /** By its settings. */
  readonly appName: string | null;
  readonly roles: ReadonlyArray<string>;
  readonly permissions: ReadonlyArray<string>;
  /** What the caller may do. */
  readonly may: {
    /** All of the app: its jobs, settings, audit log. */
    readonly read: boolean;
    /** The same, and create jobs of every kind. */
    readonly change: boolean;
    /** Every app, its limits, and the list of apps. */
    readonly operate: boolean;
    /** For tasks and file jobs: those of the token, and those of its role. */
    readonly permissions: ReadonlyArray<string>;
  };
  /** The end of the token, in real time. */
  readonly expiresAt: string;
  readonly service: {
    readonly name: string;
    readonly version: string;
    readonly stage: string;
  };
  readonly local: {
    /** How fast the service's clock runs: `SPEED`. */
    readonly speed: number;
    /** By how much it is ahead of real time. */
    readonly offsetSeconds: number;
    /** A target for jobs. */
    readonly echoUrl: string;
    /** The e-mails that jobs have sent. */
    readonly mailboxUrl: string;
  } | null;
}

export interface ListedApp {
  readonly appId: string;
  /** By its settings. */
  readonly name: string | null;
  /** By its administrators or the operator: none of its jobs starts. */
  readonly paused: boolean;
  /** When the service first knew of it. */
  readonly since: string;
}

export interface JobCount {
  readonly count: number;
  /** There may be more: it was counted to 1,000, or as far as lookedBackTo. */
  readonly isLowerBound: boolean;
  /** The creation of the last job that was looked at; null: all were. */
  readonly lookedBackTo: string | null;
}

export interface Attempt {
  readonly number: number;
  /** Null if the attempt was lost: its worker left no record. */
  readonly startedAt: string | null;
  readonly durationMs: number | null;
  readonly outcome: "running" | "succeeded" | "retry" | "rejected" | "lost";
  readonly httpStatus: number | null;
  readonly error: string | null;
  /** The first 1 KB of what the target answered, decompressed; of a success as much as its job has room for. */
  readonly responseExcerpt: string | null;
  /** As many as there is room for; credentials are masked by ***. */
  readonly responseHeaders: Readonly<Record<string, string>> | null;
  /** Of a call by HTTP, in real time; null where a stage did not happen, as with a connection that was open. */
  readonly timings: {
    readonly dnsMs: number | null;
    readonly connectMs: number | null;
    readonly tlsMs: number | null;
    /** From the open connection to the headers of the answer. */
    readonly answerMs: number | null;
  } | null;
  /** As it was sent, with its `webhook-timestamp`; null if none was sent by HTTP. */
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly bodyBytes: number;
  } | null;
}

/** A line that a task has logged. */
export interface JobLog {
  /** Of the line among all of the job, from 1. */
  readonly number: number;
  readonly jobId: string;
  readonly level: "DEBUG" | "INFO" | "WARNING" | "ERROR";
  readonly message: string;
  /** Of the file, from 1. */
  readonly rowNumber: number | null;
  readonly meta: Readonly<Record<string, unknown>> | null;
  readonly createdAt: string;
}

/** What is to be other than in the job; nothing for a plain copy. */
export interface Resend {
  /** The whole URL to call instead, with its query. */
  readonly url?: string | undefined;
  /** Added to those of the job, or put in their place; null takes one away. *** keeps what is stored. */
  readonly headers?: Readonly<Record<string, string | null>> | undefined;
  /** Instead of the job's. Text goes out as it is, anything else as JSON, with its numbers as written. */
  readonly body?: unknown;
  /** Of a task, instead of the job's. *** keeps what is stored. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
  /** Starts then, at most a year ahead; a time that has passed is now. */
  readonly notBefore?: string | undefined;
  /** The idempotency key of the new job. Default: none. */
  readonly key?: string | undefined;
}

/** How far it is. */
export interface BulkAction {
  readonly id: string;
  readonly action: "redrive" | "cancel";
  /** As it was given. */
  readonly filter: Readonly<Record<string, unknown>>;
  readonly status: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";
  /** Jobs that have been read. */
  readonly looked: number;
  readonly matched: number;
  readonly changed: number;
  readonly error: string | null;
  readonly createdAt: string;
  readonly completedAt: string | null;
  /** Of one redrive alone: which of the destinations of its jobs, the first ten, fail or are held now. These jobs wait until the destination works, or is resumed (`POST /v1/admin/destinations/resume`). */
  readonly shutDestinations?: ReadonlyArray<{
    readonly destination: string;
    readonly state: "open" | "held";
    readonly since: string;
    /** Of an open one, at the earliest. */
    readonly nextProbeAt: string | null;
    /** Null where a person holds what has not failed. */
    readonly lastError: string | null;
  }> | undefined;
}

/** Which jobs: those that fit all of what is given, which must be something. */
export interface BulkFilter {
  /** Default: FAILED and DEAD for a redrive, those unfinished for a cancel. */
  readonly status?: "PENDING" | "RUNNING" | "RETRYING" | "FAILED" | "DEAD" | ReadonlyArray<"PENDING" | "RUNNING" | "RETRYING" | "FAILED" | "DEAD"> | undefined;
  /** What it waits for, as `GET /v1/admin/counts` counts it. Without `status`, of PENDING and RETRYING jobs. */
  readonly waiting?: "delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot" | ReadonlyArray<"delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot"> | undefined;
  readonly executionType?: string | ReadonlyArray<string> | undefined;
  /** Of tasks. */
  readonly jobType?: string | ReadonlyArray<string> | undefined;
  /** Of the destination: a host, with or without its port, an origin, or a function's name. */
  readonly host?: string | ReadonlyArray<string> | undefined;
  /** Of the last answer: a status, or a class such as `5xx`. */
  readonly httpStatus?: number | string | ReadonlyArray<number | string> | undefined;
  /** In the last error, by its letters. */
  readonly errorContains?: string | ReadonlyArray<string> | undefined;
  readonly label?: string | ReadonlyArray<string> | undefined;
  /** The id of a group: its members. */
  readonly group?: string | ReadonlyArray<string> | undefined;
  /** The job that this one follows, or that submitted it. */
  readonly parentId?: string | ReadonlyArray<string> | undefined;
  /** The schedule that created it, by its key or id. */
  readonly schedule?: string | ReadonlyArray<string> | undefined;
  /** How its idempotency key begins. */
  readonly keyPrefix?: string | ReadonlyArray<string> | undefined;
  /** The whole key, which is one job's. */
  readonly idempotencyKey?: string | undefined;
  /** At most 100. */
  readonly ids?: string | ReadonlyArray<string> | undefined;
  /** Or at that time. */
  readonly createdAfter?: string | undefined;
  /** Or at that time. */
  readonly createdBefore?: string | undefined;
  /** Or at that time. */
  readonly updatedAfter?: string | undefined;
  /** Or at that time. */
  readonly updatedBefore?: string | undefined;
  /** Only counts the jobs that it would look at, to 1,000. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Default: the token's. Another one is for PLATFORM_ADMIN. */
  readonly appId?: string | undefined;
}

/** A group as it stands. `GET /v1/admin/jobs/{id}` shows it as a job. */
export interface Group {
  readonly id: string;
  readonly appId: string;
  readonly key: string | null;
  /** PENDING until all members have ended. */
  readonly status: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";
  /** `seal_timeout` or `count_mismatch` of a group that had other members. */
  readonly reason: string | null;
  /** How many members it has; null while nobody knows. */
  readonly expected: number | null;
  readonly sealBy: string;
  /** Since then nothing becomes a member any more. */
  readonly sealedAt: string | null;
  readonly cancelOnFailure: boolean;
  readonly members: {
    readonly total: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly dead: number;
    readonly cancelled: number;
    readonly ended: number;
  };
  /** Whether the members are counted from the table's stream: until the end. */
  readonly approximate: boolean;
  /** Of an ended group: the first 1,000 that were FAILED or DEAD. */
  readonly failedJobIds: ReadonlyArray<string>;
  readonly lastError: string | null;
  readonly followUpJobIds: ReadonlyArray<string>;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A group: `expected` seals it with its last member, else `POST …/seal`. */
export interface CreateGroup {
  /** Default: the token's. Another one is for PLATFORM_ADMIN. */
  readonly appId?: string | undefined;
  /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
  readonly key?: string | undefined;
  /** How many members the group has: distinct jobs, so that a replayed request counts once. */
  readonly expected?: number | undefined;
  /** A group that has not been sealed by then is FAILED: a duration from now, or a time. At most 30d. */
  readonly sealBy?: string | undefined;
  /** The first member that is FAILED or DEAD seals the group and has the others cancelled. Default: false. */
  readonly cancelOnFailure?: boolean | undefined;
  /** Where the group is posted as it ended. */
  readonly onComplete?: string | Callback | undefined;
  readonly onSuccess?: FlatJob | undefined;
  readonly onFailure?: FlatJob | undefined;
}

/** Without `expected`, the members are counted a minute later, until twice alike. */
export interface SealGroup {
  /** How many members the group has: distinct jobs, so that a replayed request counts once. */
  readonly expected?: number | undefined;
}

export interface Counts {
  readonly approximate: true;
  /** The counts are some seconds behind it. */
  readonly asOf: string;
  /** When they were last compared with the jobs themselves; null: not yet. */
  readonly correctedAt: string | null;
  readonly byStatus: {
    readonly PENDING: number;
    readonly RUNNING: number;
    readonly RETRYING: number;
    readonly SUCCEEDED: number;
    readonly FAILED: number;
    readonly DEAD: number;
    readonly CANCELLED: number;
  };
  /** PENDING and RETRYING jobs by `waiting.reason`, schedules and groups aside. */
  readonly waiting: {
    readonly delayed: number;
    readonly backoff: number;
    readonly queued: number;
    readonly order: number;
    readonly rate: number;
    readonly concurrency: number;
    readonly outage: number;
    readonly held: number;
    readonly paused: number;
    readonly slot: number;
  };
  /** By execution type and status. */
  readonly byType: Readonly<Record<string, {
    readonly PENDING: number;
    readonly RUNNING: number;
    readonly RETRYING: number;
    readonly SUCCEEDED: number;
    readonly FAILED: number;
    readonly DEAD: number;
    readonly CANCELLED: number;
  }>>;
  /** The 20 for which most jobs wait. */
  readonly destinations: ReadonlyArray<{
    readonly destination: string;
    /** Those with a turn by its rate, too. */
    readonly waiting: number;
    readonly reason: "delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot";
    /** Since when it fails or is held. */
    readonly since: string | null;
    readonly lastError: string | null;
  }>;
}

/** By the hour in which something happened: a job counts where it was accepted, and where it ended; errors and destinations are of whole hours. */
export interface Series {
  readonly approximate: true;
  readonly from: string;
  readonly to: string;
  readonly step: "5m" | "1h" | "1d";
  readonly points: ReadonlyArray<{
    /** The start of the hour or day. */
    readonly at: string;
    readonly accepted: number;
    readonly succeeded: number;
    /** Jobs that became FAILED or DEAD. */
    readonly failed: number;
    /** Those of them that became DEAD. */
    readonly dead: number;
    readonly cancelled: number;
    /** Attempts that another one follows. */
    readonly retried: number;
    /** From accepted, or the start asked for, to succeeded, schedules aside; exact to a fifth. */
    readonly latencyMs: {
      readonly p50: number | null;
      readonly p95: number | null;
    };
  }>;
  readonly total: {
    readonly accepted: number;
    readonly succeeded: number;
    /** Jobs that became FAILED or DEAD. */
    readonly failed: number;
    /** Those of them that became DEAD. */
    readonly dead: number;
    readonly cancelled: number;
    /** Attempts that another one follows. */
    readonly retried: number;
    /** From accepted, or the start asked for, to succeeded, schedules aside; exact to a fifth. */
    readonly latencyMs: {
      readonly p50: number | null;
      readonly p95: number | null;
    };
  };
  /** The most frequent errors of failed attempts, by their first words: at most 20 of each hour, then `(others)`. */
  readonly errors: ReadonlyArray<{
    readonly error: string;
    readonly count: number;
  }>;
  /** Where most attempts failed, at most 20 of each hour, then `(others)`. */
  readonly destinations: ReadonlyArray<{
    readonly destination: string;
    /** Failed attempts that another one follows. */
    readonly retried: number;
    /** Failed attempts that ended their job. */
    readonly failed: number;
    /** Those of them whose job is DEAD. */
    readonly dead: number;
  }>;
}

export interface Destination {
  readonly destination: string;
  readonly state: "closed" | "open" | "held";
  readonly since: string | null;
  /** At most 20. */
  readonly consecutiveFailures: number;
  readonly lastFailureAt: string | null;
  readonly lastError: string | null;
  /** Of an open one, at the earliest. */
  readonly nextProbeAt: string | null;
  readonly rateLimitPerSecond: number | null;
  readonly maxConcurrency: number | null;
}

/** What the operator allows the app, with the deployment's defaults. */
export interface Limits {
  readonly version: number;
  /** Requests of the app in a second. Null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Reads of administrators in a second. Null: no limit. */
  readonly readsPerSecond: number | null;
  /** Changes of settings and secrets in a second. Null: no limit. */
  readonly changesPerSecond: number | null;
  /** Tasks that run at once. Null: no limit. */
  readonly maxConcurrentTasks: number | null;
  /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
  readonly concurrencyPerApp: number | null;
  /** Quick PDFs that are made at once. Null: no limit. */
  readonly quickPdfsPerApp: number | null;
  /** Requests that wait for news at once. Null: no limit. */
  readonly waitersPerApp: number | null;
  /** Recurring schedules that have not ended. Null: no limit. */
  readonly recurringSchedules: number | null;
  /** Datasets. Null: no limit. */
  readonly datasets: number | null;
  /** Bytes of all datasets. Null: no limit. */
  readonly datasetBytes: number | null;
  /** Bytes of uploaded and announced files. Null: no limit. */
  readonly uploadBytes: number | null;
  /** Pages of PDFs in a day of UTC. Null: no limit. */
  readonly pdfPagesPerDay: number | null;
  /** The operator's own pause, which the app's administrators can't end. */
  readonly paused: boolean;
}

/** A merge patch (RFC 7396): null gives a setting its default. */
export interface PatchSettings {
  /** That you have read: if the settings have another by now, 409. */
  readonly version?: number | undefined;
  readonly name?: string | null | undefined;
  readonly allowedCallbackUrls?: ReadonlyArray<string> | null | undefined;
  readonly allowedFunctions?: ReadonlyArray<string> | null | undefined;
  readonly followRedirects?: boolean | null | undefined;
  readonly onComplete?: {
    readonly url?: string | undefined;
    readonly headers?: Readonly<Record<string, string | null>> | null | undefined;
    readonly on?: ReadonlyArray<"SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED"> | null | undefined;
  } | null | undefined;
  readonly retry?: {
    readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | null | undefined;
    readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | null | undefined;
  } | null | undefined;
  readonly idempotency?: "request" | "target" | null | undefined;
  readonly requestsPerSecond?: number | null | undefined;
  readonly maxConcurrentTasks?: number | null | undefined;
  readonly waitersPerApp?: number | null | undefined;
  readonly pdfPagesPerDay?: number | null | undefined;
  readonly userWebhooks?: "any" | "permission" | null | undefined;
  readonly destinations?: ReadonlyArray<{
    readonly destination: string;
    /** Default: null. */
    readonly rateLimitPerSecond?: number | null | undefined;
    /** Default: null. */
    readonly maxConcurrency?: number | null | undefined;
  }> | null | undefined;
  readonly paused?: boolean | null | undefined;
  /** Ignored: as `GET` shows it. */
  readonly appId?: unknown;
  /** Ignored: as `GET` shows it. */
  readonly limits?: unknown;
  /** Ignored: as `GET` shows it. */
  readonly inForce?: unknown;
  /** Ignored: as `GET` shows it. */
  readonly signingSecrets?: unknown;
}

/** Null: no limit. */
export interface DestinationLimits {
  /** That you have read: if the settings have another by now, 409. */
  readonly version?: number | undefined;
  /** As in the path, or left out. */
  readonly destination?: string | undefined;
  /** Default: null. */
  readonly rateLimitPerSecond?: number | null | undefined;
  /** Default: null. */
  readonly maxConcurrency?: number | null | undefined;
}

export interface PutLimits {
  /** Of the limits that you have read: if they have another by now, 409. */
  readonly version?: number | undefined;
  /** Requests of the app in a second. Null: no limit. */
  readonly requestsPerSecond?: number | null | undefined;
  /** Reads of administrators in a second. Null: no limit. */
  readonly readsPerSecond?: number | null | undefined;
  /** Changes of settings and secrets in a second. Null: no limit. */
  readonly changesPerSecond?: number | null | undefined;
  /** Tasks that run at once. Null: no limit. */
  readonly maxConcurrentTasks?: number | null | undefined;
  /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
  readonly concurrencyPerApp?: number | null | undefined;
  /** Quick PDFs that are made at once. Null: no limit. */
  readonly quickPdfsPerApp?: number | null | undefined;
  /** Requests that wait for news at once. Null: no limit. */
  readonly waitersPerApp?: number | null | undefined;
  /** Recurring schedules that have not ended. Null: no limit. */
  readonly recurringSchedules?: number | null | undefined;
  /** Datasets. Null: no limit. */
  readonly datasets?: number | null | undefined;
  /** Bytes of all datasets. Null: no limit. */
  readonly datasetBytes?: number | null | undefined;
  /** Bytes of uploaded and announced files. Null: no limit. */
  readonly uploadBytes?: number | null | undefined;
  /** Pages of PDFs in a day of UTC. Null: no limit. */
  readonly pdfPagesPerDay?: number | null | undefined;
  /** The operator's own pause, which the app's administrators can't end. */
  readonly paused?: boolean | undefined;
}

/** A merge patch (RFC 7396): null gives a limit its default. `PUT` is for no limit where there is a default. */
export interface PatchLimits {
  /** Of the limits that you have read: if they have another by now, 409. */
  readonly version?: number | undefined;
  /** Requests of the app in a second. Null: no limit. */
  readonly requestsPerSecond?: number | null | undefined;
  /** Reads of administrators in a second. Null: no limit. */
  readonly readsPerSecond?: number | null | undefined;
  /** Changes of settings and secrets in a second. Null: no limit. */
  readonly changesPerSecond?: number | null | undefined;
  /** Tasks that run at once. Null: no limit. */
  readonly maxConcurrentTasks?: number | null | undefined;
  /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
  readonly concurrencyPerApp?: number | null | undefined;
  /** Quick PDFs that are made at once. Null: no limit. */
  readonly quickPdfsPerApp?: number | null | undefined;
  /** Requests that wait for news at once. Null: no limit. */
  readonly waitersPerApp?: number | null | undefined;
  /** Recurring schedules that have not ended. Null: no limit. */
  readonly recurringSchedules?: number | null | undefined;
  /** Datasets. Null: no limit. */
  readonly datasets?: number | null | undefined;
  /** Bytes of all datasets. Null: no limit. */
  readonly datasetBytes?: number | null | undefined;
  /** Bytes of uploaded and announced files. Null: no limit. */
  readonly uploadBytes?: number | null | undefined;
  /** Pages of PDFs in a day of UTC. Null: no limit. */
  readonly pdfPagesPerDay?: number | null | undefined;
  readonly paused?: boolean | null | undefined;
}

/** By the day on which jobs were asked for; days without any are left out. */
export interface Usage {
  readonly approximate: true;
  readonly from: string;
  readonly to: string;
  readonly days: ReadonlyArray<{
    readonly date: string;
    readonly jobs: number;
    readonly quickJobs: number;
    readonly longJobs: number;
    readonly completed: number;
    /** Timeouts and cancelled ones among them. */
    readonly failed: number;
    readonly pages: number;
    readonly bytes: number;
    readonly timeouts: number;
    readonly webhookFailures: number;
    readonly durationMs: {
      readonly p50: number | null;
      readonly p95: number | null;
    };
  }>;
}

/** A schedule as it stands. */
export interface Schedule {
  /** Its idempotency key; the id of a schedule that was made without one. */
  readonly key: string;
  /** It is the job of this id, too. */
  readonly id: string;
  readonly expression: string;
  readonly timezone: string;
  readonly startsAt?: string | undefined;
  readonly endsAt?: string | undefined;
  readonly maxRuns?: number | undefined;
  readonly overlap: "allow" | "skip" | "queue" | "replace";
  readonly missed: "once" | "skip" | "all";
  readonly missedWithinSeconds?: number | undefined;
  readonly windowSeconds?: number | undefined;
  readonly state: "ACTIVE" | "PAUSED" | "ENDED";
  readonly paused: boolean;
  readonly pausedAt?: string | undefined;
  readonly pauseReason?: string | undefined;
  /** The next five times; none while it is paused. */
  readonly nextRuns: ReadonlyArray<string>;
  /** While it is paused: the next five times, were it resumed now. */
  readonly nextRunsIfResumed?: ReadonlyArray<string> | undefined;
  readonly lastRun: {
    readonly at: string;
    readonly jobId: string;
    /** Null if the job is gone. */
    readonly status: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED" | null;
  } | null;
  /** Without the runs that people have asked for. */
  readonly runCount: number;
  /** Runs that were not made. */
  readonly skipped: {
    readonly overlap: number;
    readonly missed: number;
    readonly paused: number;
  };
  /** The last of them, up to ten entries. */
  readonly lastSkipped: ReadonlyArray<{
    /** The time of the first one. */
    readonly at: string;
    readonly reason: "overlap" | "missed" | "paused";
    readonly times: number;
  }>;
  /** It grows with every edit, pause and resumption. */
  readonly version: number;
  /** A FlatJob; credentials are masked by ***. Lists show what it calls alone. */
  readonly job: Readonly<Record<string, unknown>>;
  readonly createdBy: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Parts that are left out because the answer would be too large. */
  readonly omitted?: ReadonlyArray<string> | undefined;
}

/** A schedule: when it runs, and the job that each run makes. */
export interface PutSchedule {
  /** `rate(<n> minutes|hours|days)`, `cron(<minute> <hour> <day> <month> <weekday> <year>)`, `at(yyyy-mm-ddThh:mm:ss)`, or the five fields of cron, or a name such as `@daily`. */
  readonly expression: string;
  /** Default: "UTC". */
  readonly timezone?: string | undefined;
  /** No run before; a rate counts from then. With rate(...) and cron(...) only. */
  readonly startsAt?: string | undefined;
  /** No run after. With rate(...) and cron(...) only. */
  readonly endsAt?: string | undefined;
  /** With rate(...) and cron(...) only. */
  readonly maxRuns?: number | undefined;
  /** A run that is due while the job of the last one is unfinished: `allow` (default) makes it, `skip` leaves it out, `queue` makes one of them when that job has ended, `replace` cancels that job first. */
  readonly overlap?: "allow" | "skip" | "queue" | "replace" | undefined;
  /** Runs that were missed: `once` (default) makes one for all of them, `skip` none, `all` up to 100. */
  readonly missed?: "once" | "skip" | "all" | undefined;
  /** Runs that are later are not made up for. Default: 600 with `missed: skip`, else no limit. */
  readonly missedWithinSeconds?: number | undefined;
  /** The job of a run starts within so many seconds of its time, each run with a delay of its own. */
  readonly windowSeconds?: number | undefined;
  /** Default: as it is; a new one is not. */
  readonly paused?: boolean | undefined;
  /** Beside `paused: true`. */
  readonly pauseReason?: string | undefined;
  /** The version that is to be changed: with another one, 409. */
  readonly version?: number | undefined;
  readonly job: FlatJob;
  /** Ignored: as it was shown. */
  readonly key?: unknown;
  /** Ignored: as it was shown. */
  readonly id?: unknown;
  /** Ignored: as it was shown. */
  readonly state?: unknown;
  /** Ignored: as it was shown. */
  readonly pausedAt?: unknown;
  /** Ignored: as it was shown. */
  readonly nextRuns?: unknown;
  /** Ignored: as it was shown. */
  readonly nextRunsIfResumed?: unknown;
  /** Ignored: as it was shown. */
  readonly lastRun?: unknown;
  /** Ignored: as it was shown. */
  readonly runCount?: unknown;
  /** Ignored: as it was shown. */
  readonly skipped?: unknown;
  /** Ignored: as it was shown. */
  readonly lastSkipped?: unknown;
  /** Ignored: as it was shown. */
  readonly createdBy?: unknown;
  /** Ignored: as it was shown. */
  readonly createdAt?: unknown;
  /** Ignored: as it was shown. */
  readonly updatedAt?: unknown;
}

/** A merge patch (RFC 7396) of a PutSchedule: null takes a field away. */
export type PatchSchedule = Readonly<Record<string, unknown>>;

/** How every request is answered that is refused or fails. */
export interface Error {
  readonly success: false;
  readonly error: {
    readonly code: "BAD_REQUEST" | "UNAUTHORIZED" | "FORBIDDEN" | "NOT_FOUND" | "REQUEST_TIMEOUT" | "CONFLICT" | "PAYLOAD_TOO_LARGE" | "UNPROCESSABLE_ENTITY" | "TOO_MANY_REQUESTS" | "SERVICE_UNAVAILABLE" | "INTERNAL_SERVER_ERROR";
    readonly message: string;
    /** A stable word for programs, where the code alone says too little. */
    readonly reason?: string | undefined;
    /** What is wrong, field by field: the first 20. */
    readonly details?: ReadonlyArray<{
      readonly field: string;
      readonly message: string;
    }> | undefined;
  };
  readonly timestamp: string;
}

/** By the ids of the API document. `answer`: the JSON of a success. */
export interface Operations {
  /** `POST /v1/send`: Accepts a job on one level, or up to 100 of them. */
  sendJobs: {
    readonly body: SendJob | ReadonlyArray<SendJob>;
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    } | null | {
      readonly success: true;
      readonly data: {
        readonly results: ReadonlyArray<{
          readonly status: number;
          readonly data: JobEntity | null;
          /** Of a replay: what the request says otherwise than the job. */
          readonly differs?: ReadonlyArray<string> | undefined;
        } | {
          readonly status: number;
          readonly error: {
            readonly code: "BAD_REQUEST" | "UNAUTHORIZED" | "FORBIDDEN" | "NOT_FOUND" | "REQUEST_TIMEOUT" | "CONFLICT" | "PAYLOAD_TOO_LARGE" | "UNPROCESSABLE_ENTITY" | "TOO_MANY_REQUESTS" | "SERVICE_UNAVAILABLE" | "INTERNAL_SERVER_ERROR";
            readonly message: string;
            /** A stable word for programs, where the code alone says too little. */
            readonly reason?: string | undefined;
            /** What is wrong, field by field: the first 20. */
            readonly details?: ReadonlyArray<{
              readonly field: string;
              readonly message: string;
            }> | undefined;
          };
        }>;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/jobs/create`: Accepts a job. */
  createJob: {
    readonly body: CreateJob;
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    } | null;
  };
  /** `POST /v1/jobs/batch`: Accepts up to 100 jobs, each by itself. */
  createJobs: {
    readonly body: {
      readonly jobs: ReadonlyArray<CreateJob>;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly results: ReadonlyArray<{
          readonly status: number;
          readonly data: JobEntity | null;
          /** Of a replay: what the request says otherwise than the job. */
          readonly differs?: ReadonlyArray<string> | undefined;
        } | {
          readonly status: number;
          readonly error: {
            readonly code: "BAD_REQUEST" | "UNAUTHORIZED" | "FORBIDDEN" | "NOT_FOUND" | "REQUEST_TIMEOUT" | "CONFLICT" | "PAYLOAD_TOO_LARGE" | "UNPROCESSABLE_ENTITY" | "TOO_MANY_REQUESTS" | "SERVICE_UNAVAILABLE" | "INTERNAL_SERVER_ERROR";
            readonly message: string;
            /** A stable word for programs, where the code alone says too little. */
            readonly reason?: string | undefined;
            /** What is wrong, field by field: the first 20. */
            readonly details?: ReadonlyArray<{
              readonly field: string;
              readonly message: string;
            }> | undefined;
          };
        }>;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/jobs/callback-http`: Accepts a webhook by its URL, as earlier versions did. */
  createCallbackJob: {
    readonly body: {
      readonly appId?: string | undefined;
      readonly url: string;
      /** Default: "POST". */
      readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | undefined;
      readonly headers?: Readonly<Record<string, string>> | undefined;
      /** Text goes out as it is, anything else as JSON. */
      readonly body?: unknown;
      /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
      readonly idempotencyKey?: string | undefined;
      readonly maxRetries?: number | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly id: string;
        readonly appId: string;
        readonly executionType: string;
        readonly status: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";
        readonly lambdaProxyMessage?: ShownRequest | null | undefined;
        readonly executionConfig?: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution | ShownScheduleExecution | GroupExecution | null | undefined;
        readonly onComplete?: ShownCallback | undefined;
        readonly onSuccess?: ShownFollowUpJob | null | undefined;
        readonly onFailure?: ShownFollowUpJob | null | undefined;
        readonly messageGroupId: string;
        readonly idempotencyKey: string | null;
        readonly retryCount: number;
        readonly maxRetries: number;
        readonly nextRetryAt: string | null;
        readonly lastError: string | null;
        /** Why it failed. `final`: another attempt would fail too; `expired`: none was started by its notAfter; `seal_timeout`, `count_mismatch`: a group that had other members than it was to have. */
        readonly reason?: "final" | "expired" | "seal_timeout" | "count_mismatch" | undefined;
        /** The start that was asked for. */
        readonly notBefore?: string | undefined;
        /** No attempt starts later. */
        readonly notAfter?: string | undefined;
        readonly labels?: ReadonlyArray<string> | undefined;
        /** An origin or a function's name; null for tasks and schedules. */
        readonly destination: string | null;
        /** Null for tasks and schedules. */
        readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | null;
        /** Up to 256 characters; credentials are masked by ***. */
        readonly path: string | null;
        /** Of a task. */
        readonly jobType?: string | null | undefined;
        /** Of a task. */
        readonly progress?: {
          readonly percent: number;
          readonly step: number;
          readonly totalSteps: number;
          readonly label?: string | undefined;
        } | null | undefined;
        readonly attemptsStarted: number;
        /** Of the last attempt that has ended, if it was answered. */
        readonly lastHttpStatus: number | null;
        readonly scheduleArn: string | null;
        /** Of a schedule. */
        readonly nextRunAt?: string | null | undefined;
        /** Of a schedule. */
        readonly lastRunAt?: string | null | undefined;
        /** Of a schedule. */
        readonly runCount?: number | undefined;
        /** Of a schedule: the job of the last run. */
        readonly targetJobId?: string | null | undefined;
        /** Of a group: how many members it has; null while nobody knows. */
        readonly expected?: number | null | undefined;
        /** Of a group. */
        readonly sealBy?: string | undefined;
        /** Of a group: since when nothing becomes a member any more. */
        readonly sealedAt?: string | null | undefined;
        /** Of a group that has ended. */
        readonly members?: MemberCounts | null | undefined;
        /** Of a group: the first 1,000 members that were FAILED or DEAD. */
        readonly failedJobIds?: ReadonlyArray<string> | undefined;
        /** The group that the job is a member of. */
        readonly group?: string | undefined;
        /** The `sub` of the token; of follow-ups and runs of a schedule, that of the job behind them. */
        readonly createdBy: string | null;
        /** The job whose follow-up or target this one is. */
        readonly parentJobId?: string | undefined;
        /** The job of which this one is a copy, with changes or without. */
        readonly resentFrom?: string | undefined;
        /** Of a job that has asked for follow-ups. */
        readonly followUpJobIds?: ReadonlyArray<string> | undefined;
        /** Since when it is to stop; a running attempt is let end first. */
        readonly stopRequestedAt?: string | undefined;
        readonly createdAt: string;
        readonly updatedAt: string;
        /** Null unless it is PENDING or RETRYING. Lists have it with `include=waiting`. */
        readonly waiting?: Waiting | null | undefined;
        /** Parts shown as null because the answer would be too large. */
        readonly omitted?: ReadonlyArray<string> | undefined;
        /** The characters of the body of which `bodyUpTo` shows the first. */
        readonly bodyLength?: number | undefined;
        readonly type: "callback-http";
        readonly payload: {
          readonly url: string;
          readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
          readonly headers: Readonly<Record<string, string>>;
          readonly body: unknown;
        } | null;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/jobs`: Accepts a task. */
  createTypedJob: {
    readonly body: CreateTypedJob;
    readonly answer: {
      readonly jobId: string;
      readonly message: string;
    };
  };
  /** `GET /v1/jobs`: Lists the caller's tasks, newest first; an administrator gets the app's. */
  listTypedJobs: {
    readonly query: {
      /** Default: 1. */
      readonly page?: number | undefined;
      /** Default: 25. */
      readonly pageSize?: number | undefined;
      readonly status?: "queued" | "running" | "retrying" | "succeeded" | "failed" | "cancelled" | undefined;
      readonly jobType?: "example" | "import_csv" | "export_report" | "data_processing" | "notification" | "cleanup" | "sync" | "bulk_action" | "group_audit" | "generate_pdf" | undefined;
    };
    readonly answer: {
      readonly jobs: ReadonlyArray<TypedJob>;
      /** Of the caller's newest 10,000 tasks, or of the app's in that status. */
      readonly total: number;
      /** False if there are older ones, which are not listed. */
      readonly totalIsExact: boolean;
      readonly page: number;
      readonly pageSize: number;
      readonly totalPages: number;
    };
  };
  /** `GET /v1/jobs/{id}/status`: Shows a task and how far it is. */
  getTypedJobStatus: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly job: TypedJob;
      readonly progress: number;
      readonly canCancel: boolean;
      readonly canRetry: boolean;
    };
  };
  /** `POST /v1/jobs/{id}/cancel`: Ends a task that has not ended; a running one within seconds. */
  cancelTypedJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly message: string;
    };
  };
  /** `POST /v1/jobs/{id}/retry`: Tries a failed task again, as one of its retries. */
  retryTypedJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly message: string;
    };
  };
  /** `GET /v1/jobs/{id}/events`: Waits for progress and log lines: new ones at once, or none after 20 s. */
  listTypedJobEvents: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      /** `after` of the answer before: what is new since. */
      readonly after?: string | undefined;
    };
    readonly answer: {
      readonly events: ReadonlyArray<{
        readonly type: "log";
        readonly level: "debug" | "info" | "warning" | "error";
        readonly message: string;
        readonly rowNumber: number | null;
        readonly meta: Readonly<Record<string, unknown>> | null;
        readonly createdAt: string;
      } | {
        readonly type: "progress";
        readonly status: "queued" | "running" | "retrying" | "succeeded" | "failed" | "cancelled";
        readonly progress: number;
        readonly currentStep: number;
        readonly totalSteps: number | null;
        readonly label: string | null;
      }>;
      /** Ask with this for what comes next. */
      readonly after: string;
      /** Nothing more comes. */
      readonly ended: boolean;
    };
  };
  /** `GET /v1/datasets`: Lists the app's datasets by name. */
  listDatasets: {
    readonly answer: {
      readonly datasets: ReadonlyArray<Dataset>;
    };
  };
  /** `POST /api/jobs`: Accepts a task about a file, which comes with it or was uploaded before. */
  createFileJob: {
    readonly body: CreateFileJob;
    readonly answer: FileJob;
  };
  /** `GET /api/jobs`: Lists the caller's file jobs, newest first; an administrator gets the app's. */
  listFileJobs: {
    readonly query: {
      /** Default: 1. */
      readonly page?: number | undefined;
      /** Default: 20. */
      readonly pageSize?: number | undefined;
      readonly status?: "PENDING" | "RUNNING" | "RETRYING" | "COMPLETED" | "FAILED" | undefined;
      readonly jobType?: "example" | "import_csv" | "export_report" | "data_processing" | "notification" | "cleanup" | "sync" | "bulk_action" | "group_audit" | "generate_pdf" | undefined;
    };
    readonly answer: {
      readonly jobs: ReadonlyArray<FileJob>;
      /** Of the caller's newest 10,000 tasks, or of the app's in that status. */
      readonly total: number;
      /** False if there are older ones, which are not listed. */
      readonly totalIsExact: boolean;
      readonly page: number;
      readonly pageSize: number;
      readonly totalPages: number;
    };
  };
  /** `POST /api/jobs/uploads`: Announces a file, and says where its parts are to be sent. */
  createUpload: {
    readonly body: CreateUpload;
    readonly answer: {
      /** The file, for `complete` and for the job. It is good for its user alone. */
      readonly fileKey: string;
      /** Bytes of each part; the last one is what is left. */
      readonly partSize: number;
      /** Where each part is PUT. The `ETag` of each answer is for `complete`. */
      readonly parts: ReadonlyArray<{
        readonly partNumber: number;
        readonly url: string;
      }>;
      /** How long the URLs are good for, at most. New ones: `/api/jobs/uploads/parts`. */
      readonly expiresInSeconds: number;
    };
  };
  /** `POST /api/jobs/uploads/parts`: Gives new URLs for the parts of an announced file. */
  signUploadParts: {
    readonly body: SignUploadParts;
    readonly answer: {
      /** The file, for `complete` and for the job. It is good for its user alone. */
      readonly fileKey: string;
      /** Bytes of each part; the last one is what is left. */
      readonly partSize: number;
      /** Where each part is PUT. The `ETag` of each answer is for `complete`. */
      readonly parts: ReadonlyArray<{
        readonly partNumber: number;
        readonly url: string;
      }>;
      /** How long the URLs are good for, at most. New ones: `/api/jobs/uploads/parts`. */
      readonly expiresInSeconds: number;
    };
  };
  /** `POST /api/jobs/uploads/complete`: Makes a file of its parts, if it is as large as announced. */
  completeUpload: {
    readonly body: CompleteUpload;
    readonly answer: {
      readonly fileKey: string;
      readonly fileName: string;
      readonly size: number;
      readonly contentType: string;
    };
  };
  /** `GET /api/jobs/{id}`: Shows a file job. */
  getFileJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: FileJob;
  };
  /** `GET /api/jobs/{id}/logs`: Lists what a file job has logged; it is kept for 30 days. */
  listFileJobLogs: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      /** Default: 1. */
      readonly page?: number | undefined;
      /** Default: 50. */
      readonly pageSize?: number | undefined;
      readonly level?: "DEBUG" | "INFO" | "WARNING" | "ERROR" | undefined;
      /** Which lines come first. Default: "newest". */
      readonly order?: "newest" | "oldest" | undefined;
    };
    readonly answer: {
      readonly logs: ReadonlyArray<FileJobLog>;
      /** Of the level, if one was asked for. */
      readonly total: number;
      readonly page: number;
      readonly pageSize: number;
      readonly totalPages: number;
    };
  };
  /** `POST /quickjob`: Makes a PDF and answers with it, within 27 s. */
  createQuickJob: {
    readonly body: QuickJob;
  };
  /** `POST /longjob`: Accepts a document to make a PDF of, which is kept for 24 hours. */
  createLongJob: {
    readonly body: LongJob;
    readonly answer: {
      readonly job_id: string;
      readonly status: "queued" | "processing" | "completed" | "failed" | "timeout";
      readonly message: string;
      /** By what documents have taken lately and what waits; null once it has ended. */
      readonly estimated_completion: string | null;
    };
  };
  /** `GET /jobs/{id}`: Shows a PDF job, with a new link to its file. */
  getPdfJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: PdfJob;
  };
  /** `GET /accounts/me/webhook`: Shows where the caller's long PDF jobs tell their end. */
  getAccountWebhook: {
    readonly answer: {
      readonly webhook_url: string | null;
    };
  };
  /** `PUT /accounts/me/webhook`: Says where the caller's long PDF jobs are to tell their end, from the next one on. */
  putAccountWebhook: {
    readonly body: AccountWebhook;
    readonly answer: {
      readonly webhook_url: string | null;
    };
  };
  /** `GET /v1/me`: Shows who the token says is asking, what it allows, and which service this is. */
  getMe: {
    readonly answer: {
      readonly success: true;
      readonly data: Me;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/apps`: Lists the apps that have settings, limits, a signing secret or a job, by their ids. */
  listApps: {
    readonly query: {
      /** Default: 50. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<ListedApp>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/jobs`: Lists an app's jobs that fit a filter, newest first. */
  listJobs: {
    readonly query: {
      readonly status?: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED" | ReadonlyArray<"PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED"> | undefined;
      /** What it waits for, as `GET /v1/admin/counts` counts it. Without `status`, of PENDING and RETRYING jobs. */
      readonly waiting?: "delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot" | ReadonlyArray<"delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot"> | undefined;
      readonly executionType?: "rest-api" | "lambda-invoke" | "lambda-url" | "task" | "schedule" | "group" | ReadonlyArray<"rest-api" | "lambda-invoke" | "lambda-url" | "task" | "schedule" | "group"> | undefined;
      /** Of tasks. */
      readonly jobType?: string | ReadonlyArray<string> | undefined;
      /** Of the destination: a host, with or without its port, an origin, or a function's name. */
      readonly host?: string | ReadonlyArray<string> | undefined;
      /** Of the last answer: a status, or a class such as `5xx`. */
      readonly httpStatus?: number | string | ReadonlyArray<number | string> | undefined;
      /** In the last error, by its letters. */
      readonly errorContains?: string | ReadonlyArray<string> | undefined;
      readonly label?: string | ReadonlyArray<string> | undefined;
      /** The id of a group: its members. */
      readonly group?: string | ReadonlyArray<string> | undefined;
      /** The job that this one follows, or that submitted it. */
      readonly parentId?: string | ReadonlyArray<string> | undefined;
      /** The schedule that created it, by its key or id. */
      readonly schedule?: string | ReadonlyArray<string> | undefined;
      /** How its idempotency key begins. */
      readonly keyPrefix?: string | ReadonlyArray<string> | undefined;
      /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
      readonly idempotencyKey?: string | undefined;
      /** At most 100. */
      readonly ids?: string | ReadonlyArray<string> | undefined;
      /** Or at that time. */
      readonly createdAfter?: string | undefined;
      /** Or at that time. */
      readonly createdBefore?: string | undefined;
      /** Or at that time. */
      readonly updatedAfter?: string | undefined;
      /** Or at that time. */
      readonly updatedBefore?: string | undefined;
      readonly appId?: string | undefined;
      /** Says of each job why it waits, as `waiting`. */
      readonly include?: "waiting" | undefined;
      /** Default: 50. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<JobEntity>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
        /** The creation of the last job that was looked at; null at the end. */
        readonly lookedBackTo: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/jobs/count`: Counts an app's jobs that fit a filter, to 1,000. */
  countJobs: {
    readonly query: {
      readonly status?: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED" | ReadonlyArray<"PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED"> | undefined;
      /** What it waits for, as `GET /v1/admin/counts` counts it. Without `status`, of PENDING and RETRYING jobs. */
      readonly waiting?: "delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot" | ReadonlyArray<"delayed" | "backoff" | "queued" | "order" | "rate" | "concurrency" | "outage" | "held" | "paused" | "slot"> | undefined;
      readonly executionType?: "rest-api" | "lambda-invoke" | "lambda-url" | "task" | "schedule" | "group" | ReadonlyArray<"rest-api" | "lambda-invoke" | "lambda-url" | "task" | "schedule" | "group"> | undefined;
      /** Of tasks. */
      readonly jobType?: string | ReadonlyArray<string> | undefined;
      /** Of the destination: a host, with or without its port, an origin, or a function's name. */
      readonly host?: string | ReadonlyArray<string> | undefined;
      /** Of the last answer: a status, or a class such as `5xx`. */
      readonly httpStatus?: number | string | ReadonlyArray<number | string> | undefined;
      /** In the last error, by its letters. */
      readonly errorContains?: string | ReadonlyArray<string> | undefined;
      readonly label?: string | ReadonlyArray<string> | undefined;
      /** The id of a group: its members. */
      readonly group?: string | ReadonlyArray<string> | undefined;
      /** The job that this one follows, or that submitted it. */
      readonly parentId?: string | ReadonlyArray<string> | undefined;
      /** The schedule that created it, by its key or id. */
      readonly schedule?: string | ReadonlyArray<string> | undefined;
      /** How its idempotency key begins. */
      readonly keyPrefix?: string | ReadonlyArray<string> | undefined;
      /** 1 to 255 printable ASCII characters, from space to ~: the same key is the same job. */
      readonly idempotencyKey?: string | undefined;
      /** At most 100. */
      readonly ids?: string | ReadonlyArray<string> | undefined;
      /** Or at that time. */
      readonly createdAfter?: string | undefined;
      /** Or at that time. */
      readonly createdBefore?: string | undefined;
      /** Or at that time. */
      readonly updatedAfter?: string | undefined;
      /** Or at that time. */
      readonly updatedBefore?: string | undefined;
      readonly appId?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: JobCount;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/jobs/{id}`: Shows a job with its message and attempts. */
  getJob: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      /** The most characters of the request's body; `bodyLength` says how many a longer one has. */
      readonly bodyUpTo?: number | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly id: string;
        readonly appId: string;
        readonly executionType: string;
        readonly status: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED";
        readonly lambdaProxyMessage?: ShownRequest | null | undefined;
        readonly executionConfig?: RestApiExecution | LambdaInvokeExecution | LambdaUrlExecution | TaskExecution | ShownScheduleExecution | GroupExecution | null | undefined;
        readonly onComplete?: ShownCallback | undefined;
        readonly onSuccess?: ShownFollowUpJob | null | undefined;
        readonly onFailure?: ShownFollowUpJob | null | undefined;
        readonly messageGroupId: string;
        readonly idempotencyKey: string | null;
        readonly retryCount: number;
        readonly maxRetries: number;
        readonly nextRetryAt: string | null;
        readonly lastError: string | null;
        /** Why it failed. `final`: another attempt would fail too; `expired`: none was started by its notAfter; `seal_timeout`, `count_mismatch`: a group that had other members than it was to have. */
        readonly reason?: "final" | "expired" | "seal_timeout" | "count_mismatch" | undefined;
        /** The start that was asked for. */
        readonly notBefore?: string | undefined;
        /** No attempt starts later. */
        readonly notAfter?: string | undefined;
        readonly labels?: ReadonlyArray<string> | undefined;
        /** An origin or a function's name; null for tasks and schedules. */
        readonly destination: string | null;
        /** Null for tasks and schedules. */
        readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | null;
        /** Up to 256 characters; credentials are masked by ***. */
        readonly path: string | null;
        /** Of a task. */
        readonly jobType?: string | null | undefined;
        /** Of a task. */
        readonly progress?: {
          readonly percent: number;
          readonly step: number;
          readonly totalSteps: number;
          readonly label?: string | undefined;
        } | null | undefined;
        readonly attemptsStarted: number;
        /** Of the last attempt that has ended, if it was answered. */
        readonly lastHttpStatus: number | null;
        readonly scheduleArn: string | null;
        /** Of a schedule. */
        readonly nextRunAt?: string | null | undefined;
        /** Of a schedule. */
        readonly lastRunAt?: string | null | undefined;
        /** Of a schedule. */
        readonly runCount?: number | undefined;
        /** Of a schedule: the job of the last run. */
        readonly targetJobId?: string | null | undefined;
        /** Of a group: how many members it has; null while nobody knows. */
        readonly expected?: number | null | undefined;
        /** Of a group. */
        readonly sealBy?: string | undefined;
        /** Of a group: since when nothing becomes a member any more. */
        readonly sealedAt?: string | null | undefined;
        /** Of a group that has ended. */
        readonly members?: MemberCounts | null | undefined;
        /** Of a group: the first 1,000 members that were FAILED or DEAD. */
        readonly failedJobIds?: ReadonlyArray<string> | undefined;
        /** The group that the job is a member of. */
        readonly group?: string | undefined;
        /** The `sub` of the token; of follow-ups and runs of a schedule, that of the job behind them. */
        readonly createdBy: string | null;
        /** The job whose follow-up or target this one is. */
        readonly parentJobId?: string | undefined;
        /** The job of which this one is a copy, with changes or without. */
        readonly resentFrom?: string | undefined;
        /** Of a job that has asked for follow-ups. */
        readonly followUpJobIds?: ReadonlyArray<string> | undefined;
        /** Since when it is to stop; a running attempt is let end first. */
        readonly stopRequestedAt?: string | undefined;
        readonly createdAt: string;
        readonly updatedAt: string;
        /** Null unless it is PENDING or RETRYING. Lists have it with `include=waiting`. */
        readonly waiting?: Waiting | null | undefined;
        /** Parts shown as null because the answer would be too large. */
        readonly omitted?: ReadonlyArray<string> | undefined;
        /** The characters of the body of which `bodyUpTo` shows the first. */
        readonly bodyLength?: number | undefined;
        /** The answer that a job with `keepResponse` has kept; `GET …/response` has all of it. */
        readonly response?: {
          readonly bytes: number | null;
          readonly contentType: string | null;
          /** Its first 1 KB. */
          readonly excerpt: string | null;
          /** Why it was not kept. */
          readonly missing: "too large" | "incomplete" | null;
        } | undefined;
        /** The delays between its attempts. */
        readonly retry: {
          readonly baseDelaySeconds: number;
          readonly maxDelaySeconds: number;
          readonly jitter: number;
        };
        /** Of a RETRYING job: when the next ten retries would start, without jitter, if each failed at once. */
        readonly nextRetries?: ReadonlyArray<string> | undefined;
        readonly attempts: ReadonlyArray<Attempt>;
      };
      readonly timestamp: string;
    };
  };
  /** `DELETE /v1/admin/jobs/{id}`: Deletes a finished job. */
  deleteJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/jobs/{id}/response`: Gives the answer that a job with keepResponse has kept, as it came. */
  getJobResponse: {
    readonly path: {
      readonly id: string;
    };
  };
  /** `GET /v1/admin/jobs/{id}/wait`: Waits up to 20 s for the end of a job, and shows it. */
  waitForJob: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      /** How long at most; 0 looks once. Default: 20. */
      readonly seconds?: number | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/jobs/{id}/logs`: Lists what a task has logged; it is kept for 30 days. */
  listJobLogs: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      readonly level?: "DEBUG" | "INFO" | "WARNING" | "ERROR" | undefined;
      /** Which lines come first. Default: "oldest". */
      readonly order?: "oldest" | "newest" | undefined;
      /** Only lines after the one of this `number`, oldest first: to follow a log that grows. */
      readonly after?: number | undefined;
      /** Default: 100. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<JobLog>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/jobs/{id}/retry`: Tries a FAILED or DEAD job again, or a waiting one at once. */
  retryJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/jobs/{id}/cancel`: Ends an unfinished job as CANCELLED. */
  cancelJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/jobs/{id}/deadletter`: Ends an unfinished job as DEAD. */
  deadletterJob: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/jobs/{id}/resend`: Sends a job again as a new one, with changes or without; the old one stays as it is. */
  resendJob: {
    readonly path: {
      readonly id: string;
    };
    readonly body?: Resend | undefined;
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/jobs/redrive`: Tries all jobs again that fit a filter, FAILED and DEAD ones by default. */
  redriveJobs: {
    readonly body: BulkFilter;
    readonly answer: {
      readonly success: true;
      readonly data: JobCount;
      readonly timestamp: string;
    } | {
      readonly success: true;
      readonly data: BulkAction;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/jobs/cancel`: Ends all unfinished jobs that fit a filter as CANCELLED. */
  cancelJobs: {
    readonly body: BulkFilter;
    readonly answer: {
      readonly success: true;
      readonly data: JobCount;
      readonly timestamp: string;
    } | {
      readonly success: true;
      readonly data: BulkAction;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/bulk-actions`: Lists an app's bulk actions, newest first. */
  listBulkActions: {
    readonly query: {
      readonly appId?: string | undefined;
      /** Default: 20. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<BulkAction>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/bulk-actions/{id}`: Shows how far a bulk action is. */
  getBulkAction: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: BulkAction;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/bulk-actions/{id}/abort`: Ends a bulk action within seconds; what it has changed stays changed. */
  abortBulkAction: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: BulkAction;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/groups`: Makes a group, which ends once its members have ended. */
  createGroup: {
    readonly body: CreateGroup;
    readonly answer: {
      readonly success: true;
      readonly data: Group;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/groups/{id}/seal`: Lets nothing become a member of a group any more. */
  sealGroup: {
    readonly path: {
      readonly id: string;
    };
    readonly body: SealGroup;
    readonly answer: {
      readonly success: true;
      readonly data: Group;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/groups/{id}`: Shows a group, with how many of its members have ended. */
  getGroup: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Group;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/groups/{id}/jobs`: Lists the members of a group, newest first. */
  listMembers: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      readonly status?: "PENDING" | "RUNNING" | "RETRYING" | "SUCCEEDED" | "FAILED" | "DEAD" | "CANCELLED" | undefined;
      /** Default: 50. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<JobEntity>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/groups/{id}/cancel`: Seals a group, cancels its members, and ends it as CANCELLED. */
  cancelGroup: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: BulkAction;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/groups/{id}/redrive`: Tries the failed members of a group again, towards another end of it. */
  redriveGroup: {
    readonly path: {
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: BulkAction;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/stats`: Counts an app's jobs of the last hour and day. */
  getStats: {
    readonly query: {
      readonly appId?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly approximate: true;
        readonly oldestDueAgeSeconds: number;
        readonly lastHour: {
          readonly jobs: number;
          readonly byStatus: {
            readonly PENDING: number;
            readonly RUNNING: number;
            readonly RETRYING: number;
            readonly SUCCEEDED: number;
            readonly FAILED: number;
            readonly DEAD: number;
            readonly CANCELLED: number;
          };
          readonly byExecutionType: Readonly<Record<string, number>>;
          /** Of those that have ended, cancelled ones aside. */
          readonly successRate: number | null;
          readonly averageRetryCount: number | null;
          /** From accepted to succeeded, schedules aside; exact to a fifth. */
          readonly latencyMs: {
            readonly p50: number | null;
            readonly p95: number | null;
          };
        };
        readonly lastDay: {
          readonly jobs: number;
          readonly byStatus: {
            readonly PENDING: number;
            readonly RUNNING: number;
            readonly RETRYING: number;
            readonly SUCCEEDED: number;
            readonly FAILED: number;
            readonly DEAD: number;
            readonly CANCELLED: number;
          };
          readonly byExecutionType: Readonly<Record<string, number>>;
          /** Of those that have ended, cancelled ones aside. */
          readonly successRate: number | null;
          readonly averageRetryCount: number | null;
          /** From accepted to succeeded, schedules aside; exact to a fifth. */
          readonly latencyMs: {
            readonly p50: number | null;
            readonly p95: number | null;
          };
        };
      };
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/counts`: Counts an app's jobs as they are now, and why they wait. */
  getCounts: {
    readonly query: {
      readonly appId?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Counts;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/series`: Counts what an app's jobs did, by hour or day, for the last 90 days. */
  getSeries: {
    readonly query: {
      readonly appId?: string | undefined;
      /** The first point is the hour or day in which this is; default a day before `to`. */
      readonly from?: string | undefined;
      /** The last point is the one before which this ends; default now. */
      readonly to?: string | undefined;
      /** `1h`: at most 31 days; `1d`: days of UTC, at most 90; `5m`: a day of the last two, where a job counts in the minutes in which it was accepted, by its present status. Default: "1h". */
      readonly step?: "5m" | "1h" | "1d" | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Series;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/destinations`: Lists the destinations that have failed lately or are held. */
  listDestinations: {
    readonly query: {
      readonly appId?: string | undefined;
      /** Default: 50. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<Destination>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/destinations/hold`: Lets an app's jobs to a destination wait until it is resumed. */
  holdDestination: {
    readonly body: {
      readonly appId?: string | undefined;
      readonly destination: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Destination;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/destinations/resume`: Lets an app's jobs go to a destination again. */
  resumeDestination: {
    readonly body: {
      readonly appId?: string | undefined;
      readonly destination: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Destination;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/apps/{appId}`: Shows an app's settings. */
  getApp: {
    readonly path: {
      readonly appId: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly version: number;
        readonly name: string | null;
        readonly allowedCallbackUrls: ReadonlyArray<string>;
        readonly allowedFunctions: ReadonlyArray<string>;
        readonly followRedirects: boolean;
        readonly onComplete: ShownCallback | null;
        readonly retry: {
          /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
          readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
          /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
          readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
        } | null;
        readonly idempotency: "request" | "target";
        readonly requestsPerSecond: number | null;
        readonly maxConcurrentTasks: number;
        readonly waitersPerApp: number | null;
        readonly pdfPagesPerDay: number | null;
        readonly userWebhooks: "any" | "permission";
        readonly destinations: ReadonlyArray<{
          readonly destination: string;
          /** Default: null. */
          readonly rateLimitPerSecond?: number | null | undefined;
          /** Default: null. */
          readonly maxConcurrency?: number | null | undefined;
        }>;
        readonly paused: boolean;
        readonly appId: string;
        readonly limits: Limits;
        /** What holds of the two: the tighter one of each. Jobs start while neither has paused them. */
        readonly inForce: {
          /** Requests of the app in a second. Null: no limit. */
          readonly requestsPerSecond: number | null;
          /** Reads of administrators in a second. Null: no limit. */
          readonly readsPerSecond: number | null;
          /** Changes of settings and secrets in a second. Null: no limit. */
          readonly changesPerSecond: number | null;
          /** Tasks that run at once. Null: no limit. */
          readonly maxConcurrentTasks: number | null;
          /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
          readonly concurrencyPerApp: number | null;
          /** Quick PDFs that are made at once. Null: no limit. */
          readonly quickPdfsPerApp: number | null;
          /** Requests that wait for news at once. Null: no limit. */
          readonly waitersPerApp: number | null;
          /** Recurring schedules that have not ended. Null: no limit. */
          readonly recurringSchedules: number | null;
          /** Datasets. Null: no limit. */
          readonly datasets: number | null;
          /** Bytes of all datasets. Null: no limit. */
          readonly datasetBytes: number | null;
          /** Bytes of uploaded and announced files. Null: no limit. */
          readonly uploadBytes: number | null;
          /** Pages of PDFs in a day of UTC. Null: no limit. */
          readonly pdfPagesPerDay: number | null;
          /** The operator's own pause, which the app's administrators can't end. */
          readonly paused: boolean;
        };
        readonly signingSecrets: ReadonlyArray<{
          readonly id: string;
          readonly createdAt: string;
          readonly expiresAt: string | null;
        }>;
      };
      readonly timestamp: string;
    };
  };
  /** `PUT /v1/admin/apps/{appId}`: Replaces an app's settings; what is left out gets its default. */
  putApp: {
    readonly path: {
      readonly appId: string;
    };
    readonly body: {
      readonly version: number;
      /** Default: null. */
      readonly name?: string | null | undefined;
      readonly allowedCallbackUrls?: ReadonlyArray<string> | undefined;
      readonly allowedFunctions?: ReadonlyArray<string> | undefined;
      /** Follow redirects with 307 or 308 to the same host by https, at most five in a row. Default: false. */
      readonly followRedirects?: boolean | undefined;
      /** Default: null. */
      readonly onComplete?: Callback | null | undefined;
      /** Default: null. */
      readonly retry?: {
        /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
        readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
        /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
        readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
      } | null | undefined;
      /** What a repeated key must not change: the request, but for its times; or only where it goes. Default: "request". */
      readonly idempotency?: "request" | "target" | undefined;
      /** Default: null. */
      readonly requestsPerSecond?: number | null | undefined;
      /** Default: 5. */
      readonly maxConcurrentTasks?: number | undefined;
      /** Default: null. */
      readonly waitersPerApp?: number | null | undefined;
      /** Default: null. */
      readonly pdfPagesPerDay?: number | null | undefined;
      /** Who may have the ends of long PDF jobs told: any user, or those who may create jobs. Default: "any". */
      readonly userWebhooks?: "any" | "permission" | undefined;
      readonly destinations?: ReadonlyArray<{
        readonly destination: string;
        /** Default: null. */
        readonly rateLimitPerSecond?: number | null | undefined;
        /** Default: null. */
        readonly maxConcurrency?: number | null | undefined;
      }> | undefined;
      /** Default: false. */
      readonly paused?: boolean | undefined;
      /** Ignored: as `GET` shows it. */
      readonly appId?: unknown;
      /** Ignored: as `GET` shows it. */
      readonly limits?: unknown;
      /** Ignored: as `GET` shows it. */
      readonly inForce?: unknown;
      /** Ignored: as `GET` shows it. */
      readonly signingSecrets?: unknown;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly version: number;
        readonly name: string | null;
        readonly allowedCallbackUrls: ReadonlyArray<string>;
        readonly allowedFunctions: ReadonlyArray<string>;
        readonly followRedirects: boolean;
        readonly onComplete: ShownCallback | null;
        readonly retry: {
          /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
          readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
          /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
          readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
        } | null;
        readonly idempotency: "request" | "target";
        readonly requestsPerSecond: number | null;
        readonly maxConcurrentTasks: number;
        readonly waitersPerApp: number | null;
        readonly pdfPagesPerDay: number | null;
        readonly userWebhooks: "any" | "permission";
        readonly destinations: ReadonlyArray<{
          readonly destination: string;
          /** Default: null. */
          readonly rateLimitPerSecond?: number | null | undefined;
          /** Default: null. */
          readonly maxConcurrency?: number | null | undefined;
        }>;
        readonly paused: boolean;
        readonly appId: string;
        readonly limits: Limits;
        /** What holds of the two: the tighter one of each. Jobs start while neither has paused them. */
        readonly inForce: {
          /** Requests of the app in a second. Null: no limit. */
          readonly requestsPerSecond: number | null;
          /** Reads of administrators in a second. Null: no limit. */
          readonly readsPerSecond: number | null;
          /** Changes of settings and secrets in a second. Null: no limit. */
          readonly changesPerSecond: number | null;
          /** Tasks that run at once. Null: no limit. */
          readonly maxConcurrentTasks: number | null;
          /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
          readonly concurrencyPerApp: number | null;
          /** Quick PDFs that are made at once. Null: no limit. */
          readonly quickPdfsPerApp: number | null;
          /** Requests that wait for news at once. Null: no limit. */
          readonly waitersPerApp: number | null;
          /** Recurring schedules that have not ended. Null: no limit. */
          readonly recurringSchedules: number | null;
          /** Datasets. Null: no limit. */
          readonly datasets: number | null;
          /** Bytes of all datasets. Null: no limit. */
          readonly datasetBytes: number | null;
          /** Bytes of uploaded and announced files. Null: no limit. */
          readonly uploadBytes: number | null;
          /** Pages of PDFs in a day of UTC. Null: no limit. */
          readonly pdfPagesPerDay: number | null;
          /** The operator's own pause, which the app's administrators can't end. */
          readonly paused: boolean;
        };
        readonly signingSecrets: ReadonlyArray<{
          readonly id: string;
          readonly createdAt: string;
          readonly expiresAt: string | null;
        }>;
      };
      readonly timestamp: string;
    };
  };
  /** `PATCH /v1/admin/apps/{appId}`: Changes some of an app's settings and leaves the others as they are. */
  patchApp: {
    readonly path: {
      readonly appId: string;
    };
    readonly body: PatchSettings;
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly version: number;
        readonly name: string | null;
        readonly allowedCallbackUrls: ReadonlyArray<string>;
        readonly allowedFunctions: ReadonlyArray<string>;
        readonly followRedirects: boolean;
        readonly onComplete: ShownCallback | null;
        readonly retry: {
          /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
          readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
          /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
          readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
        } | null;
        readonly idempotency: "request" | "target";
        readonly requestsPerSecond: number | null;
        readonly maxConcurrentTasks: number;
        readonly waitersPerApp: number | null;
        readonly pdfPagesPerDay: number | null;
        readonly userWebhooks: "any" | "permission";
        readonly destinations: ReadonlyArray<{
          readonly destination: string;
          /** Default: null. */
          readonly rateLimitPerSecond?: number | null | undefined;
          /** Default: null. */
          readonly maxConcurrency?: number | null | undefined;
        }>;
        readonly paused: boolean;
        readonly appId: string;
        readonly limits: Limits;
        /** What holds of the two: the tighter one of each. Jobs start while neither has paused them. */
        readonly inForce: {
          /** Requests of the app in a second. Null: no limit. */
          readonly requestsPerSecond: number | null;
          /** Reads of administrators in a second. Null: no limit. */
          readonly readsPerSecond: number | null;
          /** Changes of settings and secrets in a second. Null: no limit. */
          readonly changesPerSecond: number | null;
          /** Tasks that run at once. Null: no limit. */
          readonly maxConcurrentTasks: number | null;
          /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
          readonly concurrencyPerApp: number | null;
          /** Quick PDFs that are made at once. Null: no limit. */
          readonly quickPdfsPerApp: number | null;
          /** Requests that wait for news at once. Null: no limit. */
          readonly waitersPerApp: number | null;
          /** Recurring schedules that have not ended. Null: no limit. */
          readonly recurringSchedules: number | null;
          /** Datasets. Null: no limit. */
          readonly datasets: number | null;
          /** Bytes of all datasets. Null: no limit. */
          readonly datasetBytes: number | null;
          /** Bytes of uploaded and announced files. Null: no limit. */
          readonly uploadBytes: number | null;
          /** Pages of PDFs in a day of UTC. Null: no limit. */
          readonly pdfPagesPerDay: number | null;
          /** The operator's own pause, which the app's administrators can't end. */
          readonly paused: boolean;
        };
        readonly signingSecrets: ReadonlyArray<{
          readonly id: string;
          readonly createdAt: string;
          readonly expiresAt: string | null;
        }>;
      };
      readonly timestamp: string;
    };
  };
  /** `PUT /v1/admin/apps/{appId}/destinations/{name}`: Sets the limits of one destination, in an app's settings. */
  putDestination: {
    readonly path: {
      readonly appId: string;
      readonly name: string;
    };
    readonly body: DestinationLimits;
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly version: number;
        readonly name: string | null;
        readonly allowedCallbackUrls: ReadonlyArray<string>;
        readonly allowedFunctions: ReadonlyArray<string>;
        readonly followRedirects: boolean;
        readonly onComplete: ShownCallback | null;
        readonly retry: {
          /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
          readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
          /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
          readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
        } | null;
        readonly idempotency: "request" | "target";
        readonly requestsPerSecond: number | null;
        readonly maxConcurrentTasks: number;
        readonly waitersPerApp: number | null;
        readonly pdfPagesPerDay: number | null;
        readonly userWebhooks: "any" | "permission";
        readonly destinations: ReadonlyArray<{
          readonly destination: string;
          /** Default: null. */
          readonly rateLimitPerSecond?: number | null | undefined;
          /** Default: null. */
          readonly maxConcurrency?: number | null | undefined;
        }>;
        readonly paused: boolean;
        readonly appId: string;
        readonly limits: Limits;
        /** What holds of the two: the tighter one of each. Jobs start while neither has paused them. */
        readonly inForce: {
          /** Requests of the app in a second. Null: no limit. */
          readonly requestsPerSecond: number | null;
          /** Reads of administrators in a second. Null: no limit. */
          readonly readsPerSecond: number | null;
          /** Changes of settings and secrets in a second. Null: no limit. */
          readonly changesPerSecond: number | null;
          /** Tasks that run at once. Null: no limit. */
          readonly maxConcurrentTasks: number | null;
          /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
          readonly concurrencyPerApp: number | null;
          /** Quick PDFs that are made at once. Null: no limit. */
          readonly quickPdfsPerApp: number | null;
          /** Requests that wait for news at once. Null: no limit. */
          readonly waitersPerApp: number | null;
          /** Recurring schedules that have not ended. Null: no limit. */
          readonly recurringSchedules: number | null;
          /** Datasets. Null: no limit. */
          readonly datasets: number | null;
          /** Bytes of all datasets. Null: no limit. */
          readonly datasetBytes: number | null;
          /** Bytes of uploaded and announced files. Null: no limit. */
          readonly uploadBytes: number | null;
          /** Pages of PDFs in a day of UTC. Null: no limit. */
          readonly pdfPagesPerDay: number | null;
          /** The operator's own pause, which the app's administrators can't end. */
          readonly paused: boolean;
        };
        readonly signingSecrets: ReadonlyArray<{
          readonly id: string;
          readonly createdAt: string;
          readonly expiresAt: string | null;
        }>;
      };
      readonly timestamp: string;
    };
  };
  /** `DELETE /v1/admin/apps/{appId}/destinations/{name}`: Takes the limits of one destination out of an app's settings. */
  deleteDestination: {
    readonly path: {
      readonly appId: string;
      readonly name: string;
    };
    readonly query: {
      readonly version?: number | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly version: number;
        readonly name: string | null;
        readonly allowedCallbackUrls: ReadonlyArray<string>;
        readonly allowedFunctions: ReadonlyArray<string>;
        readonly followRedirects: boolean;
        readonly onComplete: ShownCallback | null;
        readonly retry: {
          /** Answers that end the job at once: statuses such as 422, or classes such as `4xx`. */
          readonly final?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
          /** Answers after which it is tried again. A status counts before its class, and then retryOn before final. */
          readonly retryOn?: ReadonlyArray<number | "3xx" | "4xx" | "5xx"> | undefined;
        } | null;
        readonly idempotency: "request" | "target";
        readonly requestsPerSecond: number | null;
        readonly maxConcurrentTasks: number;
        readonly waitersPerApp: number | null;
        readonly pdfPagesPerDay: number | null;
        readonly userWebhooks: "any" | "permission";
        readonly destinations: ReadonlyArray<{
          readonly destination: string;
          /** Default: null. */
          readonly rateLimitPerSecond?: number | null | undefined;
          /** Default: null. */
          readonly maxConcurrency?: number | null | undefined;
        }>;
        readonly paused: boolean;
        readonly appId: string;
        readonly limits: Limits;
        /** What holds of the two: the tighter one of each. Jobs start while neither has paused them. */
        readonly inForce: {
          /** Requests of the app in a second. Null: no limit. */
          readonly requestsPerSecond: number | null;
          /** Reads of administrators in a second. Null: no limit. */
          readonly readsPerSecond: number | null;
          /** Changes of settings and secrets in a second. Null: no limit. */
          readonly changesPerSecond: number | null;
          /** Tasks that run at once. Null: no limit. */
          readonly maxConcurrentTasks: number | null;
          /** Attempts over 60 s at once, and as many at destinations that take longer than 5 s. Null: a fifth of the queue's executions: 20 and 40. */
          readonly concurrencyPerApp: number | null;
          /** Quick PDFs that are made at once. Null: no limit. */
          readonly quickPdfsPerApp: number | null;
          /** Requests that wait for news at once. Null: no limit. */
          readonly waitersPerApp: number | null;
          /** Recurring schedules that have not ended. Null: no limit. */
          readonly recurringSchedules: number | null;
          /** Datasets. Null: no limit. */
          readonly datasets: number | null;
          /** Bytes of all datasets. Null: no limit. */
          readonly datasetBytes: number | null;
          /** Bytes of uploaded and announced files. Null: no limit. */
          readonly uploadBytes: number | null;
          /** Pages of PDFs in a day of UTC. Null: no limit. */
          readonly pdfPagesPerDay: number | null;
          /** The operator's own pause, which the app's administrators can't end. */
          readonly paused: boolean;
        };
        readonly signingSecrets: ReadonlyArray<{
          readonly id: string;
          readonly createdAt: string;
          readonly expiresAt: string | null;
        }>;
      };
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/apps/{appId}/limits`: Shows what the operator allows an app. */
  getLimits: {
    readonly path: {
      readonly appId: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Limits;
      readonly timestamp: string;
    };
  };
  /** `PUT /v1/admin/apps/{appId}/limits`: Replaces what the operator allows an app; what is left out gets its default. */
  putLimits: {
    readonly path: {
      readonly appId: string;
    };
    readonly body: PutLimits;
    readonly answer: {
      readonly success: true;
      readonly data: Limits;
      readonly timestamp: string;
    };
  };
  /** `PATCH /v1/admin/apps/{appId}/limits`: Changes some of what the operator allows an app and leaves the rest as it is. */
  patchLimits: {
    readonly path: {
      readonly appId: string;
    };
    readonly body: PatchLimits;
    readonly answer: {
      readonly success: true;
      readonly data: Limits;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/admin/apps/{appId}/signing-secrets`: Makes a new signing secret; those before sign for 24 more hours. */
  rotateSigningSecret: {
    readonly path: {
      readonly appId: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly id: string;
        readonly secret: string;
        readonly createdAt: string;
      };
      readonly timestamp: string;
    };
  };
  /** `DELETE /v1/admin/apps/{appId}/signing-secrets/{id}`: Takes a signing secret back at once. */
  deleteSigningSecret: {
    readonly path: {
      readonly appId: string;
      readonly id: string;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly id: string;
      };
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/apps/{appId}/audit`: Lists who changed what and when, newest first. */
  listAudit: {
    readonly path: {
      readonly appId: string;
    };
    readonly query: {
      /** Default: 50. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
      /** Entries about one object alone: `job:<id>`, `schedule:<id>`, `settings`, `limits`, `secret:<id>`, `destination:<name>`, `webhook:<user>`, `upload:<fileKey>`. */
      readonly object?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<{
          readonly at: string;
          readonly by: string;
          readonly action: string;
          /** What was changed, as `object` of the query names it. */
          readonly object: string | null;
          readonly changes: ReadonlyArray<{
            readonly field: string;
            readonly from: unknown;
            readonly to: unknown;
            /** The values are not kept: they were too large, or were the body of a job. */
            readonly omitted?: true | undefined;
          }>;
        }>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `GET /v1/admin/apps/{appId}/usage`: Counts an app's PDF jobs by day. */
  getUsage: {
    readonly path: {
      readonly appId: string;
    };
    readonly query: {
      /** The first day, in UTC; default 30 days before the last. */
      readonly from?: string | undefined;
      /** The last day; default today. */
      readonly to?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Usage;
      readonly timestamp: string;
    };
  };
  /** `GET /metrics`: The figures of the service in the text format of Prometheus. */
  getMetrics: Readonly<Record<string, never>>;
  /** `GET /v1/schedules`: Lists an app's schedules, newest first. */
  listSchedules: {
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
      readonly state?: "ACTIVE" | "PAUSED" | "ENDED" | ReadonlyArray<"ACTIVE" | "PAUSED" | "ENDED"> | undefined;
      /** What its jobs call: a host such as `hooks.example.com`, or a function's name. */
      readonly host?: string | undefined;
      /** Default: 50. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<Schedule>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/schedules/preview`: Tells when an expression would run, and makes nothing. */
  previewSchedule: {
    readonly body: {
      /** `rate(<n> minutes|hours|days)`, `cron(<minute> <hour> <day> <month> <weekday> <year>)`, `at(yyyy-mm-ddThh:mm:ss)`, or the five fields of cron, or a name such as `@daily`. */
      readonly expression: string;
      /** Default: "UTC". */
      readonly timezone?: string | undefined;
      /** No run before; a rate counts from then. With rate(...) and cron(...) only. */
      readonly startsAt?: string | undefined;
      /** No run after. With rate(...) and cron(...) only. */
      readonly endsAt?: string | undefined;
      /** With rate(...) and cron(...) only. */
      readonly maxRuns?: number | undefined;
      /** How many runs are shown. Default: 5. */
      readonly count?: number | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        /** As it would be kept: five fields of cron as six. */
        readonly expression: string;
        readonly timezone: string;
        readonly nextRuns: ReadonlyArray<string>;
      };
      readonly timestamp: string;
    };
  };
  /** `PUT /v1/schedules/{key}`: Makes a schedule, or makes it what the request says; one that has ended starts anew. */
  putSchedule: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
    };
    readonly body: PutSchedule;
    readonly answer: {
      readonly success: true;
      readonly data: Schedule;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/schedules/{key}`: Shows a schedule. */
  getSchedule: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Schedule;
      readonly timestamp: string;
    };
  };
  /** `PATCH /v1/schedules/{key}`: Changes some of a schedule; what is left out stays as it is. */
  patchSchedule: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
    };
    readonly body: PatchSchedule;
    readonly answer: {
      readonly success: true;
      readonly data: Schedule;
      readonly timestamp: string;
    };
  };
  /** `DELETE /v1/schedules/{key}`: Ends a schedule and deletes it; its key is free again. */
  deleteSchedule: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: Schedule;
      readonly timestamp: string;
    };
  };
  /** `GET /v1/schedules/{key}/runs`: Lists the jobs that a schedule has made, newest first. */
  listRuns: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
      /** Default: 50. */
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    };
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly items: ReadonlyArray<JobEntity>;
        /** Of the next page, as `cursor`; null at the end. */
        readonly nextCursor: string | null;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /v1/schedules/{key}/pause`: Pauses a schedule: it makes no runs. */
  pauseSchedule: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
    };
    readonly body?: {
      /** For those who find it paused. */
      readonly reason?: string | undefined;
    } | undefined;
    readonly answer: {
      readonly success: true;
      readonly data: Schedule;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/schedules/{key}/resume`: Ends a pause. */
  resumeSchedule: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
    };
    readonly body?: {
      /** What becomes of the runs that the pause has missed: by default none is made, `all` makes up to 100. Default: "skip". */
      readonly missed?: "skip" | "once" | "all" | undefined;
    } | undefined;
    readonly answer: {
      readonly success: true;
      readonly data: Schedule;
      readonly timestamp: string;
    };
  };
  /** `POST /v1/schedules/{key}/run`: Makes a run that the expression does not ask for, also while the schedule is paused. */
  runSchedule: {
    readonly path: {
      readonly key: string;
    };
    readonly query: {
      /** Default: the token's. Another one is for PLATFORM_ADMIN. */
      readonly appId?: string | undefined;
    };
    readonly body?: {
      /** The time that the run is for, at most a year ahead: it starts then, or at once if that has passed. */
      readonly at?: string | undefined;
    } | undefined;
    readonly answer: {
      readonly success: true;
      readonly data: JobEntity;
      readonly timestamp: string;
    };
  };
  /** `POST /internal/v1/jobs/run`: Runs the jobs that have been due longest. */
  runJobs: {
    readonly body?: {
      /** Default: 10. */
      readonly limit?: number | undefined;
    } | undefined;
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly processed: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly skipped: number;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /internal/v1/run-db-jobs`: Runs the jobs that have been due longest. */
  runDbJobs: {
    readonly body?: {
      /** Default: 10. */
      readonly limit?: number | undefined;
    } | undefined;
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly processed: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly skipped: number;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /internal/v1/poll-sqs`: Receives messages of the queues and handles them. */
  pollSqs: {
    readonly body?: {
      /** Default: 10. */
      readonly limit?: number | undefined;
    } | undefined;
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly processed: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly skipped: number;
      };
      readonly timestamp: string;
    };
  };
  /** `POST /internal/v1/process-scheduled-message`: Fires a schedule. */
  processScheduledMessage: {
    /** `{"fire": {"id": "<schedule>", "run": 1}}`; a repeat is skipped. */
    readonly body?: unknown;
    readonly answer: {
      readonly success: true;
      readonly data: {
        readonly processed: number;
        readonly succeeded: number;
        readonly failed: number;
        readonly skipped: number;
      };
      readonly timestamp: string;
    };
  };
  /** `GET /health`: Tells that the service runs, and its time. */
  getHealth: {
    readonly answer: {
      readonly status: "ok";
      readonly now: string;
    };
  };
  /** `GET /openapi.json`: This document. */
  getDocument: {
    readonly answer: {
      readonly openapi: "3.1.1";
      readonly [field: string]: unknown;
    };
  };
  /** `GET /api-docs`: A page to browse this document and try it out. */
  getDocsPage: Readonly<Record<string, never>>;
  /** `GET /api-docs/{file}`: A file of that page. */
  getDocsAsset: {
    readonly path: {
      readonly file: string;
    };
  };
  /** `GET /`: Leads a browser to the dashboard. */
  getRoot: Readonly<Record<string, never>>;
  /** `GET /dashboard`: A page to see and steer jobs. */
  getDashboard: Readonly<Record<string, never>>;
  /** `GET /dashboard/sign-in.json`: How people sign in to the dashboard, beside by a pasted token. */
  getSignInOptions: {
    readonly answer: {
      /** With a click, on a local stack. */
      readonly local: boolean;
      /** At the issuer of the tokens. */
      readonly oidc: {
        readonly issuer: string;
        readonly clientId: string;
        readonly scope: string;
        readonly authorizationEndpoint: string;
        readonly tokenEndpoint: string;
      } | null;
    };
  };
  /** `GET /dashboard/{path}`: A page of the dashboard, or a file of it. */
  getDashboardFile: {
    readonly path: {
      readonly path: string;
    };
  };
}
