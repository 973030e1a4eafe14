import * as z from "../../zod.ts";
import type { ErrorDetail } from "../../errors.ts";
import { priority } from "../../executors/task.ts";
import {
  bodyFrom,
  callback,
  httpMethod,
  idempotencyKey,
  ignoredPointers,
  jobMetadata,
} from "../../executors/message-schema.ts";
import { timeoutSeconds } from "../../executors/executor.ts";
import { EXPECTED_BASE64, isBase64 } from "../../job/base64.ts";
import { TASK } from "../../job/job.ts";
import { headerFields } from "../../job/multi-values.ts";
import { headersWithLists } from "../../outbound/headers.ts";
import { wholeUrl } from "../../outbound/target-url.ts";

// A job on one level: how it is written, and what it stands for in the nested shape.

const { maxRetries, retry, messageGroupId, delaySeconds, notBefore, notAfter, labels, group, keepResponse } =
  jobMetadata.shape;

/** The fields that say what is called. A job has one of them. */
const TARGETS = ["url", "function", "functionUrl", "task"] as const;

const common = {
  url: z.optional(wholeUrl.check(z.describe("The whole URL of a webhook, with its query."))),
  function: z.optional(
    z
      .string()
      .check(z.maxLength(170), z.describe("The name or ARN of a Lambda function, which gets the request as event.")),
  ),
  functionUrl: z.optional(wholeUrl.check(z.describe("The URL of a Lambda function, called with SigV4."))),
  task: z.optional(
    z.string().check(z.maxLength(100), z.describe("The type of a built-in task, such as `export_report`.")),
  ),
  payload: z.optional(z.record(z.string(), z.unknown()).check(z.describe("Of a task, as its type wants it."))),
  priority: z.optional(priority.def.innerType),
  method: z.optional(httpMethod.check(z.describe("Default: POST."))),
  headers: z.optional(
    headersWithLists.check(
      z.describe(
        "Each a text, or a list of values. A JSON body has `content-type: application/json` unless named here.",
      ),
    ),
  ),
  body: z.optional(
    z.unknown().check(z.describe("Text goes out as it is, anything else as JSON, with its numbers as written.")),
  ),
  bodyBase64: z.optional(
    z.string().check(z.refine(isBase64, EXPECTED_BASE64), z.describe("Bytes, instead of `body`.")),
  ),
  key: z.optional(idempotencyKey),
  delaySeconds,
  notBefore,
  notAfter,
  labels,
  maxRetries,
  retry,
  timeoutSeconds: z.optional(timeoutSeconds.def.innerType),
  order: messageGroupId.check(z.describe("Jobs of the same order are first attempted one after another, as accepted.")),
  idempotencyIgnore: z.optional(
    ignoredPointers.check(
      z.refine((pointers) => pointers.every((pointer) => /^\/(?:body|payload)\//.test(pointer)), {
        error: "expected pointers below /body or /payload, such as /body/nonce",
      }),
      z.describe("JSON pointers to what may differ when the key comes again, such as `/body/nonce`."),
    ),
  ),
  group,
  keepResponse,
  bodyFrom: bodyFrom.check(
    z.describe("Of a follow-up, instead of `body`: `parent.response`, `parent.result` or `parent`."),
  ),
  onComplete: z.optional(z.union([wholeUrl, callback]).check(z.describe("Where the job is posted as it ended."))),
};

/** A job on one level, without the fields that only a job of its own has. */
export interface FlatJob extends z.infer<ReturnType<typeof flatFields>> {
  readonly onSuccess?: FlatJob | undefined;
  readonly onFailure?: FlatJob | undefined;
}

function flatFields() {
  return z.strictObject(common);
}

/** `FlatJob` as a follow-up, in a schedule or in a group. */
export const flatJob: z.ZodMiniType<FlatJob> = z
  .strictObject({
    ...common,
    onSuccess: z.optional(z.lazy(() => flatJob)),
    onFailure: z.optional(z.lazy(() => flatJob)),
  })
  .check(z.superRefine(refuseUnfit))
  .register(z.globalRegistry, { id: "FlatJob", description: "A job on one level: what to call, with what, and how." });

/** A flat job that is sent by itself. */
export const sentJob = z
  .strictObject({
    ...common,
    appId: z.optional(
      z.guid().check(z.toLowerCase(), z.describe("Default: the token's. Another one is for PLATFORM_ADMIN.")),
    ),
    mode: z.optional(
      z
        .enum(["sqs", "db", "both"])
        .check(z.describe("`both`, the default, stores the job and sends it, `db` stores it, `sqs` only sends it.")),
    ),
    onSuccess: z.optional(z.lazy(() => flatJob)),
    onFailure: z.optional(z.lazy(() => flatJob)),
  })
  .check(
    z.superRefine((job, context) => {
      refuseUnfit(job, context);
      if (job.bodyFrom === undefined) return;
      const message = "is for onSuccess and onFailure: a job by itself follows none";
      context.addIssue({ code: "custom", path: ["bodyFrom"], message });
    }),
  )
  .register(z.globalRegistry, { id: "SendJob", description: "A job on one level: what to call, with what, and how." });

function refuseUnfit(job: FlatJob, context: z.core.$RefinementCtx): void {
  for (const [path, message] of problemsOf(job)) context.addIssue({ code: "custom", path: [path], message });
}

