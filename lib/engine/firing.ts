import { MINUTE, type EpochMs } from "../clock.ts";
import { ClientError } from "../errors.ts";
import { dueRun, type DueRun } from "../executors/due-runs.ts";
import type { ScheduleExecution } from "../executors/schedule-schema.ts";
import { atFirstUse } from "../job/at-first-use.ts";
import { CLOCK_SKEW, isFinished, isPaused, nextRunOf, type Job, type WaitingJob } from "../job/job.ts";
import { fire as firing, hold, skip } from "../job/moves.ts";
import { logged } from "../log.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import type { Firing } from "../queue/delivery.ts";
import type { Applied } from "../store/job-store.ts";
import { bringLater, goOn } from "./follow-through.ts";
import type { EngineParts } from "./engine-parts.ts";
import { begunTarget, sendTarget, targetOf } from "./schedules.ts";
import type { RunRef } from "../job/attempt.ts";

// For a run that replaces the last one.
const actions = atFirstUse(async () => import("./admin-actions.ts"));

type Fired = "fired" | "skipped";

/** A run that a person asks for changes the schedule, and the run that is due is then tried again. */
const MOST_TRIES = 5;

/**
 * Fires a schedule whose time has come. "skipped": it has been fired or has ended already, or comes again. EventBridge
 * keeps to the minute of a time, not to its second.
 */
export async function fire(delivery: Firing, parts: EngineParts): Promise<Fired> {
  if (delivery.kind === "firing") return fireRun(delivery.ref, parts);
  const { queue, clock } = parts;
  const now = clock.now();
  if (delivery.target.startAt > now + CLOCK_SKEW) {
    await queue.sendFiring(delivery.target);
    return "skipped";
  }
  await queue.sendCarried(begunTarget(delivery.target, now), delivery.receiveCount > 1);
  return "fired";
}

async function fireRun({ id, run }: RunRef, parts: EngineParts): Promise<Fired> {
  const { clock, store } = parts;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const found = await store.whole(id);
    const schedule = found?.job;
    if (!schedule || schedule.status !== "PENDING" || isPaused(schedule)) return "skipped";
    if (nextRunOf(schedule).run !== run) return "skipped";
    if (schedule.startAt > clock.now() + CLOCK_SKEW) {
      // Without a message for the rest of the time, only the sweep would fire it, minutes late.
      await bringLater(schedule, parts);
      return "skipped";
    }
    const fired = await fireDue(schedule, found.message.execution as ScheduleExecution, parts);
    if (fired) return fired;
  }
  return "skipped";
}

/** Makes a due run, leaves it out, or has it wait. Undefined if the schedule has changed in between. */
async function fireDue(
  schedule: WaitingJob,
  execution: ScheduleExecution,
  parts: EngineParts,
): Promise<Fired | undefined> {
  const { clock, store, log, retention } = parts;
  const now = clock.now();
  const due = dueRun(execution, schedule, now);
  const { time, next, skips } = due;
  if (time === undefined) return leaveOut(schedule, due, parts);
  const busy = await unfinishedLast(schedule, execution, parts);
  if (busy && execution.overlap === "skip") {
    return leaveOut(schedule, { ...due, skips: [...skips, { at: time, reason: "overlap", times: 1 }] }, parts);
  }
  if (busy) {
    const held = await store.apply(schedule, hold(schedule, now + nextLookAt(busy, now)));
    return held.won ? "skipped" : undefined;
  }
  const target = await targetOf(schedule, execution, "both", parts, time);
  const move = firing(schedule, { now, targetJobId: target.id, next, retention, skips });
  const fired = await store.createWith(target, schedule, move);
  if (!fired.won) return undefined;
  log("info", "schedule.fired", { ...logged(schedule), run: nextRunOf(schedule).run, targetJobId: target.id });
  if (fired.created) await sendTarget(target, parts);
  await afterStep(fired, parts);
  return "fired";
}

/** Leaves out the runs that `skips` tell. */
async function leaveOut(
  schedule: WaitingJob,
  { next, skips }: Pick<DueRun, "next" | "skips">,
  parts: EngineParts,
): Promise<Fired | undefined> {
  const { clock, store, log, retention } = parts;
  const skipped = await store.apply(schedule, skip(schedule, { now: clock.now(), next, retention, skips }));
  if (!skipped.won) return undefined;
  log("info", "schedule.skipped", { ...logged(schedule), run: nextRunOf(schedule).run });
  await afterStep(skipped, parts);
  return "skipped";
}

async function afterStep(stepped: Applied, parts: EngineParts): Promise<void> {
  const { job } = stepped;
  // One that is made up for follows at once.
  if (job?.status === "PENDING" && job.startAt <= parts.clock.now()) await handOver([departure(job)], parts);
  await goOn(stepped, parts);
}

/** The job of the last run, if a run has to mind it: it is unfinished. `replace` cancels it before. */
export async function unfinishedLast(
  schedule: Job,
  { overlap = "allow" }: ScheduleExecution,
  parts: EngineParts,
): Promise<Job | undefined> {
  const { targetJobId } = schedule;
  if (overlap === "allow" || targetJobId === undefined) return undefined;
  const last = await parts.store.get(targetJobId);
  if (!last || isFinished(last)) return undefined;
  if (overlap !== "replace" || last.stopAs !== undefined) return last;
  const { stopJob } = await actions();
  const stopped = await stopJob(last.id, "CANCELLED", parts).catch((error: unknown) => {
    // It has ended in between, or changes too fast.
    if (error instanceof ClientError) return parts.store.get(last.id);
    throw error;
  });
  return stopped && !isFinished(stopped) ? stopped : undefined;
}

/** In ms: the sweep looks less often the longer the last job takes. Its end calls the run that waits. */
function nextLookAt({ createdAt }: Job, now: EpochMs): number {
  return Math.min(Math.max((now - createdAt) / 4, MINUTE), 15 * MINUTE);
}
