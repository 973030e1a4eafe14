import { MINUTE, SECOND, type Clock } from "../clock.ts";
import { CLOCK_SKEW, LONGEST_MESSAGE_DELAY } from "../job/job.ts";
import type { DestinationLimits } from "../store/app-settings.ts";
import type { JobStore } from "../store/job-store.ts";
import type { CapacityStore } from "./capacity-store.ts";
import type { DestinationRef } from "./destination-store.ts";
import { isShare } from "./shares.ts";
import { isKeptFor, keptSlots, slotFor, type Slot } from "./slots.ts";
import type { Wait } from "./wait.ts";
import type { CallRef, Turn } from "../job/attempt.ts";

// The limits of a destination, or of an app's share of a queue: attempts per second, and attempts at once.

/** There is room for the attempt. `slot`: what it takes where slots are limited, and none is kept for it. */
export interface Room {
  readonly slot?: Slot;
}

interface Parts {
  readonly clock: Clock;
  readonly store: Pick<JobStore, "get">;
  readonly capacity: CapacityStore;
}

/** An older turn, for instance after a sweep, is lost: the attempt takes another one. */
const TURN_KEPT = MINUTE + 15 * SECOND;
/** A wait up to this is spent in the function: a queue delays by whole seconds. */
const SHORT_WAIT_MS = SECOND;

/** Waits for the turn that a rate sets, then takes a slot. A probe goes first. */
export async function makeRoom(
  parts: Parts,
  ref: CallRef,
  { destination, rateLimitPerSecond: rate, maxConcurrency }: DestinationLimits,
  isProbe: boolean,
): Promise<Room | Wait> {
  const { clock } = parts;
  const step = rate === null || isProbe ? 0 : stepOf(clock, rate);
  if (step > 0) {
    const turn = await turnOf(parts, ref, step);
    if (turn === undefined) return beyondTheRow(clock, ref);
    const waitMs = clock.waitFor(turn.at - clock.now());
    // By clocks that differ, a message may come earlier before the turn that it was sent for. To send it again costs a write.
    const isKept = turn.at === ref.turn?.at;
    if (waitMs > (isKept ? SHORT_WAIT_MS + CLOCK_SKEW : SHORT_WAIT_MS)) return { reason: "rate", turn };
    if (waitMs > 0) await clock.sleep(waitMs);
  }
  if (maxConcurrency === null || isKeptFor(ref, destination, clock)) return {};
  const isFirst = isProbe || isLetGoTo(destination, ref);
  return takeSlot(parts, ref, { destination, most: maxConcurrency, isFirst });
}

/**
 * Whether it was let go from where it waited for this, and is first however long its message lay in the queue. One that has
 * waited for its app's share alone goes behind those that wait for its destination, and the other way round.
 */
function isLetGoTo(destination: string, { turn }: CallRef): boolean {
  if (!turn) return false;
  return turn.both === true || (isShare(destination) ? turn.share === destination : turn.share === undefined);
}

/** The turn that was kept for this attempt, by the rate that is set now, or the next one. */
async function turnOf({ clock, store, capacity }: Parts, ref: CallRef, step: number): Promise<Turn | undefined> {
  // A message in a lane is delivered again as it was sent, without the turn that its job has taken since.
  const kept = ref.turn ?? (ref.ordered ? (await store.get(ref.id))?.turn : undefined);
  if (kept && kept.step > 0 && isKept(clock, kept)) {
    const turn = await capacity.keptTurn(ref, kept, step);
    if (turn) return turn;
  }
  const both = ref.turn?.both === true && { both: true as const };
  const turn = await capacity.takeTurn(ref, { step, isInLane: ref.ordered === true, isFirst: both !== false });
  return turn && { ...turn, ...both };
}

function isKept(clock: Clock, turn: Turn): boolean {
  return clock.now() - turn.at < clock.during(TURN_KEPT);
}

/** The service time between two turns of a rate. */
function stepOf(clock: Pick<Clock, "during">, rate: number): number {
  return Math.max(1, Math.ceil(clock.during(SECOND / rate)));
}

interface Asked {
  readonly destination: string;
  readonly most: number;
  /** It need not go behind the jobs of the backlog. Nor need one of a lane that has waited before. */
  readonly isFirst: boolean;
}

