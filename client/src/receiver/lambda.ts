import { answer, optionsOf, type Handler, type Secret } from "./receiver.ts";

export { Final, SignatureError, type Handler, type ReceivedJob, type Secret } from "./receiver.ts";

/** What is used of the events of HTTP APIs (both payload versions), REST APIs, function URLs and load balancers. */
export interface LambdaEvent {
  readonly headers?: Readonly<Record<string, string | undefined>> | null;
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[] | undefined>> | null;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
}

export interface LambdaResult {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** The handler of a Lambda function behind API Gateway, a function URL or a load balancer. */
export function lambda(secret: Secret, handle: Handler): (event: LambdaEvent) => Promise<LambdaResult> {
  const options = optionsOf(secret);
  return async (event) => {
    // REST APIs keep the case in which a header came.
    const headers = Object.fromEntries(
      Object.entries({ ...event.multiValueHeaders, ...event.headers }).map(([name, value]) => [
        name.toLowerCase(),
        String(value),
      ]),
    );
    const text = event.body ?? "";
    const bytes = event.isBase64Encoded
      ? Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
      : new TextEncoder().encode(text);
    const { status, ...answered } = await answer({ header: (name) => headers[name], bytes }, options, handle);
    return { statusCode: status, ...answered };
  };
}
