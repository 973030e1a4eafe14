import {
  BatchEntryIdsNotDistinct,
  EmptyBatchRequest,
  InvalidMessageContents,
  QueueDoesNotExist,
  SQSServiceException,
  TooManyEntriesInBatchRequest,
  type BatchResultErrorEntry,
  type SendMessageCommandInput,
} from "@aws-sdk/client-sqs";
import { checkParameters } from "./client.ts";

// The parameters of calls of SQS, and the refusal of invalid ones.

/** A message to send. */
export type Entry = Omit<SendMessageCommandInput, "QueueUrl">;

export const LARGEST_BATCH = 10;
const LONGEST_DELAY_SECONDS = 900;
const LONGEST_VISIBILITY_SECONDS = 12 * 3_600;
/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
const REFUSED_CHARACTERS = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
export const CLIENT_FAULT = { $fault: "client", $metadata: { httpStatusCode: 400 } } as const;

const ENTRY = new Set(["QueueUrl", "Id", "MessageBody", "DelaySeconds", "MessageGroupId", "MessageDeduplicationId"]);
export const RECEIVE = new Set([
  "QueueUrl",
  "MaxNumberOfMessages",
  "VisibilityTimeout",
  "WaitTimeSeconds",
  "MessageSystemAttributeNames",
]);
export const DELETE = new Set(["QueueUrl", "Id", "ReceiptHandle"]);
export const CHANGE_VISIBILITY = new Set([...DELETE, "VisibilityTimeout"]);
/** Of a group or a deduplication. */
const ID = /^[\x21-\x7e]{1,128}$/;

export function checkEntry(entry: Entry, isFifo: boolean): void {
  checkParameters(entry, ENTRY);
  const { MessageBody = "", MessageGroupId, MessageDeduplicationId, DelaySeconds = 0 } = entry;
  if (MessageBody === "") throw missing("MessageBody");
  if (REFUSED_CHARACTERS.test(MessageBody)) {
    throw new InvalidMessageContents({ message: "Invalid characters found", ...CLIENT_FAULT });
  }
  if (isFifo && MessageGroupId === undefined) throw missing("MessageGroupId");
  if (isFifo && MessageDeduplicationId === undefined) throw invalid("MessageDeduplicationId is needed on this queue");
  if (!isFifo && MessageDeduplicationId !== undefined) throw invalid("MessageDeduplicationId is for FIFO queues");
  if (isFifo && DelaySeconds !== 0) throw invalid("DelaySeconds is not valid for this queue type");
  if (!Number.isInteger(DelaySeconds) || DelaySeconds < 0 || DelaySeconds > LONGEST_DELAY_SECONDS) {
    throw invalid(`DelaySeconds is 0 to ${LONGEST_DELAY_SECONDS}, not ${DelaySeconds}`);
  }
  for (const id of [MessageGroupId, MessageDeduplicationId]) {
    if (id !== undefined && !ID.test(id)) throw invalid(`"${id}" is not 1 to 128 letters, digits and punctuation`);
  }
}

export function checkVisibility(seconds: number): void {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= LONGEST_VISIBILITY_SECONDS) return;
  throw invalid(`VisibilityTimeout is 0 to ${LONGEST_VISIBILITY_SECONDS}, not ${seconds}`);
}

/** Runs each entry on its own; a refused one is a failure of its own in the answer. */
export function inBatch<One extends { Id?: string | undefined }>(
  { QueueUrl, Entries = [] }: { QueueUrl: string | undefined; Entries: One[] | undefined },
  run: (entry: One & { QueueUrl: string | undefined }) => object,
): object {
  if (Entries.length === 0) throw new EmptyBatchRequest({ message: "There are no entries", ...CLIENT_FAULT });
  if (Entries.length > LARGEST_BATCH) {
    throw new TooManyEntriesInBatchRequest({ message: `At most ${LARGEST_BATCH} entries`, ...CLIENT_FAULT });
  }
  if (new Set(Entries.map(({ Id }) => Id)).size < Entries.length) {
    throw new BatchEntryIdsNotDistinct({ message: "Two entries have the same Id", ...CLIENT_FAULT });
  }
  const Successful: object[] = [];
  const Failed: BatchResultErrorEntry[] = [];
  for (const entry of Entries) {
    try {
      Successful.push({ Id: entry.Id, ...run({ ...entry, QueueUrl }) });
    } catch (error) {
      if (!(error instanceof SQSServiceException) || error instanceof QueueDoesNotExist) throw error;
      Failed.push({ Id: entry.Id, Code: error.name, Message: error.message, SenderFault: error.$fault === "client" });
    }
  }
  return { Successful, ...(Failed.length > 0 && { Failed }) };
}

/** The refusal of an entry by a queue that is busy. */
export function busy(): SQSServiceException {
  const message = "We encountered an internal error. Please try again.";
  return new SQSServiceException({
    name: "InternalError",
    message,
    $fault: "server",
    $metadata: { httpStatusCode: 500 },
  });
}

export function invalid(message: string): SQSServiceException {
  return new SQSServiceException({ name: "InvalidParameterValue", message, ...CLIENT_FAULT });
}

function missing(parameter: string): SQSServiceException {
  const message = `The request must contain the parameter ${parameter}.`;
  return new SQSServiceException({ name: "MissingParameter", message, ...CLIENT_FAULT });
}
