import { derivedUuid, iso, type EpochMs } from "../clock.ts";
import { Unavailable, reasonOf, type ClientError } from "../errors.ts";
import type { ScheduleExecution } from "../executors/schedule.ts";
import { HEAD_START, nextRunOf, type Job, type WaitingJob } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { becomeDue } from "../job/moves.ts";
import { logged } from "../log.ts";
import type { OneOff } from "../queue/scheduler.ts";
import { overBudget } from "../store/budgets.ts";
import { newJob } from "./new-job.ts";
import type { EngineParts } from "./engine-parts.ts";

// Schedules: EventBridge fires those that run once, the sweep fires those that recur or that EventBridge did not
// take. Both fire the same run, and the run number lets one of them win.

/** Has EventBridge fire a stored schedule. A schedule that EventBridge does not take becomes due at its time. */
export async function arrange(schedule: Job, { scheduler, store, log }: EngineParts): Promise<void> {
  const wanted = oneOff(schedule, JSON.stringify({ fire: nextRunOf(schedule) }));
  try {
    // One that is there was left by an earlier job with this id.
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
export async function carry(schedule: Job, message: Message, parts: EngineParts): Promise<void> {
  const { queue, scheduler } = parts;
  const target = targetOf(schedule, message.execution as ScheduleExecution, "sqs", parts);
  const event = await queue.firingOf({ ...target, startAt: schedule.startAt });
  // One that is there has the same idempotency key, and stands for this one.
  await scheduler.create(oneOff(schedule, event)).catch((error: unknown) => {
    throw error instanceof Unavailable ? error : new Unavailable("The scheduler", error);
  });
}

/** Removes an ended schedule from EventBridge. A firing that comes all the same finds the schedule ended. */
export async function drop(schedule: Job, { scheduler, log }: EngineParts): Promise<void> {
  if (schedule.scheduleArn === undefined) return;
  await scheduler.remove(schedule.id).catch((error: unknown) => {
    log("warn", "schedule.not-deleted", { ...logged(schedule), error: reasonOf(error) });
  });
}

/** The refusal of a recurring schedule beyond those that the app may have. */
export async function tooManySchedules(appId: string, { apps }: EngineParts): Promise<ClientError> {
  const { recurringSchedules } = await apps.settingsOf(appId);
  return overBudget("recurringSchedules", recurringSchedules, "cancel a schedule that is not needed any more");
}

/** The job that the next run creates. Its id follows from its own key, else from the schedule and the run. */
export function targetOf(
  schedule: Job,
  { targetJob }: ScheduleExecution,
  mode: "both" | "sqs",
  { clock }: EngineParts,
): WaitingJob {
  const message = schedule.recurring ? keyedByRun(targetJob, iso(schedule.startAt)) : targetJob;
  const { appId, id: parentJobId, createdBy } = schedule;
  const request = { appId, mode, message, parentJobId, createdBy };
  const run = String(nextRunOf(schedule).run);
  return newJob(request, clock.now(), derivedUuid(schedule.id, String(schedule.createdAt), run));
}

/** A target that travelled in its schedule, as a job that is accepted now. */
export function begunTarget(target: WaitingJob, now: EpochMs): WaitingJob {
  return { ...target, createdAt: now, updatedAt: now, startAt: now, dueAt: now + HEAD_START };
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
