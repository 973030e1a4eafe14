import * as z from "zod";
import { group } from "../../executors/group.ts";
import { attempt } from "./attempt-answer.ts";
import { runnable, schedule } from "../../executors/index.ts";
import { ERROR_CODES } from "../../errors.ts";
import { bodyFrom, httpMethod, jobMetadata } from "../../executors/message-schema.ts";
import { END_REASONS } from "../../job/job.ts";
import { FINAL_STATUSES, STATUSES } from "../../job/status.ts";
import { WAIT_REASONS } from "../../job/waiting.ts";

// The schemas of answers, for the API document. The service parses nothing with them; the tests check every answer
// against them. They are strict, so that a test finds a field that is missing here.

export const time = z.iso.datetime();
const named = z.record(z.string(), z.string());
const lists = z.record(z.string(), z.array(z.string()));

/** The body of a success in the envelope of the unified API. */
export function enveloped(data: z.ZodType) {
  return z.strictObject({ success: z.literal(true), data, timestamp: time });
}

/** A page of a list. */
export function pageOf(item: z.ZodType, more: z.ZodRawShape = {}) {
  const nextCursor = z.string().nullable().describe("Of the next page, as `cursor`; null at the end.");
  return enveloped(z.strictObject({ items: z.array(item), nextCursor, ...more }));
}

const details = z.array(z.strictObject({ field: z.string(), message: z.string() }));

const problem = z.strictObject({
  code: z.enum(ERROR_CODES),
  message: z.string(),
  reason: z.string().describe("A stable word for programs, where the code alone says too little.").optional(),
  details: details.describe("What is wrong, field by field: the first 20.").optional(),
});

export const errorAnswer = z
  .strictObject({ success: z.literal(false), error: problem, timestamp: time })
  .meta({ id: "Error", description: "How every request is answered that is refused or fails." });

/** `errorAnswer` for clients that accept `application/problem+json`. */
export const problemAnswer = z
  .strictObject({
    type: z.literal("about:blank"),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(ERROR_CODES),
    reason: problem.shape.reason,
    errors: problem.shape.details,
  })
  .meta({ id: "Problem", description: "The same by RFC 9457, for clients that accept it." });

export const gatewayAnswer = z
  .strictObject({ message: z.string() })
  .meta({ id: "GatewayError", description: "What API Gateway answers by itself, without `x-request-id`." });

// ---- Jobs ----

const shownRequest = z
  .strictObject({
    body: z.string().nullable(),
    resource: z.string(),
    path: z.string(),
    httpMethod,
    isBase64Encoded: z.boolean(),
    pathParameters: named.nullable(),
    queryStringParameters: named.nullable().optional(),
    multiValueQueryStringParameters: lists.nullable().optional(),
    headers: named,
    multiValueHeaders: lists.nullable().optional(),
    requestContext: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "ShownRequest", description: "A ProxyMessage with its defaults; credentials are masked by ***." });

export const shownCallback = z
  .strictObject({ url: z.string(), headers: named, on: z.array(z.enum(FINAL_STATUSES)) })
  .meta({ id: "ShownCallback", description: "A Callback with its defaults; credentials are masked by ***." });

const shownMessage = {
  lambdaProxyMessage: shownRequest.nullable(),
  execution: z.union(runnable),
  metadata: jobMetadata,
};

const shownFollowUpJob: z.ZodType = z
  .strictObject({
    message: z.strictObject(shownMessage),
    bodyFrom,
    onComplete: shownCallback.optional(),
    get onSuccess() {
      return shownFollowUpJob.optional();
    },
    get onFailure() {
      return shownFollowUpJob.optional();
    },
  })
  .meta({ id: "ShownFollowUpJob" });

const shownFollowUps = {
  onComplete: shownCallback.optional(),
  onSuccess: shownFollowUpJob.nullable().optional(),
  onFailure: shownFollowUpJob.nullable().optional(),
};

const shownSchedule = z
  .strictObject({ ...schedule.schema.shape, targetJob: z.strictObject({ ...shownMessage, ...shownFollowUps }) })
  .meta({ id: "ShownScheduleExecution" });

const waiting = z
  .strictObject({
    reason: z
      .enum(WAIT_REASONS)
      .describe(
        "`delayed`: for the start that was asked for, or a schedule's next run; `backoff`: for its next try; `queued`: for a worker; `order`: for the jobs before it in its message group; `rate`, `concurrency`: for a limit; `outage`, `held`: for its destination; `paused`: for its app; `slot`: for other tasks.",
      ),
    since: time,
    until: time.nullable().describe("When it ends, or may end; null where nothing tells it."),
    detail: z.string(),
  })
  .meta({
    id: "Waiting",
    description: "Why a job waits, worked out when it is read.",
    examples: [
      {
        reason: "rate",
        since: "2027-01-15T10:00:00.000Z",
        until: "2027-01-15T10:04:00.000Z",
        detail: "The destination https://hooks.example.com takes 5 a second; 1,200 wait before it",
      },
    ],
  });

export const memberCounts = z
  .strictObject({
    total: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    dead: z.int(),
    cancelled: z.int(),
  })
  .meta({ id: "MemberCounts", description: "Members of a group, and how many of them have ended in which status." });

const progress = z.strictObject({
  percent: z.number(),
  step: z.number(),
  totalSteps: z.number(),
  label: z.string().optional(),
});

