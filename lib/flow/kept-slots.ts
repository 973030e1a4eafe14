import { HOUR, MINUTE, type Clock } from "../clock.ts";
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
 * ones are taken for as much longer.
 */
const KEPT_FOR = 2 * MINUTE;
/** The longest time for which a job holds a slot of its destination while it waits for its share. */
const HELD_FOR = HOUR;

/** What a job of a backlog gets: the slots that it needs, if any, by their names, or the limit that has none for it. */
export type Kept = {
  /** Those of the slots that were taken now. */
  readonly taken: readonly Slot[];
} & (
  | { readonly slots: string | undefined; readonly fullAt?: never }
  | {
      readonly fullAt: string;
      /** No other job is known to wait there. */
      readonly isFirst: boolean;
      /** A slot of its destination that it holds while it waits there. */
      readonly held?: string;
    }
);

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
export async function keepSlots(job: WaitingJob, at: BacklogRef, parts: Parts): Promise<Kept> {
  const taken: Slot[] = [];
  try {
    return { ...(await takeAll(job, at, taken, parts)), taken };
  } catch (error) {
    await Promise.allSettled(taken.map(async (slot) => parts.capacity.leaveSlot(slot)));
    throw error;
  }
}

/** Takes slots until a limit has none left. Those of `taken` are not for what it returns to hold. */
async function takeAll(job: WaitingJob, { appId, backlog }: BacklogRef, taken: Slot[], parts: Parts) {
  const { clock, apps, capacity } = parts;
  const ref = asCall(nextAttempt(job));
  const settings = await apps.settingsOf(appId);
  const own = destinationOf(backlog);
  const names = [(await parts.shareOf(ref)) ?? [], ref.destination].flat();
  // Its own is known to have room. It takes that last, and not at all where another limit has none.
  const ordered = [...names.filter((name) => name !== own), ...names.filter((name) => name === own)];
  const slots: Slot[] = [];
  for (const destination of ordered) {
    const limits = limitsOf(destination, settings);
    if (!limits || limits.maxConcurrency === null || limits.rateLimitPerSecond !== null) continue;
    const held = keptSlots(ref).find((slot) => slot.destination === destination);
    const slot = slotFor(ref, destination, clock, KEPT_FOR);
    if (held && held.until >= slot.until) {
      slots.push(held);
      continue;
    }
    // It goes behind those that wait elsewhere, unless it has waited there before.
    const isFirst = destination === own || job.turn !== undefined;
    const answer = await capacity.takeSlot(slot, limits.maxConcurrency, isFirst, held);
    if (answer !== "taken")
      return { fullAt: destination, isFirst: answer !== "behind", ...(await holdOwn(destination)) };
    if (held) await capacity.leaveSlot(held);
    taken.push(slot);
    slots.push(slot);
  }
  return { slots: slots.length > 0 ? textOf(slots) : undefined };

  /**
   * A job that has waited for its share before would change between them as long as others keep them full. It holds the
   * slot of its destination while it waits for its share, and never one of the share: whoever has that runs, and ends.
   */
  async function holdOwn(fullAt: string): Promise<{ readonly held?: string }> {
    const limits = limitsOf(ref.destination, settings);
    if (!isShare(fullAt) || own !== ref.destination || job.turn === undefined || !limits?.maxConcurrency) return {};
    const slot = slotFor(ref, own, clock, HELD_FOR);
    const isHeld = (await capacity.takeSlot(slot, limits.maxConcurrency, true)) === "taken";
    return isHeld ? { held: textOf([slot]) } : {};
  }
}
