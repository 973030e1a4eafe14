import { MINUTE, iso, type EpochMs } from "../clock.ts";
import { ClientError, badRequest } from "../errors.ts";
import { missedTimes } from "../executors/due-runs.ts";
import type { ScheduleExecution } from "../executors/schedule-schema.ts";
import { firstRun, runAfter } from "../executors/schedule-times.ts";
import { isFinished, isPaused, isUnsettled, type EndedJob, type Job, type WaitingJob } from "../job/job.ts";
import type { Message } from "../job/message.ts";
import { askedRun, edit, skip, type Edit } from "../job/moves.ts";
import { stepsOf, withSkips, type Skip } from "../job/schedule.ts";
import { logged } from "../log.ts";
import { departure, handOver } from "../queue/hand-over.ts";
import type { Applied } from "../store/job-store.ts";
import type { EngineParts } from "./engine-parts.ts";
import { unfinishedLast } from "./firing.ts";
import { settle } from "./follow-ups.ts";
import { goOn } from "./follow-through.ts";
import { arrange, drop, runOf, sendTarget, tooManySchedules } from "./schedules.ts";

// What people change of a schedule, and the runs that they ask for. A change and a run that meet exclude each other:
// each is a write that holds only if the schedule is as it was read, and is made again on what it is by then.

/** A change of a schedule. What is left out stays as it is. */
export interface ScheduleChange {
  readonly message?: Message;
  /** Null ends a pause. */
  readonly pause?: { readonly reason?: string | undefined } | null;
  /** What becomes of the runs that a pause has missed, when it ends. Default: they are skipped. */
  readonly missed?: "skip" | "once" | "all";
}

/** The change that is wanted of a schedule as it stands; undefined for none. Throws what the person is to be told. */
export type Wanted = (
  schedule: Job,
  message: Message,
) => ScheduleChange | undefined | Promise<ScheduleChange | undefined>;

const MOST_TRIES = 5;
/** What the sweep has already sent is stale after an edit. */
const SENT_AHEAD = 2 * MINUTE;

/** Edits, pauses or resumes a schedule, or starts one that has ended anew. Undefined if there is none. */
export async function editSchedule(id: string, wanted: Wanted, parts: EngineParts): Promise<Job | undefined> {
  const { store, log } = parts;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const found = await store.whole(id);
    if (!found) return undefined;
    const { job, message } = found;
    const change = await wanted(job, message);
    if (!change) return job;
    if (isFinished(job) && isUnsettled(job)) {
      await settle(job, parts);
      continue;
    }
    const edited = await applyChange(job as WaitingJob | EndedJob, message, change, parts);
    if (!edited.won && edited.isFull) throw await tooManySchedules(job.appId, parts);
    if (!edited.won) continue;
    log("info", "schedule.edited", { ...logged(edited.job), status: edited.job.status });
    await keepArranged(edited.job, job, parts);
    return edited.job;
  }
  throw new ClientError("CONFLICT", "The schedule is changing too fast; try again");
}

async function applyChange(
  schedule: WaitingJob | EndedJob,
  message: Message,
  change: ScheduleChange,
  parts: EngineParts,
): Promise<Applied> {
  const { store, clock, retention } = parts;
  const now = clock.now();
  const editId = clock.operationId();
  const planned = planOf(schedule, message, change, now);
  if (planned === "over") {
    const skips = skipped(schedule, message.execution as ScheduleExecution, now).skips;
    const ended = await store.apply(schedule, skip(schedule as WaitingJob, { now, next: undefined, retention, skips }));
    await goOn(ended, parts);
    return ended;
  }
  const { startAt, recurring, pausedAt } = planned;
  const isSent = pausedAt === undefined && startAt - now <= (recurring ? SENT_AHEAD : 0);
  const scheduleArn = recurring ? undefined : parts.scheduler.arnOf(schedule.id);
  const move = edit(schedule, { ...planned, scheduleArn, editId }, now, isSent);
  const applied = await (change.message ? store.edit(schedule, move, change.message) : store.apply(schedule, move));
  // The write was made, and its reply was lost.
  const isOurs = !applied.won && applied.job?.editId === editId;
  const edited: Applied = isOurs && applied.job ? { won: true, job: applied.job } : applied;
  if (edited.won && isSent) await handOver([departure(edited.job)], parts);
  return edited;
}

