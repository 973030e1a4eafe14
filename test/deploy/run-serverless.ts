import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../support/root.ts";
import { cleanEnv } from "../support/clean-env.ts";
import { temporaryDir } from "../support/stack.ts";

const run = promisify(execFile);

/** Compiling the schema of its settings takes Serverless four seconds; it keeps the result here, by the schema's hash. */
const SLS_SCHEMA_CACHE_BASE_DIR = join(ROOT, "node_modules/.cache/serverless");

/** Runs `npx serverless` without AWS credentials. */
export async function serverless(args: string[], env: Record<string, string> = {}) {
  const path = `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`;
  return run("serverless", args, {
    cwd: ROOT,
    env: { ...cleanEnv(), HOME: temporaryDir(), PATH: path, SLS_SCHEMA_CACHE_BASE_DIR, ...env },
    timeout: 500_000,
  });
}
