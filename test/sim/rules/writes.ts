import { unmarshall } from "@aws-sdk/util-dynamodb";
import { SECOND } from "../../../lib/clock.ts";
import { isFinished, isSchedule, isTask, isWaiting, owedAt, type Job } from "../../../lib/job/job.ts";
import { LOST } from "../../../lib/job/attempt.ts";
import { jobOf } from "../../../lib/store/job-item.ts";
import type { PersonDoes } from "../action.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Process } from "../process.ts";
import { attemptName, type Known } from "./known.ts";
import { SKEW } from "./rule.ts";

// The rules of every write of a job: its moves between statuses, its attempt numbers, its owner.

/** An item was written, or deleted. */
export function written(known: Known, from: Item | undefined, to: Item | undefined, writer: Process | undefined): void {
  itemWritten(known, from, to, writer);
  known.slots.writeEnded();
}

function itemWritten(known: Known, from: Item | undefined, to: Item | undefined, writer: Process | undefined): void {
  const item = to ?? from;
  const sk = item?.["sk"]?.S ?? "";
  const pk = item?.["pk"]?.S ?? "";
  if (sk.startsWith("DEST#") && to) {
    return known.flow.circuitWritten(`${pk.slice("APP#".length)} ${sk.slice("DEST#".length)}`, to);
  }
  if (pk.startsWith("J#") && sk !== "J" && !to) return known.expiry.partRemoved(pk.slice("J#".length), sk);
  if (pk.startsWith("BUDGET#") && to) return known.schedules.counted(pk.slice("BUDGET#".length), Number(to["used"]?.N));
  if (sk !== "J") return known.slots.itemWritten(pk, sk, to);
  const last = from && jobOf(unmarshall(from));
  const job = to && jobOf(unmarshall(to));
  if (last && (!job || last.createdAt !== job.createdAt)) removed(known, last);
  if (!job) return;
  const old = last?.createdAt === job.createdAt ? last : undefined;
  known.jobs.set(job.id, job);
  const told = () => `${job.id} ${old?.status ?? "nothing"} → ${job.status}, attempt ${job.attempts}`;
  known.trace(`job ${told()}`);
  if (isTask(job)) taskWritten(known, old, job, writer, told);
  known.holds("an unfinished job is always due", isFinished(job) || job.dueAt !== undefined, told);
  known.holds("retries never exceed what is allowed", job.retryCount <= job.maxRetries, told);
  known.expiry.written(job, told);
  known.groups.written(old, job, told);
  if (!old && job.lastError === LOST.error) known.uncertain.add(job.id);
  if (!old) return created(known, job);
  known.holds("a job stays its app's own", old.appId === job.appId, told);
  if (isFinished(old) && old.status !== job.status) reopened(known, old, job, told);
  if (old.attempts !== job.attempts) claimed(known, old, job, writer, told);
  if (old.status === "RUNNING" && job.status !== "RUNNING") left(known, old, job, writer, told);
  if (!isFinished(old) && isFinished(job)) ended(known, job, told);
  if (isWaiting(old) && isFinished(job)) known.windows.ended(job, told);
  if (isSchedule(job)) known.schedules.written(old, job, writer, told);
  if (isSchedule(job)) known.scheduleEdits.written(old, job, told);
  else if (isSooner(known, old, job)) hastened(known, job, told);
  const isPostponed = old.status === job.status && old.dueAt !== job.dueAt && old.startAt === job.startAt;
  if (job.lane !== undefined && isPostponed)
    known.lanes.postponed(job, writer?.name.startsWith("process-jobs") === true);
  if (isStopped(old, job)) {
    const isByGroup = job.memberOf && known.jobs.get(job.memberOf.id)?.fanIn?.cancels !== undefined;
    const isReplaced = job.isRun && known.scheduleEdits.replaces(job.parentJobId);
    // A schedule whose last run was left out has ended by itself.
    const isOver = isSchedule(job) && job.steps !== old.steps;
    const isWanted = wasAsked(known, job, "cancel", "deadletter") || isReplaced || isOver || isByGroup === true;
    known.holds("a job is stopped by a person of its app", isWanted, told);
  }
  const inGeneration = job.attempts - (known.before.get(job.id) ?? 0);
  // Of the first attempt of a carried job that was received again, nothing is known: one more is allowed.
  const retries = Math.max(job.maxRetries, known.uncertain.has(job.id) ? 1 : 0);
  known.holds("no generation has more attempts than retries and one", inGeneration <= retries + 1, told);
}

function taskWritten(
  known: Known,
  old: Job | undefined,
  job: Job,
  writer: Process | undefined,
  told: () => string,
): void {
  const [wasRunning, isRunning] = [old?.status === "RUNNING", job.status === "RUNNING"];
  if (isRunning && !wasRunning && !job.isUrgent) known.slots.claimed(job, writer, told);
  if (old && isRunning && wasRunning) {
    known.leases.extended(old, job, told);
    const one = known.live.get(job.id);
    if (one) one.until = job.leaseUntil ?? 0;
  }
  // Urgent tasks have slots of their own.
  if (job.isUrgent) return;
  known.slots.taskWritten(job.id, job.appId, isRunning);
  known.turns.changed(job.appId, isRunning ? (wasRunning ? "else" : "claimed") : wasRunning ? "given back" : "else");
}

