import type { RunningAttempt } from "./executor.ts";
import { keeps, keptOf, LARGEST_KEPT } from "./kept-response.ts";
import type { Invocation } from "./lambda-invoke.ts";
import { withoutProxies } from "../outbound/headers.ts";
import { lambda } from "../outbound/lambda-client.ts";
import type { Outcome } from "../job/attempt.ts";

// An attempt of `lambda-invoke`: `lambdaProxyMessage` is the event, and the answer of Lambda becomes the outcome.

const EXCERPT_BYTES = 1_024;

export async function invoke(attempt: RunningAttempt<Invocation>): Promise<Outcome> {
  const { message, signal } = attempt;
  const { functionName, invocationType } = message.execution;
  const { client, InvokeCommand } = await lambda();
  const command = new InvokeCommand({
    FunctionName: functionName,
    InvocationType: invocationType,
    Payload: Buffer.from(JSON.stringify(eventOf(attempt))),
  });
  try {
    const answer = await client.send(command, { abortSignal: signal });
    const payload = Buffer.from(answer.Payload ?? []);
    const outcome = outcomeOf(payload, answer.FunctionError, answer.StatusCode);
    if (outcome.kind !== "succeeded" || !keeps(attempt)) return outcome;
    const body = payload.length > LARGEST_KEPT ? "too large" : payload;
    return { ...outcome, ...keptOf({ body, contentType: "application/json" }) };
  } catch (error) {
    return failureOf(error as Error, signal);
  }
}

/**
 * The event, without headers that only a proxy may set: a function behind a gateway believes them.
 * `requestContext.job` is the service's: a function can tell by it for which app it works.
 */
function eventOf({
  message: { lambdaProxyMessage: given },
  job: { appId },
  jobId,
  number: attempt,
}: RunningAttempt): object {
  const requestContext = { ...given?.requestContext, job: { appId, jobId, attempt } };
  const { headers, multiValueHeaders: lists } = given ?? {};
  return {
    ...given,
    ...(headers && { headers: withoutProxies(headers) }),
    ...(lists && { multiValueHeaders: withoutProxies(lists) }),
    requestContext,
  };
}

/** An Event is a success once Lambda has accepted it; a RequestResponse only if the function succeeded. */
function outcomeOf(payload: Buffer, functionError: string | undefined, httpStatus = 200): Outcome {
  const text = new TextDecoder().decode(payload.subarray(0, EXCERPT_BYTES), { stream: true });
  const excerpt = text === "" ? {} : { responseExcerpt: text };
  if (functionError === undefined) return { kind: "succeeded", httpStatus, ...excerpt };
  return {
    kind: "retry",
    error: `The function failed: ${messageIn(payload) ?? functionError}`,
    httpStatus,
    ...excerpt,
  };
}

function messageIn(payload: Buffer): string | undefined {
  try {
    const { errorMessage } = JSON.parse(payload.toString()) as { errorMessage?: unknown };
    return typeof errorMessage === "string" ? errorMessage.slice(0, EXCERPT_BYTES) : undefined;
  } catch {
    return undefined;
  }
}

/** Errors of the Lambda service. A retry may help, except for requests that are too large or malformed. */
function failureOf({ name }: Error, signal: AbortSignal): Outcome {
  if (signal.aborted) return { kind: "retry", error: "no answer of the function in time" };
  switch (name) {
    case "ResourceNotFoundException":
      return { kind: "retry", error: "no such function" };
    case "TooManyRequestsException":
    case "ThrottlingException":
      return { kind: "retry", error: "the function is throttled" };
    case "AccessDeniedException":
      return {
        kind: "retry",
        error: "access to the function is denied: its policy or INVOKABLE_FUNCTIONS does not allow it",
      };
    case "RequestTooLargeException":
    case "InvalidRequestContentException":
    case "InvalidParameterValueException":
      return { kind: "rejected", error: `Lambda refused the request (${name})` };
    default:
      return { kind: "retry", error: `Lambda did not take the request (${name})` };
  }
}
