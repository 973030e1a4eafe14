import { MINUTE, type Clock } from "../clock.ts";
import { asCall, type CallRef } from "../job/attempt.ts";
import { destinationOf, type BacklogRef } from "../job/backlog.ts";
import { nextAttempt, type WaitingJob } from "../job/job.ts";
import type { AppStore } from "../store/app-store.ts";
import type { CapacityStore } from "./capacity-store.ts";
import { limitsOf, type Share } from "./shares.ts";
import { slotFor, textOf, type Slot } from "./slots.ts";

// Slots that are kept for a job which is let go from where it waited for them, until its message comes: it waits again for
// none. The job's item names them until its attempt ends, and so does its message. An attempt starts only with the slots that
// its item names, so a message that comes again when they have been given back starts nothing.

/**
 * A message takes seconds. One that comes later takes slots of its own: after a crash, and where a message is lost, the kept
 * ones are taken for as much longer.
 */
const KEPT_FOR = 2 * MINUTE;

/** What a job of a backlog gets: the slots that it needs, if any, by their names, or the limit that has none for it. */
export type Kept =
  | { readonly slots: string | undefined }
  | {
      readonly fullAt: string;
      /** No other job is known to wait there. */
      readonly isFirst: boolean;
      /** The backlogs whose next jobs may have what was kept for a moment. */
      readonly freed: readonly Slot[];
    };

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
  const kept: Slot[] = [];
  try {
    const full = await take(job, at, kept, parts);
    return full ? { ...full, freed: kept } : { slots: kept.length > 0 ? textOf(kept) : undefined };
  } catch (error) {
    await Promise.allSettled(kept.map(async (slot) => parts.capacity.leaveSlot(slot)));
    throw error;
  }
}

/** Takes slots until a limit has none left. */
async function take(job: WaitingJob, { appId, backlog }: BacklogRef, kept: Slot[], parts: Parts) {
  const { clock, apps, capacity } = parts;
  const ref = asCall(nextAttempt(job));
  const settings = await apps.settingsOf(appId);
  const own = destinationOf(backlog);
  const names = [(await parts.shareOf(ref)) ?? [], ref.destination].flat();
  // Its own is known to have room. Another one that has none keeps it from holding that for a moment.
  const ordered = [...names.filter((name) => name !== own), ...names.filter((name) => name === own)];
  for (const destination of ordered) {
    const limits = limitsOf(destination, settings);
    if (!limits || limits.maxConcurrency === null || limits.rateLimitPerSecond !== null) continue;
    const slot = slotFor(ref, destination, clock, KEPT_FOR);
    // It goes behind those that wait elsewhere, unless it has waited there before.
    const isFirst = destination === own || job.turn !== undefined;
    const taken = await capacity.takeSlot(slot, limits.maxConcurrency, isFirst);
    if (taken !== "taken") return { fullAt: destination, isFirst: taken !== "behind" };
    kept.push(slot);
  }
  return undefined;
}
