import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { refuseWords } from "../lib/config.ts";
import { clockNotice, readClock, usualFolder } from "./clock-file.ts";
import { buildDashboard } from "./dashboard.ts";
import { readEnvFile } from "./env-file.ts";
import type { Runner } from "./event-sources.ts";
import type { References } from "./provision.ts";
import { collectOutput } from "./output.ts";
import { LOOPBACK } from "./listen.ts";
import { readTemplate, type Template } from "./template.ts";
import type { WorkerSettings } from "./workers.ts";

// The whole service on this machine: `npm start`. The story is in `start`, its steps below. What runs the service is
// loaded last, so that a start that is refused says so at once.

const PARENT = process.ppid;
const ROOT = resolve(import.meta.dirname, "..");
/** How long a stop waits for running jobs. The whole stack has to end within 3 s. */
const STOP_WITHIN_MS = 2_500;
/** How long a start waits for the holder of its folder to say that it is ending. */
const SIGN_WITHIN_MS = 4_000;
/** How long it then waits for its end. A busy machine ends in more than 3 s. */
const END_WITHIN_MS = 60_000;

interface Settings {
  readonly port: number;
  readonly bind: string;
  readonly dir: string;
  readonly speed: number;
  /** `gateway` takes requests, `worker` runs jobs, `all` does both; a worker joins a stack that runs. */
  readonly role: "all" | "gateway" | "worker";
}

/** The content of DATA_DIR/stack.json: the first process of a stack writes it, the workers that join read it. */
interface RunningStack {
  readonly pid: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly references: References;
  /** It takes no more requests and is about to leave the folder. */
  readonly isEnding?: boolean;
}

/** A running stack as this process sees it; only the process that started it has the server and its URL. */
interface Stack extends RunningStack {
  readonly server?: Server;
  readonly url?: string;
  /** Tells a start that waits for the folder to wait on. */
  announceEnd(): void;
  stop(): Promise<void>;
}

async function start(settings: Settings): Promise<void> {
  let stop: (() => Promise<void>) | undefined;
  let stopBuilding = () => {};
  // Watched from the first moment on: a start whose npm is killed must not go on to the end before it sees that.
  onEnd(async () => stop?.());
  mkdirSync(settings.dir, { recursive: true });
  const template = readTemplate(ROOT);
  const stack = settings.role === "worker" ? joinStack(settings) : await foundStack(settings, template);
  Object.assign(process.env, stack.environment);
  if (stack.url !== undefined) stopBuilding = buildDashboard(ROOT);
  const { references } = stack;
  const workers = await startRole(settings.role, { root: ROOT, template, dir: settings.dir, references });
  stop = async () => {
    stopBuilding();
    stack.announceEnd();
    stack.server?.close();
    await Promise.race([workers?.stop(), sleep(STOP_WITHIN_MS)]);
    await stack.stop();
  };
  if (stack.url !== undefined) await announce(stack.url, settings);
  else process.stdout.write(`ready: a worker of the stack in ${settings.dir}\n`);
}

function settingsOf(env: NodeJS.ProcessEnv): Settings {
  const { PORT = "3000", SPEED = "1", ROLE = "all" } = env;
  const bind = env["BIND"] || LOOPBACK;
  const port = Number(PORT);
  const speed = Number(SPEED);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`PORT is "${PORT}": expected 0 to 65535`);
  if (isIP(bind) === 0) {
    throw new Error(`BIND is "${bind}": expected an address of this machine, or 0.0.0.0 for all of them`);
  }
  refuseWords(env);
  if (!(speed > 0)) throw new Error(`SPEED is "${SPEED}": expected a number above 0, such as 60`);
  if (ROLE !== "all" && ROLE !== "gateway" && ROLE !== "worker") {
    throw new Error(`ROLE is "${ROLE}": expected gateway, worker or all`);
  }
  return { port, bind, speed, role: ROLE, dir: resolve(env["DATA_DIR"] || usualFolder(speed)) };
}

