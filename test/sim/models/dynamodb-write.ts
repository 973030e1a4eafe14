import {
  ConditionalCheckFailedException,
  IdempotentParameterMismatchException,
  TransactionCanceledException,
  type BatchWriteItemCommandInput,
  type CancellationReason,
  type TransactWriteItemsCommandInput,
} from "@aws-sdk/client-dynamodb";
import { MINUTE } from "../../../lib/clock.ts";
import { checkParameters, type Command } from "./client.ts";
import { CLIENT_FAULT, UnfitItem, invalid } from "./dynamodb-errors.ts";
import { attributesOf, checkPlaceholders, holds, updated } from "./dynamodb-expression.ts";
import {
  BATCH_WRITE,
  LARGEST_BATCH,
  TRANSACT,
  TRANSACT_PART,
  WRITE,
  checkTable,
  keyOf,
  keysAmong,
  picked,
  type Parts,
  type WriteKind,
  type WriteRequest,
} from "./dynamodb-request.ts";
import { parseCondition, parseUpdate } from "./dynamodb-syntax.ts";
import { idOf, type Write } from "./dynamodb-table.ts";
import { storedItem, type Item } from "./dynamodb-value.ts";

// The writes of DynamoDB: one item, a batch, a transaction.

const LARGEST_BATCH_WRITE = 25;
/** For how long a transaction's token protects it from being made twice. */
const TOKEN_LIFETIME = 10 * MINUTE;

export function write(parts: Parts, kind: WriteKind, input: WriteRequest): object {
  checkParameters(input, WRITE[kind]);
  const prepared = prepare(parts, kind, input);
  parts.table.commit([prepared]);
  const Attributes = returned(prepared, input);
  return Attributes && Object.keys(Attributes).length > 0 ? { Attributes } : {};
}

/** Each of its writes is a step of its own; some may be left undone, but never all. */
export function batchWriteItem(parts: Parts, input: Partial<BatchWriteItemCommandInput>): object {
  checkParameters(input, BATCH_WRITE);
  const [[name, requests] = ["", []], ...others] = Object.entries(input.RequestItems ?? {});
  if (others.length > 0) throw new Error("The model of DynamoDB has one table");
  checkTable(parts, name);
  if (requests.length < 1 || requests.length > LARGEST_BATCH_WRITE) {
    throw invalid(`Expected 1 to ${LARGEST_BATCH_WRITE} writes`);
  }
  const prepared = requests.map(({ PutRequest: put, DeleteRequest: remove }) =>
    put
      ? prepare(parts, "Put", { TableName: name, Item: put.Item })
      : prepare(parts, "Delete", { TableName: name, Key: remove?.Key }),
  );
  if (new Set(prepared.map(({ key }) => idOf(key))).size < prepared.length) {
    throw invalid("Provided list of item keys contains duplicates");
  }
  const left: typeof requests = [];
  for (const [at, request] of requests.entries()) {
    if (at > 0 && parts.unprocessed()) left.push(request);
    else parts.table.commit(prepared.slice(at, at + 1));
  }
  return { UnprocessedItems: left.length > 0 ? { [name]: left } : {} };
}

/** The write that a request amounts to; throws the error of DynamoDB if it is refused. */
function prepare(parts: Parts, kind: WriteKind, request: WriteRequest): Write {
  checkTable(parts, request.TableName);
  const key = keyOf(kind === "Put" ? keysAmong(request.Item) : request.Key);
  const { ConditionExpression, UpdateExpression } = request;
  const condition = ConditionExpression === undefined ? undefined : parseCondition(ConditionExpression);
  const update = UpdateExpression === undefined ? undefined : parseUpdate(UpdateExpression);
  checkPlaceholders([condition, update], request);
  const changesKey = update && attributesOf(update.tree, request).some((name) => name === "pk" || name === "sk");
  if (changesKey) throw invalid("Cannot update attribute. This attribute is part of the key");

  const before = parts.table.item(key, true);
  if (condition && !holds(condition.tree, before ?? {}, request)) {
    const showsItem = before && request.ReturnValuesOnConditionCheckFailure === "ALL_OLD";
    const message = "The conditional request failed";
    throw new ConditionalCheckFailedException({
      message,
      ...(showsItem && { Item: { ...before } }),
      ...CLIENT_FAULT,
    });
  }
  const after = afterOf();
  if (after && after !== before) parts.table.check(after);
  return { key, before, after };

  function afterOf(): Item | undefined {
    if (kind === "Delete") return undefined;
    if (kind === "ConditionCheck") return before;
    if (kind === "Put") return storedItem(request.Item ?? {});
    if (!update) throw new Error("The model of DynamoDB knows no update without an UpdateExpression");
    return updated(update.tree, before ?? storedItem(request.Key ?? {}), request);
  }
}

