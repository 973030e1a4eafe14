import * as z from "zod";
import { SECOND } from "../clock.ts";
import { withoutProxies } from "../outbound/headers.ts";
import { matchesName } from "../outbound/patterns.ts";
import { timeoutSeconds, type Executor, type RunningAttempt } from "./executor.ts";
import { keeps, keptOf, LARGEST_KEPT } from "./kept-response.ts";
import { lambda } from "../outbound/lambda-client.ts";
import type { Rules } from "../outbound/rules.ts";
import type { Outcome } from "../job/attempt.ts";

/** The pattern of Lambda's API. */
const FUNCTION_NAME =
  /^(?:arn:[\w-]{1,20}:lambda:)?(?:(?<region>[a-z]{2}(?:-[a-z]{1,12}){1,3}-\d):)?(?:(?<account>\d{12}):)?(?:function:)?(?<name>[\w-]{1,64})(?::[\w$-]{1,128})?$/;

const schema = z
  .strictObject({
    type: z.literal("lambda-invoke"),
    /** A name, or an ARN with or without a version or alias. */
    functionName: z.string().max(170).regex(FUNCTION_NAME, "expected a function's name or ARN"),
    invocationType: z.enum(["Event", "RequestResponse"]).default("Event"),
    timeoutSeconds,
  })
  .meta({
    id: "LambdaInvokeExecution",
    description:
      "Invokes a function with the whole lambdaProxyMessage as its event; requestContext.job names app, job and attempt.",
  });

const EXCERPT_BYTES = 1_024;

/** Invokes a function with the whole `lambdaProxyMessage` as its event. */
export const lambdaInvoke: Executor<z.infer<typeof schema>> = {
  type: "lambda-invoke",
  schema,
  proxyMessage: "required",
  terms: ({ functionName, timeoutSeconds }) => ({
    destination: bareName(functionName),
    timeoutMs: timeoutSeconds * SECOND,
  }),
  refuse: ({ execution }, { rules }) => {
    const message = refusal(execution.functionName, rules);
    return message === undefined ? [] : [{ field: "execution.functionName", message }];
  },

  async execute(attempt, rules) {
    const { message, signal } = attempt;
    const { functionName, invocationType } = message.execution;
    const refused = refusal(functionName, rules);
    if (refused !== undefined) return { kind: "rejected", error: `The function ${refused}` };
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
  },
};

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
  return { ...given, ...(given && { headers: withoutProxies(given.headers) }), requestContext };
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

/** The name within `arn:aws:lambda:region:account:function:name:alias`, `account:name` or `name`. */
function bareName(functionName: string): string {
  return FUNCTION_NAME.exec(functionName)?.groups?.["name"] ?? "";
}

/** The permissions of the service end with its account and region. */
function isElsewhere(functionName: string, { home }: Rules): boolean {
  const { region, account } = FUNCTION_NAME.exec(functionName)?.groups ?? {};
  return home !== undefined && ((region ?? home.region) !== home.region || (account ?? home.account) !== home.account);
}

function refusal(functionName: string, rules: Rules): string | undefined {
  const { invokableFunctions, ownFunctions, allowedFunctions } = rules;
  const name = bareName(functionName);
  if (isElsewhere(functionName, rules))
    return "is in another account or region than this service: expected a function of its own; call the other one by its URL (lambda-url)";
  if (ownFunctions !== "" && name.startsWith(ownFunctions)) return "is the service's own and can't be invoked by a job";
  if (!invokableFunctions.some((pattern) => matchesName(pattern, name)))
    return "is not among those that jobs may invoke; add its name or a pattern to INVOKABLE_FUNCTIONS and deploy";
  if (allowedFunctions.length === 0 || allowedFunctions.some((pattern) => matchesName(pattern, name))) return undefined;
  return "is not among the app's allowedFunctions; an administrator of the app can add it";
}
