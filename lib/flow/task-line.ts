import type { AppStore } from "../store/app-store.ts";
import { reasonOf } from "../errors.ts";
import type { JobStore } from "../store/job-store.ts";
import { CLOCK_SKEW, HEAD_START, isWaiting, rankOf, type Job } from "../job/job.ts";
import type { Log } from "../log.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import type { Queue } from "../queue/queue.ts";
import type { Call, Slots, TaskSlots } from "./line-store.ts";
import { MINUTE, type Clock, type EpochMs } from "../clock.ts";
import type { TaskRef } from "../job/attempt.ts";

interface Parts {
  readonly clock: Clock;
  readonly store: Pick<JobStore, "getMany" | "apply">;
  readonly apps: Pick<AppStore, "settingsOf">;
  readonly slots: TaskSlots;
  readonly log: Log;
  readonly queue: Pick<Queue, "sendAttempts">;
}

/** A task's place in the line of its app's tasks that wait for a slot. */
export interface Place {
  /** The app's slots less one for each task that waits before it; all of them if one is kept for it, as for those. */
  readonly left: number;
  readonly isNext: boolean;
  /** True for a task that has waited. It leaves the line when it starts. */
  readonly isInLine: boolean;
}

/** The most tasks that are read from the line and sent at once. */
const MOST_LOOKED_AT = 100;
/** A message takes seconds. Who is called last waits no longer for one that was lost. */
const KEPT_FOR = MINUTE;
/** The most tasks of a better rank that may come into line while a message is on its way to one that was called. */
const MOST_MEANWHILE = 50;

export type TaskLine = ReturnType<typeof createTaskLine>;

/** Decides which of an app's tasks may start as slots become free: the highest priority first, then the oldest. */
export function createTaskLine(parts: Parts) {
  const { clock, store, slots, queue, log } = parts;

  /** Puts a task in line. Call `callIfNext` afterwards: a slot may have become free meanwhile. */
  async function wait(job: Job): Promise<void> {
    await slots.enter(job.appId, rankOf(job));
  }

  /** Takes a task that has started or was stopped out of the line. If that fails, a later call does it. */
  async function leave(job: Job): Promise<void> {
    await slots.leave(job.appId, [rankOf(job)]).catch(noted(job.appId));
  }

  /**
   * Sends the tasks for which slots have become free to their queue, each of them once: ends at the same moment do not call
   * the same task. If that fails, the sweep sends them.
   */
  async function callNext(appId: string): Promise<void> {
    await call(appId).catch(noted(appId));
  }

  /**
   * Sends a task that has just come into line, if a slot is free for it: who gave that back may not have seen it there.
   * Those before it have been sent so themselves, and are not again: hundreds of tasks may come at once.
   */
  async function callIfNext(job: Job): Promise<void> {
    await call(job.appId, (other) => other.id === job.id).catch(noted(job.appId));
  }

  /**
   * Sends the waiting tasks for which slots are free and that were never called, and again those whose repeat is due by
   * `until`. Returns when to look at the line next: at once as long as one in it was never called, since whoever gives
   * back a slot may die before it calls one.
   */
  async function callDue(appId: string, until: EpochMs): Promise<EpochMs | undefined> {
    return callSome(appId, (_, called) => called === undefined || nextRepeat(called) <= until)
      .then((line) => nextLookAt(line, clock.now()))
      .catch(noted(appId));
  }

  async function call(appId: string, isMeant: (job: Job) => boolean = () => true): Promise<void> {
    await callSome(appId, (job, called) => called === undefined && isMeant(job));
  }

  /** Calls some of the tasks for which slots are free. */
  async function callSome(appId: string, isMeant: (job: Job, called: Call | undefined) => boolean) {
    const { jobs, ...line } = await nextOf(appId, parts);
    const asked = jobs.filter((job) => isMeant(job, line.calls.get(rankOf(job))));
    const isOurs = await Promise.all(
      asked.map(async (job) => slots.call(appId, rankOf(job), line.calls.get(rankOf(job)))),
    );
    await send(asked.filter((_, at) => isOurs[at]));
    return { ...line, asked };
  }

  async function send(jobs: readonly Job[]): Promise<void> {
    await handOver(jobs.map(departure), { queue, store, clock, log });
  }

  function noted(appId: string) {
    return (error: unknown): undefined => {
      log("warn", "tasks.not-called", { appId, error: reasonOf(error) });
      return undefined;
    };
  }

  return {
    placeOf: async (ref: TaskRef, of: number) => placeOf(ref, of, parts),
    wait,
    leave,
    callNext,
    callIfNext,
    callDue,
  };
}

