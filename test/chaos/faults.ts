import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../sim/random.ts";
import type { ChaosStack, Part } from "./stack.ts";
import type { ChaosTarget, Mood } from "./target.ts";

// The faults and their times: drawn beforehand, so that a seed gives the same ones.

interface Kind {
  readonly part: "worker" | "gateway" | "database" | "queue" | "target";
  readonly how: "killed" | "frozen" | "emptied" | Exclude<Mood, "well">;
  /** The least and the most duration of the fault. */
  readonly forMs: readonly [number, number];
}

export interface Fault {
  readonly atMs: number;
  readonly forMs: number;
  /** Its name: `worker-2`, `queue`, `target`. */
  readonly part: string;
  readonly how: Kind["how"];
}

const WORKER_KILLED: Kind = { part: "worker", how: "killed", forMs: [300, 5_000] };

/** Dealt like cards, so that even a short run has every kind. */
const DECK: readonly Kind[] = [
  WORKER_KILLED,
  WORKER_KILLED,
  WORKER_KILLED,
  WORKER_KILLED,
  WORKER_KILLED,
  WORKER_KILLED,
  // Longer than a lease: when it wakes, its attempts are no longer its own.
  { part: "worker", how: "frozen", forMs: [18_000, 22_000] },
  { part: "gateway", how: "killed", forMs: [0, 1_000] },
  { part: "database", how: "frozen", forMs: [1_000, 4_000] },
  { part: "database", how: "killed", forMs: [100, 2_000] },
  { part: "queue", how: "emptied", forMs: [0, 0] },
  { part: "queue", how: "killed", forMs: [100, 2_000] },
  { part: "target", how: "failing", forMs: [1_000, 5_000] },
  { part: "target", how: "slow", forMs: [1_000, 4_000] },
  { part: "target", how: "refusing", forMs: [1_000, 4_000] },
];
const PAUSE_MS = [500, 2_500] as const;

export function faultsOf(random: Random, lastMs: number, workers: number): Fault[] {
  const faults: Fault[] = [];
  let deck: Kind[] = [];
  for (let atMs = random.between(...PAUSE_MS); atMs < lastMs; atMs += random.between(...PAUSE_MS)) {
    if (deck.length === 0) deck = random.shuffle([...DECK]);
    const { part, how, forMs } = deck.pop() as Kind;
    faults.push({
      atMs: Math.round(atMs),
      forMs: Math.round(Math.min(random.between(...forMs), lastMs - atMs)),
      part: part === "worker" ? `worker-${random.below(workers) + 1}` : part,
      how,
    });
  }
  return faults;
}

/** Carries out each fault at its time. Resolves when the last one has ended. */
export async function carryOut(
  faults: readonly Fault[],
  stack: ChaosStack,
  target: ChaosTarget,
  onFault: (fault: Fault) => void,
): Promise<void> {
  const down = new Set<string>();
  const happen = async (fault: Fault) => {
    await sleep(fault.atMs);
    // A part that is down can't fail again: it may take longer to come back than planned.
    if (down.has(fault.part)) return;
    down.add(fault.part);
    onFault(fault);
    await act(fault, stack, target);
    down.delete(fault.part);
  };
  await Promise.all(faults.map(happen));
}

async function act({ part: name, how, forMs }: Fault, stack: ChaosStack, target: ChaosTarget): Promise<void> {
  const part = [stack.gateway, stack.database, stack.queue, ...stack.workers].find((each) => each.name === name);
  switch (how) {
    case "killed":
      return part && killed(part, forMs);
    case "frozen":
      return part && frozen(part, forMs);
    case "emptied":
      return stack.queue.empty();
    case "failing":
    case "slow":
    case "refusing":
      return inMood(target, how, forMs);
    default:
      return how satisfies never;
  }
}

async function killed(part: Part, forMs: number): Promise<void> {
  await part.kill();
  await sleep(forMs);
  await part.start();
}

async function frozen(part: Part, forMs: number): Promise<void> {
  part.freeze();
  await sleep(forMs);
  part.thaw();
}

async function inMood(target: ChaosTarget, mood: Mood, forMs: number): Promise<void> {
  await target.become(mood);
  await sleep(forMs);
  await target.become("well");
}
