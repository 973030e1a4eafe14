import { maskedAddress } from "./masking.ts";
import type { Message } from "./message.ts";
import { SCHEDULE } from "./job.ts";

const LONGEST_PATH = 256;

/** `POST /orders?token=***`: the method and the path of a message's request, without credentials. */
export function requestLine({ execution, lambdaProxyMessage }: Message): string | undefined {
  if (!lambdaProxyMessage || execution.type === SCHEDULE) return undefined;
  const base = execution["baseUrl"] ?? execution["functionUrl"];
  const before = typeof base === "string" && URL.canParse(base) ? new URL(base).pathname.replace(/\/$/, "") : "";
  const path = maskedAddress(before + lambdaProxyMessage.path).slice(0, LONGEST_PATH);
  return `${lambdaProxyMessage.httpMethod} ${path.toWellFormed()}`;
}
