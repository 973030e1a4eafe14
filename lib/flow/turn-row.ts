import { DAY, MINUTE, SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { Turn } from "../job/attempt.ts";
import { LONGEST_MESSAGE_DELAY } from "../job/job.ts";
import { expirySeconds, type Item, type Table } from "../store/table.ts";
import { BEHIND_NOBODY, MOST_TRIES, itemOf, markWaiters, updateItem } from "./capacity-items.ts";
import type { DestinationRef } from "./destination-store.ts";

// The row of turns of a destination with a rate. A step is the service time between two turns, in whole milliseconds.

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
}

/**
 * Jobs beyond this wait in the backlog, by their age. The row is short, so that few jobs have a turn by an old limit, and
 * longer than the time between two sweeps, which fill it.
 */
const ROW_LENGTH = 2 * MINUTE;
/** The longest real time by which a process knows of a change of the rate later than another one. */
const KNOWN_WITHIN = 15 * SECOND;

export function createTurnRow(parts: Parts) {
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
    /** A turn that was given by another step, as it is by the row's; undefined if it is none any more. */
    keptTurn: async (ref: DestinationRef, given: Turn, step: number) => keptTurn(parts, ref, given, step),
    /** Says whether jobs wait in the destination's backlog for turns. */
    markRow: async (ref: DestinationRef, isWaiting: boolean) => void (await markWaiters(parts, rowKey(ref), isWaiting)),
  };
}

/** How many turns are to come of some of an app's destinations: a read for each hundred. */
export async function turnsToCome(
  { table, clock }: { readonly table: Pick<Table, "getMany">; readonly clock: Pick<Clock, "now"> },
  appId: string,
  destinations: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = new Map(destinations.map((destination) => [rowKey({ appId, destination }).pk, destination]));
  const keys = destinations.map((destination) => rowKey({ appId, destination }));
  const items = await table.getMany(keys, { consistent: false });
  const now = clock.now();
  const counts = items.flatMap((item) => {
    const destination = rows.get(String(item["pk"]));
    const { nextAt, step } = rowIn(item);
    // The next turn that is free is nobody's yet.
    return destination === undefined || step === 0
      ? []
      : [[destination, Math.ceil((nextAt - now) / step) - 1] as const];
  });
  return new Map(counts.filter(([, count]) => count > 0));
}

async function takeTurn(
  parts: Parts,
  ref: DestinationRef,
  { step: asked, isInLane }: { readonly step: number; readonly isInLane: boolean },
): Promise<Turn | undefined> {
  const { table, clock } = parts;
  const key = rowKey(ref);
  const behindNobody = isInLane ? "" : BEHIND_NOBODY;
  let step = asked;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const now = clock.now();
    const last = now + (isInLane ? LONGEST_MESSAGE_DELAY : ROW_LENGTH);
    const expiresAt = expirySeconds(now + DAY);
    const next = await updateItem(table, key, {
      UpdateExpression: "SET nextAt = nextAt + :step, expiresAt = :expiresAt",
      ConditionExpression: `stepMs = :step AND nextAt BETWEEN :now AND :last${behindNobody}`,
      values: { ":step": step, ":now": now, ":last": last, ":expiresAt": expiresAt },
    });
    const row = rowIn(next.item);
    if (next.held) return { at: row.nextAt - step, step };
    if (isOfAnother(row, step)) {
      step = await stepInForce(parts, key, row, asked);
      continue;
    }
    if (next.item["hasBacklog"] === true && !isInLane) return undefined;
    if (row.nextAt > last) {
      if (!isInLane) await markWaiters(parts, key, true);
      return undefined;
    }
    const first = await updateItem(table, key, {
      UpdateExpression: "SET nextAt = :next, stepMs = :step, expiresAt = :expiresAt",
      ConditionExpression: `(attribute_not_exists(nextAt) OR (nextAt < :now AND stepMs = :step))${behindNobody}`,
      values: { ":next": now + step, ":step": step, ":now": now, ":expiresAt": expiresAt },
    });
    if (first.held) return { at: now, step };
  }
  throw table.unavailable("the turns of the destination are changing too fast");
}

