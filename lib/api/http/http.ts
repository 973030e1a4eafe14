import middy from "@middy/core";
import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { ClientError, Unavailable, type ErrorCode } from "../../errors.ts";
import { parts, type ServiceParts } from "../../parts.ts";
import type { Budget } from "../../store/rates.ts";
import { authenticate, isInternal, isScraper, type Caller } from "./auth.ts";
import {
  formOf,
  isContainer,
  isMultipart,
  jsonBody,
  parse,
  refuseHalfPairs,
  type Event,
  type Reading,
} from "./body.ts";
import { isKnown, tagOf } from "./conditional.ts";
import { corsHeaders, preflight } from "./cors.ts";
import { jsonBytes } from "./json-bytes.ts";
import type { FormFile } from "./multipart.ts";
import { PROBLEM, explain, problemOf, retryAfter } from "./refusal.ts";

export type Answers = Readonly<Record<number, z.ZodMiniType>>;

/** One endpoint. Body and query are parsed before `handle` is called. */
export interface Route<Body = unknown, Query = unknown> extends Reading {
  /** Method and path in the form of API Gateway: `GET /v1/admin/jobs/{id}`. */
  readonly key: string;
  /** With `summary`, the texts of the API document. */
  readonly id: string;
  readonly summary: string;
  /** The successful answers, by status. By a function, where the schemas, of which the document is made, would delay a first request. */
  readonly answers: Answers | (() => Promise<Answers>);
  /** The errors beside those that every route of its kind has. */
  readonly refusals?: readonly ErrorCode[];
  /** Takes the header `Idempotency-Key`; a replay is answered 200 where the first answer is another. */
  readonly idempotent?: true;
  /** Takes the header `If-Match` with the version that is to be changed. */
  readonly versioned?: true;
  /** Complete requests for the API document; `target` is a URL that accepts anything. */
  readonly examples?: (target: string) => Readonly<Record<string, unknown>>;
  /** Content types of the answer 200. Default: JSON. */
  readonly contentTypes?: readonly string[];
  readonly body?: z.ZodMiniType<Body>;
  /** Set for a POST that changes nothing: a viewer may send it. A GET never changes anything. */
  readonly reads?: true;
  /** The endpoint that replaces this one for new clients, told in the header `Link`. */
  readonly successor?: string;
  /** Also with a slash behind its path, which API Gateway sends to the default route. */
  readonly takesSlash?: true;
  /** Content types of the body. Default: JSON. Any is read as JSON. */
  readonly bodyTypes?: readonly string[];
  /** The fields of a form, for routes that accept one beside JSON. The file comes as `file`. */
  readonly form?: z.ZodMiniType<Body>;
  readonly query?: z.ZodMiniType<Query>;
  /** The query parameters that may be repeated. `,`: a comma separates values too. */
  readonly repeated?: Readonly<Record<string, "," | "">>;
  /** Throws FORBIDDEN. `internal` needs the operator's token, `scrape` that of the metrics. Absent: the endpoint is open to everyone. */
  readonly access?: ((caller: Caller) => void) | "internal" | "scrape";
  handle(request: Request<Body, Query>, service: ServiceParts): Promise<Answer>;
}