/** A task is next when more slots are free than tasks wait before it. */
async function placeOf({ appId, rank }: TaskRef, of: number, parts: Parts): Promise<Place> {
  const line = await waitingIn(appId, Math.min(of + MOST_MEANWHILE, MOST_LOOKED_AT), parts);
  const now = parts.clock.now();
  const left = of - (tasksBefore(line, now, rank).get(rank) ?? 0);
  const isNext = line.taken < left;
  return { left: isOnItsWay(line.calls.get(rank), now) ? of : left, isNext, isInLine: line.first.includes(rank) };
}

/**
 * The tasks for which slots are free. A constant number of calls, however many tasks in line were stopped: the sweep goes
 * on where this ends.
 */
async function nextOf(
  appId: string,
  parts: Parts,
): Promise<Pick<Slots, "first" | "calls"> & { readonly jobs: readonly Job[] }> {
  const { maxConcurrentTasks: of, paused } = await parts.apps.settingsOf(appId);
  if (paused) return { jobs: [], first: [], calls: new Map() };
  const line = await waitingIn(appId, MOST_LOOKED_AT, parts);
  const free = Math.max(of - line.taken, 0);
  const before = tasksBefore(line, parts.clock.now());
  const ranks = line.first.toSorted((a, b) => (before.get(a) ?? 0) - (before.get(b) ?? 0));
  const found = await callable(appId, ranks.slice(0, free), parts);
  // Tasks that are gone make room for the next ones, but for those that have taken a slot since the look.
  const room = free - found.started;
  const isRoomLeft = found.jobs.length < Math.min(room, ranks.length);
  const others = isRoomLeft ? (await callable(appId, ranks.slice(free), parts)).jobs : [];
  return { jobs: [...found.jobs, ...others].slice(0, room), ...line };
}

/** The line without those that have a slot already: they would count twice. */
async function waitingIn(appId: string, limit: number, { slots }: Pick<Parts, "slots">): Promise<Slots> {
  const line = await slots.look(appId, limit);
  return { ...line, first: line.first.filter((rank) => !line.holders.has(idOf(rank))) };
}

/**
 * How many tasks get slots before each one in line, and before the one that asks: those of a better rank, and those that
 * were called before it came into line, whose messages are on their way. If it took the slot of one of these, that one would
 * have to be called again, for each that comes.
 */
function tasksBefore({ first, since, calls }: Slots, now: EpochMs, asking?: string): ReadonlyMap<string, number> {
  const ranks = asking === undefined || first.includes(asking) ? first : [...first, asking].toSorted();
  const before = new Map(ranks.map((rank, at) => [rank, at]));
  const add = (rank: string, by: number) => before.set(rank, (before.get(rank) ?? 0) + by);
  for (const [called, call] of calls) {
    if (!before.has(called) || !isOnItsWay(call, now)) continue;
    const later = ranks.filter((rank) => rank < called && (since.get(rank) ?? now) > call.lastAt + CLOCK_SKEW);
    for (const rank of later) add(rank, 1);
    add(called, -later.length);
  }
  return before;
}

/** Whether a slot is kept for a task that was called: as long as its message is on its way. */
function isOnItsWay(call: Call | undefined, now: EpochMs): boolean {
  return call !== undefined && now < call.lastAt + KEPT_FOR;
}

/**
 * The tasks that may start, and how many have started. These leave the line now, and so do those that were stopped: who did
 * it may have died before that.
 */
async function callable(appId: string, ranks: readonly string[], { clock, store, slots }: Parts) {
  if (ranks.length === 0) return { jobs: [], started: 0 };
  const soon = clock.now() + CLOCK_SKEW;
  const found = await store.getMany(ranks.map(idOf), { consistent: true });
  const jobs = found.filter((job) => isWaiting(job) && job.startAt <= soon);
  const there = new Set(jobs.map(rankOf));
  const gone = ranks.filter((rank) => !there.has(rank));
  if (gone.length > 0) await slots.leave(appId, gone);
  return { jobs, started: found.filter(({ status }) => status === "RUNNING").length };
}

/** A message that lies in its queue is repeated ever less often: 5, 10, 20, 40 … minutes after the first call. */
function nextRepeat({ at, lastAt }: Call): EpochMs {
  return lastAt + Math.max(HEAD_START, lastAt - at);
}

/** When the next of those in line is to be called, if those of `asked` were now. */
function nextLookAt(
  { asked, first, calls }: Pick<Slots, "first" | "calls"> & { readonly asked: readonly Job[] },
  now: EpochMs,
): EpochMs {
  const ranks = new Set(asked.map(rankOf));
  const next = first.map((rank) => {
    const called = ranks.has(rank) ? { at: now, lastAt: now } : calls.get(rank);
    return called ? nextRepeat(called) : now;
  });
  return Math.min(now + HEAD_START, ...next);
}

/** A rank ends with the job's id. */
function idOf(rank: string): string {
  return rank.slice(rank.lastIndexOf("#") + 1);
}
