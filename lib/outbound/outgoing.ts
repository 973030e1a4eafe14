import type { Readable } from "node:stream";

export interface OutgoingRequest {
  /** The app whose connections the request may use. */
  readonly appId: string;
  readonly url: URL;
  readonly method: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: Uint8Array | null;
  /** Ends the whole exchange, from the connection to the last byte of the answer. */
  readonly signal: AbortSignal;
  readonly allowPrivateTargets: boolean;
  /** The answer's body is wanted, if it has at most so many bytes. Default: an excerpt alone. */
  readonly keepBytes?: number | undefined;
  /** Real milliseconds. Default: no timings are taken. */
  readonly now?: () => number;
}

/** An answer of either protocol. */
export interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}
