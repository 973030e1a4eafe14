import { derivedUuid, iso, type Clock } from "../clock.ts";
import { Unavailable, reasonOf } from "../errors.ts";
import { runAfter, type ScheduleExecution } from "../executors/schedule.ts";
import type { Applied, JobStore } from "../store/job-store.ts";
import { CLOCK_SKEW, HEAD_START, nextRunOf, type Job, type RunRef } from "../job/job.ts";
import { becomeDue, fire } from "../job/moves.ts";
import { logged, type Log } from "../log.ts";
import { newJob } from "./new-job.ts";
import type { Queue } from "../queue/queue.ts";
import type { OneOff, Scheduler } from "../queue/scheduler.ts";
import type { Message } from "../job/message.ts";
import type { Firing } from "../queue/message.ts";

interface Parts {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly queue: Queue;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly retention: number;
  /** Sends a job that has just been stored. */
  readonly handOver: (job: Job) => Promise<void>;
  /** Does what follows from a move. */
  readonly goOn: (moved: Applied) => Promise<void>;
}

/**
 * Schedules: what runs once is EventBridge's to fire, what recurs or what EventBridge could not take is
 * the sweep's. Both fire the same run, and the run number lets one of them win.
 */
export function createSchedules({ clock, store, queue, scheduler, log, retention, handOver, goOn }: Parts) {
  /** Has a stored schedule fired by EventBridge. If it can't be, it is due at its time. */
  async function arrange(schedule: Job): Promise<void> {
    const wanted = oneOff(schedule, JSON.stringify({ fire: nextRunOf(schedule) }));
    try {
      // One that is there is what an earlier job with this id has left.
      if ((await scheduler.create(wanted)) === "other") await scheduler.replace(wanted);
    } catch (error) {
      log("warn", "schedule.not-created", { ...logged(schedule), error: reasonOf(error) });
      await store.apply(schedule, becomeDue(schedule, schedule.startAt)).catch((failure: unknown) => {
        // It is due anyway, after EventBridge's head start.
        log("warn", "schedule.not-due", { ...logged(schedule), error: reasonOf(failure) });
      });
    }
  }

  /** Gives EventBridge a schedule that nothing else stores (mode `sqs`). Throws `Unavailable` if it was not taken. */
  async function carry(schedule: Job, message: Message): Promise<void> {
    const event = await queue.firingOf(targetOf(schedule, message.execution as ScheduleExecution, "sqs"));
    // One that is there has the same idempotency key, and stands for this one.
    await scheduler.create(oneOff(schedule, event)).catch((error: unknown) => {
      throw error instanceof Unavailable ? error : new Unavailable("The scheduler", error);
    });
  }

  /** What EventBridge need not fire any more; a firing that comes all the same finds the schedule ended. */
  async function drop(schedule: Job): Promise<void> {
    if (schedule.scheduleArn === undefined) return;
    await scheduler.remove(schedule.id).catch((error: unknown) => {
      log("warn", "schedule.not-deleted", { ...logged(schedule), error: reasonOf(error) });
    });
  }

  /** A schedule's time has come. "skipped": it has been fired or ended already, or is early. */
  async function fireOnce(firing: Firing): Promise<"fired" | "skipped"> {
    if (firing.kind === "run") return fireRun(firing.ref);
    await queue.sendCarried(begun(firing.target));
    return "fired";
  }

  async function fireRun({ id, run }: RunRef): Promise<"fired" | "skipped"> {
    const schedule = await store.get(id);
    const now = clock.now();
    if (!schedule || schedule.status !== "PENDING" || nextRunOf(schedule).run !== run) return "skipped";
    if (schedule.startAt > now + CLOCK_SKEW) return "skipped";
    const execution = (await store.message(schedule)).execution as ScheduleExecution;
    const target = targetOf(schedule, execution, "both");
    // Runs that were missed are made up for by this one.
    const next = runAfter(execution, { after: Math.max(now, schedule.startAt), anchor: schedule.startAt, runs: run });
    const move = fire(schedule, { now, targetJobId: target.id, next, retention });
    const fired = await store.createWith(target, schedule, move);
    if (!fired.won) return "skipped";
    log("info", "schedule.fired", { ...logged(schedule), run, targetJobId: target.id });
    if (fired.created) await handOver(target);
    await goOn(fired);
    return "fired";
  }

  /** The job that the next run creates. Its id follows from its own key, else from the schedule and the run. */
  function targetOf(schedule: Job, { targetJob }: ScheduleExecution, mode: "both" | "sqs"): Job {
    const message = schedule.recurring ? keyedByRun(targetJob, iso(schedule.startAt)) : targetJob;
    const request = { appId: schedule.appId, mode, message, parentJobId: schedule.id };
    return newJob(
      request,
      clock.now(),
      derivedUuid(schedule.id, String(schedule.createdAt), String(nextRunOf(schedule).run)),
    );
  }

  /** A target that travelled in its schedule, as a job that is accepted now. */
  function begun(target: Job): Job {
    const now = clock.now();
    return { ...target, createdAt: now, updatedAt: now, startAt: now, dueAt: now + HEAD_START };
  }

  return { arrange, carry, drop, fire: fireOnce, begun };
}

function oneOff(schedule: Job, event: string): OneOff {
  return { jobId: schedule.id, token: `${schedule.id}-${schedule.createdAt}`, at: schedule.startAt, event };
}

/** Each run of a recurring schedule is another job, so its key holds the time of the run. */
function keyedByRun(message: Message, time: string): Message {
  const { idempotencyKey, ...metadata } = message.metadata;
  if (idempotencyKey === undefined) return message;
  return { ...message, metadata: { ...metadata, idempotencyKey: `${idempotencyKey}@${time}` } };
}
