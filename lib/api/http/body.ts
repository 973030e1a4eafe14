import { isUtf8 } from "node:buffer";
import { gunzipSync } from "node:zlib";
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import type * as z from "../../zod.ts";
import { ClientError, NOT_UTF8, badRequest, problemsIn, reasonOf } from "../../errors.ts";
import { EXPECTED_BASE64, isBase64 } from "../../job/base64.ts";
import { changingNumber, mayChange, parseAsWritten, parseExactly } from "../../job/exact-json.ts";
import { HALF_PAIR, halfPairIn, mayHaveHalfPair } from "../../job/well-formed.ts";
import { misplaced } from "./misplaced.ts";
import type { Form } from "./multipart.ts";
import { wrongTokenIn } from "./wrong-token.ts";

// The body of a request: its size and depth, as JSON or as a form, and its parsing by a schema.

/** `body` is a string until `jsonBody` has parsed it. */
export type Event = Omit<APIGatewayProxyEventV2, "body"> & { body?: unknown };

/** Escaped twice, a larger body could pass Lambda's limit of 6 MB. */
const LARGEST_BODY = 4 * 1_024 * 1_024;
const DEEPEST_NESTING = 32;

/** How a route has its body read. */
export interface Reading {
  /** The route itself refuses what could not be kept as it came (`refuseChanging`). Default: it is refused before. */
  readonly checksValues?: true;
  /** Is given the body with every number as the text writes it; returns the body that is parsed. */
  readonly asWritten?: (body: unknown) => unknown;
}

/** A middleware that parses a body as JSON, whatever its content type. Routes without a body ignore it. */
export function jsonBody(takesJson: (event: Event) => boolean, readingOf: (event: Event) => Reading | undefined) {
  return {
    before: ({ event }: { event: Event }) => {
      if (!event.body || !takesJson(event)) return;
      refuseLarge(event);
      const text = textOf(event);
      Object.assign(event, { body: parsed(text), isBase64Encoded: false });
      const { checksValues = false, asWritten } = readingOf(event) ?? {};
      if (asWritten) event.body = asWritten(parseAsWritten(text));
      else if (mayChange(text)) event.body = parseExactly(text);
      if (checksValues) return;
      if (mayChange(text)) refuseChangingNumbers(event.body, "body");
      if (mayHaveHalfPair(text)) refuseHalfPairs(event.body, "body");
    },
  };
}

/** Throws BAD_REQUEST for what is no JSON, is too deep, or has a name that leads JavaScript astray. */
function parsed(text: string): unknown {
  const value = jsonOf(text);
  if (isTooDeep(value)) throw badRequest([{ field: "body", message: TOO_DEEP }]);
  const astray = MAY_GO_ASTRAY.test(text) ? nameAstray(value) : undefined;
  if (astray !== undefined) throw badRequest([{ field: "body", message: astrayProblem(astray) }]);
  return value;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest([{ field: "body", message: `expected JSON: ${causeOf(error, text)}` }]);
  }
}

/** The names themselves, or characters that are written by their numbers. */
const MAY_GO_ASTRAY = /__proto__|prototype|\\u/;

export function astrayProblem(name: string): string {
  return `has a field ${name}, which JavaScript reserves`;
}

export function isMultipart(contentType: string | undefined): boolean {
  return /^multipart\/form-data\b/i.test(contentType ?? "");
}

export async function formOf(event: Event): Promise<Form> {
  refuseLarge(event);
  const { readForm } = await import("./multipart.ts");
  return readForm(event.headers["content-type"] ?? "", bytesOf(event));
}

function bytesOf(event: Event): Buffer {
  const { body, isBase64Encoded } = event;
  const text = typeof body === "string" ? body : "";
  if (isBase64Encoded && !isBase64(text)) throw badRequest([{ field: "body", message: EXPECTED_BASE64 }]);
  const bytes = Buffer.from(text, isBase64Encoded ? "base64" : "utf8");
  return isPacked(event) ? unpacked(bytes, isBase64Encoded) : bytes;
}

/** Throws BAD_REQUEST for other codings than gzip. */
function isPacked({ headers }: Event): boolean {
  const coding = (headers["content-encoding"] ?? "").trim().toLowerCase();
  if (coding === "" || coding === "identity") return false;
  if (coding === "gzip" || coding === "x-gzip") return true;
  const message = `is ${coding.slice(0, 60)}: expected gzip, or no coding; send the body as it is`;
  throw badRequest([{ field: "Content-Encoding", message }]);
}

