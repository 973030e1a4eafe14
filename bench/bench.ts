import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { signToken } from "../local/token.ts";
import { capacityOf } from "./capacity.ts";
import { isolationOf } from "./isolation.ts";
import { cpuMs, median, peakMb, percentile, startCountingTarget, type CountingTarget } from "./measure.ts";
import { benchPdf } from "./pdf.ts";
import { benchTasks } from "./tasks.ts";
import { INCOMPRESSIBLE, ORDER, type Load } from "./workload.ts";
import { APP, type Subject, type World, createWorld, startFloor, startService, startStack, stop } from "./subjects.ts";

// `npm run bench` measures the service, and the bare AWS calls in the same minute. Absolute figures depend on the
// machine; compare the ratios.

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const JOBS = Number(process.env["JOBS"] ?? 1_500);
const LONG_JOBS = 50;

interface Figures {
  accept8: number;
  accept32: number;
  endToEnd: number;
  cpuOwn: number;
  cpuDynamoDb: number;
  p50: number;
  p95: number;
  p99: number;
  peakMb: number;
}

/** One round: the same loads, on emulators of its own. */
async function measure(
  start: (world: World, work: boolean) => Promise<Subject>,
  target: CountingTarget,
): Promise<Figures> {
  const rate = async (subject: Subject, of: Load) => {
    const began = performance.now();
    await subject.load(of);
    return (of.count * 1_000) / (performance.now() - began);
  };
  const accepting = await createWorld(target);
  const gateway = await start(accepting, false);
  await gateway.load({ count: 200, inFlight: 8 });
  const accept8 = await rate(gateway, { count: JOBS, inFlight: 8 });
  const accept32 = await rate(gateway, { count: JOBS, inFlight: 32 });
  await gateway.end();
  await accepting.end();

  const world = await createWorld(target);
  const subject = await start(world, true);
  const deliver = async (of: Load) => {
    target.reset();
    await Promise.all([subject.load(of), target.reached(of.count)]);
  };
  await deliver({ count: 200, inFlight: 8 });
  await deliver({ count: 500, perSecond: 50 });
  const latencies = [...target.latencies];
  const [cpu, cpuDb] = [cpuMs(subject.pid), cpuMs(world.dynamoDbPid)];
  const began = performance.now();
  await deliver({ count: JOBS, inFlight: 32 });
  const endToEnd = (JOBS * 1_000) / (performance.now() - began);
  const figures = {
    accept8,
    accept32,
    endToEnd,
    cpuOwn: (cpuMs(subject.pid) - cpu) / JOBS,
    cpuDynamoDb: (cpuMs(world.dynamoDbPid) - cpuDb) / JOBS,
    p50: percentile(latencies, 50),
    p95: percentile(latencies, 95),
    p99: percentile(latencies, 99),
    peakMb: peakMb(subject.pid),
  };
  await subject.end();
  await world.end();
  return figures;
}

const LABELS: Record<keyof Figures, string> = {
  accept8: "accepted, 8 in flight (jobs/s)",
  accept32: "accepted, 32 in flight (jobs/s)",
  endToEnd: "accepted and delivered, 32 in flight (jobs/s)",
  cpuOwn: "CPU of our process (ms per job)",
  cpuDynamoDb: "CPU of DynamoDB (ms per job)",
  p50: "posted to target at 50 jobs/s, p50 (ms)",
  p95: "posted to target at 50 jobs/s, p95 (ms)",
  p99: "posted to target at 50 jobs/s, p99 (ms)",
  peakMb: "peak memory of our process (MB)",
};

function row(label: string, value: number, floor?: number): void {
  const ratio = floor === undefined ? "" : (value / floor).toFixed(2);
  const columns = [value.toFixed(2).padStart(10), (floor?.toFixed(2) ?? "").padStart(10), ratio.padStart(7)];
  process.stdout.write(`${label.padEnd(50)}${columns.join("")}\n`);
  json.push(
    JSON.stringify({
      figure: label,
      value: round(value),
      ...(floor !== undefined && { floor: round(floor), ratio: round(value / floor) }),
    }),
  );
}

const json: string[] = [];
const round = (value: number) => Math.round(value * 100) / 100;

