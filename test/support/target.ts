import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { IDLE_CONNECTION_MS } from "../../local/listen.ts";
import { until } from "./stack.ts";

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly at: number;
  /** Tells connections apart. */
  readonly remotePort: number;
}

export interface Target {
  readonly url: string;
  readonly received: Received[];
  /** Answers a request; the default is 200. */
  answer(by: (request: Received, response: ServerResponse) => void): void;
  /** Waits until so many requests have come. */
  got(count: number): Promise<Received[]>;
  close(): Promise<void>;
}

/** A server that jobs are sent to. */
export async function startTarget(port = 0): Promise<Target> {
  const received: Received[] = [];
  let respond = (_: Received, response: ServerResponse): void => void response.end();
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers, socket } = request;
      const one = {
        method,
        url,
        headers,
        body: Buffer.concat(chunks),
        at: Date.now(),
        remotePort: socket.remotePort ?? 0,
      };
      received.push(one);
      respond(one, response);
    });
  });
  server.keepAliveTimeout = IDLE_CONNECTION_MS;
  await new Promise<void>((listening) => {
    server.listen(port, "127.0.0.1", listening);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answer: (by) => {
      respond = by;
    },
    got: async (count) => until(() => received.length >= count && received),
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => {
        server.close(closed);
      });
    },
  };
}
