import type { RunningAttempt } from "../../../lib/executors/executor.ts";
import type { Process } from "../process.ts";
import { attemptName, type Known } from "./known.ts";
import type { Sent } from "./receivers.ts";
import { SKEW } from "./rule.ts";
import type { Outcome } from "../../../lib/job/attempt.ts";

// The rules of attempts, from their start to their end.

/** An attempt starts. `sent`: the request to its target; undefined for a task. */
export function started(known: Known, process: Process, attempt: RunningAttempt, sent?: Sent): void {
  const { jobId, number, message } = attempt;
  const name = attemptName(jobId, number);
  const told = () => `${jobId} attempt ${number} in ${process.name}`;
  const count = (known.starts.get(name) ?? 0) + 1;
  known.starts.set(name, count);
  // A job that is not stored is known by its message alone, which SQS deduplicates for five minutes.
  const most = number === 1 && !known.jobs.has(jobId) ? known.messages.timesOf(jobId) : 1;
  known.holds("one attempt number starts at most once", count <= most, told);
  const other = known.live.get(jobId);
  // A frozen process does not know that its lease is over.
  known.holds("no job has two live attempts", !other || (other.isFrozen && other.until <= known.now() + SKEW), told);
  const job = known.jobs.get(jobId);
  const isClaimed = job?.status === "RUNNING" && job.attempts === number;
  // In mode sqs the table does not hold the first attempt.
  const isFirst = number === 1 && known.messages.carries(jobId);
  known.holds(
    "an attempt starts of a job that is claimed for it",
    isClaimed || isFirst,
    () => `${told()}: ${job?.status}`,
  );
  if (job && number === 1 && job.lane !== undefined) known.lanes.started(job);
  const appId = job?.appId ?? known.messages.appOf(jobId);
  if (sent) {
    known.receivers.received(appId, jobId, sent, told);
    known.schedules.started(`${appId} ${sent.path}`, told);
    const isHastened = known.hastened.has(jobId);
    known.windows.started(`${appId} ${sent.path}`, { job: attempt.job, isHastened }, told);
  } else known.leases.started(attempt.job, told);
  const { baseUrl, jobType } = message.execution as unknown as { baseUrl?: string; jobType?: string };
  const place = `${job?.appId} ${baseUrl === undefined ? jobType : new URL(baseUrl).origin}`;
  if (known.areAwake && !job?.isUrgent) known.flow.mayStart(job?.appId, place, told);
  known.live.set(jobId, { process, place, until: job?.leaseUntil ?? Infinity, isFrozen: false });
  known.flow.hasRoom(place, known.live.values(), told);
}

/** An attempt is over; without an outcome if its executor threw. */
export function ran(
  known: Known,
  process: Process,
  { jobId, number }: RunningAttempt,
  outcome: Outcome | undefined,
): void {
  if (outcome) known.answers.set(attemptName(jobId, number), outcome);
  if (known.live.get(jobId)?.process === process) known.live.delete(jobId);
}

export function died(known: Known, process: Process): void {
  for (const [id, one] of known.live) if (one.process === process) known.live.delete(id);
}

export function frozen(known: Known, process: Process, ms: number): void {
  known.areAwake = false;
  known.schedules.frozen(process, ms);
  for (const one of known.live.values()) if (one.process === process) one.isFrozen = true;
}
