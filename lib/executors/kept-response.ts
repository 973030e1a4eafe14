import type { Outcome } from "../job/attempt.ts";
import type { Kept } from "../outbound/send.ts";
import type { RunningAttempt } from "./executor.ts";

// The answer that a job keeps when it ends the job well.

/** An item of the table has at most 400 KB, and a payload that goes into one 256 KB too. */
export const LARGEST_KEPT = 256 * 1_024;
/** Longer headers say nothing that anybody needs. */
const LONGEST_HEADER = 255;
const ENCODINGS = /^(?:gzip|deflate|br|zstd)$/i;

export function keeps({ message }: Pick<RunningAttempt, "message">): boolean {
  return message.metadata.keepResponse === true;
}

/** The fields of an outcome. */
export function keptOf({
  body,
  contentType,
  contentEncoding,
}: Kept): Pick<Outcome & { kind: "succeeded" }, "response" | "body"> {
  const about = {
    ...(contentType !== undefined && contentType.length <= LONGEST_HEADER && { contentType }),
    ...(contentEncoding !== undefined && ENCODINGS.test(contentEncoding) && { contentEncoding }),
  };
  if (typeof body === "string") return { response: { ...about, missing: body } };
  return { response: { ...about, bytes: body.length }, body };
}
