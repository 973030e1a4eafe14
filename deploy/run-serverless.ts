import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");

/** Runs Serverless with this terminal, and returns its exit code. */
export async function runServerless(...args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, "node_modules/serverless/bin/serverless.js"), ...args], {
    cwd: ROOT,
    stdio: "inherit",
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}
