import { parseAsWritten } from "../../job/exact-json.ts";
import { TASK } from "../../job/job.ts";
import { masked, maskedAddress, maskedJson } from "../../job/masking.ts";
import type { Callback, FollowUpJob, Message } from "../../job/message.ts";
import { namedHeaders, type Values } from "../../job/multi-values.ts";
import { callbackView } from "../../job/view.ts";
import { targetUrl } from "../../outbound/target-url.ts";
import { timesOf } from "./flat-job.ts";

// The job on one level that a message is, for people and for changes.

/** How the parts of a message are shown that may hold credentials. */
interface Shown {
  readonly address: (address: string) => string;
  readonly named: (headers: Values) => Values;
  readonly json: (value: unknown) => unknown;
  readonly callback: (callback: Callback) => Callback;
}

const HIDDEN: Shown = { address: maskedAddress, named: masked, json: maskedJson, callback: callbackView };
const OPEN: Shown = {
  address: (address) => address,
  named: (named) => named,
  json: (value) => value,
  callback: (one) => one,
};

/** The flat job that a message is, for people: credentials are masked. */
export function flatView(message: Message): object {
  return viewOf(message, HIDDEN);
}

/** The flat job that a message is, with its credentials, to be changed and stored again. */
export function flatOf(message: Message): object {
  return viewOf(message, OPEN);
}

function viewOf(message: Message, shown: Shown): object {
  const { execution, lambdaProxyMessage: request, metadata, onComplete, onSuccess, onFailure } = message;
  const { idempotencyKey: key, maxRetries: retries, retry: policy, messageGroupId: order, group: groupId } = metadata;
  const view = ({ bodyFrom: from, ...followUp }: FollowUpJob) => ({
    ...viewOf({ ...followUp.message, ...followUp }, shown),
    ...(from !== undefined && { bodyFrom: from }),
  });
  return {
    ...targetView(message, shown),
    ...(request && requestView(request, shown)),
    ...(key !== undefined && { key }),
    ...(retries !== undefined && { maxRetries: retries }),
    ...(policy && { retry: policy }),
    ...(execution["timeoutSeconds"] !== undefined && { timeoutSeconds: execution["timeoutSeconds"] }),
    ...(order !== undefined && { order }),
    ...timesOf(metadata),
    ...(metadata.labels && { labels: metadata.labels }),
    ...ignoredView(message),
    ...(groupId !== undefined && { group: groupId }),
    ...(metadata.keepResponse !== undefined && { keepResponse: metadata.keepResponse }),
    ...(onComplete && { onComplete: shown.callback(onComplete) }),
    ...(onSuccess && { onSuccess: view(onSuccess) }),
    ...(onFailure && { onFailure: view(onFailure) }),
  };
}

function ignoredView({ execution, metadata: { idempotencyIgnore: ignored } }: Message): object {
  const at = execution.type === TASK ? "/payload" : "/body";
  return ignored ? { idempotencyIgnore: ignored.map((pointer) => at + pointer) } : {};
}

function targetView({ execution, lambdaProxyMessage }: Message, shown: Shown): object {
  const address = (base: unknown) => shown.address(targetUrl(base as string, lambdaProxyMessage).href);
  switch (execution.type) {
    case "rest-api":
      return { url: address(execution["baseUrl"]) };
    case "lambda-url":
      return { functionUrl: address(execution["functionUrl"]) };
    case "lambda-invoke":
      return { function: execution["functionName"] };
    default:
      return { task: execution["jobType"], payload: shown.json(execution["payload"]), priority: execution["priority"] };
  }
}

function requestView(request: NonNullable<Message["lambdaProxyMessage"]>, shown: Shown): object {
  const { httpMethod: method, body, isBase64Encoded } = request;
  const sent = namedHeaders(request);
  return {
    method,
    ...(Object.keys(sent).length > 0 && { headers: shown.named(sent) }),
    ...(body !== null && (isBase64Encoded ? { bodyBase64: body } : { body: bodyView(body) })),
  };
}

/** A text that was written from JSON is shown as JSON, so that it can be sent again as it is. */
function bodyView(text: string): unknown {
  try {
    const value = parseAsWritten(text);
    return typeof value === "string" || value === null || JSON.stringify(value) !== text ? text : value;
  } catch {
    return text;
  }
}
