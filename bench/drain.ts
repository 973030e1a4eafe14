import { setTimeout as sleep } from "node:timers/promises";
import { cpuMs, peakMb, startCountingTarget, total } from "./measure.ts";
import { createWorld, type Entrant, type Role, type Subject } from "./subjects.ts";
import { inPieces, inTurns } from "./turns.ts";
import type { Load } from "./workload.ts";

// Backlogs: jobs are accepted, and wait until other processes drain them.

/** Jobs that wait when a drain begins. */
export const WAITING = Number(process.env["WAITING"] ?? 5_000);
/** Jobs that are accepted before the first are measured. */
const UNMEASURED = 200;
const FEW_IN_FLIGHT = Math.round(WAITING / 4);
/** Fewer are not enough for both ways in which they are accepted. */
const FEWEST_WAITING = 500;
/** In which the storage answers what a process had asked before it was stopped. */
const SETTLING_MS = 50;

export interface Drain {
  readonly accept8: number;
  readonly accept32: number;
  readonly drain: number;
  readonly cpu: number;
  readonly peak: number;
  readonly failed: number;
}

/** Each entrant's processes of these roles drain a backlog. Between its turns they are stopped where they are. */
export async function draining(entrants: readonly Entrant[], roles: readonly Role[]): Promise<Drain[]> {
  if (!(WAITING >= FEWEST_WAITING)) {
    throw new Error(`WAITING is "${process.env["WAITING"]}": expected a number of ${FEWEST_WAITING} or more`);
  }
  const backlogs = await inTurns(entrants, openBacklog);
  const accept8 = await accepting(backlogs, { count: FEW_IN_FLIGHT, inFlight: 8 });
  const accept32 = await accepting(backlogs, { count: WAITING - UNMEASURED - FEW_IN_FLIGHT, inFlight: 32 });
  const drains = await inTurns(backlogs, async ({ gateway, ...backlog }) => {
    await gateway.end();
    return createDrain(backlog, roles);
  });
  await inPieces(drains, WAITING, async (drain, count) => drain.next(count));
  const drained = await inTurns(drains, async (drain) => drain.end());
  return drained.map((figures, at) => ({ ...figures, accept8: accept8[at] ?? NaN, accept32: accept32[at] ?? NaN }));
}

/** Starts what accepts the jobs. */
async function openBacklog({ start, makeWorld = createWorld }: Entrant) {
  const world = await makeWorld(await startCountingTarget());
  const gateway = await start(world, ["gateway"]);
  await gateway.load({ count: UNMEASURED, inFlight: 8 });
  return { start, world, gateway };
}

type Backlog = Omit<Awaited<ReturnType<typeof openBacklog>>, "gateway">;

/** Jobs accepted per second. */
async function accepting(all: readonly { readonly gateway: Subject }[], { count, ...how }: Load): Promise<number[]> {
  const took = new Map(all.map((one) => [one, 0]));
  await inPieces(all, count, async (one, piece) => {
    const began = performance.now();
    await one.gateway.load({ count: piece, ...how });
    took.set(one, (took.get(one) ?? 0) + performance.now() - began);
  });
  return [...took.values()].map((ms) => (count * 1_000) / ms);
}

function createDrain({ start, world }: Backlog, roles: readonly Role[]) {
  const { target } = world;
  let subject: Subject | undefined;
  let drained = 0;
  let wanted = 0;
  let ms = 0;
  let cpu = 0;

  /** Drains until so many more have come. */
  async function next(count: number): Promise<void> {
    wanted += count;
    const running = subject ?? start(world, roles);
    if (subject) subject.resume();
    // What a process takes to start is not measured.
    else await target.reached(1);
    const [before, began] = [target.count(), performance.now()];
    await target.reached(wanted);
    drained += target.count() - before;
    ms += performance.now() - began;
    subject = await running;
    cpu = cpuMs(subject.pids.at(-1) ?? 0) / wanted;
    if (wanted === WAITING) return;
    subject.pause();
    await sleep(SETTLING_MS);
  }

  async function end(): Promise<Omit<Drain, "accept8" | "accept32">> {
    if (!subject) throw new Error("Nothing has been drained");
    const { pids } = subject;
    const peak = total([...pids, ...world.pids], peakMb);
    const failed = subject.failures();
    await subject.end();
    await world.end();
    target.close();
    return { drain: (drained * 1_000) / ms, cpu, peak, failed };
  }

  return { next, end };
}
