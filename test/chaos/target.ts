import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

// The target of the jobs: a server with moods, which records every delivery.

export type Mood = "well" | "failing" | "slow" | "refusing";

export interface Received {
  readonly attempt: number;
  /** By `performance.now()`. */
  readonly at: number;
  /** The status of its answer, unless the connection was closed by then. */
  readonly status?: number;
}

export interface ChaosTarget {
  readonly url: string;
  /** By job. */
  readonly received: ReadonlyMap<string, readonly Received[]>;
  /** The callback jobs that came, by the job that had ended. */
  readonly callbacks: ReadonlyMap<string, ReadonlySet<string>>;
  become(mood: Mood): Promise<void>;
  close(): void;
}

/** Longer than an attempt may take. */
const SLOW_MS = 2_500;

export async function startChaosTarget(): Promise<ChaosTarget> {
  const received = new Map<string, Received[]>();
  const callbacks = new Map<string, Set<string>>();
  let mood: Mood = "well";
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = performance.now();
    const body = await textOf(request);
    const status = mood === "failing" ? 500 : 200;
    if (mood === "slow") await sleep(SLOW_MS);
    const id = String(request.headers["x-job-id"]);
    const isThere = !response.destroyed;
    const one = { at, attempt: Number(request.headers["x-job-attempt"]), ...(isThere && { status }) };
    received.set(id, [...(received.get(id) ?? []), one]);
    if (request.url === "/callback") {
      const { id: ended } = JSON.parse(body) as { id: string };
      callbacks.set(ended, (callbacks.get(ended) ?? new Set()).add(id));
    }
    response.writeHead(status).end();
  }

  const listen = async (port: number) =>
    new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", () => resolve()));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    callbacks,
    become: async (next) => {
      mood = next;
      if (next === "refusing") close();
      else if (!server.listening) await listen(port);
    },
    close,
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
