import { WAITING, draining } from "./drain.ts";
import { cpuMs, percentile, total, type CountingTarget } from "./measure.ts";
import { createWorld, type Entrant, type Subject, type World } from "./subjects.ts";
import { inPieces, inTurns } from "./turns.ts";
import type { Load } from "./workload.ts";

// One round: the same loads for each entrant.

const JOBS = Number(process.env["JOBS"] ?? 1_500);

export interface Figures {
  readonly accept8: number;
  readonly accept32: number;
  /** Of a process that runs on: the first jobs are dearer, since V8 compiles what they run. */
  readonly endToEnd: number;
  readonly endToEndFirst: number;
  readonly drainOne: number;
  readonly drainTwo: number;
  readonly cpuOwn: number;
  readonly cpuFirst: number;
  readonly cpuDrain: number;
  readonly cpuStore: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly peakMb: number;
  readonly failed: number;
}

export const LABELS: Record<keyof Figures, string> = {
  accept8: "accepted, 8 in flight (jobs/s)",
  accept32: "accepted, 32 in flight (jobs/s)",
  endToEnd: "accepted and delivered, 32 in flight (jobs/s)",
  endToEndFirst: `the ${JOBS} before, the first so fast (jobs/s)`,
  drainOne: `${WAITING} waiting, drained by ROLE=all (jobs/s)`,
  drainTwo: `${WAITING} waiting, by gateway + worker (jobs/s)`,
  cpuOwn: "CPU, accepted and delivered (ms per job)",
  cpuFirst: `CPU, the ${JOBS} before, the first so fast (ms per job)`,
  cpuDrain: "CPU of the worker that drains (ms per job)",
  cpuStore: "CPU of the storage (ms per job)",
  p50: "posted to target at 50 jobs/s, p50 (ms)",
  p95: "posted to target at 50 jobs/s, p95 (ms)",
  p99: "posted to target at 50 jobs/s, p99 (ms)",
  peakMb: "peak memory of all processes (MB)",
  failed: "messages that failed in both drains",
};

/** One round of all entrants, each load in turns: a slow minute of the machine meets all of them. */
export async function measure(entrants: readonly Entrant[], target: CountingTarget): Promise<Figures[]> {
  const two = await draining(entrants, ["gateway", "worker"]);
  const delivered = await delivering(entrants, target);
  const one = await draining(entrants, ["all"]);
  return delivered.map((figures, at) => {
    const { accept8 = NaN, accept32 = NaN, drain: drainTwo = NaN, cpu: cpuDrain = NaN, failed = NaN } = two[at] ?? {};
    const { drain: drainOne = NaN, peak = NaN, failed: failedOne = NaN } = one[at] ?? {};
    return { accept8, accept32, drainTwo, cpuDrain, ...figures, drainOne, peakMb: peak, failed: failed + failedOne };
  });
}

/** Delivers jobs one by one, and as fast as they come. */
async function delivering(entrants: readonly Entrant[], target: CountingTarget) {
  const all = await inTurns(entrants, async ({ start, makeWorld = createWorld }) => {
    const world = await makeWorld(target);
    return { world, subject: await start(world, ["all"]) };
  });
  const latencies = await oneByOne(all, target);
  const first = await atOnce(all, target);
  const warm = await atOnce(all, target);
  for (const { world, subject } of all) {
    await subject.end();
    await world.end();
  }
  return latencies.map((of, at) => {
    const [p50, p95, p99] = [percentile(of, 50), percentile(of, 95), percentile(of, 99)];
    const { endToEnd: endToEndFirst = NaN, cpuOwn: cpuFirst = NaN } = first[at] ?? {};
    const { endToEnd = NaN, cpuOwn = NaN, cpuStore = NaN } = warm[at] ?? {};
    return { endToEnd, cpuOwn, cpuStore, endToEndFirst, cpuFirst, p50, p95, p99 };
  });
}

interface Running {
  readonly world: World;
  readonly subject: Subject;
}

/** The latencies of jobs that come at a steady pace. Of fewer, the five worst would make the p99: one pause of the machine. */
async function oneByOne(all: readonly Running[], target: CountingTarget): Promise<number[][]> {
  await inTurns(all, async ({ subject }) => deliver(subject, target, { count: 200, inFlight: 8 }));
  const latencies = all.map((one) => ({ ...one, of: [] as number[] }));
  await inPieces(latencies, JOBS, async ({ subject, of }, count) => {
    await deliver(subject, target, { count, perSecond: 50 });
    of.push(...target.latencies);
  });
  return latencies.map(({ of }) => of);
}

/** Delivers `JOBS` jobs of each, as fast as they come. */
async function atOnce(all: readonly Running[], target: CountingTarget) {
  const sums = new Map(all.map((one) => [one, { ms: 0, own: 0, store: 0 }]));
  await inPieces([...sums], JOBS, async ([{ subject, world }, sum], count) => {
    const before = { ms: performance.now(), own: total(subject.pids, cpuMs), store: total(world.pids, cpuMs) };
    await deliver(subject, target, { count, inFlight: 32 });
    sum.ms += performance.now() - before.ms;
    sum.own += total(subject.pids, cpuMs) - before.own;
    sum.store += total(world.pids, cpuMs) - before.store;
  });
  return [...sums.values()].map(({ ms, own, store }) => {
    return { endToEnd: (JOBS * 1_000) / ms, cpuOwn: own / JOBS, cpuStore: store / JOBS };
  });
}

async function deliver(subject: Subject, target: CountingTarget, of: Load): Promise<void> {
  target.reset();
  await Promise.all([subject.load(of), target.reached(of.count)]);
}
