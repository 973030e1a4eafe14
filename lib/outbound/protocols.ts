import { request } from "undici";
import { NoHttp2, agentOf } from "./agents.ts";
import { IsHttp2 } from "./answer-head.ts";
import type { Answer, OutgoingRequest } from "./outgoing.ts";

// The protocol by which a request is sent.

/** The origins that have refused HTTP/1.1, the latest last. */
const http2Only = new Set<string>();
const MOST_ORIGINS = 1_000;
/** Of an answer that nobody reads. */
const LARGEST_LEFT = 64 * 1_024;

/**
 * Sends a request by HTTP/1.1, and by HTTP/2 to a target that takes nothing else. Such a one refuses the connection
 * before a request is sent, has not understood it, or says by its status that it did nothing with it.
 */
export async function answerTo(outgoing: OutgoingRequest): Promise<Answer> {
  const { appId, url, method, headers, body, signal, allowPrivateTargets } = outgoing;
  if (http2Only.has(url.origin)) {
    try {
      return await byHttp2(outgoing, false);
    } catch (error) {
      http2Only.delete(url.origin);
      if (!isOtherProtocol(error)) throw error;
    }
  }
  const dispatcher = agentOf(appId, allowPrivateTargets);
  const first = await request(url, { dispatcher, method, headers, body, signal }).catch((error: unknown) => {
    if (url.protocol !== "https:" || signal.aborted || !isOtherProtocol(error)) throw error;
  });
  if (first && (url.protocol !== "https:" || !asksForHttp2(first))) return first;
  try {
    // One that has answered by HTTP/1.1 would take what it has not agreed to for a broken request.
    const answer = await byHttp2(outgoing, first !== undefined);
    if (!asksForHttp2(answer)) remember(url.origin);
    void first?.body.dump({ limit: LARGEST_LEFT }).catch(() => {});
    return answer;
  } catch (error) {
    if (first && isOtherProtocol(error)) return first;
    void first?.body.dump({ limit: LARGEST_LEFT }).catch(() => {});
    throw error;
  }
}

/** 464 is that of AWS's load balancers, 505 that of RFC 9110; 426 names the protocol. */
function asksForHttp2({ statusCode, headers }: Answer): boolean {
  if (statusCode === 426) return /(?:^|[\s,])(?:h2|http\/2(?:\.0)?)(?:[\s,]|$)/i.test(String(headers["upgrade"]));
  return statusCode === 464 || statusCode === 505;
}

function remember(origin: string): void {
  http2Only.add(origin);
  const [oldest] = http2Only;
  if (http2Only.size > MOST_ORIGINS && oldest !== undefined) http2Only.delete(oldest);
}

/** Most containers never meet such a target. */
async function byHttp2(outgoing: OutgoingRequest, mustAgree: boolean): Promise<Answer> {
  const { requestByHttp2 } = await import("./http2.ts");
  return requestByHttp2(outgoing, mustAgree);
}

/** Whether an error says that the target speaks another protocol, so that it has not taken the request. */
export function isOtherProtocol(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const isSo = error instanceof NoHttp2 || error instanceof IsHttp2 || cause instanceof IsHttp2;
  return isSo || String(code).endsWith("NO_APPLICATION_PROTOCOL");
}