function problemsOf(job: FlatJob): [field: string, message: string][] {
  const problems: [string, string][] = [];
  const targets = TARGETS.filter((name) => job[name] !== undefined);
  if (targets.length !== 1) {
    const got = targets.length === 0 ? "none" : targets.join(" and ");
    problems.push([targets.at(-1) ?? "url", `expected one of ${TARGETS.join(", ")}, got ${got}`]);
  }
  if (job.body !== undefined && job.bodyBase64 !== undefined)
    problems.push(["bodyBase64", "stands beside body: give one of them"]);
  if (job.bodyFrom !== undefined && (job.body ?? job.bodyBase64) !== undefined)
    problems.push(["bodyFrom", "stands beside a body: give one of them"]);
  const ofRequests = ["method", "headers", "body", "bodyBase64", "timeoutSeconds", "keepResponse"] as const;
  const ofTasks = ["payload", "priority"] as const;
  for (const name of job.task === undefined ? ofTasks : ofRequests) {
    if (job[name] === undefined) continue;
    const [goes, has] = job.task === undefined ? ["task", "body"] : ["url, function and functionUrl", "payload"];
    problems.push([name, `goes with ${goes} only; here it is ${has} that is sent`]);
  }
  return problems;
}

/** The body of `POST /v1/jobs/create` that a flat job stands for, without its mode and app. */
export function postedOf(job: FlatJob): object {
  const { bodyFrom: from, onComplete, onSuccess, onFailure } = job;
  return {
    message: messageIn(job),
    ...(from !== undefined && { bodyFrom: from }),
    ...(onComplete !== undefined && { onComplete: typeof onComplete === "string" ? { url: onComplete } : onComplete }),
    ...(onSuccess && { onSuccess: postedOf(onSuccess) }),
    ...(onFailure && { onFailure: postedOf(onFailure) }),
  };
}

function messageIn(job: FlatJob): object {
  const {
    key,
    maxRetries: retries,
    retry: policy,
    order,
    idempotencyIgnore: ignored,
    group: groupId,
    keepResponse: keeps,
  } = job;
  const metadata = {
    ...(key !== undefined && { idempotencyKey: key }),
    ...(retries !== undefined && { maxRetries: retries }),
    ...(policy && { retry: policy }),
    ...(order !== undefined && { messageGroupId: order }),
    ...timesOf(job),
    ...(job.labels !== undefined && { labels: job.labels }),
    ...(ignored && { idempotencyIgnore: ignored.map((pointer) => pointer.replace(/^\/\w+/, "")) }),
    ...(groupId !== undefined && { group: groupId }),
    ...(keeps !== undefined && { keepResponse: keeps }),
  };
  return { ...targetOf(job), metadata };
}

type Times = Pick<FlatJob, "delaySeconds" | "notBefore" | "notAfter">;

export function timesOf({ delaySeconds: delay, notBefore: from, notAfter: until }: Times): object {
  return {
    ...(delay !== undefined && { delaySeconds: delay }),
    ...(from !== undefined && { notBefore: from }),
    ...(until !== undefined && { notAfter: until }),
  };
}

function targetOf(job: FlatJob): object {
  const { url, function: functionName, functionUrl, task, payload, priority: asked, timeoutSeconds: seconds } = job;
  if (task !== undefined) {
    const execution = { type: TASK, jobType: task, ...(payload && { payload }), ...(asked && { priority: asked }) };
    return { execution };
  }
  const limit = seconds !== undefined && { timeoutSeconds: seconds };
  if (functionName !== undefined) {
    return { lambdaProxyMessage: requestIn(job, "/"), execution: { type: "lambda-invoke", functionName, ...limit } };
  }
  const whole = new URL(functionUrl ?? url ?? "");
  const base = whole.origin;
  const execution =
    functionUrl === undefined ? { type: "rest-api", baseUrl: base } : { type: "lambda-url", functionUrl: base };
  return { lambdaProxyMessage: requestIn(job, whole.pathname + whole.search), execution: { ...execution, ...limit } };
}

function requestIn(job: FlatJob, path: string): object {
  const { method = "POST", headers: given = {}, body, bodyBase64 } = job;
  const isJson = bodyBase64 === undefined && body !== undefined && body !== null && typeof body !== "string";
  // A function's event is what its sender wrote.
  const isNamed =
    job.function !== undefined || Object.keys(given).some((name) => name.toLowerCase() === "content-type");
  return {
    path,
    httpMethod: method,
    ...headerFields(isJson && !isNamed ? { "content-type": "application/json", ...given } : given),
    // An ExactNumber is written as it came.
    body: bodyBase64 ?? (isJson ? JSON.stringify(body) : (body ?? null)),
    ...(bodyBase64 !== undefined && { isBase64Encoded: true }),
  };
}

/** A problem's field as a flat job names it: `onSuccess.message.metadata.idempotencyKey` is `onSuccess.key`. */
export function flatDetail({ field, message }: ErrorDetail): ErrorDetail {
  // A pointer names its field as it was posted.
  if (field.startsWith("/")) return { field, message };
  return {
    field: field
      .replaceAll(/(^|\.)message\.(?:(?:execution|metadata|lambdaProxyMessage)\.)?/g, "$1")
      .replace(/[^.]+$/, flatName),
    message,
  };
}

function flatName(name: string): string {
  return FLAT_NAMES[name] ?? name;
}

const FLAT_NAMES: Readonly<Record<string, string>> = {
  baseUrl: "url",
  path: "url",
  functionName: "function",
  jobType: "task",
  idempotencyKey: "key",
  messageGroupId: "order",
  httpMethod: "method",
  multiValueHeaders: "headers",
};
