import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

// `npm run web`: builds the dashboard into web/dist. It is built beside and put in its place at once, so that nobody is
// served half of it; whoever comes while another process builds waits for that.

// Whatever runs this: another value would keep the checks of a development in the files.
process.env["NODE_ENV"] = "production";
const here = import.meta.dirname;
const lock = join(here, ".building");

/** The process that builds, if one does. */
function builder(): number | undefined {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
}

function take(): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    if (builder() === undefined) rmSync(lock, { force: true });
    return false;
  }
}

if (builder() !== undefined) while (builder() !== undefined) await sleep(100);
else if (take()) {
  try {
    await build();
  } finally {
    rmSync(lock, { force: true });
  }
}

async function build(): Promise<void> {
  const vite = await import("vite");
  const made = mkdtempSync(join(here, ".dist-"));
  await vite.build({
    configFile: join(here, "vite.config.ts"),
    mode: "production",
    logLevel: "warn",
    build: { outDir: made },
  });
  const dist = join(here, "dist");
  const old = `${made}.old`;
  try {
    renameSync(dist, old);
  } catch {
    // There was none.
  }
  renameSync(made, dist);
  rmSync(old, { recursive: true, force: true });
}
