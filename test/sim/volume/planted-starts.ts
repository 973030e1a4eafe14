import { LOST } from "../../../lib/job/attempt.ts";
import type { Job, RunningJob } from "../../../lib/job/job.ts";
import { after } from "../../../lib/job/move.ts";
import { expire } from "../../../lib/job/moves.ts";
import type { Parts } from "../plant.ts";
import { unlimited, type VolumePlant } from "./volume-plant.ts";

// Bugs of attempts that never start, or start late, and of those who wait for them.

/** A job whose message came again, as one whose only attempt was lost. */
function endedAsLost(job: Job, { clock, retention }: Parts): Job {
  const isResumed = job.status === "RETRYING" && job.lastError === LOST.error;
  if (!isResumed) return job;
  const running: RunningJob = { ...job, status: "RUNNING", startedAt: job.startAt, leaseUntil: clock.now() };
  return after(running, expire(running, { now: clock.now(), chance: 0, retention }));
}

export const STARTS_PLANTS: readonly VolumePlant[] = [
  {
    name: "a first receive that was handed back counts as the only attempt",
    scenario: "jobs that only their message holds",
    breaks: "6: jobs that ended without an attempt",
    parts: (parts) => ({
      store: {
        ...parts.store,
        create: async (job) => parts.store.create(job.maxRetries === 0 ? endedAsLost(job, parts) : job),
      },
    }),
  },
  {
    name: "a message that was refused is not sent again, and its job stays due in five minutes",
    scenario: "a queue that refuses entries",
    breaks: "13: runs of schedules that were lost",
    parts: ({ queue }) => ({
      queue: {
        ...queue,
        sendAttempts: async (all) => {
          await queue.sendAttempts(all);
          return [];
        },
      },
    }),
  },
  {
    name: "everybody who watches a job waits",
    scenario: "watchers of jobs",
    breaks: "11: watchers of an app that wait",
    parts: unlimited("(waiters)"),
  },
  {
    name: "a process takes 200 batches at once",
    scenario: "a burst on the local stack",
    breaks: "12: longest delay of the event loop",
    pace: () => async () => {},
  },
  {
    name: "a process takes one batch after the other",
    scenario: "a burst on the local stack",
    breaks: "12: drained within",
    pace: () => async (inHand) => void (await Promise.all(inHand)),
  },
];
