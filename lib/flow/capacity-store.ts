import { DAY, SECOND, type Clock, type EpochMs } from "../clock.ts";
import { expirySeconds, type Item, type Table } from "../store/table.ts";
import { MOST_TRIES, itemOf, markWaiters, updateItem } from "./capacity-items.ts";
import type { DestinationRef } from "./destination-store.ts";
import { nameOf, termsOf, type Slot } from "./slots.ts";
import { createTurnRow } from "./turn-row.ts";

// What destinations with limits have room for: turns by their rate, and slots for attempts at once.

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
}

export type CapacityStore = ReturnType<typeof createCapacityStore>;

/** The longest real time by which the message of a lane comes after its time. */
const LANE_LATE = 5 * SECOND;
/** The longest real time for which a slot is kept for a lane. */
const KEPT_FOR_LANE = 30 * SECOND;

export function createCapacityStore(parts: Parts) {
  return {
    ...createTurnRow(parts),
    /** Says whether jobs wait in the destination's backlog for slots. Returns whether that is new. */
    markSlots: async (ref: DestinationRef, isWaiting: boolean) => markWaiters(parts, slotsKey(ref), isWaiting),
    /** How many of `most` slots are free. */
    freeSlots: async (ref: DestinationRef, most: number) => freeSlots(parts, ref, most),
    /**
     * Takes one of `most` slots. `behind`: jobs wait for one in the destination's backlog, which one that may not go
     * `first` does not pass. `tookMs`, when all are taken: how long an attempt holds one, in service time, estimated by
     * the last one that was given back and by the one held longest. `instead`: a slot that whoever asks has already, and
     * gives back once it has this one.
     */
    takeSlot: async (slot: Slot, most: number, isFirst: boolean, instead?: Slot) =>
      takeSlot(parts, slot, { most, isFirst, instead }),
    /** Takes a slot for an attempt that runs already, also where all are taken. Returns how many are taken then. */
    addSlot: async (slot: Slot) => addSlot(parts, slot),
    /** Keeps the next slot that a job outside of lanes gives back for a lane, which asks again at `asksAt`. */
    keepForLane: async (ref: DestinationRef, asksAt: EpochMs) => keepForLane(parts, ref, asksAt),
    /**
     * Gives a slot back. `tookMs`: how long an attempt held it, in service time; undefined if it did not start.
     * Returns whether it is for the next job that waits in the destination's backlog: a lane and the backlog take turns.
     */
    leaveSlot: async (slot: Slot, tookMs?: number) => leaveSlot(parts, slot, tookMs),
  };
}

async function keepForLane({ table, clock }: Parts, ref: DestinationRef, asksAt: EpochMs): Promise<void> {
  await table.update(slotsKey(ref), {
    UpdateExpression: "SET laneAt = :at, expiresAt = :expiresAt",
    values: { ":at": asksAt, ":expiresAt": expirySeconds(clock.now() + DAY) },
  });
}

/** Whether a lane asks soon. One that does not ask when it was to, gets nothing kept for it any more. */
function isKeptForLane(item: Item | undefined, clock: Clock): boolean {
  const inMs = Number(item?.["laneAt"] ?? 0) - clock.now();
  return inMs > -clock.during(LANE_LATE) && inMs <= clock.during(KEPT_FOR_LANE);
}

async function freeSlots({ table, clock }: Parts, ref: DestinationRef, most: number): Promise<number> {
  const item = await table.get(slotsKey(ref));
  const kept = isKeptForLane(item, clock) ? 1 : 0;
  return Math.max(0, most - kept - takenIn(item, clock));
}

/** The slots of attempts that may still run. */
function takenIn(item: Item | undefined, clock: Clock): number {
  const names = [...((item?.["slots"] as Set<string> | undefined) ?? [])];
  return names.filter((name) => termsOf(name).until > clock.now()).length;
}

/** Whoever asks has one already, or asks again since an answer was lost. */
const HAS_ONE = "contains(slots, :name) OR contains(slots, :instead)";

async function takeSlot(
  { table, clock }: Parts,
  slot: Slot,
  {
    most,
    isFirst,
    instead = slot,
  }: { readonly most: number; readonly isFirst: boolean; readonly instead?: Slot | undefined },
): Promise<"taken" | "behind" | { readonly tookMs: number }> {
  const key = slotsKey(slot);
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const taken = await updateItem(table, key, {
      UpdateExpression: `ADD slots :slot SET expiresAt = :expiresAt${slot.isInLane ? " REMOVE laneAt" : ""}`,
      ConditionExpression: `(attribute_not_exists(slots) OR size(slots) < :most OR ${HAS_ONE})${isFirst ? "" : ` AND (attribute_not_exists(hasBacklog) OR ${HAS_ONE})`}`,
      values: {
        ":slot": new Set([nameOf(slot)]),
        ":name": nameOf(slot),
        ":instead": nameOf(instead),
        ":most": most,
        ":expiresAt": expirySeconds(slot.until + DAY),
      },
    });
    if (taken.held) return "taken";
    if (!isFirst && taken.item["hasBacklog"] === true) return "behind";
    const names = [...(taken.item["slots"] as Set<string>)];
    // The workers that held these have died.
    const over = names.filter((name) => termsOf(name).until <= clock.now());
    if (over.length === 0) {
      const heldMs = clock.now() - Math.min(...names.map((name) => termsOf(name).since));
      return { tookMs: Math.max(Number(taken.item["tookMs"] ?? SECOND), heldMs) };
    }
    await updateItem(table, key, { UpdateExpression: "DELETE slots :over", values: { ":over": new Set(over) } });
  }
  throw table.unavailable("the slots of the destination are changing too fast");
}

async function addSlot({ table, clock }: Parts, slot: Slot): Promise<number> {
  const { item } = await updateItem(table, slotsKey(slot), {
    UpdateExpression: "ADD slots :slot SET expiresAt = :expiresAt",
    values: { ":slot": new Set([nameOf(slot)]), ":expiresAt": expirySeconds(slot.until + DAY) },
  });
  return takenIn(item, clock);
}

async function leaveSlot({ table, clock }: Parts, slot: Slot, tookMs?: number): Promise<boolean> {
  const { item } = await updateItem(table, slotsKey(slot), {
    UpdateExpression: `DELETE slots :slot${tookMs === undefined ? "" : " SET tookMs = :took"}`,
    values: { ":slot": new Set([nameOf(slot)]), ...(tookMs !== undefined && { ":took": tookMs }) },
  });
  return item["hasBacklog"] === true && (slot.isInLane === true || !isKeptForLane(item, clock));
}

function slotsKey(ref: DestinationRef) {
  return itemOf(ref, "SLOTS");
}
