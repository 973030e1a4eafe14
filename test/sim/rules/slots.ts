import { MINUTE, type EpochMs } from "../../../lib/clock.ts";
import { rankOf, type Job } from "../../../lib/job/job.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Process } from "../process.ts";
import type { Judge } from "./rule.ts";

// The slots of apps for their tasks: each running task has one, there are never more than the app has, and no task
// gets one before a waiting task of a better rank.

interface Options extends Judge {
  readonly jobs: ReadonlyMap<string, Job>;
  /** The run has no faults, so that nothing is left in the line. */
  readonly isCalm: boolean;
}

/** The slots and the line of an app. */
export interface App {
  /** Ids of the tasks that have a slot, and of those that run. */
  holders: ReadonlySet<string>;
  readonly running: Set<string>;
  /** The place in line of a task, by id. */
  readonly line: Map<string, PlaceInLine>;
  /** Its settings for the time from each change on, the latest last. */
  readonly limits: { readonly since: EpochMs; readonly most: number; readonly paused: boolean }[];
}

/** Since when a task is in line, and when it was first called there. */
interface PlaceInLine {
  readonly since: EpochMs;
  readonly calledAt: EpochMs | undefined;
}

/** A process may have read the settings ten seconds ago, and may have been frozen since. */
const OLDEST_SETTINGS = 4 * MINUTE;
const DEFAULT_SLOTS = 5;

export function createSlotRules({ now, holds, jobs, isCalm }: Options) {
  const apps = new Map<string, App>();
  /** Apps whose slots differ from their running tasks, and since which write. */
  const uneven = new Map<string, number>();
  const looks = createLooks(now);
  let writes = 0;

  function appOf(id: string): App {
    const known = apps.get(id);
    if (known) return known;
    const limits = [{ since: 0, most: DEFAULT_SLOTS, paused: false }];
    const app: App = { holders: new Set(), running: new Set(), line: new Map(), limits };
    apps.set(id, app);
    return app;
  }

  /** An item of an app other than a job was written. */
  function itemWritten(pk: string, sk: string, to: Item | undefined): void {
    const id = pk.slice(pk.indexOf("#") + 1);
    if (pk.startsWith("SLOTS#") && sk === "S") appOf(id).holders = new Set(to?.["holders"]?.SS);
    else if (pk.startsWith("WAIT#")) lineWritten(appOf(id).line, sk, to, now());
    else if (pk.startsWith("APP#") && sk === "SETTINGS") settingsWritten(appOf(id), to);
    else return;
    compare(id);
  }

  function settingsWritten({ limits }: App, to: Item | undefined): void {
    const most = Number(to?.["maxConcurrentTasks"]?.N ?? DEFAULT_SLOTS);
    limits.push({ since: now(), most, paused: to?.["paused"]?.BOOL === true });
  }

  /** A task was written, or deleted. */
  function taskWritten(id: string, appId: string, isRunning: boolean): void {
    const { running } = appOf(appId);
    if (isRunning) running.add(id);
    else running.delete(id);
    compare(appId);
  }

  function compare(appId: string): void {
    const { holders, running } = appOf(appId);
    const isEven = holders.size === running.size && [...running].every((id) => holders.has(id));
    if (isEven) uneven.delete(appId);
    else if (!uneven.has(appId)) uneven.set(appId, writes);
  }

  /** A write of one item is over; a transaction writes two at once. */
  function writeEnded(): void {
    for (const [appId, since] of uneven) {
      const told = () => `${appOf(appId).running.size} run, ${appOf(appId).holders.size} have a slot`;
      holds("a task has a slot as long as it runs", since === writes, told);
    }
    writes += 1;
  }

  /** A task is about to run: its claim was written, and its slot is written along with it. */
  function claimed(job: Job, writer: Process | undefined, told: () => string): void {
    const startedAt = job.startedAt ?? 0;
    const askedAt = writer ? startedAt - (writer.clock.now() - now()) : now();
    judgeClaim({ now, holds, jobs }, appOf(job.appId), job, looks.before(writer, job.appId, askedAt), told);
  }

  return {
    appOf,
    isStartable: (job: Job) => isStartable(job, now()),
    itemWritten,
    taskWritten,
    writeEnded,
    looked: looks.add,
    claimed,
    atTheEnd: () => {
      holds("a task has a slot as long as it runs", uneven.size === 0, () => [...uneven.keys()].join());
      for (const [appId, app] of apps) judgeEnd(app, appId, { holds, isCalm });
    },
  };
}

function lineWritten(line: App["line"], sk: string, to: Item | undefined, now: EpochMs): void {
  const id = sk.slice(sk.lastIndexOf("#") + 1);
  const place = line.get(id);
  if (to === undefined) line.delete(id);
  else line.set(id, { since: place?.since ?? now, calledAt: to["calledAt"] && (place?.calledAt ?? now) });
}

function judgeEnd({ holders, line }: App, appId: string, { holds, isCalm }: Pick<Options, "holds" | "isCalm">): void {
  const left = () => `${appId}: ${[...holders].join(", ")}`;
  holds("no slot is left taken", holders.size === 0, left);
  const waits = () => `${appId}: ${[...line.keys()].join(", ")}`;
  // A process that dies may leave the place in line of a task it has claimed; it expires.
  holds("nobody is left in the line", !isCalm || line.size === 0, waits);
}

/** When each process has read the line of an app. */
function createLooks(now: () => EpochMs) {
  const looks = new Map<Process, Map<string, EpochMs[]>>();
  return {
    add: (process: Process, appId: string): void => {
      const known = looks.get(process) ?? new Map<string, EpochMs[]>();
      looks.set(process, known.set(appId, [...(known.get(appId) ?? []), now()]));
    },
    /** The last look until a time. */
    before: (process: Process | undefined, appId: string, until: EpochMs): EpochMs | undefined =>
      process &&
      looks
        .get(process)
        ?.get(appId)
        ?.findLast((at) => at <= until + 1),
  };
}

/** `seenAt`: when the process that claims the task has read the line. */
function judgeClaim(
  { now, holds, jobs }: Judge & Pick<Options, "jobs">,
  { holders, line, limits }: App,
  job: Job,
  seenAt: EpochMs | undefined,
  told: () => string,
): void {
  const known = limits.filter((_, at) => (limits[at + 1]?.since ?? Infinity) > (seenAt ?? now()) - OLDEST_SETTINGS);
  const most = Math.max(...known.map((one) => one.most));
  const running = holders.has(job.id) ? holders.size : holders.size + 1;
  const many = () => `${told()}: ${running} of ${most} run`;
  holds("no more tasks of an app run at once than it has slots", running <= most, many);
  const isAhead = (other: Job) => other.id !== job.id && rankOf(other) < rankOf(job) && isStartable(other, now());
  // A slot for which a task was called is not for those that come into line later.
  const before = Math.min(seenAt ?? 0, line.get(job.id)?.calledAt ?? Infinity);
  const ahead = [...line].filter(([id, { since }]) => {
    const other = jobs.get(id);
    return other && since <= before && isAhead(other);
  });
  const whom = () => `${told()} passes ${ahead.map(([id]) => id).join(", ")}, while ${running} of ${most} run`;
  holds("no task passes another that has waited with a better rank", ahead.length + running <= most, whom);
}

function isStartable({ status, startAt }: Job, now: EpochMs): boolean {
  return (status === "PENDING" || status === "RETRYING") && startAt <= now;
}
