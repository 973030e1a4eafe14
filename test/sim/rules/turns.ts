import { MINUTE, SECOND, type EpochMs } from "../../../lib/clock.ts";
import { isTask, type Job } from "../../../lib/job/job.ts";
import type { Judge } from "./rule.ts";
import type { App } from "./slots.ts";

// How soon a waiting task gets a free slot, without faults: it is called at once when a slot is given back, and found
// by the sweep otherwise.

interface Options extends Judge {
  readonly jobs: ReadonlyMap<string, Job>;
  readonly appOf: (id: string) => App;
  readonly isStartable: (job: Job) => boolean;
  readonly startedAt: EpochMs;
  /** From when on there are no faults. */
  readonly quietFrom: EpochMs;
}

/** A message's way to its queue and out of it, and the claim. */
const CALLED_WITHIN = 10 * SECOND;
/** A task that was called is called again after five minutes, by a sweep that runs every minute. */
const FOUND_WITHIN = 8 * MINUTE;
/** Until all processes know of a change of settings. */
const KNOWN_AFTER = 30 * SECOND;

export function createTurnRules({ now, holds, jobs, appOf, isStartable, startedAt, quietFrom }: Options) {
  /** Since when an app has had a slot that was given back while tasks waited for it, and has started none. */
  const called = new Map<string, EpochMs>();
  // A job that was overdue while there were faults waits as long again.
  const foundWithin = FOUND_WITHIN + Math.max(0, quietFrom - startedAt);
  /** Since when an app has had a free slot for a waiting task, and has started none. */
  const idle = new Map<string, EpochMs>();

  /** An item that concerns the tasks of an app was written. */
  function changed(appId: string, what: "claimed" | "given back" | "else"): void {
    look(appId);
    if (what === "claimed" || !isFree(appId)) {
      idle.delete(appId);
      called.delete(appId);
    }
    if (!isFree(appId)) return;
    if (waiting(appId).length === 0) idle.delete(appId);
    else if (!idle.has(appId)) idle.set(appId, now());
    if (inLine(appId).length === 0) called.delete(appId);
    else if (what === "given back" && !called.has(appId) && now() >= quietFrom) called.set(appId, now());
  }

  /** Judges whether a task has waited for too long. */
  function look(appId: string): void {
    const began = Math.max(idle.get(appId) ?? now(), quietFrom);
    const calledAt = called.get(appId) ?? now();
    const told = () => `${appId}: ${waiting(appId).join(", ")}`;
    holds("a task that waits starts when there is a slot", now() - began <= foundWithin, told);
    holds("who waits is called when a slot is given back", now() - calledAt <= CALLED_WITHIN, told);
  }

  /** Whether there is certainly a free slot. A change of settings calls no task. */
  function isFree(appId: string): boolean {
    const { holders, limits } = appOf(appId);
    const last = limits.at(-1);
    return last !== undefined && !last.paused && last.since + KNOWN_AFTER <= now() && holders.size < last.most;
  }

  /** The tasks that could start. */
  function waiting(appId: string): string[] {
    const tasks = [...jobs.values()].filter(
      (job) => isTask(job) && !job.isUrgent && job.appId === appId && isStartable(job),
    );
    return tasks.map(({ id }) => id);
  }

  /** The waiting tasks that have a place in line. */
  function inLine(appId: string): string[] {
    const { line } = appOf(appId);
    return line.size === 0 ? [] : waiting(appId).filter((id) => line.has(id));
  }

  return {
    changed,
    /** Judges all apps with waiting tasks. */
    lookAtAll: () => {
      for (const appId of idle.keys()) look(appId);
    },
  };
}
