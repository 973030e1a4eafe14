import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

// `npm run test:steady`: the tests three times in a row, beside two processes that keep two cores busy.
// Exit status 0 only if none of them ever failed. `--runs 1 test/stack` runs some of them once.

const BUSY = 2;
/** Ends with its parent, however that ended. */
const LOOP = "const parent = process.ppid; while (process.ppid === parent);";

interface Run {
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

const { values, positionals } = parseArgs({
  options: { runs: { type: "string", default: "3" } },
  allowPositionals: true,
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  process.stderr.write(`--runs is "${values.runs}": expected a whole number such as 3\n`);
  process.exit(2);
}

const busy: ChildProcess[] = [];
let running: ChildProcess | undefined;
const dir = mkdtempSync(join(tmpdir(), "steady-"));
process.on("exit", () => {
  for (const child of busy) child.kill("SIGKILL");
  running?.kill("SIGTERM");
  rmSync(dir, { recursive: true, force: true });
});
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(signal, () => process.exit(status));
}

for (let n = 0; n < BUSY; n += 1) busy.push(spawn(process.execPath, ["-e", LOOP], { stdio: "ignore" }));
const done: Run[] = [];
for (let n = 1; n <= runs; n += 1) done.push(await runOnce(join(dir, `${n}.json`)));
for (const [at, { passed, failed, seconds }] of done.entries()) {
  process.stdout.write(`run ${at + 1} of ${runs}: ${passed} passed, ${failed} failed, ${seconds} s\n`);
}
process.exit(done.every(({ failed }) => failed === 0) ? 0 : 1);

async function runOnce(report: string): Promise<Run> {
  const began = performance.now();
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  running = spawn("npm", ["test", "--", ...reporters, ...positionals], { stdio: "inherit" });
  const [status] = (await once(running, "exit")) as [number | null];
  const { passed, failed } = countsIn(report);
  const seconds = Math.round((performance.now() - began) / 1_000);
  // A file that can't be loaded has no tests to fail.
  return { passed, seconds, failed: status === 0 && passed > 0 ? failed : Math.max(1, failed) };
}

function countsIn(report: string): Pick<Run, "passed" | "failed"> {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, "utf8")) as Record<string, number>;
    return { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0 };
  } catch {
    return { passed: 0, failed: 0 };
  }
}
