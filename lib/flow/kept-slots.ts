import { MINUTE, type Clock } from "../clock.ts";
import { asCall, type CallRef } from "../job/attempt.ts";
import { destinationOf, type BacklogRef } from "../job/backlog.ts";
import { nextAttempt, type WaitingJob } from "../job/job.ts";
import type { AppStore } from "../store/app-store.ts";
import type { CapacityStore } from "./capacity-store.ts";
import { isShare, limitsOf, type Share } from "./shares.ts";
import { keptSlots, slotFor, textOf, type Slot } from "./slots.ts";

// Slots that are kept for a job which is let go from where it waited for them, until its message comes: it waits again for
// none. The job's item names them until its attempt ends, and so does its message. An attempt starts only with the slots that
// its item names, so a message that comes again when they have been given back starts nothing.

/**
 * A message takes seconds. One that comes later takes slots of its own: after a crash, and where a message is lost, the kept
 * ones are taken for as much longer. So is a slot that a job holds while it waits for another limit.
 */
const KEPT_FOR = 2 * MINUTE;

/**
 * The slots that a job of a backlog needs, if any, by their names. `taken`: those that were taken now, to be given back unless
 * its item names them.
 */
interface Kept {
  readonly slots: string | undefined;
  readonly taken: readonly Slot[];
  readonly fullAt?: never;
}

/** The limit that has no slot for it. `isFirst`: no other job is known to wait there. */
export interface NoRoom extends Pick<Kept, "taken"> {
  readonly fullAt: string;
  readonly isFirst: boolean;
  /** A slot of its destination that it holds while it waits there. */
  readonly held?: string;
}

interface Parts {
  readonly clock: Clock;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly capacity: Pick<CapacityStore, "takeSlot" | "leaveSlot">;
  /** The share of a queue that an attempt takes a slot of. */
  readonly shareOf: (ref: CallRef) => Promise<Share | undefined>;
}

/**
 * Takes the slots that a job of a backlog needs: of its destination, and of its app's share of a queue. A destination with a
 * rate keeps none: its turn may be minutes away.
 */
export async function keepSlots(job: WaitingJob, at: BacklogRef, parts: Parts): Promise<Kept | NoRoom> {
  const taken: Slot[] = [];
  try {
    return { ...(await takeAll(job, at, taken, parts)), taken };
  } catch (error) {
    await Promise.allSettled(taken.map(async (slot) => parts.capacity.leaveSlot(slot)));
    throw error;
  }
}

/** Takes slots until a limit has none left. `taken`: those that it may have taken when it throws, too. */
async function takeAll(job: WaitingJob, { backlog }: BacklogRef, taken: Slot[], parts: Parts) {
  const ref = asCall(nextAttempt(job));
  const own = destinationOf(backlog);
  const needed = await limitedOf(ref, parts);
  // Its own is known to have room. It takes that last, and not at all where another limit has none.
  for (const name of [...needed.keys()].toSorted((a, b) => Number(a === own) - Number(b === own))) {
    const slot = await take(name);
    if (typeof slot === "object") continue;
    const noRoom = { fullAt: name, isFirst: slot === "full" };
    if (own !== ref.destination || !isShare(name) || !job.turn || !needed.has(own)) return noRoom;
    // It has waited for its share before, and would change between them as long as others keep them full. It holds a slot
    // of its destination meanwhile, and never one of the share: whoever has that runs, and ends.
    const held = await take(own);
    return typeof held === "object" ? { ...noRoom, held: textOf([held]) } : { fullAt: own, isFirst: true };
  }
  return { slots: taken.length > 0 ? textOf(taken) : undefined };

  async function take(name: string): Promise<Slot | "full" | "behind"> {
    const slot = slotFor(ref, name, parts.clock, KEPT_FOR);
    const instead = keptSlots(ref).find(({ destination }) => destination === name);
    // It goes behind those that wait elsewhere, unless it has waited there before.
    const isFirst = name === own || job.turn !== undefined;
    // Noted before it is asked for: the answer may be lost.
    taken.push(slot);
    const answer = await parts.capacity.takeSlot(slot, needed.get(name) ?? 0, isFirst, instead);
    if (answer === "taken") return slot;
    taken.pop();
    return answer === "behind" ? "behind" : "full";
  }
}

/** How many attempts at once the limits of a call allow that keep slots, by their names. */
async function limitedOf(ref: CallRef, { apps, shareOf }: Parts): Promise<ReadonlyMap<string, number>> {
  const settings = await apps.settingsOf(ref.appId);
  const limits = [(await shareOf(ref)) ?? [], ref.destination].flat().flatMap((name) => limitsOf(name, settings) ?? []);
  return new Map(
    limits.flatMap(({ destination, maxConcurrency, rateLimitPerSecond }) =>
      maxConcurrency === null || rateLimitPerSecond !== null ? [] : [[destination, maxConcurrency] as const],
    ),
  );
}
