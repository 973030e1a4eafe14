import { createHash } from "node:crypto";
import { SECOND } from "../clock.ts";
import type { Origin } from "../datasets/dataset.ts";
import type { AnswerHeaders } from "../outbound/answer-body.ts";
import type { Sync } from "./sync-payload.ts";

// Whether a source has changed, by conditional requests.

/** The same for the same question. */
export function keyOf(asked: Sync): string {
  return createHash("sha256").update(JSON.stringify(asked)).digest("base64url");
}

/** In characters. */
const LONGEST_VALIDATOR = 300;

/** Of RFC 9110, or without its quotes, as some servers write it. Not `*`, which fits whatever the source has, and no list. */
const TAG = /^(?:W\/)?"[\x20\x21\x23-\x7e]*"$|^[\x21\x23-\x29\x2b\x2d-\x7e]+$/;

/** How to ask whether the answer has changed; `undefined` if it does not say. */
export function originOf(asked: Sync, headers: AnswerHeaders): Origin | undefined {
  const value = (name: string) => [headers[name] ?? ""].flat()[0]?.trim() ?? "";
  const etag = value("etag");
  if (TAG.test(etag) && etag.length <= LONGEST_VALIDATOR) {
    // Apache names the coding in the tag of an answer that it has compressed, and then does not know that tag any more.
    const plain = etag.replace(/--?(?:gzip|br|zstd|deflate)"$/, '"');
    const tags = plain === etag ? etag : `${etag}, ${plain}`;
    return { key: keyOf(asked), conditions: { "if-none-match": tags } };
  }
  const lastModified = value("last-modified");
  // A source that has changed within the last second may change again within it (RFC 9110 §8.8.2.2).
  const isSettled = Date.parse(lastModified) + SECOND <= Date.parse(value("date"));
  if (!isSettled || lastModified.length > LONGEST_VALIDATOR) return undefined;
  return { key: keyOf(asked), conditions: { "if-modified-since": lastModified } };
}
