import * as z from "../zod.ts";
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
  .check(
    z.regex(/^[\x20-\x7e]{1,255}$/, "expected 1 to 255 printable ASCII characters"),
    z.describe("1 to 255 printable ASCII characters, from space to ~: the same key is the same job."),
  );

/** Common servers refuse larger headers. */
const LARGEST_HEADERS = 16 * 1_024;
const TOO_LARGE = "must not be larger than 16 KB";
export const requestHeaders = headers.check(z.refine(fitsIn(LARGEST_HEADERS), TOO_LARGE));
const isWellFormed = (value: string) => value.isWellFormed();
export const text = z.string().check(z.refine(isWellFormed, HALF_PAIR));

export const httpMethod = z.enum(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]);

export const proxyMessage = z
  .pipe(
    z
      .strictObject({
        body: z
          .nullable(text)
          .check(z.describe("Sent as it is, or decoded if isBase64Encoded, then with its padding; null for none.")),
        resource: z._default(z.string(), "/{proxy+}"),
        path: z
          .string()
          .check(
            z.maxLength(4_096),
            z.regex(/^\/[^#]*$/, "expected a path that begins with / and has no fragment"),
            z.refine(isWellFormed, HALF_PAIR),
            z.describe("Put behind the target's URL, with queryStringParameters."),
          ),
        httpMethod,
        isBase64Encoded: z._default(z.boolean(), false),
        pathParameters: z._default(z.nullable(z.record(z.string(), z.string())), {}),
        queryStringParameters: z.optional(z.nullable(z.record(text, text))),
        multiValueQueryStringParameters: z.optional(
          z
            .nullable(z.record(text, z.array(text).check(z.minLength(1))))
            .check(z.describe("Parameters with several values, which are sent one after another.")),
        ),
        headers: z._default(requestHeaders, {}),
        multiValueHeaders: z.optional(
          z
            .nullable(multiValueHeaders)
            .check(
              z.describe(
                "Headers with several values: a line for each. A name in both fields has its value in the list too.",
              ),
            ),
        ),
        requestContext: z.optional(z.record(z.string(), z.unknown())),
      })
      .check(
        z.refine(({ body, isBase64Encoded }) => !isBase64Encoded || isBase64(body ?? ""), {
          path: ["body"],
          error: `is not base64, though isBase64Encoded is true: ${EXPECTED_BASE64}`,
        }),
        z.superRefine((given, context) => {
          for (const { path, message } of contradictionsIn(given)) {
            context.addIssue({ code: "custom", path: [...path], message });
          }
          if (!given.multiValueHeaders || fitsIn(LARGEST_HEADERS)(namedHeaders(given))) return;
          context.addIssue({ code: "custom", path: ["multiValueHeaders"], message: `${TOO_LARGE} with headers` });
        }),
      ),
    z.transform((given): ProxyMessage => {
      const { path, httpMethod: method, resource } = given;
      return {
        ...given,
        requestContext: { path, resourcePath: resource, httpMethod: method, ...given.requestContext },
      };
    }),
  )
  .register(z.globalRegistry, {
    id: "ProxyMessage",
    description: "The request to make, in the shape of a Lambda proxy event.",
  });

const error = "expected a status from 300 to 599, such as 422, or a class: 3xx, 4xx or 5xx";
const status = z.union(
  [z.int({ error }).check(z.minimum(300, { error }), z.maximum(599, { error })), z.enum(STATUS_CLASSES, { error })],
  {
    error,
  },
);
const statuses = z.array(status).check(z.maxLength(50));

/** Which answers are final: in a job's `retry`, and as an app's default. */
export const statusPolicy = {
  final: z.optional(
    statuses.check(z.describe("Answers that end the job at once: statuses such as 422, or classes such as `4xx`.")),
  ),
  retryOn: z.optional(
    statuses.check(
      z.describe(
        "Answers after which it is tried again. A status counts before its class, and then retryOn before final.",
      ),
    ),
  ),
};

const retryPolicy = z
  .strictObject({
    baseDelaySeconds: z._default(z.number().check(z.minimum(1), z.maximum(86_400)), NO_POLICY.baseDelaySeconds),
    maxDelaySeconds: z._default(z.number().check(z.minimum(1), z.maximum(86_400)), NO_POLICY.maxDelaySeconds),
    jitter: z._default(
      z.pipe(
        z.number().check(z.minimum(0), z.maximum(1)),
        z.transform((jitter) => Math.round(jitter * 1_000) / 1_000),
      ),
      NO_POLICY.jitter,
    ),
    ...statusPolicy,
  })
  .check(
    z.refine(({ baseDelaySeconds, maxDelaySeconds }) => baseDelaySeconds <= maxDelaySeconds, {
      path: ["baseDelaySeconds"],
      error: `must not be larger than maxDelaySeconds; it is ${NO_POLICY.baseDelaySeconds} unless given`,
    }),
    z.describe(
      "Retry n waits baseDelaySeconds · 2^(n−1), at most maxDelaySeconds; chance takes away up to jitter of it.",
    ),
  );

/** In UTF-16 units. */
const LONGEST_LABEL = 64;

/** Pointers of RFC 6901. */
export const ignoredPointers = z
  .array(
    z.string().check(z.maxLength(200), z.regex(/^(?:\/(?:[^~/]|~[01])*)+$/, "expected a JSON pointer, such as /nonce")),
  )
  .check(z.maxLength(10));

export const jobMetadata = z
  .strictObject({
    // These three are accepted for compatibility; the service sets them itself.
    jobId: z.optional(z.string().check(z.describe("Ignored: the service sets it."))),
    retryCount: z.optional(z.number().check(z.describe("Ignored: the service sets it."))),
    appId: z.optional(z.guid().check(z.toLowerCase(), z.describe("The app of the request, or left out."))),
    messageGroupId: z.optional(
      z
        .string()
        .check(
          z.minLength(1),
          z.maxLength(256),
          z.refine(isWellFormed, HALF_PAIR),
          z.describe(
            "Other than the execution type: jobs of the group are first attempted in the order of acceptance.",
          ),
        ),
    ),
    idempotencyKey: z.optional(idempotencyKey),
    group: z.optional(
      z
        .guid()
        .check(
          z.toLowerCase(),
          z.describe(
            "The id of an open group (`POST /v1/groups`), of which the job becomes a member. Not in mode sqs.",
          ),
        ),
    ),
    createdAt: z.optional(dateTime),
    maxRetries: z.optional(z.int().check(z.minimum(0), z.maximum(50), z.describe("Default 10."))),
    retry: z.optional(retryPolicy),
    delaySeconds: z.optional(
      z
        .int()
        .check(
          z.minimum(0),
          z.maximum(LONGEST_DELAY / SECOND),
          z.describe(
            "Starts so long after its acceptance, at most a year; a follow-up, after the end of the job before it.",
          ),
        ),
    ),
    notBefore: z.optional(
      dateTime.check(z.describe("Starts then, at most a year ahead; a time that has passed is now.")),
    ),
    notAfter: z.optional(
      dateTime.check(
        z.describe("No attempt starts later: a job that has not ended by then is FAILED, its reason `expired`."),
      ),
    ),
    labels: z.optional(
      z.array(z.string().check(z.minLength(1), z.maxLength(LONGEST_LABEL), z.refine(isWellFormed, HALF_PAIR))).check(
        z.maxLength(10),
        z.overwrite((labels) => [...new Set(labels)]),
        z.describe("Words by which jobs are found in lists: at most 10, of at most 64 characters."),
      ),
    ),
    idempotencyIgnore: z.optional(
      ignoredPointers.check(
        z.describe(
          "JSON pointers into the body, read as JSON, or the payload: what may differ in a repeat of the key.",
        ),
      ),
    ),
    keepResponse: z.optional(
      z
        .boolean()
        .check(z.describe("Keep up to 256 KB of the answer that ends the job well, for people and for follow-ups.")),
    ),
  })
  .register(z.globalRegistry, { id: "Metadata" });

/** The schemas of execution types, for a union that is discriminated by `type`. */
export type ExecutionSchemas = readonly [z.ZodMiniObject, ...z.ZodMiniObject[]];

/** The fields of a message whose execution is one of these types. */
export function messageFields(schemas: ExecutionSchemas) {
  const types = schemas.map(({ shape }) => (shape["type"] as unknown as z.ZodMiniLiteral<string>).def.values[0]!);
  const execution = z.discriminatedUnion("type", schemas as never, {
    error: (issue) => {
      if (issue.code !== "invalid_union") return undefined;
      const nested = (issue.input as { type?: unknown } | undefined)?.type === SCHEDULE && !types.includes(SCHEDULE);
      return `expected one of ${types.join(", ")}${nested ? "; a schedule can't stand within another job" : ""}`;
    },
  }) as unknown as z.ZodMiniType<z.infer<ExecutionSchemas[number]> & { type: string }>;
  return { lambdaProxyMessage: z.optional(proxyMessage), execution, metadata: z._default(jobMetadata, {}) };
}

export const bodyFrom = z.optional(
  z
    .enum(BODIES_FROM)
    .check(
      z.describe(
        "The whole body of the job: the answer that its parent has kept (`keepResponse`), the result of a task, or the parent as `GET /v1/admin/jobs/{id}` shows it.",
      ),
    ),
);

/** The URL that receives the final view of a job. */
export const callback = z
  .strictObject({
    url: wholeUrl,
    headers: smallHeaders,
    on: z._default(z.array(z.enum(FINAL_STATUSES)).check(z.minLength(1), z.maxLength(FINAL_STATUSES.length)), [
      ...FINAL_STATUSES,
    ]),
  })
  .register(z.globalRegistry, {
    id: "Callback",
    description: "Where the job is posted as it ended, and at which ends.",
  });

export type JobFields = ReturnType<typeof jobFieldsOf>;

/** The fields of a message whose execution is one of these types, with its follow-ups. */
export function jobFieldsOf(schemas: ExecutionSchemas) {
  const message = messageFields(schemas);
  const followUpJob: z.ZodMiniType = z
    .strictObject({
      message: z.strictObject(message),
      bodyFrom,
      onComplete: z.optional(callback),
      onSuccess: z.optional(z.lazy(() => followUpJob)),
      onFailure: z.optional(z.lazy(() => followUpJob)),
    })
    .register(z.globalRegistry, {
      id: "FollowUpJob",
      description: "A job that is submitted when the one it stands beside has ended.",
    });
  const next = z.optional(followUpJob);
  return { message, followUps: { onComplete: z.optional(callback), onSuccess: next, onFailure: next } };
}
