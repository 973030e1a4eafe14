import { DAY, MINUTE, SECOND, type Clock, type EpochMs } from "../clock.ts";
import { LONGEST_MESSAGE_DELAY } from "../job/job.ts";
import { expirySeconds, type Expressions, type Item, type Table } from "../store/table.ts";
import type { DestinationRef } from "./destination-store.ts";

// The turns and slots of destinations that have limits, in items apart from the app's, which every delivery reads.

/** One unit of a destination's concurrency, held by an attempt. */
export interface Slot extends DestinationRef {
  readonly holder: string;
  readonly since: EpochMs;
  /** The time by which the attempt that holds it has certainly ended. */
  readonly until: EpochMs;
  /** Set for a job in a lane, which waits for a slot in its queue. */
  readonly isInLane?: true;
}

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
}

export type CapacityStore = ReturnType<typeof createCapacityStore>;

const MOST_TRIES = 5;
/**
 * Jobs beyond this wait in the backlog, by their age. The row is short, so that few jobs have a turn by an old limit, and
 * longer than the time between two sweeps, which fill it.
 */
const ROW_LENGTH = 2 * MINUTE;
/** The longest real time by which the message of a lane comes after its time. */
const LANE_LATE = 5 * SECOND;
/** The longest real time for which a slot is kept for a lane. */
const KEPT_FOR_LANE = 30 * SECOND;

/** A step is the service time between two turns of a destination, in whole milliseconds. */
export function createCapacityStore(parts: Parts) {
  return {
    /**
     * Takes the next turn: now, if no job waits. Undefined when jobs wait in the destination's backlog, or the row is
     * full: the job then goes there too, behind them. `isInLane`: the job can't go there, so it may take a turn behind
     * a full row.
     */
    takeTurn: async (ref: DestinationRef, asked: { readonly step: number; readonly isInLane: boolean }) =>
      takeTurn(parts, ref, asked),
    /** Takes the turns that are free in the row, at most `most`, for jobs of the backlog. They may be none. */
    takeTurns: async (ref: DestinationRef, asked: { readonly step: number; readonly most: number }) =>
      takeTurns(parts, ref, asked),
    /** Says whether jobs wait in the destination's backlog for turns. */
    markRow: async (ref: DestinationRef, step: number, isWaiting: boolean) =>
      void (await mark(parts, rowKey(ref, step), isWaiting)),
    /** Says whether jobs wait in the destination's backlog for slots. Returns whether that is new. */
    markSlots: async (ref: DestinationRef, isWaiting: boolean) => mark(parts, keyOf(ref, SLOTS), isWaiting),
    /** How many of `most` slots are free. */
    freeSlots: async (ref: DestinationRef, most: number) => freeSlots(parts, ref, most),
    /**
     * Takes one of `most` slots. `behind`: jobs wait for one in the destination's backlog, which one that may not go
     * `first` does not pass. `tookMs`, when all are taken: how long an attempt holds one, in service time, estimated by
     * the last one that was given back and by the one held longest.
     */
    takeSlot: async (slot: Slot, most: number, isFirst: boolean) => takeSlot(parts, slot, most, isFirst),
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

/** How many turns are to come of some of an app's destinations, by their steps: a read for each hundred. */
export async function turnsToCome(
  { table, clock }: { readonly table: Pick<Table, "getMany">; readonly clock: Pick<Clock, "now"> },
  appId: string,
  steps: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const rows = new Map(
    [...steps].map(([destination, step]) => {
      const key = rowKey({ appId, destination }, step);
      return [key.pk, { key, destination, step }] as const;
    }),
  );
  const items = await table.getMany(
    [...rows.values()].map(({ key }) => key),
    { consistent: false },
  );
  const now = clock.now();
  const counts = items.flatMap((item) => {
    const row = rows.get(String(item["pk"]));
    // The next turn that is free is nobody's yet.
    return row ? [[row.destination, Math.ceil((Number(item["nextAt"] ?? 0) - now) / row.step) - 1] as const] : [];
  });
  return new Map(counts.filter(([, count]) => count > 0));
}

async function takeTurn(
  { table, clock }: Parts,
  ref: DestinationRef,
  { step, isInLane }: { readonly step: number; readonly isInLane: boolean },
): Promise<EpochMs | undefined> {
  const key = rowKey(ref, step);
  const behindNobody = isInLane ? "" : BEHIND_NOBODY;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const now = clock.now();
    const last = now + (isInLane ? LONGEST_MESSAGE_DELAY : ROW_LENGTH);
    const expiresAt = expirySeconds(now + DAY);
    const next = await update(table, key, {
      UpdateExpression: "SET nextAt = nextAt + :step, expiresAt = :expiresAt",
      ConditionExpression: `nextAt BETWEEN :now AND :last${behindNobody}`,
      values: { ":step": step, ":now": now, ":last": last, ":expiresAt": expiresAt },
    });
    if (next.held) return Number(next.item["nextAt"]) - step;
    if (next.item["hasBacklog"] === true && !isInLane) return undefined;
    if (Number(next.item["nextAt"] ?? 0) > last) {
      if (!isInLane) await mark({ table, clock }, key, true);
      return undefined;
    }
    const first = await update(table, key, {
      UpdateExpression: "SET nextAt = :next, expiresAt = :expiresAt",
      ConditionExpression: `(attribute_not_exists(nextAt) OR nextAt < :now)${behindNobody}`,
      values: { ":next": now + step, ":now": now, ":expiresAt": expiresAt },
    });
    if (first.held) return now;
  }
  throw table.unavailable("the turns of the destination are changing too fast");
}

async function takeTurns(
  { table, clock }: Parts,
  ref: DestinationRef,
  { step, most }: { readonly step: number; readonly most: number },
): Promise<EpochMs[]> {
  const key = rowKey(ref, step);
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const now = clock.now();
    const seen = Number((await table.get(key))?.["nextAt"] ?? 0);
    const from = Math.max(seen, now);
    // The row ends where it does for `takeTurn`: a turn at its very end is one of it.
    const count = Math.min(most, Math.floor((now + ROW_LENGTH - from) / step) + 1);
    if (count <= 0) return [];
    const taken = await update(table, key, {
      UpdateExpression: "SET nextAt = :next, expiresAt = :expiresAt",
      ConditionExpression: seen === 0 ? "attribute_not_exists(nextAt)" : "nextAt = :seen",
      values: {
        ":next": from + count * step,
        ":expiresAt": expirySeconds(now + DAY),
        ...(seen !== 0 && { ":seen": seen }),
      },
    });
    if (taken.held) return Array.from({ length: count }, (_, at) => from + at * step);
  }
  // New jobs take them as fast. The next look at the backlog tries again.
  return [];
}

