import type { ErrorDetail } from "../../errors.ts";
import type { Callback } from "../../job/message.ts";
import { isSamePlace, unmaskedAddress, unmaskedCallback, unmaskedHeaders, unmaskedJson } from "../../job/unmasking.ts";
import type { FlatJob } from "./flat-job.ts";

// The job of a schedule, as it is sent back after it was shown with masks.

interface Unmasked {
  readonly job: FlatJob;
  readonly problems: readonly ErrorDetail[];
}

/** A flat job whose masks are replaced by the credentials that they stand for in the stored one. */
export function unmaskedJob(sent: FlatJob, stored: Partial<FlatJob>, field: string): Unmasked {
  const problems: ErrorDetail[] = [];
  const kept = <T>({ value, problems: more }: { value: T; problems: readonly ErrorDetail[] }): T => {
    problems.push(...more);
    return value;
  };
  const isSame = goesToSamePlace(sent, stored);
  const at = (name: string) => ({ field: `${field}.${name}`, isSame });
  const { url, functionUrl, headers, payload, onComplete, onSuccess, onFailure } = sent;
  const next = (name: "onSuccess" | "onFailure", followUp: FlatJob): FlatJob => {
    const { job, problems: more } = unmaskedJob(followUp, stored[name] ?? {}, `${field}.${name}`);
    problems.push(...more);
    return job;
  };
  const job = {
    ...sent,
    ...(url !== undefined && { url: kept(unmaskedAddress(url, stored.url ?? "", at("url"))) }),
    ...(functionUrl !== undefined && {
      functionUrl: kept(unmaskedAddress(functionUrl, stored.functionUrl ?? "", at("functionUrl"))),
    }),
    ...(headers && { headers: kept(unmaskedHeaders(headers, stored.headers ?? {}, at("headers"))) }),
    ...(payload && {
      payload: kept(unmaskedJson(payload, stored.payload ?? {}, at("payload"))) as Record<string, unknown>,
    }),
    ...(onComplete !== undefined && {
      onComplete: kept(unmaskedCallback(callbackOf(onComplete), storedCallback(stored), `${field}.onComplete`)),
    }),
    ...(onSuccess && { onSuccess: next("onSuccess", onSuccess) }),
    ...(onFailure && { onFailure: next("onFailure", onFailure) }),
  } as FlatJob;
  return { job, problems };
}

function goesToSamePlace(sent: FlatJob, stored: Partial<FlatJob>): boolean {
  if (sent.function !== undefined) return sent.function === stored.function;
  if (sent.task !== undefined) return sent.task === stored.task;
  const [to, before] = [sent.url ?? sent.functionUrl, stored.url ?? stored.functionUrl];
  return isSamePlace(to ?? "", before ?? "");
}

function callbackOf(onComplete: NonNullable<FlatJob["onComplete"]>): Callback {
  return typeof onComplete === "string" ? ({ url: onComplete, headers: {} } as unknown as Callback) : onComplete;
}

function storedCallback({ onComplete }: Partial<FlatJob>): Callback | null {
  return onComplete === undefined ? null : callbackOf(onComplete);
}
