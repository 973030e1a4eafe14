import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SchedulerClient } from "@aws-sdk/client-scheduler";
import type { SQSClient } from "@aws-sdk/client-sqs";

// A model takes the place of an AWS client: lib/ needs no more of one than `send`.

export interface Command {
  readonly input: object;
}

export type Send = (command: Command) => Promise<object>;

/** A client for a part of lib/. The world wraps `send` to add faults. */
export function clientOf(send: Send): DynamoDBClient & SQSClient & S3Client & SchedulerClient {
  return { send } as unknown as ReturnType<typeof clientOf>;
}

/** Throws a plain error for a parameter that the model would overlook: it can't be taken for an answer of AWS. */
export function checkParameters(input: object, known: ReadonlySet<string>): void {
  for (const name in input) {
    if (known.has(name) || (input as Record<string, unknown>)[name] === undefined) continue;
    throw new Error(`The model knows no parameter ${name}; it knows ${[...known].join(", ")}`);
  }
}
