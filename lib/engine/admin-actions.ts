import type { Clock, EpochMs } from "../clock.ts";
import { ClientError } from "../errors.ts";
import type { Applied, JobStore } from "../store/job-store.ts";
import { isFinished, isSchedule, isUnsettled, type Job } from "../job/job.ts";
import { retry, retryOnce, stop, type Move } from "../job/moves.ts";
import { logged, type Log } from "../log.ts";
import type { StopStatus } from "../job/status.ts";

interface Parts {
  readonly clock: Clock;
  readonly store: JobStore;
  readonly log: Log;
  readonly retention: number;
  readonly handOver: (job: Job) => Promise<void>;
  /** Does what follows from a move; what can't be done now is left to the sweep. */
  readonly goOn: (moved: Applied) => Promise<void>;
  /** Does what a job's end has left to do. */
  readonly settleEnd: (job: Job) => Promise<void>;
  /** Takes an ended schedule out of EventBridge. */
  readonly drop: (schedule: Job) => Promise<void>;
}

/** What people do to a job. Each answers with the job as it is then; nothing if there is none. */
export function createAdminActions({ clock, store, log, retention, handOver, goOn, settleEnd, drop }: Parts) {
  /** Stops a job as far as it has come: a running attempt is let end. Throws CONFLICT when it has ended. */
  async function stopJob(id: string, as: StopStatus): Promise<Job | undefined> {
    const stopped = await move(id, (job) => {
      if (isFinished(job)) throw conflict(`Only an unfinished job can be stopped; this one is ${job.status}`);
      return stop(job, as, clock.now(), retention);
    });
    if (!stopped || !isFinished(stopped)) return stopped;
    await Promise.all([drop(stopped), goOn({ won: true, job: stopped })]);
    return stopped;
  }

  /** Tries a failed job again, with fresh retries. Throws CONFLICT when it has not failed. */
  async function retryJob(id: string): Promise<Job | undefined> {
    return restartJob(id, retry);
  }

  /** Tries it once more, as one of the retries that it has left. Throws CONFLICT when it has none. */
  async function retryJobOnce(id: string): Promise<Job | undefined> {
    return restartJob(id, (job, now) => {
      if (job.retryCount >= job.maxRetries) throw conflict(`All ${job.maxRetries} retries of the job are used up`);
      return retryOnce(job, now);
    });
  }

  async function restartJob(id: string, restart: (job: Job, now: EpochMs) => Move): Promise<Job | undefined> {
    const retried = await move(id, async (job) => {
      if (job.status !== "FAILED" && job.status !== "DEAD") {
        throw conflict(`Only a job that is FAILED or DEAD can be retried; this one is ${job.status}`);
      }
      if (job.quick) throw conflict("What a quick job was about is not kept: post it again");
      if (isUnsettled(job)) return settleEnd(job);
      const restarted = restart(job, clock.now());
      await store.keepParts(job);
      return restarted;
    });
    if (retried && !isSchedule(retried)) await handOver(retried);
    return retried;
  }

  /** Deletes a finished job with its attempts; its idempotency key is free again. Throws CONFLICT when unfinished. */
  async function deleteJob(id: string): Promise<Job | undefined> {
    let wanted: Job | undefined;
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const job = await store.get(id);
      // It is gone, by a try whose answer was lost or by somebody else; what has its key now is another.
      if (!job || (wanted && wanted.createdAt !== job.createdAt)) return wanted;
      wanted = job;
      if (!isFinished(job))
        throw conflict(`Only a finished job can be deleted; this one is ${job.status}. Cancel it first`);
      if (isUnsettled(job)) await settleEnd(job);
      else if (await store.remove(job)) return job;
    }
    throw tooFast();
  }

  /** Makes a move on a job as it stands; looks again when somebody else was faster, or when there is none yet. */
  async function move(id: string, make: (job: Job) => Move | Promise<Move | void>): Promise<Job | undefined> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const job = await store.get(id);
      if (!job) return undefined;
      const made = await make(job);
      const moved = made && (await store.apply(job, made));
      if (!moved?.won) continue;
      log("info", "job.moved", { ...logged(moved.job), status: moved.job.status });
      return moved.job;
    }
    throw tooFast();
  }

  return { stopJob, retryJob, retryJobOnce, deleteJob };
}

const MOST_TRIES = 5;

function conflict(message: string): ClientError {
  return new ClientError("CONFLICT", message);
}

function tooFast(): ClientError {
  return conflict("The job is changing too fast; try again");
}
