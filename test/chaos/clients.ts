import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { Random } from "../sim/random.ts";
import { tokenFor } from "../support/stack.ts";

// Clients that post jobs and read their outcomes.

/** A job as the API shows it, as far as it matters here. */
export interface Shown {
  readonly id: string;
  readonly status: string;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly lastError: string | null;
  readonly parentJobId?: string;
  readonly followUpJobIds?: readonly string[];
  readonly attempts?: readonly { readonly number: number; readonly outcome: string }[];
}

export interface Accepted {
  readonly id: string;
  /** Its end is to be told to the target. */
  readonly calledBack: boolean;
}

export type Clients = Awaited<ReturnType<typeof createClients>>;

/** The backoff doubles from this to the most, so that clients do not overload a part that has just come back. */
const AGAIN_MS = 100;
const MOST_AGAIN_MS = 2_000;
/** The gateway answers within 30 s, or never. */
const ANSWER_WITHIN_MS = 35_000;
const PAGE = 100;

/** One app and its administrator. `repeated` counts requests that got no answer, or a 503, and were made again. */
export async function createClients(url: string) {
  const token = await tokenFor({ appId: randomUUID(), expires: "12h" });
  const dispatcher = new Agent({ connections: 100, headersTimeout: ANSWER_WITHIN_MS });
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  let repeated = 0;
  let isOver = false;

  async function once(method: "GET" | "POST", path: string, body?: object) {
    const answer = await request(url + path, { dispatcher, method, headers, body: body ? JSON.stringify(body) : null });
    const text = await answer.body.text();
    const { "idempotent-replayed": replayed } = answer.headers;
    return { status: answer.statusCode, replayed: replayed === "true", data: () => JSON.parse(text).data as unknown };
  }

  /** Repeats a request without an answer; a create is safe to repeat by its key. */
  async function ask(method: "GET" | "POST", path: string, body?: object) {
    for (let againMs = AGAIN_MS; ;) {
      const answer = await once(method, path, body).catch(() => undefined);
      if (answer && answer.status !== 503) return answer;
      if (isOver) throw new Error("The clients have gone");
      repeated += 1;
      againMs = Math.min(2 * againMs, MOST_AGAIN_MS);
      await sleep(againMs);
    }
  }

  async function post(body: object): Promise<Accepted & { readonly replayed: boolean }> {
    const { status, replayed, data } = await ask("POST", "/v1/jobs/create", body);
    if (status !== (replayed ? 200 : 201)) throw new Error(`A create was answered ${status}`);
    return { id: (data() as Shown).id, calledBack: "onComplete" in body, replayed };
  }

  /** Undefined if there is no such job. */
  async function read(id: string): Promise<Shown | undefined> {
    const answer = await ask("GET", `/v1/admin/jobs/${id}`);
    return answer.status === 200 ? (answer.data() as Shown) : undefined;
  }

  async function list(): Promise<Shown[]> {
    const found: Shown[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const answer = await ask(
        "GET",
        `/v1/admin/jobs?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      const page = answer.data() as { items: Shown[]; nextCursor: string | null };
      found.push(...page.items);
      cursor = page.nextCursor;
    }
    return found;
  }

  /** The service's clock, in ms since 1970. */
  async function now(): Promise<number> {
    const answer = await request(`${url}/health`, { dispatcher });
    return Date.parse(((await answer.body.json()) as { now: string }).now);
  }

  return {
    post,
    read,
    list,
    now,
    repeated: () => repeated,
    leave: async () => {
      isOver = true;
      await dispatcher.destroy();
    },
  };
}

/** An attempt that was lost holds its job until its lease ends, 15 s after this: shorter is sooner. */
const TIMEOUT_SECONDS = 2;

/** A request for a webhook, with a drawn mode, size, lane, retries and callback. */
export function anyJob(random: Random, target: string, key: string): object {
  // Incompressible sizes for the job's item, an item of its own, and the bucket.
  const size = random.chance(0.02) ? 600_000 : random.chance(0.1) ? 3_000 : 0;
  const { message } = plainJob(target, key);
  const { lambdaProxyMessage, execution, metadata } = message;
  const patient = { maxRetries: 50, retry: { baseDelaySeconds: 30, maxDelaySeconds: 240 } };
  const retries = random.chance(0.1) ? { maxRetries: 2 } : patient;
  const lane = random.chance(0.15) && { messageGroupId: `lane-${random.below(5)}` };
  return {
    mode: random.chance(0.2) ? "db" : "both",
    message: {
      lambdaProxyMessage: { ...lambdaProxyMessage, body: randomBytes((size * 3) / 4).toString("base64") },
      execution: { ...execution, timeoutSeconds: TIMEOUT_SECONDS },
      metadata: { ...metadata, ...retries, ...lane },
    },
    ...(random.chance(0.2) && { onComplete: { url: `${target}/callback` } }),
  };
}

export function plainJob(target: string, key: string) {
  return {
    message: {
      lambdaProxyMessage: { path: "/job", httpMethod: "POST", body: "{}" },
      execution: { type: "rest-api", baseUrl: target },
      metadata: { idempotencyKey: key },
    },
  };
}
