import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Agent, request } from "undici";
import { startEmulators, type Emulators } from "../local/emulators.ts";
import { provision, type References } from "../local/provision.ts";
import { readTemplate } from "../local/template.ts";
import { LOCAL_JWT_SECRET, signToken } from "../local/token.ts";
import { wallMs, type CountingTarget } from "./measure.ts";
import { ORDER, jobFor, load, type Load } from "./workload.ts";

// Runs the service, the floor or a peer as processes for a benchmark to load. All take the same requests.

const ROOT = resolve(import.meta.dirname, "..");
/** The settings of `npm start`, which bound its memory: arguments of Node, and variables. */
const WORDS = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Package).scripts.start.split(" ");
const START = WORDS.filter((word) => word.startsWith("--") || word.endsWith(".ts"));
const START_ENV = Object.fromEntries(WORDS.filter((word) => /^[A-Z_]+=/.test(word)).map((word) => word.split("=")));
export const APP = "550e8400-e29b-41d4-a716-446655440000";

interface Package {
  readonly scripts: { readonly start: string };
}

/** `gateway` accepts jobs, `worker` runs them, `all` is one process that does both. */
export type Role = "all" | "gateway" | "worker";

/** Processes that accept jobs, run them, or both. */
export interface Subject {
  readonly pids: readonly number[];
  load(of: Load): Promise<void>;
  /** Messages that the service has failed to handle since its start. */
  failures(): number;
  /** Posts a job, to the counting target unless another URL is given. */
  accept(to?: string): Promise<void>;
  /** Stops its processes where they are, until they are resumed. */
  pause(): void;
  resume(): void;
  end(): Promise<void>;
}

/** Starts processes of these roles on the storage of a world. */
export type Start = (world: World, roles: readonly Role[]) => Promise<Subject>;

/** Something to be measured, on emulators of its own. */
export interface Entrant {
  readonly start: Start;
  /** Default: the emulators of the service. */
  readonly makeWorld?: (target: CountingTarget) => Promise<World>;
}

export interface World {
  readonly env: Record<string, string>;
  readonly dir: string;
  readonly endpoints: Emulators["endpoints"];
  readonly references: References;
  readonly dynamoDbPid: number;
  /** The processes of the emulators. */
  readonly pids: readonly number[];
  readonly target: CountingTarget;
  readonly end: () => Promise<void>;
}

/** Fresh emulators on the storage of `npm start`, and the environment of a process that uses them. */
export async function createWorld(target: CountingTarget): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), "bench-"));
  const emulators = await startEmulators(dir);
  const { endpoints, dynamoDbPid, pid } = emulators;
  const references = await provision(readTemplate(ROOT), endpoints);
  const env = {
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    JOBS_TABLE: references["JobsTable"] ?? "",
    JOBS_FAIR_QUEUE_URL: references["JobsFairQueue"] ?? "",
    JWT_SECRET: LOCAL_JWT_SECRET,
  };
  const end = async () => {
    await emulators.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  return { env, dir, endpoints, references, dynamoDbPid, pids: [pid, dynamoDbPid], target, end };
}

export const startService: Start = async (world, roles) =>
  startProcesses(world, roles, (role) =>
    spawn(process.execPath, START, {
      cwd: ROOT,
      env: { ...process.env, ...START_ENV, ...world.env, PORT: "0", DATA_DIR: world.dir, ROLE: role },
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );

/** The floor, or with `PEER` in `more` a peer: straight-line code in processes of the same roles. */
export function startPlain(more: Record<string, string> = {}): Start {
  return async (world, roles) =>
    startProcesses(world, roles, (role) =>
      fork(join(import.meta.dirname, "floor.ts"), {
        env: { ...process.env, ...world.env, ...more, ROLE: role },
        stdio: ["ignore", "pipe", "inherit", "ipc"],
      }),
    );
}

async function startProcesses(
  { target }: World,
  roles: readonly Role[],
  startRole: (role: Role) => ChildProcess,
): Promise<Subject> {
  const children: ChildProcess[] = [];
  let url = "";
  let failures = 0;
  // A worker joins a gateway that runs.
  for (const role of roles) {
    const child = startRole(role);
    children.push(child);
    url = (await readyLine(child)) ?? url;
    child.stdout?.on("data", (text: Buffer) => (failures += text.toString().split('"message.failed"').length - 1));
  }
  const token = await signToken({ appId: APP, sub: "bench", roles: ["APP_ADMIN"], permissions: [], expires: "1h" });
  const dispatcher = new Agent();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const accept = async (to = target.url) => {
    const body = JSON.stringify(jobFor(to, ORDER, { "x-started": String(wallMs()) }));
    const answer = await request(`${url}/v1/jobs/create`, { dispatcher, method: "POST", headers, body });
    await answer.body.dump();
    if (answer.statusCode !== 201) throw new Error(`A create was answered with ${answer.statusCode}, expected 201`);
  };
  const resume = () => signal(children, "SIGCONT");
  // What stands still would outlive a benchmark that ends early.
  const abandon = () => {
    resume();
    signal(children, "SIGTERM");
  };
  process.on("exit", abandon);
  return {
    failures: () => failures,
    pids: children.map(({ pid = 0 }) => pid),
    load: (of) => load(of, accept),
    accept,
    pause: () => signal(children, "SIGSTOP"),
    resume,
    end: async () => {
      process.off("exit", abandon);
      await dispatcher.close();
      for (const child of children.toReversed()) await stop(child);
    },
  };
}

function signal(children: readonly ChildProcess[], name: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
  for (const child of children) child.kill(name);
}

/** The URL in the line that a process prints when it is ready; a worker has none. */
async function readyLine(child: ChildProcess): Promise<string | undefined> {
  if (!child.stdout) throw new Error("The process has no output");
  const lines = createInterface({ input: child.stdout });
  return new Promise((ready, failed) => {
    lines.on("line", (line) => line.startsWith("ready") && ready(/http:\S+/.exec(line)?.[0]));
    child.once("exit", (code) => failed(new Error(`A process ended with status ${code} before it was ready`)));
  });
}

/** A stack as `npm start` starts it, with emulators of its own. */
export async function startStack(): Promise<{ url: string; child: ChildProcess; dir: string; readyMs: number }> {
  const dir = mkdtempSync(join(tmpdir(), "bench-"));
  const began = performance.now();
  const child = spawn(process.execPath, START, {
    cwd: ROOT,
    env: { ...process.env, ...START_ENV, PORT: "0", DATA_DIR: dir },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = (await readyLine(child)) ?? "";
  return { url, child, dir, readyMs: performance.now() - began };
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
