import { DAY, MINUTE, type EpochMs } from "../clock.ts";

// What clocks in a time zone show, and when. Offsets lie between -12 and +14 hours, and clocks change at most once
// in two days, on a full minute. (Those of the 19th and early 20th century don't, and no schedule gets there.)

/** A date and time of day in some zone, in milliseconds as if it were UTC. */
export type LocalTime = number;

/** Whether it is a zone of the IANA database, such as `Asia/Seoul` or `UTC`. */
export function isTimeZone(zone: string): boolean {
  try {
    return /^[A-Za-z]/.test(zone) && offsetAt(0, zone) !== undefined;
  } catch {
    return false;
  }
}

/** What clocks show at a moment. */
export function localTime(time: EpochMs, zone: string): LocalTime {
  return time + offsetAt(time, zone);
}

/** The latest local time that clocks have shown by a moment. While an hour comes again, that is its end. */
export function latestLocalTime(time: EpochMs, zone: string): LocalTime {
  const change = changeBetween(time - DAY, time, zone);
  const local = localTime(time, zone);
  return change === undefined ? local : Math.max(local, localTime(change - 1, zone));
}

/** The first moment at which clocks show a local time or a later one. For a time that they skip, it is the change. */
export function firstMoment(local: LocalTime, zone: string): EpochMs {
  const early = local - DAY;
  const change = changeBetween(early, local + DAY, zone);
  const unchanged = local - offsetAt(early, zone);
  return change === undefined || unchanged < change ? unchanged : Math.max(change, local - offsetAt(change, zone));
}

/** The first moment with the later offset, if the offset after `from` and until `to` is not that of `from`. */
export function changeBetween(from: EpochMs, to: EpochMs, zone: string): EpochMs | undefined {
  const before = offsetAt(from, zone);
  if (offsetAt(to, zone) === before) return undefined;
  // In minutes, which takes half as long as in milliseconds.
  let [last, change] = [Math.floor(from / MINUTE), Math.ceil(to / MINUTE)];
  while (change - last > 1) {
    const middle = Math.floor((last + change) / 2);
    if (offsetAt(middle * MINUTE, zone) === before) last = middle;
    else change = middle;
  }
  return change * MINUTE;
}

const formats = new Map<string, Intl.DateTimeFormat>();
/** Clients choose the spelling of a zone's name, so there may be more spellings than zones. */
const MOST_FORMATS = 200;

function offsetAt(time: EpochMs, zone: string): number {
  let format = formats.get(zone);
  if (!format) {
    // A tenth of a millisecond, fifty times what it takes to use one. With seconds alone, that is least.
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset", second: "numeric" });
    if (formats.size >= MOST_FORMATS) formats.clear();
    formats.set(zone, format);
  }
  // 0 GMT+01:00, and GMT alone for no offset. Until 1972, some offsets had seconds.
  const [, sign, hours, minutes, seconds] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(time)) ?? [];
  const offset = ((Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds ?? 0)) * 1_000;
  return sign === "-" ? -offset : offset;
}
