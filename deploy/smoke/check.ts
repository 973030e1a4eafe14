import type { Api } from "./api.ts";
import type { Receiver } from "./receiver.ts";

// What a check of a smoke test is.

/** What the checks are given, and what they leave for the cleaning up. */
export interface Smoke {
  readonly api: Api;
  readonly app: string;
  /** A server of this machine that the deployment reaches. */
  readonly receiver: Receiver | undefined;
  /** A URL that echoes headers, where there is no such server. */
  readonly echo: string | undefined;
  /** The app's signing secret, or why there is none to check with. */
  readonly secret: string | Skipped;
  readonly functionName: string | undefined;
  readonly functionUrl: string | undefined;
  readonly withinMs: number;
  /** Tells the idempotency keys of this run from others. */
  readonly run: string;
  /** The ids of the jobs that were made. */
  readonly jobs: Set<string>;
  /** The id of the signing secret, if it was made for this run. */
  readonly secretId: string | undefined;
  /** What no request can delete, told in the end. */
  readonly left: Set<string>;
  readonly say: (line: string) => void;
}

export interface Check {
  readonly name: string;
  /** Mostly waits for a clock, and may run beside others. */
  readonly waits?: true;
  run(on: Smoke): Promise<string>;
}

/** Thrown by a check that can't be made here; the message says what it would take. */
export class Skipped extends Error {}
