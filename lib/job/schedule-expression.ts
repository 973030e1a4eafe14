import { Cron, CronPattern } from "croner";
import { DAY, HOUR, MINUTE, type EpochMs } from "../clock.ts";
import { tidyExpression } from "./tidy-expression.ts";
import { changeBetween, firstMoment, latestLocalTime, localTime, type LocalTime } from "./local-time.ts";

// EventBridge's schedule expressions: at(...), rate(...) and cron(...). On the days on which clocks change, the rule is
// that of Vixie cron: an expression that names hours means local times, and each of them comes once. One that recurs
// every hour or every few hours or minutes goes on by real time.

/** A time, or a recurrence. */
export type ScheduleExpression =
  | { readonly kind: "at"; readonly time: EpochMs }
  | { readonly kind: "rate"; readonly everyMs: number }
  | ({ readonly kind: "cron" } & Recurrence);

interface Recurrence {
  /** Finds local times. It knows no zone. */
  readonly cron: Cron;
  readonly zone: string;
  readonly byRealTime: boolean;
}

export type Parsed = ScheduleExpression | { readonly kind: "malformed"; readonly problem: string };

/** Reads an expression, its times in an IANA time zone. A malformed one is an answer with its problem. */
export function parseExpression(text: string, zone: string): Parsed {
  const tidy = tidyExpression(text);
  const [, kind, content = ""] = /^(at|rate|cron)\((.*)\)$/.exec(tidy) ?? [];
  if (kind === "at") return parseAt(content, zone);
  if (kind === "rate") return parseRate(content);
  if (kind === "cron") return parseCron(content, zone);
  const hasSeconds = /^[\d*][^ ]*(?: [^ ]+){5,6}$/.test(tidy);
  return malformed(
    "expected at(yyyy-mm-ddThh:mm:ss), rate(<n> minutes|hours|days) or cron(<minute> <hour> <day> <month> <weekday> <year>)" +
      (hasSeconds ? "; cron's own form has five fields, without the seconds that Quartz and Spring begin with" : "") +
      (/^(?:CRON_)?TZ=/i.test(tidy) ? "; the time zone stands in timezone" : ""),
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
      return expression.byRealTime ? nextByRealTime(expression, after) : nextByLocalTime(expression, after);
    default:
      return expression satisfies never;
  }
}

/** A local time that comes twice counts the first time. One that is skipped counts as clocks have moved on. */
function nextByLocalTime({ cron, zone }: Recurrence, after: EpochMs): EpochMs | undefined {
  const local = nextLocal(cron, latestLocalTime(after, zone));
  return local === undefined ? undefined : firstMoment(local, zone);
}

/** A local time counts as often as clocks show it. */
function nextByRealTime({ cron, zone }: Recurrence, after: EpochMs): EpochMs | undefined {
  let from = after;
  let counts = false;
  for (;;) {
    const shown = localTime(from, zone);
    const local = nextLocal(cron, counts ? shown - 1 : shown);
    const change = changeBetween(from, from + DAY, zone);
    const time = local === undefined ? Infinity : from + (local - shown);
    if (time < (change ?? from + DAY)) return time;
    if (change === undefined && local === undefined) return undefined;
    from = change ?? firstMoment(local ?? shown, zone);
    counts = true;
  }
}

function nextLocal(cron: Cron, after: LocalTime): LocalTime | undefined {
  return cron.nextRun(new Date(after))?.getTime();
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
  const time = firstMoment(wall, zone);
  return localTime(time, zone) === wall
    ? { kind: "at", time }
    : malformed(`names a time that clocks in ${zone} skip, since they are put forward then; choose another`);
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
    const pattern = ["0", minute, hour, day, month, weekday === "L" ? "7" : toSunday(weekday), year].join(" ");
    const cron = new Cron(pattern, { ...SYNTAX, utcOffset: 0 });
    return { kind: "cron", cron, zone, byRealTime: recursByRealTime(hour) };
  } catch (error) {
    // The parser counts days and months from 0 in what it says of them.
    const reason =
      error instanceof Error
        ? error.message.replace(/^CronPattern: /, "").replace(/^(Invalid value for (?:day|month|dayOfWeek)): .*/, "$1")
        : "";
    return malformed(`${expected}; ${reason}`);
  }
}

/** Weekdays count from Sunday, and people have it end a week: SAT-SUN. */
function toSunday(weekdays: string): string {
  return weekdays.replaceAll(/\b(MON|TUE|WED|THU|FRI|SAT)-SUN(?![/#L])/gi, "$1-SAT,SUN");
}

const SYNTAX = { alternativeWeekdays: true, sloppyRanges: true };

/** Whether the hours are `*`, all 24 in other words (`0-23`, `0/1`), or a step of `*` with more than one hour a day. */
function recursByRealTime(hours = ""): boolean {
  const count = new CronPattern(`0 0 ${hours} * * *`, undefined, SYNTAX).hour.filter((isIn) => isIn).length;
  return count === 24 || (count > 1 && /^\*\/\d+$/.test(hours));
}
