import type { Clock, EpochMs } from "../clock.ts";
import type { CallRef } from "../job/attempt.ts";
import { LEASE_MARGIN_MS } from "../job/job.ts";
import type { DestinationRef } from "./destination-store.ts";
import { isShare } from "./shares.ts";

// The slots of destinations and shares, as their items, jobs and messages name them.

/** One unit of a destination's concurrency, held by an attempt. */
export interface Slot extends DestinationRef {
  readonly holder: string;
  readonly since: EpochMs;
  /** The time by which the attempt that holds it has certainly ended. */
  readonly until: EpochMs;
  /** Set for a job in a lane, which waits for a slot in its queue. */
  readonly isInLane?: true;
}

/** A slot for an attempt that starts within `startsWithin` ms. */
export function slotFor(ref: CallRef, destination: string, clock: Clock, startsWithin = 0): Slot {
  const { appId, ordered } = ref;
  const since = clock.now();
  const until = since + startsWithin + heldFor(ref, clock);
  return { appId, destination, holder: clock.operationId(), since, until, ...(ordered && { isInLane: ordered }) };
}

/** The service time after which an attempt that starts now has certainly ended. */
function heldFor({ timeoutMs }: CallRef, clock: Clock): number {
  return clock.during(timeoutMs + 2 * LEASE_MARGIN_MS);
}

/** A slot as a member of the set of taken slots. */
export function nameOf({ until, since, holder }: Slot): string {
  return `${until} ${since} ${holder}`;
}

export function termsOf(name: string): Pick<Slot, "until" | "since"> {
  const [until, since] = name.split(" ");
  return { until: Number(until), since: Number(since) };
}

/** Slots as one text, for a job and its message. */
export function textOf(slots: readonly Slot[]): string {
  return slots.map((slot) => (isShare(slot.destination) ? `${nameOf(slot)} ${slot.destination}` : nameOf(slot))).join();
}

/** The slots that a message names, of which some may be over. */
export function keptSlots({ appId, destination, slots = "" }: CallRef): Slot[] {
  if (slots === "") return [];
  return slots.split(",").map((text) => {
    const [, , holder = "", share = destination] = text.split(" ");
    return { appId, destination: share, holder, ...termsOf(text) };
  });
}

/** Whether a slot is kept for an attempt that starts now, and lasts as long as it may. */
export function isKeptFor(ref: CallRef, destination: string, clock: Clock): boolean {
  const until = clock.now() + heldFor(ref, clock);
  return keptSlots(ref).some((slot) => slot.destination === destination && slot.until >= until);
}
