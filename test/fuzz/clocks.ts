import * as fc from "fast-check";
import { DAY, HOUR, MINUTE, SECOND, iso, type EpochMs } from "../../lib/clock.ts";
import { nextRun, parseExpression, type ScheduleExpression } from "../../lib/job/schedule-expression.ts";
import { expressions, type Expression } from "./expressions.ts";
import { dateOf, daysOfChange, walkAlong, type Walk } from "./walk.ts";

// Schedules around changes of clocks, against a second computation: it walks along all minutes of a zone, and knows of
// each what clocks show, and what they have shown before.

/** Changes by half an hour, by two and by 24, at midnight, before and after it, and zones that have none. */
export const ZONES = (
  "Africa/Cairo Africa/Casablanca Africa/Lagos America/Asuncion America/Caracas America/Chicago America/Denver " +
  "America/Havana America/Los_Angeles America/Mexico_City America/New_York America/Nuuk America/Santiago " +
  "America/Sao_Paulo America/St_Johns Antarctica/Troll Asia/Amman Asia/Beirut Asia/Damascus Asia/Gaza Asia/Jerusalem " +
  "Asia/Kathmandu Asia/Pyongyang Asia/Seoul Asia/Tehran Asia/Ulaanbaatar Atlantic/Azores Australia/Adelaide " +
  "Australia/Lord_Howe Australia/Sydney Europe/Berlin Europe/Dublin Europe/Istanbul Europe/London Europe/Moscow " +
  "Pacific/Apia Pacific/Auckland Pacific/Chatham Pacific/Easter UTC"
).split(" ");

const YEARS = 10;

export interface ClockOptions {
  readonly seed: number;
  /** The first of ten years. */
  readonly from: number;
  /** How many expressions are drawn: for each change of clocks, or for each zone. */
  readonly expressions: number;
  readonly progress?: (line: string) => void;
}

export interface ClockReport {
  readonly changes: number;
  readonly expressions: number;
  readonly runs: number;
  /** The first run that differs. */
  readonly failure?: string;
}

/** Looks at the three days around each change alone. */
export function checkChanges({ seed, from, expressions: count }: ClockOptions): ClockReport {
  let [changes, drawn, runs] = [0, 0, 0];
  for (const zone of ZONES) {
    for (const day of daysOfChange(zone, Date.UTC(from), Date.UTC(from + YEARS))) {
      changes += 1;
      const walk = walkAlong(zone, day - DAY, day + 2 * DAY);
      const drawing = { seed: seed + changes, numRuns: count };
      for (const expression of fc.sample(expressions(dateOf(day)), drawing)) {
        const compared = compare(expression, walk, { points: pointsIn(walk, 4, seed + changes), most: 8 });
        drawn += 1;
        runs += compared.runs;
        if (compared.failure !== undefined) return { changes, expressions: drawn, runs, failure: compared.failure };
      }
      const failure = compareSingleRuns(walk) ?? compareRate(walk, seed + changes);
      if (failure !== undefined) return { changes, expressions: drawn, runs, failure };
    }
  }
  return { changes, expressions: drawn, runs };
}

/** Looks at all ten years: at every run of an expression that has no more than this, and at as many of others. */
const MOST_RUNS = 4_000;

export function checkYears({ seed, from, expressions: count, progress }: ClockOptions): ClockReport {
  let [changes, drawn, runs] = [0, 0, 0];
  for (const [index, zone] of ZONES.entries()) {
    const [start, end] = [Date.UTC(from), Date.UTC(from + YEARS)];
    const walk = walkAlong(zone, start, end);
    const days = daysOfChange(zone, start, end);
    changes += days.length;
    const own = seed + index * count;
    for (let nth = 0; nth < count; nth += 1) {
      const near = dateOf(days[nth % days.length] ?? start + nth * 40 * DAY);
      const [expression] = fc.sample(expressions(near), { seed: own + nth, numRuns: 1 }) as [Expression];
      const compared = compare(expression, walk, { points: pointsIn(walk, 400, own + nth), most: MOST_RUNS });
      drawn += 1;
      runs += compared.runs;
      if (compared.failure !== undefined) return { changes, expressions: drawn, runs, failure: compared.failure };
    }
    const failure = compareSingleRuns(walk) ?? compareRate(walk, own);
    if (failure !== undefined) return { changes, expressions: drawn, runs, failure };
    progress?.(
      `${index + 1} of ${ZONES.length} zones (${zone}): ${changes} changes, ${drawn} expressions, ${runs} runs`,
    );
  }
  return { changes, expressions: drawn, runs };
}

