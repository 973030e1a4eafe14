import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { jsonBytes } from "../lib/api/http/json-bytes.ts";
import { echo } from "./echo.ts";
import { answer as refuse, type Guard } from "./guard.ts";
import type { Invoke } from "./lambda.ts";
import type { BucketLinks } from "./bucket-links.ts";
import type { LocalPages } from "./local-pages.ts";
import { within } from "./within.ts";

// An API Gateway HTTP API on this machine, with its limits.

const LARGEST_BODY = 10 * 1_024 * 1_024;
const LARGEST_HEADERS = 10 * 1_024;
/** Lambda's limit for an event and for an answer, as JSON. */
const LARGEST_EVENT = 6 * 1_024 * 1_024;
/** A text of this many characters stays under the limit even if each one takes the most bytes in JSON. */
const CERTAINLY_FITS = 900_000;
const LONGEST_REQUEST_MS = 30_000;

interface Parts {
  readonly routes: ReadonlyMap<string, Invoke>;
  /** Serves the paths under `/lambda-url/`. */
  readonly functionUrl: FunctionUrl;
  /** Serves those under `/local/`. */
  readonly pages: LocalPages;
  readonly guard: Guard;
  /** Serves the files of the bucket where other machines can't reach it. */
  readonly links: BucketLinks;
}

export function createGateway({ routes, functionUrl, pages, guard, links }: Parts): Server {
  const table = [...routes].map(([key, invoke]) => ({ ...matcherOf(key), invoke }));
  return createServer((request, response) => {
    const refused = guard.refuseHost(request);
    if (refused) return refuse(response, refused);
    if (links.serve(request, response)) return;
    handle(request, response).catch(() => reply(response, 500, "Internal Server Error"));
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(`http://gateway${request.url ?? "/"}`);
    const headersSize = request.rawHeaders.reduce((size, text) => size + text.length + 2, 0);
    if (headersSize > LARGEST_HEADERS) return reply(response, 431, "Request Header Fields Too Large");
    const body = await bodyOf(request);
    if (!body) return reply(response, 413, "Request Entity Too Large");
    if (/^\/echo(\/|$)/.test(url.pathname)) {
      pages.noteEcho(request, url, body);
      return echo(request, url, body, response);
    }
    const page = await pages.answer(request, url);
    if (page) return send(response, page);
    const [, name, path] = /^\/lambda-url\/([^/]+)(\/.*)?$/.exec(url.pathname) ?? [];
    if (name !== undefined) {
      const event = eventOf("$default", request, new URL(`${path ?? "/"}${url.search}`, url), {}, body);
      return send(response, await functionUrl(name, request, body, event));
    }

    const found = routeOf(request.method ?? "", url.pathname);
    if (!found) return reply(response, 404, "Not Found");
    const event = eventOf(found.key, request, url, found.parameters, body);
    if (body.length > CERTAINLY_FITS && tooLarge(event)) return reply(response, 413, "Request Entity Too Large");
    const answer = (await within(LONGEST_REQUEST_MS, found.invoke(event), () => undefined)) as
      | APIGatewayProxyStructuredResultV2
      | undefined;
    if (!answer) return reply(response, 503, "Service Unavailable");
    if ((answer.body?.length ?? 0) > CERTAINLY_FITS && tooLarge(answer))
      return reply(response, 500, "Internal Server Error");
    send(response, links.named(answer, request.headers.host));
  }

  function routeOf(method: string, pathname: string) {
    for (const { key, match, invoke } of table) {
      const parameters = match(method, pathname);
      if (parameters) return { key, parameters, invoke };
    }
    return undefined;
  }
}

function tooLarge({ body = "", ...others }: { readonly body?: string | undefined }): boolean {
  return Buffer.byteLength(JSON.stringify(others)) + jsonBytes(body) > LARGEST_EVENT;
}

/** Answers a call of a function's URL. */
export type FunctionUrl = (
  name: string,
  request: IncomingMessage,
  body: Buffer,
  event: APIGatewayProxyEventV2,
) => Promise<APIGatewayProxyStructuredResultV2>;

/** Routes with more fixed segments are tried first; `*` is the default route. */
function matcherOf(key: string) {
  if (key === "*") return { key: "$default", match: () => ({}) };
  const [method = "", path = ""] = key.split(" ");
  const pattern = new RegExp(`^${path.replace(/\{(\w+)\+\}/g, "(?<$1>.+)").replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`);
  return {
    key,
    match: (asked: string, pathname: string) => {
      const found = asked === method ? pattern.exec(pathname) : null;
      return (
        found && Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decoded(value)]))
      );
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The whole body, or undefined if it is too large; its rest is then read and dropped. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    request
      .on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= LARGEST_BODY) chunks.push(chunk);
      })
      .once("end", () => resolve(size <= LARGEST_BODY ? Buffer.concat(chunks) : undefined))
      .once("error", reject);
  });
}

function eventOf(
  routeKey: string,
  request: IncomingMessage,
  url: URL,
  pathParameters: Record<string, string>,
  body: Buffer,
): APIGatewayProxyEventV2 {
  const headers = Object.fromEntries(
    Object.entries(request.headersDistinct).map(([name, values = []]) => [name, values.join(",")]),
  );
  // Coded bytes are no text, whatever they hold.
  const text =
    headers["content-encoding"] === undefined &&
    /^(text\/|application\/(.+\+)?(json|xml|javascript))/i.test(headers["content-type"] ?? "application/json");
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) query[name] = name in query ? `${query[name]},${value}` : value;
  const now = new Date();
  const method = request.method ?? "";
  return {
    version: "2.0",
    routeKey,
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers,
    ...(url.search && { queryStringParameters: query }),
    ...(Object.keys(pathParameters).length > 0 && { pathParameters }),
    requestContext: {
      accountId: "local",
      apiId: "local",
      domainName: headers["host"] ?? "",
      domainPrefix: "local",
      http: {
        method,
        path: url.pathname,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress ?? "",
        userAgent: headers["user-agent"] ?? "",
      },
      requestId: randomUUID(),
      routeKey,
      stage: "$default",
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 && { body: body.toString(text ? "utf8" : "base64") }),
    isBase64Encoded: body.length > 0 && !text,
  };
}

function send(response: ServerResponse, answer: APIGatewayProxyStructuredResultV2): void {
  const { statusCode = 200, headers = {}, body = "", isBase64Encoded } = answer;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, String(value));
  response.statusCode = statusCode;
  // Text goes out with the headers in one write, bytes in a second one.
  response.end(isBase64Encoded ? Buffer.from(body, "base64") : body);
}

function reply(response: ServerResponse, statusCode: number, message: string): void {
  const headers = { "content-type": "application/json" };
  send(response, { statusCode, headers, body: JSON.stringify({ message }) });
}
