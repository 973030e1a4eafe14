import { MINUTE, SECOND, type Clock, type EpochMs, type TimeLeft } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { DUE_SHARDS, type IndexEntry } from "../store/job-item.ts";
import type { Applied, JobStore } from "../store/job-store.ts";
import { HEAD_START, isFinished, type Job } from "../job/job.ts";
import { logged, type Log } from "../log.ts";
import { becomeDue, expire } from "../job/moves.ts";
import { LARGEST_SEND, type Departure } from "../queue/queue.ts";
import { waiting, type Wait } from "../flow/wait.ts";

export interface Swept {
  /** Jobs whose attempt was handed to the queue. */
  readonly sent: number;
  /** Attempts found lost. */
  readonly expired: number;
  /** Due jobs not looked at because time ran out, or that could not be written. */
  readonly left: number;
}

interface Parts {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly log: Log;
  readonly retention: number;
  /** Why a due job is not to be handed to its queue yet. */
  readonly waitOf: (job: Job) => Promise<Wait | undefined>;
  readonly handOver: (departures: readonly Departure[]) => Promise<void>;
  /** Does what follows from a move. */
  readonly goOn: (moved: Applied) => Promise<void>;
  /** Does what a job's end has left to do. */
  readonly settleEnd: (job: Job) => Promise<void>;
}

/** All that recovers from a lost message, a crashed worker or an outage of the queue: jobs that are due. */
export function createSweep({ clock, store, log, retention, waitOf, handOver, goOn, settleEnd }: Parts) {
  /**
   * Finds every job that needs attention, up to a minute ahead, and hands it on: all that recovers
   * from a lost message, a crashed worker or an outage of the queue.
   */
  async function sweep(timeLeft: TimeLeft): Promise<Swept> {
    const until = clock.now() + MINUTE;
    const shards = [...DUE_SHARDS];
    const swept = { sent: 0, expired: 0, left: 0 };
    const sweeper = async () => {
      for (let shard = shards.pop(); shard !== undefined; shard = shards.pop()) {
        const { sent, expired, left } = await sweepShard(shard, until, timeLeft);
        swept.sent += sent;
        swept.expired += expired;
        swept.left += left;
      }
    };
    const sweepers = await Promise.allSettled(Array.from({ length: SHARDS_AT_ONCE }, sweeper));
    for (const ended of sweepers) if (ended.status === "rejected") throw ended.reason;
    const count = swept.sent + swept.expired;
    if (count + swept.left > 0) log(swept.left > 0 ? "warn" : "info", "sweep.ended", { count, left: swept.left });
    return swept;
  }

  async function sweepShard(shard: string, until: EpochMs, timeLeft: TimeLeft): Promise<Swept> {
    const swept = { sent: 0, expired: 0, left: 0 };
    let from: IndexEntry | undefined;
    for (;;) {
      if (timeLeft() < SWEEP_RESERVE_MS) {
        return { ...swept, left: swept.left + (await store.countDue(shard, until, from)) };
      }
      const page = await store.due(shard, until, SWEEP_PAGE, from);
      const jobs = await store.getMany(
        page.entries.map(({ id }) => id),
        { consistent: true },
      );
      const due = jobs.filter((job) => job.dueAt !== undefined && job.dueAt <= until);
      // A queue's batch at a time: all shards at once would be more calls than connections.
      for (let at = 0; at < due.length; at += LARGEST_SEND) {
        const handled = await Promise.all(due.slice(at, at + LARGEST_SEND).map(sweepJob));
        const departures = handled.filter((it) => typeof it === "object");
        await handOver(departures);
        swept.sent += departures.length;
        swept.expired += handled.filter((it) => it === "expired").length;
        swept.left += handled.filter((it) => it === "failed").length;
      }
      from = page.entries.at(-1);
      if (page.complete || !from) return swept;
    }
  }

  /** One job that can't be written must not keep the others of its shard waiting. */
  async function sweepJob(job: Job): Promise<Departure | "expired" | "left" | "failed"> {
    return decide(job).catch((error: unknown) => {
      log("error", "sweep.job-failed", { ...logged(job), error: reasonOf(error) });
      return "failed" as const;
    });
  }

  /** Decides on one due job as it stands. Sending comes after the write, which only one sweep wins. */
  async function decide(job: Job): Promise<Departure | "expired" | "left"> {
    const now = clock.now();
    const dueAt = job.dueAt ?? now;
    if (isFinished(job)) {
      if (dueAt <= now) await settleLater(job, now);
      return "left";
    }
    if (job.status === "RUNNING") {
      const leaseUntil = job.leaseUntil ?? now;
      if (leaseUntil <= now) return (await expireAttempt(job, now)) ? "expired" : "left";
      if (leaseUntil !== dueAt) await store.apply(job, becomeDue(job, leaseUntil));
      return "left";
    }
    const wait = await waitOf(job);
    if (wait) {
      await store.apply(job, waiting(job, wait, now));
      return "left";
    }
    const notBefore = Math.max(job.startAt, dueAt);
    // A FIFO queue takes no delay per message, so a lane's job waits here until it may start.
    if (job.lane !== undefined && notBefore > now) return "left";
    const overdue = Math.max(now - dueAt, 0);
    const moved = await store.apply(job, becomeDue(job, Math.max(now, dueAt) + Math.max(HEAD_START, overdue)));
    return moved.won ? { job: moved.job, notBefore } : "left";
  }

  /** What can't be submitted is tried again less often than every minute. */
  async function settleLater(job: Job, now: EpochMs): Promise<void> {
    try {
      await settleEnd(job);
    } catch (error) {
      await store.apply(job, becomeDue(job, now + HEAD_START));
      throw error;
    }
  }

  async function expireAttempt(job: Job, now: EpochMs): Promise<boolean> {
    const expired = await store.apply(job, expire(job, { now, chance: clock.random(), retention }));
    if (expired.won) log("warn", "job.attempt-lost", logged(job));
    await goOn(expired);
    return expired.won;
  }

  return { sweep, sweepJob };
}

/** How much time a sweep leaves itself to write down and send what it has read. */
const SWEEP_RESERVE_MS = 10 * SECOND;
const SWEEP_PAGE = 100;
/** More would keep the table from those that accept and run jobs. */
const SHARDS_AT_ONCE = 4;
