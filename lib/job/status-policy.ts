import { NO_POLICY } from "./backoff.ts";
import type { RetryPolicy, StatusPattern, StatusPolicy } from "./message.ts";

// Which answers of a target end its job at once.

/** The answers that say that the request is wrong. 401, 403, 404 and 409 may heal with the next deployment. */
export const WRONG_REQUEST: StatusPolicy = { final: [400, 405, 413, 414, 415, 422, 431, 501] };

/** A receiver's word for "do not try again". */
const FINAL_STATUS = 489;
/** It holds the destination, and the job waits for a person. */
const GONE = 410;

/** Whether an answer ends its job. `isSaid`: the receiver says so in a header. */
export function isFinal(status: number, isSaid: boolean, policy: StatusPolicy | undefined): boolean {
  if (status === GONE) return false;
  return isSaid || status === FINAL_STATUS || (policy !== undefined && ruleFor(status, policy) === "final");
}

/** A status stands before its class, and then `retryOn` before `final`; undefined if the policy names neither. */
export function ruleFor(
  status: StatusPattern,
  { final = [], retryOn = [] }: StatusPolicy,
): "final" | "retry" | undefined {
  const patterns = typeof status === "number" ? [status, `${Math.floor(status / 100)}xx` as StatusPattern] : [status];
  for (const pattern of patterns) {
    if (retryOn.includes(pattern)) return "retry";
    if (final.includes(pattern)) return "final";
  }
  return undefined;
}

/** A job's policy, with others for all statuses of which those before say nothing; undefined if none says anything. */
export function withDefaults(
  own: (RetryPolicy & StatusPolicy) | undefined,
  defaults: readonly StatusPolicy[],
): (RetryPolicy & StatusPolicy) | undefined {
  const { final = [], retryOn = [] } = defaults.reduce(joined, own ?? {});
  if (final.length + retryOn.length === 0) return own;
  return { ...NO_POLICY, ...own, ...(final.length > 0 && { final }), ...(retryOn.length > 0 && { retryOn }) };
}

function joined(above: StatusPolicy, below: StatusPolicy): StatusPolicy {
  const isOpen = (pattern: StatusPattern) => ruleFor(pattern, above) === undefined;
  return {
    final: [...(above.final ?? []), ...(below.final ?? []).filter(isOpen)],
    retryOn: [...(above.retryOn ?? []), ...(below.retryOn ?? []).filter(isOpen)],
  };
}
