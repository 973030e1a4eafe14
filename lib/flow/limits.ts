import { MINUTE, SECOND, type Clock, type EpochMs } from "../clock.ts";
import { LEASE_MARGIN_MS, LONGEST_MESSAGE_DELAY } from "../job/job.ts";
import type { DestinationLimits } from "../store/app-store.ts";
import type { JobStore } from "../store/job-store.ts";
import type { CapacityStore, Slot } from "./capacity-store.ts";
import type { DestinationRef } from "./destination-store.ts";
import type { Wait } from "./wait.ts";
import type { CallRef } from "../job/attempt.ts";

// The limits that an app sets for a destination: attempts per second, and attempts at once.

/** An attempt that its destination has room for, and the slot that it takes where slots are limited. */
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

/** Waits for the turn that a rate sets, then takes a slot. */
export async function makeRoom(parts: Parts, ref: CallRef, limits: DestinationLimits): Promise<Room | Wait> {
  const { clock } = parts;
  const { rateLimitPerSecond: rate, maxConcurrency } = limits;
  const turnAt = rate === null ? 0 : await turnOf(parts, ref, rate);
  if (turnAt === undefined) return beyondTheRow(clock, ref, "rate");
  const waitMs = clock.waitFor(turnAt - clock.now());
  if (waitMs > SHORT_WAIT_MS) return { reason: "rate", turnAt };
  if (waitMs > 0) await clock.sleep(waitMs);
  return maxConcurrency === null ? {} : takeSlot(parts, ref, maxConcurrency);
}

/** The turn that was kept for this attempt, or the next one. */
async function turnOf({ clock, store, capacity }: Parts, ref: CallRef, rate: number): Promise<EpochMs | undefined> {
  // A message in a lane is delivered again as it was sent, without the turn that its job has taken since.
  const kept = ref.turnAt ?? (ref.ordered ? (await store.get(ref.id))?.turnAt : undefined);
  if (kept !== undefined && clock.now() - kept < clock.during(TURN_KEPT)) return kept;
  return capacity.takeTurn(ref, "rate", { step: clock.during(SECOND / rate), isInLane: ref.ordered === true });
}

async function takeSlot({ clock, capacity }: Parts, ref: CallRef, most: number): Promise<Room | Wait> {
  const since = clock.now();
  const { appId, destination, timeoutMs } = ref;
  const until = since + clock.during(timeoutMs + 2 * LEASE_MARGIN_MS);
  const slot = { appId, destination, holder: clock.operationId(), since, until };
  const taken = await capacity.takeSlot(slot, most);
  if (taken === "taken") return { slot };
  // Jobs that wait come back about as fast as slots become free.
  const at = await capacity.takeTurn(ref, "slots", { step: taken.tookMs / most, isInLane: ref.ordered === true });
  if (at === undefined) return beyondTheRow(clock, ref, "concurrency");
  return { reason: "concurrency", startAt: Math.max(at, clock.now() + clock.during(SHORT_WAIT_MS)) };
}

/** Jobs beyond the row wait in the destination's backlog, those of a lane in their queue. */
function beyondTheRow(clock: Clock, { ordered }: CallRef, reason: "rate" | "concurrency"): Wait {
  if (!ordered) return { reason };
  return { reason, startAt: Math.round(clock.now() + LONGEST_MESSAGE_DELAY * (0.5 + clock.random() / 2)) };
}

/**
 * The starts of the jobs of a destination's backlog that fit into its limits by the next look, at most `most`;
 * undefined without limits.
 */
export async function startsWithin(
  { clock, capacity }: Pick<Parts, "clock" | "capacity">,
  ref: DestinationRef,
  { rateLimitPerSecond: rate, maxConcurrency }: DestinationLimits,
  most: number,
): Promise<EpochMs[] | undefined> {
  const atOnce =
    maxConcurrency === null
      ? undefined
      : await capacity.takeTurns(ref, "slots", { step: (await capacity.slotTime(ref)) / maxConcurrency, most });
  if (rate === null) return atOnce;
  // A job that found no slot would come back, so no more get a turn than both limits let go.
  const turns = await capacity.takeTurns(ref, "rate", {
    step: clock.during(SECOND / rate),
    most: atOnce?.length ?? most,
  });
  return turns.map((turnAt, at) => Math.max(turnAt, atOnce?.[at] ?? turnAt));
}

/** Says whether jobs still wait in a destination's backlog for its limits. */
export async function markTurns(
  { clock, capacity }: Pick<Parts, "clock" | "capacity">,
  ref: DestinationRef,
  { rateLimitPerSecond: rate, maxConcurrency }: DestinationLimits,
  isWaiting: boolean,
): Promise<void> {
  if (rate !== null) await capacity.markBacklog(ref, "rate", clock.during(SECOND / rate), isWaiting);
  if (maxConcurrency !== null) await capacity.markBacklog(ref, "slots", 1, isWaiting);
}
