import { SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { Attempt } from "../job/attempt.ts";
import { MASK, masked, maskedAddress } from "../job/masking.ts";
import type { Message } from "../job/message.ts";
import { joined } from "../job/multi-values.ts";
import { signable, targetUrl } from "../outbound/target-url.ts";
import { requestOf } from "./http-exchange.ts";

// The requests of attempts for people. They follow from the message, so that nothing of them is stored.

interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
}

type Times = Pick<Clock, "now" | "realNow" | "waitFor">;

/** The request of an attempt by HTTP, without credentials; undefined if none was sent. */
export function sentRequest(jobId: string, attempt: Attempt, message: Message, clock: Times): SentRequest | undefined {
  const { number, startedAt, sentAt, outcome, httpStatus } = attempt;
  const { execution, lambdaProxyMessage } = message;
  const base = execution.type === "rest-api" ? execution["baseUrl"] : execution["functionUrl"];
  // Nobody knows of a lost attempt; one that was rejected without a status was refused before it was sent.
  const isUnsent = startedAt === undefined || (outcome === "rejected" && httpStatus === undefined);
  if (typeof base !== "string" || !lambdaProxyMessage || isUnsent) return undefined;
  const realTimeSeconds = sentAt ?? Math.floor(realTime(startedAt, clock) / SECOND);
  const sending = { jobId, number, message, realTimeSeconds };
  const target = targetUrl(base, lambdaProxyMessage);
  const isWebhook = execution.type === "rest-api";
  const { method, url, headers, body } = requestOf(sending, isWebhook ? target : signable(target));
  const signature = isWebhook ? "webhook-signature" : "authorization";
  return {
    method,
    url: maskedAddress(url.href),
    headers: { ...masked(joined(headers)), [signature]: MASK },
    bodyBytes: body?.length ?? 0,
  };
}

/** The real time of a service time: the same, unless the clock of a local stack was sped up. */
function realTime(at: EpochMs, clock: Times): number {
  const [real, now] = [clock.realNow(), clock.now()];
  return Math.abs(real - now) < SECOND ? at : real - clock.waitFor(now - at);
}
