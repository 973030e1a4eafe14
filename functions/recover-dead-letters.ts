import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { parts } from "../lib/parts.ts";

export const handler = async (event: SQSEvent): Promise<SQSBatchResponse> => parts().engine.recoverBatch(event.Records);
