import { DAY, SECOND, type Clock, type EpochMs } from "../clock.ts";
import { LONGEST_MESSAGE_DELAY } from "../job/job.ts";
import { expirySeconds, type Expressions, type Table } from "../store/table.ts";
import type { DestinationRef } from "./destination-store.ts";

// The turns and slots of destinations that have limits, in items apart from the app's, which every delivery reads.

/** One unit of a destination's concurrency, held by an attempt. */
export interface Slot extends DestinationRef {
  readonly holder: string;
  readonly since: EpochMs;
  /** The time by which the attempt that holds it has certainly ended. */
  readonly until: EpochMs;
}

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
}

export type CapacityStore = ReturnType<typeof createCapacityStore>;

const MOST_TRIES = 5;

export function createCapacityStore({ table, clock }: Parts) {
  return {
    /**
     * Takes the next turn in a row of turns that are `step` apart, in service time: now, if no job waits.
     * Undefined when the row is longer than a message can be delayed.
     */
    takeTurn: async (ref: DestinationRef, row: "rate" | "slots", step: number) =>
      takeTurn({ table, clock }, ref, { row, apart: Math.max(1, Math.ceil(step)) }),
    /**
     * Takes one of `most` slots. `tookMs`, when all are taken: how long an attempt holds one, in service time,
     * estimated by the last one that was given back and by the one held longest.
     */
    takeSlot: async (slot: Slot, most: number) => takeSlot({ table, clock }, slot, most),
    /** Gives a slot back. `tookMs`: how long an attempt held it, in service time; undefined if it did not start. */
    leaveSlot: async (slot: Slot, tookMs?: number) => leaveSlot({ table, clock }, slot, tookMs),
  };
}

async function takeTurn(
  { table, clock }: Parts,
  ref: DestinationRef,
  { row, apart }: { row: "rate" | "slots"; apart: number },
): Promise<EpochMs | undefined> {
  // A row of its own for each rate: after a change of the limit no job waits by the old one.
  const key = keyOf(ref, row === "rate" ? `TURNS#rate#${apart}` : "TURNS#slots");
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const now = clock.now();
    const last = now + LONGEST_MESSAGE_DELAY;
    const expiresAt = expirySeconds(now + DAY);
    const next = await update(table, key, {
      UpdateExpression: "SET nextAt = nextAt + :step, expiresAt = :expiresAt",
      ConditionExpression: "nextAt BETWEEN :now AND :last",
      values: { ":step": apart, ":now": now, ":last": last, ":expiresAt": expiresAt },
    });
    if (next.held) return Number(next.item["nextAt"]) - apart;
    if (Number(next.item["nextAt"] ?? 0) > last) return undefined;
    const first = await update(table, key, {
      UpdateExpression: "SET nextAt = :next, expiresAt = :expiresAt",
      ConditionExpression: "attribute_not_exists(nextAt) OR nextAt < :now",
      values: { ":next": now + apart, ":now": now, ":expiresAt": expiresAt },
    });
    if (first.held) return now;
  }
  throw table.unavailable("the turns of the destination are changing too fast");
}

async function takeSlot(
  { table, clock }: Parts,
  slot: Slot,
  most: number,
): Promise<"taken" | { readonly tookMs: number }> {
  const key = keyOf(slot, SLOTS);
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const taken = await update(table, key, {
      UpdateExpression: "ADD slots :slot SET expiresAt = :expiresAt",
      // `contains`: a call whose answer was lost has written the slot, and its repetition succeeds too.
      ConditionExpression: "attribute_not_exists(slots) OR size(slots) < :most OR contains(slots, :name)",
      values: {
        ":slot": new Set([nameOf(slot)]),
        ":name": nameOf(slot),
        ":most": most,
        ":expiresAt": expirySeconds(slot.until + DAY),
      },
    });
    if (taken.held) return "taken";
    const names = [...(taken.item["slots"] as Set<string>)];
    // The workers that held these have died.
    const over = names.filter((name) => termsOf(name).until <= clock.now());
    if (over.length === 0) {
      const heldMs = clock.now() - Math.min(...names.map((name) => termsOf(name).since));
      return { tookMs: Math.max(Number(taken.item["tookMs"] ?? SECOND), heldMs) };
    }
    await update(table, key, { UpdateExpression: "DELETE slots :over", values: { ":over": new Set(over) } });
  }
  throw table.unavailable("the slots of the destination are changing too fast");
}

async function leaveSlot({ table }: Parts, slot: Slot, tookMs?: number): Promise<void> {
  await update(table, keyOf(slot, SLOTS), {
    UpdateExpression: `DELETE slots :slot${tookMs === undefined ? "" : " SET tookMs = :took"}`,
    values: { ":slot": new Set([nameOf(slot)]), ...(tookMs !== undefined && { ":took": tookMs }) },
  });
}

const SLOTS = "SLOTS";

function keyOf({ appId, destination }: DestinationRef, sk: string) {
  return { pk: `FLOW#${appId}#${destination}`, sk };
}

/** `item`: after the write, or the one that did not meet its condition. */
async function update(table: Table, key: ReturnType<typeof keyOf>, by: Expressions) {
  const { held, item = {} } = await table.update(key, by, "ALL_NEW");
  return { held, item };
}

/** A slot as a member of the set of taken slots. */
function nameOf({ until, since, holder }: Slot): string {
  return `${until} ${since} ${holder}`;
}

function termsOf(name: string): Pick<Slot, "until" | "since"> {
  const [until, since] = name.split(" ");
  return { until: Number(until), since: Number(since) };
}
