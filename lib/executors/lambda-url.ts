import * as z from "../zod.ts";
import { SECOND } from "../clock.ts";
import { joined } from "../job/multi-values.ts";
import { matchesName, matchesUrl } from "../outbound/patterns.ts";
import { timeoutSeconds, type Executor } from "./executor.ts";
import { lambda } from "../outbound/lambda-client.ts";
import { httpBaseUrl, signable, targetUrl } from "../outbound/target-url.ts";
import type { Rules } from "../outbound/rules.ts";

const schema = z
  .strictObject({
    type: z.literal("lambda-url"),
    functionUrl: httpBaseUrl,
    timeoutSeconds,
  })
  .register(z.globalRegistry, {
    id: "LambdaUrlExecution",
    description: "Sends the request, signed with SigV4, to the URL of a function.",
  });

/** Sends the request to a Lambda function's URL, signed for AWS_IAM; any 2xx is a success. */
export const lambdaUrl: Executor<z.infer<typeof schema>> = {
  type: "lambda-url",
  schema,
  proxyMessage: "required",
  terms: ({ functionUrl, timeoutSeconds }) => ({
    destination: new URL(functionUrl).origin,
    timeoutMs: timeoutSeconds * SECOND,
  }),
  refuse: ({ execution, lambdaProxyMessage }, { rules }) => {
    const message = refusal(targetUrl(execution.functionUrl, lambdaProxyMessage), rules);
    return message === undefined ? [] : [{ field: "execution.functionUrl", message }];
  },

  async execute(attempt, rules) {
    const { lambdaProxyMessage, execution } = attempt.message;
    const [{ exchange, requestOf }, { signRequest }, { client }] = await Promise.all([
      import("./http-exchange.ts"),
      import("../outbound/sign-request.ts"),
      lambda(),
    ]);
    const requestTo = async (url: URL) => {
      const problem = refusal(url, rules);
      if (problem !== undefined) return { refused: `The function's URL: ${problem}` };
      const request = requestOf(attempt, signable(url));
      const headers = await signRequest(
        { ...request, headers: joined(request.headers) },
        await client.config.credentials(),
        {
          service: "lambda",
          region: regionOf(request.url) ?? (await client.config.region()),
          signedAt: new Date(attempt.realTimeSeconds * SECOND),
        },
      );
      return { ...request, headers };
    };
    return exchange(attempt, targetUrl(execution.functionUrl, lambdaProxyMessage), requestTo, rules);
  },
};

function refusal(url: URL, rules: Rules): string | undefined {
  const { allowedFunctions, allowedCallbackUrls } = rules;
  if (!isFunctionUrl(url, rules))
    return "expected https://<id>.lambda-url.<region>.on.aws/: requests to other hosts are not signed";
  if (allowedFunctions.length > 0) {
    if (allowedFunctions.some((pattern) => matchesName(pattern, url.origin))) return undefined;
    return "is not among the app's allowedFunctions; an administrator of the app can add its origin";
  }
  // Any AWS account can create a function URL, so the app's allowed URLs apply to them too.
  if (allowedCallbackUrls.length === 0 || allowedCallbackUrls.some((pattern) => matchesUrl(pattern, url)))
    return undefined;
  return "is not among the app's allowedCallbackUrls or allowedFunctions; an administrator of the app can add it";
}

/** Signed requests go to Lambda alone: another host would learn a valid signature. */
function isFunctionUrl(url: URL, { localFunctionUrls }: Rules): boolean {
  if (localFunctionUrls !== "" && url.href.startsWith(localFunctionUrls)) return true;
  return url.protocol === "https:" && url.port === "" && regionOf(url) !== undefined;
}

function regionOf(url: URL): string | undefined {
  return /^[a-z0-9]+\.lambda-url\.([a-z0-9-]+)\.on\.aws$/.exec(url.hostname)?.[1];
}