type Planned = Omit<Edit, "editId" | "payload" | "scheduleArn">;

/** The schedule after a change; "over" if its pause has missed the last run. */
function planOf(
  schedule: WaitingJob | EndedJob,
  message: Message,
  change: ScheduleChange,
  now: EpochMs,
): Planned | "over" {
  const before = message.execution as ScheduleExecution;
  const execution = (change.message ?? message).execution as ScheduleExecution;
  const isAnew = isFinished(schedule);
  const pause = pauseOf(schedule, change, now);
  if (isAnew || !isSameTime(before, execution)) {
    const { startAt, recurring } = firstRun(execution, now);
    if (recurring) refuseWithoutRun(execution, isAnew ? 0 : (schedule.runs ?? 0), now);
    const skips = isAnew ? { skipped: undefined } : { skipped: schedule.skipped };
    return { ...pause, ...skips, startAt, recurring: recurring ? true : undefined, owedUntil: undefined };
  }
  const { recurring, startAt, owedUntil } = schedule;
  if (recurring && change.message) refuseWithoutRun(execution, schedule.runs ?? 0, now);
  const same = { ...pause, recurring, startAt, owedUntil, skipped: schedule.skipped };
  const isResumed = isPaused(schedule) && pause.pausedAt === undefined;
  if (!isResumed || startAt > now) return same;
  const { times, next, skips } = skipped(schedule, execution, now, change.missed);
  const counted = skips.length > 0 ? withSkips(schedule.skipped, skips) : schedule.skipped;
  const [first, last] = [times[0], times.at(-1)];
  if (first !== undefined) return { ...same, startAt: first, owedUntil: last, skipped: counted };
  return next === undefined ? "over" : { ...same, startAt: next, owedUntil: undefined, skipped: counted };
}

function pauseOf(schedule: Job, { pause }: ScheduleChange, now: EpochMs): Pick<Planned, "pausedAt" | "pauseReason"> {
  if (pause) return { pausedAt: isPaused(schedule) ? schedule.pausedAt : now, pauseReason: pause.reason };
  const isKept = pause === undefined && isPaused(schedule);
  return isKept
    ? { pausedAt: schedule.pausedAt, pauseReason: schedule.pauseReason }
    : { pausedAt: undefined, pauseReason: undefined };
}

/** The runs that a pause has missed: `times` are made up for. */
function skipped(
  { startAt }: Job,
  execution: ScheduleExecution,
  now: EpochMs,
  missed: ScheduleChange["missed"] = "skip",
): { times: readonly EpochMs[]; next: EpochMs | undefined; skips: readonly Skip[] } {
  const all = missedTimes(execution, startAt, now);
  const times = missed === "all" ? all.times : missed === "once" ? all.times.slice(-1) : [];
  const left = all.count - times.length;
  return { times, next: all.next, skips: left > 0 ? [{ at: startAt, reason: "paused", times: left }] : [] };
}

/** Whether the times of two schedules are the same. One that has the same times keeps its next run. */
function isSameTime(a: ScheduleExecution, b: ScheduleExecution): boolean {
  const fields = ["scheduledAt", "scheduleExpression", "scheduleExpressionTimezone", "startsAt"] as const;
  return fields.every((field) => a[field] === b[field]);
}

function refuseWithoutRun(execution: ScheduleExecution, runs: number, now: EpochMs): void {
  if (runAfter(execution, { after: now, anchor: now, runs }) !== undefined) return;
  const { maxRuns = Infinity, endsAt = "" } = execution;
  const [field, message] =
    runs >= maxRuns
      ? ["maxRuns", `leaves no run: the schedule has run ${runs} times; give more, or pause it`]
      : ["endsAt", `leaves no run: none is to come until ${endsAt}`];
  throw badRequest([{ field, message }]);
}

