import { DynamoDBServiceException } from "@aws-sdk/client-dynamodb";

export const CLIENT_FAULT = { $fault: "client", $metadata: { httpStatusCode: 400 } } as const;

/** A call that DynamoDB refuses as invalid, whatever the table holds. */
export function invalid(message: string): DynamoDBServiceException {
  return new DynamoDBServiceException({ name: "ValidationException", message, ...CLIENT_FAULT });
}

/** A write that is invalid for its item: in a transaction, a reason to cancel it. */
export class UnfitItem extends DynamoDBServiceException {
  constructor(message: string) {
    super({ name: "ValidationException", message, ...CLIENT_FAULT });
  }
}