async function main(): Promise<void> {
  Object.assign(process.env, { AWS_REGION: "local", AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" });
  const target = await startCountingTarget();
  if (process.argv.includes("isolation")) {
    await benchIsolation(target);
    return target.close();
  }
  const rounds: { service: Figures; floor: Figures }[] = [];
  for (let n = 1; n <= ROUNDS; n += 1) {
    process.stderr.write(`round ${n} of ${ROUNDS}: the floor`);
    const floor = await measure(startFloor, target);
    process.stderr.write(", the service\n");
    rounds.push({ floor, service: await measure(startService, target) });
  }
  const ready: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    const { child, dir, readyMs } = await startStack({});
    ready.push(readyMs);
    await stop(child);
    rmSync(dir, { recursive: true, force: true });
  }
  process.stdout.write(
    `\n${"figure (median)".padEnd(50)}${"service".padStart(10)}${"floor".padStart(10)}${"ratio".padStart(7)}\n`,
  );
  for (const [name, label] of Object.entries(LABELS) as [keyof Figures, string][]) {
    row(label, median(rounds.map(({ service }) => service[name])), median(rounds.map(({ floor }) => floor[name])));
  }
  row("npm start to ready (ms)", median(ready));

  const world = await createWorld(target);
  for (const [name, body] of [
    ["1 KB JSON", ORDER],
    ["1 KB that does not compress", INCOMPRESSIBLE],
  ] as const) {
    const { writes, reads, writeUnits } = await capacityOf(body, target.url, world.endpoints, world.references);
    row(`DynamoDB writes per delivered job, ${name}`, writes);
    row(`DynamoDB reads per delivered job, ${name}`, reads);
    row(`DynamoDB write units per job, ${name}`, writeUnits);
  }
  await world.end();
  await benchIsolation(target);
  target.close();
  process.stdout.write(`\n${json.join("\n")}\n`);
}

async function benchIsolation(target: CountingTarget): Promise<void> {
  process.stderr.write("healthy destinations, alone and beside a slow and a dead one (5 minutes)\n");
  // On disk, where the emulator's table does not get slower as it fills.
  const dir = mkdtempSync(join(tmpdir(), "bench-"));
  const world = await createWorld(target, dir);
  const service = await startService(world, true);
  const { alone, beside } = await isolationOf((url) => service.accept(url), target);
  row("p99 beside a slow and a dead destination, and alone", beside, alone);
  await service.end();
  await world.end();
  rmSync(dir, { recursive: true, force: true });
}

/** Requests fifty documents of ten pages at once, through the whole service. */
async function benchLongJobs(): Promise<void> {
  const { url, child, dir } = await startStack({});
  const token = await signToken({ appId: APP, sub: "bench", roles: ["APP_ADMIN"], permissions: [], expires: "1h" });
  const ask = async (path: string, body?: object) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(url + path, { headers, ...(body && { method: "POST", body: JSON.stringify(body) }) });
    return (await answer.json()) as { job_id: string; status: string };
  };
  const page =
    '<section style="break-before: page"><h2>Chapter</h2><p>The quick brown fox jumps over the lazy dog.</p></section>';
  const document = { input_type: "html", html: page.repeat(10) };
  const began = performance.now();
  const accepted = await Promise.all(Array.from({ length: LONG_JOBS }, async () => ask("/longjob", document)));
  const acceptedMs = performance.now() - began;
  for (const { job_id: id } of accepted) {
    let status = "queued";
    while (status === "queued" || status === "processing") {
      await sleep(50);
      ({ status } = await ask(`/jobs/${id}`));
    }
    if (status !== "completed") throw new Error(`Job ${id} is ${status}`);
  }
  row(`${LONG_JOBS} long jobs at once, accepted within (ms)`, acceptedMs);
  row(`${LONG_JOBS} long jobs at once, completed per second`, (LONG_JOBS * 1_000) / (performance.now() - began));
  await stop(child);
  rmSync(dir, { recursive: true, force: true });
}

async function benchPdfs(): Promise<void> {
  await benchPdf();
  await benchLongJobs();
}

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { tasks: benchTasks, pdf: benchPdfs };
await (BENCHES[process.argv[2] ?? ""] ?? main)();
