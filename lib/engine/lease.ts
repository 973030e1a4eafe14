import { SECOND, type Clock, type EpochMs } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import type { JobStore } from "../store/job-store.ts";
import { LEASE_MARGIN_MS, TASK_LEASE_MS, asRunning, nextAttempt, type Progress, type RunningJob } from "../job/job.ts";
import { logged, type Log } from "../log.ts";
import { extend } from "../job/moves.ts";
import type { Lease } from "../executors/executor.ts";
import type { AttemptRef } from "../job/attempt.ts";

interface Parts {
  readonly clock: Clock;
  readonly store: Pick<JobStore, "apply">;
  readonly log: Log;
}

/** Service time that an attempt's lease lasts at first. */
export function leaseTime({ rank, timeoutMs }: AttemptRef, { clock }: Pick<Parts, "clock">): number {
  return clock.during(rank === undefined ? timeoutMs + LEASE_MARGIN_MS : TASK_LEASE_MS);
}

/** Also how soon a task learns that it is to stop. */
const HEARTBEAT_MS = 10 * SECOND;
const SHOWN_EVERY_MS = SECOND;
const RETRY_MS = SECOND;

/**
 * Extends the lease of a claimed job until it is released, or its signal has aborted: an attempt that does not
 * heed that loses it within a minute. A lease that is over is never taken up again.
 */
export function keepLease(claimed: RunningJob, { clock, store, log }: Parts): Lease {
  const ended = new AbortController();
  const released = new AbortController();
  const ref = { ...nextAttempt(claimed), attempt: claimed.attempts };
  let job = claimed;
  let shownAt = clock.realNow();
  let isToBeShown = false;
  let unsaid: { progress?: Progress; saved?: string } = {};
  // One write at a time: the later one knows more.
  let writing: Promise<void> = Promise.resolve();

  async function beat(): Promise<void> {
    const now = clock.now();
    const said = unsaid;
    unsaid = {};
    shownAt = clock.realNow();
    try {
      // By its name, so that the job is read back: somebody may have asked to stop it.
      const extended = await store.apply(ref, extend(job, now, now + clock.during(TASK_LEASE_MS), said));
      if (!extended.won) return end("The attempt has lost its lease");
      job = asRunning(extended.job);
      if (job.stopAs) end("The job is to stop");
    } catch (error) {
      unsaid = { ...said, ...unsaid };
      if (isOver(clock.now())) return end("The attempt could not extend its lease");
      throw error;
    }
  }

  async function write(): Promise<void> {
    const next = writing.then(beat);
    writing = next.catch(() => {});
    return next;
  }

  /** A call may take long, or never be answered: the attempt ends before its lease all the same. */
  async function watch(): Promise<void> {
    for (;;) {
      const left = clock.waitFor(job.leaseUntil - clock.now()) - RETRY_MS;
      if (left <= 0) return end("The attempt could not extend its lease");
      await clock.sleep(left, released.signal).catch(() => {});
      if (released.signal.aborted || ended.signal.aborted) return;
    }
  }

  function isOver(now: EpochMs): boolean {
    return job.leaseUntil <= now + clock.during(RETRY_MS);
  }

  function end(reason: string): void {
    if (!ended.signal.aborted) ended.abort(new Error(reason));
  }

  async function keep(): Promise<void> {
    let wait = HEARTBEAT_MS;
    while (!ended.signal.aborted) {
      await clock.sleep(wait, released.signal).catch(() => {});
      if (released.signal.aborted) return;
      wait = await write().then(
        () => HEARTBEAT_MS,
        (error: unknown) => {
          log("warn", "job.lease-not-extended", { ...logged(job), error: reasonOf(error) });
          return RETRY_MS;
        },
      );
    }
  }

  /** What comes too soon is shown together with what comes until then. */
  async function showAfter(ms: number): Promise<void> {
    isToBeShown = true;
    await clock.sleep(ms, released.signal).catch(() => {});
    isToBeShown = false;
    if (unsaid.progress && !released.signal.aborted && !ended.signal.aborted) await write().catch(() => {});
  }

  const late = clock.timeout(claimed.timeoutMs);
  late.addEventListener("abort", () => ended.abort(late.reason), { signal: released.signal });
  const keeping = keep();
  void watch();
  return {
    signal: ended.signal,
    progress: async (progress) => {
      unsaid = { ...unsaid, progress };
      const wait = SHOWN_EVERY_MS - (clock.realNow() - shownAt);
      if (wait <= 0) await write().catch(() => {});
      else if (!isToBeShown) void showAfter(wait);
    },
    save: async (saved) => {
      unsaid = { ...unsaid, saved };
      await write();
    },
    release: async () => {
      released.abort();
      await keeping;
      // What was said last is shown, whatever came of the attempt.
      if (unsaid.progress && !ended.signal.aborted) await write().catch(() => {});
      await writing;
      return job;
    },
  };
}
