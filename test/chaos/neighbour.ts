import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { randomUUID } from "node:crypto";
import { tokenFor } from "../support/stack.ts";
import { isGatewayFault } from "./clients.ts";
import { ACTS, type Ask, type Attack } from "./acts.ts";

// A hostile app beside the ordinary ones: it does all that an app may try that wants more than its share.

export interface Neighbour {
  /** Begins to act. */
  start(): Promise<void>;
  /** Resolves when it asks for nothing any more. What it has asked for before goes on. */
  stop(): Promise<void>;
  /** How its requests were answered, by status; 0: not at all. */
  readonly answers: ReadonlyMap<number, number>;
  /** Requests whose answer says that the service is broken. */
  readonly broken: readonly string[];
  close(): Promise<void>;
}

/**
 * What an operator allows an app that is not trusted, on a machine of two cores with three browsers. The shares of queues
 * are those that every app has.
 */
const LIMITS = {
  requestsPerSecond: 10,
  maxConcurrentTasks: 2,
  waitersPerApp: 3,
  quickPdfsPerApp: 1,
  uploadBytes: 1_024 ** 3,
  datasets: 5,
  recurringSchedules: 5,
  pdfPagesPerDay: 10_000,
};
const HOSTS = 20;

/** `small` does each act once, without PDFs, with a tenth of the jobs; `none` does nothing. */
export const SIZES = ["usual", "small", "none"] as const;

export async function startNeighbour(url: string, size: (typeof SIZES)[number]): Promise<Neighbour> {
  const appId = randomUUID();
  const [token, operator] = await Promise.all([
    tokenFor({ appId, expires: "12h" }),
    tokenFor({ roles: ["PLATFORM_ADMIN"], expires: "12h" }),
  ]);
  const dispatcher = new Agent({ connections: 200 });
  const hosts = await silentHosts(HOSTS);
  const answers = new Map<number, number>();
  const broken: string[] = [];
  const [rounds, share] = size === "small" ? [1, 0.1] : [Infinity, 1];
  const many = (count: number) => Math.ceil(share * count);
  const over = new AbortController();
  let acting: Promise<unknown> = Promise.resolve();

  const send = async ({ method = "POST", path, body, type, by = token }: Ask & { readonly by?: string }) => {
    const isRaw = typeof body === "string" || Buffer.isBuffer(body);
    const answer = await request(url + path, {
      dispatcher,
      method,
      headers: { authorization: `Bearer ${by}`, "content-type": type ?? "application/json" },
      body: isRaw ? body : body === undefined ? null : JSON.stringify(body),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  };

  const ask: Attack["ask"] = async (asked) => {
    const answer = await send(asked).catch(() => ({ status: 0, text: "" }));
    const { status, text } = answer;
    answers.set(status, (answers.get(status) ?? 0) + 1);
    const isBroken = status >= 500 && status !== 503 && !isGatewayFault({ status, bytes: Buffer.from(text) });
    if (isBroken) broken.push(`${asked.path} was answered ${status}: ${text.slice(0, 200)}`);
    return answer;
  };

  /** Acts again and again, each time as long after the last as the act says, or when that has ended. */
  async function repeat({ everyMs, act }: (typeof ACTS)[number]): Promise<void> {
    for (let n = 0; n < rounds && !over.signal.aborted; n += 1) {
      const next = sleep(everyMs, undefined, { signal: over.signal }).catch(() => {});
      await act({ ask, appId, hosts: hosts.urls, many }, n).catch(() => {});
      await next;
    }
  }

  return {
    start: async () => {
      if (size === "none") return;
      const path = `/v1/admin/apps/${appId}/limits`;
      const { status, text } = await send({ method: "PUT", path, body: LIMITS, by: operator });
      if (status !== 200) throw new Error(`The limits of the hostile app were answered ${status}: ${text}`);
      acting = Promise.all(ACTS.filter(({ needsBrowser }) => size === "usual" || !needsBrowser).map(repeat));
    },
    stop: async () => {
      over.abort();
      // Requests that are held open, such as long polls, end with it.
      await dispatcher.destroy();
      await acting;
    },
    answers,
    broken,
    close: async () => {
      over.abort();
      await dispatcher.destroy();
      hosts.close();
    },
  };
}

/** Servers that take every request and answer none. */
async function silentHosts(count: number) {
  const servers: Server[] = [];
  const urls: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const server = createServer((incoming) => void incoming.resume());
    await new Promise<void>((listening) => void server.listen(0, "127.0.0.1", listening));
    servers.push(server);
    urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  const close = () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  return { urls, close };
}
