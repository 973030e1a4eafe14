import { MINUTE, type EpochMs } from "../../../lib/clock.ts";
import { rankOf, type Job } from "../../../lib/job/job.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Process } from "../process.ts";
import type { Judge } from "./rule.ts";

// The slots of apps for their tasks: each task that runs has one, there are never more than the app has, and
// nobody gets one before those that have waited with a better rank.

interface Options extends Judge {
  readonly jobs: ReadonlyMap<string, Job>;
  /** Nothing goes wrong, so nothing is left behind. */
  readonly isCalm: boolean;
}

/** How an app's slots and line stand. */
export interface App {
  /** Ids of the tasks that have a slot, and of those that run. */
  holders: ReadonlySet<string>;
  readonly running: Set<string>;
  /** By id: since when it stands in the line. */
  readonly line: Map<string, EpochMs>;
  /** Its settings for the time from each change on, the latest last. */
  readonly limits: { readonly since: EpochMs; readonly most: number; readonly paused: boolean }[];
}

/** A process goes by what it read of the settings: ten seconds ago, and before it stood still. */
const OLDEST_SETTINGS = 4 * MINUTE;
const DEFAULT_SLOTS = 5;

export function createSlotRules({ now, holds, jobs, isCalm }: Options) {
  const apps = new Map<string, App>();
  /** Apps whose slots are not those of their running tasks, and since which write. */
  const uneven = new Map<string, number>();
  /** When each process has looked at the line of an app. */
  const looks = new Map<Process, Map<string, EpochMs[]>>();
  let writes = 0;

  function appOf(id: string): App {
    const known = apps.get(id);
    if (known) return known;
    const limits = [{ since: 0, most: DEFAULT_SLOTS, paused: false }];
    const app: App = { holders: new Set(), running: new Set(), line: new Map(), limits };
    apps.set(id, app);
    return app;
  }

  /** An item was written that belongs to an app and is no job. */
  function itemWritten(pk: string, sk: string, to: Item | undefined): void {
    const id = pk.slice(pk.indexOf("#") + 1);
    if (pk.startsWith("SLOTS#")) appOf(id).holders = new Set(to?.["holders"]?.SS);
    else if (pk.startsWith("WAIT#")) lineWritten(appOf(id).line, sk.slice(sk.lastIndexOf("#") + 1), to !== undefined);
    else if (pk.startsWith("APP#") && sk === "SETTINGS") settingsWritten(appOf(id), to);
    else return;
    compare(id);
  }

  function lineWritten(line: App["line"], id: string, isIn: boolean): void {
    if (!isIn) line.delete(id);
    else if (!line.has(id)) line.set(id, now());
  }

  function settingsWritten({ limits }: App, to: Item | undefined): void {
    const most = Number(to?.["maxConcurrentTasks"]?.N ?? DEFAULT_SLOTS);
    limits.push({ since: now(), most, paused: to?.["paused"]?.BOOL === true });
  }

  /** A task was written, or is gone. */
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

  /** A write is over: of one item, of which a transaction has two at once. */
  function writeEnded(): void {
    for (const [appId, since] of uneven) {
      const told = () => `${appOf(appId).running.size} run, ${appOf(appId).holders.size} have a slot`;
      holds("a task has a slot as long as it runs", since === writes, told);
    }
    writes += 1;
  }

  /** A process has read the line of an app. */
  function looked(process: Process, appId: string): void {
    const known = looks.get(process) ?? new Map<string, EpochMs[]>();
    looks.set(process, known.set(appId, [...(known.get(appId) ?? []), now()]));
  }

  /** A task is about to run: its claim was written, and its slot is written along with it. */
  function claimed(job: Job, writer: Process | undefined, told: () => string): void {
    const { holders, line, limits } = appOf(job.appId);
    const startedAt = job.startedAt ?? 0;
    const askedAt = writer ? startedAt - (writer.clock.now() - now()) : now();
    const seenAt = looks
      .get(writer as Process)
      ?.get(job.appId)
      ?.findLast((at) => at <= askedAt + 1);
    const known = limits.filter((_, at) => (limits[at + 1]?.since ?? Infinity) > (seenAt ?? now()) - OLDEST_SETTINGS);
    const most = Math.max(...known.map((one) => one.most));
    const running = holders.has(job.id) ? holders.size : holders.size + 1;
    const many = () => `${told()}: ${running} of ${most} run`;
    holds("no more tasks of an app run at once than it has slots", running <= most, many);
    const ahead = [...line].filter(([id, since]) => {
      const other = jobs.get(id);
      return other && other.id !== job.id && since <= (seenAt ?? 0) && isBefore(other, job) && isStartable(other);
    });
    const whom = () => `${told()} passes ${ahead.map(([id]) => id).join(", ")}, while ${running} of ${most} run`;
    holds("no task passes another that has waited with a better rank", ahead.length + running <= most, whom);
  }

  function isBefore(one: Job, other: Job): boolean {
    return rankOf(one) < rankOf(other);
  }

  function isStartable({ status, startAt }: Job): boolean {
    return (status === "PENDING" || status === "RETRYING") && startAt <= now();
  }

  function atTheEnd(): void {
    holds("a task has a slot as long as it runs", uneven.size === 0, () => [...uneven.keys()].join());
    for (const [appId, { holders, line }] of apps) {
      const left = () => `${appId}: ${[...holders].join(", ")}`;
      holds("no slot is left taken", holders.size === 0, left);
      const waits = () => `${appId}: ${[...line.keys()].join(", ")}`;
      // Whoever dies before it takes a task out of the line may leave it there; it expires.
      holds("nobody is left in the line", !isCalm || line.size === 0, waits);
    }
  }

  return { appOf, isStartable, itemWritten, taskWritten, writeEnded, looked, claimed, atTheEnd };
}
