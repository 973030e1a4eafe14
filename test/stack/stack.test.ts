import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { cleanEnv } from "../support/clean-env.ts";
import {
  endStacks,
  jobIn,
  newApp,
  sharedStack,
  startStack,
  temporaryDir,
  until,
  webhook,
  type OwnStack,
  type Stack,
} from "../support/stack.ts";
import { ROOT } from "../support/root.ts";
import { startTarget } from "../support/target.ts";

/** For the tests that need no workers. */
const GATEWAY = { ROLE: "gateway" };

/** For the tests that only ask. Its folder has the stack file of a killed stack. */
let stack: Stack;

beforeAll(async () => {
  const dir = temporaryDir();
  writeFileSync(join(dir, "stack.json"), JSON.stringify({ pid: 2 ** 22 - 1, environment: {}, references: {} }));
  stack = await startStack({ env: GATEWAY, dir });
});
afterAll(endStacks);

/** The processes whose command line contains this folder, and their descendants. */
function processesOf(dir: string): number[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return all.flatMap((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(dir) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

async function healthOf(of: Stack): Promise<number> {
  const { status, body } = await of.call("GET", "/health");
  expect(status).toBe(200);
  expect(Object.keys(body)).toEqual(["status", "now"]);
  expect(body.status).toBe("ok");
  expect(body.now).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  return Date.parse(body.now);
}

test("npm start prints one ready line, then a token and a curl that work as pasted; SIGTERM ends it all", async () => {
  const dir = temporaryDir();
  const child = spawn("npm", ["start"], { cwd: ROOT, env: { ...cleanEnv(), PORT: "0", DATA_DIR: dir } });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const [create, list] = await until(() => {
    const curls = lines.filter((line) => line.startsWith("curl "));
    return curls.length === 2 && curls;
  });
  expect(lines.filter((line) => line.startsWith("ready"))).toHaveLength(1);
  expect(lines.find((line) => line.startsWith("ready"))).toMatch(/^ready: http:\/\/127\.0\.0\.1:\d+ /);
  expect(create).toContain("/v1/send ");
  const run = (command = "") => JSON.parse(execFileSync("sh", ["-c", command], { encoding: "utf8" }));
  expect(run(create).data.status).toBe("PENDING");
  const [job] = await until(() => {
    const { items } = run(list).data;
    return items[0]?.status === "SUCCEEDED" && items;
  });
  expect(job.idempotencyKey).toBe("first-job");
  await until(() => lines.some((line) => /^echo\s+POST \/echo\/hello\s+200/.test(line)));

  expect(processesOf(dir).length).toBeGreaterThan(0);
  child.kill("SIGTERM");
  await once(child, "exit");
  await until(() => processesOf(dir).length === 0);
});

test("a kill -9 of npm itself ends the stack, and the next start takes over its folder", async () => {
  const dir = temporaryDir();
  const child = spawn("npm", ["start"], {
    cwd: ROOT,
    env: { ...cleanEnv(), PORT: "0", DATA_DIR: dir },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let told = "npm start: ";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (told += String(text)));
  // It has hung here, once: what was told by then is to say where.
  onTestFailed(() => void process.stderr.write(`${told}\n`));
  const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`npm ended with ${code}: ${told}`)));
  await Promise.race([until(() => existsSync(join(dir, "stack.json"))), ended]);
  ended.catch(() => {});
  child.kill("SIGKILL");
  told += "\nthe next start: ";
  const next = await startStack({ dir, env: GATEWAY });
  told += `${next.lines.join("\n")}\nits health`;
  await healthOf(next);
});

test("on SIGTERM the batch in hand is finished", async () => {
  const target = await startTarget();
  const first = await startStack();
  const { token } = await newApp();
  let finish = () => {};
  target.answer((_, response) => {
    finish = () => response.end();
  });
  const { body } = await first.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url }) });
  await target.got(1);
  const ended = first.end("SIGTERM");
  setTimeout(() => finish(), 300);
  await ended;
  // Without workers, so the job must have been finished before.
  const again = await startStack({ dir: first.dir, env: GATEWAY });
  const job = await jobIn(again, token, body.data.id, "SUCCEEDED");
  expect(job.attempts).toHaveLength(1);
  expect(target.received).toHaveLength(1);
  await target.close();
});

