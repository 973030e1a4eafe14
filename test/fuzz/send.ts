import { request as httpRequest, type Agent, type IncomingHttpHeaders } from "node:http";
import type { Wire } from "./requests.ts";

/** An answer as it came. */
export interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export const NO_ANSWER = 0;

/** Not by `fetch`, which normalizes requests. */
export async function send(agent: Agent, url: string, { method, path, headers, body }: Wire): Promise<Received> {
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve({ status: NO_ANSWER, headers: new Headers(), text: error.message });
    const length = body && { "content-length": body.length };
    const { hostname, port } = new URL(url);
    const outgoing = httpRequest({ agent, hostname, port, method, path, headers: { ...headers, ...length } });
    outgoing.on("error", fail);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", fail);
      incoming.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: incoming.statusCode ?? 0, headers: headersOf(incoming.headers), text });
      });
    });
    outgoing.end(body);
  });
}

function headersOf(incoming: IncomingHttpHeaders): Headers {
  return new Headers(Object.entries(incoming).map(([name, value]): [string, string] => [name, String(value)]));
}
