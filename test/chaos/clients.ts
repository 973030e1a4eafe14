import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { tokenFor } from "../support/stack.ts";

// The clients of one app: they ask until they are answered, and read what has become of their jobs.

/** A job as the API shows it, as far as it matters here. */
export interface Shown {
  readonly id: string;
  readonly status: string;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly lastError: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly parentJobId?: string;
  readonly followUpJobIds?: readonly string[];
  readonly attempts?: readonly { readonly number: number; readonly outcome: string }[];
}

export interface Ask {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  /** An object goes as JSON, bytes as they are. */
  readonly body?: object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over HTTP is looked at, not trusted
  readonly json: () => any;
}

export type Client = Awaited<ReturnType<typeof createClient>>;

/** The backoff doubles from this to the most, so that clients do not overload a part that has just come back. */
const AGAIN_MS = 100;
const MOST_AGAIN_MS = 2_000;
/** The gateway answers within 30 s, or never. */
const ANSWER_WITHIN_MS = 35_000;
const PAGE = 100;
/** Out of time, too many, or a part that is down: no answer about the request itself. */
const NO_ANSWER = [408, 429, 503];

/** The clients of an app of their own. `repeated` counts requests that got no answer, or one of those, and were made again. */
export async function createClient(url: string) {
  const appId = randomUUID();
  const token = await tokenFor({ appId, expires: "12h" });
  const dispatcher = new Agent({ connections: 100, headersTimeout: ANSWER_WITHIN_MS });
  let repeated = 0;
  let isOver = false;

  async function once({ method, path, body, headers }: Ask): Promise<Answer> {
    const { statusCode, ...answer } = await request(url + path, {
      dispatcher,
      method,
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...headers,
      },
      body: body && !Buffer.isBuffer(body) ? JSON.stringify(body) : (body ?? null),
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    return { status: statusCode, headers: answer.headers, bytes, json: () => JSON.parse(bytes.toString()) };
  }

  /** Repeats a request without an answer; a create is safe to repeat by its key. */
  async function ask(asked: Ask): Promise<Answer & { readonly isRepeated: boolean }> {
    for (let [againMs, isRepeated] = [AGAIN_MS, false]; ; isRepeated = true) {
      const answer = await once(asked).catch(() => undefined);
      if (answer && !NO_ANSWER.includes(answer.status) && !isGatewayFault(answer)) return { ...answer, isRepeated };
      if (isOver) throw new Error("The clients have gone");
      repeated += 1;
      againMs = Math.min(2 * againMs, MOST_AGAIN_MS);
      await sleep(againMs);
    }
  }

  /** Undefined if there is no such job. */
  async function read(id: string): Promise<Shown | undefined> {
    const { status, json } = await ask({ method: "GET", path: `/v1/admin/jobs/${id}` });
    return status === 200 ? (json().data as Shown) : undefined;
  }

  async function list(): Promise<Shown[]> {
    const found: Shown[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const path: string = `/v1/admin/jobs?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
      const page = (await ask({ method: "GET", path })).json().data as { items: Shown[]; nextCursor: string | null };
      found.push(...page.items);
      cursor = page.nextCursor;
    }
    return found;
  }

  /** The service's clock, in ms since 1970. */
  async function now(): Promise<number> {
    const { json } = await ask({ method: "GET", path: "/health" });
    return Date.parse((json() as { now: string }).now);
  }

  return {
    appId,
    ask,
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

/** Whether the gateway answers for a function that did not. */
export function isGatewayFault({ status, bytes }: Pick<Answer, "status" | "bytes">): boolean {
  return status >= 500 && !bytes.toString().includes('"success"');
}

/** A form with a CSV file, as bytes and their type. */
export async function csvForm(fields: Readonly<Record<string, string>>, csv: string) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", new Blob([csv], { type: "text/csv" }), "rows.csv");
  const sent = new Response(form);
  return { bytes: Buffer.from(await sent.arrayBuffer()), type: sent.headers.get("content-type") ?? "" };
}
