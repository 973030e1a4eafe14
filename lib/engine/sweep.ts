import { MINUTE, SECOND, type EpochMs, type TimeLeft } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { waiting } from "../flow/wait.ts";
import { HEAD_START, isFinished, type EndedJob, type Job, type RunningJob } from "../job/job.ts";
import { becomeDue, expire } from "../job/moves.ts";
import { logged } from "../log.ts";
import { handOver } from "../queue/hand-over.ts";
import { LARGEST_SEND, type Departure } from "../queue/queue.ts";
import { DUE_SHARDS, type IndexEntry } from "../store/job-item.ts";
import { goOn } from "./follow-through.ts";
import { settleUp } from "./follow-ups.ts";
import type { EngineParts } from "./engine-parts.ts";

// Due jobs are all that recovers from a lost message, a crashed worker or an outage of the queue.

export interface Swept {
  /** Jobs whose attempt was handed to the queue. */
  readonly sent: number;
  /** Attempts found lost. */
  readonly expired: number;
  /** Due jobs that were not looked at because time ran out, or that could not be written. */
  readonly left: number;
}

/** `expired`: its attempt was lost; `left`: it stays as it is; `failed`: it could not be written. */
type Decision = Departure | "expired" | "left" | "failed";

/** The time that a sweep keeps to write and send the jobs that it has read. */
const RESERVE_MS = 10 * SECOND;
const PAGE = 100;
/** More would keep the table from those that accept and run jobs. */
const SHARDS_AT_ONCE = 4;

/** Finds every job that needs attention, up to a minute ahead, and hands it on. */
export async function sweep(timeLeft: TimeLeft, parts: EngineParts): Promise<Swept> {
  const until = parts.clock.now() + MINUTE;
  const shards = [...DUE_SHARDS];
  const swept = { sent: 0, expired: 0, left: 0 };
  const sweeper = async () => {
    for (let shard = shards.pop(); shard !== undefined; shard = shards.pop()) {
      const { sent, expired, left } = await sweepShard(shard, until, timeLeft, parts);
      swept.sent += sent;
      swept.expired += expired;
      swept.left += left;
    }
  };
  const sweepers = await Promise.allSettled(Array.from({ length: SHARDS_AT_ONCE }, sweeper));
  for (const ended of sweepers) if (ended.status === "rejected") throw ended.reason;
  const count = swept.sent + swept.expired;
  if (count + swept.left > 0) parts.log(swept.left > 0 ? "warn" : "info", "sweep.ended", { count, left: swept.left });
  return swept;
}

async function sweepShard(shard: string, until: EpochMs, timeLeft: TimeLeft, parts: EngineParts): Promise<Swept> {
  const { store } = parts;
  const swept = { sent: 0, expired: 0, left: 0 };
  let from: IndexEntry | undefined;
  for (;;) {
    if (timeLeft() < RESERVE_MS) return { ...swept, left: swept.left + (await store.countDue(shard, until, from)) };
    const page = await store.due(shard, until, PAGE, from);
    const ids = page.entries.map(({ id }) => id);
    const jobs = await store.getMany(ids, { consistent: true });
    const due = jobs.filter((job) => job.dueAt !== undefined && job.dueAt <= until);
    // A queue's batch at a time: all shards at once would be more calls than connections.
    for (let at = 0; at < due.length; at += LARGEST_SEND) {
      const decisions = await Promise.all(due.slice(at, at + LARGEST_SEND).map(async (job) => sweepJob(job, parts)));
      const departures = decisions.filter((it) => typeof it === "object");
      await handOver(departures, parts);
      swept.sent += departures.length;
      swept.expired += decisions.filter((it) => it === "expired").length;
      swept.left += decisions.filter((it) => it === "failed").length;
    }
    from = page.entries.at(-1);
    if (page.complete || !from) return swept;
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
  const wait = await flow.waitOf(job);
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

/** Submits what an end owes. A failure is repeated after five minutes, not every minute. */
async function settleLater(job: EndedJob, now: EpochMs, parts: EngineParts): Promise<void> {
  try {
    await settleUp(job, parts);
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
