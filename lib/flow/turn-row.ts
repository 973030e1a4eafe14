import { DAY, SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { Turn } from "../job/attempt.ts";
import { LONGEST_MESSAGE_DELAY } from "../job/job.ts";
import { cached, type Cached } from "../store/cached.ts";
import { expirySeconds, type Item, type Table } from "../store/table.ts";
import { BEHIND_NOBODY, itemOf, markWaiters, updateItem } from "./capacity-items.ts";
import type { DestinationRef } from "./destination-store.ts";
import { NONE_GIVEN, ROW_LENGTH, countAfter, respaced, timeOf, type GivenTurns, type Turns } from "./turn-places.ts";

// The row of turns of a destination with a rate. A step is the service time between two turns, in whole milliseconds.

interface Parts {
  readonly table: Table;
  readonly clock: Clock;
}

interface Asked {
  readonly step: number;
  readonly isInLane: boolean;
  readonly isFirst?: boolean;
}

/** A change of the rate takes tries of its own, when many ask at once. */
const MOST_TRIES = 10;
/** The longest real time by which a process knows of a change of the rate later than another one. */
const KNOWN_WITHIN = 15 * SECOND;

export function createTurnRow(parts: Parts) {
  const rowAt = cached(parts.clock, async (pk: string) => rowIn(await parts.table.get({ pk, sk: TURNS })));
  return {
    /**
     * Takes the next turn: now, if no job waits. Undefined when jobs wait in the destination's backlog, or the row is
     * full: the job then goes there too, behind them, unless it `isFirst` of those that wait. `isInLane`: the job can't go
     * there, so it may take a turn behind a full row.
     */
    takeTurn: async (ref: DestinationRef, asked: Asked) => takeTurn(parts, ref, asked),
    /** Takes the turns that are free in the row, at most `most`, for jobs of the backlog. They may be none. */
    takeTurns: async (ref: DestinationRef, asked: { readonly step: number; readonly most: number }) =>
      takeTurns(parts, ref, asked),
    /** How many turns are free in the row. */
    freeTurns: async (ref: DestinationRef, step: number) => {
      const row = rowIn(await parts.table.get(rowKey(ref)));
      // It changes with the first turn that is taken, and says only then.
      return isOfAnother(row, step) ? Infinity : freeIn(row, step, parts.clock.now());
    },
    /** A turn as it is by now; undefined if it is none any more. A process reads the row every ten seconds for that. */
    keptTurn: async (ref: DestinationRef, given: Turn, step: number) => keptTurn({ ...parts, rowAt }, ref, given, step),
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
    const row = rowIn(item);
    if (destination === undefined || row.step === 0) return [];
    return [[destination, countAfter([...row.given.kept, latestIn(row)], now)] as const];
  });
  return new Map(counts.filter(([, count]) => count > 0));
}

async function takeTurn(
  parts: Parts,
  ref: DestinationRef,
  { step: asked, isInLane, isFirst = false }: Asked,
): Promise<Turn | undefined> {
  const { table, clock } = parts;
  const key = rowKey(ref);
  const isBehind = !isInLane && !isFirst;
  const behindNobody = isBehind ? BEHIND_NOBODY : "";
  let step = asked;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const now = clock.now();
    const last = now + (isInLane ? LONGEST_MESSAGE_DELAY : ROW_LENGTH);
    const expiresAt = expirySeconds(now + DAY);
    const next = await updateItem(table, key, {
      UpdateExpression: "SET nextAt = nextAt + :step, expiresAt = :expiresAt ADD nextPlace :one",
      ConditionExpression: `stepMs = :step AND nextAt BETWEEN :now AND :last${behindNobody}`,
      values: { ":step": step, ":one": 1, ":now": now, ":last": last, ":expiresAt": expiresAt },
    });
    const row = rowIn(next.item);
    if (next.held) return { at: row.nextAt - step, step, place: row.nextPlace - 1 };
    if (isOfAnother(row, step)) {
      step = await stepInForce(parts, key, row, asked);
      continue;
    }
    if (next.item["hasBacklog"] === true && isBehind) return undefined;
    if (row.nextAt > last) {
      if (!isInLane) await markWaiters(parts, key, true);
      return undefined;
    }
    const first = await updateItem(table, key, {
      UpdateExpression: "SET nextAt = :next, stepMs = :step, expiresAt = :expiresAt ADD nextPlace :one",
      ConditionExpression: `(attribute_not_exists(nextAt) OR (nextAt < :now AND stepMs = :step))${behindNobody}`,
      values: { ":next": now + step, ":step": step, ":one": 1, ":now": now, ":expiresAt": expiresAt },
    });
    if (first.held) return { at: now, step, place: rowIn(first.item).nextPlace - 1 };
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
    const count = Math.min(most, freeIn(row, step, now));
    if (count === 0) return [];
    const isNew = row.nextAt === 0;
    const taken = await updateItem(table, key, {
      UpdateExpression: "SET nextAt = :next, stepMs = :step, expiresAt = :expiresAt ADD nextPlace :count",
      ConditionExpression: isNew ? "attribute_not_exists(nextAt)" : "nextAt = :seen AND stepMs = :step",
      values: {
        ":next": from + count * step,
        ":step": step,
        ":count": count,
        ":expiresAt": expirySeconds(now + DAY),
        ...(!isNew && { ":seen": row.nextAt }),
      },
    });
    if (!taken.held) continue;
    const place = rowIn(taken.item).nextPlace - count;
    return Array.from({ length: count }, (_, n) => ({ at: from + n * step, step, place: place + n }));
  }
  // New jobs take them as fast. The next look at the backlog tries again.
  return [];
}

