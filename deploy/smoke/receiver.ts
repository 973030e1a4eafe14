import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

// Where the webhooks of a smoke test go: a server of its own, if the deployment reaches it, or one that echoes.

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Receiver {
  /** By which the deployment reaches it. */
  readonly url: string;
  /** All requests of a job so far, in the order in which they came. */
  of(jobId: string): readonly Received[];
  /** All requests so far. */
  readonly received: readonly Received[];
  close(): Promise<void>;
}

/** Listens on this machine, on a port that is free if `port` is 0. `url`: another address that leads there. */
export async function startReceiver(port: number, url?: string): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      received.push({ headers: request.headers, body });
      response.end();
    });
  });
  await new Promise<void>((listening, failed) => {
    server.once("error", failed).listen(port, "127.0.0.1", listening);
  });
  return {
    url: url ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    of: (jobId) => received.filter(({ headers }) => headers["x-job-id"] === jobId),
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => {
        server.close(closed);
      });
    },
  };
}

export interface Signed {
  readonly id: string;
  readonly timestamp: string;
  /** One for each secret, separated by spaces. */
  readonly signatures: string;
}

const SKEW_SECONDS = 300;

/** Why a request is not one that the secret's owner has sent; undefined if it is. As docs/verify-signatures.md. */
export function signatureProblem(secret: string, { id, timestamp, signatures }: Signed, body: Uint8Array) {
  const age = Date.now() / 1_000 - Number(timestamp);
  if (!(Math.abs(age) < SKEW_SECONDS)) return `webhook-timestamp is ${timestamp}: expected the time, to five minutes`;
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  const isGenuine = signatures.split(" ").some((signature) => {
    const given = Buffer.from(signature.replace("v1,", ""), "base64");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  return isGenuine ? undefined : `webhook-signature is "${signatures}": expected one with the app's secret`;
}

/** The three headers in what an echoing server has answered, however it writes them. */
export function echoedHeaders(answer: string): Signed | undefined {
  const text = answer.replaceAll("\\/", "/").replaceAll('\\"', '"');
  const value = (name: string, pattern: string) =>
    new RegExp(`webhook-${name}["']?\\s*[:=]\\s*\\[?\\s*["']?(${pattern})`, "i").exec(text)?.[1];
  const id = value("id", "[0-9a-f-]{36}");
  const timestamp = value("timestamp", "\\d{9,12}");
  const signatures = value("signature", "v1,[\\w+/=]+(?: v1,[\\w+/=]+)*");
  return id && timestamp && signatures ? { id, timestamp, signatures } : undefined;
}
