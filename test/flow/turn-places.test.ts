import { expect, test } from "vitest";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import {
  NONE_GIVEN,
  ROW_LENGTH,
  countAfter,
  respaced,
  timeOf,
  type GivenTurns,
  type Turns,
} from "../../lib/flow/turn-places.ts";
import { createRandom } from "../sim/random.ts";

// Turns when the rate changes: what the row says of each place, against the times by which jobs know of their turns.

const ADMITTED = 2 * SECOND;

/** A row of turns, of which each is known by its place. */
function createRow() {
  let now = 0;
  let step = SECOND;
  let [nextAt, nextPlace, firstPlace] = [0, 0, 0];
  let given: GivenTurns = NONE_GIVEN;
  /** When a job believes its turn to be; undefined once it was told that it has none. */
  const known: (number | undefined)[] = [];
  const latest = (): Turns => {
    const count = nextPlace - firstPlace;
    return { place: firstPlace, at: nextAt - count * step, step, count };
  };
  const inRow = (place: number) => (place < firstPlace ? timeOf(given, place) : undefined) ?? known[place];
  return {
    pass: (ms: number) => {
      now += ms;
    },
    take: (most: number) => {
      for (let n = 0; n < most && Math.max(nextAt, now) <= now + ROW_LENGTH; n += 1) {
        known.push(Math.max(nextAt, now));
        nextAt = Math.max(nextAt, now) + step;
        nextPlace += 1;
      }
    },
    change: (to: number) => {
      const { nextAt: at, ...turns } = respaced(given, latest(), to, now);
      [given, nextAt, firstPlace, step] = [turns, at, nextPlace, to];
    },
    /** Jobs whose messages have come ask for their turns. */
    ask: () => {
      for (const [place, at] of known.entries()) {
        if (at === undefined || at > now || at <= now - MINUTE) continue;
        const is = inRow(place);
        known[place] = is === "lost" ? undefined : is;
      }
    },
    now: () => now,
    step: () => step,
    nextAt: () => nextAt,
    toCome: () => [...known.keys()].map(inRow).filter((at): at is number => typeof at === "number" && at > now),
    known: () => known,
    inRow,
    count: () => countAfter([...given.kept, latest()], now),
  };
}

test("drawn changes of the rate keep the order of turns, a step between them, and the end of the row near", () => {
  for (let seed = 0; seed < 300; seed += 1) changeOften(seed);
});

function changeOften(seed: number): void {
  const random = createRandom(`row ${seed}`);
  const row = createRow();
  for (let n = 0; n < 12; n += 1) {
    row.take(random.between(0, 200));
    row.pass(random.between(0, 40) * SECOND);
    row.ask();
    const before = row.known().map((_, place) => row.inRow(place));
    const step = Math.max(1, Math.round(10 ** (random.between(0, 500) / 100)));
    row.change(step);
    const turns = row.toCome();
    expect(turns).toEqual(turns.toSorted((a, b) => a - b));
    // Those after the first two seconds are a step apart, and none is sooner than it was, or long after.
    const spaced = turns.filter((at) => at > row.now() + ADMITTED);
    for (const [at, time] of spaced.entries())
      if (at > 0) expect(time - (spaced[at - 1] ?? 0)).toBeGreaterThanOrEqual(step);
    for (const [place, was] of before.entries()) {
      const is = row.inRow(place);
      if (typeof was === "number" && typeof is === "number") {
        expect(is).toBeGreaterThanOrEqual(was);
        expect(is - was).toBeLessThanOrEqual(ROW_LENGTH);
      }
      if (was === "lost") expect(is).toBe("lost");
    }
    expect(row.nextAt()).toBeGreaterThanOrEqual((turns.at(-1) ?? -Infinity) + step);
    expect(row.nextAt()).toBeLessThanOrEqual(row.now() + 2 * ROW_LENGTH + step);
    expect(row.count()).toBe(turns.length);
  }
}

test("turns of a lane far ahead do not keep a higher rate from beginning", () => {
  const lanes = { place: 0, at: 0, step: 10 * SECOND, count: 90 };
  const { nextAt, lost } = respaced(NONE_GIVEN, lanes, 10, 0);
  expect([nextAt, lost]).toEqual([4 * MINUTE + 10, [[25, 90]]]);
});

test("turns that are further apart than the new step catch up with their times", () => {
  const quick = respaced(NONE_GIVEN, { place: 0, at: 0, step: 10 * SECOND, count: 10 }, SECOND, 0);
  const row = { place: 10, at: quick.nextAt, step: SECOND, count: 20 };
  const { kept } = respaced(quick, row, 5 * SECOND, 0);
  expect(kept.map(({ at, step, count }) => [at / SECOND, step / SECOND, count])).toEqual([
    [10, 10, 9],
    [95, 5, 20],
  ]);
});