/** Returns whether that is new. */
async function mark({ table, clock }: Parts, key: ReturnType<typeof keyOf>, isWaiting: boolean): Promise<boolean> {
  const { held } = await table.update(
    key,
    isWaiting
      ? {
          UpdateExpression: "SET hasBacklog = :yes, expiresAt = :expiresAt",
          ConditionExpression: "attribute_not_exists(hasBacklog)",
          values: { ":yes": true, ":expiresAt": expirySeconds(clock.now() + DAY) },
        }
      : { UpdateExpression: "REMOVE hasBacklog", ConditionExpression: "attribute_exists(hasBacklog)" },
  );
  return held;
}

async function keepForLane({ table, clock }: Parts, ref: DestinationRef, asksAt: EpochMs): Promise<void> {
  await table.update(keyOf(ref, SLOTS), {
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
  const item = await table.get(keyOf(ref, SLOTS));
  const kept = isKeptForLane(item, clock) ? 1 : 0;
  return Math.max(0, most - kept - takenIn(item, clock));
}

/** The slots of attempts that may still run. */
function takenIn(item: Item | undefined, clock: Clock): number {
  const names = [...((item?.["slots"] as Set<string> | undefined) ?? [])];
  return names.filter((name) => termsOf(name).until > clock.now()).length;
}

async function takeSlot(
  { table, clock }: Parts,
  slot: Slot,
  most: number,
  isFirst: boolean,
): Promise<"taken" | "behind" | { readonly tookMs: number }> {
  const key = keyOf(slot, SLOTS);
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const taken = await update(table, key, {
      UpdateExpression: `ADD slots :slot SET expiresAt = :expiresAt${slot.isInLane ? " REMOVE laneAt" : ""}`,
      // `contains`: a call whose answer was lost has written the slot, and its repetition succeeds too.
      ConditionExpression: `(attribute_not_exists(slots) OR size(slots) < :most OR contains(slots, :name))${isFirst ? "" : BEHIND_NOBODY}`,
      values: {
        ":slot": new Set([nameOf(slot)]),
        ":name": nameOf(slot),
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
    await update(table, key, { UpdateExpression: "DELETE slots :over", values: { ":over": new Set(over) } });
  }
  throw table.unavailable("the slots of the destination are changing too fast");
}

async function addSlot({ table, clock }: Parts, slot: Slot): Promise<number> {
  const { item } = await update(table, keyOf(slot, SLOTS), {
    UpdateExpression: "ADD slots :slot SET expiresAt = :expiresAt",
    values: { ":slot": new Set([nameOf(slot)]), ":expiresAt": expirySeconds(slot.until + DAY) },
  });
  return takenIn(item, clock);
}

async function leaveSlot({ table, clock }: Parts, slot: Slot, tookMs?: number): Promise<boolean> {
  const { item } = await update(table, keyOf(slot, SLOTS), {
    UpdateExpression: `DELETE slots :slot${tookMs === undefined ? "" : " SET tookMs = :took"}`,
    values: { ":slot": new Set([nameOf(slot)]), ...(tookMs !== undefined && { ":took": tookMs }) },
  });
  return item["hasBacklog"] === true && (slot.isInLane === true || !isKeptForLane(item, clock));
}

const SLOTS = "SLOTS";
const BEHIND_NOBODY = " AND attribute_not_exists(hasBacklog)";

/** A row of its own for each rate: after a change of the limit no job waits by the old one. */
function rowKey(ref: DestinationRef, step: number) {
  return keyOf(ref, `TURNS#rate#${step}`);
}

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
