import * as z from "../../zod.ts";
import { badRequest, type ErrorDetail } from "../../errors.ts";
import { idempotencyKey, jobMetadata, requestHeaders } from "../../executors/message-schema.ts";
import type { TaskExecution } from "../../executors/task.ts";
import { masked } from "../../job/masking.ts";
import type { Execution, Message, ProxyMessage } from "../../job/message.ts";
import { headerFields, namedHeaders } from "../../job/multi-values.ts";
import { OTHER_PLACE, isSamePlace, unmaskedAddress, unmaskedHeaders, unmaskedJson } from "../../job/unmasking.ts";
import { targetUrl, wholeUrl } from "../../outbound/target-url.ts";
import { parse, refuseChanging } from "../http/body.ts";
import { plain } from "./flat-bodies.ts";

// The request of a job with the changes of a resend.

export const resendBody = z
  ._default(
    z.strictObject({
      url: z.optional(wholeUrl.check(z.describe("The whole URL to call instead, with its query."))),
      headers: z.optional(
        z
          .record(z.string(), z.nullable(z.string()))
          .check(
            z.describe(
              "Added to those of the job, or put in their place; null takes one away. *** keeps what is stored.",
            ),
          ),
      ),
      body: z.optional(
        z
          .unknown()
          .check(
            z.describe(
              "Instead of the job's. Text goes out as it is, anything else as JSON, with its numbers as written.",
            ),
          ),
      ),
      payload: z.optional(
        z
          .record(z.string(), z.unknown())
          .check(z.describe("Of a task, instead of the job's. *** keeps what is stored.")),
      ),
      notBefore: jobMetadata.shape.notBefore,
      key: z.optional(idempotencyKey.check(z.describe("The idempotency key of the new job. Default: none."))),
    }),
    {},
  )
  .register(z.globalRegistry, {
    id: "Resend",
    description: "What is to be other than in the job; nothing for a plain copy.",
  });

export type Resend = z.infer<typeof resendBody>;

interface Sent {
  readonly execution: Execution;
  readonly lambdaProxyMessage: ProxyMessage;
}

/** The changes of a job that makes a request. Throws BAD_REQUEST. */
export function changedRequest(
  { execution, request }: { readonly execution: Execution; readonly request: ProxyMessage | undefined },
  asked: Resend,
): Sent {
  if (!request) throw new Error(`A job of type ${execution.type} has no request`);
  const isInvoked = execution.type === "lambda-invoke";
  const problems: ErrorDetail[] = [];
  if (asked.payload) problems.push({ field: "payload", message: "is for tasks: this job sends a body" });
  if (isInvoked && asked.url !== undefined) {
    problems.push({
      field: "url",
      message: `is for jobs with a URL: this one invokes ${String(execution["functionName"])}`,
    });
  }
  if (problems.length > 0) throw badRequest(problems);
  const url = asked.url === undefined ? undefined : urlFor(asked.url, { execution, lambdaProxyMessage: request });
  const { multiValueHeaders: _, ...single } = request;
  const headers = headersFor(request, asked, url?.isSame ?? true);
  const sent = { ...single, ...(url && addressOf(url.url, request)), ...headers };
  return {
    execution: url ? { ...execution, ...baseOf(execution, url.url) } : execution,
    lambdaProxyMessage: asked.body === undefined ? sent : withBody(sent, asked.body, isInvoked),
  };
}

/** The URL that a job calls. */
export function urlOf({ execution, lambdaProxyMessage }: Pick<Message, "execution" | "lambdaProxyMessage">): string {
  const base = execution.type === "lambda-url" ? execution["functionUrl"] : execution["baseUrl"];
  return targetUrl(String(base), lambdaProxyMessage).href;
}

function urlFor(asked: string, stored: Sent): { readonly url: URL; readonly isSame: boolean } {
  const before = urlOf(stored);
  const isSame = isSamePlace(asked, before);
  const { value, problems } = unmaskedAddress(asked, before, { field: "url", isSame });
  if (problems.length > 0) throw badRequest(problems);
  return { url: new URL(value), isSame };
}

function baseOf({ type }: Execution, { origin }: URL): object {
  return type === "lambda-url" ? { functionUrl: origin } : { baseUrl: origin };
}

function addressOf({ pathname, search }: URL, { path: before, requestContext }: ProxyMessage): Partial<ProxyMessage> {
  const path = pathname + search;
  const isNamed = requestContext["path"] === before;
  return {
    path,
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    ...(isNamed && { requestContext: { ...requestContext, path } }),
  };
}

const merged = z.strictObject({ headers: requestHeaders });

/** The headers of the job with those that are asked for, by their names in any case. */
function headersFor(request: ProxyMessage, { headers: asked = {} }: Resend, isSame: boolean) {
  const stored = namedHeaders(request);
  const named = new Set(Object.keys(asked).map((name) => name.toLowerCase()));
  const kept = Object.entries(stored).filter(([name]) => !named.has(name.toLowerCase()));
  const given = Object.entries(asked).filter((entry): entry is [string, string] => entry[1] !== null);
  const { value, problems } = unmaskedHeaders(Object.fromEntries(given), stored, { field: "headers", isSame });
  const hidden = masked(Object.fromEntries(kept));
  const led = isSame ? [] : kept.filter(([name, value]) => String(hidden[name]) !== String(value));
  const all = [...problems, ...led.map(([name]) => ({ field: `headers.${name}`, message: OTHER_PLACE }))];
  if (all.length > 0) throw badRequest(all);
  const { headers, ...lists } = headerFields({ ...Object.fromEntries(kept), ...value });
  return { ...parse(merged, { headers }, "body"), ...lists };
}

function withBody(request: ProxyMessage, body: unknown, isInvoked: boolean): ProxyMessage {
  const { headers } = request;
  const isText = body === null || typeof body === "string";
  const isNamed = Object.keys(namedHeaders(request)).some((name) => name.toLowerCase() === "content-type");
  return {
    ...request,
    // A function's event is what it is: nothing is added to it.
    headers: isText || isNamed || isInvoked ? headers : { "content-type": "application/json", ...headers },
    body: isText ? body : JSON.stringify(body),
    isBase64Encoded: false,
  };
}

/** The changes of a task, whose payload may be called its body. Throws BAD_REQUEST. */
export function changedPayload(execution: TaskExecution, asked: Resend): TaskExecution {
  const { url, headers, payload } = asked;
  const body = plain(asked.body);
  const problems = Object.entries({ url, headers }).flatMap(([field, value]) =>
    value === undefined ? [] : [{ field, message: "is for jobs that make a request: a task has a payload" }],
  );
  if (body !== undefined && payload !== undefined)
    problems.push({ field: "body", message: "stands beside payload, which is the same for a task: give one of them" });
  const [field, given] = body === undefined ? (["payload", payload] as const) : (["body", body] as const);
  if (given !== undefined && (typeof given !== "object" || given === null || Array.isArray(given)))
    problems.push({ field, message: "expected the payload of the task, which is an object" });
  if (problems.length > 0) throw badRequest(problems);
  if (given === undefined) return execution;
  refuseChanging({ [field]: given }, "body");
  const unmasked = unmaskedJson(given, execution.payload, { field, isSame: true });
  if (unmasked.problems.length > 0) throw badRequest(unmasked.problems);
  return { ...execution, payload: unmasked.value as TaskExecution["payload"] };
}
