import { runAfter, type ScheduleExecution } from "../executors/schedule.ts";
import { CLOCK_SKEW, nextRunOf } from "../job/job.ts";
import { fire as firing } from "../job/moves.ts";
import { logged } from "../log.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import type { Firing } from "../queue/message.ts";
import { bringLater, goOn } from "./follow-through.ts";
import type { EngineParts } from "./engine-parts.ts";
import { begunTarget, targetOf } from "./schedules.ts";
import type { RunRef } from "../job/attempt.ts";

/**
 * Fires a schedule whose time has come. "skipped": it has been fired or has ended already, or comes again. EventBridge
 * keeps to the minute of a time, not to its second.
 */
export async function fire(delivery: Firing, parts: EngineParts): Promise<"fired" | "skipped"> {
  if (delivery.kind === "run") return fireRun(delivery.ref, parts);
  const { queue, clock } = parts;
  const now = clock.now();
  if (delivery.target.startAt > now + CLOCK_SKEW) {
    await queue.sendFiring(delivery.target);
    return "skipped";
  }
  await queue.sendCarried(begunTarget(delivery.target, now));
  return "fired";
}

async function fireRun({ id, run }: RunRef, parts: EngineParts): Promise<"fired" | "skipped"> {
  const { clock, store, log, retention } = parts;
  const schedule = await store.get(id);
  const now = clock.now();
  if (!schedule || schedule.status !== "PENDING" || nextRunOf(schedule).run !== run) return "skipped";
  if (schedule.startAt > now + CLOCK_SKEW) {
    // Without a message for the rest of the time, only the sweep would fire it, minutes late.
    await bringLater(schedule, parts);
    return "skipped";
  }
  const execution = (await store.message(schedule)).execution as ScheduleExecution;
  const target = targetOf(schedule, execution, "both", parts);
  // One run makes up for all that were missed.
  const next = runAfter(execution, { after: Math.max(now, schedule.startAt), anchor: schedule.startAt, runs: run });
  const move = firing(schedule, { now, targetJobId: target.id, next, retention });
  const fired = await store.createWith(target, schedule, move);
  if (!fired.won) return "skipped";
  log("info", "schedule.fired", { ...logged(schedule), run, targetJobId: target.id });
  if (fired.created) await handOver([departure(target)], parts);
  await goOn(fired, parts);
  return "fired";
}
