import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Agent, request } from "undici";
import { startEmulators, type Emulators } from "../local/emulators.ts";
import { provision, type References } from "../local/provision.ts";
import { readTemplate } from "../local/template.ts";
import { signToken } from "../local/token.ts";
import { wallMs, type CountingTarget } from "./measure.ts";
import { ORDER, jobFor, load, type FloorReply, type Load } from "./workload.ts";

// Runs the service, or the bare AWS calls, for a benchmark to load.

const ROOT = resolve(import.meta.dirname, "..");
export const APP = "550e8400-e29b-41d4-a716-446655440000";

/** The service or the floor, as a process that accepts jobs. */
export interface Subject {
  readonly pid: number;
  load(of: Load): Promise<void>;
  end(): Promise<void>;
}

export interface Service extends Subject {
  /** Posts a job, to the counting target unless another URL is given. */
  accept(to?: string): Promise<void>;
}

export interface World {
  readonly env: Record<string, string>;
  readonly endpoints: Emulators["endpoints"];
  readonly references: References;
  readonly dynamoDbPid: number;
  readonly target: CountingTarget;
  readonly end: () => Promise<void>;
}

/** Fresh emulators, in memory if no folder is given, and the environment of a process that uses them. */
export async function createWorld(target: CountingTarget, dir?: string): Promise<World> {
  const emulators = await startEmulators(dir);
  const { endpoints } = emulators;
  const references = await provision(readTemplate(ROOT), endpoints);
  const env = {
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    JOBS_TABLE: references["JobsTable"] ?? "",
    JOBS_FAIR_QUEUE_URL: references["JobsFairQueue"] ?? "",
    TARGET: target.url,
  };
  return { env, endpoints, references, dynamoDbPid: emulators.dynamoDbPid, target, end: () => emulators.stop() };
}

export async function startFloor({ env }: World, work: boolean): Promise<Subject> {
  const child = fork(join(import.meta.dirname, "floor.ts"), { env: { ...process.env, ...env, WORK: String(work) } });
  const reply = async () => (await once(child, "message"))[0] as FloorReply;
  await reply();
  return {
    pid: child.pid ?? 0,
    load: async (of) => {
      child.send(of);
      await reply();
    },
    end: async () => {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

export async function startService({ env, target }: World, work: boolean): Promise<Service> {
  const { url, child, dir } = await startStack({ ...env, ROLE: work ? "all" : "gateway" });
  const token = await signToken({ appId: APP, sub: "bench", roles: ["APP_ADMIN"], permissions: [], expires: "1h" });
  const dispatcher = new Agent();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const accept = async (to = target.url) => {
    const body = JSON.stringify(jobFor(to, ORDER, { "x-started": String(wallMs()) }));
    const answer = await request(`${url}/v1/jobs/create`, { dispatcher, method: "POST", headers, body });
    await answer.body.dump();
    if (answer.statusCode !== 201) throw new Error(`The service answered ${answer.statusCode}`);
  };
  return {
    pid: child.pid ?? 0,
    load: (of) => load(of, accept),
    accept,
    end: async () => {
      await dispatcher.close();
      await stop(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export async function startStack(
  env: Record<string, string>,
): Promise<{ url: string; child: ChildProcess; dir: string; readyMs: number }> {
  const dir = mkdtempSync(join(tmpdir(), "bench-"));
  const began = performance.now();
  const child = spawn(process.execPath, ["local/start.ts"], {
    cwd: ROOT,
    env: { ...process.env, ...env, PORT: "0", DATA_DIR: dir },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((ready) => {
    lines.on("line", (line) => line.startsWith("ready") && ready(/http:\S+/.exec(line)?.[0] ?? ""));
  });
  return { url, child, dir, readyMs: performance.now() - began };
}

export async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
