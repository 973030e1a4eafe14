import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { SchedulerClient } from "@aws-sdk/client-scheduler";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { createHash, createHmac, createSecretKey } from "node:crypto";
import { Unavailable } from "./errors.ts";
import { atFirstUse } from "./job/at-first-use.ts";

type Secret = string | ArrayBuffer | ArrayBufferView;

/** The SDK's own gives `createHmac` its keys as bytes, and Node 24 takes 25 µs to see that those are no key objects. */
export class Sha256 {
  readonly #secret: Secret | undefined;
  #hash;

  constructor(secret?: Secret) {
    this.#secret = secret;
    this.#hash = hashWith(secret);
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = hashWith(this.#secret);
  }
}

function hashWith(secret: Secret | undefined) {
  if (secret === undefined) return createHash("sha256");
  if (typeof secret === "string") return createHmac("sha256", secret);
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(secret) ? secret : new Uint8Array(secret);
  return createHmac("sha256", createSecretKey(Buffer.from(buffer, byteOffset, byteLength)));
}

/**
 * The settings of every AWS client. The SDK's default has no timeout; three tries of 2 s each stay under half the
 * shortest lease (16 s). A connection that falls silent within an answer ends too. Endpoints, region and credentials
 * come from the environment: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_DYNAMODB, AWS_REGION and so on.
 */
export const CLIENT_DEFAULTS = {
  maxAttempts: 3,
  sha256: Sha256,
  requestHandler: {
    connectionTimeout: 500,
    requestTimeout: 2_000,
    socketTimeout: 2_000,
    throwOnRequestTimeout: true,
    httpAgent: { keepAlive: true, maxSockets: 256 },
    httpsAgent: { keepAlive: true, maxSockets: 256 },
  },
};

/**
 * Of the table's and the queues' clients. The SDK puts its middlewares together anew for each call, a seventh of its
 * processor time. Kept, they have one context for all calls of a command, in which nothing differs between two calls of
 * these clients; a middleware has to be added before the first call.
 */
export const BUSY_CLIENT_DEFAULTS = { ...CLIENT_DEFAULTS, cacheMiddleware: true };

/**
 * For calls that are not repeated: a connection that was kept open may be dead, after a container was frozen for one, and
 * the call on it may or may not have arrived.
 */
export const FRESH_CONNECTIONS = { httpAgent: freshAgent(), httpsAgent: freshAgent() };

/** With fewer sockets than may be needed, Node would keep one for the next call. */
function freshAgent() {
  return { keepAlive: false, maxSockets: Infinity };
}

type Adaptable = DynamoDBClient | SQSClient | SchedulerClient;
type Adapt = (client: Adaptable) => void;

let adapt: Adapt = () => {};

/** Changes the clients of table, queues and EventBridge that are made from now on: the local stack has one process for many batches. */
export function adaptClients(by: Adapt): void {
  adapt = by;
}

export function adapted<C extends Adaptable>(client: C): C {
  adapt(client);
  return client;
}

interface Leanable {
  readonly middlewareStack: { remove(name: string): boolean };
  readonly config: object;
}

/**
 * Takes from a client of one region what costs every call two fifths of its processor time: the logger's middleware,
 * which copies each request and answer though no logger is set, the header that describes the SDK, a signer of its own,
 * and slow copies of the settings.
 */
export function lean<C extends Leanable>(client: C): C {
  client.middlewareStack.remove("loggerMiddleware");
  client.middlewareStack.remove("getUserAgentMiddleware");
  const config = client.config as Signing;
  // What a signer is made of stays, and it asks for the credentials at each call.
  config.signer = atFirstUse(config.signer);
  compact(config);
  return client;
}

interface Signing {
  signer: (scheme: unknown) => Promise<unknown>;
}

const READS = 100;

/**
 * V8 keeps an object that was given so many properties one by one as a dictionary, and takes 8 µs for a copy, of which the
 * SDK makes four a call. One that others are seen to inherit from it keeps as a record, and takes 1 µs.
 */
function compact(config: object): void {
  const heir = Object.create(config) as { readonly region?: unknown };
  let read: unknown;
  for (let n = 0; n < READS; n += 1) read = heir.region;
  void read;
}

/** Runs a call. Throws `Unavailable` for a failure of the part, and the original error for a fault of the request. */
export async function askOf<T>(part: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw isOurFault(error) ? error : new Unavailable(part, error);
  }
}

interface ServiceFault {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $retryable?: object;
}

export function isOurFault(error: unknown): boolean {
  const { $metadata, $retryable } = error as ServiceFault;
  const status = $metadata?.httpStatusCode ?? 500;
  const throttled =
    $retryable !== undefined ||
    /Throttl|Exceeded|TransactionConflict|TransactionInProgress/.test((error as Error).name);
  return status >= 400 && status < 500 && !throttled;
}
