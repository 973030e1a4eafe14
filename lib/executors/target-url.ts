import * as z from "zod";
import type { ErrorDetail } from "../errors.ts";
import type { ProxyMessage } from "../job.ts";
import { isPublicAddress, literalAddress } from "./public-address.ts";

/** A URL that paths can be put behind: http or https, without credentials, query or fragment. */
export const httpBaseUrl = z
  .string()
  .max(2_048)
  .superRefine((value, context) => {
    const problem = baseUrlProblem(value);
    if (problem) context.addIssue({ code: "custom", message: problem });
  });

function baseUrlProblem(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return "expected a URL that begins with https:// or http://";
  if (url.username || url.password) return "must not hold a user name or password; use the Authorization header";
  if (url.search || url.hash) return "must not hold a query or fragment; use queryStringParameters";
  return undefined;
}

/**
 * baseUrl + path + query. The path is set on the parsed base: joined as text, `@evil.com/` or `//evil.com`
 * would name another host. A query within `path` is kept, before queryStringParameters.
 */
export function targetUrl(
  baseUrl: string,
  request: Pick<ProxyMessage, "path" | "queryStringParameters"> = { path: "" },
): URL {
  const url = new URL(baseUrl);
  const { origin } = url;
  const [path = "", ...query] = request.path.split("?");
  url.pathname = `${url.pathname.replace(/\/$/, "")}${path}`;
  url.search = [query.join("?"), new URLSearchParams(request.queryStringParameters ?? {}).toString()]
    .filter((part) => part !== "")
    .join("&")
    // A space may be either, but a signature over the query knows only this one.
    .replaceAll("+", "%20");
  if (url.origin !== origin) throw new Error("The path must not change the host");
  return url;
}

/** Refuses an address that is not public where the URL says it literally; names are checked when connecting. */
export function refuseTarget(field: string, url: string, allowPrivateTargets: boolean): ErrorDetail[] {
  const address = literalAddress(new URL(url).hostname);
  if (allowPrivateTargets || address === undefined || isPublicAddress(address)) return [];
  return [{ field, message: "must not be a private, loopback or otherwise reserved address" }];
}
