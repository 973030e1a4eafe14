import { derivedUuid, iso, type EpochMs } from "../clock.ts";
import { Unavailable, reasonOf, type ClientError } from "../errors.ts";
import { delayInWindow } from "../executors/due-runs.ts";
import type { ScheduleExecution } from "../executors/schedule-schema.ts";
import {
  CLOCK_SKEW,
  HEAD_START,
  LONGEST_MESSAGE_DELAY,
  isPaused,
  nextRunOf,
  type Job,
  type WaitingJob,
} from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { becomeDue } from "../job/moves.ts";
import { logged } from "../log.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import type { OneOff } from "../queue/scheduler.ts";
import { overBudget } from "../store/budgets.ts";
import type { EngineParts } from "./engine-parts.ts";
import { newJob, termsOf } from "./new-job.ts";

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
  const target = await targetOf(schedule, message.execution as ScheduleExecution, "sqs", parts);
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
export async function targetOf(
  schedule: Job,
  execution: ScheduleExecution,
  mode: "both" | "sqs",
  parts: EngineParts,
  time = schedule.startAt,
): Promise<WaitingJob> {
  const delay = delayInWindow(execution, schedule.id, time);
  const name = String(nextRunOf(schedule).run);
  return runOf(schedule, execution, { mode, startAt: time + delay, name, suffix: iso(time) }, parts);
}

/** A run of a schedule. */
interface NamedRun {
  readonly mode: "both" | "sqs";
  readonly startAt: EpochMs;
  /** Names the job among the others of the schedule, if it has no key. */
  readonly name: string;
  /** Makes its key, if it has one, another one than those of the other runs. */
  readonly suffix: string;
}

/** The job of a run. */
export async function runOf(
  schedule: Job,
  { targetJob, overlap }: ScheduleExecution,
  { mode, startAt, name, suffix }: NamedRun,
  { clock }: EngineParts,
): Promise<WaitingJob> {
  const message = schedule.recurring ? keyedByRun(targetJob, suffix) : targetJob;
  const { appId, id: parentJobId, createdBy } = schedule;
  const now = clock.now();
  const isLater = startAt > now + CLOCK_SKEW;
  const request = { appId, mode, message, parentJobId, createdBy, ...(isLater && { startAt }) };
  // A schedule that nothing stores may be sent twice, with one key; it is known by its time.
  const made = mode === "sqs" ? `sent for ${schedule.startAt}` : String(schedule.createdAt);
  const id = derivedUuid(schedule.id, made, name);
  const target = newJob(request, await termsOf(request, now), now, id);
  if (mode === "sqs") return target;
  return { ...target, isRun: true, ...((overlap === "queue" || overlap === "replace") && { holds: true }) };
}

/** Sends the target of a run that starts soon. A later start is the sweep's. */
export async function sendTarget(target: WaitingJob, parts: EngineParts): Promise<void> {
  if (target.startAt - target.createdAt <= LONGEST_MESSAGE_DELAY) await handOver([departure(target)], parts);
}

/** Fires the run of a schedule that has waited for the end of this job. If that fails, the sweep does so later. */
export async function fireHeld(job: Job, parts: EngineParts): Promise<void> {
  const { store, clock, log } = parts;
  if (!job.holds || job.parentJobId === undefined) return;
  try {
    const schedule = await store.get(job.parentJobId);
    if (!schedule || !isHeld(schedule) || schedule.targetJobId !== job.id) return;
    const called = await store.apply(schedule, becomeDue(schedule, clock.now() + HEAD_START));
    if (called.won) await handOver([departure(called.job)], parts);
  } catch (error) {
    log("warn", "schedule.not-called", { ...logged(job), error: reasonOf(error) });
  }
}

/** Whether a due run waits. */
function isHeld(schedule: Job): boolean {
  return schedule.status === "PENDING" && !isPaused(schedule) && (schedule.owedUntil ?? 0) >= schedule.startAt;
}

/** A target that travelled in its schedule, as a job that is accepted now. */
export function begunTarget(target: WaitingJob, now: EpochMs): WaitingJob {
  return { ...target, createdAt: now, updatedAt: now, startAt: now, dueAt: now + HEAD_START };
}

function oneOff(schedule: Job, event: string): OneOff {
  const { id: jobId, createdAt, startAt: at, steps } = schedule;
  // An edited schedule is another one to EventBridge.
  const token = [jobId, createdAt, ...(steps === undefined ? [] : [steps])].join("-");
  return { jobId, token, at, event };
}

/** Each run of a recurring schedule is another job, so its key holds the time of the run. */
function keyedByRun(message: Message, run: string): Message {
  const { idempotencyKey, ...metadata } = message.metadata;
  if (idempotencyKey === undefined) return message;
  return { ...message, metadata: { ...metadata, idempotencyKey: `${idempotencyKey}@${run}` } };
}