async function takeSlot(parts: Parts, ref: CallRef, { destination, most, isFirst }: Asked): Promise<Room | Wait> {
  const { clock, store, capacity } = parts;
  const { ordered } = ref;
  const slot = slotFor(ref, destination, clock);
  // One that was kept for it and does not last as long as the attempt may.
  const instead = keptSlots(ref).find((kept) => kept.destination === destination);
  let taken = await capacity.takeSlot(slot, most, isFirst, instead);
  if (taken === "behind" && ordered && (await store.get(ref.id))?.waitsSince !== undefined) {
    taken = await capacity.takeSlot(slot, most, true, instead);
  }
  if (taken === "taken") return { slot };
  if (!ordered) return { reason: "concurrency", at: destination, ...(taken !== "behind" && { isFirst: true }) };
  // A lane can't wait in the backlog. It asks again about when the next slot becomes free, which is kept for it.
  const waitMs = taken === "behind" ? 0 : taken.tookMs / most;
  const startAt = Math.round(clock.now() + Math.max(waitMs, clock.during(SHORT_WAIT_MS)));
  await capacity.keepForLane(slot, startAt);
  return { reason: "concurrency", startAt };
}

/** Jobs beyond the row wait in the destination's backlog, those of a lane in their queue. */
function beyondTheRow(clock: Clock, { ordered }: CallRef): Wait {
  if (!ordered) return { reason: "rate" };
  return {
    reason: "rate",
    startAt: Math.round(clock.now() + LONGEST_MESSAGE_DELAY * (0.5 + clock.random() / 2)),
  };
}

/**
 * The turns of the jobs of a destination's backlog that fit into its limits by the next look, at most `most` after
 * `gone` others; as many as there are free slots where it has no rate. Undefined without limits.
 */
export async function turnsWithin(
  { clock, capacity }: Pick<Parts, "clock" | "capacity">,
  ref: DestinationRef,
  { rateLimitPerSecond: rate, maxConcurrency }: DestinationLimits,
  { most, gone }: { readonly most: number; readonly gone: number },
): Promise<Turn[] | undefined> {
  if (rate === null && maxConcurrency === null) return undefined;
  const free = await freeAfter(capacity, ref, maxConcurrency, { most, gone });
  if (rate === null) return Array.from({ length: free }, () => turnForSlot(ref.destination, clock));
  const step = stepOf(clock, rate);
  return free === 0 ? [] : capacity.takeTurns(ref, { step, most: free });
}

/** A turn at once, for a slot of a destination or a share. */
export function turnForSlot(destination: string, clock: Pick<Clock, "now">): Turn {
  return { at: clock.now(), step: 0, ...(isShare(destination) && { share: destination }) };
}

/** How many turns `turnsWithin` would give. */
export async function roomWithin(
  { clock, capacity }: Pick<Parts, "clock" | "capacity">,
  ref: DestinationRef,
  { rateLimitPerSecond: rate, maxConcurrency }: DestinationLimits,
  { most, gone }: { readonly most: number; readonly gone: number },
): Promise<number> {
  const free = await freeAfter(capacity, ref, maxConcurrency, { most, gone });
  if (rate === null || free === 0) return free;
  return Math.min(free, await capacity.freeTurns(ref, stepOf(clock, rate)));
}

/** The slots that are free, at most `most`. */
async function freeAfter(
  capacity: CapacityStore,
  ref: DestinationRef,
  maxConcurrency: number | null,
  { most, gone }: { readonly most: number; readonly gone: number },
): Promise<number> {
  if (maxConcurrency === null) return most;
  return Math.min(most, Math.max(0, (await capacity.freeSlots(ref, maxConcurrency)) - gone));
}

/** Says whether jobs wait in a destination's backlog for its limits. Returns whether that is new for its slots. */
export async function markWaiting(
  capacity: CapacityStore,
  ref: DestinationRef,
  { rateLimitPerSecond: rate, maxConcurrency }: DestinationLimits,
  isWaiting: boolean,
): Promise<boolean> {
  if (rate !== null) await capacity.markRow(ref, isWaiting);
  return maxConcurrency !== null && (await capacity.markSlots(ref, isWaiting));
}
