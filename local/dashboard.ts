import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

// The dashboard's files, built at the first start and when their source has changed. A start does not wait for that.

/** Builds the dashboard unless it is built. Returns what stops it. */
export function buildDashboard(root: string): () => void {
  // Another stack may be at it.
  if (isBuilt(root) || existsSync(join(root, "web/.building"))) return () => {};
  const child = spawn(process.execPath, [join(root, "web/build.ts")], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (text) => (said = `${said}${String(text)}`.slice(-2_000)));
  child.on("exit", (code) => {
    if (code !== 0 && code !== null) process.stderr.write(`The dashboard could not be built: ${said}\n`);
  });
  child.unref();
  return () => void child.kill("SIGKILL");
}

/** Whether the built files are those of the source as it is. */
export function isBuilt(root: string): boolean {
  const built = timeOf(join(root, "web/dist/index.html"));
  const sources = [
    "web/index.html",
    "web/vite.config.ts",
    ...filesIn(join(root, "web/src")).map((name) => join("web/src", name)),
  ];
  return built > Math.max(...sources.map((name) => timeOf(join(root, name))));
}

function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? join(entry.parentPath.slice(dir.length), entry.name) : [],
  );
}

/** In ms since 1970; 0 for a file that is not there. */
function timeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
