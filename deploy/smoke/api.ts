import { setTimeout as sleep } from "node:timers/promises";

// The API of a deployment, as its clients call it.

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over HTTP is looked at field by field
  readonly body: any;
}

interface Call {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An API Gateway ends a request after 30 s. */
const LONGEST_CALL_MS = 40_000;
/** The waits before a repeat. Every job that is created here has an idempotency key, so that a repeat is safe. */
const PAUSES_MS = [1_000, 3_000, 6_000];
const AGAIN = [429, 502, 503, 504];
const LONGEST_PAUSE_MS = 2_000;
const SAY_AFTER_MS = 10_000;

export interface Api {
  readonly url: string;
  /** The answer, whatever its status. A call that got none, or one of 429, 502, 503 or 504, is repeated. */
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** The answer, which must have one of these statuses. */
  expect(statuses: readonly number[], method: string, path: string, call?: Call): Promise<Answer>;
}

export function createApi(url: string, token: string): Api {
  async function once(method: string, path: string, { body, headers }: Call): Promise<Answer> {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: "manual",
      signal: AbortSignal.timeout(LONGEST_CALL_MS),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes, body: jsonIn(bytes) };
  }

  async function call(method: string, path: string, options: Call = {}): Promise<Answer> {
    for (const pauseMs of PAUSES_MS) {
      const answer = await once(method, path, options).catch(() => undefined);
      if (answer && !AGAIN.includes(answer.status)) return answer;
      await sleep(pauseMs);
    }
    return once(method, path, options).catch((error: unknown) => {
      throw new Error(`${method} ${url}${path} got no answer: ${reasonOf(error)}`);
    });
  }

  return {
    url,
    call,
    expect: async (statuses, method, path, options) => {
      const answer = await call(method, path, options);
      if (statuses.includes(answer.status)) return answer;
      throw new Error(`${method} ${path}: expected ${statuses.join(" or ")}, got ${answer.status}${refusalIn(answer)}`);
    },
  };
}

function jsonIn(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** What the API says of a refusal, or what a proxy before it has answered. */
function refusalIn({ body, bytes }: Answer): string {
  const { message, details = [] } = body?.error ?? {};
  if (message === undefined) return bytes.length === 0 ? "" : `: ${bytes.toString().slice(0, 200)}`;
  const fields = (details as { field: string; message: string }[]).map((each) => `; ${each.field}: ${each.message}`);
  return `: ${message}${fields.join("")}`;
}

/** `fetch` hides what happened behind "fetch failed". */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

export interface Waiting {
  /** The most that it may take. */
  readonly withinMs: number;
  /** Told every ten seconds. */
  readonly say: (seen: string) => void;
}

/** Looks until `look` has found something. What it has seen instead is told meanwhile, and in the end. */
export async function waitFor<T>(
  look: () => Promise<{ found: T } | { seen: string }>,
  { withinMs, say }: Waiting,
): Promise<T> {
  const began = Date.now();
  let told = began;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const result = await look();
    if ("found" in result) return result.found;
    const now = Date.now();
    const seconds = Math.round((now - began) / 1_000);
    if (now - began > withinMs) throw new Error(`${result.seen}, after ${seconds} s`);
    if (now - told >= SAY_AFTER_MS) {
      told = now;
      say(`${result.seen}, after ${seconds} s`);
    }
    await sleep(pauseMs);
  }
}