function removed(known: Known, job: Job): void {
  const mayGo = known.expiry.hasExpired(job) || (isFinished(job) && wasAsked(known, job, "delete"));
  known.holds("a job goes when it has expired, or is finished and deleted by a person", mayGo, () => job.id);
  known.groups.removed(job, () => job.id);
  known.asked.get(job.id)?.delete("delete");
  known.jobs.delete(job.id);
  known.deleted.add(job.id);
  for (const byAttempt of [known.starts, known.answers]) {
    for (const name of byAttempt.keys()) if (name.startsWith(job.id)) byAttempt.delete(name);
  }
  known.before.delete(job.id);
  known.owners.delete(job.id);
  known.leases.removed(job.id);
}

function created(known: Known, job: Job): void {
  known.everStored.add(job.id);
  known.groups.created(job);
  known.deleted.delete(job.id);
  const told = () => `${job.id} created ${job.status}`;
  known.holds("nothing is created as succeeded", job.status !== "SUCCEEDED", told);
  if (isFinished(job)) ended(known, job, told);
  const { parentJobId } = job;
  // The target of a schedule that is only sent has a parent that nothing stores.
  if (parentJobId !== undefined && !known.messages.carries(job.id)) {
    known.made.set(parentJobId, [...(known.made.get(parentJobId) ?? []), job.id]);
  }
  if (job.idempotencyKey !== undefined) keyed(known, job.appId, job.idempotencyKey, job.id);
}

/** A key of an app is a job's. */
export function keyed(known: Known, appId: string, key: string, id: string): void {
  const name = `${appId} ${key}`;
  known.holds("one key is one job", (known.keys.get(name) ?? id) === id, () => `${id} has the key ${key} of ${appId}`);
  known.keys.set(name, id);
}

function wasAsked(known: Known, { id }: Job, ...does: readonly PersonDoes[]): boolean {
  return does.some((one) => known.asked.get(id)?.has(one));
}

function reopened(known: Known, old: Job, job: Job, told: () => string): void {
  const hasFailed = old.status === "FAILED" || old.status === "DEAD";
  const isOnceMore = job.retryCount > 0;
  const does = isOnceMore ? "retry once" : "retry";
  if (isSchedule(job) && job.edits !== old.edits && known.scheduleEdits.isPut(job.id)) return;
  const isRetry = job.status === "PENDING" && hasFailed && wasAsked(known, job, does);
  known.holds("a finished job changes by a person's retry alone", isRetry, told);
  known.asked.get(job.id)?.delete(does);
  if (!isOnceMore) known.before.set(job.id, job.attempts);
}

/** By how much the same attempt is to start sooner, in ms. */
function putForward(old: Job, job: Job): number {
  const isSame = old.attempts === job.attempts && old.status === job.status && !isFinished(job);
  return isSame ? old.startAt - job.startAt : 0;
}

/** A turn at a destination may come a moment before the job's own time, and so may a person's retry. */
function isSooner(known: Known, old: Job, job: Job): boolean {
  const by = putForward(old, job);
  // Two deliveries of a message may each take a turn at once: the job has the one that was written last.
  const isOtherTurn = old.turn !== undefined && job.turn?.at === job.startAt;
  if (isOtherTurn) return false;
  return by > SECOND + SKEW || (by > 0 && wasAsked(known, job, "retry"));
}

function hastened(known: Known, job: Job, told: () => string): void {
  known.holds("an attempt is put forward by a person's retry alone", wasAsked(known, job, "retry"), told);
  known.asked.get(job.id)?.delete("retry");
  known.hastened.add(job.id);
}

function claimed(known: Known, old: Job, job: Job, writer: Process | undefined, told: () => string): void {
  const isClaim = job.attempts === old.attempts + 1 && job.status === "RUNNING" && old.status !== "RUNNING";
  known.holds("attempts are numbered one after another, each by a claim", isClaim && !isFinished(old), told);
  known.holds(
    "nothing runs early",
    old.startAt <= known.now() + SECOND + SKEW,
    () => `${told()}, due at ${old.startAt - known.now()} ms`,
  );
  if (writer) known.owners.set(job.id, writer);
}

function left(known: Known, old: Job, job: Job, writer: Process | undefined, told: () => string): void {
  const isOver = (old.leaseUntil ?? 0) <= known.now() + SKEW;
  known.holds(
    "whoever ends an attempt holds it, or its lease is over",
    known.owners.get(job.id) === writer || isOver,
    told,
  );
  const isAsWished = job.status === old.stopAs || job.status === "SUCCEEDED";
  if (old.stopAs) known.holds("a person's wish to stop a job is followed", isAsWished, told);
  const name = attemptName(job.id, job.attempts);
  if (job.status === "SUCCEEDED") {
    known.holds("a job succeeds by its executor's success", known.answers.get(name)?.kind === "succeeded", told);
  } else if (known.owners.get(job.id) === writer) {
    // The target may know of an answer that was lost on its way to the service.
    known.holds(
      "a success is never written down as a failure",
      known.answers.get(name)?.kind !== "succeeded" || isOver,
      told,
    );
  }
}

function ended(known: Known, job: Job, told: () => string): void {
  const owes = owedAt(job, job.status);
  known.owed.set(job.id, (known.owed.get(job.id) ?? 0) + owes.length);
  known.holds("what an ended job owes keeps it due", owes.length === 0 || job.dueAt !== undefined, told);
}

/** Whether a waiting job is stopped, or a running one is marked to stop when its attempt ends. */
function isStopped(old: Job, job: Job): boolean {
  const isEnded = job.status === "CANCELLED" || job.status === "DEAD";
  return isEnded ? old.status === "PENDING" || old.status === "RETRYING" : job.stopAs !== old.stopAs;
}