// ---- The second computation ----

const MINUTES_A_DAY = 24 * 60;

function expectedRuns(expression: Expression, { start, shown }: Walk): EpochMs[] {
  // A day more on both sides, for offsets and what is skipped.
  const first = (Math.floor(start / DAY) - 2) * MINUTES_A_DAY;
  const span = shown.length + 5 * MINUTES_A_DAY;
  const days = Array.from({ length: Math.ceil(span / MINUTES_A_DAY) }, (_, day) =>
    expression.isDay(dateOf((first + day * MINUTES_A_DAY) * MINUTE)),
  );
  const times = Array.from(
    { length: MINUTES_A_DAY },
    (_, minute) => expression.hours.has(Math.floor(minute / 60)) && expression.minutes.has(minute % 60),
  );
  // By minutes since `first`.
  const isNamed = (local: number) =>
    times[local % MINUTES_A_DAY] === true && days[Math.trunc(local / MINUTES_A_DAY)] === true;
  const wasShown = new Uint8Array(span);
  const runs: EpochMs[] = [];
  let previous = (shown[0] ?? 0) - first;
  wasShown[previous] = 1;
  for (let index = 1; index < shown.length; index += 1) {
    const local = (shown[index] ?? 0) - first;
    let isRun = isNamed(local) && (expression.byRealTime || wasShown[local] === 0);
    if (!expression.byRealTime)
      for (let skipped = previous + 1; skipped < local; skipped += 1)
        isRun ||= wasShown[skipped] === 0 && isNamed(skipped);
    if (isRun) runs.push(start + index * MINUTE);
    wasShown[local] = 1;
    previous = local;
  }
  return runs;
}

interface Compared {
  readonly runs: number;
  readonly failure?: string;
}

/** Asks for the run after each run, or after `most` of them near changes and elsewhere, and after other points. */
function compare(
  expression: Expression,
  walk: Walk,
  { points, most }: { points: readonly EpochMs[]; most: number },
): Compared {
  const expected = expectedRuns(expression, walk);
  const parsed = parseExpression(expression.text, walk.zone);
  const told = `${expression.text} in ${walk.zone}`;
  if (parsed.kind === "malformed") return { runs: 0, failure: `${told} is refused: ${parsed.problem}` };
  const isDense = expected.length > most;
  const asked = isDense ? [...spread(nearChanges(expected, walk), most), ...spread(expected, most)] : expected;
  const afters = [walk.start, ...asked, ...points];
  for (const after of afters) {
    const failure = differs(parsed, after, { told, expected, end: walk.end });
    if (failure !== undefined) return { runs: afters.length, failure };
  }
  return { runs: afters.length };
}

function nearChanges(times: readonly EpochMs[], { start, changes }: Walk): EpochMs[] {
  return changes.flatMap((index) => {
    const change = start + index * MINUTE;
    return times.slice(indexAfter(times, change - 2 * HOUR), indexAfter(times, change + 2 * HOUR));
  });
}

/** At most so many of them, evenly. */
function spread(times: readonly EpochMs[], most: number): EpochMs[] {
  const step = Math.max(1, times.length / most);
  return Array.from({ length: Math.min(most, times.length) }, (_, index) => times[Math.floor(index * step)] ?? 0);
}

