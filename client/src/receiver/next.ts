import { answer, incoming, optionsOf, type Handler, type Secret } from "./receiver.ts";

export { Final, SignatureError, type Handler, type ReceivedJob, type Secret } from "./receiver.ts";

/** A route handler of Next, and of whatever else passes a Web `Request`: Hono, Remix, Workers, Deno, Bun. */
export function next(secret: Secret, handle: Handler): (request: Request) => Promise<Response> {
  const options = optionsOf(secret);
  return async (request) => {
    const { status, headers, body } = await answer(await incoming(request), options, handle);
    return new Response(body || null, { status, headers });
  };
}