/** The SDK gives a transaction a token, the same for all tries of one call: without one, that is the command. */
export function transactWriteItems(
  parts: Parts,
  input: Partial<TransactWriteItemsCommandInput>,
  command: Command,
): object {
  checkParameters(input, TRANSACT);
  const { TransactItems = [], ClientRequestToken: token = command } = input;
  const request = JSON.stringify(TransactItems);
  const made = parts.tokens.get(token);
  if (made && made.until > parts.now()) {
    if (made.request === request) return {};
    const message = "The token was used for a request with other parameters";
    throw new IdempotentParameterMismatchException({ message, ...CLIENT_FAULT });
  }
  if (TransactItems.length < 1 || TransactItems.length > LARGEST_BATCH) throw invalid("Expected 1 to 100 items");
  const asked = TransactItems.flatMap((item) => Object.entries(item) as [WriteKind, WriteRequest][]);
  const keys = asked.map(([kind, part]) => idOf(keyOf(kind === "Put" ? keysAmong(part.Item) : part.Key)));
  if (new Set(keys).size < TransactItems.length) {
    throw invalid("Transaction request cannot include multiple operations on one item");
  }
  const outcomes = asked.map(([kind, part]) => prepared(parts, kind, part));
  if (outcomes.some((outcome) => "Code" in outcome)) {
    const CancellationReasons = outcomes.map((outcome) => ("Code" in outcome ? outcome : { Code: "None" }));
    const codes = CancellationReasons.map(({ Code }) => Code).join(", ");
    const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
    throw new TransactionCanceledException({ message, CancellationReasons, ...CLIENT_FAULT });
  }
  parts.table.commit((outcomes as Write[]).filter(({ before, after }) => before !== after));
  // The oldest come first.
  for (const [old, { until }] of parts.tokens) {
    if (until > parts.now()) break;
    parts.tokens.delete(old);
  }
  parts.tokens.delete(token);
  parts.tokens.set(token, { until: parts.now() + TOKEN_LIFETIME, request });
  return {};
}

function prepared(parts: Parts, kind: WriteKind, part: WriteRequest): Write | CancellationReason {
  checkParameters(part, TRANSACT_PART[kind]);
  if (kind === "ConditionCheck" && part.ConditionExpression === undefined) throw invalid("A check needs a condition");
  try {
    return prepare(parts, kind, part);
  } catch (error) {
    if (error instanceof UnfitItem) return { Code: "ValidationError", Message: error.message };
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    const { message: Message, Item } = error;
    return { Code: "ConditionalCheckFailed", Message, ...(Item && { Item }) };
  }
}

/** The attributes that a write returns, as far as lib/ asks for them. */
function returned({ before, after }: Write, request: WriteRequest): Item | undefined {
  const { ReturnValues = "NONE", UpdateExpression } = request;
  if (ReturnValues === "NONE") return undefined;
  if (UpdateExpression === undefined && ReturnValues === "ALL_OLD") return before;
  if (UpdateExpression !== undefined && ReturnValues === "ALL_NEW") return after;
  if (UpdateExpression !== undefined && ReturnValues === "UPDATED_NEW") {
    return picked(after ?? {}, attributesOf(parseUpdate(UpdateExpression).tree, request));
  }
  throw new Error(`The model of DynamoDB does not know what ReturnValues ${ReturnValues} gives for this write`);
}
