import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { httpFunction } from "../lib/api/http/http.ts";
import { quickRoutes } from "../lib/api/routes.ts";
import { parts, withRenderer } from "../lib/parts.ts";
import { createRenderer } from "../lib/pdf/renderer.ts";

withRenderer(createRenderer);
const serve = httpFunction(quickRoutes);

export const handler = async (event: SQSEvent | Parameters<typeof serve>[0], context: Context) =>
  "Records" in event ? runBatch(event, context) : serve(event, context);

const runBatch = async ({ Records }: SQSEvent, context: Context): Promise<SQSBatchResponse> =>
  parts().engine.runBatch(Records, () => context.getRemainingTimeInMillis());
