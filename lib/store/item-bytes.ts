import type { Detail } from "../job/attempt.ts";
import type { Item } from "./table.ts";

// What items weigh, by DynamoDB's rule, and what fits into their write units.

/** One write unit, the limit for the item of a delivered job. */
const INLINE_ITEM_BYTES = 1_024;
/** The bytes that its operation id, claim and success add to an item: 59, and some for a long duration. */
const GROWTH_BYTES = 64;

/** Whether the item stays within one write unit until its job has succeeded. */
export function fitsInline(item: Item): boolean {
  return chargedBytes(item) + GROWTH_BYTES <= INLINE_ITEM_BYTES;
}

/** An item is charged as a map without its overhead. */
function chargedBytes(item: Item): number {
  let bytes = 0;
  for (const name of Object.keys(item)) {
    if (item[name] !== undefined) bytes += Buffer.byteLength(name) + itemBytes(item[name]);
  }
  return bytes;
}

/** The operation id of the write, an expiry date, and some more digits. */
const SPARE_BYTES = 64;

/** The bytes that an item may grow by without another write unit. */
export function roomIn(item: Item): number {
  const left = INLINE_ITEM_BYTES - (chargedBytes(item) % INLINE_ITEM_BYTES);
  return Math.max(left - SPARE_BYTES, 0);
}

/** As much of a detail as fits into so many bytes: its time, its timings, then its excerpt, then headers. */
export function fitting({ sentAt, timings, responseExcerpt = "", responseHeaders = {} }: Detail, room: number): Detail {
  let left = room;
  const takes = (name: string, value: unknown) => {
    const bytes = Buffer.byteLength(name) + itemBytes(value) + 1;
    if (bytes > left) return false;
    left -= bytes;
    return true;
  };
  const isTimed = sentAt !== undefined && takes("sentAt", sentAt);
  const has = timings !== undefined && takes("timings", timings);
  const most = Math.max(left - "responseExcerpt".length - 1, 0);
  const excerpt = startOf(responseExcerpt, most);
  const keepsExcerpt = excerpt !== "" && takes("responseExcerpt", excerpt);
  const headers = takes("responseHeaders", {})
    ? Object.entries(responseHeaders).filter(([name, value]) => takes(name, value))
    : [];
  return {
    ...(isTimed && { sentAt }),
    ...(has && { timings }),
    ...(keepsExcerpt && { responseExcerpt: excerpt }),
    ...(headers.length > 0 && { responseHeaders: Object.fromEntries(headers) }),
  };
}

/** The start of a text, in whole characters, that has at most so many bytes. */
function startOf(text: string, most: number): string {
  if (Buffer.byteLength(text) <= most) return text;
  return new TextDecoder().decode(Buffer.from(text).subarray(0, most), { stream: true });
}

/** Of a map or list, beside a byte for each of its entries. */
const MAP_BYTES = 3;

/** By DynamoDB's rule: names and text by their bytes, numbers about half a byte a digit. */
function itemBytes(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value === "number") return Math.ceil(String(value).length / 2) + 1;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 1;
  const entries = Object.values(value).filter((entry) => entry !== undefined);
  return MAP_BYTES + entries.length + chargedBytes(value as Item);
}