test("every port is open on loopback only", async () => {
  const { environment } = JSON.parse(readFileSync(join(stack.dir, "stack.json"), "utf8"));
  const urls = [
    stack.url,
    environment.AWS_ENDPOINT_URL_DYNAMODB,
    environment.AWS_ENDPOINT_URL_SQS,
    environment.AWS_ENDPOINT_URL_S3,
  ];
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address && !address.internal && address.family === "IPv4");
  const accepts = async (port: number, host: string) => {
    const socket = connect(port, host);
    const open = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return open;
  };
  for (const url of urls) {
    const { hostname } = new URL(url);
    const port = Number(new URL(url).port);
    expect(hostname).toMatch(/^127\./);
    expect(await accepts(port, hostname)).toBe(true);
    // 127.0.0.2 reaches a server that listens on all addresses, even on a machine without a network.
    expect(await accepts(port, "127.0.0.2")).toBe(false);
    if (outside) expect(await accepts(port, outside.address)).toBe(false);
  }
});

test("two stacks run side by side, and one folder serves one stack only", async () => {
  const second = await sharedStack(GATEWAY);
  expect(stack.url).not.toBe(second.url);
  expect([await healthOf(stack), await healthOf(second)].every((now) => now > 0)).toBe(true);
  await expect(startStack({ dir: stack.dir })).rejects.toThrow(/is using .*: stop it, set DATA_DIR/);
  const { port } = new URL(stack.url);
  await expect(startStack({ env: { PORT: port } })).rejects.toThrow(`Port ${port} is in use: set PORT`);
});

test("a file .env sets what the environment does not", async () => {
  const cwd = temporaryDir();
  writeFileSync(join(cwd, ".env"), "SPEED=0\nPORT=http\n");
  const run = promisify(execFile)(process.execPath, [join(ROOT, "local/start.ts")], {
    cwd,
    env: { ...cleanEnv(), PORT: "0" },
  });
  await expect(run).rejects.toThrow('SPEED is "0"');
});

test("settings that make no sense are refused with what was expected", async () => {
  for (const [env, message] of [
    [{ SPEED: "0" }, /SPEED is "0": expected/],
    [{ SPEED: "fast" }, /SPEED is "fast": expected/],
    [{ PORT: "http" }, /PORT is "http": expected/],
    [{ BIND: "everywhere" }, /BIND is "everywhere": expected/],
    [{ ROLE: "boss" }, /ROLE is "boss": expected/],
    [{ ROLE: "worker" }, /start one with ROLE=gateway/],
  ] as const) {
    await expect(startStack({ env })).rejects.toThrow(message);
  }
});

test("a stack whose emulators die ends and says so", async () => {
  const own = await startStack();
  const [emulators] = processesOf(own.dir);
  process.kill(emulators ?? 0, "SIGKILL");
  await once(own.process, "exit");
  await until(() => own.lines.some((line) => line.includes("The emulators ended")));
  await until(() => processesOf(own.dir).length === 0);
});

async function endsWholly(of: OwnStack, signal: NodeJS.Signals): Promise<void> {
  expect(processesOf(of.dir).length).toBeGreaterThan(0);
  await of.end(signal);
  await until(() => processesOf(of.dir).length === 0);
}

test("data outlive a kill -9, which leaves no process behind, nor does SIGINT; stats go on", async () => {
  const dir = temporaryDir();
  const { token } = await newApp();
  const first = await startStack({ dir });
  const body = webhook({ url: first.url, path: "/echo/hello", body: "x".repeat(1_000_000) });
  const { data } = (await first.call("POST", "/v1/jobs/create", { token, body })).body;
  await jobIn(first, token, data.id, "SUCCEEDED");
  // Most likely not counted yet.
  const { token: last } = await newApp();
  expect((await first.call("POST", "/v1/jobs/create", { token: last, body })).status).toBe(201);
  await endsWholly(first, "SIGKILL");
  const again = await startStack({ dir });
  const countOf = async () => (await again.call("GET", "/v1/admin/stats", { token: last })).body.data.lastHour.jobs;
  // A stack that is killed between a count and the note of its place in the stream counts once more.
  await until(async () => (await countOf()) >= 1);
  const job = await jobIn(again, token, data.id, "SUCCEEDED");
  expect(job.lambdaProxyMessage.body).toHaveLength(1_000_000);
  await endsWholly(again, "SIGINT");
});

