import * as z from "../zod.ts";
import { SECOND } from "../clock.ts";
import { matchesName } from "../outbound/patterns.ts";
import { timeoutSeconds, type Executor } from "./executor.ts";
import type { Rules } from "../outbound/rules.ts";

/** The pattern of Lambda's API. */
const FUNCTION_NAME =
  /^(?:arn:[\w-]{1,20}:lambda:)?(?:(?<region>[a-z]{2}(?:-[a-z]{1,12}){1,3}-\d):)?(?:(?<account>\d{12}):)?(?:function:)?(?<name>[\w-]{1,64})(?::[\w$-]{1,128})?$/;

const schema = z
  .strictObject({
    type: z.literal("lambda-invoke"),
    /** A name, or an ARN with or without a version or alias. */
    functionName: z.string().check(z.maxLength(170), z.regex(FUNCTION_NAME, "expected a function's name or ARN")),
    invocationType: z._default(z.enum(["Event", "RequestResponse"]), "Event"),
    timeoutSeconds,
  })
  .register(z.globalRegistry, {
    id: "LambdaInvokeExecution",
    description:
      "Invokes a function with the whole lambdaProxyMessage as its event; requestContext.job names app, job and attempt.",
  });

export type Invocation = z.infer<typeof schema>;

/** Invokes a function with the whole `lambdaProxyMessage` as its event. */
export const lambdaInvoke: Executor<Invocation> = {
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
    const refused = refusal(attempt.message.execution.functionName, rules);
    if (refused !== undefined) return { kind: "rejected", error: `The function ${refused}` };
    const { invoke } = await import("./lambda-invocation.ts");
    return invoke(attempt);
  },
};

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
