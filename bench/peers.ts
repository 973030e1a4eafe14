import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../local/emulators.ts";
import { LOCAL_JWT_SECRET } from "../local/token.ts";
import { stop, type World } from "./subjects.ts";
import type { CountingTarget } from "./measure.ts";

// Other job queues for the same work, where their server is on PATH and their package is found (by NODE_PATH too).

export interface Peer {
  readonly name: string;
  /** The PEER of bench/backends.ts. */
  readonly backend: string;
  readonly createWorld: (target: CountingTarget) => Promise<World>;
}

const PEERS = [
  { name: "BullMQ", backend: "bullmq", server: "redis-server", serve: serveRedis },
  { name: "graphile-worker", backend: "graphile-worker", server: "postgres", serve: servePostgres },
] as const;

/** The peers that can run here; for the others, what is missing. */
export function installedPeers(): { readonly peers: readonly Peer[]; readonly missing: readonly string[] } {
  const missing: string[] = [];
  const peers = PEERS.flatMap(({ name, backend, server, serve }) => {
    const lacks = [...(onPath(server) ? [] : [server]), ...(resolves(backend) ? [] : [`the package ${backend}`])];
    if (lacks.length > 0) missing.push(`${name}: not installed (${lacks.join(" and ")})`);
    return lacks.length > 0
      ? []
      : [{ name, backend, createWorld: async (target: CountingTarget) => worldOf(serve, target) }];
  });
  return { peers, missing };
}

function onPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((dir) => existsSync(join(dir, program)));
}

function resolves(name: string): boolean {
  try {
    return createRequire(import.meta.url).resolve(name) !== "";
  } catch {
    return false;
  }
}

interface Server {
  readonly process: ChildProcess;
  readonly url: string;
}

async function worldOf(serve: (dir: string, port: number) => Server, target: CountingTarget): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), "bench-peer-"));
  const port = await freePort();
  const server = serve(dir, port);
  const pid = server.process.pid ?? 0;
  while (!(await accepts(port))) {
    if (server.process.exitCode !== null) throw new Error(`The server of a peer ended (${server.process.spawnfile})`);
    await sleep(20);
  }
  return {
    env: { PEER_URL: server.url, JWT_SECRET: LOCAL_JWT_SECRET },
    dir,
    endpoints: { dynamodb: "", sqs: "", s3: "" },
    references: {},
    dynamoDbPid: pid,
    get pids() {
      return [pid, ...childrenOf(pid)];
    },
    target,
    end: async () => {
      await stop(server.process);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** As its users run it: what is accepted is on disk within a second. */
function serveRedis(dir: string, port: number): Server {
  const options = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--appendonly", "yes", "--save", ""];
  const redis = spawn("redis-server", options, { stdio: "ignore" });
  return { process: redis, url: `redis://127.0.0.1:${port}` };
}

function servePostgres(dir: string, port: number): Server {
  // PostgreSQL refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: idOf("-u"), gid: idOf("-g") } : undefined;
  if (user) chownSync(dir, user.uid, user.gid);
  chmodSync(dir, 0o700);
  const data = join(dir, "data");
  execFileSync("initdb", ["-D", data, "-U", "bench", "-A", "trust"], { ...user, cwd: dir, stdio: "ignore" });
  const options = ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", dir];
  const postgres = spawn("postgres", options, { ...user, cwd: dir, stdio: "ignore" });
  return { process: postgres, url: `postgres://bench@127.0.0.1:${port}/postgres` };
}

function idOf(flag: "-u" | "-g"): number {
  return Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const accepted = await Promise.race([
    once(socket, "connect").then(
      () => true,
      () => false,
    ),
    sleep(1_000).then(() => false),
  ]);
  socket.destroy();
  return accepted;
}