/** No more than a body may have is ever unpacked. */
function unpacked(bytes: Buffer, areAsSent: boolean): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: LARGEST_BODY });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE")
      throw tooLarge(`over ${LARGEST_BODY} bytes unpacked`);
    const message = areAsSent
      ? "is not whole gzip, which its Content-Encoding names"
      : "was read as text on its way, which gzip does not survive: send it with the content type application/octet-stream";
    throw badRequest([{ field: "body", message }]);
  }
}

/** Throws BAD_REQUEST for bytes that are not UTF-8, rather than to keep U+FFFD in their place. */
function textOf(event: Event): string {
  const { body, headers, isBase64Encoded } = event;
  if (isBase64Encoded || typeof body !== "string" || isPacked(event)) {
    const bytes = bytesOf(event);
    if (!isUtf8(bytes)) throw badRequest([{ field: "body", message: NOT_UTF8 }]);
    return withoutMark(bytes.toString());
  }
  // API Gateway has decoded the bytes: the three of U+FFFD stand for each that was wrong, and its own for itself.
  const size = headers["content-length"];
  const isChanged = body.includes("\uFFFD") && size !== undefined && Number(size) !== Buffer.byteLength(body);
  if (isChanged) throw badRequest([{ field: "body", message: NOT_UTF8 }]);
  return withoutMark(body);
}

/** Some editors and libraries begin UTF-8 with a byte order mark, which JSON does not have. */
export function withoutMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

/** Throws BAD_REQUEST for a number or a text that the service could not hand on as it came. `whole` names the value. */
export function refuseChanging(value: unknown, whole: string): void {
  refuseChangingNumbers(value, whole);
  refuseHalfPairs(value, whole);
}

export function refuseHalfPairs(value: unknown, whole: string): void {
  const path = halfPairIn(value);
  if (path) throw badRequest([{ field: path.join(".") || whole, message: HALF_PAIR }]);
}

function refuseChangingNumbers(value: unknown, whole: string): void {
  const found = changingNumber(value);
  if (found) throw badRequest([{ field: found.path.join(".") || whole, message: numberProblem(found.text) }]);
}

export function numberProblem(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return `is the number ${shown}, which would not be kept as it is: expected at most 15 digits, or text; put it in quotes`;
}

function refuseLarge({ body, isBase64Encoded }: Event): void {
  const size = typeof body === "string" ? Buffer.byteLength(body, isBase64Encoded ? "base64" : "utf8") : 0;
  if (size <= LARGEST_BODY) return;
  throw tooLarge(`${size} bytes`);
}

function tooLarge(size: string): ClientError {
  const message = `The body has ${size}; at most ${LARGEST_BODY} are accepted. Keep large data in S3 and send its address`;
  return new ClientError("PAYLOAD_TOO_LARGE", message);
}

/** Throws BAD_REQUEST with the problems of each field. */
export function parse<T>(schema: z.ZodMiniType<T>, value: unknown, whole: string): T {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw badRequest(problemsIn(parsed.error, whole, (path, name) => misplaced(schema, path, name)));
}

export const TOO_DEEP = `must not be nested deeper than ${DEEPEST_NESTING} levels`;

/** Level by level: recursion would overflow the stack on a deep body. */
export function isTooDeep(value: unknown): boolean {
  let level = [value].filter(isContainer);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth === DEEPEST_NESTING) return true;
    level = level.flatMap((container) => Object.values(container).filter(isContainer));
  }
  return false;
}

export function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** A name that leads JavaScript astray. For values that are not too deep. */
export function nameAstray(value: unknown): string | undefined {
  if (!isContainer(value)) return undefined;
  for (const [name, each] of Object.entries(value)) {
    if (name === "__proto__") return name;
    if (name === "constructor" && isContainer(each) && Object.hasOwn(each, "prototype")) return `${name}.prototype`;
    const found = nameAstray(each);
    if (found !== undefined) return found;
  }
  return undefined;
}

function causeOf(error: unknown, text: string): string {
  // The parser's message quotes the body; the answer shows only the position.
  const position = /position \d+( \(line \d+ column \d+\))?/.exec(reasonOf(error))?.[0];
  if (position) return `not valid at ${position}`;
  // Of a token that it does not know, such as the NaN that Python writes, the parser names no position.
  const token = wrongTokenIn(text);
  return token === undefined ? "not valid" : `not valid at position ${token}`;
}
