import { JobsError, UnavailableError, errorOf, type ErrorBody } from "./errors.ts";

// One request to the service, repeated while another try may help.

export interface JobsOptions {
  /** Default: `JOBS_URL` of the environment. */
  readonly url?: string | undefined;
  /** Default: `JOBS_TOKEN` of the environment. A function is asked before every try. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Milliseconds for each try. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined;
}

export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface Request extends CallOptions {
  readonly query?: object | undefined;
  /** Sent as JSON; text is JSON already. */
  readonly body?: object | string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  /** `data` of the envelope, or the whole body where there is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the caller names the type, by the API document
  readonly data: any;
  /** Seconds, if the service asks to wait. */
  readonly retryAfter: number | undefined;
  /** The request was done before, and its key had an answer. */
  readonly isReplay: boolean;
}

export type Send = (method: string, path: string, request?: Request) => Promise<Answer>;

const MOST_TRIES = 4;
/** No try begins later. */
const WITHIN_MS = 30_000;
const FIRST_PAUSE_MS = 1_000;

export function transport({ url, token, timeoutMs = 30_000, fetch = globalThis.fetch }: JobsOptions): Send {
  const base = given("url", url ?? env("JOBS_URL"), "JOBS_URL").replace(/\/+$/, "");
  const bearer = given("token", token ?? env("JOBS_TOKEN"), "JOBS_TOKEN");

  if (!URL.canParse(base)) throw new TypeError(`url is "${base}": expected one such as https://jobs.example.com`);

  return async (method, path, { query, body, headers, signal } = {}) => {
    const address = base + path + queryOf(query);
    const text = typeof body === "object" ? JSON.stringify(body) : body;
    const end = Date.now() + WITHIN_MS;
    for (let n = 1, isRepeated = false; ; n += 1) {
      signal?.throwIfAborted();
      const authorization = `Bearer ${typeof bearer === "function" ? await bearer() : bearer}`;
      const limit = AbortSignal.timeout(timeoutMs);
      const tried = await fetch(address, {
        method,
        headers: { authorization, ...(text !== undefined && { "content-type": "application/json" }), ...headers },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
        // Followed, a POST would become a GET.
        redirect: "manual",
        ...(text !== undefined && { body: text }),
      }).then(
        async (response) => read(response),
        (cause: unknown) => ({ error: noAnswer(`${method} ${address}`, cause), retryAfter: undefined }),
      );
      if (!("error" in tried)) return tried;
      // The signal's own reason, and not what `fetch` made of it.
      signal?.throwIfAborted();
      const { error, retryAfter } = tried;
      const pause = pauseMs(n, retryAfter);
      if (!error.isRetryable || n === MOST_TRIES || Date.now() + pause > end) throw thrown(error, isRepeated);
      isRepeated ||= error instanceof UnavailableError;
      await sleep(pause, signal);
    }
  };
}

/** Full jitter: anything up to 1, 2 and 4 s. A `Retry-After` counts instead, with up to a second of jitter. */
export function pauseMs(tries: number, retryAfter: number | undefined): number {
  const jitter = Math.random() * FIRST_PAUSE_MS;
  return retryAfter === undefined ? jitter * 2 ** (tries - 1) : retryAfter * 1_000 + jitter * Math.min(retryAfter, 1);
}

/** Errors of calls of which a try before may have taken effect, so that a 409 may be its doing. */
export const repeated = new WeakSet<Error>();

function thrown(error: Error, isRepeated: boolean): Error {
  if (isRepeated) repeated.add(error);
  return error;
}

type Read = Answer | { readonly error: JobsError; readonly retryAfter: number | undefined };

async function read(response: Response): Promise<Read> {
  const { status, headers } = response;
  const asked = headers.get("retry-after");
  const retryAfter = asked === null ? undefined : secondsUntil(asked);
  const requestId = headers.get("x-request-id") ?? undefined;
  let text: string;
  try {
    text = await response.text();
  } catch (cause) {
    return { error: noAnswer(response.url, cause), retryAfter };
  }
  const body = parsed(text) as { data?: unknown; error?: ErrorBody } | null | undefined;
  const isReplay = headers.get("idempotent-replayed") === "true";
  if (response.ok && (body !== undefined || text === ""))
    return { status, retryAfter, isReplay, data: body && "data" in body ? body.data : body };
  if (response.ok) {
    const message = `${response.url} answered ${status} with what is not JSON: is it the address of the service? ${text.slice(0, 200)}`;
    return { error: new JobsError(message, { status, code: "NOT_JSON", requestId }), retryAfter };
  }
  // A proxy before the service answers in its own form, or names another address.
  const said = body?.error ?? { message: `HTTP ${status}: ${headers.get("location") ?? text.slice(0, 500)}` };
  return { error: errorOf(status, said, { requestId, retryAfterSeconds: retryAfter }), retryAfter };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Seconds, or an HTTP date. */
function secondsUntil(text: string): number | undefined {
  const seconds = /^\d/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1_000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

function noAnswer(request: string, cause: unknown): UnavailableError {
  const { message = String(cause), cause: inner } = cause as { message?: string; cause?: { message?: string } };
  const why = inner?.message ? `${message}: ${inner.message}` : message;
  return new UnavailableError(`No answer to ${request}: ${why}`, { status: 0, code: "NO_ANSWER", cause });
}

/** Milliseconds. Rejects with the signal's reason when it is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    if (signal?.aborted) aborted();
    else signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** `?status=DEAD&status=FAILED`. A filter that is empty by mistake would take everything, so it throws. */
function queryOf(query: object = {}): string {
  refuseEmpty(query);
  const pairs = Object.entries(query).flatMap(([name, value]: [string, unknown]) =>
    value === undefined ? [] : [value].flat().map((each): [string, string] => [name, textOf(each)]),
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs).toString()}`;
}

function textOf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}

export function refuseEmpty(filter: object): void {
  for (const [name, value] of Object.entries(filter)) {
    if (Array.isArray(value) && value.length === 0)
      throw new TypeError(`${name} is []: expected at least one, since none would take all jobs; leave it out for all`);
  }
}

function env(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name];
}

function given<T>(option: string, value: T | undefined, variable: string): T {
  if (!value) throw new TypeError(`${option} is missing: give new Jobs({ ${option} }), or set ${variable}`);
  return value;
}
