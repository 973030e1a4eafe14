import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { randomInt, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { signToken } from "../local/token.ts";
import { median, percentile } from "./measure.ts";
import { startStack, stop } from "./subjects.ts";
import { ORDER, jobFor, load } from "./workload.ts";

// How much the worst that one app can do delays another app, for each kind of work that occupies an execution for long.

const ROUNDS = 3;
/** What the other app does in a round. */
const OTHERS = { count: 100, perSecond: 10 } as const;
/** A quick PDF takes two cores for 0.1 s. */
const OTHERS_PDFS = { count: 100, perSecond: 4 } as const;
/** A worst case is measured once it has lasted longer than a slow destination needs to be known as one everywhere. */
const KNOWN_AFTER_MS = 16_000;

interface App {
  readonly call: (method: string, path: string, body?: unknown) => Promise<Response>;
}

/** Where webhooks go. */
interface Target {
  readonly url: string;
  /** A hundred, each with a port of its own. */
  readonly origins: readonly string[];
  /** Resolves when the webhook with this word in its path has arrived. */
  readonly arrived: (word: string) => Promise<void>;
  readonly close: () => void;
}

interface Kind {
  readonly name: string;
  readonly pace?: typeof OTHERS | typeof OTHERS_PDFS;
  /**
   * The worst takes the machine's cores, which the other app has to share with it even on another stack. Its work is
   * compared with what it takes then, so that the figure tells what the stack itself adds.
   */
  readonly takesCores?: true;
  /** The other app's work, once, from its request to its result. */
  readonly work: (app: App, target: Target) => Promise<void>;
  /** The most that the first app can ask for of the same kind; it goes on until the signal. */
  readonly worst: (app: App, target: Target, signal: AbortSignal) => Promise<void>;
}

/** p99 of another app's work in ms, alone and beside the worst of the first app: medians of three rounds. */
export interface Neighbours {
  readonly kind: string;
  readonly alone: number;
  readonly beside: number;
}

const KINDS: readonly Kind[] = [
  {
    name: "webhooks beside 400 to a target that answers after 20 s",
    work: async (app, target) => webhook(app, target, 30),
    worst: async (app, target) => {
      await load({ count: 400, inFlight: 16 }, async () => post(app, `${target.url}/slow`, 30));
    },
  },
  {
    name: "webhooks beside 400 of 20 s to 100 origins",
    work: async (app, target) => webhook(app, target, 30),
    worst: async (app, target) => {
      let n = 0;
      const next = () => target.origins[(n += 1) % target.origins.length] ?? target.url;
      await load({ count: 400, inFlight: 16 }, async () => post(app, `${next()}/slow`, 30));
    },
  },
  {
    name: "attempts with 600 s beside 200 that last",
    work: async (app, target) => webhook(app, target, 600),
    worst: async (app, target) => {
      await load({ count: 200, inFlight: 16 }, async () => post(app, `${target.url}/slow`, 600));
    },
  },
  {
    name: "tasks beside 50 that last",
    work: async (app) => task(app),
    worst: async (app, target) => {
      const payload = { url: `${target.url}/slow`, dataset: "slow" };
      await load({ count: 50, inFlight: 8 }, async () => {
        await ask(app, "POST", "/v1/jobs", { jobType: "sync", payload });
      });
    },
  },
  {
    name: "tasks, with their events, beside 60 long polls",
    work: async (app) => task(app),
    worst: async (app, _, signal) => {
      const scheduledAt = new Date(Date.now() + 3_600_000).toISOString();
      const later = { jobType: "example", payload: { words: ["job"] }, scheduledAt };
      const { jobId } = (await ask(app, "POST", "/v1/jobs", later)) as { jobId: string };
      const poll = async () => {
        let after = "";
        while (!signal.aborted) {
          const answer = await app.call("GET", `/v1/jobs/${jobId}/events${after}`);
          after = `?after=${((await answer.json()) as { after: string }).after}`;
          const pauseMs = Number(answer.headers.get("retry-after") ?? 0) * 1_000;
          await sleep(pauseMs, undefined, { signal }).catch(() => {});
        }
      };
      void Promise.all(Array.from({ length: 60 }, poll)).catch(() => {});
    },
  },
  {
    name: "quick PDFs beside as many as are let in, here and on another stack",
    takesCores: true,
    pace: OTHERS_PDFS,
    work: async (app) => expectStatus(await quickPdf(app), 200),
    worst: async (app, _, signal) => {
      const again = async () => {
        while (!signal.aborted) {
          const answer = await quickPdf(app);
          await answer.arrayBuffer();
          if (answer.status === 429) await sleep(1_000 * Number(answer.headers.get("retry-after")));
        }
      };
      void Promise.all(Array.from({ length: 12 }, again)).catch(() => {});
    },
  },
];

/** Measures the kinds whose name holds `only`. `told` is called with each one's figures. */
export async function benchNeighbours(only: string, told: (figures: Neighbours) => void): Promise<void> {
  for (const kind of KINDS.filter(({ name }) => name.includes(only))) {
    process.stderr.write(`${kind.name}\n`);
    // A stack of its own: what one kind has left behind would be in the figures of the next.
    const shared = await startPlace();
    const measured = async () => roundOf(kind, shared);
    await measured();
    const elsewhere = kind.takesCores && (await startPlace());
    const alone = elsewhere ? await besideWorst(kind, elsewhere, measured) : await rounds(measured);
    await elsewhere?.end();
    const beside = await besideWorst(kind, shared, measured);
    await shared.end();
    told({ kind: kind.name, alone: median(alone), beside: median(beside) });
  }
}

type Place = Awaited<ReturnType<typeof startPlace>>;

/** A stack with the two apps, and a target. */
async function startPlace() {
  const { url, child, dir } = await startStack();
  const target = await startTarget();
  const [first, other] = [await appAt(url), await appAt(url)];
  // This machine has three browsers, and a core for two of them.
  await operatorLimits(url, first.appId, { quickPdfsPerApp: 1 });
  const end = async () => {
    target.close();
    await stop(child);
    rmSync(dir, { recursive: true, force: true });
  };
  return { first, other, target, end };
}

/** The p99 of the other app's work in one round, in ms. */
async function roundOf(kind: Kind, { other, target }: Place): Promise<number> {
  const times: number[] = [];
  await load(kind.pace ?? OTHERS, async () => {
    const began = performance.now();
    await kind.work(other, target);
    times.push(performance.now() - began);
  });
  return percentile(times, 99);
}

async function rounds(measured: () => Promise<number>): Promise<number[]> {
  const all: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) all.push(await measured());
  return all;
}

