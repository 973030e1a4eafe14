import { DAY, SECOND } from "../clock.ts";

/**
 * Seconds or HTTP dates, by RFC 9110 §10.2.3: the latest, rounded up to seconds, at most 24 h. What is neither is
 * ignored; `undefined` if nothing is left.
 */
export function retryAfterMs(values: readonly string[] = [], realTimeSeconds: number): number | undefined {
  const seconds = values.flatMap(partsOf).flatMap((part) => {
    if (/^\d+(?:\.\d*)?$/.test(part)) return Math.ceil(Number(part));
    // `Date.parse` takes much for a date that is none, for instance -5.
    const at = /[a-z]{3}.*\d\d:\d\d|^\d{4}-\d\d-\d\dT/i.test(part) ? Date.parse(part) : Number.NaN;
    return Number.isNaN(at) ? [] : at / SECOND - realTimeSeconds;
  });
  return seconds.length === 0 ? undefined : Math.min(Math.max(...seconds, 0) * SECOND, DAY);
}

/** The values of a list. The comma behind the day of the week belongs to the date. */
function partsOf(list: string): string[] {
  return (list.match(/(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,[^,]*|[^,]+/gi) ?? []).map((part) => part.trim());
}
