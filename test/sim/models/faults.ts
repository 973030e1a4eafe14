import {
  InternalServerError,
  ProvisionedThroughputExceededException,
  TransactionCanceledException,
  TransactionConflictException,
} from "@aws-sdk/client-dynamodb";
import { S3ServiceException } from "@aws-sdk/client-s3";
import { InternalServerException, ThrottlingException } from "@aws-sdk/client-scheduler";
import { RequestThrottled, SQSServiceException } from "@aws-sdk/client-sqs";

// Faults between a client and a service, as the SDK throws them when its own tries are used up. The models never
// do: the world adds these around their `send`, before the call or instead of its answer.

export type Service = "dynamodb" | "sqs" | "s3" | "scheduler";

/** The service takes no more calls for now. Nothing was done. */
export function throttled(service: Service): Error {
  const message = "Rate exceeded";
  switch (service) {
    case "dynamodb":
      return new ProvisionedThroughputExceededException({ message, ...status(400) });
    case "sqs":
      return new RequestThrottled({ message, ...status(403) });
    case "s3":
      return new S3ServiceException({ name: "SlowDown", message, $fault: "server", ...status(503) });
    case "scheduler":
      return new ThrottlingException({ message, Message: message, ...status(429) });
    default:
      return service satisfies never;
  }
}

/** The service failed. The call may have been done all the same. */
export function failed(service: Service): Error {
  const message = "Internal server error";
  switch (service) {
    case "dynamodb":
      return new InternalServerError({ message, ...status(500) });
    case "sqs":
      return new SQSServiceException({ name: "InternalFailure", message, $fault: "server", ...status(500) });
    case "s3":
      return new S3ServiceException({ name: "InternalError", message, $fault: "server", ...status(500) });
    case "scheduler":
      return new InternalServerException({ message, Message: message, ...status(500) });
    default:
      return service satisfies never;
  }
}

/** No answer came in time. The call may have been done, or may still be. */
export function timedOut(): Error {
  const error = new Error("Request timed out");
  return Object.assign(error, { name: "TimeoutError", $metadata: { attempts: 3, totalRetryDelay: 0 } });
}

/** The connection broke. The call may have been done. */
export function disconnected(): Error {
  const error = new Error("socket hang up");
  return Object.assign(error, { code: "ECONNRESET", $metadata: { attempts: 3, totalRetryDelay: 0 } });
}

/** A transaction holds the item that a write of its own was for. Nothing was done. */
export function inTransaction(): Error {
  const message = "Transaction is ongoing for the item";
  return new TransactionConflictException({ message, ...status(400) });
}

/** Another write of one of its items made a transaction of so many items fail. Nothing was done. */
export function transactionConflict(items: number): Error {
  const conflict = { Code: "TransactionConflict", Message: "Transaction is ongoing for the item" };
  const CancellationReasons = [conflict, ...Array.from({ length: items - 1 }, () => ({ Code: "None" }))];
  const message = "Transaction cancelled, please refer cancellation reasons for specific reasons";
  return new TransactionCanceledException({ message, CancellationReasons, ...status(400) });
}

function status(httpStatusCode: number) {
  return { $metadata: { httpStatusCode, attempts: 3, totalRetryDelay: 0 } };
}