async function besideWorst(kind: Kind, { first, target }: Place, measured: () => Promise<number>): Promise<number[]> {
  const over = new AbortController();
  await kind.worst(first, target, over.signal);
  await sleep(KNOWN_AFTER_MS);
  const all = await rounds(measured);
  over.abort();
  return all;
}

async function webhook(app: App, target: Target, timeoutSeconds: number): Promise<void> {
  const word = randomUUID();
  await Promise.all([target.arrived(word), post(app, `${target.url}/quick/${word}`, timeoutSeconds)]);
}

async function post(app: App, to: string, timeoutSeconds: number): Promise<void> {
  const { origin, pathname } = new URL(to);
  const { message } = jobFor(origin, ORDER);
  const lambdaProxyMessage = { ...message.lambdaProxyMessage, path: pathname };
  const execution = { ...message.execution, timeoutSeconds };
  const body = { message: { lambdaProxyMessage, execution, metadata: { maxRetries: 0 } } };
  await expectStatus(await app.call("POST", "/v1/jobs/create", body), 201);
}

async function task(app: App): Promise<void> {
  const created = await ask(app, "POST", "/v1/jobs", { jobType: "example", payload: { words: ["job"] } });
  const { jobId } = created as { jobId: string };
  let query = "";
  for (;;) {
    const events = await ask(app, "GET", `/v1/jobs/${jobId}/events${query}`);
    const { after, ended } = events as { after: string; ended: boolean };
    if (ended) return;
    query = `?after=${after}`;
  }
}

async function quickPdf(app: App): Promise<Response> {
  return app.call("POST", "/quickjob", { input_type: "html", html: "<h1>Invoice 4711</h1><p>Thank you.</p>" });
}

async function ask(app: App, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await app.call(method, path, body);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} was answered with ${answer.status}: ${text}`);
  return JSON.parse(text) as unknown;
}

async function expectStatus(answer: Response, status: number): Promise<void> {
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`Answered with ${answer.status}, expected ${status}: ${text}`);
}

async function appAt(url: string): Promise<App & { readonly appId: string }> {
  const appId = randomUUID();
  const token = await signToken({ appId, sub: "bench", roles: ["APP_ADMIN"], permissions: [], expires: "1h" });
  return { appId, ...withToken(url, token) };
}

function withToken(url: string, token: string): App {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return {
    call: async (method, path, body) =>
      fetch(url + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }),
  };
}

async function operatorLimits(url: string, appId: string, limits: object): Promise<void> {
  const token = await signToken({ sub: "operator", roles: ["PLATFORM_ADMIN"], permissions: [], expires: "1h" });
  await ask(withToken(url, token), "PUT", `/v1/admin/apps/${appId}/limits`, limits);
}

/** Paths with `slow` are answered after 15 to 25 s, others at once. */
async function startTarget(): Promise<Target> {
  const waiting = new Map<string, () => void>();
  const servers = Array.from({ length: 100 }, () =>
    createServer((request, response) => {
      request.resume();
      if (request.url?.includes("/slow"))
        return void setTimeout(() => response.end(), randomInt(15_000, 25_000)).unref();
      response.end();
      return waiting.get(request.url?.split("/").at(-1) ?? "")?.();
    }).listen(0, "127.0.0.1"),
  );
  await Promise.all(servers.map(async (server) => once(server, "listening")));
  const origins = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    url: origins[0] ?? "",
    origins,
    arrived: async (word) =>
      new Promise((resolve) => {
        waiting.set(word, resolve);
      }),
    close: () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}
