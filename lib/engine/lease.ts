import { SECOND, type Clock } from "../clock.ts";
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

/** The longest time until a task learns that its job was stopped. */
const HEARTBEAT_MS = 10 * SECOND;
const SHOWN_EVERY_MS = SECOND;
const RETRY_MS = SECOND;
const NOT_EXTENDED = "The attempt could not extend its lease";

/** What an attempt says of itself, to be written with the next heartbeat. */
interface Said {
  readonly progress?: Progress;
  readonly saved?: string;
}

/**
 * Extends the lease of a claimed job until it is released or its signal aborts. An attempt that ignores its signal
 * loses the lease within a minute. A lease that is over is never extended.
 */
export function keepLease(claimed: RunningJob, parts: Parts): Lease {
  const { clock } = parts;
  const ended = new AbortController();
  const released = new AbortController();
  const heartbeat = createHeartbeat(claimed, ended, parts);
  const isOff = () => released.signal.aborted || ended.signal.aborted;
  let isShowing = false;

  /** Progress that comes too soon is shown later, together with what has come by then. */
  async function showAfter(ms: number): Promise<void> {
    isShowing = true;
    await clock.sleep(ms, released.signal).catch(() => {});
    isShowing = false;
    if (heartbeat.hasProgress() && !isOff()) await heartbeat.write().catch(() => {});
  }

  const late = clock.timeout(claimed.timeoutMs);
  late.addEventListener("abort", () => ended.abort(late.reason), { signal: released.signal });
  const keeping = keepBeating(heartbeat, released.signal, ended.signal, parts);
  void watch(heartbeat, released.signal, isOff, parts);
  return {
    signal: ended.signal,
    progress: async (progress) => {
      heartbeat.say({ progress });
      const wait = SHOWN_EVERY_MS - (clock.realNow() - heartbeat.writtenAt());
      if (wait <= 0) await heartbeat.write().catch(() => {});
      else if (!isShowing) void showAfter(wait);
    },
    save: async (saved) => {
      heartbeat.say({ saved });
      await heartbeat.write();
    },
    release: async () => {
      released.abort();
      await keeping;
      // The last progress is shown, whatever the outcome of the attempt.
      if (heartbeat.hasProgress() && !ended.signal.aborted) await heartbeat.write().catch(() => {});
      await heartbeat.written();
      return heartbeat.job();
    },
  };
}

type Heartbeat = ReturnType<typeof createHeartbeat>;

/** The writes that extend a lease, one at a time, since each knows more than the one before. */
function createHeartbeat(claimed: RunningJob, ended: AbortController, { clock, store }: Omit<Parts, "log">) {
  const ref = { ...nextAttempt(claimed), attempt: claimed.attempts };
  let job = claimed;
  let writtenAt = clock.realNow();
  let unsaid: Said = {};
  let writing: Promise<void> = Promise.resolve();

  async function beat(): Promise<void> {
    const now = clock.now();
    const said = unsaid;
    unsaid = {};
    writtenAt = clock.realNow();
    try {
      // The reference has the job read back: somebody may have asked to stop it.
      const extended = await store.apply(ref, extend(job, now, now + clock.during(TASK_LEASE_MS), said));
      if (!extended.won) return end("The attempt has lost its lease");
      job = asRunning(extended.job);
      if (job.stopAs) end("The job is to stop");
    } catch (error) {
      unsaid = { ...said, ...unsaid };
      if (job.leaseUntil <= clock.now() + clock.during(RETRY_MS)) return end(NOT_EXTENDED);
      throw error;
    }
  }

  function end(reason: string): void {
    if (!ended.signal.aborted) ended.abort(new Error(reason));
  }

  return {
    end,
    job: () => job,
    writtenAt: () => writtenAt,
    hasProgress: () => unsaid.progress !== undefined,
    say: (said: Said) => {
      unsaid = { ...unsaid, ...said };
    },
    write: async (): Promise<void> => {
      const next = writing.then(beat);
      writing = next.catch(() => {});
      return next;
    },
    written: async () => writing,
  };
}

async function keepBeating(
  heartbeat: Heartbeat,
  released: AbortSignal,
  ended: AbortSignal,
  { clock, log }: Parts,
): Promise<void> {
  let wait = HEARTBEAT_MS;
  while (!ended.aborted) {
    await clock.sleep(wait, released).catch(() => {});
    if (released.aborted) return;
    wait = await heartbeat.write().then(
      () => HEARTBEAT_MS,
      (error: unknown) => {
        log("warn", "job.lease-not-extended", { ...logged(heartbeat.job()), error: reasonOf(error) });
        return RETRY_MS;
      },
    );
  }
}

/** A write may take long or never be answered: the attempt ends before its lease all the same. */
async function watch(heartbeat: Heartbeat, released: AbortSignal, isOff: () => boolean, { clock }: Parts) {
  for (;;) {
    const left = clock.waitFor(heartbeat.job().leaseUntil - clock.now()) - RETRY_MS;
    if (left <= 0) return heartbeat.end(NOT_EXTENDED);
    await clock.sleep(left, released).catch(() => {});
    if (isOff()) return;
  }
}
