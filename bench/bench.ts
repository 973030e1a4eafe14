import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { signToken } from "../local/token.ts";
import { capacityOf } from "./capacity.ts";
import { WAITING, draining } from "./drain.ts";
import { isolationOf } from "./isolation.ts";
import { median, startCountingTarget, type CountingTarget } from "./measure.ts";
import { benchNeighbours } from "./neighbours.ts";
import { benchPdf } from "./pdf.ts";
import { installedPeers } from "./peers.ts";
import { LABELS, measure, type Figures } from "./round.ts";
import { APP, createWorld, startPlain, startService, startStack, stop, type Entrant } from "./subjects.ts";
import { benchTasks } from "./tasks.ts";
import { inTurns } from "./turns.ts";
import { INCOMPRESSIBLE, ORDER } from "./workload.ts";

// `npm run bench` measures the service, and in the same minutes the floor: the same request, token, signature and
// AWS calls in straight-line code, on the same storage. Absolute figures depend on the machine; compare the ratios.

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const LONG_JOBS = 50;

function row(label: string, value: number, floor?: number, ratio = value / (floor ?? NaN), peers: number[] = []): void {
  const shown = floor === undefined ? ["", ""] : [floor.toFixed(2), ratio.toFixed(2)];
  const columns = [value.toFixed(2), ...shown, ...peers.map((peer) => peer.toFixed(2))];
  process.stdout.write(`${label.padEnd(50)}${columns.map(cell).join("")}\n`);
  json.push(
    JSON.stringify({
      figure: label,
      value: round(value),
      ...(floor !== undefined && { floor: round(floor), ratio: round(ratio) }),
      ...(peers.length > 0 && { peers: peers.map(round) }),
    }),
  );
}

const json: string[] = [];
const cell = (text: string) => text.padStart(16);
const round = (value: number) => Math.round(value * 100) / 100;

async function main(): Promise<void> {
  Object.assign(process.env, { AWS_REGION: "local", AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" });
  const target = await startCountingTarget();
  if (process.argv.includes("isolation")) {
    await benchIsolation(target);
    return target.close();
  }
  if (process.argv.includes("drain")) {
    await benchDrain();
    return target.close();
  }
  await benchLoads(target);
  if (!process.argv.includes("loads")) {
    await benchStart();
    await benchCapacity(target);
    await benchIsolation(target);
  }
  target.close();
  process.stdout.write(`\n${json.join("\n")}\n`);
}

/** The service and the floor in turns, so that what else the machine does meets both, and then each peer. */
async function benchLoads(target: CountingTarget): Promise<void> {
  const { peers, missing } = installedPeers();
  const pair: Entrant[] = [{ start: startService }, { start: startPlain() }];
  const rounds: { service: Figures; floor: Figures; peers: Figures[] }[] = [];
  for (let n = 1; n <= ROUNDS; n += 1) {
    process.stderr.write(`round ${n} of ${ROUNDS}\n`);
    // The first one finds the machine rested.
    const isReversed = n % 2 === 0;
    const figures = await measure(isReversed ? pair.toReversed() : pair, target);
    const [service, floor] = isReversed ? figures.toReversed() : figures;
    const others = await inTurns(peers, async ({ backend, createWorld: makeWorld }) =>
      measure([{ start: startPlain({ PEER: backend }), makeWorld }], target),
    );
    if (service && floor) rounds.push({ service, floor, peers: others.flat() });
  }
  const heads = ["service", "floor", "ratio", ...peers.map(({ name }) => name)];
  process.stdout.write(`\n${"figure (median)".padEnd(50)}${heads.map(cell).join("")}\n`);
  for (const [name, label] of Object.entries(LABELS) as [keyof Figures, string][]) {
    const middle = (of: (round: (typeof rounds)[number]) => number) => median(rounds.map(of));
    const others = peers.map((_, at) => middle((each) => each.peers[at]?.[name] ?? NaN));
    const ratio = middle(({ service, floor }) => service[name] / floor[name]);
    row(
      label,
      middle(({ service }) => service[name]),
      middle(({ floor }) => floor[name]),
      ratio,
      others,
    );
  }
  for (const line of missing) process.stdout.write(`${line}\n`);
}

/** `WAITING=20000 npm run bench -- drain`: one backlog, by a gateway and a worker. */
async function benchDrain(): Promise<void> {
  const [floor, service] = await draining([{ start: startPlain() }, { start: startService }], ["gateway", "worker"]);
  for (const [name, figures] of Object.entries({ "the floor": floor, "the service": service })) {
    if (!figures) continue;
    row(`${name}: accepted, 32 in flight (jobs/s)`, figures.accept32);
    row(`${name}: ${WAITING} waiting, drained (jobs/s)`, figures.drain);
    row(`${name}: CPU of the worker (ms per job)`, figures.cpu);
    row(`${name}: peak memory of all processes (MB)`, figures.peak);
    row(`${name}: messages that failed`, figures.failed);
  }
}

async function benchStart(): Promise<void> {
  const ready: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    const { child, dir, readyMs } = await startStack();
    ready.push(readyMs);
    await stop(child);
    rmSync(dir, { recursive: true, force: true });
  }
  row("npm start to ready (ms)", median(ready));
}

async function benchCapacity(target: CountingTarget): Promise<void> {
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
}

async function benchIsolation(target: CountingTarget): Promise<void> {
  process.stderr.write("healthy destinations, alone and beside a slow and a dead one (5 minutes)\n");
  const world = await createWorld(target);
  const service = await startService(world, ["all"]);
  const { alone, beside } = await isolationOf((url) => service.accept(url), target);
  row("p99 beside a slow and a dead destination, and alone", beside, alone);
  await service.end();
  await world.end();
}

/** Requests fifty documents of ten pages at once, through the whole service. */
async function benchLongJobs(): Promise<void> {
  const { url, child, dir } = await startStack();
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

async function benchNeighbourhood(): Promise<void> {
  process.stderr.write("an app's work, alone and beside the worst of another app (8 minutes)\n");
  await benchNeighbours(process.argv[3] ?? "", ({ kind, beside, alone }) => row(`p99 of ${kind} (ms)`, beside, alone));
}

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  tasks: benchTasks,
  pdf: benchPdfs,
  neighbours: benchNeighbourhood,
};
// By itself, Node would end without the handlers that end what a benchmark has started.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
await (BENCHES[process.argv[2] ?? ""] ?? main)();
