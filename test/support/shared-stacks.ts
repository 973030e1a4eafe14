import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { recording } from "./aws/recording.ts";
import { cleanEnv } from "./clean-env.ts";
import { ROOT } from "./root.ts";

// The stacks that test files share, whatever worker of vitest they run in: `sharedStack` asks for them by HTTP. This
// runs before the first file and after the last.

/** A stack that runs. Its functions are read from the folder `functions` in `dir`. */
export interface Shared {
  readonly url: string;
  readonly dir: string;
  /** The file of all that it prints. */
  readonly log: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly ready: Promise<Shared>;
  users: number;
  /** Of the last `release`. */
  idleSince: number;
}

/** A stack that nobody has used for so long ends, since an idle one still polls and sweeps. */
const IDLE_MS = 10_000;
const LONGEST_END_MS = 30_000;

export default async function begin(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "jobs-shared-"));
  /** By their settings. */
  const running = new Map<string, Started>();
  const ending: Promise<void>[] = [];
  const started = (settings: string): Started => {
    const stack = start(folder, JSON.parse(settings) as Record<string, string>);
    running.set(settings, stack);
    // The next file gets another one.
    stack.child.once("exit", () => running.get(settings) === stack && running.delete(settings));
    return stack;
  };
  const take = async (settings: string): Promise<Shared> => {
    const stack = running.get(settings) ?? started(settings);
    stack.users += 1;
    return stack.ready;
  };
  const release = (settings: string) => {
    const stack = running.get(settings);
    if (stack) Object.assign(stack, { users: stack.users - 1, idleSince: Date.now() });
  };
  const endIdle = setInterval(() => {
    for (const [settings, { child, users, idleSince }] of running) {
      if (users > 0 || Date.now() < idleSince + IDLE_MS) continue;
      running.delete(settings);
      ending.push(end(child));
    }
  }, IDLE_MS / 4);
  const server = createServer((request, response) => {
    void text(request)
      .then(async (settings) => (request.method === "POST" ? take(settings) : release(settings)))
      .then((shared) => response.end(JSON.stringify(shared ?? null)))
      .catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  process.env["SHARED_STACKS"] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return async () => {
    clearInterval(endIdle);
    server.closeAllConnections();
    server.close();
    await Promise.all([...ending, ...[...running.values()].map(async ({ child }) => end(child))]);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** Starts a stack with the settings of `npm start` and these. */
function start(folder: string, settings: Record<string, string>): Started {
  const dir = mkdtempSync(join(folder, "stack-"));
  mkdirSync(join(dir, "functions"));
  const log = join(dir, "printed.log");
  const printed = openSync(log, "a");
  const own = { PORT: "0", DATA_DIR: dir, LOCAL_FUNCTIONS: join(dir, "functions") };
  const child = spawn(process.execPath, ["local/start.ts"], {
    cwd: ROOT,
    // With the event of npm, it ends when this process does, however that ended.
    env: { ...cleanEnv(), ...recording(), ...own, npm_lifecycle_event: "test", ...settings },
    stdio: ["ignore", printed, printed],
  });
  closeSync(printed);
  const ready = readyIn(log, child).then((url) => ({ url, dir, log }));
  ready.catch(() => {});
  return { child, ready, users: 0, idleSince: 0 };
}

async function readyIn(log: string, child: ChildProcess): Promise<string> {
  for (;;) {
    const printed = readFileSync(log, "utf8");
    const [, url] = /^ready: (http:\S+) .*$/m.exec(printed) ?? [];
    if (url !== undefined) return url;
    const end = child.exitCode ?? child.signalCode;
    if (end !== null) throw new Error(`A shared stack ended with ${end}:\n${printed}`);
    await sleep(20);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), LONGEST_END_MS);
  await ended;
  clearTimeout(late);
}
