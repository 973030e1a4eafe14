import * as z from "../../zod.ts";
import { groupSchema } from "../../executors/group.ts";
import { attempt } from "./attempt-answer.ts";
import { runnable, scheduleSchema } from "../../executors/index.ts";
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
export function enveloped(data: z.ZodMiniType) {
  return z.strictObject({ success: z.literal(true), data, timestamp: time });
}

/** A page of a list. */
export function pageOf(item: z.ZodMiniType, more: z.core.$ZodShape = {}) {
  const nextCursor = z.nullable(z.string()).check(z.describe("Of the next page, as `cursor`; null at the end."));
  return enveloped(z.strictObject({ items: z.array(item), nextCursor, ...more }));
}

const details = z.array(z.strictObject({ field: z.string(), message: z.string() }));

const problem = z.strictObject({
  code: z.enum(ERROR_CODES),
  message: z.string(),
  reason: z.optional(z.string().check(z.describe("A stable word for programs, where the code alone says too little."))),
  details: z.optional(details.check(z.describe("What is wrong, field by field: the first 20."))),
});

export const errorAnswer = z
  .strictObject({ success: z.literal(false), error: problem, timestamp: time })
  .register(z.globalRegistry, { id: "Error", description: "How every request is answered that is refused or fails." });

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
  .register(z.globalRegistry, { id: "Problem", description: "The same by RFC 9457, for clients that accept it." });

export const gatewayAnswer = z.strictObject({ message: z.string() }).register(z.globalRegistry, {
  id: "GatewayError",
  description: "What API Gateway answers by itself, without `x-request-id`.",
});

// ---- Jobs ----

const shownRequest = z
  .strictObject({
    body: z.nullable(z.string()),
    resource: z.string(),
    path: z.string(),
    httpMethod,
    isBase64Encoded: z.boolean(),
    pathParameters: z.nullable(named),
    queryStringParameters: z.optional(z.nullable(named)),
    multiValueQueryStringParameters: z.optional(z.nullable(lists)),
    headers: named,
    multiValueHeaders: z.optional(z.nullable(lists)),
    requestContext: z.record(z.string(), z.unknown()),
  })
  .register(z.globalRegistry, {
    id: "ShownRequest",
    description: "A ProxyMessage with its defaults; credentials are masked by ***.",
  });

export const shownCallback = z
  .strictObject({ url: z.string(), headers: named, on: z.array(z.enum(FINAL_STATUSES)) })
  .register(z.globalRegistry, {
    id: "ShownCallback",
    description: "A Callback with its defaults; credentials are masked by ***.",
  });

const shownMessage = {
  lambdaProxyMessage: z.nullable(shownRequest),
  execution: z.union(runnable),
  metadata: jobMetadata,
};

const shownFollowUpJob: z.ZodMiniType = z
  .strictObject({
    message: z.strictObject(shownMessage),
    bodyFrom,
    onComplete: z.optional(shownCallback),
    onSuccess: z.optional(z.lazy(() => shownFollowUpJob)),
    onFailure: z.optional(z.lazy(() => shownFollowUpJob)),
  })
  .register(z.globalRegistry, { id: "ShownFollowUpJob" });

const shownFollowUps = {
  onComplete: z.optional(shownCallback),
  onSuccess: z.optional(z.nullable(shownFollowUpJob)),
  onFailure: z.optional(z.nullable(shownFollowUpJob)),
};

const shownSchedule = z
  .strictObject({ ...scheduleSchema.shape, targetJob: z.strictObject({ ...shownMessage, ...shownFollowUps }) })
  .register(z.globalRegistry, { id: "ShownScheduleExecution" });

