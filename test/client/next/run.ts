import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { JOB_ID, newSecret, sent } from "../signed.ts";

// `npm run test:next`: the receiver in an application of Next, which is installed in a folder of its own.

const ROOT = join(import.meta.dirname, "../../..");
const NEXT = ["next@16.4.6", "react@19.3.1", "react-dom@19.3.1"];
const secret = newSecret();
const dir = mkdtempSync(join(tmpdir(), "jobs-next-"));

const ROUTE = `import { Final, next } from "unified-jobs/receiver/next";
export const POST = next(process.env.WEBHOOK_SECRET, async ({ jobId, attempt, body }) => {
  if (body.order === 2) throw new Final("bad order");
  return { jobId, attempt, order: body.order };
});
`;

function install(): void {
  const npm = (cwd: string, ...args: string[]) =>
    execFileSync("npm", args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  npm(ROOT, "run", "build", "-w", "client");
  writeFileSync(join(dir, "package.json"), '{"private":true,"type":"module"}');
  npm(dir, "install", "--no-audit", "--no-fund", "--ignore-scripts", ...NEXT);
  mkdirSync(join(dir, "node_modules/unified-jobs"));
  for (const name of ["package.json", "dist"])
    cpSync(join(ROOT, "client", name), join(dir, "node_modules/unified-jobs", name), { recursive: true });
  mkdirSync(join(dir, "app/hook"), { recursive: true });
  writeFileSync(join(dir, "app/hook/route.js"), ROUTE);
  const layout = "export default ({ children }) => <html><body>{children}</body></html>;\n";
  writeFileSync(join(dir, "app/layout.jsx"), layout);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

install();
const port = await freePort();
const env = { ...process.env, WEBHOOK_SECRET: secret, NEXT_TELEMETRY_DISABLED: "1" };
const bin = join(dir, "node_modules/next/dist/bin/next");
const child = spawn(process.execPath, [bin, "dev", "-p", String(port), "-H", "127.0.0.1"], {
  cwd: dir,
  env,
  stdio: "inherit",
  // Next starts processes of its own, which end with their group.
  detached: true,
});
const ended = once(child, "exit");
async function end(status: number): Promise<never> {
  process.kill(-(child.pid ?? 0), "SIGKILL");
  await ended;
  rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  process.exit(status);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(1));

const url = `http://127.0.0.1:${port}/hook`;
const post = async ({ headers, body }: ReturnType<typeof sent>) => {
  const response = await fetch(url, { method: "POST", headers, body });
  return [response.status, response.headers.get("x-job-final"), await response.text()];
};
const genuine = sent({ secrets: [secret] });
const EXPECTED = [
  [200, null, JSON.stringify({ jobId: JOB_ID, attempt: 2, order: 1 })],
  [422, "true", '{"error":"bad order"}'],
  [401, null, "401"],
];

const isUp = async () => fetch(url).then(Boolean, () => false);
for (let tries = 0; tries < 120 && !(await isUp()); tries += 1) await sleep(500);
const forged = await post({ ...genuine, body: '{"order":3}' });
const got = [
  await post(genuine),
  await post(sent({ secrets: [secret], body: '{"order":2}' })),
  [forged[0], forged[1], String(forged[0])],
];
const isFine = JSON.stringify(got) === JSON.stringify(EXPECTED);
process.stdout.write(
  isFine
    ? "Next: 3 requests answered as they should be\n"
    : `Expected ${JSON.stringify(EXPECTED)}, got ${JSON.stringify(got)}\n`,
);
await end(isFine ? 0 : 1);
