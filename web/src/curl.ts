import type { JobDetail } from "./api/shapes.ts";
import { isJson } from "./parts/json.tsx";
import { hasHidden } from "./parts/text.tsx";
import { configText } from "./what.ts";

/** What stands in the place of credentials, which this page is not shown. */
const MASK = "***";
/** Linux takes no longer argument than 128 KB. What is built into the shell takes any. */
const LONGEST_ARGUMENT = 100_000;
/** Headers of the connection, which curl sets for its own. */
const NOT_SENT = /^(?:host|content-length|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect)$/i;

/**
 * A job's request as a command for any shell, which sends the same bytes. A credential is `$TOKEN`. Undefined for what is
 * no request by HTTP, or is too large to be here.
 */
export function curlOf(job: JobDetail): string | undefined {
  const { lambdaProxyMessage: request, executionType } = job;
  if (!request || (executionType !== "rest-api" && executionType !== "lambda-url")) return undefined;
  const { httpMethod: method, body, isBase64Encoded } = request;
  const url = urlOf(configText(job, "baseUrl", "functionUrl"), request);
  // Brackets and braces would name several URLs.
  const glob = /[[\]{}]/.test(url) ? "-g " : "";
  const lines = [`curl ${glob}${method === "HEAD" ? "--head" : `-X ${method}`} ${inShell(url)}`];
  for (const [name, value] of headersOf(request)) lines.push(`  -H ${header(name, value)}`);
  const command = (...more: readonly string[]) => [...lines, ...more].join(" \\\n");
  if (body === null || body === "") return command();
  if (isBase64Encoded) return `printf %s ${quoted(body)} | base64 -d | ${command("  --data-binary @-")}`;
  // No argument holds a NUL, and what is not seen could make a terminal do things.
  if (hasHidden(body)) return `printf %s ${base64(body)} | base64 -d | ${command("  --data-binary @-")}`;
  if (body.length > LONGEST_ARGUMENT) return `printf %s ${quoted(body)} | ${command("  --data-binary @-")}`;
  // Unlike --data-binary, it takes a body that begins with @ for what it is.
  return command(`  --data-raw ${quoted(body)}`);
}

type Request = NonNullable<JobDetail["lambdaProxyMessage"]>;

/** As the service puts it together. */
function urlOf(base: string, { path, queryStringParameters, multiValueQueryStringParameters }: Request): string {
  if (!URL.canParse(base)) return base + path;
  const url = new URL(base);
  const [ownPath = "", ...query] = path.split("?");
  url.pathname = url.pathname.replace(/\/$/, "") + ownPath;
  const more = new URLSearchParams(
    valuesOf(queryStringParameters ?? {}, multiValueQueryStringParameters).map(([name, value]) => [name, value]),
  ).toString();
  // A query within the path stays as it is written.
  const all = [query.join("?"), more.replaceAll("+", "%20")].filter((part) => part !== "");
  url.search = all.join("&");
  return url.href;
}

/** With the type that the service gives to JSON, and none where it gives none: curl would call it a form. */
function headersOf({ headers, multiValueHeaders, body, isBase64Encoded }: Request): readonly Named[] {
  const own = valuesOf(headers, multiValueHeaders).filter(([name]) => !NOT_SENT.test(name));
  const isTyped = own.some(([name]) => name.toLowerCase() === "content-type");
  const hasBody = body !== null && body !== "";
  if (isTyped || !hasBody) return own;
  return [
    ...own,
    ["content-type", !isBase64Encoded && /^\s*[[{]/.test(body) && isJson(body) ? "application/json" : NONE],
  ];
}

type Named = readonly [name: string, value: string];

/** Each value by itself; where a name has a list, the list counts. */
function valuesOf(single: Readonly<Record<string, string>>, lists: Request["multiValueHeaders"]): readonly Named[] {
  const all = { ...single, ...lists };
  return Object.entries(all).flatMap(([name, value]) => [value].flat().map((each) => [name, each] as const));
}

/** No header of this name, not even curl's own. */
const NONE = "\0";

function header(name: string, value: string): string {
  if (value === NONE) return quoted(`${name}:`);
  return value === "" ? quoted(`${name};`) : inShell(`${name}: ${value}`);
}

/** Masks become `$TOKEN`. Headers are Latin-1, so that what is not ASCII is written by its bytes. */
function inShell(text: string): string {
  return text
    .split(MASK)
    .map((part) => part.replaceAll(/[^ -~]+|[ -~]+/g, (run) => (/[ -~]/.test(run) ? quoted(run) : bytes(run))))
    .join('"$TOKEN"');
}

function bytes(text: string): string {
  const octal = Array.from(text, (each) => `\\${(each.codePointAt(0) ?? 0).toString(8).padStart(3, "0")}`);
  return `"$(printf '${octal.join("")}')"`;
}

function base64(text: string): string {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** For a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
