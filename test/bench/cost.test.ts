import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import ASSUMED from "../../bench/cost-assumptions.json" with { type: "json" };
import PRICES from "../../bench/prices.json" with { type: "json" };
import { batchAt, idleOf, priceOf, sumOf } from "../../bench/cost-bill.ts";
import { readDeployment } from "../../bench/cost-deployment.ts";
import { webhookPath } from "../../bench/cost-paths.ts";
import { billIn, billOf, grown, readFigures } from "../../bench/cost.ts";
import { ROOT } from "../support/root.ts";

const figures = readFigures();
const deployment = readDeployment(ROOT);
const ONE = webhookPath("both", "1 KB", 0);

test("no path uses 5 % more calls, units, chunks or bytes than bench/cost-figures.json says", async () => {
  const child = spawn(process.execPath, ["bench/cost.ts", "--check"], { cwd: ROOT });
  const [, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect(code, errors).toBe(0);
});

test("a path that uses 5 % more, or something new, is named with what it was and is", () => {
  const committed = { path: { counts: { "dynamodb.writeUnits": 100, "sqs.fifo.sends": 1 }, cpuMs: {} } };
  const of = (counts: Record<string, number>) => grown(new Map([["path", { counts }]]), committed);
  expect(of({ "dynamodb.writeUnits": 105, "sqs.fifo.sends": 1 })).toEqual([]);
  expect(of({ "dynamodb.writeUnits": 106 })).toEqual(["path: dynamodb.writeUnits was 100, is 106"]);
  expect(of({ "s3.puts": 1 })).toEqual(["path: s3.puts was 0, is 1"]);
  expect(grown(new Map([["other", { counts: {} }]]), committed)).toEqual(["other: not in cost-figures.json"]);
});

test("a webhook that is delivered at once takes six write units, no read, one send and one delivery", () => {
  expect(figures[ONE]?.counts).toMatchObject({
    "apiGateway.requests": 1,
    "dynamodb.writeUnits": 6,
    "sqs.standard.sends": 1,
    "lambda.processJobs.standard.messages": 1,
    "stream.jobs": 3,
  });
  expect(figures[ONE]?.counts).not.toHaveProperty(["dynamodb.readUnits"]);
});

test("a member of a group takes one write unit more, and one read of its group for the request", () => {
  const counts = figures["both, 1 KB, member of a group"]?.counts;
  expect(counts).toMatchObject({
    "dynamodb.writeUnits": 7,
    "dynamodb.readUnits": 1,
    "lambda.createJob.calls.write": 1,
    "lambda.processJobs.calls.write": 2,
  });
});

test("a container that reads its apps' settings again has KMS open no secret again", () => {
  const again = Object.entries(figures).find(([name]) => name.includes("every ten seconds"))?.[1].counts;
  expect(again?.["cached.readUnits"]).toBeGreaterThan(0);
  expect(again).not.toHaveProperty(["kms.requests"]);
});

test("every function and queue of the template is priced by its own memory, processor and batches", () => {
  expect(deployment.functions["createJob"]).toMatchObject({ memoryMb: 512, architecture: "arm64" });
  expect(deployment.functions["renderPdf"]).toMatchObject({ memoryMb: 3_008, architecture: "x86_64", isTraced: false });
  expect(deployment.functions["runTasks"]).toMatchObject({ memoryMb: 1_024, batchSize: 1 });
  expect(deployment.functions["processJobs"]).toMatchObject({ batchSize: 10 });
  expect(deployment.polled).toEqual({ standard: 7, fifo: 2 });
  for (const { memoryMb } of Object.values(deployment.functions)) expect(memoryMb).toBeGreaterThan(0);
});

test("a bill is what was counted times the prices", () => {
  const { bill, total } = priceOf(ONE, { figures, assumed: ASSUMED, deployment });
  // 1 request at 1.00; 6 write units at 0.625, and some for the counts; 1 send to a fair queue at 0.50, and batches.
  expect(bill["API Gateway"]).toBeCloseTo(1, 5);
  expect(bill.DynamoDB).toBeGreaterThan(3.75);
  expect(bill.DynamoDB).toBeLessThan(3.85);
  expect(bill.SQS).toBeGreaterThan(0.5);
  expect(sumOf(bill)).toBeCloseTo(total, 9);
});

test("the batches of a queue grow with the rate and with the time that targets take, up to ten", () => {
  const size = (perSecond: number, wait: number) => batchAt(perSecond, { wait, cpu: 10, most: 10 }, ASSUMED);
  expect(size(1, 300)).toBe(1);
  expect(size(100, 50)).toBeLessThan(size(100, 300));
  expect(size(100, 300)).toBeLessThan(10);
  expect(size(1_000, 300)).toBe(10);
});

test("a million webhooks of 1 KB cost at most $6.00 in mode both, and $2.50 in mode sqs", () => {
  for (const [mode, most] of [
    ["both", 6],
    ["sqs", 2.5],
  ] as const) {
    for (const jobsPerSecond of [100, 150, 200, 1_000]) {
      const parts = { figures, assumed: { ...ASSUMED, jobsPerSecond }, deployment };
      expect(priceOf(webhookPath(mode, "1 KB", 0), parts).total).toBeLessThanOrEqual(most);
    }
  }
});

test("an idle deployment costs at most $15 a month, alarms included, and 10 KB of JSON at most 1.6 times 1 KB", () => {
  const parts = { figures, assumed: ASSUMED, deployment };
  const idle = idleOf(parts);
  expect(idle["alarms"]).toBeGreaterThanOrEqual(2);
  expect(Object.values(idle).reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(15);
  expect(priceOf(webhookPath("both", "10 KB", 0), parts).total / priceOf(ONE, parts).total).toBeLessThanOrEqual(1.6);
});

test("the bill in the documentation is the one that npm run bench:cost prints; --renew writes it", () => {
  expect(billIn(readFileSync(join(ROOT, "docs/scaling.md"), "utf8"))).toBe(billOf(figures));
});

/** Dollars of a month at QStash: by message, or the plan for a million or for ten million a day. */
function atQstash(millions: number): number {
  const plan = millions <= 30 ? 180 : millions <= 300 ? 420 : Infinity;
  return Math.min(10 * millions, plan);
}

test("the months that docs/compare.md compares are those of the bill, at the rate of each row", () => {
  const page = readFileSync(join(ROOT, "docs/compare.md"), "utf8");
  const rows = [...page.matchAll(/^\| ([\d.]+) \|((?: [\d.]+ \|){6})$/gm)];
  expect(rows.length).toBeGreaterThan(6);
  const idle = Object.values(idleOf({ figures, assumed: ASSUMED, deployment })).reduce((sum, one) => sum + one, 0);
  const fixed = idle + (ASSUMED.metricsWhenBusy - ASSUMED.metricsWhenIdle) * PRICES.perMonth.metric;
  const [, said] = /(\$[\d.]+ a month: \$[\d.]+ without jobs)/.exec(page) ?? [];
  expect(said).toBe(`$${fixed.toFixed(2)} a month: $${idle.toFixed(2)} without jobs`);
  for (const [, rate = "", others = ""] of rows) {
    const assumed = { ...ASSUMED, jobsPerSecond: Number(rate) };
    const millions = (Number(rate) * 30 * 86_400) / 1e6;
    const of = (mode: "both" | "sqs") => priceOf(webhookPath(mode, "1 KB", 0), { figures, assumed, deployment });
    const month = (mode: "both" | "sqs") => fixed + (of(mode).total + of(mode).kept) * millions;
    const dollars = [month("both"), month("sqs"), atQstash(millions), Math.max(100 * (millions - 0.05), 0)];
    expect([
      rate,
      others
        .split("|")
        .map((cell) => cell.trim())
        .slice(0, -1),
    ]).toEqual([rate, [millions.toFixed(2), of("both").total.toFixed(2), ...dollars.map((each) => each.toFixed(0))]]);
  }
});
