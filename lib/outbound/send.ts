import { Readable } from "node:stream";
import type { Timings } from "../job/attempt.ts";
import { isBlocked, noting, type Stages } from "./agents.ts";
import { NoAnswer } from "./answer-head.ts";
import { BrokenAnswer, UnreadableAnswer, decodedBody, isWrongCoding, type AnswerHeaders } from "./answer-body.ts";
import type { Answer, OutgoingRequest } from "./outgoing.ts";
import { answerTo, isOtherProtocol } from "./protocols.ts";
import { waitsOf } from "./retry-after.ts";
import { excerptOf, shownHeaders } from "./shown-answer.ts";

// All requests to addresses that users choose are sent here.

export type Exchange =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** When to come again: one for each such header. */
      readonly retryAfter?: readonly string[];
      /** The header of this name. */
      readonly location?: string;
      /** The header `x-job-final` is `true`: the receiver wants no further attempt. */
      readonly isFinal?: true;
      /** Of the answer's body, what came before the connection ended. */
      readonly excerpt: string;
      /** Set if the body is wanted. */
      readonly kept?: Kept;
      /** Without credentials. */
      readonly headers: Readonly<Record<string, string>>;
      readonly timings?: Timings;
    }
  | { readonly kind: "blocked" }
  | { readonly kind: "failed"; readonly reason: string; readonly timings?: Timings };

/** The answer's body, or why it is missing, with the headers that say what it is. */
export interface Kept {
  readonly body: Uint8Array | "too large" | "incomplete";
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
}

const LARGEST_READ = 64 * 1_024;

/**
 * Sends a request once, without following redirects, and reads at most 64 KB of the answer, or what is to be kept. A status counts once its
 * headers have ended, even if the connection ends within the body; but the body must end or break off in time.
 */
export async function send(outgoing: OutgoingRequest): Promise<Exchange> {
  return exchanged(outgoing, async ({ statusCode: status, headers, body }, timings) => {
    const { location, "x-job-final": final } = headers;
    const waits = waitsOf(headers);
    const { keepBytes } = outgoing;
    const { bytes, end } = await readOf(body, outgoing.signal, keepBytes ?? LARGEST_READ);
    const kept = keepBytes !== undefined && {
      body: end === "whole" ? bytes : end,
      contentType: firstOf(headers["content-type"]),
      contentEncoding: firstOf(headers["content-encoding"]),
    };
    return {
      kind: "answered",
      status,
      excerpt: await excerptOf(bytes.subarray(0, LARGEST_READ), headers),
      headers: shownHeaders(headers),
      ...timings,
      ...(waits.length > 0 && { retryAfter: waits }),
      ...(typeof location === "string" && { location }),
      ...(String(final).toLowerCase() === "true" && { isFinal: true }),
      ...(kept && { kept }),
    };
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

export type OpenedAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly headers: AnswerHeaders;
      /** Without its codings; empty unless the status is 200. A reader that stops early closes the connection. */
      readonly body: AsyncIterable<Uint8Array>;
    }
  | Exclude<Exchange, { kind: "answered" }>;

/**
 * Sends a request once, without following redirects. The body is read as it comes: what ends it throws `BrokenAnswer`,
 * and more than `mostBytes` of it, or another coding than it says, `UnreadableAnswer`.
 */
export async function open(outgoing: OutgoingRequest, mostBytes: number): Promise<OpenedAnswer> {
  return exchanged(outgoing, async ({ statusCode: status, headers, body }) => {
    // An error that comes before anybody reads would end the process.
    body.on("error", () => {});
    if (status === 200) return { kind: "answered", status, headers, body: bodyOf(body, headers, outgoing, mostBytes) };
    await readOf(body, outgoing.signal, LARGEST_READ).catch(() => {});
    return { kind: "answered", status, headers, body: bodyOf(Readable.from([]), {}, outgoing, mostBytes) };
  });
}

async function* bodyOf(
  body: Readable,
  headers: AnswerHeaders,
  { signal }: OutgoingRequest,
  mostBytes: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  const coding = [headers["content-encoding"] ?? []].flat().join(",");
  try {
    for await (const chunk of decodedBody(body, coding) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > mostBytes) throw tooLarge(mostBytes);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof UnreadableAnswer) throw error;
    if (isWrongCoding(error)) throw new UnreadableAnswer(`the answer is not ${coding}, although its header says so`);
    throw new BrokenAnswer(reasonOf(error, signal));
  } finally {
    body.destroy();
  }
}

function tooLarge(mostBytes: number): UnreadableAnswer {
  return new UnreadableAnswer(`the answer is too large: expected at most ${mostBytes} bytes`);
}

type Timed = { readonly timings?: Timings };

async function exchanged<A>(outgoing: OutgoingRequest, read: (answer: Answer, timed: Timed) => Promise<A>) {
  const { signal } = outgoing;
  const watch = stopwatch(outgoing.now);
  try {
    const answer = await watch.during(() => answerTo(outgoing));
    return await read(answer, watch.timed("answered"));
  } catch (error) {
    if (isBlocked(error)) return { kind: "blocked" } as const;
    return { kind: "failed", reason: reasonOf(error, signal), ...watch.timed() } as const;
  }
}

/** The answer's time is that from the open connection to its headers. */
function stopwatch(now: OutgoingRequest["now"]) {
  if (!now) return { during: <T>(call: () => T) => call(), timed: (): Timed => ({}) };
  const stages: Stages = { now };
  const began = now();
  return {
    during: <T>(call: () => T) => noting(stages, call),
    timed: (answered?: "answered"): Timed => {
      const { now: _, ...taken } = stages;
      const opened = Object.values(taken).reduce((sum, ms) => sum + ms, 0);
      return { timings: { ...taken, ...(answered && { answer: Math.max(now() - began - opened, 0) }) } };
    },
  };
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return [header].flat()[0];
}

/** What comes of a body before the connection ends, at most a little more than `most` bytes. */
async function readOf(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  most: number,
): Promise<{ readonly bytes: Buffer; readonly end: "whole" | "too large" | "incomplete" }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let end: "whole" | "too large" | "incomplete" = "whole";
  try {
    // Leaving the loop early closes the connection; reading to the end keeps it for the next attempt.
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > most) {
        end = "too large";
        break;
      }
    }
  } catch (error) {
    if (signal.aborted) throw error;
    end = "incomplete";
  }
  return { bytes: Buffer.concat(chunks), end };
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  return signal.aborted ? "no complete answer in time" : failureReason(error);
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
  if (isOtherProtocol(error)) return "the target speaks neither HTTP/1.1 nor HTTP/2";
  if (code.startsWith("HPE_")) return `the answer is not HTTP (${code})`;
  if (/CERT|SSL|TLS|SELF_SIGNED/.test(code)) return `the target's certificate was not accepted (${code})`;
  return "the connection ended before a complete answer";
}

// Node throws this when every address of a name refused.
function isAggregate(error: unknown): boolean {
  return error instanceof AggregateError;
}
