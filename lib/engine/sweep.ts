import { MINUTE, SECOND, type EpochMs, type TimeLeft } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { asGroup, nextLookAtGroup } from "../job/group-moves.ts";
import {
  isFinished,
  isLate,
  isPaused,
  isSchedule,
  nextLook,
  HEAD_START,
  type EndedJob,
  type Job,
  type RunningJob,
} from "../job/job.ts";
import { becomeDue, expire } from "../job/moves.ts";
import { NEVER } from "../job/schedule.ts";
import { logged } from "../log.ts";
import { handOver } from "../queue/hand-over.ts";
import type { Departure } from "../queue/queue.ts";
import { DUE_SHARDS } from "../store/job-keys.ts";
import { giveUp, makeWait } from "./backlog.ts";
import { lookAtBacklog } from "./backlog-look.ts";
import type { EngineParts } from "./engine-parts.ts";
import { goOn } from "./follow-through.ts";
import { settle } from "./follow-ups.ts";
import { dueWork, type BacklogShare, type DueWork, type Share } from "./due-work.ts";

// Due jobs are all that recovers from a lost message, a crashed worker or an outage of the queue.

export interface Swept {
  /** Jobs whose attempt was handed to the queue. */
  readonly sent: number;
  /** Attempts found lost. */
  readonly expired: number;
  /** Due jobs that were not looked at because time ran out, or that could not be written. */
  readonly left: number;
}

/** A part of a sweep, for the invocations that take over what one has no time for. */
export interface SweepPart {
  readonly shards?: readonly string[] | undefined;
}

/** `expired`: its attempt was lost; `left`: it stays as it is; `failed`: it could not be written. */
type Decision = Departure | "expired" | "left" | "failed";

/** The time that a sweep keeps to write and send the jobs that it has read. */
const RESERVE_MS = 10 * SECOND;
/** More would keep the table from those that accept and run jobs. */
const SHARES_AT_ONCE = 4;
/** What an invocation hands over in its time: more due jobs than this are divided. */
const LARGEST_PART = 5_000;
/** A flat fan-out: these invocations start no others. */
export const MOST_PARTS = 8;

/** Finds every job that needs attention, up to a minute ahead, and hands it on. Each app has the same share of it. */
export async function sweep(timeLeft: TimeLeft, parts: EngineParts, asked: SweepPart = {}): Promise<Swept> {
  const hasTime = () => timeLeft() >= RESERVE_MS;
  const shards = asked.shards ?? DUE_SHARDS;
  const now = parts.clock.now();
  const isWhole = asked.shards === undefined;
  const until = now + MINUTE;
  let work = await dueWork(shards, until, { hasTime, ...(isWhole && { enough: LARGEST_PART }) }, parts);
  const divided = async () => isWhole && divide(work.count(), parts);
  const isDivided = work.count() > LARGEST_PART && (await divided());
  if (isWhole && !isDivided && work.count() > LARGEST_PART) work = await dueWork(shards, until, { hasTime }, parts);
  const found = isDivided ? { ...NOTHING, apps: new Set<string>() } : await sweepAll(work, hasTime, parts);
  const { sent, expired, failed } = found;
  const left = work.count() + failed;
  // The backlogs that this sweep has begun are no longer its own.
  await Promise.allSettled(
    work.begun().map(async ({ from, ...ref }) => parts.backlogs.giveUpLook(ref, from.lookUntil)),
  );
  // Due jobs may be few, and yet take long.
  const isTakenOver = isDivided || (work.count() > 0 && (await divided()));
  const count = sent + expired;
  if (count + left > 0) parts.log(left > 0 ? "warn" : "info", "sweep.ended", { count, left });
  await parts.noteSweep?.({
    ...(isWhole && { oldestDueMs: Math.max(now - (work.oldest ?? now), 0) }),
    // What others have taken over is theirs to count.
    left: isTakenOver ? failed : left,
    lostAttempts: expired,
    destinationsShut: found.shut,
    pausedApps: found.apps.size,
    scheduleLateMs: found.lateMs,
  });
  return { sent, expired, left };
}

/** Starts an invocation for each part of the shards. False unless all were started: this one then does all itself. */
async function divide(count: number, { sweepMore, log }: EngineParts): Promise<boolean> {
  const number = Math.min(Math.ceil(count / LARGEST_PART), MOST_PARTS);
  const divided = Array.from({ length: number }, (_, part) => DUE_SHARDS.filter((__, at) => at % number === part));
  const started = await Promise.allSettled(divided.map(async (shards) => sweepMore({ shards })));
  const failed = started.filter(({ status }) => status === "rejected");
  if (failed.length > 0) log("warn", "sweep.not-divided", { count: failed.length });
  return failed.length === 0;
}

/** What came of a share. `paused`: the app of a backlog, if it is; `lateMs`: of the latest schedule in it. */
interface Found {
  readonly sent: number;
  readonly expired: number;
  readonly failed: number;
  readonly shut: number;
  readonly lateMs: number;
  readonly paused?: string;
}

const NOTHING: Found = { sent: 0, expired: 0, failed: 0, shut: 0, lateMs: 0 };

