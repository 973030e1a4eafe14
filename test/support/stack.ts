import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { checkAnswer } from "./api-document.ts";
import { ROOT } from "./root.ts";
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
  readonly process: ChildProcess;
  /** Every line it has printed so far. */
  readonly lines: string[];
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Resolves with the first log line, printed or to come, that matches. */
  logged(matches: (line: LogLine) => boolean): Promise<LogLine>;
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
export async function startStack({ env = {}, dir = temporaryDir() }: StackOptions = {}): Promise<Stack> {
  const child = spawn(process.execPath, ["local/start.ts"], {
    cwd: ROOT,
    env: { ...cleanEnv(), PORT: "0", DATA_DIR: dir, ...env },
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
      const isIt = (line: string) => line.startsWith("{") && matches(JSON.parse(line) as LogLine);
      for (let at = 0; ; at += 1) {
        while (at >= lines.length) await once(printed, "line");
        const line = lines[at] ?? "";
        if (isIt(line)) return JSON.parse(line) as LogLine;
      }
    },
    end: (signal = "SIGTERM") => end(child, signal),
  };
}

let shared: Promise<Stack> | undefined;

/**
 * The stack of this process's test files that only use apps of their own. It has the settings of `npm start`, and ends
 * with the process.
 */
export async function sharedStack(): Promise<Stack> {
  shared ??= startShared();
  return shared;
}

async function startShared(): Promise<Stack> {
  // Removed after all files.
  const dir = mkdtempSync(join(process.env["SHARED_STACKS"] ?? tmpdir(), "stack-"));
  const stack = await startStack({ dir });
  started.delete(stack.process);
  process.once("exit", () => stack.process.kill("SIGTERM"));
  return stack;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  started.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

/** To be called after all tests of a file: ends what still runs and removes its data. */
export async function endStacks(): Promise<void> {
  await Promise.all([...started].map((child) => end(child, "SIGTERM")));
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
}

/** The environment without variables of another stack or a developer. */
export function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(AWS_|JWT_|JWKS_|VITEST|NODE_OPTIONS)/.test(name));
  return Object.fromEntries(kept);
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

/** Looks until it is there; the test's own timeout ends the wait. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await sleep(15);
  }
}

/** The job with its attempts, once it is in one of these statuses. */
export async function jobIn(stack: Stack, token: string, id: string, ...statuses: string[]): Promise<Answer["body"]> {
  // Each look is a request, so a long wait looks less and less often.
  for (let pauseMs = 15; ; pauseMs = Math.min(pauseMs * 1.25, 100)) {
    const { body } = await stack.call("GET", `/v1/admin/jobs/${id}`, { token });
    if (statuses.includes(body.data?.status)) return body.data;
    await sleep(pauseMs);
  }
}
