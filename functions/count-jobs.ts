import type { DynamoDBStreamEvent } from "aws-lambda";
import { parts } from "../lib/parts.ts";

export const handler = async ({ Records }: DynamoDBStreamEvent): Promise<void> => {
  await parts().count(Records.map(({ dynamodb = {} }) => dynamodb));
};
