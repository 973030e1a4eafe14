import { createHash } from "node:crypto";

// Conditional requests (RFC 9110, section 13): a page that asks again and again is sent only what has changed.

/** A weak tag, since it leaves out the time that each answer in an envelope carries. */
export function tagOf(text: string): string {
  return `W/"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}

/** Whether the header `If-None-Match` names the tag, by the weak comparison. */
export function isKnown(tag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch?.trim() === "*") return true;
  const opaque = (text: string) => text.replace(/^W\//, "");
  return (ifNoneMatch?.match(/(?:W\/)?"[^"]*"/g) ?? []).some((known) => opaque(known) === opaque(tag));
}
