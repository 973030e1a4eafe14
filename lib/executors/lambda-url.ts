import * as z from "zod";
import { DEFAULT_TIMEOUT_MS } from "../job.ts";
import { notAvailableYet, type Executor } from "./executor.ts";
import { httpBaseUrl } from "./target-url.ts";

const schema = z.strictObject({
  type: z.literal("lambda-url"),
  functionUrl: httpBaseUrl,
});

export const lambdaUrl: Executor<z.infer<typeof schema>> = {
  type: "lambda-url",
  schema,
  proxyMessage: "required",
  destination: ({ functionUrl }) => new URL(functionUrl).origin,
  timeoutMs: () => DEFAULT_TIMEOUT_MS,
  ...notAvailableYet("lambda-url"),
};
