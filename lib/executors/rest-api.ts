import * as z from "zod";
import { SECOND } from "../clock.ts";
import type { Executor } from "./executor.ts";
import { exchange, requestOf } from "./http-exchange.ts";
import { httpBaseUrl, refuseTarget, targetUrl } from "./target-url.ts";

const schema = z.strictObject({
  type: z.literal("rest-api"),
  baseUrl: httpBaseUrl,
  timeoutSeconds: z.int().min(1).max(60).default(30),
});

/** Sends the request to `baseUrl` + `path`; any 2xx is a success. */
export const restApi: Executor<z.infer<typeof schema>> = {
  type: "rest-api",
  schema,
  proxyMessage: "required",
  destination: ({ baseUrl }) => new URL(baseUrl).origin,
  timeoutMs: ({ timeoutSeconds }) => timeoutSeconds * SECOND,
  refuse: ({ execution }, { rules }) => refuseTarget("execution.baseUrl", execution.baseUrl, rules.allowPrivateTargets),

  execute: (attempt, { allowPrivateTargets }) => {
    const { lambdaProxyMessage, execution } = attempt.message;
    const url = targetUrl(execution.baseUrl, lambdaProxyMessage);
    return exchange(attempt, requestOf(attempt, url), allowPrivateTargets);
  },
};
