import { MINUTE, SECOND, type EpochMs } from "../clock.ts";

// What becomes of turns that have been given when the step between turns changes. Pure.

/** Turns one after another. `place`: the number of the first one in its row; `step`: the service time between two. */
export interface Turns {
  readonly place: number;
  readonly at: EpochMs;
  readonly step: number;
  readonly count: number;
}

/** Turns by the steps before the present one. */
export interface GivenTurns {
  /** Those that are to come, in their order. */
  readonly kept: readonly Turns[];
  /** Those that are turns no more: from a place to before another one. */
  readonly lost: readonly (readonly [number, number])[];
}

export const NONE_GIVEN: GivenTurns = { kept: [], lost: [] };

/**
 * Jobs beyond this wait in the backlog, by their age. The row is short, so that few jobs have a turn by an old limit, and
 * longer than the time between two sweeps, which fill it.
 */
export const ROW_LENGTH = 2 * MINUTE;
/** A message comes almost a second before its turn, and the rest is waited for in the function: that attempt starts. */
const ADMITTED_MS = 2 * SECOND;
/** Changes after which messages of lost turns may still come. */
const REMEMBERED = 10;

/**
 * The turns after a change of the step, and when the next one is. They stay in their order, and none comes sooner than it
 * did, for its message is on its way: with a shorter step they keep their times, with a longer one they come later. Those
 * that would come so late that others fill the row before are lost: their jobs wait in the backlog.
 */
export function respaced(
  { kept: before, lost }: GivenTurns,
  latest: Turns,
  step: number,
  now: EpochMs,
): GivenTurns & { readonly nextAt: EpochMs } {
  const all = [...before, latest];
  const end = latest.place + latest.count;
  const admitted = all.map((each) => between(each, now, now + ADMITTED_MS)).filter(({ count }) => count > 0);
  const kept = [...admitted];
  let last = all.reduce((sofar, each) => lastUntil(each, now + ADMITTED_MS) ?? sofar, -Infinity);
  let lostFrom = end;
  for (const rest of all.map((each) => between(each, now + ADMITTED_MS, Infinity))) {
    for (const part of lostFrom < end ? [] : spacedOut(rest, last + step, step)) {
      const count = lostFrom < end ? 0 : fitting(part, rest, now);
      if (count > 0) {
        kept.push({ ...part, count });
        last = timeAt(part, count - 1);
      }
      if (count < part.count) lostFrom = Math.min(lostFrom, part.place + count);
    }
  }
  const allLost = lostFrom < end ? [...lost, [lostFrom, end] as const] : lost;
  return { kept, lost: allLost.slice(-REMEMBERED), nextAt: Math.max(now, last + step) };
}

/** When the turn at a place is, if it was given by an earlier step; "lost" if it is none any more. */
export function timeOf({ kept, lost }: GivenTurns, place: number): EpochMs | "lost" | undefined {
  if (lost.some(([from, to]) => place >= from && place < to)) return "lost";
  const turns = kept.find((each) => place >= each.place && place < each.place + each.count);
  return turns && timeAt(turns, place - turns.place);
}

/** How many turns are to come. */
export function countAfter(turns: readonly Turns[], now: EpochMs): number {
  return turns.reduce((sum, each) => sum + each.count - countUntil(each, now), 0);
}

function timeAt({ at, step }: Turns, n: number): EpochMs {
  return at + n * step;
}

/** How many of the turns have come by a time. */
function countUntil({ at, step, count }: Turns, time: EpochMs): number {
  return Math.min(Math.max(Math.floor((time - at) / step) + 1, 0), count);
}

function without(turns: Turns, first: number): Turns {
  return { ...turns, place: turns.place + first, at: timeAt(turns, first), count: turns.count - first };
}

/** Those of the turns that are after a time, and not after another one. */
function between(turns: Turns, after: EpochMs, until: EpochMs): Turns {
  const first = countUntil(turns, after);
  return { ...without(turns, first), count: countUntil(turns, until) - first };
}

/** When the last of the turns is that has come by a time. */
function lastUntil(turns: Turns, time: EpochMs): EpochMs | undefined {
  const count = countUntil(turns, time);
  return count > 0 ? timeAt(turns, count - 1) : undefined;
}

/** The turns, at least a step apart and not before `from`. Those that are further apart catch up with their times. */
function spacedOut(turns: Turns, from: EpochMs, step: number): Turns[] {
  if (turns.count === 0) return [];
  if (turns.step <= step) return [{ ...turns, at: Math.max(turns.at, from), step }];
  const lateBy = Math.max(from - turns.at, 0);
  const late = Math.min(Math.ceil(lateBy / (turns.step - step)), turns.count);
  return [{ ...turns, at: from, step, count: late }, without(turns, late)].filter(({ count }) => count > 0);
}

/** How many of some turns are in the row when their messages come, which is when they were before. */
function fitting(turns: Turns, before: Turns, now: EpochMs): number {
  const lateBy = turns.at - timeAt(before, turns.place - before.place);
  const later = turns.step - before.step;
  const inRow = later > 0 ? Math.floor((ROW_LENGTH - lateBy) / later) + 1 : lateBy <= ROW_LENGTH ? Infinity : 0;
  return Math.max(0, Math.min(turns.count, inRow, countUntil(turns, now + 2 * ROW_LENGTH)));
}