// ---- Changes of the rate ----
//
// The row goes on, with another step, and so does the mark that jobs wait behind it. The turns that have been given stay
// before all others (see `turn-places.ts`). A job learns when its own is, when its message comes.

/** The row; `step` and `nextAt` are 0 before its first turn. */
interface Row {
  readonly step: number;
  readonly nextAt: EpochMs;
  readonly nextPlace: number;
  /** The place of the first turn by this step. */
  readonly firstPlace: number;
  readonly changedAt: EpochMs;
  readonly given: GivenTurns;
}

function rowIn(item: Item = {}): Row {
  const numberOf = (name: string) => Number(item[name] ?? 0);
  const { given } = item;
  return {
    step: numberOf("stepMs"),
    nextAt: numberOf("nextAt"),
    nextPlace: numberOf("nextPlace"),
    firstPlace: numberOf("firstPlace"),
    changedAt: numberOf("changedAt"),
    given: typeof given === "string" ? (JSON.parse(given) as GivenTurns) : NONE_GIVEN,
  };
}

/** The turns by the present step. After a time without any, those before it have other times, which have passed. */
function latestIn({ step, nextAt, nextPlace, firstPlace }: Row): Turns {
  const count = nextPlace - firstPlace;
  return { place: firstPlace, at: nextAt - count * step, step, count };
}

/** The row ends where it does for `takeTurn`: a turn at its very end is one of it. */
function freeIn({ nextAt }: Row, step: number, now: EpochMs): number {
  return Math.max(0, Math.floor((now + ROW_LENGTH - Math.max(nextAt, now)) / step) + 1);
}

function isOfAnother(row: Row, step: number): boolean {
  return row.step !== 0 && row.step !== step;
}

/** Changes the row's step to the one that is asked for, unless whoever asks may not know yet that it was changed. */
async function stepInForce({ table, clock }: Parts, key: RowKey, row: Row, asked: number): Promise<number> {
  const now = clock.now();
  if (now - row.changedAt < clock.during(KNOWN_WITHIN)) return row.step;
  const { nextAt, ...given } = respaced(row.given, latestIn(row), asked, now);
  // The jobs whose turns are lost come to the backlog: nobody may pass them until they do.
  const isBehind = given.lost.at(-1)?.[1] === row.nextPlace ? ", hasBacklog = :yes" : "";
  await table.update(key, {
    UpdateExpression: `SET stepMs = :step, nextAt = :next, firstPlace = :place, given = :given, changedAt = :now, expiresAt = :expiresAt${isBehind}`,
    ConditionExpression: "stepMs = :was AND nextAt = :seen",
    values: {
      ":step": asked,
      ":next": nextAt,
      ":place": row.nextPlace,
      ":given": JSON.stringify(given),
      ":now": now,
      ":was": row.step,
      ":seen": row.nextAt,
      ":expiresAt": expirySeconds(now + DAY),
      ...(isBehind !== "" && { ":yes": true }),
    },
  });
  return asked;
}

async function keptTurn(
  parts: Parts & { readonly rowAt: Cached<Row> },
  ref: DestinationRef,
  given: Turn,
  asked: number,
): Promise<Turn | undefined> {
  const key = rowKey(ref);
  const fresh = async (): Promise<Row> => {
    parts.rowAt.forget(key.pk);
    return parts.rowAt(key.pk);
  };
  let row = await parts.rowAt(key.pk);
  if (row.step !== asked || row.step !== given.step) row = await fresh();
  if (isOfAnother(row, asked)) {
    await stepInForce(parts, key, row, asked);
    row = await fresh();
  }
  const { place } = given;
  if (place === undefined || row.step === 0) return undefined;
  const at = place < row.firstPlace ? timeOf(row.given, place) : undefined;
  return at === "lost" ? undefined : { ...given, at: at ?? given.at, step: row.step };
}

const TURNS = "TURNS";

type RowKey = ReturnType<typeof rowKey>;

function rowKey(ref: DestinationRef) {
  return itemOf(ref, TURNS);
}
