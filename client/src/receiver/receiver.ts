// Verifies what the service sends, by https://www.standardwebhooks.com: the part that all receivers share.

export interface ReceivedJob {
  /** The same at every attempt: whoever has it already has had this job. */
  readonly jobId: string;
  /** From 1. */
  readonly attempt: number;
  /** The value of JSON, text, or bytes that are no text. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as that of `Request.json()`: the sender is the caller's own
  readonly body: any;
}

/** What is thrown fails the attempt, or for good if it is a `Final`. What is returned is answered as JSON. */
export type Handler = (job: ReceivedJob) => unknown;

export interface VerifyOptions {
  /** `whsec_…`: all that are valid now, which are two for a day after a change. One that is undefined throws. */
  readonly secrets: readonly (string | undefined)[];
  /** Default: 300. */
  readonly toleranceSeconds?: number | undefined;
}

/** A variable of the environment may be undefined for the compiler; a secret that is missing throws a TypeError. */
export type Secret = string | undefined | readonly (string | undefined)[] | VerifyOptions;

/** The request is not a genuine one of now. */
export class SignatureError extends Error {
  override name = "SignatureError";
}

/** Thrown by a handler: the job has failed, and no retry would help. */
export class Final extends Error {
  override name = "Final";
}

/** A request as its framework shows it. */
export interface Incoming {
  readonly header: (name: string) => string | null | undefined;
  /** As they came. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Outgoing {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Throws a SignatureError unless the request was signed with one of the secrets within the last minutes. */
export async function verify(request: Request, options: VerifyOptions): Promise<ReceivedJob> {
  return verified(await incoming(request), optionsOf(options));
}

export async function incoming(request: Request): Promise<Incoming> {
  return { header: (name) => request.headers.get(name), bytes: new Uint8Array(await request.arrayBuffer()) };
}

async function verified({ header, bytes }: Incoming, options: VerifyOptions): Promise<ReceivedJob> {
  const { secrets, toleranceSeconds = 300 } = options;
  const named = (name: string): string => {
    const value = header(`webhook-${name}`);
    if (!value) throw new SignatureError(`webhook-${name} is missing`);
    return value;
  };
  const [jobId, timestamp, signatures] = [named("id"), named("timestamp"), named("signature")];
  if (!(Math.abs(Date.now() / 1_000 - Number(timestamp)) <= toleranceSeconds))
    throw new SignatureError(`webhook-timestamp is ${timestamp}: expected within ${toleranceSeconds} s of this clock`);
  const head = new TextEncoder().encode(`${jobId}.${timestamp}.`);
  const signed = new Uint8Array(head.length + bytes.length);
  signed.set(head);
  signed.set(bytes, head.length);
  const given = signatures.split(" ").flatMap((each) => (each.startsWith("v1,") ? bytesOf(each.slice(3)) : []));
  for (const secret of secrets) {
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", keyOf(secret), hmac, false, ["verify"]);
    for (const signature of given) {
      // Takes the same time wherever they differ.
      if (await crypto.subtle.verify("HMAC", key, signature, signed))
        return { jobId, attempt: Number(header("x-job-attempt") ?? 1), body: valueOf(bytes, header("content-type")) };
    }
  }
  throw new SignatureError("webhook-signature is by none of the secrets: is the body as it came, byte by byte?");
}

/** Checked at once, so that a missing setting stops the program and not its first request. */
export function optionsOf(secret: Secret): VerifyOptions {
  const isOptions = typeof secret === "object" && "secrets" in secret;
  const { secrets, ...rest } = isOptions ? secret : { secrets: [secret].flat() };
  for (const each of secrets.length === 0 ? [undefined] : secrets) keyOf(each);
  return { secrets, ...rest };
}

function keyOf(secret: string | undefined): Uint8Array<ArrayBuffer> {
  if (!secret) throw new TypeError("The secret is missing: expected whsec_…, got none; is its variable set?");
  const [key] = bytesOf(secret.replace("whsec_", ""));
  if (!key?.length) throw new TypeError("The secret is no base64: expected whsec_… as the service has shown it");
  return key;
}

/** None if it is no base64. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer>[] {
  try {
    return [Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))];
  } catch {
    return [];
  }
}

function valueOf(bytes: Uint8Array, type: string | null | undefined): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    try {
      return /[/+]json\b/i.test(type ?? "") ? JSON.parse(text) : text;
    } catch {
      return text;
    }
  } catch {
    return bytes;
  }
}

/** The answer to a request. Throws what the handler throws, unless it is a `Final`. */
export async function answer(request: Incoming, options: VerifyOptions, handle: Handler): Promise<Outgoing> {
  try {
    const value = await handle(await verified(request, options));
    return value === undefined ? { status: 204, headers: {}, body: "" } : json(200, value);
  } catch (error) {
    if (error instanceof SignatureError) return json(401, { error: error.message });
    if (error instanceof Final) return json(422, { error: error.message }, { "x-job-final": "true" });
    throw error;
  }
}

function json(status: number, value: unknown, headers: Record<string, string> = {}): Outgoing {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}
