import * as z from "../zod.ts";
import type { ErrorDetail } from "../errors.ts";
import { atFirstUse } from "../job/at-first-use.ts";
import { isAmbiguousPath, matchesUrl } from "./patterns.ts";
import { literalAddress } from "./literal-address.ts";
import type { ProxyMessage } from "../job/message.ts";
import { parametersOf } from "../job/multi-values.ts";
import type { Rules } from "./rules.ts";

/** A URL to which paths are appended: http or https, without credentials, query or fragment. */
export const httpBaseUrl = httpUrl((url) =>
  url.search || url.hash ? "must not hold a query or fragment; use queryStringParameters" : undefined,
);

/** A whole URL: http or https, without credentials or fragment. */
export const wholeUrl = httpUrl((url) => (url.hash ? "must not hold a fragment" : undefined));

function httpUrl(problemOf: (url: URL) => string | undefined) {
  return z.string().check(
    z.maxLength(2_048),
    z.superRefine((value, context) => {
      const url = URL.canParse(value) ? new URL(value) : undefined;
      const message = url ? (commonProblem(url) ?? problemOf(url)) : NOT_HTTP;
      if (message) context.addIssue({ code: "custom", message });
    }),
  );
}

const NOT_HTTP = "expected a URL that begins with https:// or http://";

function commonProblem(url: URL): string | undefined {
  if (!/^https?:$/.test(url.protocol)) return NOT_HTTP;
  if (url.username || url.password) return "must not hold a user name or password; use the Authorization header";
  return undefined;
}

/**
 * baseUrl + path + query. The path is set on the parsed base: joined as text, `@evil.com/` or `//evil.com`
 * would name another host. A query within `path` is kept as it is written, before
 * queryStringParameters.
 */
export function targetUrl(
  baseUrl: string,
  request: Pick<ProxyMessage, "path" | "queryStringParameters" | "multiValueQueryStringParameters"> = { path: "" },
): URL {
  const url = new URL(baseUrl);
  const { origin } = url;
  const [path = "", ...query] = request.path.split("?");
  url.pathname = `${url.pathname.replace(/\/$/, "")}${path}`;
  url.search = [query.join("?"), new URLSearchParams(parametersOf(request)).toString().replaceAll("+", "%20")]
    .filter((part) => part !== "")
    .join("&");
  if (url.origin !== origin) throw new Error("The path must not change the host");
  return url;
}

/** The URL with each `+` of its query as `%20`: both are a space, but a signature over the query needs this one. */
export function signable(url: URL): URL {
  const same = new URL(url);
  same.search = url.search.replaceAll("+", "%20");
  return same;
}

/** Few requests name an address. */
const publicAddress = atFirstUse(async () => import("./public-address.ts"));

/** The problems of a URL as a target, by its text alone: the addresses of a name are checked at the connection. */
export async function targetProblem(url: URL, rules: TargetRules): Promise<string | undefined> {
  const { allowPrivateTargets, allowedCallbackUrls } = rules;
  const address = literalAddress(url.hostname);
  if (!allowPrivateTargets && address !== undefined && !(await publicAddress()).isPublicAddress(address)) {
    return "must not be a private, loopback or otherwise reserved address";
  }
  if (allowedCallbackUrls.length > 0) {
    if (allowedCallbackUrls.some((pattern) => matchesUrl(pattern, url))) return undefined;
    return isAmbiguousPath(url.pathname)
      ? AMBIGUOUS
      : "is not among the app's allowedCallbackUrls; an administrator of the app can add it";
  }
  if (allowPrivateTargets || (url.protocol === "https:" && url.port === "")) return undefined;
  return "must be https on port 443, unless the app's allowedCallbackUrls name it";
}

const AMBIGUOUS =
  "is not among the app's allowedCallbackUrls: below a path that they name, no encoded slash, dot, percent, semicolon or control character is allowed, for servers read these in different ways";

export type TargetRules = Pick<Rules, "allowPrivateTargets" | "allowedCallbackUrls">;

export async function refuseTarget(field: string, url: URL, rules: TargetRules): Promise<ErrorDetail[]> {
  const message = await targetProblem(url, rules);
  return message === undefined ? [] : [{ field, message }];
}
