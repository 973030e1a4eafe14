import * as z from "zod";
import { SECOND } from "../clock.ts";
import { wholeUrl } from "../outbound/target-url.ts";
import { LONGEST_DELAY } from "../job/accept.ts";
import { SCHEDULE } from "../job/job.ts";
import { NO_POLICY } from "../job/backoff.ts";
import { FINAL_STATUSES } from "../job/status.ts";
import { EXPECTED_BASE64, isBase64 } from "../job/base64.ts";
import { dateTime } from "../job/date-time.ts";
import { HALF_PAIR } from "../job/well-formed.ts";
import { BODIES_FROM, STATUS_CLASSES, type ProxyMessage } from "../job/message.ts";
import { contradictionsIn, namedHeaders } from "../job/multi-values.ts";
import { headers, fitsIn, multiValueHeaders, smallHeaders } from "../outbound/headers.ts";

// The schema of a job's message. The executors define the schema of `execution`.

export const idempotencyKey = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, "expected 1 to 255 printable ASCII characters")
  .describe("1 to 255 printable ASCII characters, from space to ~: the same key is the same job.");

/** Common servers refuse larger headers. */
const LARGEST_HEADERS = 16 * 1_024;
const TOO_LARGE = "must not be larger than 16 KB";
export const requestHeaders = headers.refine(fitsIn(LARGEST_HEADERS), TOO_LARGE);
const isWellFormed = (value: string) => value.isWellFormed();
export const text = z.string().refine(isWellFormed, HALF_PAIR);

export const httpMethod = z.enum(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]);

