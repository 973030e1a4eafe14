import type { DynamoDBStreamEvent } from "aws-lambda";
import { parts } from "../lib/parts.ts";
import { changeIn } from "../lib/store/counters.ts";

export const handler = async ({ Records }: DynamoDBStreamEvent): Promise<void> => {
  const { stats, usage } = parts();
  const changes = Records.map(({ dynamodb = {} }) => changeIn(dynamodb));
  await Promise.all([stats.count(changes), usage.count(changes)]);
};
