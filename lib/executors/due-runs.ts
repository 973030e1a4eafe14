import { SECOND, derivedUuid, type EpochMs } from "../clock.ts";
import type { Job } from "../job/job.ts";
import type { Skip } from "../job/schedule.ts";
import type { ScheduleExecution } from "./schedule-schema.ts";
import { timeAfter } from "./schedule-times.ts";

// A schedule that is due: which run is to be made, and which are left out.

/** The most runs that are made up for. */
const MOST_MADE_UP = 100;
/** How late a run is still made if missed ones are skipped: the sweep finds a lost message after five minutes. */
const ON_TIME_SECONDS = 600;
/** So many times are looked at one by one; the number of those after them is estimated. */
const MOST_COUNTED = 300;

export interface DueRun {
  /** The time of the run; undefined if none is to be made now. */
  readonly time: EpochMs | undefined;
  readonly next: EpochMs | undefined;
  readonly skips: readonly Skip[];
}

/** For a schedule whose `startAt` has come. */
export function dueRun(
  execution: ScheduleExecution,
  schedule: Pick<Job, "startAt" | "owedUntil" | "runs">,
  now: EpochMs,
): DueRun {
  const { startAt, owedUntil = 0 } = schedule;
  const { overlap = "allow", missed = "once", missedWithinSeconds } = execution;
  const isLast = execution.maxRuns !== undefined && (schedule.runs ?? 0) + 1 >= execution.maxRuns;
  const within = missedWithinSeconds ?? (missed === "skip" ? ON_TIME_SECONDS : Infinity);
  const isOwed = startAt <= owedUntil;
  const { times, first, count, next } = timesIn(execution, startAt, {
    since: isOwed ? startAt : now - within * SECOND,
    until: isOwed ? Math.max(startAt, owedUntil) : Math.max(startAt, now),
  });
  if (isOwed) {
    const [, owed] = times;
    if (owed !== undefined) return { time: startAt, next: isLast ? undefined : owed, skips: [] };
    const later = timesAfter(execution, startAt, now);
    // What has come up while a run waited for the end of the last.
    const reason = overlap === "allow" ? "missed" : "overlap";
    return { time: startAt, next: isLast ? undefined : later.next, skips: skipsOf(later.first, reason, later.count) };
  }
  const isEach = missed === "all";
  const time = isEach ? times[0] : first;
  const made = isEach ? times.length : time === undefined ? 0 : 1;
  const following = isEach ? (times[1] ?? next) : next;
  const passedFrom = time === startAt ? timeAfter(execution, startAt, startAt) : startAt;
  const skips = skipsOf(passedFrom, "missed", count - made);
  return { time, next: isLast && time !== undefined ? undefined : following, skips };
}

/** The times that a pause has missed, the last 100 of them, their number, and the time after them. */
export function missedTimes(execution: ScheduleExecution, startAt: EpochMs, now: EpochMs) {
  return timesIn(execution, startAt, { since: startAt, until: now });
}

/** The delay of a run within its window, in ms: the same whenever it is asked for. */
export function delayInWindow({ windowSeconds = 0 }: ScheduleExecution, scheduleId: string, time: EpochMs): number {
  if (windowSeconds === 0) return 0;
  const drawn = Number.parseInt(derivedUuid(scheduleId, String(time)).slice(-8), 16);
  return (drawn % windowSeconds) * SECOND;
}

function skipsOf(at: EpochMs | undefined, reason: Skip["reason"], times: number): Skip[] {
  return at === undefined || times <= 0 ? [] : [{ at, reason, times }];
}

interface Times {
  /** The last of those that count, up to 100. */
  readonly times: readonly EpochMs[];
  /** The first one that counts. */
  readonly first: EpochMs | undefined;
  /** The number of all, also of those that don't count. */
  readonly count: number;
  readonly next: EpochMs | undefined;
}

function timesAfter(execution: ScheduleExecution, after: EpochMs, until: EpochMs): Times {
  const from = timeAfter(execution, after, after);
  return from === undefined
    ? { times: [], first: undefined, count: 0, next: undefined }
    : timesIn(execution, from, { since: from, until });
}

/** The times of a schedule from `from`, which is one, to `until`. Those before `since` don't count. */
function timesIn(
  execution: ScheduleExecution,
  from: EpochMs,
  { since, until }: { readonly since: EpochMs; readonly until: EpochMs },
): Times {
  let times: EpochMs[] = [];
  let first: EpochMs | undefined;
  let [count, looked] = [0, 0];
  let at: EpochMs | undefined = from;
  while (at !== undefined && at <= until) {
    count += 1;
    looked += 1;
    if (at >= since) {
      first ??= at;
      times = [...times.slice(1 - MOST_MADE_UP), at];
    }
    const interval = (at - from) / Math.max(looked - 1, 1);
    const isMany = looked === MOST_COUNTED && until - at > 2 * MOST_MADE_UP * interval;
    // The last ones are wanted; of the many before them, the number is.
    const after: EpochMs = isMany ? until - 2 * MOST_MADE_UP * interval : at;
    if (isMany) count += Math.round((after - at) / interval);
    at = timeAfter(execution, after, from);
  }
  return { times, first, count, next: at };
}
