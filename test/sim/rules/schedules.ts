import { MINUTE, SECOND, type EpochMs } from "../../../lib/clock.ts";
import { isFinished, type Job } from "../../../lib/job/job.ts";
import type { Process } from "../process.ts";
import { SKEW, type Judge } from "./rule.ts";

// The runs of schedules: computed here from the request, not read from the stored job.

/** Of a request of a plan. */
interface Execution {
  readonly scheduledAt?: string;
  readonly scheduleExpression?: string;
  readonly scheduleExpressionTimezone?: string;
  readonly endsAt?: string;
  readonly maxRuns?: number;
}

interface Firing {
  /** The time of the schedule, and the time of the write. */
  readonly time: EpochMs;
  readonly at: EpochMs;
  /** The process read its clock no earlier. */
  readonly since: EpochMs;
}

interface Posted {
  readonly execution: Execution;
  readonly job: Job;
}

/** The longest time from a firing's read of the clock to its write, in a process that is not frozen, and to its repeat. */
const SLOWEST_FIRING = MINUTE;
/** Zones of plans, without daylight saving time. */
const AHEAD_OF_UTC: Readonly<Record<string, number>> = { UTC: 0, "Asia/Kolkata": 330 * MINUTE };

export function createScheduleRules({ now, holds, jobs }: Judge & { jobs: ReadonlyMap<string, Job> }) {
  const firings = new Map<string, Firing[]>();
  const posted = new Map<string, Posted>();
  /** Schedules that were stopped before their last run. */
  const stopped = new Set<string>();
  const targets = new Map<string, Set<string>>();
  const counts = createCounts(holds, jobs);
  const unstored = createUnstored({ now, holds });
  const { frozen, readingOf } = createReadings(now);

  function written(old: Job, schedule: Job, writer: Process | undefined, told: () => string): void {
    const name = nameOf(schedule);
    if (schedule.status === "CANCELLED" || schedule.status === "DEAD") stopped.add(name);
    const [were, are] = [old.runs ?? 0, schedule.runs ?? 0];
    const isAsked = (schedule.asked ?? 0) > (old.asked ?? 0);
    if (isAsked) return made(name, schedule, told);
    // One that is put anew begins again.
    if (were === are || isFinished(old)) return;
    holds("a schedule's runs come one after another", are === were + 1 && old.status === "PENDING", told);
    holds("nothing runs early", old.startAt <= now() + SECOND + SKEW, told);
    firings.set(name, [...(firings.get(name) ?? []), { time: old.startAt, at: now(), since: readingOf(writer) }]);
    made(name, schedule, told);
  }

  function made(name: string, { targetJobId = "" }: Job, told: () => string): void {
    const known = targets.get(name) ?? new Set();
    holds("every run of a schedule makes one job", jobs.has(targetJobId) && !known.has(targetJobId), told);
    targets.set(name, known.add(targetJobId));
  }

  /** A schedule was accepted and stored. */
  function accepted(job: Job, execution: object): void {
    if (!posted.has(nameOf(job))) posted.set(nameOf(job), { execution, job });
  }

  /** `carriedTo`: the jobs that messages have carried to a target. */
  function atTheEnd(carriedTo: (target: string) => number): void {
    counts.atTheEnd();
    for (const [name, one] of posted) judge(one, firings.get(name) ?? [], stopped.has(name));
    unstored.atTheEnd(carriedTo);
  }

  function judge({ execution, job }: Posted, fired: readonly Firing[], wasStopped: boolean): void {
    const told = () => `${job.id}: ${JSON.stringify({ ...execution, targetJob: undefined })}, ${fired.length} runs`;
    const after = timesOf(execution, job.createdAt);
    let [earliest, latest] = [job.createdAt, job.createdAt];
    for (const { time, at, since } of fired) {
      const isOnTime = after(time - 1) === time;
      // By a clock that is ahead there may be no next time, and by the clock that counted it is the last one.
      const isNext = (after(earliest) ?? Infinity) <= time && time <= (after(latest) ?? Infinity);
      holds("a schedule runs at every time that was asked for", isOnTime && isNext, told);
      // A late run makes up for the runs that were missed.
      [earliest, latest] = [Math.max(time, since), Math.max(time, at + SKEW)];
    }
    const hasRun = fired.length > 0 && fired.length === (execution.maxRuns ?? Infinity);
    const isLast = hasRun || (fired.length > 0 && after(latest) === undefined);
    holds("a schedule runs as often as was asked for", isLast || wasStopped, told);
  }

  /** Whether a job is a run of a schedule. */
  function hasMade(id: string, target: string): boolean {
    return [...targets].some(([name, made]) => name.startsWith(id) && made.has(target));
  }

  const { carried, started } = unstored;
  return { written, frozen, counted: counts.counted, accepted, carried, started, hasMade, atTheEnd };
}

