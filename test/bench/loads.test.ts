import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ROOT } from "../support/root.ts";

test(
  "npm run bench -- loads measures the service and its floor at each load, also while they drain",
  { timeout: 300_000 },
  async () => {
    const env = { ...process.env, WAITING: "500", JOBS: "100", ROUNDS: "1" };
    const child = spawn(process.execPath, ["bench/bench.ts", "loads"], { cwd: ROOT, env });
    const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const lines = out.split("\n").filter((line) => line.startsWith("{"));
    const rows = lines.map((line) => JSON.parse(line) as { figure: string; value: number; floor: number });
    const figureOf = (figure: string) => rows.find((row) => row.figure.startsWith(figure));
    for (const figure of [
      "accepted, 8",
      "accepted and delivered",
      "500 waiting, drained by ROLE=all",
      "500 waiting, by gateway",
      "CPU, accepted",
      "peak memory",
    ]) {
      expect(figureOf(figure)?.value, `${figure}: ${errors}`).toBeGreaterThan(0);
      expect(figureOf(figure)?.floor, figure).toBeGreaterThan(0);
    }
    // Beside other load some may fail.
    expect(figureOf("messages that failed")?.value).toBeGreaterThanOrEqual(0);
  },
);