const waiting = z
  .strictObject({
    reason: z
      .enum(WAIT_REASONS)
      .check(
        z.describe(
          "`delayed`: for the start that was asked for, or a schedule's next run; `backoff`: for its next try; `queued`: for a worker; `order`: for the jobs before it in its message group; `rate`, `concurrency`: for a limit; `outage`, `held`: for its destination; `paused`: for its app; `slot`: for other tasks.",
        ),
      ),
    since: time,
    until: z.nullable(time).check(z.describe("When it ends, or may end; null where nothing tells it.")),
    detail: z.string(),
  })
  .register(z.globalRegistry, {
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
  .register(z.globalRegistry, {
    id: "MemberCounts",
    description: "Members of a group, and how many of them have ended in which status.",
  });

const progress = z.strictObject({
  percent: z.number(),
  step: z.number(),
  totalSteps: z.number(),
  label: z.optional(z.string()),
});

const jobFields = {
  id: z.guid(),
  appId: z.guid(),
  executionType: z.string(),
  status: z.enum(STATUSES),
  lambdaProxyMessage: z.optional(z.nullable(shownRequest)),
  executionConfig: z.optional(z.nullable(z.union([...runnable, shownSchedule, groupSchema]))),
  ...shownFollowUps,
  messageGroupId: z.string(),
  idempotencyKey: z.nullable(z.string()),
  retryCount: z.int(),
  maxRetries: z.int(),
  nextRetryAt: z.nullable(time),
  lastError: z.nullable(z.string()),
  reason: z.optional(
    z
      .enum(END_REASONS)
      .check(
        z.describe(
          "Why it failed. `final`: another attempt would fail too; `expired`: none was started by its notAfter; `seal_timeout`, `count_mismatch`: a group that had other members than it was to have.",
        ),
      ),
  ),
  notBefore: z.optional(time.check(z.describe("The start that was asked for."))),
  notAfter: z.optional(time.check(z.describe("No attempt starts later."))),
  labels: z.optional(z.array(z.string())),
  destination: z
    .nullable(z.string())
    .check(
      z.describe("An origin or a function's name; null for tasks and schedules."),
      z.meta({ examples: ["https://hooks.partner.com"] }),
    ),
  method: z.nullable(httpMethod).check(z.describe("Null for tasks and schedules.")),
  path: z
    .nullable(z.string())
    .check(
      z.describe("Up to 256 characters; credentials are masked by ***."),
      z.meta({ examples: ["/orders?token=***"] }),
    ),
  jobType: z.optional(z.nullable(z.string()).check(z.describe("Of a task."))),
  progress: z.optional(z.nullable(progress).check(z.describe("Of a task."))),
  attemptsStarted: z.int(),
  lastHttpStatus: z.nullable(z.int()).check(z.describe("Of the last attempt that has ended, if it was answered.")),
  scheduleArn: z.nullable(z.string()),
  nextRunAt: z.optional(z.nullable(time).check(z.describe("Of a schedule."))),
  lastRunAt: z.optional(z.nullable(time).check(z.describe("Of a schedule."))),
  runCount: z.optional(z.int().check(z.describe("Of a schedule."))),
  targetJobId: z.optional(z.nullable(z.guid()).check(z.describe("Of a schedule: the job of the last run."))),
  expected: z.optional(
    z.nullable(z.int()).check(z.describe("Of a group: how many members it has; null while nobody knows.")),
  ),
  sealBy: z.optional(time.check(z.describe("Of a group."))),
  sealedAt: z.optional(z.nullable(time).check(z.describe("Of a group: since when nothing becomes a member any more."))),
  members: z.optional(z.nullable(memberCounts).check(z.describe("Of a group that has ended."))),
  failedJobIds: z.optional(
    z.array(z.guid()).check(z.describe("Of a group: the first 1,000 members that were FAILED or DEAD.")),
  ),
  group: z.optional(z.guid().check(z.describe("The group that the job is a member of."))),
  createdBy: z
    .nullable(z.string())
    .check(z.describe("The `sub` of the token; of follow-ups and runs of a schedule, that of the job behind them.")),
  parentJobId: z.optional(z.guid().check(z.describe("The job whose follow-up or target this one is."))),
  resentFrom: z.optional(z.guid().check(z.describe("The job of which this one is a copy, with changes or without."))),
  followUpJobIds: z.optional(z.array(z.guid()).check(z.describe("Of a job that has asked for follow-ups."))),
  stopRequestedAt: z.optional(time.check(z.describe("Since when it is to stop; a running attempt is let end first."))),
  createdAt: time,
  updatedAt: time,
  waiting: z.optional(
    z
      .nullable(waiting)
      .check(z.describe("Null unless it is PENDING or RETRYING. Lists have it with `include=waiting`.")),
  ),
  omitted: z.optional(
    z.array(z.string()).check(z.describe("Parts shown as null because the answer would be too large.")),
  ),
  bodyLength: z.optional(z.int().check(z.describe("The characters of the body of which `bodyUpTo` shows the first."))),
};

export const jobEntity = z
  .strictObject(jobFields)
  .register(z.globalRegistry, { id: "JobEntity", description: "A job as it stands. Lists leave the message out." });

/** The view of the legacy endpoint. */
export const callbackJobEntity = z.strictObject({
  ...jobFields,
  type: z.literal("callback-http"),
  payload: z.nullable(z.strictObject({ url: z.string(), method: httpMethod, headers: named, body: z.unknown() })),
});

const response = z
  .strictObject({
    bytes: z.nullable(z.int()),
    contentType: z.nullable(z.string()),
    excerpt: z.nullable(z.string()).check(z.describe("Its first 1 KB.")),
    missing: z.nullable(z.enum(["too large", "incomplete"])).check(z.describe("Why it was not kept.")),
  })
  .check(z.describe("The answer that a job with `keepResponse` has kept; `GET …/response` has all of it."));

export const jobWithAttempts = z.strictObject({
  ...jobFields,
  response: z.optional(response),
  retry: z
    .strictObject({ baseDelaySeconds: z.number(), maxDelaySeconds: z.number(), jitter: z.number() })
    .check(z.describe("The delays between its attempts.")),
  nextRetries: z.optional(
    z
      .array(time)
      .check(
        z.describe("Of a RETRYING job: when the next ten retries would start, without jitter, if each failed at once."),
      ),
  ),
  attempts: z.array(attempt),
});

const refused = z.strictObject({ status: z.int(), error: problem });
const accepted = z.strictObject({
  status: z.int(),
  data: z.nullable(jobEntity),
  differs: z.optional(
    z.array(z.string()).check(z.describe("Of a replay: what the request says otherwise than the job.")),
  ),
});

/** The answers of a batch, in the order of its jobs. */
export const results = z.strictObject({ results: z.array(z.union([accepted, refused])) });

export const tally = z.strictObject({
  processed: z.int(),
  succeeded: z.int(),
  failed: z.int(),
  skipped: z.int(),
});
