import { atFirstUse } from "../job/at-first-use.ts";
import { isGroup } from "../job/group.ts";
import { isSchedule, isSentNow, type Job } from "../job/job.ts";
import type { NewJob } from "../job/accept.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import { newJob, termsOf } from "./new-job.ts";
import type { EngineParts } from "./engine-parts.ts";

// What finds the times of schedules is loaded with the first of them.
const schedules = atFirstUse(async () => import("./schedules.ts"));

/** `replayed`: a job with this idempotency key is there already; `sent`: nothing is stored (mode `sqs`). */
export interface Submitted {
  readonly kind: "created" | "replayed" | "sent";
  readonly job: Job;
}

/** Accepts a job once. Throws `Unavailable` when it is unknown whether it was, and FORBIDDEN for a schedule too many. */
export async function submit(request: NewJob, parts: EngineParts, freshId = parts.clock.uuid()): Promise<Submitted> {
  const { clock, store, queue, scheduler } = parts;
  const now = clock.now();
  const job = newJob(request, await termsOf(request, now), now, freshId);
  if (request.mode === "sqs") {
    await (isSchedule(job) ? (await schedules()).carry(job, request.message, parts) : queue.sendCarried(job));
    return { kind: "sent", job };
  }
  const scheduleArn = isSchedule(job) && !job.recurring && scheduler.arnOf(job.id);
  const created = await store.create(scheduleArn ? { ...job, scheduleArn } : job);
  if (!created.won && created.isFull) throw await (await schedules()).tooManySchedules(job.appId, parts);
  if (!created.won) return { kind: "replayed", job: created.job };
  if (request.pause) return { kind: "created", job: created.job };
  if (scheduleArn) await (await schedules()).arrange(created.job, parts);
  else if (isAtWork(created.job, request)) await handOver([departure(created.job)], parts);
  return { kind: "created", job: created.job };
}

/** Whether something is to be done about the job by a message. A group without members is to end at once. */
function isAtWork(job: Job, { mode }: NewJob): boolean {
  if (isGroup(job)) return job.fanIn?.expected === 0;
  return mode === "both" && !isSchedule(job) && isSentNow(job, job.startAt - job.createdAt);
}
