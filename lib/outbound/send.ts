import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { Agent, buildConnector, request, type Dispatcher } from "undici";
import { LARGEST_HEAD, NoAnswer, tidied } from "./answer-head.ts";
import { isPublicAddress, literalAddress } from "./public-address.ts";

// All requests to addresses that users choose are sent here.

export interface OutgoingRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  /** Ends the whole exchange, from the connection to the last byte of the answer. */
  readonly signal: AbortSignal;
  readonly allowPrivateTargets: boolean;
}

export type Exchange =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** One for each such header. */
      readonly retryAfter?: readonly string[];
      /** Of the answer's body, what came before the connection ended. */
      readonly excerpt: string;
    }
  | { readonly kind: "blocked" }
  | { readonly kind: "failed"; readonly reason: string };

const LARGEST_READ = 64 * 1_024;
const EXCERPT_BYTES = 1_024;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Sends a request once, without following redirects, and reads at most 64 KB of the answer. A status counts once its
 * headers have ended, even if the connection ends within the body; but the body must end or break off in time.
 */
export async function send(outgoing: OutgoingRequest): Promise<Exchange> {
  return exchanged(outgoing, async ({ statusCode: status, headers, body }) => {
    const retryAfter = headers["retry-after"];
    const excerpt = await excerptOf(body, outgoing.signal);
    return { kind: "answered", status, excerpt, ...(retryAfter !== undefined && { retryAfter: [retryAfter].flat() }) };
  });
}

export type WholeAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly body: Uint8Array }
  | { readonly kind: "too large" }
  | Exclude<Exchange, { kind: "answered" }>;

/** Sends a request once, without following redirects. An answer of more than `mostBytes` is an error. */
export async function fetchWhole(outgoing: OutgoingRequest, mostBytes: number): Promise<WholeAnswer> {
  return exchanged(outgoing, async ({ statusCode: status, body }) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > mostBytes) return { kind: "too large" };
      chunks.push(chunk);
    }
    return { kind: "answered", status, body: Buffer.concat(chunks) };
  });
}

async function exchanged<A>(outgoing: OutgoingRequest, read: (answer: Dispatcher.ResponseData) => Promise<A>) {
  const { url, method, headers, body, signal } = outgoing;
  const dispatcher = outgoing.allowPrivateTargets ? agents.any() : agents.publicOnly();
  try {
    return await read(await request(url, { dispatcher, method, headers, body, signal }));
  } catch (error) {
    if (isBlocked(error)) return { kind: "blocked" } as const;
    const reason = signal.aborted ? "no complete answer in time" : failureReason(error);
    return { kind: "failed", reason } as const;
  }
}

async function excerptOf(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // Leaving the loop early closes the connection; reading to the end keeps it for the next attempt.
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > LARGEST_READ) break;
    }
  } catch (error) {
    if (signal.aborted) throw error;
  }
  const text = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, EXCERPT_BYTES), { stream: true });
  return text.toWellFormed();
}

/** Names the stage of the failure; closed and filtered ports give the same text. */
function failureReason(error: unknown): string {
  const { code = "", cause } = error as { code?: string; cause?: unknown };
  const noAnswer = [error, cause].find((each) => each instanceof NoAnswer);
  if (noAnswer) return noAnswer.message;
  if (/^(ENOTFOUND|EAI_)/.test(code)) return "the target's host name does not resolve";
  if (/^(ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(code) || isAggregate(error)) {
    return "could not connect to the target";
  }
  if (/^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/.test(code)) {
    return "the target does not speak TLS; try http";
  }
  if (code.startsWith("HPE_")) return `the answer is not HTTP (${code})`;
  if (/CERT|SSL|TLS|SELF_SIGNED/.test(code)) return `the target's certificate was not accepted (${code})`;
  return "the connection ended before a complete answer";
}

// Node throws this when every address of a name refused.
function isAggregate(error: unknown): boolean {
  return error instanceof AggregateError;
}

class BlockedAddress extends Error {}

function isBlocked(error: unknown): boolean {
  return error instanceof BlockedAddress || (error instanceof Error && error.cause instanceof BlockedAddress);
}

/** Resolves a name. One address that is not public blocks it, whatever the order of the answers. */
const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    const addresses = found ?? [];
    const first = addresses[0];
    if (error || !first) return callback(error ?? new Error("no address"), "", 0);
    if (!addresses.every(({ address }) => isPublicAddress(address))) return callback(new BlockedAddress(), "", 0);
    return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
  });
};

const connectAny = buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
const connectPublic = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: lookupPublic, allowH2: false });

const unguardedConnect: buildConnector.connector = (options, callback) => {
  connectAny(options, (...result) => (result[1] ? callback(null, tidied(result[1])) : callback(...result)));
};

/** Checks literal addresses too, for which `lookup` is not called, and the address that was connected to. */
const guardedConnect: buildConnector.connector = (options, callback) => {
  const literal = literalAddress(options.hostname);
  if (literal !== undefined && !isPublicAddress(literal)) return callback(new BlockedAddress(), null);
  return connectPublic(options, (...result) => {
    const [error, socket] = result;
    if (error || !socket) return callback(...result);
    if (isPublicAddress(socket.remoteAddress ?? "")) return callback(null, tidied(socket));
    socket.destroy();
    return callback(new BlockedAddress(), null);
  });
};

// The attempt's own signal is the only timer; connections stay open for the next attempt. No HTTP/2: its
// sessions are shared, and one tenant's request could end those of others to the same host.
const OPTIONS = { headersTimeout: 0, bodyTimeout: 0, allowH2: false, maxHeaderSize: LARGEST_HEAD + 1_024 };

const agents = {
  publicOnly: once(() => new Agent({ ...OPTIONS, connect: guardedConnect })),
  any: once(() => new Agent({ ...OPTIONS, connect: unguardedConnect })),
};

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
