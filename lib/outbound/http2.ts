import { connect, type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { Readable } from "node:stream";
import { joined } from "../job/multi-values.ts";
import { connectedForHttp2 } from "./agents.ts";
import { LARGEST_HEAD, NoAnswer } from "./answer-head.ts";
import type { Answer, OutgoingRequest } from "./outgoing.ts";

// HTTP/2, for targets that speak nothing else. Each request has a connection of its own, so that no two share a session,
// and none is sent again by it.

/** Of an answer: one byte may stand for a header of 4 KB. Node's own limit is 128. */
const MOST_HEADERS = 512;

/** Sends a request once, over a new connection. Throws if no answer comes. */
export async function requestByHttp2(outgoing: OutgoingRequest, mustAgree: boolean): Promise<Answer> {
  const socket = await connectedForHttp2(outgoing, mustAgree);
  const session = connect(outgoing.url.origin, {
    createConnection: () => socket,
    settings: { enablePush: false, maxHeaderListSize: LARGEST_HEAD },
    maxHeaderListPairs: MOST_HEADERS,
  });
  try {
    return await exchanged(session, outgoing);
  } catch (error) {
    session.destroy();
    throw error;
  }
}

async function exchanged(
  session: ClientHttp2Session,
  { url, method, headers, body, signal }: OutgoingRequest,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  session.on("error", reject);
  const stream = session.request(headOf(url, method, headers, body), { endStream: body === null, signal });
  stream.on("error", reject);
  stream.once("close", () => {
    session.destroy();
    reject(new Error("The stream was closed before its answer"));
  });
  stream.once("response", ({ ":status": status = 0, ...fields }) => {
    if (sizeOf(fields) > LARGEST_HEAD)
      return void stream.destroy(new NoAnswer("the headers of the answer are over 64 KB"));
    const hasBody = method !== "HEAD" && status !== 204 && status !== 304;
    const whole = Readable.from(wholeOf(stream, hasBody ? lengthIn(fields) : undefined));
    // Also of a body that nobody has begun to read.
    whole.once("close", () => stream.destroy());
    return resolve({ statusCode: status, headers: fields, body: whole });
  });
  if (body) stream.end(body);
  return promise;
}

function headOf(
  { host, pathname, search }: URL,
  method: string,
  headers: OutgoingRequest["headers"],
  body: Uint8Array | null,
): OutgoingHttpHeaders {
  const length = body?.length ?? (method.startsWith("P") ? 0 : undefined);
  return {
    ":method": method,
    ":scheme": "https",
    ":authority": host,
    ":path": pathname + search,
    ...joined(headers),
    ...(length !== undefined && { "content-length": String(length) }),
  };
}

/** Node holds no server to the size that it is told. */
function sizeOf(fields: IncomingHttpHeaders): number {
  return Object.entries(fields).reduce((size, [name, value]) => size + name.length + String(value).length, 0);
}

function lengthIn({ "content-length": length }: IncomingHttpHeaders): number | undefined {
  return /^\d{1,15}$/.test(length ?? "") ? Number(length) : undefined;
}

type Stream = ReturnType<ClientHttp2Session["request"]>;

/** The bytes of a body. Throws if it was cut: Node ends a stream whose session was closed as if it were whole. */
async function* wholeOf(stream: Stream, length: number | undefined): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    yield chunk;
  }
  if (stream.rstCode !== 0 || size < (length ?? 0)) throw new Error("The body was cut");
}