function differs(
  parsed: ScheduleExpression,
  after: EpochMs,
  { told, expected, end }: { told: string; expected: readonly EpochMs[]; end: EpochMs },
): string | undefined {
  const next = nextRun(parsed, after, after) ?? Infinity;
  const wanted = expected[indexAfter(expected, after)];
  if (wanted === undefined ? next > end : next === wanted) return undefined;
  const shown = (time: number) => (Number.isFinite(time) ? iso(time) : "none");
  const right = wanted === undefined ? `none until ${iso(end)}` : iso(wanted);
  return `The first run of ${told} after ${iso(after)} is ${right}, and ${shown(next)} was found.`;
}

/** The index of the first time after another. */
function indexAfter(times: readonly EpochMs[], after: EpochMs): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Times around those that are skipped or come twice, as `at(...)`: the first moment that shows them, or refused. */
function compareSingleRuns({ zone, start, shown, changes }: Walk): string | undefined {
  for (const index of changes) {
    const [before, after] = [(shown[index - 1] ?? 0) + 1, shown[index] ?? 0];
    const [low, high] = [Math.min(before, after), Math.max(before, after)];
    for (const local of [low - 1, low, Math.floor((low + high) / 2), high - 1, high, high + 1]) {
      const text = `at(${iso(local * MINUTE).slice(0, 19)})`;
      const first = shown.indexOf(local, Math.max(0, index - 2 * MINUTES_A_DAY));
      const wanted = first < 0 ? "refused" : start + first * MINUTE;
      const parsed = parseExpression(text, zone);
      const found = parsed.kind === "at" ? parsed.time : "refused";
      if (wanted !== found) return `${text} in ${zone} is ${told(wanted)}, and ${told(found)} was found.`;
    }
  }
  return undefined;
}

function told(time: EpochMs | "refused"): string {
  return time === "refused" ? time : iso(time);
}

/** A rate goes on as if clocks didn't change. */
function compareRate({ start, end }: Walk, seed: number): string | undefined {
  const units = { minutes: MINUTE, hours: HOUR, days: DAY };
  const drawn = fc.tuple(fc.integer({ min: 7, max: 90 }), fc.constantFrom("minutes", "hours", "days"));
  const [[count, unit] = [1, "hours"] as const] = fc.sample(drawn, { seed, numRuns: 1 });
  const expression = parseExpression(`rate(${count} ${unit})`, "UTC");
  if (expression.kind === "malformed") return `rate(${count} ${unit}) is refused: ${expression.problem}`;
  for (let after = start; after < end;) {
    const wanted = after + count * units[unit];
    const next = nextRun(expression, after, start);
    if (next !== wanted)
      return `The run of rate(${count} ${unit}) after ${iso(after)} is ${iso(wanted)}, and ${next === undefined ? "none" : iso(next)} was found.`;
    after = wanted;
  }
  return undefined;
}

/** Moments on full seconds. Half of them are near a change, if there is one. */
function pointsIn({ start, end, changes }: Walk, count: number, seed: number): EpochMs[] {
  const anywhere = fc.integer({ min: start / SECOND, max: end / SECOND - 1 }).map((seconds) => seconds * SECOND);
  const seconds = fc.integer({ min: (-3 * HOUR) / SECOND, max: (3 * HOUR) / SECOND });
  const near = changes.map((index) => seconds.map((after) => start + index * MINUTE + after * SECOND));
  const points = near.length > 0 ? fc.oneof(anywhere, fc.oneof(...near)) : anywhere;
  return fc.sample(points, { seed, numRuns: count });
}

// ---- npm run fuzz -- --clocks ----

/** Tells what it does, and gives the exit code. */
export function clocksCommand(options: ClockOptions, { changes }: { changes: boolean }, say: Say): number {
  say(commandOf(options, { changes }));
  const report = changes ? checkChanges(options) : checkYears({ ...options, progress: say });
  say(
    report.failure ??
      `${report.runs} runs of ${report.expressions} expressions: all as the second computation has them`,
  );
  return report.failure === undefined ? 0 : 1;
}

type Say = (line: string) => void;

/** The command that draws the same. */
export function commandOf({ seed, from, expressions: count }: ClockOptions, { changes }: { changes: boolean }): string {
  return `npm run fuzz -- --clocks${changes ? " --changes" : ""} --seed ${seed} --from ${from} --expressions ${count}`;
}