const jobFields = {
  id: z.guid(),
  appId: z.guid(),
  executionType: z.string(),
  status: z.enum(STATUSES),
  lambdaProxyMessage: shownRequest.nullable().optional(),
  executionConfig: z
    .union([...runnable, shownSchedule, group.schema])
    .nullable()
    .optional(),
  ...shownFollowUps,
  messageGroupId: z.string(),
  idempotencyKey: z.string().nullable(),
  retryCount: z.int(),
  maxRetries: z.int(),
  nextRetryAt: time.nullable(),
  lastError: z.string().nullable(),
  reason: z
    .enum(END_REASONS)
    .describe(
      "Why it failed. `final`: another attempt would fail too; `expired`: none was started by its notAfter; `seal_timeout`, `count_mismatch`: a group that had other members than it was to have.",
    )
    .optional(),
  notBefore: time.describe("The start that was asked for.").optional(),
  notAfter: time.describe("No attempt starts later.").optional(),
  labels: z.array(z.string()).optional(),
  destination: z
    .string()
    .nullable()
    .describe("An origin or a function's name; null for tasks and schedules.")
    .meta({ examples: ["https://hooks.partner.com"] }),
  method: httpMethod.nullable().describe("Null for tasks and schedules."),
  path: z
    .string()
    .nullable()
    .describe("Up to 256 characters; credentials are masked by ***.")
    .meta({ examples: ["/orders?token=***"] }),
  jobType: z.string().nullable().describe("Of a task.").optional(),
  progress: progress.nullable().describe("Of a task.").optional(),
  attemptsStarted: z.int(),
  lastHttpStatus: z.int().nullable().describe("Of the last attempt that has ended, if it was answered."),
  scheduleArn: z.string().nullable(),
  nextRunAt: time.nullable().describe("Of a schedule.").optional(),
  lastRunAt: time.nullable().describe("Of a schedule.").optional(),
  runCount: z.int().describe("Of a schedule.").optional(),
  targetJobId: z.guid().nullable().describe("Of a schedule: the job of the last run.").optional(),
  expected: z.int().nullable().describe("Of a group: how many members it has; null while nobody knows.").optional(),
  sealBy: time.describe("Of a group.").optional(),
  sealedAt: time.nullable().describe("Of a group: since when nothing becomes a member any more.").optional(),
  members: memberCounts.nullable().describe("Of a group that has ended.").optional(),
  failedJobIds: z.array(z.guid()).describe("Of a group: the first 1,000 members that were FAILED or DEAD.").optional(),
  group: z.guid().describe("The group that the job is a member of.").optional(),
  createdBy: z
    .string()
    .nullable()
    .describe("The `sub` of the token; of follow-ups and runs of a schedule, that of the job behind them."),
  parentJobId: z.guid().describe("The job whose follow-up or target this one is.").optional(),
  resentFrom: z.guid().describe("The job of which this one is a copy, with changes or without.").optional(),
  followUpJobIds: z.array(z.guid()).describe("Of a job that has asked for follow-ups.").optional(),
  stopRequestedAt: time.describe("Since when it is to stop; a running attempt is let end first.").optional(),
  createdAt: time,
  updatedAt: time,
  waiting: waiting
    .nullable()
    .describe("Null unless it is PENDING or RETRYING. Lists have it with `include=waiting`.")
    .optional(),
  omitted: z.array(z.string()).describe("Parts shown as null because the answer would be too large.").optional(),
  bodyLength: z.int().describe("The characters of the body of which `bodyUpTo` shows the first.").optional(),
};

export const jobEntity = z
  .strictObject(jobFields)
  .meta({ id: "JobEntity", description: "A job as it stands. Lists leave the message out." });

/** The view of the legacy endpoint. */
export const callbackJobEntity = z.strictObject({
  ...jobFields,
  type: z.literal("callback-http"),
  payload: z.strictObject({ url: z.string(), method: httpMethod, headers: named, body: z.unknown() }).nullable(),
});

const response = z
  .strictObject({
    bytes: z.int().nullable(),
    contentType: z.string().nullable(),
    excerpt: z.string().nullable().describe("Its first 1 KB."),
    missing: z.enum(["too large", "incomplete"]).nullable().describe("Why it was not kept."),
  })
  .describe("The answer that a job with `keepResponse` has kept; `GET …/response` has all of it.");

export const jobWithAttempts = z.strictObject({
  ...jobFields,
  response: response.optional(),
  retry: z
    .strictObject({ baseDelaySeconds: z.number(), maxDelaySeconds: z.number(), jitter: z.number() })
    .describe("The delays between its attempts."),
  nextRetries: z
    .array(time)
    .describe("Of a RETRYING job: when the next ten retries would start, without jitter, if each failed at once.")
    .optional(),
  attempts: z.array(attempt),
});

// ---- Counts ----

const counts = z.strictObject({
  jobs: z.int(),
  byStatus: z.strictObject(Object.fromEntries(STATUSES.map((status) => [status, z.int()]))),
  byExecutionType: z.record(z.string(), z.int()),
  successRate: z.number().nullable().describe("Of those that have ended, cancelled ones aside."),
  averageRetryCount: z.number().nullable(),
  latencyMs: z
    .strictObject({ p50: z.int().nullable(), p95: z.int().nullable() })
    .describe("From accepted to succeeded, schedules aside; exact to a fifth."),
});

export const stats = z.strictObject({
  approximate: z.literal(true),
  oldestDueAgeSeconds: z.int(),
  lastHour: counts,
  lastDay: counts,
});

const refused = z.strictObject({ status: z.int(), error: problem });
const accepted = z.strictObject({
  status: z.int(),
  data: jobEntity.nullable(),
  differs: z.array(z.string()).describe("Of a replay: what the request says otherwise than the job.").optional(),
});

/** The answers of a batch, in the order of its jobs. */
export const results = z.strictObject({ results: z.array(z.union([accepted, refused])) });

export const tally = z.strictObject({
  processed: z.int(),
  succeeded: z.int(),
  failed: z.int(),
  skipped: z.int(),
});