export interface Request<Body, Query> {
  readonly caller: Caller;
  readonly body: Body;
  /** Present if the body was a form. */
  readonly file?: FormFile;
  readonly query: Query;
  readonly path: Readonly<Record<string, string | undefined>>;
  /** A slash stands behind the path. */
  readonly hasSlash?: true;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface Answer {
  readonly status: number;
  /** Sent as JSON; bytes are sent unchanged, with the `content-type` of `headers`. */
  readonly body: unknown;
  /** The body to send in its place if it would exceed Lambda's limit. */
  readonly ifTooLarge?: () => unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Lambda's limit is 6 MB for the answer, which holds the body as a JSON string. */
const LARGEST_ANSWER = 5.9 * 1_024 * 1_024;
/** A character takes at most six bytes after two escapings, so fewer characters always fit. */
const CERTAINLY_FITS = 900_000;

export function route<Body, Query>(definition: Route<Body, Query>): Route {
  return definition;
}

/** Lambda is about to end the function: nobody can say whether the request took effect. */
const OUT_OF_TIME = {
  timeoutEarlyResponse: () => {
    throw new Unavailable("The answer", "the time of the function is over");
  },
};

/** The Lambda handler that serves these endpoints. */
export function httpFunction(routes: readonly Route[]) {
  const byKey = new Map(routes.map((each) => [each.key, each]));
  const takesJson = (event: Event) => {
    const found = byKey.get(event.routeKey);
    return found?.body !== undefined && !isForm(found, event);
  };
  return middy(async (event: Event) => {
    const asked = preflight(event.requestContext.http.method, event.headers);
    if (asked) return { statusCode: 204, headers: asked };
    const found = byKey.get(event.routeKey) ?? routes.find((each) => each.takesSlash && isBefore(each, event));
    if (!found) throw noSuchEndpoint(event);
    return serve(found, event);
  }, OUT_OF_TIME).use([stamps(), errorAnswers(), jsonBody(takesJson, (event) => byKey.get(event.routeKey))]);
}

/** Whether the path of a route, and a slash, is what was asked for. */
function isBefore({ key }: Route, { requestContext, rawPath }: Event): boolean {
  const [method, path] = key.split(" ");
  return method === requestContext.http.method && rawPath.endsWith(`${path}/`);
}

async function serve(found: Route, event: Event): Promise<APIGatewayProxyStructuredResultV2> {
  const headers = withPlainKey(event.headers);
  const caller = await callerOf(found, event);
  const form = isForm(found, event) ? await formOf(event) : undefined;
  const body = form ? found.form && parse(found.form, form.fields, "body") : bodyOf(found, event);
  refuseHalfPairs(event.queryStringParameters, "query");
  const query = found.query && parse(found.query, queryOf(found, event), "query");
  const path = event.pathParameters ?? {};
  const slash = event.rawPath.endsWith("/") && { hasSlash: true as const };
  const asked = { caller, body, query, path, headers, ...slash, ...(form && { file: form.file }) };
  const answer = await found.handle(asked, parts());
  const { successor } = found;
  const link = successor !== undefined && { link: `<${successor}>; rel="successor-version"` };
  const tagged = isTagged(found) ? { ifNoneMatch: headers["if-none-match"] } : undefined;
  return answerOf(link ? { ...answer, headers: { ...link, ...answer.headers } } : answer, tagged);
}

/** The headers with the key as it is in a body: the IETF's draft of `Idempotency-Key` has it in quotes. */
function withPlainKey(headers: Event["headers"]): Event["headers"] {
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(headers["idempotency-key"]?.trim() ?? "") ?? [];
  return quoted === undefined ? headers : { ...headers, "idempotency-key": quoted.replaceAll(/\\(["\\])/g, "$1") };
}

/** Whether the answer 200 has an `ETag`, and a request that names it gets 304. */
export function isTagged({ key, access, contentTypes }: Route): boolean {
  return key.startsWith("GET ") && typeof access === "function" && !contentTypes;
}

function bodyOf({ body }: Route, event: Event): unknown {
  return body && parse(body, event.body, "body");
}

/** API Gateway joins the values of a repeated parameter by commas, which they may hold themselves. */
function queryOf({ repeated = {} }: Route, { queryStringParameters = {}, rawQueryString }: Event): object {
  const sent = new URLSearchParams(rawQueryString);
  const lists = Object.entries(repeated).flatMap(([name, separator]) => {
    const joined = queryStringParameters[name];
    if (joined === undefined) return [];
    const whole = sent.has(name) ? sent.getAll(name) : [joined];
    const values = separator === "" ? whole : whole.flatMap((value) => value.split(separator));
    return [[name, values.length === 1 ? values[0] : values] as const];
  });
  return { ...queryStringParameters, ...Object.fromEntries(lists) };
}

function isForm({ form }: Route, { headers }: Event): boolean {
  return form !== undefined && isMultipart(headers["content-type"]);
}

/** Throws unless the caller may use the route. */
async function callerOf(asked: Route, event: Event): Promise<Caller> {
  const { access } = asked;
  if (!access) return NOBODY;
  const { authorization } = event.headers;
  if (typeof access === "string") {
    const exists = access === "internal" ? isInternal(authorization) : isScraper(authorization);
    if (!exists) throw noSuchEndpoint(event);
    return NOBODY;
  }
  const known = await authenticate(authorization, parts().clock.realNow());
  const caller = isReading(asked) ? { ...known, isReading: true } : known;
  access(caller);
  if (caller.appId !== undefined) await parts().apps.admit(caller.appId, budgetOf(asked));
  return caller;
}

function isReading({ key, reads }: Pick<Route, "key" | "reads">): boolean {
  return reads === true || key.startsWith("GET ");
}

/** What administrators read, and pages ask for again and again. */
const OF_ADMINISTRATORS = /^[A-Z]+ \/v1\/(?:me|admin|schedules|groups)\b/;

/**
 * The limit towards which requests count. Reads of administrators have one of their own, so that a page takes nothing
 * from those who create jobs; and so have changes of settings, so that they can be made when others are reached.
 */
export function budgetOf(asked: Pick<Route, "key" | "reads">): Budget {
  const { key } = asked;
  if (isReading(asked)) return OF_ADMINISTRATORS.test(key) ? "reads" : "requests";
  return key.includes("/apps/{appId}") ? "changes" : "requests";
}

function noSuchEndpoint({ requestContext, rawPath }: Event): ClientError {
  const message = `No such endpoint: ${requestContext.http.method} ${rawPath}`;
  return new ClientError("NOT_FOUND", message, [], { reason: "no_such_endpoint" });
}

const NOBODY: Caller = { sub: "nobody", roles: [], permissions: [] };

/** `tagged`: an answer 200 has a tag, and is not sent if that is the one of the header. */
function answerOf(
  { status, body, headers, ifTooLarge }: Answer,
  tagged?: { readonly ifNoneMatch: string | undefined },
): APIGatewayProxyStructuredResultV2 {
  if (body instanceof Uint8Array) {
    return {
      statusCode: status,
      headers: { ...headers },
      body: Buffer.from(body).toString("base64"),
      isBase64Encoded: true,
    };
  }
  const whole = JSON.stringify(body);
  const text = ifTooLarge && isTooLarge(whole) ? JSON.stringify(ifTooLarge()) : whole;
  // Browsers keep no copy: what belongs to a tenant is gone from the machine with the page.
  const ofTag = tagged && status === 200 && { etag: tagOf(text), "cache-control": "no-store" };
  if (ofTag && isKnown(ofTag.etag, tagged.ifNoneMatch)) return { statusCode: 304, headers: { ...ofTag, ...headers } };
  return {
    statusCode: status,
    headers: { "content-type": "application/json", ...ofTag, ...headers },
    body: isContainer(body) && "success" in body ? stamped(text) : text,
  };
}

/** Adds the time to the text of an envelope of the unified API. */
function stamped(envelope: string): string {
  return `${envelope.slice(0, -1)},"timestamp":"${iso(parts().clock.now())}"}`;
}

function isTooLarge(text: string): boolean {
  return text.length > CERTAINLY_FITS && jsonBytes(text) > LARGEST_ANSWER;
}

/** The envelope of the unified API; the time is added when it is sent. */
export function envelope(data: unknown): object {
  return { success: true, data };
}

// ---- Middleware ----

type Handling = {
  event: Event;
  response?: APIGatewayProxyStructuredResultV2;
  error: unknown;
  internal: { requestId?: string };
};

/** Adds to every answer the request id, which the caller may choose, and the CORS headers. */
function stamps() {
  const stamp = ({ event, response, internal }: Handling) => {
    if (!response) return;
    const own = { "x-request-id": internal.requestId ?? "", ...corsHeaders(event.headers) };
    response.headers = { ...response.headers, ...own };
  };
  return {
    before: ({ event, internal }: Handling) => {
      const own = event.headers["x-request-id"] ?? "";
      internal.requestId = /^[\w.:-]{1,128}$/.test(own) ? own : event.requestContext.requestId;
    },
    after: stamp,
    onError: stamp,
  };
}

/** Answers every error in the envelope of unified-job-api.md §4.3, or by RFC 9457. Internal errors show no detail. */
function errorAnswers() {
  return {
    onError: (handling: Handling) => {
      const { event, internal } = handling;
      const { method } = event.requestContext.http;
      const about = { method, route: event.routeKey, requestId: internal.requestId ?? "" };
      const { status, error, retryAfterSeconds } = explain(handling.error, about);
      const headers = retryAfter(status, retryAfterSeconds);
      handling.response = answerOf(
        wantsProblem(event)
          ? { status, body: problemOf(status, error), headers: { ...headers, "content-type": PROBLEM } }
          : { status, body: { success: false, error }, headers },
      );
    },
  };
}

function wantsProblem({ headers }: Event): boolean {
  return headers["accept"]?.toLowerCase().includes(PROBLEM) === true;
}
