import { answer, optionsOf, type Handler, type Secret } from "./receiver.ts";

export { Final, SignatureError, type Handler, type ReceivedJob, type Secret } from "./receiver.ts";

/** What is used of Express's request, which is Node's own. */
export interface ExpressRequest extends AsyncIterable<Uint8Array> {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly readableDidRead: boolean;
  readonly body?: unknown;
  /** Where some platforms keep the bytes. */
  readonly rawBody?: unknown;
}

export interface ExpressResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

/** More than the service sends. */
const MOST_BYTES = 8_388_608;

/** A handler for Express 4 and 5, and for Node's own server. What `handle` throws goes to Express's error handler. */
export function express(secret: Secret, handle: Handler) {
  const options = optionsOf(secret);
  return async (request: ExpressRequest, response: ExpressResponse, next?: (error: unknown) => void): Promise<void> => {
    try {
      const header = (name: string) => request.headers[name]?.toString();
      const bytes = await bytesOf(request);
      const { status, headers, body } = bytes
        ? await answer({ header, bytes }, options, handle)
        : { status: 413, headers: { connection: "close" }, body: "" };
      response.statusCode = status;
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      response.end(body);
    } catch (error) {
      if (!next) throw error;
      next(error);
    }
  };
}

/** `undefined` if there are too many. */
async function bytesOf(request: ExpressRequest): Promise<Uint8Array<ArrayBuffer> | undefined> {
  for (const kept of [request.rawBody, request.body]) if (kept instanceof Uint8Array) return new Uint8Array(kept);
  if (request.readableDidRead)
    throw new Error("The body is parsed already, and signatures are made over its bytes: mount before express.json()");
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MOST_BYTES) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  for (const chunk of chunks.toReversed()) bytes.set(chunk, (size -= chunk.length));
  return bytes;
}
