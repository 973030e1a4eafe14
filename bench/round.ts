import { cpuMs, peakMb, percentile, type CountingTarget } from "./measure.ts";
import { createWorld, type Role, type Start, type Subject, type World } from "./subjects.ts";
import type { Load } from "./workload.ts";

// One round of a subject: the same loads, on emulators of its own.

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

export async function measure(
  start: Start,
  target: CountingTarget,
  makeWorld: (target: CountingTarget) => Promise<World> = createWorld,
): Promise<Figures> {
  const two = await draining(start, await makeWorld(target), ["gateway", "worker"]);
  const delivered = await delivering(start, await makeWorld(target));
  const one = await draining(start, await makeWorld(target), ["all"]);
  const { accept8, accept32, drain: drainTwo, cpu: cpuDrain } = two;
  const failed = one.failed + two.failed;
  return { accept8, accept32, drainTwo, cpuDrain, ...delivered, drainOne: one.drain, peakMb: one.peak, failed };
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

/** Delivers jobs one by one, and as fast as they come. */
async function delivering(start: Start, world: World) {
  const { target } = world;
  const subject = await start(world, ["all"]);
  const deliver = async (of: Load) => {
    target.reset();
    await Promise.all([subject.load(of), target.reached(of.count)]);
  };
  await deliver({ count: 200, inFlight: 8 });
  await deliver({ count: 500, perSecond: 50 });
  const latencies = [...target.latencies];
  const atOnce = async () => {
    const cpu = total(subject.pids, cpuMs);
    const cpuOfStore = total(world.pids, cpuMs);
    const began = performance.now();
    await deliver({ count: JOBS, inFlight: 32 });
    const endToEnd = (JOBS * 1_000) / (performance.now() - began);
    const cpuOwn = (total(subject.pids, cpuMs) - cpu) / JOBS;
    const cpuStore = (total(world.pids, cpuMs) - cpuOfStore) / JOBS;
    return { endToEnd, cpuOwn, cpuStore };
  };
  const first = await atOnce();
  const warm = await atOnce();
  await subject.end();
  await world.end();
  const [p50, p95, p99] = [percentile(latencies, 50), percentile(latencies, 95), percentile(latencies, 99)];
  return { ...warm, endToEndFirst: first.endToEnd, cpuFirst: first.cpuOwn, p50, p95, p99 };
}

async function rate(subject: Subject, of: Load): Promise<number> {
  const began = performance.now();
  await subject.load(of);
  return (of.count * 1_000) / (performance.now() - began);
}

function total(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((sum, pid) => sum + of(pid), 0);
}
