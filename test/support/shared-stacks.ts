import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

// The folder of the stacks that test files share. Each ends with the process of its files; this runs before the first
// and after the last of them.

const LONGEST_END_MS = 30_000;

export default function begin(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "jobs-shared-"));
  process.env["SHARED_STACKS"] = folder;
  return async () => {
    const until = Date.now() + LONGEST_END_MS;
    while (readdirSync(folder).some((name) => isRunning(join(folder, name))) && Date.now() < until) await sleep(50);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}

function isRunning(dir: string): boolean {
  const file = join(dir, "stack.json");
  if (!existsSync(file)) return false;
  try {
    const { pid } = JSON.parse(readFileSync(file, "utf8")) as { readonly pid: number };
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
