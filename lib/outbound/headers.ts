import * as z from "../zod.ts";
import { lowerCase, twinsIn, type Values } from "../job/multi-values.ts";

// Many firewalls refuse a request without a user agent.
export const DEFAULT_HEADERS = { "user-agent": "unified-job-api" };

/** Headers of the connection and of this service. */
const NOT_SENT =
  /^(host|content-length|connection|keep-alive|te|trailer|transfer-encoding|upgrade|http2-settings|expect|x-job-id|x-job-attempt|webhook-.*)$/;

/**
 * Headers in which proxies, load balancers and AWS tell a server who is calling, from where and for what. A server
 * behind one believes them, so that they must not come from a job.
 */
const OF_PROXIES = new RegExp(
  `^(?:${[
    "via|max-forwards|forwarded|forwarded-.*|x-forward-.*|x-forwarded|x-forwarded-.*|proxy|proxy-.*|x-proxy-.*|cdn-loop",
    "(?:x-)?(?:client|cluster-client|true|true-client|real|source|peer|remote|proxyuser)-?ip|x-forwardedfor",
    // Each vendor has one of its own.
    "[a-z0-9-]+-(?:client|connecting|connection|real|src|source|remote)-ip|[a-z0-9-]+-forwarded-for|x-bluecoat-via",
    "x-originating-.*|x-real-.*|x-true-client-.*|true-client-.*",
    "remote-.*|x-remote-.*|x-auth-request-.*|client-cert.*|x-client-(?:cert|dn|verify|subject).*|ssl-.*|x-ssl|x-ssl-.*",
    "x-original-.*|x-rewrite-.*|x-replaced-.*|x-waws-.*|disguised-host|x-host|x-http-host-override|x-scheme|x-url-scheme|front-end-https|x-middleware-.*",
    "x-amz-.*|x-amzn-.*|x-apigateway-.*|cloudfront-.*|x-accel-.*|x-akamai-.*|x-arr-.*|x-azure-.*|x-envoy-.*",
    // Only some, since others are what a client shows to these services.
    "cf-connecting-.*|cf-ip.*|cf-pseudo-ipv4|cf-ray|cf-visitor|cf-worker|cf-ew-via|cf-access-(?:jwt|authenticated)-.*",
    "fastly-(?:client|orig|ff|ssl|temp).*|fly-(?:client|forwarded)-.*|x-nf-client-.*|x-vercel-(?:forwarded|ip|proxied)-.*",
    "x-appengine-.*|x-goog-iap-.*|x-goog-authenticated-.*|x-endpoint-api-userinfo|x-ms-client-principal.*|x-ms-token-.*",
    "wl-proxy-.*|incap-client-.*|x-sucuri-.*|do-connecting-.*|ali-cdn-.*|x-custom-ip-.*|http-(?:client-ip|forwarded.*|via|x-.*)",
    // Whom a gateway, or a proxy that asks for a login, has found the caller to be.
    "oidc-.*|l5d-client-id|l5d-remote-.*|x-spiffe-.*|dapr-caller-.*|x-apisix-.*|x-consumer-.*|x-anonymous-consumer|x-userinfo|x-jwt-assertion|x-credential-.*|x-authenticated-.*|x-webauth-.*|x-authentik-.*|x-pomerium-.*|tailscale-user-.*",
  ].join("|")})$`,
);

/** The caller's headers without those of the connection, of this service and of proxies. */
export function forwardable(headers: Values): Record<string, string | string[]> {
  const lower = Object.entries(lowerCase(headers));
  const perConnection = new Set(lower.flatMap(([name, value]) => (name === "connection" ? namesIn(value) : [])));
  const sent = lower.filter(([name]) => !NOT_SENT.test(plain(name)) && !perConnection.has(name));
  return withoutProxies(Object.fromEntries(sent));
}

/** The headers without those that only a proxy may set. */
export function withoutProxies<T>(headers: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_PROXIES.test(plain(name))));
}

/** Many servers read `_` as `-`, and other signs too. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-");
}

function namesIn(list: string | readonly string[]): string[] {
  return String(list)
    .split(",")
    .map((name) => name.trim().toLowerCase());
}

const headerName = z.string().check(z.regex(/^[\w!#$%&'*+.^`|~-]{1,256}$/, "is not a valid header name"));

const headerValue = z.string().check(z.regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must be Latin-1 text without line breaks"));

export const headers = z.record(headerName, headerValue).check(z.superRefine(refuseTwins));

const headerValues = z.array(headerValue).check(z.minLength(1));

export const multiValueHeaders = z.record(headerName, headerValues);

/** Each with one value, or a list of them. */
export const headersWithLists = z
  .record(headerName, z.union([headerValue, headerValues], { error: "expected a text, or a list of at least one" }))
  .check(z.superRefine(refuseTwins));

function refuseTwins(named: Values, context: z.core.$RefinementCtx): void {
  for (const { path, message } of twinsIn(named)) context.addIssue({ code: "custom", path: [...path], message });
}

const LARGEST_SMALL_HEADERS = 8 * 1_024;

export const fitsIn = (bytes: number) => (value: object) => JSON.stringify(value).length <= bytes;

/** For callbacks and the requests of tasks. */
export const smallHeaders = z._default(
  headers.check(z.refine(fitsIn(LARGEST_SMALL_HEADERS), "must not be larger than 8 KB")),
  {},
);
