import { DAY, SECOND } from "../clock.ts";
import type { AnswerHeaders } from "./answer-body.ts";

/** The statuses by which targets say that they are busy. GitHub answers 403 where its limits are used up. */
export const BUSY: ReadonlySet<number> = new Set([403, 429, 503]);

/** What an answer says of when to come again: its `Retry-After`, or where a limit is used up, when that begins anew. */
export function waitsOf(headers: AnswerHeaders): readonly string[] {
  const values = (name: string) => [headers[name] ?? []].flat();
  const asked = values("retry-after");
  const isUsedUp = asked.length === 0 && values("x-ratelimit-remaining")[0]?.trim() === "0";
  return isUsedUp ? values("x-ratelimit-reset") : asked;
}

/** A number this large is no count of seconds but a time, in seconds or milliseconds since 1970, as some servers write it. */
const A_TIME = 1e9;
const A_TIME_MS = 1e12;

/**
 * Seconds or HTTP dates, by RFC 9110 §10.2.3: the latest, rounded up to seconds, at most 24 h. What is neither is
 * ignored; `undefined` if nothing is left.
 */
export function retryAfterMs(values: readonly string[] = [], realTimeSeconds: number): number | undefined {
  const seconds = values.flatMap(partsOf).flatMap((part) => {
    if (/^\d+(?:\.\d*)?$/.test(part)) return Math.ceil(secondsOf(Number(part), realTimeSeconds));
    // `Date.parse` takes much for a date that is none, for instance -5.
    const at = /[a-z]{3}.*\d\d:\d\d|^\d{4}-\d\d-\d\dT/i.test(part) ? Date.parse(part) : Number.NaN;
    return Number.isNaN(at) ? [] : at / SECOND - realTimeSeconds;
  });
  return seconds.length === 0 ? undefined : Math.min(Math.max(...seconds, 0) * SECOND, DAY);
}

function secondsOf(number: number, realTimeSeconds: number): number {
  if (number < A_TIME) return number;
  return (number < A_TIME_MS ? number : number / SECOND) - realTimeSeconds;
}

/** The values of a list. The comma behind the day of the week belongs to the date. */
function partsOf(list: string): string[] {
  return (list.match(/(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,[^,]*|[^,]+/gi) ?? []).map((part) => part.trim());
}