/** Has EventBridge fire what runs once, as it is by now: calls for two edits may overtake each other. */
async function keepArranged(edited: Job, before: Job, parts: EngineParts): Promise<void> {
  if (edited.recurring && before.scheduleArn === undefined) return;
  let schedule: Job | undefined = edited;
  for (let tries = 0; schedule && tries < MOST_TRIES; tries += 1) {
    const isWaiting = schedule.status === "PENDING" && !schedule.recurring && !isPaused(schedule);
    if (isWaiting && schedule.startAt > parts.clock.now()) await arrange(schedule, parts);
    else await drop({ ...schedule, scheduleArn: before.scheduleArn ?? edited.scheduleArn ?? "" }, parts);
    const now: Job | undefined = await parts.store.get(schedule.id);
    if (!now || stepsOf(now) === stepsOf(schedule)) return;
    schedule = now;
  }
}

/** `at`: the time that the run is for, by default now; it starts then. `key`: asked again, it is the same run. */
export interface AskedRun {
  readonly at?: EpochMs | undefined;
  readonly key?: string | undefined;
}

/**
 * Makes a run that a person asks for, whatever the expression says. Throws CONFLICT if the schedule has ended, or if the
 * last run is unfinished and runs must not overlap.
 */
export async function runSchedule(
  id: string,
  { at, key }: AskedRun,
  parts: EngineParts,
): Promise<{ readonly job: Job; readonly isNew: boolean } | undefined> {
  const { store, clock, log } = parts;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const found = await store.whole(id);
    if (!found) return undefined;
    const { job: schedule, message } = found;
    const execution = message.execution as ScheduleExecution;
    const name = key === undefined ? `asked ${(schedule.asked ?? 0) + 1}` : `asked by ${key}`;
    const startAt = at ?? clock.now();
    const suffix = at === undefined && key !== undefined ? key : iso(startAt);
    const target = await runOf(schedule, execution, { mode: "both", startAt, name, suffix }, parts);
    const isNamed = key !== undefined || target.idempotencyKey !== undefined;
    const there = isNamed && (await store.get(target.id));
    if (there) return { job: ofSchedule(there, schedule), isNew: false };
    if (isFinished(schedule))
      throw new ClientError("CONFLICT", `The schedule has ended (${schedule.status}); PUT it to start it anew`);
    const busy = await unfinishedLast(schedule, execution, parts);
    if (busy) throw overlapping(busy, execution);
    const now = clock.now();
    const asked = await store.createWith(target, schedule, askedRun(schedule as WaitingJob, target.id, now));
    if (!asked.won) continue;
    log("info", "schedule.run-asked", { ...logged(schedule), targetJobId: target.id });
    if (asked.created) await sendTarget(target, parts);
    if (asked.created) return { job: target, isNew: true };
    return { job: ofSchedule((await store.get(target.id)) ?? target, schedule), isNew: false };
  }
  throw new ClientError("CONFLICT", "The schedule is changing too fast; try again");
}

/** The job that has the key of a run. Throws CONFLICT for one that the schedule has not made: no run was. */
function ofSchedule(job: Job, schedule: Job): Job {
  if (job.parentJobId === schedule.id) return job;
  const message = `The key of this run, ${job.idempotencyKey}, belongs to job ${job.id}, which the schedule has not made: ask with another Idempotency-Key`;
  throw new ClientError("CONFLICT", message, [], { reason: "key_taken" });
}

function overlapping({ id, status, stopAs }: Job, { overlap }: ScheduleExecution): ClientError {
  const stops = stopAs === undefined ? "" : ", which is being cancelled";
  const message = `The job of the last run, ${id}, is ${status}${stops}, and overlap is ${overlap}: wait for its end, or cancel it`;
  return new ClientError("CONFLICT", message, [], { reason: "overlap" });
}
