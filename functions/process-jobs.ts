import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { parts } from "../lib/parts.ts";

export const handler = async (event: SQSEvent, context: Context): Promise<SQSBatchResponse> =>
  parts().engine.runBatch(event.Records, () => context.getRemainingTimeInMillis());
