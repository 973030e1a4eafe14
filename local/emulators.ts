import { fork, spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import { Server as HttpServer } from "node:http";
import { createRequire } from "node:module";
import { createServer, connect, Server } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { packagedDynoxide } from "./dynoxide.ts";
import { createGuard, guardBucket, type Guard } from "./guard.ts";
import { adaptPolls, noteCallers } from "./queue-polls.ts";

// DynamoDB, SQS and S3 on this machine. They run in a process of their own, which ends when its parent ends,
// by a kill too.

export interface Emulators {
  readonly endpoints: { readonly dynamodb: string; readonly sqs: string; readonly s3: string };
  /** Of the process with the queues and the bucket. */
  readonly pid: number;
  readonly dynamoDbPid: number;
  /** Resolves when the emulators have ended, by `stop` or by a crash. */
  readonly ended: Promise<void>;
  /** Lets the pages of the gateway call the bucket. */
  setGateway(url: string): void;
  stop(): Promise<void>;
}

/** The table and the bucket are kept in `dir`, or in memory without it. Queues are always in memory. */
export async function startEmulators(dir?: string): Promise<Emulators> {
  // Detached: a Ctrl-C in the terminal must not reach them before the stack has finished its work.
  const child = fork(fileURLToPath(import.meta.url), dir === undefined ? [] : [dir], {
    detached: true,
    // They hold little for long: more room for what is new takes 20 MB and no less time.
    execArgv: ["--max-semi-space-size=4"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const { dynamoDbPid, ...endpoints } = await new Promise<Ready>((resolve, reject) => {
    child.once("message", (message) => resolve(message as Ready));
    child.once("exit", (code) => reject(new Error(`The emulators ended with status ${code} before they were ready`)));
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", (_, signal) => {
      // It ends DynamoDB itself, except after a kill.
      if (signal) process.kill(dynamoDbPid, "SIGKILL");
      resolve();
    });
  });
  return {
    endpoints,
    pid: child.pid ?? 0,
    dynamoDbPid,
    ended,
    setGateway: (url) => void child.send({ gateway: url }),
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

type Ready = Emulators["endpoints"] & { readonly dynamoDbPid: number };

const LOOPBACK = "127.0.0.1";
const LARGEST_OBJECT = 64 * 1_024 * 1_024;

async function main(dir: string | undefined): Promise<void> {
  process.on("SIGINT", () => {});
  const guard = createGuard(process.env);
  process.on("message", ({ gateway }: { gateway: string }) => guard.setGateway(gateway));
  const [dynamodb, queues] = await Promise.all([startDynamoDb(dir), startQueuesAndBucket(dir, 0, guard)]);
  const stop = () => void dynamodb.process.kill("SIGKILL");
  process.on("disconnect", stop);
  process.on("SIGTERM", stop);
  dynamodb.process.on("exit", () => process.exit());
  if (!process.connected) stop();
  const dynamoDbPid = dynamodb.process.pid ?? 0;
  process.send?.({ dynamodb: dynamodb.url, sqs: queues, s3: queues, dynamoDbPid } satisfies Ready);
}

const MOST_PLACES = 3;

/**
 * Without a `given` port it takes an address and a port that are hard to find, and others if these were taken before it
 * could listen there.
 */
export async function startDynamoDb(dir?: string, given?: number): Promise<{ process: ChildProcess; url: string }> {
  const file = dir === undefined ? [] : ["--db-path", join(dir, "dynamodb.sqlite")];
  for (let left = given === undefined ? MOST_PLACES : 1; ; left -= 1) {
    const [host, port] = given === undefined ? await hiddenPlace() : ([LOOPBACK, given] as const);
    const args = ["--host", host, "--port", String(port), ...file];
    const child = spawn(dynamoDbBinary(), args, { stdio: ["ignore", "ignore", "pipe"] });
    process.on("exit", () => child.kill("SIGKILL"));
    child.on("error", (error) => {
      throw error;
    });
    let said = "";
    child.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-2_000)));
    while (child.exitCode === null && !(await accepts(port, host))) await sleep(5);
    if (child.exitCode === null) {
      if (dir !== undefined) indexStream(join(dir, "dynamodb.sqlite"));
      return { process: child, url: `http://${host}:${port}` };
    }
    if (left === 1) throw new Error(`dynoxide ended with status ${child.exitCode} before it was ready. ${said}`);
  }
}

/**
 * dynoxide answers every web page, whatever its host and origin. Of the 16 million addresses of this machine it listens
 * on one that no page can find by trying; on a system that has only one, on that.
 */
async function hiddenPlace(): Promise<readonly [host: string, port: number]> {
  const host = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
  return freePort(host).then(
    (port) => [host, port] as const,
    async () => [LOOPBACK, await freePort()] as const,
  );
}

/** For each write dynoxide looks up the stream's last sequence number; without an index that reads the whole stream. */
function indexStream(file: string): void {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    database.exec(
      "CREATE INDEX IF NOT EXISTS stream_order ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
    );
  } catch {
    // Another binary's tables may differ. Writes are then slower, nothing else.
  } finally {
    database.close();
  }
}

/** DYNOXIDE names another binary than that of npm, AWS_ENDPOINT_URL_DYNAMODB another server. */
function dynamoDbBinary(): string {
  const { platform, arch, env } = process;
  return env["DYNOXIDE"] || packagedDynoxide({ platform, arch, find: createRequire(import.meta.url).resolve });
}

export async function startQueuesAndBucket(dir?: string, given = 0, guard = createGuard(process.env)): Promise<string> {
  listenGuarded(guard);
  takeLargeObjects();
  noteCallers();
  const { startFauxqs } = await import("fauxqs");
  await adaptPolls();
  const { port } = await startFauxqs({
    port: given,
    logger: false,
    ...(dir !== undefined && { s3StorageDir: join(dir, "s3") }),
  });
  return `http://${LOOPBACK}:${port}`;
}

/** S3 takes 5 GB in one request, and fauxqs 11 MiB unless its routes say otherwise. */
function takeLargeObjects(): void {
  subscribe("fastify.initialization", (made) => {
    const { fastify } = made as {
      fastify: { addHook(name: "onRoute", hook: (route: { bodyLimit?: number }) => void): void };
    };
    fastify.addHook("onRoute", (route) => {
      route.bodyLimit = LARGEST_OBJECT;
    });
  });
}

/** fauxqs always listens on 0.0.0.0 and answers everyone. Only this machine may reach it, and no foreign web page. */
function listenGuarded(guard: Guard): void {
  const listen = Reflect.get(Server.prototype, "listen") as (...args: unknown[]) => Server;
  Server.prototype.listen = function (this: Server, ...args: unknown[]) {
    const [options] = args;
    if (this instanceof HttpServer) guardBucket(this, guard);
    if (typeof options === "object" && options !== null) args[0] = { ...options, host: LOOPBACK };
    return Reflect.apply(listen, this, args);
  } as typeof Server.prototype.listen;
}

export async function freePort(host = LOOPBACK): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

async function accepts(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2]);