/** Starts the emulators and the gateway, and writes DATA_DIR/stack.json. */
async function foundStack(settings: Settings, template: Template): Promise<Stack> {
  const { dir, speed, port, bind } = settings;
  const other = runningStack(dir);
  if (other) await ended(dir, other.pid);
  if (other && isAlive(other.pid)) {
    throw new Error(
      `A local stack (process ${other.pid}) is using ${dir}: stop it, set DATA_DIR to another folder, or join it with ROLE=worker`,
    );
  }
  const { startCloud } = await import("./cloud.ts");
  const before = other?.environment;
  const cloud = await startCloud({ root: ROOT, template, dir, port, bind, speed, before, onLoss: fail });
  const { environment, references, server, url } = cloud;
  const file = join(dir, "stack.json");
  const leave = (stack: RunningStack) => {
    // Renamed, so that nobody reads half of it.
    writeFileSync(`${file}.new`, JSON.stringify(stack, undefined, 2), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  const running = { pid: process.pid, environment, references };
  leave(running);
  return {
    ...running,
    server,
    url,
    announceEnd: () => leave({ ...running, isEnding: true }),
    stop: async () => {
      rmSync(file, { force: true });
      await cloud.stop();
    },
  };
}

function joinStack({ dir }: Settings): Stack {
  const stack = runningStack(dir);
  if (!stack) {
    throw new Error(
      `No stack runs in ${dir}: start one with ROLE=gateway npm start, then its workers with the same DATA_DIR and SPEED`,
    );
  }
  return { ...stack, announceEnd: () => {}, stop: async () => {} };
}

function runningStack(dir: string): RunningStack | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, "stack.json"), "utf8")) as RunningStack;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Waits for a stack that was told to stop, or whose npm was killed. One that gives no sign of ending goes on. */
async function ended(dir: string, pid: number): Promise<void> {
  const began = Date.now();
  const patience = () => (runningStack(dir)?.isEnding ? END_WITHIN_MS : SIGN_WITHIN_MS);
  while (isAlive(pid) && Date.now() - began < patience()) await sleep(50);
}

async function startRole(role: Settings["role"], settings: WorkerSettings): Promise<Runner | undefined> {
  if (role === "gateway") return undefined;
  const { startWorkers, startWorkersInThread } = await import("./workers.ts");
  switch (role) {
    case "worker":
      return startWorkers(settings);
    case "all":
      return startWorkersInThread(settings);
    default:
      return role satisfies never;
  }
}

async function announce(url: string, { dir, speed, bind }: Settings): Promise<void> {
  const { DEMO_APP, demoToken } = await import("./local-pages.ts");
  const token = await demoToken();
  const job = { url: `${url}/echo/hello`, body: { orderId: "123" }, key: "first-job" };
  const clock = readClock(dir);
  const notice = clock && clockNotice(clock, dir);
  if (notice !== undefined) process.stdout.write(`${notice}\n`);
  if (!/^(?:127\.|::1$)/.test(bind)) {
    process.stdout.write(
      `BIND is ${bind}: whoever reaches it can do everything, since the secrets of a local stack are published\n`,
    );
  }
  process.stdout.write(`ready: ${url}  (data in ${dir}${speed === 1 ? "" : `, clock at ${speed} times`})

A token for app ${DEMO_APP}, role APP_ADMIN, good for 12 hours:
${token}

Send a first job to the echo target:
curl -s ${url}/v1/send -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '${JSON.stringify(job)}'

See what became of it:
curl -s '${url}/v1/admin/jobs?limit=10' -H 'Authorization: Bearer ${token}'

See and steer jobs, with one click to sign in:
${url}/dashboard

Browse the API and try it out, with that token behind "Authorize":
${url}/api-docs

`);
}

function onEnd(stop: () => Promise<void>): void {
  let stopping = false;
  const end = () => {
    if (stopping) return;
    stopping = true;
    void stop().finally(() => process.exit(0));
  };
  process.on("SIGTERM", end).on("SIGINT", end);
  // A killed npm cannot pass its signal on, so the process watches for a change of parent.
  if (process.env["npm_lifecycle_event"]) setInterval(() => process.ppid !== PARENT && end(), 250).unref();
}

function fail(error: unknown): never {
  process.stderr.write(`The local stack can't go on. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

try {
  collectOutput();
  readEnvFile();
  await start(settingsOf(process.env));
} catch (error) {
  fail(error);
}
