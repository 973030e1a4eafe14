import { tidyExpression } from "./tidy-expression.ts";

// The five fields of cron, as most people write them, as an expression of EventBridge.

const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] as const;

const NICKNAMES: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

export type FromCron = { readonly expression: string } | { readonly problem: string };

/** Five fields or a name such as `@daily` as `cron(...)`; any other text as it is, but for its spaces. */
export function fromCron(text: string): FromCron {
  const tidy = tidyExpression(text);
  const [, inner] = /^cron\((.*)\)$/.exec(tidy) ?? [];
  const given = inner ?? tidy;
  const fields = (NICKNAMES[given.toLowerCase()] ?? given).split(" ");
  if (given.startsWith("@") && NICKNAMES[given.toLowerCase()] === undefined)
    return { problem: `is not a name that cron knows: expected one of ${Object.keys(NICKNAMES).join(", ")}` };
  // Words within parentheses are those of rate(...) and at(...).
  if (fields.length !== 5 || /[()]/.test(given)) return { expression: tidy };
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  const [everyDay, everyWeekday] = [isEvery(day), isEvery(weekday)];
  if (!everyDay && !everyWeekday) {
    const problem = `names both a day of the month (${day}) and a day of the week (${weekday}), which cron takes as "either" and expressions here can't: make two schedules, one for each`;
    return { problem };
  }
  if (everyWeekday) return { expression: `cron(${minute} ${hour} ${everyDay ? "*" : day} ${month} ? *)` };
  const days = weekdaysIn(weekday);
  return days === undefined
    ? {
        problem: `has the day of the week ${weekday}: expected 0 to 7 (Sunday is 0 and 7), SUN to SAT, or lists, ranges and steps of them`,
      }
    : { expression: `cron(${minute} ${hour} ? ${month} ${days} *)` };
}

function isEvery(field: string): boolean {
  return field === "*" || field === "?";
}

/** The days of a field by their names, since EventBridge counts them from 1. */
function weekdaysIn(field: string): string | undefined {
  const [, nth, which] = /^(\w+)(#[1-5]|L)$/i.exec(field) ?? [];
  if (nth !== undefined && which !== undefined) {
    const day = dayOf(nth);
    // EventBridge takes a number before L.
    return day === undefined ? undefined : `${(day % 7) + 1}${which.toUpperCase()}`;
  }
  const days = new Set<number>();
  for (const part of field.split(",")) {
    const found = daysOf(part);
    if (!found) return undefined;
    for (const day of found) days.add(day % 7);
  }
  // Monday first, so that MON-SUN is a range.
  const sorted = [...days].toSorted((a, b) => ((a + 6) % 7) - ((b + 6) % 7));
  const isRange = sorted.length > 2 && sorted.every((day, at) => at === 0 || day === ((sorted[at - 1] ?? 0) + 1) % 7);
  const names = sorted.map((day) => DAYS[day] ?? "");
  const endsOnSunday = names.at(-1) === "SUN";
  // A range of EventBridge ends on Saturday at the latest.
  if (names.length === 7) return "*";
  return isRange && !endsOnSunday ? `${names[0]}-${names.at(-1)}` : names.join(",");
}

/** The days of one part of a list: `1`, `MON-FRI`, `*\/2`, `1-5/2`. */
function daysOf(part: string): number[] | undefined {
  const [, range = "", step = "1"] = /^([^/]+)(?:\/([1-7]))?$/.exec(part) ?? [];
  const isAll = range === "*";
  const [, from = "", to] = isAll ? [range, "0", "6"] : (/^(\w+)(?:-(\w+))?$/.exec(range) ?? []);
  const [first, last] = [dayOf(from), to === undefined ? (part.includes("/") ? 6 : dayOf(from)) : lastDayOf(to)];
  if (first === undefined || last === undefined || first > last) return undefined;
  return Array.from({ length: last - first + 1 }, (_, at) => first + at).filter((_, at) => at % Number(step) === 0);
}

function dayOf(text: string): number | undefined {
  const named = (DAYS as readonly string[]).indexOf(text.toUpperCase());
  if (named >= 0) return named;
  return /^[0-7]$/.test(text) ? Number(text) : undefined;
}

/** Sunday ends a range as the seventh day: FRI-SUN. */
function lastDayOf(text: string): number | undefined {
  const day = dayOf(text);
  return day === 0 ? 7 : day;
}
