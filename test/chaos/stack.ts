import { ListQueuesCommand, PurgeQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../local/emulators.ts";
import { provision } from "../../local/provision.ts";
import { readTemplate } from "../../local/template.ts";
import { ROOT } from "../support/root.ts";
import { recording } from "../support/aws/recording.ts";
import { cleanEnv } from "../support/clean-env.ts";

// The local stack as processes of their own, each of which can be killed, frozen and started again.

export interface Part {
  readonly name: string;
  /** Resolves when it is ready; until the parts that it needs are there, it is started again and again. */
  start(): Promise<void>;
  /** By SIGKILL, without a chance to clean up. */
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export interface ChaosStack {
  readonly url: string;
  readonly dir: string;
  readonly database: Part & { readonly url: string };
  readonly queue: Part & {
    /** Deletes the messages of all queues. */
    empty(): Promise<void>;
  };
  readonly gateway: Part;
  readonly workers: readonly Part[];
  /** Parts that ended without being killed. */
  readonly fallen: readonly string[];
  /** Kills every process; `keep` leaves the logs and the data where they are. */
  end(keep?: boolean): Promise<void>;
}

/** A minute of the service's time is a second: retries, sweeps and head starts pass quickly, leases do not. */
export const SPEED = 60;
const WORKERS = 3;
const START_AGAIN_MS = 200;
const START_WITHIN_MS = 60_000;

export async function startChaosStack(): Promise<ChaosStack> {
  const dir = mkdtempSync(join(tmpdir(), "chaos-"));
  const ports = { database: await freePort(), queue: await freePort(), gateway: await freePort() };
  const endpointOf = (part: keyof typeof ports) => `http://127.0.0.1:${ports[part]}`;
  const endpoints = { dynamodb: endpointOf("database"), sqs: endpointOf("queue"), s3: endpointOf("queue") };
  const env = {
    ...cleanEnv(),
    ...recording(),
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    DATA_DIR: dir,
    SPEED: String(SPEED),
    PORT: String(ports.gateway),
    // With it, they end when their parent does, however it ended.
    npm_lifecycle_event: "chaos",
  };
  const fallen: string[] = [];
  const running = new AbortController();
  const part = (name: string, args: string[], more: Record<string, string> = {}) =>
    createPart({ name, args, env: { ...env, ...more }, log: join(dir, `${name}.log`), over: running.signal }, (how) =>
      fallen.push(how),
    );
  const emulator = (name: "database" | "queue") =>
    part(name, ["test/chaos/emulator.ts", name, dir, String(ports[name])]);
  const database = emulator("database");
  const queue = emulator("queue");
  const gateway = part("gateway", ["local/start.ts"], { ROLE: "gateway" });
  const workers = Array.from({ length: WORKERS }, (_, at) =>
    part(`worker-${at + 1}`, ["local/start.ts"], { ROLE: "worker" }),
  );
  const all = [...workers, gateway, queue, database];
  const end = async (keep = false) => {
    running.abort();
    await Promise.all(all.map((each) => each.kill()));
    if (!keep) rmSync(dir, { recursive: true, force: true });
  };
  try {
    await Promise.all([database.start(), queue.start()]);
    await gateway.start();
    await Promise.all(workers.map((worker) => worker.start()));
  } catch (error) {
    await end(true);
    throw error;
  }
  return {
    url: endpointOf("gateway"),
    dir,
    database: { ...database, url: endpoints.dynamodb },
    queue: {
      ...queue,
      // It keeps all in memory, so that the queues themselves are gone too.
      start: async () => {
        await queue.start();
        await repeated(async () => provision(readTemplate(ROOT), endpoints));
      },
      empty: async () => repeated(async () => emptyQueues(endpoints.sqs)),
    },
    gateway,
    workers,
    fallen,
    end,
  };
}

interface PartOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly log: string;
  /** Aborted when no part is to be started any more. */
  readonly over: AbortSignal;
}

function createPart({ name, args, env, log, over }: PartOptions, onFall: (how: string) => void): Part {
  const written = createWriteStream(log, { flags: "a" }).setMaxListeners(0);
  let child: ChildProcess | undefined;
  /** Of the process that gets signals; an emulator is a child of the part's process. */
  let pid: number | undefined;
  /** From a start to the next kill. */
  let life = new AbortController();

  async function start(): Promise<void> {
    life.abort();
    life = new AbortController();
    const killed = AbortSignal.any([life.signal, over]);
    for (const began = performance.now(); !killed.aborted; await sleep(START_AGAIN_MS)) {
      if (await startOnce(killed)) return;
      if (performance.now() > began + START_WITHIN_MS) throw new Error(`The ${name} does not start: see ${log}`);
    }
  }

  async function startOnce(killed: AbortSignal): Promise<boolean> {
    const started = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["pipe", "pipe", "pipe"] });
    child = started;
    for (const stream of [started.stdout, started.stderr]) stream.pipe(written, { end: false });
    const line = await new Promise<string | undefined>((resolve) => {
      createInterface({ input: started.stdout }).on("line", (said) => said.startsWith("ready") && resolve(said));
      started.once("exit", () => resolve(undefined));
    });
    if (line === undefined) return false;
    pid = Number(/process (\d+)/.exec(line)?.[1] ?? started.pid);
    started.once("exit", (code, signal) => {
      pid = undefined;
      if (killed.aborted) return;
      onFall(`the ${name} ended with ${signal ?? code}`);
      void start().catch((error: unknown) => onFall(String(error)));
    });
    return true;
  }

  async function kill(): Promise<void> {
    life.abort();
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    // A part that is starting may not have printed its process id yet.
    if (pid === undefined) child.kill("SIGTERM");
    else signal("SIGKILL");
    await ended;
  }

  function signal(which: NodeJS.Signals): void {
    try {
      if (pid !== undefined) process.kill(pid, which);
    } catch {
      // It has ended just now.
    }
  }

  return { name, start, kill, freeze: () => signal("SIGSTOP"), thaw: () => signal("SIGCONT") };
}

async function emptyQueues(endpoint: string): Promise<void> {
  const client = new SQSClient({ endpoint, useQueueUrlAsEndpoint: false });
  const { QueueUrls = [] } = await client.send(new ListQueuesCommand({}));
  await Promise.all(QueueUrls.map(async (QueueUrl) => client.send(new PurgeQueueCommand({ QueueUrl }))));
  client.destroy();
}

/** Tries again as long as a part that it needs is down. */
async function repeated(work: () => Promise<unknown>): Promise<void> {
  for (const began = performance.now(); ; await sleep(START_AGAIN_MS)) {
    try {
      await work();
      return;
    } catch (error) {
      if (performance.now() > began + START_WITHIN_MS) throw error;
    }
  }
}
