import * as z from "zod";
import { DEFAULT_TIMEOUT_MS } from "../job.ts";
import { notAvailableYet, type Executor } from "./executor.ts";

const schema = z
  .strictObject({
    type: z.literal("schedule"),
    scheduledAt: z.iso.datetime({ offset: true }).optional(),
    scheduleExpression: z.string().min(1).max(256).optional(),
    targetJob: z.looseObject({}),
  })
  .refine(({ scheduledAt, scheduleExpression }) => scheduledAt ?? scheduleExpression, {
    path: ["scheduledAt"],
    error: "expected scheduledAt or scheduleExpression, got neither",
  });

export const schedule: Executor<z.infer<typeof schema>> = {
  type: "schedule",
  schema,
  proxyMessage: "optional",
  destination: () => "schedule",
  timeoutMs: () => DEFAULT_TIMEOUT_MS,
  ...notAvailableYet("schedule"),
};
