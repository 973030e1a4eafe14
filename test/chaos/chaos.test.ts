import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { chaos } from "./chaos.ts";
import { count } from "./count.ts";
import { compared } from "./latency.ts";
import { table } from "./report.ts";
import type { Accepted } from "./work.ts";
import { ROOT } from "../support/root.ts";
import { cleanEnv } from "../support/clean-env.ts";
import { until } from "../support/stack.ts";

/** The processes that were started for this folder. */
function processesOf(dir: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    const told = ["cmdline", "environ"].map((name) => join("/proc", pid, name));
    try {
      return told.some((file) => readFileSync(file, "utf8").includes(dir));
    } catch {
      return false;
    }
  });
}

test(
  "whatever is killed, and beside a hostile app, every accepted job ends once, with its result; and of creates with one key, one makes a job",
  { timeout: 300_000 },
  async () => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    const report = await chaos({ lastMs: 4_000, neighbour: "small", seed: "1", rounds: 2, say });
    const told = [...lines, table(report)].join("\n");
    // 40 requests, of which one has three schedules cancelled.
    expect(report.count?.accepted, told).toBe(43);
    expect(report.count?.stored, told).toBe(43);
    expect(report.count?.kinds.size, told).toBe(8);
    expect(report.count?.lost, told).toEqual([]);
    expect(report.count?.endedTwice, told).toEqual([]);
    expect(report.wrong, told).toEqual([]);
    expect(report.keys?.wrong, told).toEqual([]);
    expect(report.fallen, told).toEqual([]);
    expect([...report.faults.keys()], told).toContain("worker killed");
    const [, dir = ""] = /logs in (\S+)/.exec(told) ?? [];
    expect(processesOf(dir)).toEqual([]);
    expect(existsSync(dir)).toBe(false);
  },
);

test("a Ctrl-C leaves no process behind, whatever has been killed or frozen by then", async () => {
  // With this seed, two parts are killed and one is frozen within the first three seconds.
  const child = spawn(
    process.execPath,
    ["test/chaos/chaos.ts", "--seed", "343", "--measure", "0", "--neighbour", "none"],
    {
      cwd: ROOT,
      env: cleanEnv(),
    },
  );
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  await until(() => lines.filter((line) => /killed|frozen/.test(line)).length >= 3);
  const [, dir = ""] = /logs in (\S+)/.exec(lines.join("\n")) ?? [];
  expect(processesOf(dir).length).toBeGreaterThan(3);
  child.kill("SIGINT");
  expect(await once(child, "exit")).toEqual([130, null]);
  await until(() => processesOf(dir).length === 0);
  expect(existsSync(dir)).toBe(false);
});

test("the count finds what it looks for", () => {
  const jobs = {
    well: { status: "SUCCEEDED" },
    unknown: undefined,
    unlisted: { status: "SUCCEEDED" },
    waiting: { status: "PENDING" },
    undelivered: { status: "SUCCEEDED" },
    hasty: { status: "DEAD", retryCount: 1, lastError: "HTTP 500" },
    dead: { status: "DEAD", retryCount: 2 },
    silent: { status: "SUCCEEDED", followUpJobIds: [] },
    twice: { status: "SUCCEEDED" },
    unseen: { status: "SUCCEEDED" },
    calls: { status: "SUCCEEDED" },
    cancelled: { status: "CANCELLED" },
    quick: { status: "FAILED" },
    task: { status: "CANCELLED" },
  };
  const kinds: Readonly<Record<string, Pick<Accepted, "kind" | "ends">>> = {
    cancelled: { kind: "schedule", ends: "CANCELLED" },
    quick: { kind: "quick PDF", ends: "any" },
    task: { kind: "example", ends: "SUCCEEDED" },
  };
  const ids = Object.keys(jobs);
  const shown = Object.entries(jobs).flatMap(([id, job]) =>
    job
      ? [[id, { id, retryCount: 0, maxRetries: 2, lastError: null, createdAt: "", updatedAt: "", ...job }] as const]
      : [],
  );
  const found = count(
    ids.map((id) => ({ id, kind: "webhook", ends: "SUCCEEDED", calledBack: id === "silent", ...kinds[id] })),
    new Map(shown),
    [...shown.filter(([id]) => id !== "unlisted").map(([, job]) => job), { ...shown[0]![1], id: "unknown" }],
    new Map(ids.filter((id) => id !== "unseen").map((id) => [id, id === "twice" ? 2 : 1])),
    {
      received: new Map(
        ids
          .filter((id) => id !== "undelivered")
          .map((id) => [id, [{ at: 0, attempt: 1, status: 200 }, ...(id === "twice" ? [{ at: 0, attempt: 1 }] : [])]]),
      ),
      callbacks: new Map([["calls", new Set(["a", "b"])]]),
    },
  );
  expect(found.lost).toEqual([
    "unknown cannot be read",
    "unlisted is in no list",
    "waiting is PENDING",
    "undelivered never came",
    "hasty is DEAD: HTTP 500",
    "silent has ended without its callback",
    "task is CANCELLED: null",
  ]);
  expect(found.endedTwice).toEqual([
    "twice has ended 2 times",
    "calls has called back twice",
    "unseen has an end that the stream does not show",
  ]);
  expect(found).toMatchObject({ accepted: 14, stored: 13, sameAttempt: 1, afterSuccess: 1 });
});

test("jobs that take more than twice their own time are found, by the median of few and by the slowest of many", () => {
  const jobs = (count: number, msOf: (n: number) => number) =>
    Array.from({ length: count }, (_, n) => ({ id: String(n), kind: "quick PDF", answeredMs: msOf(n) }) as Accepted);
  const beyond = (alone: readonly Accepted[], beside: readonly Accepted[]) =>
    compared(alone, beside, new Map(), { received: new Map() }).flatMap((one) => one.beyond);
  const usual = jobs(200, () => 10);
  expect(
    beyond(
      usual,
      jobs(200, () => 20),
    ),
  ).toEqual([]);
  expect(
    beyond(
      usual,
      jobs(200, (n) => (n < 11 ? 25 : 10)),
    ),
  ).toEqual([expect.stringContaining("p95 2.50 times")]);
  expect(
    beyond(
      usual,
      jobs(20, (n) => (n < 3 ? 25 : 10)),
    ),
  ).toEqual([]);
  expect(
    beyond(
      usual,
      jobs(20, () => 25),
    ),
  ).toEqual([expect.stringContaining("p50 2.50 times")]);
});
