import type { DynamoDBStreamEvent } from "aws-lambda";
import { parts } from "../lib/parts.ts";

export const handler = async ({ Records }: DynamoDBStreamEvent): Promise<void> => {
  const { stats, usage } = parts();
  const changes = Records.map(({ dynamodb }) => ({ before: dynamodb?.OldImage, after: dynamodb?.NewImage }));
  await Promise.all([stats.count(changes), usage.count(changes)]);
};