test("the service clock runs at SPEED and never goes back over restarts", async () => {
  const dir = temporaryDir();
  const fast = await startStack({ dir, env: { ...GATEWAY, SPEED: "3600" } });
  const [from, began] = [await healthOf(fast), Date.now()];
  const to = await until(async () => (await healthOf(fast)) - from > 600_000 && healthOf(fast));
  expect((to - from) / (Date.now() - began)).toBeGreaterThan(1_000);
  await fast.end("SIGKILL");
  const normal = await startStack({ dir, env: GATEWAY });
  expect(normal.lines[0]).toMatch(
    /^The service's clock is (?:\d+ h(?: \d+ min)?|\d+ min(?: \d+ s)?) ahead of this machine's/,
  );
  expect(normal.lines[0]).toContain(`mv ${dir} ${dir}.old; or set DATA_DIR`);
  expect(normal.lines[1]).toMatch(/^ready: /);
  const { data } = (await normal.call("GET", "/v1/me", { token: (await newApp()).token })).body;
  expect(data.local.speed).toBe(1);
  const asked = Date.now();
  const later = await healthOf(normal);
  // The offset is told in whole seconds.
  const offset = data.local.offsetSeconds * 1_000;
  expect(later - offset).toBeGreaterThan(asked - 1_000);
  expect(later - offset).toBeLessThan(Date.now() + 1_000);
  expect(later).toBeGreaterThanOrEqual(to);
  await normal.end();
  const third = await startStack({ dir, env: GATEWAY });
  expect(await healthOf(third)).toBeGreaterThanOrEqual(later);
  expect((await healthOf(third)) - later).toBeLessThanOrEqual(Date.now() - asked);
});

test("a gateway takes jobs and workers that join it run them", async () => {
  const dir = temporaryDir();
  const target = await startTarget();
  // At this speed the sweep soon finds the jobs of a killed worker's last poll.
  const gateway = await startStack({ dir, env: { ...GATEWAY, SPEED: "600" } });
  const { token } = await newApp();
  const send = async () =>
    (await gateway.call("POST", "/v1/jobs/create", { token, body: webhook({ url: target.url }) })).body.data.id;
  const id = await send();
  const waiting = await gateway.call("GET", `/v1/admin/jobs/${id}`, { token });
  expect(waiting.body.data.status).toBe("PENDING");
  const workers = await Promise.all([
    startStack({ dir, env: { ROLE: "worker" } }),
    startStack({ dir, env: { ROLE: "worker" } }),
  ]);
  await jobIn(gateway, token, id, "SUCCEEDED");
  await workers[0]?.end("SIGKILL");
  await jobIn(gateway, token, await send(), "SUCCEEDED");
  await Promise.all([workers[1]?.end(), target.close()]);
  await gateway.end();
});

test("the local gateway has API Gateway's limits and answers unknown paths in the envelope", async () => {
  const unknown = await stack.call("GET", "/v2/nothing");
  expect(unknown.status).toBe(404);
  expect(unknown.body.error).toEqual({
    code: "NOT_FOUND",
    message: "No such endpoint: GET /v2/nothing",
    reason: "no_such_endpoint",
  });
  expect((await stack.call("DELETE", "/v1/jobs/create")).status).toBe(404);
  const headers = { "x-large": "x".repeat(11_000) };
  expect((await stack.call("GET", "/health", { headers })).status).toBe(431);
  // Every quotation mark takes two bytes as JSON in Lambda's event.
  const escaped = await stack.call("POST", "/v1/jobs/create", { body: '"'.repeat(3_500_000) });
  expect(escaped.status).toBe(413);
});

test("the local gateway keeps an idle connection longer than clients do", async () => {
  // Node's default of 5 s is less: a request that goes out as the connection closes fails.
  expect((await stack.call("GET", "/health")).headers.get("keep-alive")).toBe("timeout=75");
});

test("a stale stack file of a killed stack is no obstacle", async () => {
  expect(await healthOf(stack)).toBeGreaterThan(0);
});