async function takeTurns(
  parts: Parts,
  ref: DestinationRef,
  { step: asked, most }: { readonly step: number; readonly most: number },
): Promise<Turn[]> {
  const { table, clock } = parts;
  const key = rowKey(ref);
  let step = asked;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const row = rowIn(await table.get(key));
    if (isOfAnother(row, step)) {
      step = await stepInForce(parts, key, row, asked);
      continue;
    }
    const now = clock.now();
    const from = Math.max(row.nextAt, now);
    // The row ends where it does for `takeTurn`: a turn at its very end is one of it.
    const count = Math.min(most, Math.floor((now + ROW_LENGTH - from) / step) + 1);
    if (count <= 0) return [];
    const isNew = row.nextAt === 0;
    const taken = await updateItem(table, key, {
      UpdateExpression: "SET nextAt = :next, stepMs = :step, expiresAt = :expiresAt",
      ConditionExpression: isNew ? "attribute_not_exists(nextAt)" : "nextAt = :seen AND stepMs = :step",
      values: {
        ":next": from + count * step,
        ":step": step,
        ":expiresAt": expirySeconds(now + DAY),
        ...(!isNew && { ":seen": row.nextAt }),
      },
    });
    if (taken.held) return Array.from({ length: count }, (_, at) => ({ at: from + at * step, step }));
  }
  // New jobs take them as fast. The next look at the backlog tries again.
  return [];
}

// ---- Changes of the rate ----
//
// The row goes on, with another step, and so does the mark that jobs wait behind it. The turns that have been given stay
// in their order before all others: at a higher rate they keep their times, for which their messages are on their way; at
// a lower one they come as many times later. A job learns that when its message comes, and waits on in its queue.

/** The row; `step` and `nextAt` are 0 before its first turn. `keptUntil`: of the turns by `was`, the last that is kept. */
interface Row {
  readonly step: number;
  readonly nextAt: EpochMs;
  readonly was: number;
  readonly changedAt: EpochMs;
  readonly keptUntil: EpochMs;
}

function rowIn(item: Item = {}): Row {
  const numberOf = (name: string) => Number(item[name] ?? 0);
  return {
    step: numberOf("stepMs"),
    nextAt: numberOf("nextAt"),
    was: numberOf("wasStepMs"),
    changedAt: numberOf("changedAt"),
    keptUntil: numberOf("keptUntil"),
  };
}

function isOfAnother(row: Row, step: number): boolean {
  return row.step !== 0 && row.step !== step;
}

/** Changes the row's step to the one that is asked for, unless whoever asks may not know yet that it was changed. */
async function stepInForce({ table, clock }: Parts, key: RowKey, row: Row, asked: number): Promise<number> {
  const now = clock.now();
  if (now - row.changedAt < clock.during(KNOWN_WITHIN)) return row.step;
  const { nextAt, keptUntil } = changed(row, asked, now);
  await table.update(key, {
    UpdateExpression:
      "SET stepMs = :step, nextAt = :next, wasStepMs = :was, changedAt = :now, keptUntil = :kept, expiresAt = :expiresAt",
    ConditionExpression: "stepMs = :was AND nextAt = :seen",
    values: {
      ":step": asked,
      ":next": nextAt,
      ":was": row.step,
      ":now": now,
      ":kept": keptUntil,
      ":seen": row.nextAt,
      ":expiresAt": expirySeconds(now + DAY),
    },
  });
  return asked;
}

/** Only turns are kept that are in the row when their messages come: the others wait in the backlog, by age. */
function changed(row: Row, step: number, now: EpochMs): Pick<Row, "nextAt" | "keptUntil"> {
  const last = row.nextAt - row.step;
  const times = step / row.step;
  const keptUntil = times > 1 ? Math.floor(Math.min(last, now + ROW_LENGTH / (times - 1))) : last;
  const lastPlace = placeOf(keptUntil, { changedAt: now, was: row.step, step });
  return { keptUntil, nextAt: Math.max(now, lastPlace + step) };
}

/** When a turn comes that was given by the step before the last change. */
function placeOf(at: EpochMs, { changedAt, was, step }: Pick<Row, "changedAt" | "was" | "step">): EpochMs {
  return at <= changedAt ? at : Math.ceil(changedAt + (at - changedAt) * Math.max(1, step / was));
}

async function keptTurn(parts: Parts, ref: DestinationRef, given: Turn, asked: number): Promise<Turn | undefined> {
  const key = rowKey(ref);
  let row = rowIn(await parts.table.get(key));
  if (isOfAnother(row, asked)) {
    await stepInForce(parts, key, row, asked);
    row = rowIn(await parts.table.get(key));
  }
  if (given.step === row.step) return given;
  const isKept = given.step === row.was && given.at <= row.keptUntil;
  return isKept ? { at: placeOf(given.at, row), step: row.step } : undefined;
}

type RowKey = ReturnType<typeof rowKey>;

function rowKey(ref: DestinationRef) {
  return itemOf(ref, "TURNS");
}
