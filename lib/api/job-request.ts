import * as z from "zod";
import { badRequest } from "../errors.ts";
import { EXECUTION_TYPES, executionSchemas, executorOf } from "../executors/index.ts";
import { NO_POLICY, type Execution, type Message, type Metadata, type ProxyMessage } from "../job.ts";

// What a client posts to have a job: its schema, and the message that becomes of it.

export const idempotencyKey = z.string().regex(/^[\x20-\x7e]{1,255}$/, "expected 1 to 255 printable ASCII characters");

const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,256}$/, "is not a valid header name");
const headerValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must be Latin-1 text without line breaks");

const isWellFormed = (text: string) => text.isWellFormed();

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const proxyMessage = z
  .strictObject({
    body: z.string().nullable(),
    resource: z.string().default("/{proxy+}"),
    path: z
      .string()
      .max(4_096)
      .regex(/^\/[^#]*$/, "expected a path that begins with / and has no fragment"),
    httpMethod: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]),
    isBase64Encoded: z.boolean().default(false),
    pathParameters: z.record(z.string(), z.string()).nullable().default({}),
    queryStringParameters: z.record(z.string(), z.string()).nullable().optional(),
    headers: z.record(headerName, headerValue).default({}),
    requestContext: z.record(z.string(), z.unknown()).optional(),
  })
  .refine(({ body, isBase64Encoded }) => !isBase64Encoded || BASE64.test(body ?? ""), {
    path: ["body"],
    error: "is not base64, though isBase64Encoded is true",
  })
  .transform((given): ProxyMessage => {
    const { path, httpMethod, resource } = given;
    return { ...given, requestContext: { path, resourcePath: resource, httpMethod, ...given.requestContext } };
  });

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
  })
  .refine(({ baseDelaySeconds, maxDelaySeconds }) => baseDelaySeconds <= maxDelaySeconds, {
    path: ["baseDelaySeconds"],
    error: "must not be larger than maxDelaySeconds",
  });

const metadata = z.strictObject({
  // These three are accepted for compatibility; the service sets them itself.
  jobId: z.string().optional(),
  retryCount: z.number().optional(),
  appId: z.guid().toLowerCase().optional(),
  messageGroupId: z.string().min(1).max(256).refine(isWellFormed, "has half a surrogate pair").optional(),
  idempotencyKey: idempotencyKey.optional(),
  createdAt: z.iso.datetime({ offset: true }).optional(),
  maxRetries: z.int().min(0).max(50).optional(),
  retry: retryPolicy.optional(),
});

export const createJobBody = z.strictObject({
  appId: z.guid().toLowerCase().optional(),
  mode: z.enum(["sqs", "db", "both"]).default("both"),
  message: z.strictObject({
    lambdaProxyMessage: proxyMessage.optional(),
    execution: z.discriminatedUnion("type", executionSchemas, {
      error: (issue) => (issue.code === "invalid_union" ? `expected one of ${EXECUTION_TYPES.join(", ")}` : undefined),
    }),
    metadata: metadata.default({}),
  }),
});

export type CreateJobBody = z.infer<typeof createJobBody>;

/** The message as stored: checked beyond its shape, without what the service sets itself. */
export function messageOf({ message }: CreateJobBody, appId: string, keyHeader: string | undefined): Message {
  const { lambdaProxyMessage } = message;
  const execution = message.execution as Execution;
  const { jobId: _, retryCount: __, appId: appInMessage, ...kept } = message.metadata;
  const key = idempotencyKeyOf(kept.idempotencyKey, keyHeader);
  const details = [];
  if (!lambdaProxyMessage && executorOf(execution.type).proxyMessage === "required") {
    details.push({ field: "message.lambdaProxyMessage", message: `is required for execution.type ${execution.type}` });
  }
  if (appInMessage !== undefined && appInMessage !== appId) {
    details.push({ field: "message.metadata.appId", message: "differs from the app of the request; leave it out" });
  }
  if (details.length > 0) throw badRequest(details);
  return {
    ...(lambdaProxyMessage && { lambdaProxyMessage }),
    execution,
    metadata: { ...kept, ...(key !== undefined && { idempotencyKey: key }) } as Metadata,
  };
}

function idempotencyKeyOf(inBody: string | undefined, inHeader: string | undefined): string | undefined {
  if (inHeader === undefined) return inBody;
  const parsed = idempotencyKey.safeParse(inHeader);
  if (!parsed.success)
    throw badRequest([{ field: "Idempotency-Key", message: "expected 1 to 255 printable ASCII characters" }]);
  if (inBody !== undefined && inBody !== inHeader) {
    const message = "differs from the Idempotency-Key header; send one of them, or the same in both";
    throw badRequest([{ field: "message.metadata.idempotencyKey", message }]);
  }
  return inHeader;
}
