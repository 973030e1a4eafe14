import { cpuMs, peakMb, percentile, type CountingTarget } from "./measure.ts";
import { createWorld, type Role, type Start, type Subject, type World } from "./subjects.ts";
import type { Load } from "./workload.ts";

// One round: the same loads for each entrant.

const JOBS = Number(process.env["JOBS"] ?? 1_500);
/** Jobs that wait when a drain begins. */
export const WAITING = Number(process.env["WAITING"] ?? 5_000);

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

/** Something to be measured, on emulators of its own. */
export interface Entrant {
  readonly start: Start;
  /** Default: the emulators of the service. */
  readonly makeWorld?: (target: CountingTarget) => Promise<World>;
}

/** One round of all entrants, each load in turns: a slow minute of the machine meets all of them. */
export async function measure(entrants: readonly Entrant[], target: CountingTarget): Promise<Figures[]> {
  const drained = async (roles: readonly Role[]) =>
    inTurns(entrants, async ({ start, makeWorld = createWorld }) => draining(start, await makeWorld(target), roles));
  const two = await drained(["gateway", "worker"]);
  const delivered = await delivering(entrants, target);
  const one = await drained(["all"]);
  return delivered.map((figures, at) => {
    const { accept8 = NaN, accept32 = NaN, drain: drainTwo = NaN, cpu: cpuDrain = NaN, failed = NaN } = two[at] ?? {};
    const { drain: drainOne = NaN, peak = NaN, failed: failedOne = NaN } = one[at] ?? {};
    return { accept8, accept32, drainTwo, cpuDrain, ...figures, drainOne, peakMb: peak, failed: failed + failedOne };
  });
}

async function inTurns<T, R>(all: readonly T[], measureOne: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await measureOne(one));
  return results;
}

/** Accepts jobs, which wait until other processes drain them. */
export async function draining(start: Start, world: World, roles: readonly Role[]) {
  const { target } = world;
  const gateway = await start(world, ["gateway"]);
  await gateway.load({ count: 200, inFlight: 8 });
  const accept8 = await rate(gateway, { count: Math.round(WAITING / 4), inFlight: 8 });
  const accept32 = await rate(gateway, { count: WAITING - 200 - Math.round(WAITING / 4), inFlight: 32 });
  await gateway.end();
  target.reset();
  const subject = await start(world, roles);
  await target.reached(WAITING);
  const drain = target.rate();
  const cpu = cpuMs(subject.pids.at(-1) ?? 0) / WAITING;
  const peak = total([...subject.pids, ...world.pids], peakMb);
  const failed = subject.failures();
  await subject.end();
  await world.end();
  return { accept8, accept32, drain, cpu, peak, failed };
}

/** The pieces in which the jobs are delivered that come as fast as they can: one of each entrant after another. */
const TURNS = 5;

/** Delivers jobs one by one, and as fast as they come. */
async function delivering(entrants: readonly Entrant[], target: CountingTarget) {
  const all = await inTurns(entrants, async ({ start, makeWorld = createWorld }) => {
    const world = await makeWorld(target);
    return { world, subject: await start(world, ["all"]) };
  });
  const latencies = await inTurns(all, async ({ subject }) => {
    await deliver(subject, target, { count: 200, inFlight: 8 });
    await deliver(subject, target, { count: 500, perSecond: 50 });
    return [...target.latencies];
  });
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

/** Delivers `JOBS` jobs of each, as fast as they come. */
async function atOnce(all: readonly Running[], target: CountingTarget) {
  const sums = new Map(all.map((one) => [one, { ms: 0, own: 0, store: 0 }]));
  const count = Math.ceil(JOBS / TURNS);
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [one, sum] of turn % 2 === 0 ? sums : [...sums].toReversed()) {
      const { subject, world } = one;
      const before = { ms: performance.now(), own: total(subject.pids, cpuMs), store: total(world.pids, cpuMs) };
      await deliver(subject, target, { count, inFlight: 32 });
      sum.ms += performance.now() - before.ms;
      sum.own += total(subject.pids, cpuMs) - before.own;
      sum.store += total(world.pids, cpuMs) - before.store;
    }
  }
  const jobs = count * TURNS;
  return [...sums.values()].map(({ ms, own, store }) => {
    return { endToEnd: (jobs * 1_000) / ms, cpuOwn: own / jobs, cpuStore: store / jobs };
  });
}

async function deliver(subject: Subject, target: CountingTarget, of: Load): Promise<void> {
  target.reset();
  await Promise.all([subject.load(of), target.reached(of.count)]);
}

async function rate(subject: Subject, of: Load): Promise<number> {
  const began = performance.now();
  await subject.load(of);
  return (of.count * 1_000) / (performance.now() - began);
}

function total(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((sum, pid) => sum + of(pid), 0);
}