export const proxyMessage = z
  .strictObject({
    body: text
      .nullable()
      .describe("Sent as it is, or decoded if isBase64Encoded, then with its padding; null for none."),
    resource: z.string().default("/{proxy+}"),
    path: z
      .string()
      .max(4_096)
      .regex(/^\/[^#]*$/, "expected a path that begins with / and has no fragment")
      .refine(isWellFormed, HALF_PAIR)
      .describe("Put behind the target's URL, with queryStringParameters."),
    httpMethod,
    isBase64Encoded: z.boolean().default(false),
    pathParameters: z.record(z.string(), z.string()).nullable().default({}),
    queryStringParameters: z.record(text, text).nullable().optional(),
    multiValueQueryStringParameters: z
      .record(text, z.array(text).min(1))
      .nullable()
      .describe("Parameters with several values, which are sent one after another.")
      .optional(),
    headers: requestHeaders.default({}),
    multiValueHeaders: multiValueHeaders
      .nullable()
      .describe("Headers with several values: a line for each. A name in both fields has its value in the list too.")
      .optional(),
    requestContext: z.record(z.string(), z.unknown()).optional(),
  })
  .refine(({ body, isBase64Encoded }) => !isBase64Encoded || isBase64(body ?? ""), {
    path: ["body"],
    error: `is not base64, though isBase64Encoded is true: ${EXPECTED_BASE64}`,
  })
  .superRefine((given, context) => {
    for (const { path, message } of contradictionsIn(given)) {
      context.addIssue({ code: "custom", path: [...path], message });
    }
    if (!given.multiValueHeaders || fitsIn(LARGEST_HEADERS)(namedHeaders(given))) return;
    context.addIssue({ code: "custom", path: ["multiValueHeaders"], message: `${TOO_LARGE} with headers` });
  })
  .transform((given): ProxyMessage => {
    const { path, httpMethod: method, resource } = given;
    return { ...given, requestContext: { path, resourcePath: resource, httpMethod: method, ...given.requestContext } };
  })
  .meta({ id: "ProxyMessage", description: "The request to make, in the shape of a Lambda proxy event." });

const error = "expected a status from 300 to 599, such as 422, or a class: 3xx, 4xx or 5xx";
const status = z.union([z.int({ error }).min(300, { error }).max(599, { error }), z.enum(STATUS_CLASSES, { error })], {
  error,
});
const statuses = z.array(status).max(50);

/** Which answers are final: in a job's `retry`, and as an app's default. */
export const statusPolicy = {
  final: statuses
    .describe("Answers that end the job at once: statuses such as 422, or classes such as `4xx`.")
    .optional(),
  retryOn: statuses
    .describe("Answers after which it is tried again. A status counts before its class, and then retryOn before final.")
    .optional(),
};

const retryPolicy = z
  .strictObject({
    baseDelaySeconds: z.number().min(1).max(86_400).default(NO_POLICY.baseDelaySeconds),
    maxDelaySeconds: z.number().min(1).max(86_400).default(NO_POLICY.maxDelaySeconds),
    jitter: z
      .number()
      .min(0)
      .max(1)
      .transform((jitter) => Math.round(jitter * 1_000) / 1_000)
      .default(NO_POLICY.jitter),
    ...statusPolicy,
  })
  .refine(({ baseDelaySeconds, maxDelaySeconds }) => baseDelaySeconds <= maxDelaySeconds, {
    path: ["baseDelaySeconds"],
    error: `must not be larger than maxDelaySeconds; it is ${NO_POLICY.baseDelaySeconds} unless given`,
  })
  .describe("Retry n waits baseDelaySeconds · 2^(n−1), at most maxDelaySeconds; chance takes away up to jitter of it.");

/** In UTF-16 units. */
const LONGEST_LABEL = 64;

/** Pointers of RFC 6901. */
export const ignoredPointers = z
  .array(
    z
      .string()
      .max(200)
      .regex(/^(?:\/(?:[^~/]|~[01])*)+$/, "expected a JSON pointer, such as /nonce"),
  )
  .max(10);

export const jobMetadata = z
  .strictObject({
    // These three are accepted for compatibility; the service sets them itself.
    jobId: z.string().describe("Ignored: the service sets it.").optional(),
    retryCount: z.number().describe("Ignored: the service sets it.").optional(),
    appId: z.guid().toLowerCase().describe("The app of the request, or left out.").optional(),
    messageGroupId: z
      .string()
      .min(1)
      .max(256)
      .refine(isWellFormed, HALF_PAIR)
      .describe("Other than the execution type: jobs of the group are first attempted in the order of acceptance.")
      .optional(),
    idempotencyKey: idempotencyKey.optional(),
    group: z
      .guid()
      .toLowerCase()
      .describe("The id of an open group (`POST /v1/groups`), of which the job becomes a member. Not in mode sqs.")
      .optional(),
    createdAt: dateTime.optional(),
    maxRetries: z.int().min(0).max(50).describe("Default 10.").optional(),
    retry: retryPolicy.optional(),
    delaySeconds: z
      .int()
      .min(0)
      .max(LONGEST_DELAY / SECOND)
      .describe("Starts so long after its acceptance, at most a year; a follow-up, after the end of the job before it.")
      .optional(),
    notBefore: dateTime.describe("Starts then, at most a year ahead; a time that has passed is now.").optional(),
    notAfter: dateTime
      .describe("No attempt starts later: a job that has not ended by then is FAILED, its reason `expired`.")
      .optional(),
    labels: z
      .array(z.string().min(1).max(LONGEST_LABEL).refine(isWellFormed, HALF_PAIR))
      .max(10)
      .overwrite((labels) => [...new Set(labels)])
      .describe("Words by which jobs are found in lists: at most 10, of at most 64 characters.")
      .optional(),
    idempotencyIgnore: ignoredPointers
      .describe("JSON pointers into the body, read as JSON, or the payload: what may differ in a repeat of the key.")
      .optional(),
    keepResponse: z
      .boolean()
      .describe("Keep up to 256 KB of the answer that ends the job well, for people and for follow-ups.")
      .optional(),
  })
  .meta({ id: "Metadata" });

/** The schemas of execution types, for a union that is discriminated by `type`. */
export type ExecutionSchemas = readonly [z.ZodObject, ...z.ZodObject[]];

/** The fields of a message whose execution is one of these types. */
export function messageFields(schemas: ExecutionSchemas) {
  const types = schemas.map(({ shape }) => (shape["type"] as unknown as z.ZodLiteral<string>).value);
  const execution = z.discriminatedUnion("type", schemas as never, {
    error: (issue) => {
      if (issue.code !== "invalid_union") return undefined;
      const nested = (issue.input as { type?: unknown } | undefined)?.type === SCHEDULE && !types.includes(SCHEDULE);
      return `expected one of ${types.join(", ")}${nested ? "; a schedule can't stand within another job" : ""}`;
    },
  }) as unknown as z.ZodType<z.infer<ExecutionSchemas[number]> & { type: string }>;
  return { lambdaProxyMessage: proxyMessage.optional(), execution, metadata: jobMetadata.default({}) };
}

export const bodyFrom = z
  .enum(BODIES_FROM)
  .describe(
    "The whole body of the job: the answer that its parent has kept (`keepResponse`), the result of a task, or the parent as `GET /v1/admin/jobs/{id}` shows it.",
  )
  .optional();

/** The URL that receives the final view of a job. */
export const callback = z
  .strictObject({
    url: wholeUrl,
    headers: smallHeaders,
    on: z
      .array(z.enum(FINAL_STATUSES))
      .min(1)
      .max(FINAL_STATUSES.length)
      .default([...FINAL_STATUSES]),
  })
  .meta({ id: "Callback", description: "Where the job is posted as it ended, and at which ends." });

export type JobFields = ReturnType<typeof jobFieldsOf>;

/** The fields of a message whose execution is one of these types, with its follow-ups. */
export function jobFieldsOf(schemas: ExecutionSchemas) {
  const message = messageFields(schemas);
  const followUpJob: z.ZodType = z
    .strictObject({
      message: z.strictObject(message),
      bodyFrom,
      onComplete: callback.optional(),
      get onSuccess(): z.ZodOptional<z.ZodType> {
        return followUpJob.optional();
      },
      get onFailure(): z.ZodOptional<z.ZodType> {
        return followUpJob.optional();
      },
    })
    .meta({ id: "FollowUpJob", description: "A job that is submitted when the one it stands beside has ended." });
  const next = followUpJob.optional();
  return { message, followUps: { onComplete: callback.optional(), onSuccess: next, onFailure: next } };
}