async function sweepAll(work: DueWork, hasTime: () => boolean, parts: EngineParts) {
  const swept = { ...NOTHING, apps: new Set<string>() };
  const sweeper = async () => {
    while (hasTime()) {
      const share = work.next();
      if (!share) return;
      const { paused, lateMs, ...counts } = await sweepShare(share, work, parts);
      for (const name of ["sent", "expired", "failed", "shut"] as const) swept[name] += counts[name];
      swept.lateMs = Math.max(swept.lateMs, lateMs);
      if (paused !== undefined) swept.apps.add(paused);
    }
  };
  const sweepers = await Promise.allSettled(Array.from({ length: SHARES_AT_ONCE }, sweeper));
  for (const ended of sweepers) if (ended.status === "rejected") throw ended.reason;
  return swept;
}

async function sweepShare(share: Share, work: DueWork, parts: EngineParts): Promise<Found> {
  if ("backlog" in share) return sweepBacklog(share, work, parts);
  const ids = share.jobs.map(({ id }) => id);
  const until = parts.clock.now() + MINUTE;
  const jobs = (await parts.store.getMany(ids, { consistent: true })).filter(
    ({ dueAt, backlog }) => dueAt !== undefined && dueAt <= until && backlog === undefined,
  );
  const decisions = await Promise.all(jobs.map(async (job) => sweepJob(job, parts)));
  const departures = decisions.filter((it) => typeof it === "object");
  // A run that waits for the end of the last is not late.
  const schedules = departures.filter(({ job }) => isSchedule(job) && job.startAt > (job.owedUntil ?? 0));
  const now = parts.clock.now();
  return {
    ...NOTHING,
    lateMs: Math.max(0, ...schedules.map(({ job }) => now - job.startAt)),
    sent: await handOver(departures, parts),
    expired: decisions.filter((it) => it === "expired").length,
    failed: decisions.filter((it) => it === "failed").length,
  };
}

/** Looks at a page of a backlog. The next page is a share of its own, so that other apps have their turn between. */
async function sweepBacklog(share: BacklogShare, work: DueWork, parts: EngineParts): Promise<Found> {
  const { appId, backlog, from } = share;
  try {
    const { sent, next, shut } = await lookAtBacklog({ appId, backlog }, from, parts);
    if (next) work.add({ ...share, from: next });
    return { ...NOTHING, sent, shut: shut === "destination" ? 1 : 0, ...(shut === "app" && { paused: appId }) };
  } catch (error) {
    parts.log("error", "sweep.backlog-failed", { appId, error: reasonOf(error) });
    return { ...NOTHING, failed: 1 };
  }
}

/** Decides on one due job; only one sweep wins it. A job that can't be written does not keep the others waiting. */
export async function sweepJob(job: Job, parts: EngineParts): Promise<Decision> {
  return decide(job, parts).catch((error: unknown) => {
    parts.log("error", "sweep.job-failed", { ...logged(job), error: reasonOf(error) });
    return "failed" as const;
  });
}

async function decide(job: Job, parts: EngineParts): Promise<Decision> {
  const { clock, store, flow } = parts;
  const now = clock.now();
  const dueAt = job.dueAt ?? now;
  if (isFinished(job)) {
    if (dueAt <= now) await settleLater(job, now, parts);
    return "left";
  }
  if (job.status === "RUNNING") {
    const { leaseUntil } = job;
    if (leaseUntil <= now) return (await expireAttempt(job, now, parts)) ? "expired" : "left";
    if (leaseUntil !== dueAt) await store.apply(job, becomeDue(job, leaseUntil));
    return "left";
  }
  if (isLate(job, now)) {
    await giveUp(job, parts);
    return "left";
  }
  if (isPaused(job)) {
    await store.apply(job, becomeDue(job, NEVER));
    return "left";
  }
  const wait = await flow.waitOf(job);
  if (wait) {
    await makeWait(job, wait, parts);
    return "left";
  }
  const notBefore = Math.max(job.startAt, dueAt);
  // A FIFO queue takes no delay per message, so a lane's job waits here until it may start.
  if (job.lane !== undefined && notBefore > now) return "left";
  const group = asGroup(job);
  const at = Math.max(now, dueAt);
  const moved = await store.apply(job, becomeDue(job, group ? nextLookAtGroup(group, at) : nextLook(job, at)));
  return moved.won ? { job: moved.job, notBefore } : "left";
}

/** Submits what an end owes. A failure is repeated after five minutes, not every minute. */
async function settleLater(job: EndedJob, now: EpochMs, parts: EngineParts): Promise<void> {
  try {
    await settle(job, parts);
  } catch (error) {
    await parts.store.apply(job, becomeDue(job, now + HEAD_START));
    throw error;
  }
}

async function expireAttempt(job: RunningJob, now: EpochMs, parts: EngineParts): Promise<boolean> {
  const { clock, store, log, retention } = parts;
  const expired = await store.apply(job, expire(job, { now, chance: clock.random(), retention }));
  if (expired.won) log("warn", "job.attempt-lost", logged(job));
  await goOn(expired, parts);
  return expired.won;
}
