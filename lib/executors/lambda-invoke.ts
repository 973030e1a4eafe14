import * as z from "zod";
import { DEFAULT_TIMEOUT_MS } from "../job.ts";
import { notAvailableYet, type Executor } from "./executor.ts";

const schema = z.strictObject({
  type: z.literal("lambda-invoke"),
  functionName: z.string().min(1).max(170),
  invocationType: z.enum(["Event", "RequestResponse"]).default("Event"),
});

export const lambdaInvoke: Executor<z.infer<typeof schema>> = {
  type: "lambda-invoke",
  schema,
  proxyMessage: "required",
  destination: ({ functionName }) => functionName,
  timeoutMs: () => DEFAULT_TIMEOUT_MS,
  ...notAvailableYet("lambda-invoke"),
};
