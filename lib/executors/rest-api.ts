import * as z from "../zod.ts";
import { atFirstUse } from "../job/at-first-use.ts";
import { SECOND } from "../clock.ts";
import { timeoutSeconds, type Executor } from "./executor.ts";
import { httpBaseUrl, refuseTarget, targetProblem, targetUrl } from "../outbound/target-url.ts";

const schema = z
  .strictObject({
    type: z.literal("rest-api"),
    baseUrl: httpBaseUrl,
    timeoutSeconds,
  })
  .register(z.globalRegistry, {
    id: "RestApiExecution",
    description: "Sends the request to baseUrl + path; any 2xx is a success.",
  });

const exchanges = atFirstUse(async () => import("./http-exchange.ts"));

/** Sends the request to `baseUrl` + `path`; any 2xx is a success. */
export const restApi: Executor<z.infer<typeof schema>> = {
  type: "rest-api",
  schema,
  proxyMessage: "required",
  terms: ({ baseUrl, timeoutSeconds }) => ({
    destination: new URL(baseUrl).origin,
    timeoutMs: timeoutSeconds * SECOND,
  }),
  refuse: async ({ execution, lambdaProxyMessage }, { rules }) =>
    refuseTarget("execution.baseUrl", targetUrl(execution.baseUrl, lambdaProxyMessage), rules),

  async execute(attempt, rules) {
    const { lambdaProxyMessage, execution } = attempt.message;
    const { exchange, requestOf } = await exchanges();
    const requestTo = async (url: URL) => {
      const problem = await targetProblem(url, rules);
      if (problem !== undefined) return { refused: `The target ${problem}` };
      const request = requestOf(attempt, url);
      const signature = await attempt.sign(request.body ?? new Uint8Array());
      return { ...request, headers: { ...request.headers, "webhook-signature": signature } };
    };
    return exchange(attempt, targetUrl(execution.baseUrl, lambdaProxyMessage), requestTo, rules);
  },
};
