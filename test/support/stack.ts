import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { checkAnswer } from "./api-document.ts";
import { recording } from "./aws/recording.ts";
import { cleanEnv } from "./clean-env.ts";
import { ROOT } from "./root.ts";
import type { Shared } from "./shared-stacks.ts";
import { signToken, type TokenClaims } from "../../local/token.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over HTTP is asserted on, not trusted
  readonly body: any;
}

export interface Stack {
  readonly url: string;
  readonly dir: string;
  /** Every line it has printed so far. */
  readonly lines: readonly string[];
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Resolves with the first log line, printed or to come, that matches. */
  logged(matches: (line: LogLine) => boolean): Promise<LogLine>;
}

/** A stack that no other test file uses. */
export interface OwnStack extends Stack {
  readonly process: ChildProcess;
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export interface CallOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export interface LogLine {
  readonly event: string;
  readonly jobId?: string;
  readonly [field: string]: unknown;
}

export interface StackOptions {
  readonly env?: Record<string, string>;
  readonly dir?: string;
}

const started = new Set<ChildProcess>();
const dirs: string[] = [];

export function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "jobs-"));
  dirs.push(dir);
  return dir;
}

/** Starts the local stack as `npm start` does, on a free port, with data of its own. */
export async function startStack({ env = {}, dir = temporaryDir() }: StackOptions = {}): Promise<OwnStack> {
  const child = spawn(process.execPath, ["local/start.ts"], {
    cwd: ROOT,
    env: { ...cleanEnv(), ...recording(), PORT: "0", DATA_DIR: dir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.add(child);
  const lines: string[] = [];
  const printed = new EventEmitter();
  printed.setMaxListeners(0);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      printed.emit("line", line);
    });
  }
  const url = await new Promise<string>((ready, reject) => {
    printed.on("line", (line: string) => {
      if (line.startsWith("ready")) ready(/http:\S+/.exec(line)?.[0] ?? "");
    });
    child.once("exit", (code) => reject(new Error(`The stack ended with ${code}:\n${lines.join("\n")}`)));
  });
  return {
    url,
    dir,
    process: child,
    lines,
    call: (method, path, options) => call(url, method, path, options),
    logged: async (matches) => {
      for (let at = 0; ; at += 1) {
        while (at >= lines.length) await once(printed, "line");
        if (isIt(lines[at], matches)) return JSON.parse(lines[at] ?? "") as LogLine;
      }
    },
    end: (signal = "SIGTERM") => end(child, signal),
  };
}

/** The settings of the shared stacks that the running file uses. */
const taken: string[] = [];

/**
 * A stack for test files that only use apps of their own, and their own names for functions in its folder `functions`.
 * All files that ask for the same settings share it, at the same time too.
 */
export async function sharedStack(env: Record<string, string> = {}): Promise<Stack> {
  const settings = JSON.stringify(env);
  const answer = await askForShared("POST", settings);
  if (!answer.ok) throw new Error(await answer.text());
  taken.push(settings);
  const { url, dir, log } = (await answer.json()) as Shared;
  const lines: string[] = [];
  const read = readerOf(log, lines);
  return {
    url,
    dir,
    get lines() {
      read();
      return lines;
    },
    call: (method, path, options) => call(url, method, path, options),
    logged: async (matches) => {
      for (let at = 0; ; read()) {
        for (; at < lines.length; at += 1) if (isIt(lines[at], matches)) return JSON.parse(lines[at] ?? "") as LogLine;
        await sleep(15);
      }
    },
  };
}

async function askForShared(method: string, settings: string): Promise<Response> {
  return fetch(process.env["SHARED_STACKS"] ?? "", { method, body: settings });
}

function isIt(line = "", matches: (line: LogLine) => boolean): boolean {
  return line.startsWith("{") && matches(JSON.parse(line) as LogLine);
}

/** Appends the whole lines that a file has got since the last call. */
function readerOf(file: string, lines: string[]): () => void {
  let from = 0;
  return () => {
    const opened = openSync(file, "r");
    const more = Buffer.alloc(fstatSync(opened).size - from);
    const length = readSync(opened, more, 0, more.length, from);
    closeSync(opened);
    const whole = more.subarray(0, length).lastIndexOf("\n") + 1;
    from += whole;
    lines.push(...more.subarray(0, whole).toString().split("\n").slice(0, -1));
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  started.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

/** To be called after all tests of a file: ends what still runs, removes its data, and gives back what is shared. */
export async function endStacks(): Promise<void> {
  await Promise.all(taken.splice(0).map(async (settings) => askForShared("DELETE", settings)));
  await Promise.all([...started].map((child) => end(child, "SIGTERM")));
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
}

async function call(base: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { token, body, headers } = options;
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    redirect: "manual",
  });
  const { status } = response;
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString();
  checkAnswer({ method, path, status, headers: response.headers, text });
  if (response.headers.get("content-type") === "application/pdf")
    return { status, headers: response.headers, body: bytes };
  return { status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
}

/** A tenant of its own for a test, with an administrator's token. */
export async function newApp(claims: Partial<TokenClaims> = {}): Promise<{ appId: string; token: string }> {
  const appId = randomUUID();
  return { appId, token: await tokenFor({ appId, ...claims }) };
}

export async function tokenFor(claims: Partial<TokenClaims>): Promise<string> {
  return signToken({ sub: "tester", roles: ["APP_ADMIN"], permissions: [], expires: "1h", ...claims });
}

export interface JobOptions {
  readonly url: string;
  readonly path?: string;
  readonly method?: string;
  readonly body?: string | null;
  readonly mode?: string;
  readonly headers?: Record<string, string>;
  readonly execution?: Record<string, unknown>;
  readonly metadata?: Record<string, unknown>;
  readonly proxy?: Record<string, unknown>;
}

/** A request for a webhook with only what is required. */
export function webhook(options: JobOptions) {
  const {
    url,
    path = "/hook",
    method = "POST",
    body = '{"orderId":"123"}',
    mode,
    headers,
    execution,
    metadata,
    proxy,
  } = options;
  return {
    ...(mode && { mode }),
    message: {
      lambdaProxyMessage: { path, httpMethod: method, body, ...(headers && { headers }), ...proxy },
      execution: { type: "rest-api", baseUrl: url, ...execution },
      ...(metadata && { metadata }),
    },
  };
}

/** The most that a wait takes longer than what it waits for. */
const LONGEST_PAUSE_MS = 250;

/** Looks until it is there; the test's own timeout ends the wait. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  // Most looks are requests, which take time from what is waited for: a long wait looks less and less often.
  for (let pauseMs = 15; ; pauseMs = Math.min(pauseMs * 1.3, LONGEST_PAUSE_MS)) {
    const found = await look();
    if (found) return found;
    await sleep(pauseMs);
  }
}

/** The job with its attempts, once it is in one of these statuses. */
export async function jobIn(stack: Stack, token: string, id: string, ...statuses: string[]): Promise<Answer["body"]> {
  return until(async () => {
    const { body } = await stack.call("GET", `/v1/admin/jobs/${id}`, { token });
    return statuses.includes(body.data?.status) && body.data;
  });
}
