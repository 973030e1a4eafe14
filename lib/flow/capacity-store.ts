import { DAY, MINUTE, SECOND, type Clock, type EpochMs } from "../clock.ts";
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

/** `rate`: turns of attempts per second; `slots`: turns of jobs that found all slots taken. */
export type Row = "rate" | "slots";

export type CapacityStore = ReturnType<typeof createCapacityStore>;

const MOST_TRIES = 5;
/**
 * Jobs beyond this wait in the backlog, by their age. The row is short, so that few jobs have a turn by an old limit, and
 * longer than the time between two sweeps, which fill it.
 */
const ROW_LENGTH = 3 * MINUTE;

export function createCapacityStore({ table, clock }: Parts) {
  return {
    /**
     * Takes the next turn in a row of turns that are `step` apart, in service time: now, if no job waits. Undefined
     * when jobs wait in the destination's backlog, or the row is full: the job then goes there too, behind them.
     * `isInLane`: the job can't go there, so it may take a turn behind a full row.
     */
    takeTurn: async (ref: DestinationRef, row: Row, { step, isInLane }: { step: number; isInLane: boolean }) =>
      takeTurn({ table, clock }, ref, { row, apart: stepOf(step), isInLane }),
    /** Takes the turns that are free in a row, at most `most`, for jobs of the backlog. They may be none. */
    takeTurns: async (ref: DestinationRef, row: Row, { step, most }: { step: number; most: number }) =>
      takeTurns({ table, clock }, ref, { row, apart: stepOf(step), most }),
    /** Says whether jobs wait in the destination's backlog for turns of a row. */
    markBacklog: async (ref: DestinationRef, row: Row, step: number, isWaiting: boolean) =>
      markBacklog({ table, clock }, rowKey(ref, row, stepOf(step)), isWaiting),
    /** The time in which an attempt gives back its slot, in service time: that of the last one. */
    slotTime: async (ref: DestinationRef) => Number((await table.get(keyOf(ref, SLOTS)))?.["tookMs"] ?? SECOND),
    /**
     * Takes one of `most` slots. `tookMs`, when all are taken: how long an attempt holds one, in service time,
     * estimated by the last one that was given back and by the one held longest.
     */
    takeSlot: async (slot: Slot, most: number) => takeSlot({ table, clock }, slot, most),
    /** Gives a slot back. `tookMs`: how long an attempt held it, in service time; undefined if it did not start. */
    leaveSlot: async (slot: Slot, tookMs?: number) => leaveSlot({ table, clock }, slot, tookMs),
  };
}

interface Taking {
  readonly row: Row;
  readonly apart: number;
}

async function takeTurn(
  { table, clock }: Parts,
  ref: DestinationRef,
  { row, apart, isInLane }: Taking & { isInLane: boolean },
): Promise<EpochMs | undefined> {
  const key = rowKey(ref, row, apart);
  const behindNobody = isInLane ? "" : " AND attribute_not_exists(hasBacklog)";
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const now = clock.now();
    const last = now + (isInLane ? LONGEST_MESSAGE_DELAY : ROW_LENGTH);
    const expiresAt = expirySeconds(now + DAY);
    const next = await update(table, key, {
      UpdateExpression: "SET nextAt = nextAt + :step, expiresAt = :expiresAt",
      ConditionExpression: `nextAt BETWEEN :now AND :last${behindNobody}`,
      values: { ":step": apart, ":now": now, ":last": last, ":expiresAt": expiresAt },
    });
    if (next.held) return Number(next.item["nextAt"]) - apart;
    if (next.item["hasBacklog"] === true && !isInLane) return undefined;
    if (Number(next.item["nextAt"] ?? 0) > last) {
      if (!isInLane) await markBacklog({ table, clock }, key, true);
      return undefined;
    }
    const first = await update(table, key, {
      UpdateExpression: "SET nextAt = :next, expiresAt = :expiresAt",
      ConditionExpression: `(attribute_not_exists(nextAt) OR nextAt < :now)${behindNobody}`,
      values: { ":next": now + apart, ":now": now, ":expiresAt": expiresAt },
    });
    if (first.held) return now;
  }
  throw table.unavailable("the turns of the destination are changing too fast");
}

async function takeTurns(
  { table, clock }: Parts,
  ref: DestinationRef,
  { row, apart, most }: Taking & { most: number },
): Promise<EpochMs[]> {
  const key = rowKey(ref, row, apart);
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const now = clock.now();
    const seen = Number((await table.get(key))?.["nextAt"] ?? 0);
    const from = Math.max(seen, now);
    const count = Math.min(most, Math.ceil((now + ROW_LENGTH - from) / apart));
    if (count <= 0) return [];
    const taken = await update(table, key, {
      UpdateExpression: "SET nextAt = :next, expiresAt = :expiresAt",
      ConditionExpression: seen === 0 ? "attribute_not_exists(nextAt)" : "nextAt = :seen",
      values: {
        ":next": from + count * apart,
        ":expiresAt": expirySeconds(now + DAY),
        ...(seen !== 0 && { ":seen": seen }),
      },
    });
    if (taken.held) return Array.from({ length: count }, (_, at) => from + at * apart);
  }
  // New jobs take them as fast. The next look at the backlog tries again.
  return [];
}

async function markBacklog({ table, clock }: Parts, key: ReturnType<typeof keyOf>, isWaiting: boolean): Promise<void> {
  const expiresAt = { ":expiresAt": expirySeconds(clock.now() + DAY) };
  await update(
    table,
    key,
    isWaiting
      ? { UpdateExpression: "SET hasBacklog = :yes, expiresAt = :expiresAt", values: { ":yes": true, ...expiresAt } }
      : { UpdateExpression: "SET expiresAt = :expiresAt REMOVE hasBacklog", values: expiresAt },
  );
}

/** A row of its own for each rate: after a change of the limit no job waits by the old one. */
function rowKey(ref: DestinationRef, row: Row, apart: number) {
  return keyOf(ref, row === "rate" ? `TURNS#rate#${apart}` : "TURNS#slots");
}

function stepOf(step: number): number {
  return Math.max(1, Math.ceil(step));
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
