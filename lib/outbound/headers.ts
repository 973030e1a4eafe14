import type { ProxyMessage } from "../job/message.ts";
import * as z from "zod";

// Many firewalls refuse a request without a user agent.
export const DEFAULT_HEADERS = { "user-agent": "unified-job-api" };

/** Headers of the connection, of this service, and of proxies and AWS. Many servers read `_` as `-`. */
const NOT_FORWARDED =
  /^(host|content-length|connection|keep-alive|te|trailer|transfer-encoding|upgrade|http2-settings|expect|forwarded|x-job-id|x-job-attempt|proxy-.*|x-forwarded-.*|x-amz-.*|webhook-.*)$/;

/** The caller's headers without those that are not forwarded. */
export function forwardable(headers: ProxyMessage["headers"]): Record<string, string> {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const perConnection = new Set(lower.flatMap(([name, value]) => (name === "connection" ? namesIn(value) : [])));
  return Object.fromEntries(
    lower.filter(([name]) => !NOT_FORWARDED.test(name.replaceAll("_", "-")) && !perConnection.has(name)),
  );
}

function namesIn(list: string): string[] {
  return list.split(",").map((name) => name.trim().toLowerCase());
}

const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,256}$/, "is not a valid header name");

const headerValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must be Latin-1 text without line breaks");

export const headers = z.record(headerName, headerValue);

const LARGEST_SMALL_HEADERS = 8 * 1_024;

export const fitsIn = (bytes: number) => (value: object) => JSON.stringify(value).length <= bytes;

/** For callbacks and the requests of tasks. */
export const smallHeaders = headers.refine(fitsIn(LARGEST_SMALL_HEADERS), "must not be larger than 8 KB").default({});
