import { Cron } from "croner";
import { DAY, HOUR, MINUTE, SECOND, type EpochMs } from "../clock.ts";

// EventBridge's schedule expressions: at(...), rate(...) and cron(...).

/** A time, or a recurrence. */
export type ScheduleExpression =
  | { readonly kind: "at"; readonly time: EpochMs }
  | { readonly kind: "rate"; readonly everyMs: number }
  | { readonly kind: "cron"; readonly cron: Cron };

export type Parsed = ScheduleExpression | { readonly kind: "malformed"; readonly problem: string };

/** Reads an expression, its times in an IANA time zone. A malformed one is an answer with its problem. */
export function parseExpression(text: string, zone: string): Parsed {
  const [, kind, content = ""] = /^(at|rate|cron)\((.*)\)$/.exec(text) ?? [];
  if (kind === "at") return parseAt(content, zone);
  if (kind === "rate") return parseRate(content);
  if (kind === "cron") return parseCron(content, zone);
  return malformed(
    "expected at(yyyy-mm-ddThh:mm:ss), rate(<n> minutes|hours|days) or cron(<minute> <hour> <day> <month> <weekday> <year>)",
  );
}

/** The first run after a time; undefined if there is none. A rate counts from `anchor`. */
export function nextRun(expression: ScheduleExpression, after: EpochMs, anchor: EpochMs): EpochMs | undefined {
  switch (expression.kind) {
    case "at":
      return expression.time > after ? expression.time : undefined;
    case "rate":
      return anchor + (Math.floor(Math.max(after - anchor, 0) / expression.everyMs) + 1) * expression.everyMs;
    case "cron":
      return expression.cron.nextRun(new Date(after))?.getTime();
    default:
      return expression satisfies never;
  }
}

/** Whether it is a zone of the IANA database, such as `Asia/Seoul` or `UTC`. */
export function isTimeZone(zone: string): boolean {
  try {
    return /^[A-Za-z]/.test(zone) && new Intl.DateTimeFormat("en", { timeZone: zone }).format() !== "";
  } catch {
    return false;
  }
}

function malformed(problem: string): Parsed {
  return { kind: "malformed", problem };
}

function parseAt(content: string, zone: string): Parsed {
  const wall = /^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(content) ? Date.parse(`${content}Z`) : Number.NaN;
  // Date.parse reads the 30th of February as the 2nd of March.
  if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 19) !== content) {
    return malformed("expected at(yyyy-mm-ddThh:mm:ss) with a date and time that exist, without an offset");
  }
  const time = timeOfWallClock(wall, zone);
  return time === undefined
    ? malformed(`names a time that clocks in ${zone} skip, since they are put forward then; choose another`)
    : { kind: "at", time };
}

/** The first moment at which clocks in the zone show a time, given as if it were UTC. */
function timeOfWallClock(wall: number, zone: string): EpochMs | undefined {
  const candidates = [wall - DAY, wall + DAY].map((near) => wall - (wallClock(near, zone) - near));
  return candidates.toSorted((a, b) => a - b).find((time) => wallClock(time, zone) === wall);
}

/** The local time of the zone, as if it were UTC. */
function wallClock(time: EpochMs, timeZone: string): number {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
  // The Swedish format is 2027-01-15 10:00:00.
  return Date.parse(`${format.format(time).replace(" ", "T")}Z`);
}

const UNITS: Record<string, number> = { minute: MINUTE, hour: HOUR, day: DAY };

function parseRate(content: string): Parsed {
  const [, count = "", unit = ""] = /^([1-9]\d{0,5}) (minute|hour|day)s?$/.exec(content) ?? [];
  const everyMs = Number(count) * (UNITS[unit] ?? 0);
  return everyMs > 0 ? { kind: "rate", everyMs } : malformed("expected rate(<n> minutes|hours|days), n at least 1");
}

function parseCron(content: string, zone: string): Parsed {
  const fields = content.split(" ");
  const expected =
    "expected cron(<minute> <hour> <day of month> <month> <day of week> <year>), ? for one of the two days, as in cron(0 9 ? * MON-FRI *)";
  const [minute, hour, day, month, weekday = "", year] = fields;
  const isElsewhere = [minute, hour, month, year].some((field) => field?.includes("?"));
  const hasOneDay = (day === "?") !== (weekday === "?");
  if (fields.length !== 6 || isElsewhere || !hasOneDay || weekday.includes("8")) return malformed(expected);
  try {
    // Seconds first. Weekdays count from Sunday = 1, the last one is Saturday, and 0/15 is a range, as AWS has them.
    const pattern = ["0", minute, hour, day, month, weekday === "L" ? "7" : weekday, year].join(" ");
    const cron = new Cron(pattern, { timezone: zone, alternativeWeekdays: true, sloppyRanges: true });
    return { kind: "cron", cron };
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : "";
    return malformed(`${expected}; ${reason}`);
  }
}

/** A time as `at(...)` in UTC, to the second: never earlier. */
export function atExpression(time: EpochMs): string {
  return `at(${new Date(Math.ceil(time / SECOND) * SECOND).toISOString().slice(0, 19)})`;
}
