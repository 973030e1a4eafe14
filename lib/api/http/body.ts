import httpJsonBodyParser from "@middy/http-json-body-parser";
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import type * as z from "zod";
import { ClientError, badRequest, problemsIn } from "../../errors.ts";
import { readForm, type Form } from "./multipart.ts";

// The body of a request: its size and depth, as JSON or as a form, and its parsing by a schema.

/** `body` is a string until `jsonBody` has parsed it. */
export type Event = Omit<APIGatewayProxyEventV2, "body"> & { body?: unknown };

/** Escaped twice, a larger body could pass Lambda's limit of 6 MB. */
const LARGEST_BODY = 4 * 1_024 * 1_024;
const DEEPEST_NESTING = 32;

/** A middleware that parses a body as JSON, whatever its content type. Routes without a body ignore it. */
export function jsonBody(takesJson: (event: Event) => boolean) {
  const { before } = httpJsonBodyParser({ disableContentTypeCheck: true });
  return {
    before: async (handling: { event: Event }) => {
      if (!handling.event.body || !takesJson(handling.event)) return;
      refuseLarge(handling.event);
      try {
        await before?.(handling as never);
      } catch (error) {
        throw badRequest([{ field: "body", message: `expected JSON: ${causeOf(error)}` }]);
      }
      if (isTooDeep(handling.event.body)) throw badRequest([{ field: "body", message: TOO_DEEP }]);
    },
  };
}

export async function formOf(event: Event): Promise<Form> {
  refuseLarge(event);
  const { body, headers, isBase64Encoded } = event;
  const bytes = Buffer.from(typeof body === "string" ? body : "", isBase64Encoded ? "base64" : "utf8");
  return readForm(headers["content-type"] ?? "", bytes);
}

function refuseLarge({ body, isBase64Encoded }: Event): void {
  const size = typeof body === "string" ? Buffer.byteLength(body, isBase64Encoded ? "base64" : "utf8") : 0;
  if (size <= LARGEST_BODY) return;
  const message = `The body has ${size} bytes; at most ${LARGEST_BODY} are accepted. Keep large data in S3 and send its address`;
  throw new ClientError("PAYLOAD_TOO_LARGE", message);
}

/** Throws BAD_REQUEST with the problems of each field. */
export function parse<T>(schema: z.ZodType<T>, value: unknown, whole: string): T {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw badRequest(problemsIn(parsed.error, whole));
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

function causeOf(error: unknown): string {
  const cause = (error as { cause?: { message?: unknown; data?: unknown } }).cause;
  // The parser's message quotes the body; the answer shows only the position.
  const position = /position \d+( \(line \d+ column \d+\))?/.exec(String(cause?.message))?.[0];
  return position ? `not valid at ${position}` : "not valid";
}