/** Schedules that nothing but EventBridge holds; their targets are known by where they go. */
function createUnstored({ now, holds }: Judge) {
  /** The due times, by target. */
  const due = new Map<string, EpochMs>();
  return {
    /** Such a schedule was accepted. */
    carried: (target: string, execution: object): void => {
      const time = timesOf(execution, now())(0);
      if (time !== undefined) due.set(target, time);
    },
    /** An attempt at a target starts. */
    started: (target: string, told: () => string): void => {
      holds("nothing runs early", (due.get(target) ?? 0) <= now() + SECOND + SKEW, told);
    },
    /** `carriedTo`: the jobs that messages have carried to a target. */
    atTheEnd: (carriedTo: (target: string) => number): void => {
      for (const target of due.keys()) {
        const made = carriedTo(target);
        holds("every schedule that is only sent makes one job", made === 1, () => `${target} has ${made}`);
      }
    },
  };
}

/** The counts of the recurring schedules of each app. */
function createCounts(holds: Judge["holds"], jobs: ReadonlyMap<string, Job>) {
  const counts = new Map<string, number>();
  return {
    /** An app's count was written. */
    counted: (appId: string, used: number) => void counts.set(appId, used),
    atTheEnd: () => {
      for (const [appId, used] of counts) {
        const left = [...jobs.values()].filter((job) => job.appId === appId && job.recurring && !isFinished(job));
        const told = () => `${appId} has ${left.length}, ${used} are counted`;
        holds("a recurring schedule is counted until it ends", used === left.length, told);
      }
    },
  };
}

/** When processes that write have read their clocks. */
function createReadings(now: () => EpochMs) {
  const standstills = new Map<Process, { readonly from: EpochMs; readonly until: EpochMs }>();
  return {
    frozen: (process: Process, ms: number) => {
      standstills.set(process, { from: now(), until: now() + ms });
    },
    /** The earliest time at which a process that writes now can have read its clock for it. */
    readingOf: (writer: Process | undefined): EpochMs => {
      const earliest = now() - SLOWEST_FIRING;
      const standstill = writer && standstills.get(writer);
      return standstill && standstill.until >= earliest ? standstill.from - SLOWEST_FIRING : earliest;
    },
  };
}

/** A job that is posted again once it is deleted has the same id. */
function nameOf({ id, createdAt }: Job): string {
  return `${id} ${createdAt}`;
}

/** The first time after a time, nothing if there is none. */
function timesOf(execution: Execution, anchor: EpochMs): (after: EpochMs) => EpochMs | undefined {
  const { scheduledAt, scheduleExpression = "", scheduleExpressionTimezone: zone = "UTC", endsAt } = execution;
  const [, kind, content = ""] = /^(at|rate|cron)\((.*)\)$/.exec(scheduleExpression) ?? [];
  const until = endsAt === undefined ? Infinity : Date.parse(endsAt);
  const within = (time: EpochMs) => (time <= until ? time : undefined);
  const grid = (every: number, from: EpochMs) => (after: EpochMs) =>
    within(from + (Math.floor((after - from) / every) + 1) * every);
  const minutes = Number(/\d+(?= minutes$)|(?<=^0\/)\d+/.exec(content)?.[0]) * MINUTE;
  if (kind === "rate") return grid(minutes, anchor);
  if (kind === "cron") return grid(minutes, -(AHEAD_OF_UTC[zone] ?? NaN));
  const once = Date.parse(scheduledAt ?? `${content}Z`) - (kind === "at" ? (AHEAD_OF_UTC[zone] ?? NaN) : 0);
  return (after) => (once > after ? once : undefined);
}
