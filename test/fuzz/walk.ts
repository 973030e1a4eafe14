import { DAY, HOUR, MINUTE, type EpochMs } from "../../lib/clock.ts";
import type { LocalDate } from "./expressions.ts";

// What clocks show in a zone, minute by minute.

export interface Walk {
  readonly zone: string;
  readonly start: EpochMs;
  readonly end: EpochMs;
  /** What clocks show at each minute from the start, in minutes as if it were UTC. */
  readonly shown: Int32Array;
  /** The indexes of the minutes at which clocks have just changed. */
  readonly changes: readonly number[];
}

export function walkAlong(zone: string, start: EpochMs, end: EpochMs): Walk {
  const clock = clockOf(zone);
  const shown = new Int32Array((end - start) / MINUTE + 1);
  let ahead = clock(start) - start;
  for (let index = 0; index < shown.length; index += 60) {
    const time = start + index * MINUTE;
    const later = clock(time + HOUR) - (time + HOUR);
    for (let minute = index; minute < Math.min(index + 60, shown.length); minute += 1) {
      const now = start + minute * MINUTE;
      shown[minute] = (later === ahead ? now + ahead : clock(now)) / MINUTE;
    }
    ahead = later;
  }
  const changes: number[] = [];
  for (let index = 1; index < shown.length; index += 1)
    if ((shown[index] ?? 0) - (shown[index - 1] ?? 0) !== 1) changes.push(index);
  return { zone, start, end, shown, changes };
}

/** What clocks in the zone show, by the parts of the date, to the minute. */
function clockOf(timeZone: string): (time: EpochMs) => number {
  const numeric = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" } as const;
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, hourCycle: "h23", ...numeric });
  return (time) => {
    const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
    const part = (type: keyof typeof numeric) => parts.get(type) ?? 0;
    return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"));
  };
}

/** The days, by UTC, on which clocks change. */
export function daysOfChange(zone: string, from: EpochMs, to: EpochMs): EpochMs[] {
  const clock = clockOf(zone);
  const days: EpochMs[] = [];
  let ahead = clock(from) - from;
  for (let week = from; week < to; week += 7 * DAY) {
    const later = clock(week + 7 * DAY) - (week + 7 * DAY);
    for (let day = week; later !== ahead; day += DAY) {
      const now = clock(day + DAY) - (day + DAY);
      if (now !== ahead) days.push(day);
      ahead = now;
    }
  }
  return days;
}

export function dateOf(day: number): LocalDate {
  const date = new Date(day);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + 1];
  const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return { year, month, day: date.getUTCDate(), weekday: date.getUTCDay() + 1, lastDay };
}
